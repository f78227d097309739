"""The judges' entry points, whether the installed package names them yet or not, and a judge's server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.judge_server import BENCHMARKS, JudgeServer
from tests.support.plugins import install


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rubrics and judges are found; nobody's own key, endpoint, prices or assets take part."""
    rubrics = {name: f"fac_eval.judges.rubrics.{name}:RUBRICS" for name in BENCHMARKS}
    install(monkeypatch, "rubric", rubrics)
    install(
        monkeypatch,
        "judge",
        {
            "lexical": "fac_eval.judges.lexical:LexicalJudge",
            "openai": "fac_eval.judges.openai_judge:OpenAIJudge",
        },
    )
    install(monkeypatch, "command", {"judge-check": "fac_eval.judges.cli:command"})
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "FAC_EVAL_PRICES", "FAC_EVAL_ASSETS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def no_assets(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No prompt of others is on this machine, unless a test puts it there."""
    monkeypatch.setenv("FAC_EVAL_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def server() -> Iterator[JudgeServer]:
    with JudgeServer() as running:
        yield running
