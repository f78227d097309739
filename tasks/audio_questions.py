"""What the benchmarks that ask about a clip (MMAU, MMAU-Pro, MMSU) share: the question, groups of items, coverage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from string import ascii_uppercase
from typing import TYPE_CHECKING, Any

from fac_eval.audio import Audio
from fac_eval.errors import AudioError, DataError
from fac_eval.scores import figure_of
from fac_eval.vocabulary import Figure, Message, Sample, user

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from fac_eval.data.hub import DataFinder
    from fac_eval.data.hub_dataset import HubDataset
    from fac_eval.stats import Estimate

    Column = npt.NDArray[np.float64]

OTHER = -1
"""The code of what is none of a group's names."""


def with_options(question: str, choices: Sequence[str] | Mapping[str, str | None]) -> str:
    """The question as Fun-Audio-Chat's evaluation puts it; `choices` may name their letters, and be null.

    >>> with_options("Which?", ["a dog", "a cat"]).splitlines()
    ['Which? Choose the correct option from the following options:', '(A)a dog', '(B)a cat']
    """
    named = choices if isinstance(choices, Mapping) else dict(zip(ascii_uppercase, choices, strict=False))
    options = "".join(f"\n({letter}){choice}" for letter, choice in named.items())
    return f"{question} Choose the correct option from the following options:{options}"


def on_one_line(question: str, choices: Sequence[str]) -> str:
    """The question as Kimi-Audio-Evalkit puts it, to a model as to a judge.

    >>> on_one_line("Which?", ["a dog", "a cat"])
    'Which?\\n(A) a dog (B) a cat'
    """
    return f"{question}\n{' '.join(lettered(choices))}"


def lettered(choices: Sequence[str]) -> list[str]:
    """The options with their letters.

    >>> lettered(["a dog", "a cat"])
    ['(A) a dog', '(B) a cat']
    """
    return [f"({letter}) {choice}" for letter, choice in zip(ascii_uppercase, choices, strict=False)]


def put(sample: Sample, instruction: str) -> tuple[Message, ...]:
    """The sample's clips, then the instruction in place of the bare question."""
    (message,) = sample.messages
    clips = [part for part in message.parts if isinstance(part, Audio)]
    return (user(*clips, instruction),)


def check_choices(choices: Sequence[str], answer: str, where: str) -> None:
    """Raise DataError unless there are options to choose from, with letters enough, and the answer is one of them."""
    if not 2 <= len(choices) <= len(ascii_uppercase):
        raise DataError(f"{where}: {len(choices)} options, expected 2 to {len(ascii_uppercase)}.")
    if answer not in choices:
        raise DataError(
            f"{where}: the answer {answer!r} is none of the options {list(choices)!r}.",
            remedy="Fetch the data set again, or correct the row.",
        )


def clip_of(data: DataFinder, dataset: HubDataset, cell: Any, where: str) -> Audio:
    """The clip in a cell. Where there is none the sample fails, and the others are still run."""
    try:
        return data.audio_of(dataset, cell)
    except AudioError:
        path = cell.get("path") if isinstance(cell, Mapping) else cell
        return Audio.from_bytes(b"", name=f"{where}: no sound" + (f" ({path})" if path else ""))


def code_of(names: Sequence[str], value: object) -> float:
    """The place of `value` among `names`, whatever its case; `OTHER` if it is none of them."""
    folded = [name.casefold() for name in names]
    wanted = str(value).casefold()
    return float(folded.index(wanted) if wanted in folded else OTHER)


def mean_figure(
    name: str,
    values: Column,
    *,
    scale: float = 100.0,
    unit: str = "%",
    higher_is_better: bool = True,
    main: bool = False,
    note: str | None = None,
) -> Figure:
    """The mean of a column, in percent unless said otherwise."""
    estimate = mean_of(values, share=unit == "%").scaled(scale)
    return figure_of(name, estimate, unit=unit, higher_is_better=higher_is_better, main=main, note=note)


def mean_of(values: Column, *, share: bool = True) -> Estimate:
    """The mean with its interval, which stays between 0 and 1 for a `share`; no value where there is no item."""
    from fac_eval.stats import RatioSums, bounded

    # Ratings that all happen to be 1 are no proportion, and shares of some items' worth are no yes or no.
    estimate = RatioSums().add(values).estimate(proportion=None if share else False)
    return bounded(estimate) if share and estimate.method == "t" else estimate


def group_figures(values: Column, codes: Column, names: Sequence[str]) -> list[Figure]:
    """A figure for each of the groups that has items, in the order of `names`; `codes` are theirs (see `code_of`)."""
    groups = [*enumerate(names), (OTHER, "other")]
    return [mean_figure(name, values[codes == code]) for code, name in groups if (codes == code).any()]


def strict_figure(name: str, values: Column, *, missing: int) -> list[Figure]:
    """The figure over all items, where `missing` ones are not in the official denominator: they earn nothing here."""
    import numpy as np

    if not missing:
        return []
    note = f"{missing:,} items that {name} leaves out earn nothing here"
    return [mean_figure(f"strict {name}", np.concatenate([values, np.zeros(missing)]), note=note)]
