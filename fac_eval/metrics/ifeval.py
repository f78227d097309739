"""IFEval: strict and loose instruction following of one reply, and the four rates over a set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fac_eval.errors import DataError
from fac_eval.metrics.ifeval_checks import InstructionError, read_instruction
from fac_eval.metrics.voicebench_overall import ifeval_final
from fac_eval.metrics.voicebench_tables import require_text

_MODE_MARKERS = ("<1>", "<2>", "<3>")


@dataclass(frozen=True, slots=True)
class IfevalFlags:
    """Which instructions of one item are followed, in the item's order."""

    strict: tuple[bool, ...]
    loose: tuple[bool, ...]

    @property
    def strict_all(self) -> bool:
        """Whether all are followed strictly; true for an item without instructions."""
        return all(self.strict)

    @property
    def loose_all(self) -> bool:
        """Whether all are followed loosely; true for an item without instructions."""
        return all(self.loose)


@dataclass(frozen=True, slots=True)
class IfevalRates:
    """The four rates over a set of items, as fractions."""

    strict_prompt: float
    strict_instruction: float
    loose_prompt: float
    loose_instruction: float
    prompts: int
    instructions: int

    @property
    def final(self) -> float:
        """The mean of the four; the tables show it times 100."""
        return ifeval_final(
            strict_prompt=self.strict_prompt,
            strict_instruction=self.strict_instruction,
            loose_prompt=self.loose_prompt,
            loose_instruction=self.loose_instruction,
        )


def check_ifeval(
    instruction_ids: Sequence[str],
    kwargs: Sequence[Mapping[str, Any]],
    response: str,
    *,
    clean: bool,
) -> IfevalFlags:
    """Check one reply against the instructions of its item.

    Args:
        instruction_ids: the ids, such as `punctuation:no_comma`.
        kwargs: one mapping of arguments per id; empty and None values count as absent.
        response: the reply.
        clean: drop a leading `<1>`, `<2>`, `<3>` and a trailing `<|user|>` first, as VoiceBench does
            (Kimi-Audio-Evalkit and lm-eval do not).

    Raises:
        InstructionError: an instruction cannot be checked as given.
        MissingResource: a language resource that an instruction needs is not there.
    """
    require_text(response, "response")
    if len(kwargs) < len(instruction_ids):
        raise InstructionError(f"{len(instruction_ids)} instruction ids but only {len(kwargs)} kwargs")
    text = clean_response(response) if clean else response
    views = loose_views(text)
    strict: list[bool] = []
    loose: list[bool] = []
    for instruction_id, arguments in zip(instruction_ids, kwargs, strict=False):
        instruction = read_instruction(instruction_id, arguments)
        followed = instruction.is_followed_by(text)
        strict.append(followed)
        loose.append(followed or any(map(instruction.is_followed_by, views[1:])))
    return IfevalFlags(tuple(strict), tuple(loose))


def clean_response(response: str) -> str:
    """`response` without the control markers that some models leave at its ends."""
    if response.startswith(_MODE_MARKERS):
        response = response[3:].strip()
    if response.endswith("<|user|>"):
        response = response.removesuffix("<|user|>").strip()
    return response


def loose_views(response: str) -> list[str]:
    """The texts of which one must follow an instruction: `response` first, each text once.

    They are the response, without its first line, without its last, without both, and the same four
    without any asterisk.
    """
    lines = response.split("\n")
    views = [response, *("\n".join(part).strip() for part in (lines[1:], lines[:-1], lines[1:-1]))]
    return list(dict.fromkeys(views + [view.replace("*", "") for view in views]))


def ifeval_rates(flags: Iterable[IfevalFlags]) -> IfevalRates:
    """The four rates over all items. Raises DataError if there is no item or no instruction at all."""
    items = list(flags)
    instructions = sum(len(item.strict) for item in items)
    if not instructions:
        raise DataError(f"{len(items)} IFEval items hold no instruction: their rates do not exist")
    return IfevalRates(
        strict_prompt=sum(item.strict_all for item in items) / len(items),
        strict_instruction=sum(sum(item.strict) for item in items) / instructions,
        loose_prompt=sum(item.loose_all for item in items) / len(items),
        loose_instruction=sum(sum(item.loose) for item in items) / instructions,
        prompts=len(items),
        instructions=instructions,
    )


def last_response_per_prompt(prompts: Sequence[str], responses: Sequence[str]) -> list[str]:
    """The reply that VoiceBench scores for each item: it keys replies by prompt text, so that items with
    equal prompts all get the last one's reply. Only for comparison with its own results."""
    last = dict(zip(prompts, responses, strict=True))
    return [last[prompt] for prompt in prompts]
