"""Rows of a batch against their runs alone, whoever joins or leaves beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from fac_eval.model.conformance.golden import GoldenModel
    from fac_eval.model.decoding import Prompt
    from fac_eval.model.sampling import GenerationSettings

NAMES = ("s_chirp", "s_sine", "s_ragged", "s_text", "s_two", "s_chirp", "s_text")
LIMITS = (30, 10, 25, 30, 30, 7, 20)

Result = list[tuple[list[int], list[int]]]


def settings(**changes: Any) -> GenerationSettings:
    from fac_eval.model.sampling import GenerationSettings

    return GenerationSettings(
        do_sample=True,
        temperature=0.8,
        top_p=0.9,
        repetition_penalty=1.2,
        eos_token_ids=(412,),
        max_new_tokens=40,
        force_text_abos=True,
    ).with_changes(**changes)


def prompts(golden: GoldenModel) -> list[Prompt]:
    """Prompts of mixed lengths with seeds and limits of their own, two of them alike but for these."""
    import torch

    from fac_eval.model.drop_in import row_prompts, seeded

    model, result = golden.model(), []
    for number, (name, limit) in enumerate(zip(NAMES, LIMITS, strict=True)):
        inputs = golden.inputs(name)
        audio: dict[str, Any] = {
            key: inputs.get(key)
            for key in ("speech_ids", "input_features", "feature_attention_mask", "feature_exist_mask")
        }
        with torch.inference_mode():
            mask = inputs.get("speech_attention_mask")
            (prompt,) = row_prompts(model, inputs["input_ids"], inputs["attention_mask"], audio, mask, [0])
        result.append(replace(prompt, generator=seeded(900 + number, model.device), max_new_tokens=limit))
    return result


def run(golden: GoldenModel, chosen: GenerationSettings, given: Sequence[Prompt], batch_size: int) -> Result:
    from fac_eval.model.decoding import Decoder

    rows = {}
    for steps in Decoder(golden.model(), chosen, given, batch_size=batch_size):
        rows.update({row.number: row for row, _ in steps})
    return [(rows[number].ids, rows[number].speech) for number in range(len(given))]


@pytest.mark.parametrize(
    "changes",
    [
        {"text_greedy": True},
        {"bad_words_ids": ((416, 419), (5,))},
        {"only_crq_sampling": False},
        {"disable_speech": True},
        {"do_sample": False, "top_p": 1.0},
    ],
    ids=["example", "demo", "drawn again", "text only", "greedy"],
)
def test_a_row_of_a_batch_is_its_run_alone(golden: GoldenModel, changes: dict[str, Any]) -> None:
    chosen = settings(**changes)
    alone = run(golden, chosen, prompts(golden), 1)
    assert len({tuple(ids) for ids, _ in alone}) > 4
    for batch_size in (7, 3):  # all at once; and with rows that join when others have left
        assert run(golden, chosen, prompts(golden), batch_size) == alone


def test_a_row_may_be_added_and_cancelled_midway(golden: GoldenModel) -> None:
    from fac_eval.model.decoding import Decoder

    chosen = settings(text_greedy=True)
    alone = run(golden, chosen, prompts(golden), 1)
    given = prompts(golden)
    decoder = Decoder(golden.model(), chosen, given[:3], batch_size=4)
    rows = {}
    for passes, steps in enumerate(decoder):
        rows.update({row.number: row for row, _ in steps})
        if passes == 3:
            decoder.cancel(0)
            decoder.add(given[3])
    found = [(rows[number].ids, rows[number].speech) for number in range(4)]
    assert found[1:] == alone[1:4]
    assert found[0][0] == alone[0][0][: len(found[0][0])]
    assert len(found[0][0]) == 4


def test_a_step_carries_the_picked_id_and_the_row_its_replacement(golden: GoldenModel) -> None:
    from fac_eval.model.decoding import Decoder
    from fac_eval.model.drop_in import seeded

    chosen = settings(text_greedy=True, max_new_tokens=40)
    prompt = replace(prompts(golden)[0], generator=seeded(1000, golden.model().device), max_new_tokens=None)
    pairs = [(row, step) for steps in Decoder(golden.model(), chosen, [prompt]) for row, step in steps]
    ended = next(index for index, (_, step) in enumerate(pairs) if step.group and 6562 in step.group)
    row, step = pairs[ended]
    assert step.group == (6562,) * 5
    assert row.ids[ended] == golden.model().config.text_config.audio_eos_index != step.text_id


@pytest.mark.parametrize(
    ("done", "kept"),
    [
        ([False, False], [0, 1]),
        ([True, False, False, False], [3, 1, 2]),
        ([True, True, False, False, True], [3, 2]),
        ([False, True, False, True], [0, 2]),
        ([True, True], []),
    ],
)
def test_what_stays_fills_the_gaps(done: list[bool], kept: list[int]) -> None:
    from fac_eval.model.decoding import compacted

    assert compacted(done) == kept


def test_speech_needs_the_head(golden_folder: Any) -> None:
    from fac_eval.model import FunAudioChatForConditionalGeneration
    from fac_eval.model.decoding import Decoder

    model = FunAudioChatForConditionalGeneration.from_pretrained(golden_folder / "tiny", speech=False)
    assert model.audio_invert_tower is None
    with pytest.raises(ValueError, match="speech=True"):
        Decoder(model, settings())


def test_text_only_is_the_same_without_the_head(golden: GoldenModel, golden_folder: Any) -> None:
    import torch

    from fac_eval.model import FunAudioChatForConditionalGeneration

    case = next(case for case in golden.index["generate_cases"] if case["id"] == "s2t_greedy.p_two")
    model = FunAudioChatForConditionalGeneration.from_pretrained(golden_folder / "tiny", speech=False)
    model.sp_gen_kwargs = case["sp_gen_kwargs"]
    inputs = golden.inputs(case["prompt"])
    ids, speech = model.generate(**inputs, **case["generate_kwargs"])
    assert ids[:, inputs["input_ids"].shape[1] :].tolist() == case["new_text_ids"]
    assert torch.equal(speech, torch.zeros((1, 0), dtype=torch.int64))
