"""The `openai` judge against a real local server that plays the judge, and lets one down in ten ways."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fac_eval.audio import Audio
from fac_eval.errors import BatchFailed, BudgetReached, FacEvalError, ModelUnavailable
from fac_eval.interfaces import BatchJudge, Spender
from fac_eval.judges.openai_judge import OpenAIJudge
from fac_eval.judges.readings import reading_of
from fac_eval.remote.budget import Budget
from fac_eval.resolve import resolve_judge
from fac_eval.vocabulary import Question, Verdict
from tests.support.chat_server import Answer
from tests.support.clocks import FakeClock
from tests.support.judge_server import JudgeServer

KEY = "sk-test-0123456789abcdef"
QUESTION = Question("voicebench/open", {"question": "How are you?", "answer": "Fine."})
CLIPS = tuple(Audio.from_samples(np.full(1600, level, np.float32), 16000) for level in (0.1, 0.2))
HEARD = Question("vstyle/empathy-en", {"instruction_type": "empathy/joy", "input_instruction": "Ha"}, CLIPS)


def make(server: JudgeServer, **arguments: Any) -> OpenAIJudge:
    judge = OpenAIJudge("judge", **{"base_url": server.base_url, "api_key": KEY, **arguments})
    judge.model.clock = FakeClock()
    return judge


def ask(judge: OpenAIJudge, *questions: Question) -> list[Verdict]:
    async def scenario() -> list[Verdict]:
        try:
            return list(await asyncio.gather(*(judge.judge(question) for question in questions)))
        finally:
            await judge.aclose()

    return asyncio.run(scenario())


@pytest.fixture
def prices(tmp_path: Path) -> Path:
    file = tmp_path / "prices.toml"
    file.write_text('[models."judge"]\ninput = 1000\noutput = 2000\n')
    return file


class TestLive:
    def test_a_spec_makes_it(self, server: JudgeServer) -> None:
        judge = resolve_judge(f"{server.spec},api_key={KEY},prompts=own,concurrency=3")
        assert isinstance(judge, OpenAIJudge)
        assert isinstance(judge, BatchJudge)
        assert isinstance(judge, Spender)
        assert (judge.name, judge.concurrency) == ("judge", 3)
        assert KEY not in json.dumps([judge.fingerprint, judge.describe()])

    def test_a_question_arrives_as_the_rubric_says(self, server: JudgeServer) -> None:
        (verdict,) = ask(make(server), QUESTION)
        assert (verdict.reply, verdict.error, verdict.prompt) == ("5", None, "own")
        (seen,) = server.seen
        assert seen.rubric == "voicebench/open"
        assert seen.inputs == QUESTION.inputs
        body = seen.body
        assert (body["model"], body["temperature"], body["top_p"], body["max_tokens"]) == (
            "judge",
            0.5,
            0.95,
            1024,
        )
        assert body["messages"][0]["role"] == "system"

    def test_clips_are_sent_after_the_text(self, server: JudgeServer) -> None:
        (verdict,) = ask(make(server), HEARD)
        assert reading_of(HEARD.rubric).read(verdict.reply) == 5
        (seen,) = server.seen
        assert (seen.rubric, seen.clips) == ("vstyle/empathy-en", 2)
        parts = seen.body["messages"][-1]["content"]
        sounds = [base64.b64decode(part["input_audio"]["data"]) for part in parts[1:]]
        assert sounds == [clip.encoded("wav", rate=16000) for clip in CLIPS]
        assert "temperature" not in seen.body

    @pytest.mark.parametrize(("arguments", "rate"), [({}, 24000), ({"audio_rate": 16000}, 16000)])
    def test_clips_keep_their_rate_unless_told(
        self, arguments: dict[str, Any], rate: int, server: JudgeServer
    ) -> None:
        clip = Audio.from_samples(np.full(2400, 0.1, np.float32), 24000)
        ask(make(server, **arguments), Question(HEARD.rubric, HEARD.inputs, (clip,)))
        part = server.seen[0].body["messages"][-1]["content"][1]
        assert base64.b64decode(part["input_audio"]["data"]) == clip.encoded("wav", rate=rate)

    def test_its_price_is_that_of_the_model(self, server: JudgeServer, prices: Path) -> None:
        assert make(server).price is None
        price = make(server, prices=prices).price
        assert price is not None
        assert (price.input, price.output) == (1000, 2000)

    def test_a_call_costs_what_it_costs_and_shares_the_runs_budget(
        self, server: JudgeServer, prices: Path
    ) -> None:
        judge = make(server, prices=prices)
        judge.budget = Budget(1000)
        (verdict,) = ask(judge, QUESTION)
        assert verdict.usage.cost == pytest.approx((10 * 1000 + 5 * 2000) / 1e6)
        assert judge.budget.spent == verdict.usage.cost
        judge = make(server, prices=prices)
        judge.budget = Budget(0.001)
        with pytest.raises(BudgetReached):
            ask(judge, QUESTION)


# What each of the ten ways to misbehave comes to; docs/judges.md has the same table.
KEPT = {"nonsense", "wrong_language", "refusal"}
CAUSES = {
    "empty": "the judge's reply is empty",
    "rate_limited": "rate_limited: the endpoint answered 429",
    "server_error": "model_error: the endpoint answered 500",
    "hang": "timeout: no complete answer",
    "truncated": "bad_response: the answer is not what the protocol asks for",
}
STOPS = {"no_quota": "no credit left", "no_model": "model= and base_url="}


class TestMisbehaviour:
    def patient(self, server: JudgeServer) -> OpenAIJudge:
        return make(server, timeout=0.2, max_retries=2)

    @pytest.mark.parametrize("mode", sorted(KEPT))
    @pytest.mark.parametrize(
        "rubric",
        [
            "voicebench/open",
            "voicebench/qa",
            "voicebench/mcq",
            "openaudiobench/trivia_qa",
            "vstyle/empathy-en",
        ],
    )
    def test_a_reply_that_says_nothing_is_kept_and_read_as_nothing(
        self, server: JudgeServer, mode: str, rubric: str
    ) -> None:
        server.misbehave(mode)
        inputs = {"question": "Who?", "reference": "Ada", "answer": "Ada", **HEARD.inputs}
        (verdict,) = ask(self.patient(server), Question(rubric, inputs))
        assert verdict.error is None
        assert verdict.reply
        assert reading_of(rubric).read(verdict.reply) is None

    @pytest.mark.parametrize("mode", CAUSES)
    def test_a_call_that_fails_is_a_judge_error(self, server: JudgeServer, mode: str) -> None:
        server.misbehave(mode)
        (verdict,) = ask(self.patient(server), QUESTION)
        assert verdict.error is not None
        assert verdict.error.kind == "judge_error"
        assert CAUSES[mode] in verdict.error.message
        assert verdict.reply == ""

    @pytest.mark.parametrize("mode", CAUSES)
    def test_trouble_that_passes_costs_nothing_but_time(self, server: JudgeServer, mode: str) -> None:
        server.misbehave(mode, times=2)
        (verdict,) = ask(self.patient(server), QUESTION)
        assert (verdict.reply, verdict.error) == ("5", None)
        assert server.counts == {"voicebench/open": 3}

    @pytest.mark.parametrize("mode", STOPS)
    def test_where_no_question_can_succeed_the_run_stops(self, server: JudgeServer, mode: str) -> None:
        server.misbehave(mode)
        with pytest.raises(ModelUnavailable) as caught:
            ask(self.patient(server), QUESTION)
        assert STOPS[mode] in str(caught.value)
        assert len(server.seen) == 1

    def test_no_key_shows_in_what_is_kept(self, server: JudgeServer) -> None:
        server.replies["voicebench/open"] = Answer(None, finish_reason=f"content_filter {KEY}")
        (verdict,) = ask(self.patient(server), QUESTION)
        assert verdict.error is not None
        assert KEY not in f"{verdict.error.message}{verdict.error.raw}"

    def test_every_way_is_tested(self) -> None:
        from tests.support.judge_server import MISBEHAVIOURS

        assert KEPT | set(CAUSES) | set(STOPS) == set(MISBEHAVIOURS)


def questions(count: int, rubric: str = "voicebench/open") -> list[tuple[str, Question]]:
    return [
        (f"{number:032x}", Question(rubric, {"question": "How?", "answer": f"So {number}."}))
        for number in range(count)
    ]


def run_batch(
    judge: OpenAIJudge, asked: list[tuple[str, Question]], *, polls: int
) -> dict[str, Verdict] | None:
    async def scenario() -> Any:
        try:
            batch = await judge.submit(asked)
            for _ in range(polls):
                assert await judge.collect(batch) is None
            return await judge.collect(batch)
        finally:
            await judge.aclose()

    found: dict[str, Verdict] | None = asyncio.run(scenario())
    return found


class TestBatches:
    def test_replies_come_back_under_their_keys(self, server: JudgeServer) -> None:
        server.batches.polls = 2
        server.replies["voicebench/open"] = lambda inputs: inputs["answer"].removeprefix("So ").rstrip(".")
        verdicts = run_batch(make(server), questions(5), polls=2)
        assert verdicts is not None
        assert {key: verdict.reply for key, verdict in verdicts.items()} == {
            f"{number:032x}": str(number) for number in range(5)
        }
        assert server.chats == []

    def test_a_question_is_the_same_as_live(self, server: JudgeServer) -> None:
        judge = make(server)
        ((key, question),) = questions(1)
        run_batch(judge, [(key, question)], polls=1)
        ask(judge, question)
        in_batch, live = server.seen
        assert in_batch.body == live.body

    def test_another_process_collects_by_the_id_alone(self, server: JudgeServer) -> None:
        async def scenario() -> Any:
            batch = await make(server).submit(questions(2))
            other = make(server)
            await other.collect(batch)
            return await other.collect(batch)

        verdicts = asyncio.run(scenario())
        assert [verdict.reply for verdict in verdicts.values()] == ["5", "5"]

    def test_it_costs_half(self, server: JudgeServer, prices: Path) -> None:
        judge = make(server, prices=prices)
        judge.budget = Budget(1000)
        verdicts = run_batch(judge, questions(2), polls=1)
        assert verdicts is not None
        each = (10 * 1000 + 5 * 2000) / 1e6 / 2
        assert [verdict.usage.cost for verdict in verdicts.values()] == [pytest.approx(each)] * 2
        assert judge.budget.spent == pytest.approx(2 * each)
        assert judge.budget.reserved == 0
        assert judge.remarks() == []

    def test_a_batch_beyond_the_budget_is_not_handed_over(self, server: JudgeServer, prices: Path) -> None:
        judge = make(server, prices=prices)
        judge.budget = Budget(1.5)
        with pytest.raises(BudgetReached, match="a batch of 2 questions could cost up to"):
            run_batch(judge, questions(2), polls=1)
        assert server.batches.batches == {}

    def test_a_second_batch_does_not_wait_for_the_first_one_to_be_settled(
        self, server: JudgeServer, prices: Path
    ) -> None:
        judge = make(server, prices=prices)
        judge.budget = Budget(2.2)

        async def scenario() -> None:
            await judge.submit(questions(1))
            await judge.submit(questions(1))
            await judge.aclose()

        with pytest.raises(BudgetReached, match="set aside"):
            asyncio.run(scenario())

    @pytest.mark.parametrize("ending", ["expired", "cancelled"])
    def test_what_was_answered_before_the_end_is_kept(self, server: JudgeServer, ending: Any) -> None:
        server.batches.ending, server.batches.answered = ending, 1
        verdicts = run_batch(make(server), questions(3), polls=1)
        assert verdicts is not None
        first, *others = (verdicts[key] for key, _ in questions(3))
        assert (first.reply, first.error) == ("5", None)
        for verdict in others:
            assert verdict.error is not None
            assert verdict.error.kind == "judge_error"
            assert "could not be executed in time" in verdict.error.message

    @pytest.mark.parametrize(
        ("mode", "cause"),
        [
            ("empty", "reply is empty"),
            ("rate_limited", "rate_limited"),
            ("server_error", "model_error"),
            ("no_quota", "rate_limited: the endpoint answered 429: You exceeded"),
        ],
    )
    def test_a_line_that_failed_fails_alone(self, server: JudgeServer, mode: str, cause: str) -> None:
        server.misbehave(mode, times=1)
        verdicts = run_batch(make(server), questions(2), polls=1)
        assert verdicts is not None
        (bad, good) = (verdicts[key] for key, _ in questions(2))
        assert (good.reply, good.error) == ("5", None)
        assert bad.error is not None
        assert bad.error.kind == "judge_error"
        assert cause in bad.error.message

    def test_a_refused_batch_says_why_and_costs_nothing(self, server: JudgeServer, prices: Path) -> None:
        server.batches.ending = "failed"
        judge = make(server, prices=prices)
        judge.budget = Budget(1000)
        with pytest.raises(BatchFailed, match="is failed: Enqueued token limit reached"):
            run_batch(judge, questions(1), polls=1)
        assert (judge.budget.spent, judge.budget.reserved) == (0, 0)

    def test_a_batch_that_nobody_knows_is_given_up(self, server: JudgeServer) -> None:
        with pytest.raises(BatchFailed, match="knows no batch batch_77"):
            asyncio.run(make(server).collect("batch_77"))

    def test_an_endpoint_without_batches_says_so(self, server: JudgeServer) -> None:
        server.desk = lambda request: None
        with pytest.raises(FacEvalError, match="answered 404 about a batch"):
            run_batch(make(server, max_retries=0), questions(1), polls=0)

    def test_an_endpoint_that_is_not_there_says_so(self, server: JudgeServer) -> None:
        judge = make(server, base_url="http://127.0.0.1:1/v1", max_retries=0)
        with pytest.raises(ModelUnavailable, match="cannot be reached") as caught:
            run_batch(judge, questions(1), polls=0)
        assert "is collected then" in str(caught.value)

    def test_sound_goes_into_a_batch_too(self, server: JudgeServer) -> None:
        verdicts = run_batch(make(server), [("k", HEARD)], polls=1)
        assert verdicts is not None
        assert server.seen[0].clips == 2
