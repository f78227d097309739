"""The `transformers` model with a tiny checkpoint: seeds, batches, settings, refusals."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fac_eval.audio import Audio
from fac_eval.data.prepare import prepare
from fac_eval.errors import AssetError, MissingResource, UsageError
from fac_eval.models.transformers_chat import TransformersModel
from fac_eval.resolve import build
from fac_eval.specs import parse_spec
from fac_eval.vocabulary import Request, Settings, Tool, system, user
from tests.support.model_hub import COMMIT, files_in, model_hub
from tests.support.tiny_chat import write_tiny_chat

pytest.importorskip("torch")
pytest.importorskip("transformers")

GREEDY = Settings(max_tokens=8, temperature=0.0)
SAMPLED = Settings(max_tokens=8, temperature=1.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_chat(tmp_path_factory.mktemp("tiny-chat"))


@pytest.fixture(scope="module")
def model(folder: Path) -> TransformersModel:
    made = TransformersModel(str(folder), dtype="float32", device="cpu")
    made.load()
    return made


def ask(text: str, settings: Settings = GREEDY, seed: int = 0) -> Request:
    return Request((system("Be brief."), user(text)), settings=settings, seed=seed)


def test_constructing_loads_nothing_and_the_files_make_the_fingerprint(folder: Path, tmp_path: Path) -> None:
    spec = parse_spec(f"transformers:{folder},dtype=float32,batch_size=4")
    made = build(TransformersModel, spec, kind="model")
    assert made.capabilities.batch_size == 4
    again = TransformersModel(str(folder), dtype="float32")
    assert made.fingerprint == again.fingerprint
    assert made.fingerprint != TransformersModel(str(folder), template={"shout": True}).fingerprint
    assert made.fingerprint != TransformersModel(str(folder)).fingerprint
    assert "model.safetensors" in made.describe()["files"]


def test_a_model_on_the_hub_is_prepared_and_read_without_a_network(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = {name: (folder / name).read_bytes() for name in files_in(folder)}
    unread = {"consolidated.safetensors": b"", "pytorch_model.bin": b"", "original/consolidated.00.pth": b""}
    pinned, tagged = TransformersModel("someone/else", revision=COMMIT), TransformersModel("someone/else@v1")
    with model_hub({"someone/else": {**own, **unread}}, tmp_path / "hub", monkeypatch) as server:
        (outcome,) = prepare(pinned.weights())
        assert outcome.path is not None
        assert files_in(outcome.path) == own.keys()
        assert prepare(tagged.weights())[0].path == outcome.path
        monkeypatch.setenv("FAC_EVAL_OFFLINE", "1")
        server.asked.clear()
        assert pinned.describe()["files"] == tagged.describe()["files"] == f"someone/else@{COMMIT}"
        assert (pinned.fingerprint, pinned.name) == (tagged.fingerprint, "else")
        pinned.load()
        with pytest.raises(
            MissingResource, match="someone/else are not on this machine, and FAC_EVAL_OFFLINE"
        ):
            TransformersModel("someone/else").load()
        assert server.asked == []
    (response,) = pinned.generate([ask("a")])
    assert response.text
    assert TransformersModel(str(folder)).weights() == ()


def test_an_answer_does_not_depend_on_its_batch(model: TransformersModel) -> None:
    requests = [
        ask("a"),
        ask("a much longer question than the others", SAMPLED, seed=3),
        ask("bc", SAMPLED, seed=4),
        ask("something else", Settings(max_tokens=5, temperature=0.7, top_p=0.9, top_k=20), seed=5),
    ]
    together = model.generate(requests)
    alone = [model.generate([request])[0] for request in requests]
    assert [response.text for response in together] == [response.text for response in alone]
    assert [response.usage for response in together] == [response.usage for response in alone]
    assert together[0].usage.input_tokens == len("<system>Be brief.<end><user>a<end><assistant>") - 2 * 4


def test_a_seed_decides_a_sampled_answer_and_no_greedy_one(model: TransformersModel) -> None:
    sampled = [model.generate([ask("a", SAMPLED, seed)])[0].text for seed in (1, 1, 2, 3)]
    assert sampled[0] == sampled[1]
    assert len(set(sampled)) > 1
    greedy = model.generate([ask("a", GREEDY, seed) for seed in (1, 2)])
    assert greedy[0].text == greedy[1].text


def test_sampling_follows_the_models_probabilities(model: TransformersModel) -> None:
    settings = Settings(max_tokens=1, temperature=0.001)
    cold = model.generate([ask("a", settings, seed) for seed in range(8)])
    greedy = model.generate([ask("a", Settings(max_tokens=1, temperature=0.0))])
    assert {response.text for response in cold} == {greedy[0].text}
    one = Settings(max_tokens=1, temperature=5.0, top_k=1)
    assert {model.generate([ask("a", one, seed)])[0].text for seed in range(4)} == {greedy[0].text}


def test_length_and_stop_texts_end_an_answer(model: TransformersModel) -> None:
    (whole,) = model.generate([ask("a", replace(GREEDY, max_tokens=12))])
    assert whole.text
    assert whole.finish_reason == "length"
    assert whole.usage.output_tokens == 12
    stop = whole.text[2]
    (cut,) = model.generate([ask("a", replace(GREEDY, max_tokens=12, stop=(stop,)))])
    assert cut.text == whole.text.split(stop)[0]
    assert cut.finish_reason == "stop"


def test_the_templates_arguments_reach_it(folder: Path, model: TransformersModel) -> None:
    loud = TransformersModel(str(folder), dtype="float32", device="cpu", template={"shout": True})
    loud.load()
    (quiet_answer,), (loud_answer,) = model.generate([ask("a")]), loud.generate([ask("a")])
    assert loud_answer.usage.input_tokens == (quiet_answer.usage.input_tokens or 0) + 1
    loud.close()
    loud.close()


def test_what_it_cannot_do_fails_alone(model: TransformersModel) -> None:
    clip = Audio.from_samples(np.zeros(160, np.float32), 16000)
    heard = Request((user("listen", clip),), settings=GREEDY)
    spoken = replace(ask("a"), output="speech")
    equipped = replace(ask("a"), tools=(Tool("t"),))
    responses = model.generate([heard, ask("a"), spoken, equipped])
    assert [response.error and response.error.kind for response in responses] == [
        "bad_input",
        None,
        "bad_input",
        "bad_input",
    ]


def test_what_is_no_chat_model_says_so(tmp_path: Path) -> None:
    with pytest.raises(AssetError, match="cannot be loaded"):
        TransformersModel(str(tmp_path)).load()
    base = write_tiny_chat(tmp_path / "base", template=None)
    with pytest.raises(UsageError, match="has no chat template"):
        TransformersModel(str(base)).load()
