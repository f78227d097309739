"""Whole runs with a judge that lets one down in ten ways: each ends as docs/judges.md says.

Half of the questions meet a misbehaving judge. Their samples must fail under that name and no other must suffer; once
the judge behaves, the same command asks what has no answer yet and comes to what it would have come to at once.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import fac_eval
from fac_eval import RunResult
from fac_eval.errors import ModelUnavailable
from fac_eval.judges.openai_judge import OpenAIJudge
from fac_eval.resolve import resolve_tasks
from fac_eval.store import ItemRow, Store
from tests.support.chat_server import Action
from tests.support.clocks import FakeClock
from tests.support.command_line import CommandLine, command_line
from tests.support.judge_server import MISBEHAVIOURS, Inputs, JudgeServer, Seen, fair

TASKS = ("voicebench/sd-qa", "openaudiobench/llama_questions")
RUBRICS = {
    "voicebench/sd-qa": "voicebench/qa",
    "openaudiobench/llama_questions": "openaudiobench/llama_questions",
}
ITEMS, TROUBLED = 12, 6

UNREAD = ("nonsense", "wrong_language", "refusal")
"""Replies without a verdict."""
FAILED = {
    "empty": "the judge's reply is empty",
    "rate_limited": "rate_limited: ",
    "server_error": "model_error: ",
    "hang": "timeout: ",
    "truncated": "bad_response: ",
}
"""Calls that fail, and the cause that is told."""
STOPPED = {"no_quota": "no credit left", "no_model": "model= and base_url="}
"""Where no call can succeed, and what is told."""


@pytest.fixture(autouse=True)
def _own_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FAC_EVAL_CACHE", str(tmp_path / "cache"))
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "FAC_EVAL_PRICES", "FAC_EVAL_ASSETS", "FAC_EVAL_STORE"):
        monkeypatch.delenv(name, raising=False)


@dataclass
class Bench:
    """A task, a judge behind a server, and a store."""

    server: JudgeServer
    task: str
    store: Path
    troubled: frozenset[str] = frozenset()
    """The questions that meet the judge's misbehaviour."""
    clock: FakeClock = field(default_factory=FakeClock)
    patience: float = 60.0
    """Real seconds after which a call is given up: short where one hangs, or else longer than any machine is busy."""

    def judge(self) -> OpenAIJudge:
        judge = OpenAIJudge(
            "judge", base_url=self.server.base_url, api_key="k", timeout=self.patience, max_retries=1
        )
        judge.model.clock = self.clock
        return judge

    def run(self, store: str = "store", **options: Any) -> RunResult:
        return fac_eval.run(
            "oracle",
            self.task,
            data="sample",
            judge=self.judge(),
            store=str(self.store / store),
            progress=False,
            **options,
        )

    def misbehave(self, mode: str | None) -> None:
        """From now on half of the questions meet this."""
        self.be_ready_for(mode)
        rubric = RUBRICS[self.task]

        def reply(inputs: Inputs) -> str | Action:
            if mode is not None and inputs["question"] in self.troubled:
                return MISBEHAVIOURS[mode]
            return fair(Seen(rubric, inputs, 0, {}))

        self.server.replies[rubric] = reply

    def be_ready_for(self, mode: str | None) -> None:
        """Have as much patience as this calls for."""
        self.patience = 1.0 if mode == "hang" else Bench.patience

    def asked(self, since: int = 0) -> Counter[str]:
        """How often each question was asked."""
        return Counter(seen.inputs["question"] for seen in self.server.seen[since:])

    def verdicts(self) -> int:
        with Store.reader(self.store / "store") as store:
            return len(store._query("SELECT key FROM work WHERE stage = 'judge'").fetchall())


@pytest.fixture(params=TASKS)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    with JudgeServer() as server:
        bench = Bench(server, request.param, tmp_path)
        # What a judge that behaves comes to, and which questions there are.
        bench.run("peaceful")
        questions = sorted(bench.asked())
        assert len(questions) == ITEMS
        bench.troubled = frozenset(questions[::2])
        server.seen.clear()
        yield bench


def figures(result: RunResult) -> dict[str, tuple[float | None, int]]:
    return {figure.name: (figure.value, figure.n) for figure in result.cells[0].figures}


def items(result: RunResult) -> list[ItemRow]:
    with Store.reader(result.store) as store:
        return list(store.items(result.cells[0].id))


def outcomes(result: RunResult) -> list[Any]:
    """What became of each sample, whatever it took: a call that was tried again used more tokens."""
    return [
        (
            item.sample_id,
            item.outcome,
            item.score,
            [{**one, "usage": None} for one in item.evidence["verdicts"]],
        )
        for item in items(result)
    ]


def ends_well(bench: Bench, result: RunResult) -> None:
    """The run has come to what it comes to without any trouble."""
    with Store.reader(bench.store / "peaceful") as store:
        peaceful = RunResult.load(store, "latest")
    assert result.counts.failed == {}
    assert figures(result) == figures(peaceful)
    assert figures(result)["accuracy"] == (100.0, ITEMS)
    assert outcomes(result) == outcomes(peaceful)


def half_is_scored(result: RunResult) -> None:
    """The samples in trouble are failed and nothing else, the others right, and all figures say so."""
    assert result.finished
    assert result.counts.failed == {"judge_error": TROUBLED}
    assert result.counts.scored == ITEMS - TROUBLED
    found = figures(result)
    assert found["accuracy"] == (100.0, ITEMS - TROUBLED)
    assert found["strict accuracy"] == (50.0, ITEMS)
    assert found["invalid"] == (TROUBLED, ITEMS)


def test_every_way_is_tested() -> None:
    assert {*UNREAD, *FAILED, *STOPPED} == set(MISBEHAVIOURS)
    for task in resolve_tasks(TASKS):
        assert task.rubrics == (RUBRICS[task.name],)


@pytest.mark.parametrize("mode", UNREAD)
def test_replies_without_a_verdict_are_kept_and_not_paid_for_again(bench: Bench, mode: str) -> None:
    bench.misbehave(mode)
    result = bench.run()
    half_is_scored(result)
    assert set(bench.asked().values()) == {1}
    said = {item.evidence["verdicts"][0]["reply"] for item in items(result) if item.outcome == "failed"}
    (reply,) = said
    expected = MISBEHAVIOURS[mode]
    assert reply == (getattr(expected, "refusal", None) or getattr(expected, "text", None))

    bench.misbehave(None)
    bench.server.seen.clear()
    half_is_scored(bench.run())
    assert bench.server.seen == []
    # The same replies under the policy that counts them as wrong.
    wrong = fac_eval.rescore(
        "latest", set={f"{bench.task}.invalid": "count_wrong"}, store=str(bench.store / "store")
    )
    assert wrong.counts.failed == {}
    assert figures(wrong)["accuracy"] == (50.0, ITEMS)
    assert figures(wrong)["invalid"] == (TROUBLED, ITEMS)
    # On purpose it is asked again.
    ends_well(bench, bench.run(judge_refresh=True))
    assert sum(bench.asked().values()) == ITEMS


@pytest.mark.parametrize("mode", FAILED)
def test_failed_calls_fail_their_samples_until_the_judge_is_back(bench: Bench, mode: str) -> None:
    bench.misbehave(mode)
    result = bench.run()
    half_is_scored(result)
    failed = [item for item in items(result) if item.outcome == "failed"]
    assert all(FAILED[mode] in str(item.detail) for item in failed)
    asked = bench.asked()
    assert {asked[question] for question in bench.troubled} <= {2, 3, 5}
    assert {asked[question] for question in asked if question not in bench.troubled} == {1}
    assert bench.verdicts() == ITEMS - TROUBLED

    bench.misbehave(None)
    bench.server.seen.clear()
    ends_well(bench, bench.run())
    assert bench.asked() == dict.fromkeys(bench.troubled, 1)


@pytest.mark.parametrize("mode", FAILED)
def test_trouble_that_passes_leaves_no_trace(bench: Bench, mode: str) -> None:
    bench.be_ready_for(mode)
    bench.server.misbehave(mode, times=1)
    ends_well(bench, bench.run())
    assert sum(bench.asked().values()) == ITEMS + 1


@pytest.mark.parametrize("mode", STOPPED)
def test_a_judge_that_cannot_be_asked_stops_the_run_which_goes_on_later(bench: Bench, mode: str) -> None:
    bench.misbehave(mode)
    with pytest.raises(ModelUnavailable) as caught:
        bench.run()
    assert STOPPED[mode] in str(caught.value)
    assert all(count == 1 for count in bench.asked().values())
    kept = bench.verdicts()
    assert kept <= ITEMS - TROUBLED

    bench.misbehave(None)
    bench.server.seen.clear()
    ends_well(bench, bench.run())
    assert set(bench.asked().values()) == {1}
    assert len(bench.asked()) == ITEMS - kept


EXIT_CODES: Mapping[str, int] = {**dict.fromkeys(UNREAD, 1), **dict.fromkeys(STOPPED, 2)}


@pytest.mark.parametrize("mode", EXIT_CODES)
def test_the_exit_code_tells(
    bench: Bench, mode: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(bench.store)
    cli: CommandLine = command_line(capsys)
    bench.misbehave(mode)
    command = (
        "run",
        "-m",
        "oracle",
        "-t",
        bench.task,
        "--data",
        "sample",
        "--judge",
        f"{bench.server.spec},api_key=k",
    )
    done = cli(*command, "--json")
    assert done.code == EXIT_CODES[mode], done.err
    if mode in STOPPED:
        assert STOPPED[mode] in done.err
        bench.misbehave(None)
        assert cli(*command).code == 0
    else:
        assert json.loads(done.out)["cells"][0]["counts"]["failed"] == {"judge_error": TROUBLED}
