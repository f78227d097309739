"""A store and a site over it, made once, and a browser to look at them with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fac_eval.reports.runs import find_runs
from fac_eval.reports.site.export import write_site
from fac_eval.reports.site.snapshot import Snapshot
from tests.reports.site.world import make_world
from tests.support.browser import Page, open_page
from tests.support.plugins import install

SPOKEN = {"world/spoken": "tests.reports.site.world:Spoken"}


@pytest.fixture(autouse=True)
def spoken_task(monkeypatch: pytest.MonkeyPatch) -> None:
    """The world's own task can be found by name, as an installed one."""
    install(monkeypatch, "task", SPOKEN)


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A store with two runs; read it only."""
    return make_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="session")
def site(world: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site over it, written to a folder; read it only."""
    folder = tmp_path_factory.mktemp("written") / "site"
    with pytest.MonkeyPatch.context() as patch:
        install(patch, "task", SPOKEN)
        write_site(find_runs([], world), folder)
    return folder


@pytest.fixture(scope="session")
def snapshot(world: str) -> Snapshot:
    """The same as data."""
    return Snapshot(find_runs([], world))


@pytest.fixture(scope="session")
def browser() -> Iterator[Page]:
    """One browser for all tests."""
    with open_page() as page:
        yield page


@pytest.fixture
def page(browser: Page) -> Iterator[Page]:
    """The browser, in a window of a desk, in which nothing has gone wrong and nothing does."""
    browser.resize(1280, 860)
    browser.prefer("light")
    browser.complaints.clear()
    yield browser
    assert browser.complaints == []
