"""Over how many items the report's figures are, as their digits show: which numbers of hits they can be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .published import Place

_VSTYLE_SIZES = {
    "Acoustic Attributes": {"Age": 24, "Speed": 20, "Gender": 24, "Emotion": 24, "Pitch": 20, "Volume": 20},
    "Empathy": {"Anger": 44, "Joy": 35},
}
_VSTYLE_SIZES_BY_LANGUAGE = (
    ("Acoustic Attributes", "Composite", "zh", 60),
    ("Empathy", "Sadness", "en", 30),
    ("Empathy", "Sadness", "zh", 29),
    ("Empathy", "Anxiety", "en", 31),
    ("Empathy", "Anxiety", "zh", 30),
)
_OWN_RUNS = ("GPT-Audio", "Fun-Audio-Chat-30B-A3B", "Fun-Audio-Chat-8B", "Step-Audio2-Mini", "MiMo-Audio")
"""Columns of OpenAudioBench whose digits show that the report's authors measured them."""


@dataclass(frozen=True, slots=True)
class CountRule:
    """Figures of a row are `scale` times a whole number over `items`."""

    block: str
    row: str
    items: int
    scale: int = 100
    lang: str | None = None
    models: tuple[str, ...] = ()
    """The columns that it holds for; all if left out."""
    own_only: bool = False
    """Whether figures that are known to be from elsewhere are left out: what they were divided by is not known."""
    rounded_first: bool = False
    """Whether the figure is rounded to one decimal before it is printed with two."""

    @property
    def name(self) -> str:
        """The rule in a few words."""
        if self.scale == 100:
            return f"a number of hits in {self.items:,}"
        return f"a mean of {self.items:,} ratings" + ("" if self.scale == 1 else f", times {self.scale}")

    def covers(self, place: Place, model: str) -> bool:
        """Whether a figure is one of these."""
        return (
            place.block == self.block
            and place.row == self.row
            and (self.lang is None or place.lang == self.lang)
            and (not self.models or model in self.models)
        )


def _rules() -> Iterator[CountRule]:
    for row, items, scale in (
        ("AlpacaEval", 199, 10),
        ("Llama Q.", 300, 100),
        ("Reasoning QA", 202, 100),
        ("TriviaQA", 1000, 100),
        ("Web Q.", 1000, 100),
    ):
        yield CountRule("OpenAudioBench (S2T)", row, items, scale, models=_OWN_RUNS)
    for row, items in (("SD-QA", 553), ("MMSU", 3074), ("OpenBookQA", 455), ("AdvBench", 520)):
        yield CountRule("VoiceBench (S2T)", row, items)
    for block in ("UltraEval-Audio (S2S)", "UltraEval-Audio full duplex"):
        for row, items, scale in (
            ("AlpacaEval", 198, 10),
            ("Llama Q.", 300, 100),
            ("TriviaQA", 1024, 100),
            ("Web Q.", 2032, 100),
        ):
            yield CountRule(block, row, items, scale, own_only=True)
    yield CountRule("Full-duplex interaction", "Turn-taking Success Rate", 3554)
    for row, items, rounded in (
        ("Speech-ACEBench (Single)", 208, True),
        ("Speech-ACEBench (Parallel)", 88, True),
        ("Speech-BFCL (Single)", 578, False),
        ("Speech-BFCL (Parallel)", 372, False),
        ("Speech-SmartInteract (Single)", 668, False),
    ):
        yield CountRule("Speech Function Calling", row, items, rounded_first=rounded)
    for block, sizes in _VSTYLE_SIZES.items():
        for row, items in sizes.items():
            yield CountRule(block, row, items, 1, own_only=True)
    for block, row, lang, items in _VSTYLE_SIZES_BY_LANGUAGE:
        yield CountRule(block, row, items, 1, lang=lang, own_only=True)


COUNTS = tuple(_rules())
