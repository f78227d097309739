"""Runs a recorded generation with our decode loop, and compares what came out of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from fac_eval.conformance import CannotRunError, differences

from ..answers import cleaned, speech_string, vocoder_codes
from ..drop_in import settings_of
from ..modeling import FunAudioChatForConditionalGeneration
from ..sampling import GenerationSettings, penalised, without_bad_words
from .golden import GoldenModel

Entry = Mapping[str, Any]
Gaps = Mapping[str, float | None]

GIVEN = ("id", "what", "prompt", "sp_gen_kwargs", "generate_kwargs", "torch_seed")
"""What a case of a generation starts from; the rest of it was recorded."""

_GAPS = {"min_top1_top2_margin_text": "text", "min_top1_top2_margin_speech": "speech"}
_CLOSE = 1e-3
"""A run whose best two scores came closer than this somewhere may take the other one by rounding alone."""


class Puts:
    """A streamer that keeps what it is given."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self.ended = False

    def put(self, value: Tensor) -> None:
        """Keep a payload."""
        self.values.append(value.tolist())

    def end(self) -> None:
        """Note the end."""
        self.ended = True


@dataclass
class RawScores:
    """The scores of a run before anything is done to them: a row each for every step and every sub-position."""

    text: list[Tensor] = field(default_factory=list)
    speech: list[Tensor] = field(default_factory=list)


@contextmanager
def raw_scores(model: FunAudioChatForConditionalGeneration) -> Iterator[RawScores]:
    """Record the scores that both heads give."""
    raw = RawScores()
    handles = [
        model.language_model.lm_head.register_forward_hook(lambda _, __, out: raw.text.append(out.float()))
    ]
    if model.audio_invert_tower is not None:
        head = model.audio_invert_tower.lm_head
        handles.append(head.register_forward_hook(lambda _, __, out: raw.speech.append(out.float())))
    try:
        yield raw
    finally:
        for handle in handles:
            handle.remove()


def generation(
    golden: GoldenModel,
    case: Entry,
    *,
    streamer: Any = None,
    max_new_tokens: int | None = None,
    seeds: Sequence[int] | None = None,
) -> dict[str, Any]:
    """Run a generation case through the drop-in `generate`; the keys are those of the record."""
    prompts = golden.rows(case["prompt"])
    inputs, model = golden.inputs(*prompts), golden.model()
    model.sp_gen_kwargs = {**case["sp_gen_kwargs"]}
    options = dict(case["generate_kwargs"])
    if max_new_tokens is not None:
        options["max_new_tokens"] = max_new_tokens
    if case.get("torch_seed") is not None:
        torch.manual_seed(case["torch_seed"])
    puts = Puts()
    alone = len(prompts) == 1
    ids, speech = model.generate(
        **inputs, **options, streamer=streamer or (puts if alone else None), seeds=seeds
    )
    new = ids[:, inputs["input_ids"].shape[1] :].tolist()
    found = _written(golden, new, speech.tolist())
    if alone and streamer is None:
        found |= {"streamer_puts": puts.values, "streamer_ended": puts.ended}
    return found


def _written(golden: GoldenModel, new: list[list[int]], codes: list[list[int]]) -> dict[str, Any]:
    """Ids and codes with all that is read out of them."""
    tokenizer = golden.processor.tokenizer
    raw = [str(tokenizer.decode(row, skip_special_tokens=False)) for row in new]
    return {
        "new_text_ids": new,
        "speech_ids": codes,
        "text_skip_special": [tokenizer.decode(row, skip_special_tokens=True) for row in new],
        "text_raw": raw,
        "text_cleaned": [cleaned(row) for row in raw],
        "speech_str": [speech_string(golden.processor.speech_tokenizer, row) for row in codes],
        "codes_for_vocoder": [vocoder_codes(row) for row in codes],
    }


def compared(expected: Entry, found: Entry, tolerance: float = 1e-9) -> list[str]:
    """The differences of what was recorded; remarks aside, none of it may be left out.

    Raises:
        CannotRunError: All that is known agrees, but the record holds more.
    """
    known = {key: value for key, value in expected.items() if key in found}
    problems = differences(known, dict(found), tolerance)
    unknown = sorted(key for key in expected if key not in found and key not in ("note", "notes", "comment"))
    if unknown and not problems:
        raise CannotRunError(f"nothing of ours corresponds to {', '.join(unknown)}; the rest agrees")
    return problems


def check_generation(golden: GoldenModel, case: Entry) -> list[str]:
    """A run of `generate`: text, codes, all that was streamed, and how close it was."""
    settings = _settings(golden, case)
    expected = {key: value for key, value in case.items() if key not in GIVEN and key not in _GAPS}
    if len(golden.rows(case["prompt"])) > 1:
        return _check_batch(golden, case, settings, expected)
    found, gaps = _with_gaps(golden, case, settings)
    problems = compared(expected, found)
    return problems + _remark(case) if problems else _check_gaps(golden, case, gaps)


def _check_gaps(golden: GoldenModel, case: Entry, gaps: Gaps) -> list[str]:
    allowed = 2 * golden.tolerances.of("logits")
    problems = []
    for name, kind in _GAPS.items():
        ours, wanted = gaps[kind], case.get(name, gaps[kind])
        if (ours is None) != (wanted is None) or (ours is not None and abs(ours - wanted) > allowed):
            problems.append(f"{name}: expected {wanted}, got {ours}")
    return problems


def _settings(golden: GoldenModel, case: Entry) -> GenerationSettings:
    model = golden.model()
    model.sp_gen_kwargs = {**case["sp_gen_kwargs"]}
    options = {name: value for name, value in case["generate_kwargs"].items() if name != "pad_token_id"}
    try:
        return settings_of(model, 0, options)
    except TypeError as error:
        raise CannotRunError(str(error)) from error


def _remark(case: Entry) -> list[str]:
    gaps = [case[name] for name in _GAPS if case.get(name) is not None]
    if not gaps or min(gaps) >= _CLOSE:
        return []
    return [f"(the best two scores of the record are {min(gaps):.2g} apart somewhere: this may be rounding)"]


def _check_batch(
    golden: GoldenModel, case: Entry, settings: GenerationSettings, expected: Entry
) -> list[str]:
    """Every row equals its run alone, and the record as far as the reference's batches are sound.

    How close the picks were is compared where no row ends before another: the reference goes on picking for it.
    """
    prompts = golden.rows(case["prompt"])
    drawn = settings.do_sample and not (settings.text_greedy and settings.disable_speech)
    seeds = [(case.get("torch_seed") or 0) + row for row in range(len(prompts))] if drawn else None
    found = generation(golden, case, seeds=seeds)
    singles = [
        _with_gaps(
            golden, {**case, "prompt": prompt}, settings, seeds=None if seeds is None else [seeds[row]]
        )
        for row, prompt in enumerate(prompts)
    ]
    alone = [single for single, _ in singles]
    problems = compared(expected, _written(golden, case["new_text_ids"], case["speech_ids"]))
    for row, single in enumerate(alone):
        for name in ("new_text_ids", "speech_ids"):
            (own,) = single[name]
            problems += differences({f"{name}[{row}]": own}, {f"{name}[{row}]": found[name][row][: len(own)]})
    if problems:
        return problems
    if drawn:
        raise CannotRunError(
            "the reference draws all rows of a batch from one stream, ours each from its own: "
            "the rows equal their runs alone, but not the record"
        )
    if settings.disable_speech:
        problems = compared(expected, found)
        if not problems and len({len(single["new_text_ids"][0]) for single in alone}) == 1:
            least = min((gaps["text"] for _, gaps in singles if gaps["text"] is not None), default=None)
            problems = _check_gaps(golden, case, {"text": least, "speech": None})
    else:
        for row in _longest(golden, prompts):
            ids, codes = _sound(golden, case, row, alone[row])
            for name, count in (("new_text_ids", ids), ("speech_ids", codes)):
                key = f"{name}[{row}][:{count}]"
                problems += differences({key: case[name][row][:count]}, {key: alone[row][name][0][:count]})
    return problems + (_remark(case) if problems else [])


def _longest(golden: GoldenModel, prompts: Sequence[str]) -> list[int]:
    """The rows without padding: of the others the reference's speech head sees their padding."""
    lengths = [len(golden.prompt(prompt)["input_ids"]) for prompt in prompts]
    return [row for row, length in enumerate(lengths) if length == max(lengths)]


def _sound(golden: GoldenModel, case: Entry, row: int, single: Entry) -> tuple[int, int]:
    """How many ids and codes of a row the reference makes as if the row were alone.

    As long as one row speaks, it gives every row groups of codes and may overwrite its text: a row is as it should
    be until another one speaks and it does not.
    """
    config = golden.model().config
    begin, size = config.text_config.audio_bos_index, config.audio_config.group_size

    def start(ids: Sequence[int]) -> int:
        return ids.index(begin) if begin in ids else len(ids)

    (ids,), (codes,) = single["new_text_ids"], single["speech_ids"]
    own = start(ids)
    others = min(start(other) for number, other in enumerate(case["new_text_ids"]) if number != row)
    if others < own:
        return others + 1, 0
    groups = [codes[at : at + size] for at in range(0, len(codes), size)]
    end = next((n for n, group in enumerate(groups) if config.audio_config.eos_token_id in group), None)
    return (len(ids), len(codes)) if end is None else (own + end + 2, size * (end + 1))


def _with_gaps(
    golden: GoldenModel, case: Entry, settings: GenerationSettings, *, seeds: Sequence[int] | None = None
) -> tuple[dict[str, Any], Gaps]:
    """A run of one row, and the least that a best score was ahead of the second, over all picks that are no draws."""
    with raw_scores(golden.model()) as raw:
        found = generation(golden, case, seeds=seeds)
    history = list(golden.prompt(case["prompt"])["input_ids"])
    said: list[int] = []
    text: list[float] = []
    speech: list[float] = []
    groups = iter(_groups_by_step(found["streamer_puts"]))
    size = golden.model().config.audio_config.group_size
    for step, (row, new) in enumerate(zip(raw.text, found["new_text_ids"][0], strict=True)):
        if settings.text_greedy:
            text.append(_gap(row))
        elif not settings.do_sample:
            scores = _penalised(row, [history], settings)
            text.append(_gap(without_bad_words(scores, [history], settings)))
        group = next(groups)
        if not settings.do_sample and not settings.disable_speech:
            rows = raw.speech[size * step : size * (step + 1)]
            speech += _speech_gaps(rows, said if group else [], settings)
            if group and not settings.only_crq_sampling:
                fifths = torch.tensor(said, dtype=torch.int64).view(size, -1).tolist()
                speech.append(_gap(_penalised(torch.cat(rows), fifths, settings)))
        history.append(new)
        said += group or []
    return found, {"text": min(text, default=None), "speech": min(speech, default=None)}


def _speech_gaps(rows: Sequence[Tensor], said: Sequence[int], settings: GenerationSettings) -> list[float]:
    gaps, picked = [], list(said)
    for row in rows:
        scores = _penalised(row, [picked], settings)
        gaps.append(_gap(scores))
        picked.append(int(scores.argmax()))
    return gaps


def _penalised(scores: Tensor, histories: Sequence[Sequence[int]], settings: GenerationSettings) -> Tensor:
    seen = torch.zeros_like(scores, dtype=torch.bool)
    for row, history in enumerate(histories):
        seen[row, list(history)] = True
    return penalised(scores, seen, settings.repetition_penalty)


def _gap(scores: Tensor) -> float:
    best = scores.topk(2, dim=-1).values
    return float((best[..., 0] - best[..., 1]).min())


def _groups_by_step(puts: Sequence[Any]) -> list[list[int] | None]:
    """The group that each step of a run put after its text id, where it put one."""
    groups: list[list[int] | None] = []
    for payload in puts[1:]:
        if isinstance(payload[0], list):
            groups[-1] = payload[0]
        else:
            groups.append(None)
    return groups
