"""The audit: what is recomputed agrees or is explained, and nothing is said of a figure that is not known of it."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator
from itertools import product

import pytest

from fac_eval.reports.tables.audit import KINDS, Audit, Finding, audit
from fac_eval.reports.tables.published import Place, Published, published

VOICEBENCH = ("AlpacaEval", "CommonEval", "SD-QA", "MMSU", "OpenBookQA", "IFEval", "AdvBench")
OPENAUDIO = ("AlpacaEval", "Llama Q.", "Reasoning QA", "TriviaQA", "Web Q.")
CALLS = "Speech Function Calling"
ULTRAEVAL = ("AlpacaEval", "Llama Q.", "TriviaQA", "Web Q.")

Known = tuple[str, str, str, str, str, str]


def expected() -> Iterator[Known]:
    """Everything that is known against a figure: kind, table, block (its beginning), row, language or metric, model."""
    yield "wrong", "2", "VoiceBench", "IFEval", "", "GLM-4-Voice"
    yield "rests-on", "2", "VoiceBench", "Overall", "", "GLM-4-Voice"
    leaderboard = ("GLM-4-Voice", "MiniCPM-o 2.6", "Baichuan-Omni-1.5", "Kimi-Audio")
    for row, model in product(VOICEBENCH, leaderboard):
        yield "copied", "2", "VoiceBench", row, "", model
    for row, model in product(OPENAUDIO, ("GLM-4-Voice", "Kimi-Audio")):
        yield "copied", "2", "OpenAudioBench", row, "", model
    for model in ("GLM-4-Voice", "Kimi-Audio"):
        yield "measure", "2", "OpenAudioBench", "Reasoning QA", "", model
    for row, model in product(ULTRAEVAL, ("GLM-4-Voice", "MiniCPM-o 2.6")):
        yield "copied", "2", "UltraEval-Audio", row, "", model
    for row in ULTRAEVAL:
        yield "origin", "2", "UltraEval-Audio", row, "", "Kimi-Audio"
    for table, model in (
        ("1", "GPT-Audio"),
        ("1", "Fun-Audio-Chat-30B-A3B"),
        ("2", "GLM-4-Voice"),
        ("2", "MiniCPM-o 2.6"),
        ("2", "Kimi-Audio"),
        ("2", "Fun-Audio-Chat-8B"),
    ):
        yield "denominator", table, "VoiceBench", "SD-QA", "", model
    for model in ("Kimi-Audio", "Audio-Flamingo-3", "Step-Audio2-Mini", "MiMo-Audio"):
        yield "copied", "3", "Audio Understanding", "MMAU", "", model
    for model in ("Kimi-Audio", "Audio-Flamingo-3"):
        yield "item-sets", "3", "Audio Understanding", "MMAU-Pro", "", model
    yield "copied", "3", "Speech Recognition", "Librispeech clean", "en", "Kimi-Audio"
    yield "copied", "3", "Speech Recognition", "Librispeech other", "en", "Kimi-Audio"
    yield "copied", "3", "Speech Recognition", "Common Voice", "en", "Audio-Flamingo-3"
    for model in (
        "Kimi-Audio",
        "Step-Audio2-Mini",
        "MiMo-Audio",
        "Fun-Audio-Chat-30B-A3B",
        "Fun-Audio-Chat-8B",
    ):
        yield "unit", "3", "Speech Recognition", "Common Voice", "zh", model
    for place, model in product(published().rows("5"), ("GPT-4o", "Doubao", "Baichuan-Audio", "Kimi-Audio")):
        yield "copied", "5", place.block, place.row, place.lang, model
    for row in ("Speed", "Gender"):
        yield "denominator", "5", "Acoustic Attributes", row, "zh", "Fun-Audio-Chat-30B-A3B"
    for metric in ("s2m_t", "s2m_s"):
        yield "denominator", "7", "UltraEval-Audio full duplex", "AlpacaEval", metric, "FreezeOmni"
    yield "denominator", "7", "UltraEval-Audio full duplex", "AlpacaEval", "s2m_s", "Moshi"


def told(finding: Finding) -> Known:
    place = finding.place
    block = next(
        (name for name in ("VoiceBench", "OpenAudioBench") if place.block.startswith(name)), place.block
    )
    block = "UltraEval-Audio" if place.block.startswith("UltraEval-Audio (") else block
    detail = place.metric if place.table == "7" else place.lang
    return finding.kind, place.table, block, place.row, detail, finding.model


@pytest.fixture(scope="module")
def found() -> Audit:
    return audit()


def test_it_finds_what_is_known_and_nothing_else(found: Audit) -> None:
    assert Counter(map(told, found.findings)) == Counter(expected())
    assert len(found.findings) == 215


def test_every_sum_follows_from_its_parts(found: Audit) -> None:
    sums = [check for check in found.checks if check.kind == "arithmetic"]
    assert all(check.agrees for check in sums)
    rules = Counter(check.rule.partition(":")[0] for check in sums)
    assert rules == {
        "OpenAudioBench Overall": 11,
        "VoiceBench Overall": 11,
        "UltraEval-Audio Overall": 9,
        "Table 4 Overall": 5,
        "VStyle Overall": 14,
        "Table 7 Avg.": 8,
        "frame rate": 5,
    }


def test_every_total_row_of_the_report_is_recomputed(found: Audit) -> None:
    summed = {(check.place, check.model) for check in found.checks if check.kind == "arithmetic"}
    for cell in published().cells:
        if cell.value and cell.place.row in ("Overall", "Avg."):
            assert (cell.place, cell.model) in summed


def test_counts_that_do_not_come_out_are_the_ones_explained(found: Audit) -> None:
    odd = {(check.place, check.model) for check in found.checks if not check.agrees}
    explained = {(known.place, known.model) for known in found.findings if known.kind == "denominator"}
    joint = {cell for cell in explained if cell[1] == "FreezeOmni" and cell[0].metric == "s2m_s"}
    # FreezeOmni's speech alone could be of 198 items; together with its text it is not.
    assert odd == explained - joint
    assert len(odd) == 10


def test_every_finding_says_where_to_look(found: Audit) -> None:
    assert all(finding.text and finding.upstream for finding in found.findings)
    assert {finding.kind for finding in found.findings} == set(KINDS) - {"arithmetic"}


def changed(place: Place, model: str, value: str) -> Published:
    data = published()
    cells = tuple(
        cell._replace(value=value) if (cell.place, cell.model) == (place, model) else cell
        for cell in data.cells
    )
    assert cells != data.cells
    return Published(cells, {(cell.place, cell.model): cell.value for cell in cells})


@pytest.mark.parametrize(
    ("place", "model", "value", "kind"),
    [
        (Place("1", "OpenAudioBench (S2T)", "Overall", "overall"), "GPT-Audio", "84.95", "arithmetic"),
        (Place("1", "VoiceBench (S2T)", "Overall", "overall"), "GPT-Audio", "90.07", "arithmetic"),
        (Place("2", "UltraEval-Audio (S2S)", "Overall", "overall"), "Kimi-Audio", "42.78", "arithmetic"),
        (Place("4", "Speech Function Calling", "Overall", "overall"), "GPT-Audio", "73.50", "arithmetic"),
        (Place("5", "Overall", "Overall", "judge_1_5", "zh"), "GPT-Audio", "3.77", "arithmetic"),
        (Place("7", "UltraEval-Audio full duplex", "Avg.", "s2m_t"), "FreezeOmni", "47.57", "arithmetic"),
        (Place("1", "Model", "Frame Rate-In", "hz"), "Fun-Audio-Chat-30B-A3B", "6.25", "arithmetic"),
        (Place("1", "VoiceBench (S2T)", "AdvBench", "refusal_rate"), "GPT-Audio", "99.60", "denominator"),
        (
            Place("4", "Speech Function Calling", "Speech-BFCL (Single)", "accuracy"),
            "GPT-Audio",
            "88.60",
            "denominator",
        ),
        (Place("5", "Acoustic Attributes", "Age", "judge_1_5", "en"), "GPT-Audio", "3.70", "denominator"),
    ],
    ids=lambda value: f"{value.table} {value.block} {value.row}" if isinstance(value, Place) else None,
)
def test_a_changed_figure_is_found(place: Place, model: str, value: str, kind: str) -> None:
    findings = audit(changed(place, model, value)).of(place, model)
    assert [finding.kind for finding in findings] == [kind]
    assert findings[0].upstream == ""


def test_a_changed_part_makes_its_total_wrong() -> None:
    place = Place("2", "OpenAudioBench (S2T)", "AlpacaEval", "judge_percent")
    found = audit(changed(place, "MiMo-Audio", "80.00"))
    total = place._replace(row="Overall", metric="overall")
    (finding,) = found.of(total, "MiMo-Audio")
    assert finding.text.startswith("its parts give 64.37")


def test_a_missing_part_leaves_no_total() -> None:
    place = Place("4", "Speech Function Calling", "Speech-BFCL (Single)", "accuracy")
    found = audit(changed(place, "GPT-Audio", ""))
    (finding,) = found.of(place._replace(row="Overall", metric="overall"), "GPT-Audio")
    assert finding.text.startswith("its parts give -")


def test_it_can_be_limited_to_tables(found: Audit) -> None:
    some = found.limited(["4", "6"])
    assert some.findings == ()
    assert {check.place.table for check in some.checks} == {"4"}
    assert dataclasses.replace(some) == some
