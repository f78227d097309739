"""What a question becomes on its way to a model, and what a response becomes on its way back."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import numpy as np
import pytest

from fac_eval.audio import Audio
from fac_eval.errors import DataError, UsageError
from fac_eval.interfaces import Capabilities
from fac_eval.judges.llm import ModelJudge, total_usage
from fac_eval.resolve import find_rubric
from fac_eval.vocabulary import Question, Request, Response, Text, Usage, Verdict

QUESTION = Question("voicebench/qa", {"question": "Who?", "reference": "Ada", "answer": "Ada Lovelace"})
CLIPS = tuple(Audio.from_samples(np.full(800, level, np.float32), 16000) for level in (0.1, 0.2))
HEARD = Question("vstyle/empathy-en", {"instruction_type": "empathy/anger", "input_instruction": "Hm"}, CLIPS)


class Scripted(ModelJudge):
    """Gives one response after the other, the last one for ever."""

    name = "scripted"
    fingerprint = "scripted/1"
    capabilities = Capabilities()

    def __init__(self, *responses: Response | str, prompts: str = "auto") -> None:
        super().__init__(prompts)  # type: ignore[arg-type]
        self.responses = [Response(text=said) if isinstance(said, str) else said for said in responses]
        self.asked: list[Request] = []

    async def answer(self, request: Request) -> Response:
        self.asked.append(request)
        return self.responses[min(len(self.asked), len(self.responses)) - 1]


def ask(judge: ModelJudge, question: Question = QUESTION) -> Verdict:
    return asyncio.run(judge.judge(question))


class TestTheCall:
    def test_system_text_and_settings_are_the_rubrics(self) -> None:
        judge = Scripted("yes")
        ask(judge)
        (request,) = judge.asked
        rubric = find_rubric("voicebench/qa")
        assert [message.role for message in request.messages] == ["system", "user"]
        assert request.messages[0].text == rubric.system
        assert request.messages[1].text == rubric.own.format(**QUESTION.inputs)
        assert request.settings == rubric.settings
        assert request.output == "text"

    def test_clips_follow_the_text_in_order(self) -> None:
        judge = Scripted("[[3]]")
        ask(judge, HEARD)
        (message,) = judge.asked[0].messages
        assert isinstance(message.parts[0], Text)
        assert message.parts[1:] == CLIPS

    def test_draws_and_attempts_differ_in_their_seed_and_runs_do_not(self) -> None:
        judge = Scripted("yes")
        first, again = judge.request(QUESTION), Scripted("no").request(QUESTION)
        assert first == again
        others = [
            judge.request(replace(QUESTION, draw=1)),
            judge.request(QUESTION, 2),
            judge.request(replace(QUESTION, inputs={**QUESTION.inputs, "answer": "Bob"})),
        ]
        assert len({request.seed for request in (first, *others)}) == 4

    def test_a_missing_input_is_an_error(self) -> None:
        with pytest.raises(DataError, match="needs reference"):
            ask(Scripted("yes"), replace(QUESTION, inputs={"question": "Who?", "answer": "Ada"}))


class TestTheReply:
    def test_it_comes_back_unread(self) -> None:
        judge = Scripted(Response(text=" Yes, quite.\n", usage=Usage(10, 2, cost=0.5)))
        assert ask(judge) == Verdict(
            reply=" Yes, quite.\n", rubric="voicebench/qa", prompt="own", usage=Usage(10, 2, cost=0.5)
        )

    def test_one_that_cannot_be_read_is_asked_for_again_where_the_protocol_does_so(self) -> None:
        judge = Scripted("I cannot say", "still not", "Final score: [[4]]", "never asked")
        assert ask(judge, HEARD).reply == "Final score: [[4]]"
        assert len(judge.asked) == 3

    def test_the_last_unreadable_reply_is_kept(self) -> None:
        judge = Scripted("no", "number", "in", "any", "of these")
        verdict = ask(judge, HEARD)
        assert (verdict.reply, verdict.error) == ("of these", None)
        assert len(judge.asked) == 5

    def test_what_is_readable_or_not_does_not_matter_elsewhere(self) -> None:
        judge = Scripted("who knows")
        assert ask(judge).reply == "who knows"
        assert len(judge.asked) == 1

    @pytest.mark.parametrize("said", ["", " \n"], ids=["empty", "blank"])
    def test_an_empty_reply_is_asked_for_again_and_is_a_failure_in_the_end(self, said: str) -> None:
        judge = Scripted(said, said, "yes")
        assert ask(judge).reply == "yes"
        judge = Scripted(Response(text=said, finish_reason="length"))
        verdict = ask(judge)
        assert len(judge.asked) == 5
        assert verdict.reply == ""
        assert verdict.error is not None
        assert (verdict.error.kind, verdict.error.raw) == ("judge_error", said)
        assert "empty, finish reason length" in verdict.error.message

    def test_where_the_protocol_asks_once_it_is_once(self) -> None:
        judge = Scripted("")
        verdict = ask(judge, replace(QUESTION, rubric="voicebench/qa-official"))
        assert len(judge.asked) == 1
        assert verdict.error is not None

    def test_a_failed_call_is_a_judge_error_that_keeps_cause_and_raw(self) -> None:
        judge = Scripted(Response.failed("timeout", "no answer within 3 s", "raw bytes"))
        verdict = ask(judge)
        assert verdict.error is not None
        assert verdict.error.kind == "judge_error"
        assert verdict.error.message == "timeout: no answer within 3 s"
        assert verdict.error.raw == "raw bytes"
        assert len(judge.asked) == 1, "the model has tried it again itself"

    def test_a_refused_answer_is_asked_for_again_where_the_protocol_does_so(self) -> None:
        failed = Response.failed("refused", "no")
        judge = Scripted(failed, failed, "[[2]]")
        assert ask(judge, HEARD).reply == "[[2]]"

    def test_all_attempts_are_paid_for(self) -> None:
        usages = [Usage(10, 1, cost=0.25), Usage(10, 2), Usage(10, 3, 5, cost=0.5)]
        judge = Scripted(*(Response(text="?", usage=usage) for usage in usages[:2]), Response("[[1]]"))
        judge.responses[2] = Response(text="[[1]]", usage=usages[2])
        assert ask(judge, HEARD).usage == Usage(30, 6, 5, None, 0.75)
        assert total_usage([]) == Usage()


class TestIdentity:
    def test_it_names_the_wording_and_its_hash(self) -> None:
        identity = Scripted().identity(find_rubric("voicebench/qa"))
        assert identity["judge"] == "scripted/1"
        assert identity["prompt"] == "own"
        assert len(str(identity["prompt_sha256"])) == 64

    @pytest.mark.parametrize("field", ["own", "system", "settings", "attempts"])
    def test_whatever_can_change_a_reply_changes_it(self, field: str) -> None:
        rubric = find_rubric("voicebench/qa")
        others = {
            "own": "{answer}?",
            "system": None,
            "settings": replace(rubric.settings, temperature=1.0),
            "attempts": 1,
        }
        changed = replace(rubric, **{field: others[field]})
        assert Scripted().identity(rubric) != Scripted().identity(changed)
        assert Scripted().identity(rubric) == Scripted().identity(rubric)


class TestCheck:
    def test_a_judge_that_hears_nothing_is_refused_in_time(self) -> None:
        judge = Scripted()
        judge.capabilities = Capabilities(inputs=frozenset({"text"}))
        judge.check(find_rubric("voicebench/qa"))
        with pytest.raises(UsageError, match="takes no audio, and vstyle/empathy-en is about what is heard"):
            judge.check(find_rubric("vstyle/empathy-en"))

    def test_a_demanded_prompt_that_is_not_there_is_told_in_time(self) -> None:
        with pytest.raises(Exception, match="fac-eval prepare"):
            Scripted(prompts="official").check(find_rubric("voicebench/qa"))
