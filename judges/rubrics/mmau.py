"""MMAU: Kimi-Audio-Evalkit's verdicts on choices, the variant `match=judge`."""

from __future__ import annotations

from fac_eval.rubric import Rubric

from . import _evalkit
from ._wording import SAME_CHOICE

RUBRICS = (
    Rubric(
        "mmau/judge",
        own=SAME_CHOICE,
        settings=_evalkit.settings(temperature=0.0),
        upstream=_evalkit.CHOICE_PROMPT,
        system=_evalkit.SYSTEM,
        decisions=_evalkit.CHOICE_DECISIONS,
        accept=_evalkit.says_something,
        attempts=_evalkit.ATTEMPTS,
    ),
)
