from __future__ import annotations

import pytest

from fac_eval.errors import DataError, UnknownName
from fac_eval.metrics.speech_fc_aggregate import SUBSETS, printed_accuracy, table4_overall
from fac_eval.metrics.voicebench_overall import Overall, OverallWithheld

TOTALS = dict(zip(SUBSETS, (208, 88, 578, 372, 668), strict=True))


@pytest.mark.parametrize(
    ("correct", "overall"),
    [
        ((142, 53, 512, 311, 446), "73.49"),
        ((142, 47, 511, 301, 529), "74.04"),
        ((81, 4, 448, 185, 280), "42.51"),
        ((159, 52, 533, 321, 562), "79.63"),
        ((138, 48, 536, 326, 533), "76.19"),
    ],
    ids=["GPT-Audio", "Gemini-2.5-Pro", "Step-Audio2-Mini", "Fun-Audio-Chat-30B-A3B", "Fun-Audio-Chat-8B"],
)
def test_the_published_columns(correct: tuple[int, ...], overall: str) -> None:
    printed = {
        subset: printed_accuracy(subset, right, TOTALS[subset])
        for subset, right in zip(SUBSETS, correct, strict=True)
    }
    found = table4_overall(printed)
    assert isinstance(found, Overall)
    assert f"{found.value:.2f}" == overall


@pytest.mark.parametrize(
    ("subset", "correct", "total", "printed"),
    [
        ("acebench_single", 138, 208, "66.30"),
        ("acebench_parallel", 1, 88, "1.10"),
        ("acebench_single", 13, 208, "6.20"),
        ("bfcl_single", 1, 578, "0.17"),
        ("smartinteract", 668, 668, "100.00"),
        ("bfcl_parallel", 0, 0, "0.00"),
    ],
    ids=["tenth", "tenth-of-few", "half-to-even", "not-rounded-first", "all", "empty"],
)
def test_printed_accuracy(subset: str, correct: int, total: int, printed: str) -> None:
    assert printed_accuracy(subset, correct, total) == printed


@pytest.mark.parametrize(("correct", "total"), [(3, 2), (-1, 2), (1, 0)])
def test_impossible_counts_are_refused(correct: int, total: int) -> None:
    with pytest.raises(DataError, match="right answers"):
        printed_accuracy("bfcl_single", correct, total)


def test_a_missing_sub_set_withholds_the_overall() -> None:
    found = table4_overall({subset: "50.00" for subset in SUBSETS if subset != "bfcl_parallel"})
    assert found == OverallWithheld(("bfcl_parallel",))


def test_an_unknown_sub_set_is_refused() -> None:
    with pytest.raises(UnknownName, match="bfcl_single"):
        printed_accuracy("bfcl_singel", 1, 1)
    with pytest.raises(UnknownName, match="bfcl_singel"):
        table4_overall(dict.fromkeys(SUBSETS, "1.00") | {"bfcl_singel": "1.00"})
