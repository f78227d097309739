"""PEDANT in an environment of its own, for which a made-up package stands in."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fac_eval.errors import AssetError, DataError, MissingResource
from fac_eval.metrics import pedant
from fac_eval.metrics.pedant import PYTHON_VARIABLE, Pedant

PACKAGE = """
import pathlib, sys, urllib.request

pathlib.Path(__file__).with_name("loaded").touch()
print("noise on the standard output")

class PEDANT:
    def __init__(self):
        try:
            urllib.request.urlopen("http://localhost:9/classifier", timeout=1)
        except OSError as error:
            self.network = str(error)

    def evaluate(self, reference, candidate, question):
        print("more noise")
        if candidate == "the network?":
            return self.network == "<urlopen error no network for PEDANT>"
        if candidate == "trouble":
            raise ValueError("cannot take this")
        if candidate == "the end":
            sys.exit(1)
        return reference[0] in candidate
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The packages of an environment with qa-metrics 0.2.17, whose Python the variable names."""
    folder = tmp_path / "site"
    (folder / "qa_metrics" / "classifier").mkdir(parents=True)
    (folder / "qa_metrics" / "__init__.py").write_text("")
    (folder / "qa_metrics" / "pedant.py").write_text(PACKAGE)
    for name in ("lr_classifier.pkl", "tf-idf_vectorizer.pkl"):
        (folder / "qa_metrics" / "classifier" / name).write_text(name)
    (folder / "qa_metrics-0.2.17.dist-info").mkdir()
    metadata = "Metadata-Version: 2.1\nName: qa-metrics\nVersion: 0.2.17\n"
    (folder / "qa_metrics-0.2.17.dist-info" / "METADATA").write_text(metadata)
    python = tmp_path / "python"
    code = f"import runpy, sys; sys.path.insert(0, {str(folder)!r}); runpy.run_path(sys.argv[2], run_name='__main__')"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "{code}" "$@"\n')
    python.chmod(0o755)
    monkeypatch.setenv(PYTHON_VARIABLE, str(python))
    pins = {
        hashlib.sha256(name.encode()).hexdigest() for name in ("lr_classifier.pkl", "tf-idf_vectorizer.pkl")
    }
    monkeypatch.setattr(pedant, "CLASSIFIERS", {"0.2.17": frozenset(pins), "0.2.32": frozenset(pins)})
    return folder


@pytest.fixture
def running(site: Path) -> Iterator[Pedant]:
    found = Pedant("0.2.17")
    found.start()
    assert (site / "qa_metrics" / "loaded").exists()
    yield found
    pedant._end(found._running())


def test_it_answers_one_question_after_the_other(running: Pedant) -> None:
    found = [
        running.correct(reference, answer, "where is it?")
        for reference, answer in [("lisbon", "it is lisbon."), ("lisbon", "paris"), ("são", "são paulo\n")]
    ]
    assert found == [True, False, True]


def test_it_has_no_network(running: Pedant) -> None:
    assert running.correct("", "the network?", "")


def test_an_answer_that_it_cannot_take_ends_nothing(running: Pedant) -> None:
    with pytest.raises(DataError, match="ValueError: cannot take this"):
        running.correct("", "trouble", "")
    assert running.correct("a", "a", "")


def test_its_end_is_told(running: Pedant) -> None:
    with pytest.raises(DataError, match="has ended"):
        running.correct("", "the end", "")
    with pytest.raises(DataError, match="has ended"):
        running.correct("", "a", "")


def test_another_version_is_refused(site: Path) -> None:
    with pytest.raises(AssetError, match=r"has qa-metrics 0\.2\.17") as raised:
        Pedant("0.2.32").start()
    assert "qa-metrics==0.2.32" in (raised.value.remedy or "")


def test_other_classifiers_are_refused_before_they_run(site: Path) -> None:
    (site / "qa_metrics" / "classifier" / "lr_classifier.pkl").write_text("a newer one")
    with pytest.raises(
        AssetError, match=r"lacks the classifier with sha256 [0-9a-f]{64}; it has lr_classifier"
    ):
        Pedant("0.2.17").start()
    assert not (site / "qa_metrics" / "loaded").exists()


def test_an_environment_without_it_is_refused(site: Path) -> None:
    (site / "qa_metrics" / "pedant.py").write_text("import sklearn_of_old")
    with pytest.raises(MissingResource, match="does not start in .* No module named 'sklearn_of_old'"):
        Pedant("0.2.17").start()


@pytest.mark.parametrize(
    ("python", "problem"),
    [
        pytest.param(None, "needs an environment of its own", id="not-named"),
        pytest.param("/no/such/python", "cannot be run", id="not-there"),
        pytest.param("/bin/true", "its process has ended", id="no-python"),
    ],
)
def test_a_missing_environment_is_explained(
    python: str | None, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if python is None:
        monkeypatch.delenv(PYTHON_VARIABLE, raising=False)
    else:
        monkeypatch.setenv(PYTHON_VARIABLE, python)
    with pytest.raises(MissingResource, match=problem):
        Pedant("0.2.17").start()
