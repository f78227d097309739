"""Spoken sums: how many is 3 and 4, written out or played as beeps? A whole benchmark in one file."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal

from fac_eval import Audio, Message, Response, Sample, Score, Settings, Task
from fac_eval.data.hub import DataFinder
from fac_eval.errors import UsageError
from fac_eval.scores import Metric
from fac_eval.vocabulary import Evidence, user

RATE = 16_000
BEEP = 0.1
"""Seconds that a beep and the pause after it last; the two groups are a longer pause apart."""


@dataclass(frozen=True, slots=True)
class SumsOptions:
    """What is asked."""

    ask: Literal["text", "beeps"] = "text"
    """`text` writes the two numbers, `beeps` plays them."""
    largest: int = 8
    """The largest number; every pair from 2 to this one is asked."""


class SpokenSums(Task):
    """Sums of two small numbers."""

    name = "spoken_sums"
    title = "Spoken sums"
    description = "Sums of two small numbers, written out or counted in beeps."
    version = 1
    Options = SumsOptions
    options: SumsOptions
    settings = Settings(max_tokens=64)
    metrics = (
        Metric("accuracy", main=True),
        Metric("distance", of="distance", per="answered", scale=1, unit="", higher_is_better=False),
        Metric("no number", of="unanswered", higher_is_better=False),
    )

    def check(self, data: DataFinder) -> None:
        """Refuse options that make no sense, before anything runs."""
        if not 2 <= self.options.largest <= 20:
            raise UsageError(f"largest must be from 2 to 20, not {self.options.largest}")

    def samples(self, data: DataFinder) -> Iterator[Sample]:
        """Every pair of numbers, in order."""
        for first, second in product(range(2, self.options.largest + 1), repeat=2):
            yield Sample(
                id=f"{first}+{second}",
                messages=(self._question(first, second),),
                reference=first + second,
                metadata={"first": first, "second": second},
            )

    def size(self, data: DataFinder) -> int:
        """How many pairs there are."""
        return (self.options.largest - 1) ** 2

    def data_fingerprint(self, data: DataFinder) -> str:
        """The samples are made here, so this module's name and the task's version identify them."""
        return f"spoken_sums/{self.version}:{self.options.largest}"

    def score(self, sample: Sample, response: Response, evidence: Evidence) -> Score:
        """1 where the last number of the answer is the sum; an answer without a number is counted apart."""
        numbers = re.findall(r"-?\d+", response.text or "")
        if not numbers:
            return Score(0.0, parts={"unanswered": 1})
        distance = abs(int(numbers[-1]) - sample.reference)
        return Score(float(distance == 0), numbers[-1], parts={"answered": 1, "distance": distance})

    def ideal(self, sample: Sample) -> str:
        """What the model `oracle` says."""
        return f"There are {sample.reference}."

    def guess(self, sample: Sample, pick: Callable[[Sequence[str]], str]) -> str:
        """What the model `random` says: any sum that occurs."""
        return pick([str(number) for number in range(4, 2 * self.options.largest + 1)])

    def _question(self, first: int, second: int) -> Message:
        if self.options.ask == "text":
            return user(f"How many is {first} plus {second}? Answer with a number.")
        return user(beeps(first, second), "How many beeps are there in all? Answer with a number.")


def beeps(first: int, second: int) -> Audio:
    """A clip with two groups of beeps, the second one higher."""
    import numpy as np

    def group(count: int, pitch: float) -> list[object]:
        times = np.arange(int(BEEP * RATE)) / RATE
        beep = 0.5 * np.sin(2 * np.pi * pitch * times)
        return [beep, np.zeros_like(beep)] * count

    pause = np.zeros(int(4 * BEEP * RATE))
    return Audio.from_samples(np.concatenate([*group(first, 440), pause, *group(second, 660)]), RATE)
