"""A run that is going on, watched in the browser from its first sample to its last."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

import fac_eval
from fac_eval import Request
from fac_eval.reports.runs import find_runs
from fac_eval.reports.site.chunks import unpacked
from fac_eval.reports.site.server import Pages, SiteServer
from tests.support.browser import Page, needs_browser
from tests.support.toys import Echo, ToyOptions, ToyTask

N = 24


class Held:
    """An evaluation in a thread of its own, whose model waits at a sample until it is let go."""

    def __init__(self, store: Path) -> None:
        self.reached, self.free = threading.Event(), threading.Event()
        model = Echo(batch_size=1)
        model.on_request = self._wait
        self.thread = threading.Thread(
            target=fac_eval.run,
            args=(model, ToyTask(ToyOptions(n=N))),
            kwargs={"store": str(store), "progress": False},
        )

    def _wait(self, request: Request) -> None:
        if request.messages[-1].text.split()[1] == str(N // 2):
            self.reached.set()
            assert self.free.wait(60)

    def __enter__(self) -> Held:
        self.thread.start()
        assert self.reached.wait(60)
        return self

    def __exit__(self, *_: object) -> None:
        self.free.set()
        self.thread.join()


def live(pages: Pages) -> Any:
    found = pages.get("/data/live.js", None)
    assert found is not None
    return unpacked(found.content)[1]["runs"][0]


def half_way(pages: Pages) -> Any:
    """The run's figures once what is finished has been committed."""
    for _ in range(10_000):
        run = live(pages)
        if run["done"] >= 1:
            return run
    raise AssertionError("nothing was committed")


def test_progress_is_read_from_the_store_without_disturbing_it(tmp_path: Path) -> None:
    with Held(tmp_path) as held:
        pages = Pages(lambda: find_runs([], tmp_path))
        run = half_way(pages)
        assert (run["state"], run["total"]) == ("running", N)
        assert 0 < run["done"] < N
        before = pages.current()
        held.free.set()
        held.thread.join()
        run = live(pages)
        assert (run["state"], run["done"], run["failed"]) == ("finished", N, 0)
        assert pages.current().build != before.build
        # A page that was loaded before goes on with what it knows.
        assert pages.get("/data/t0/index.js", before.build) is not None


def test_equal_states_are_read_once(tmp_path: Path) -> None:
    fac_eval.run(Echo(), ToyTask(ToyOptions(n=3)), store=str(tmp_path), progress=False)
    pages = Pages(lambda: find_runs([], tmp_path))
    assert pages.current() is pages.current()


@needs_browser
def test_a_run_is_shown_live(page: Page, tmp_path: Path) -> None:
    with Held(tmp_path) as held, SiteServer(Pages(lambda: find_runs([], tmp_path))) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        page.go(server.url, ready="document.querySelector('.live-card')")
        assert page.text(".live-card .state") == "running"
        page.until(f"/^[1-9]\\d* of {N}$/.test(document.querySelector('[data-fact=done] dd').innerText)")
        assert "nothing" not in page.text(".leaderboard")
        assert "running" in page.text(".leaderboard td.number")
        page.value("location.hash = '#/live'")
        page.until("document.querySelector('main h1').innerText === 'Live'")
        assert page.texts(".live-card dt")[:4] == ["done", "failed", "rate", "cost"]
        held.free.set()
        held.thread.join()
        page.until("document.querySelector('.live-card .state').innerText === 'finished'")
        assert page.text("[data-fact=done] dd") == f"{N} of {N}"
        page.value("location.hash = '#/'")
        page.until(
            "document.querySelector('.leaderboard td.number').innerText.includes('100.00')", patience=30
        )
        page.leave()
        server.shutdown()
        thread.join()


def test_a_store_that_is_gone_is_an_error_not_a_crash(tmp_path: Path) -> None:
    fac_eval.run(Echo(), ToyTask(ToyOptions(n=3)), store=str(tmp_path), progress=False)
    pages = Pages(lambda: find_runs([], tmp_path))
    (tmp_path / "store.sqlite").unlink()
    with pytest.raises(fac_eval.errors.StoreError):
        pages.get("/data/live.js", None)
