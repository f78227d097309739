"""The local judge: questions share batches, a bad one fails alone, and the model is loaded once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from fac_eval.errors import AssetError, ModelOutOfMemory, UsageError
from fac_eval.interfaces import Model
from fac_eval.judges.local import Batcher, TransformersJudge
from fac_eval.resolve import find_rubric
from fac_eval.vocabulary import Question, Request, Response, user
from tests.support.tiny_chat import write_tiny_chat


class Parrot(Model):
    """Repeats what it is told, in batches that must fit."""

    name = "parrot"
    fingerprint = "parrot/1"

    def __init__(self, fits: int = 100) -> None:
        self.fits = fits
        self.batches: list[list[str]] = []
        self.loads = self.closes = 0

    def load(self) -> None:
        self.loads += 1

    def close(self) -> None:
        self.closes += 1

    def generate(self, requests: Sequence[Request]) -> list[Response]:
        texts = [request.messages[0].text for request in requests]
        self.batches.append(texts)
        if len(texts) > self.fits:
            raise ModelOutOfMemory("too many")
        if "bad" in texts:
            raise ValueError("cannot read that")
        return [Response(text=text) for text in texts]


def say(model: Model, *texts: str, size: int = 4) -> list[Response | BaseException]:
    async def scenario() -> list[Response | BaseException]:
        batcher = Batcher(model, size)
        asked = (batcher.answer(Request((user(text),))) for text in texts)
        try:
            return list(await asyncio.gather(*asked, return_exceptions=True))
        finally:
            await batcher.close()

    return asyncio.run(scenario())


def texts_of(responses: list[Response | BaseException]) -> list[str | None]:
    return [response.text for response in responses if isinstance(response, Response)]


def test_waiting_questions_share_batches() -> None:
    model = Parrot()
    words = [str(number) for number in range(10)]
    assert texts_of(say(model, *words)) == words
    assert [len(batch) for batch in model.batches] == [4, 4, 2]
    assert (model.loads, model.closes) == (1, 1)


def test_a_batch_that_does_not_fit_is_halved() -> None:
    model = Parrot(fits=1)
    assert texts_of(say(model, "a", "b", "c")) == ["a", "b", "c"]


def test_a_question_at_fault_fails_alone() -> None:
    responses = say(Parrot(), "a", "bad", "c")
    assert texts_of(responses) == ["a", None, "c"]
    failed = responses[1]
    assert isinstance(failed, Response)
    assert failed.error is not None
    assert (failed.error.kind, failed.error.message) == ("model_error", "ValueError: cannot read that")


def test_one_that_does_not_fit_alone_says_so() -> None:
    (response,) = say(Parrot(fits=0), "a")
    assert isinstance(response, Response)
    assert response.error is not None
    assert response.error.kind == "out_of_memory"


def test_a_model_that_cannot_be_loaded_stops_the_run() -> None:
    class Missing(Parrot):
        def load(self) -> None:
            raise AssetError("no weights here")

    errors = say(Missing(), "a", "b", "c", size=2)
    assert [type(error) for error in errors] == [AssetError] * 3


def test_the_weights_of_its_model_are_fetched_for_it() -> None:
    (need,) = TransformersJudge("some/model", revision="v1").weights()
    assert (need.path, need.revision) == ("some/model", "v1")


def test_nothing_is_loaded_where_nothing_is_asked() -> None:
    model = Parrot()
    assert say(model) == []
    assert (model.loads, model.closes) == (0, 0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    return write_tiny_chat(tmp_path_factory.mktemp("tiny-chat"))


class TestTransformersJudge:
    def ask(self, judge: TransformersJudge, count: int) -> list[str]:
        async def scenario() -> list[str]:
            inputs = {"question": "How?", "answer": "So."}
            asked = [Question("mmau_pro/open", {**inputs, "reference": "x"}, draw=n) for n in range(count)]
            try:
                verdicts = await asyncio.gather(*(judge.judge(question) for question in asked))
            finally:
                await judge.aclose()
            assert all(verdict.usage.output_tokens for verdict in verdicts)
            return [verdict.reply for verdict in verdicts]

        return asyncio.run(scenario())

    def test_replies_do_not_depend_on_the_batch(self, folder: Path) -> None:
        make = TransformersJudge
        together = self.ask(make(str(folder), dtype="float32", device="cpu", batch_size=3), 3)
        alone = self.ask(make(str(folder), dtype="float32", device="cpu", batch_size=1), 3)
        assert together == alone
        assert len(set(together)) > 1, "each draw has a seed of its own"

    def test_it_reads_and_hears_nothing(self, folder: Path) -> None:
        judge = TransformersJudge(str(folder), prompts="own")
        judge.check(find_rubric("mmau_pro/open"))
        assert judge.fingerprint.startswith(f"transformers/{folder.name}/")
        assert judge.identity(find_rubric("mmau_pro/open"))["prompt"] == "own"
        with pytest.raises(UsageError, match="takes no audio"):
            judge.check(find_rubric("vstyle/empathy-en"))
