"""A style set of one's own: the manifest, whole lists of problems, weights, and what the judge is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import fac_eval
from fac_eval.data.hub import DataFinder
from fac_eval.errors import DataError, UsageError
from fac_eval.resolve import resolve_tasks
from fac_eval.tasks.styleset import StyleSet, StyleSetOptions
from fac_eval.tasks.styleset_manifest import Row
from fac_eval.vocabulary import Evidence, Question, Response
from tests.support.judges import Critic
from tests.support.sounds import stored, tone

ROWS: list[dict[str, Any]] = [
    {
        "id": "1",
        "subset": "instruction_following",
        "lang": "en",
        "audio": "a.wav",
        "text": "Whisper it.",
        "weight": 3,
    },
    {"id": "2", "subset": "instruction_following", "lang": "en", "audio": "a.wav", "text": "Shout it."},
    {
        "id": "3",
        "subset": "semantic_empathy",
        "lang": "zh",
        "audio": "a.wav",
        "text": "我丢了工作。",
        "emotion": "sadness_disappointment",
    },
    {
        "id": "4",
        "subset": "paralinguistic_empathy",
        "lang": "en",
        "audio": "a.wav",
        "text": "I am fine.",
        "emotion": "anger",
        "cue": "clenched voice",
    },
]


def manifest(folder: Path, rows: list[Any]) -> Path:
    (folder / "a.wav").write_bytes(stored(tone(1.0)))
    path = folder / "set.jsonl"
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows) + "\n")
    return path


def test_each_subset_has_a_weighted_mean_and_there_is_no_overall(tmp_path: Path) -> None:
    def say(question: Question) -> str:
        return {"Whisper it.": "[[5]]", "Shout it.": "[[1]]"}.get(
            question.inputs["input_instruction"], "[[3]]"
        )

    path = manifest(tmp_path, ROWS)
    judge = Critic(say)
    result = fac_eval.run(
        "oracle", f"styleset:file={path}", store=str(tmp_path / "s"), judge=judge, progress=False
    )
    found = {figure.name: figure.value for figure in result.cells[0].figures}
    assert found == {"instruction_following": 4, "semantic_empathy": 3, "paralinguistic_empathy": 3}
    assert {question.rubric for question in judge.asked} == {
        "vstyle/instruction-en",
        "vstyle/empathy-zh",
        "vstyle/empathy-en",
    }


def test_where_the_words_do_not_tell_the_feeling_the_judge_hears_the_request(tmp_path: Path) -> None:
    task = StyleSet(StyleSetOptions(file=str(manifest(tmp_path, ROWS))))
    samples = list(task.samples(DataFinder()))
    speech = samples[0].messages[0].parts[0]
    asked = [task.questions(sample, Response(speech=speech), Evidence())[0] for sample in samples]  # type: ignore[arg-type]
    assert [len(question.audio) for question in asked] == [1, 1, 1, 2]
    assert asked[3].inputs["instruction_type"] == "empathy/anger"
    assert "clenched voice" in asked[3].inputs["input_instruction"]
    assert asked[2].inputs["input_instruction"] == "我丢了工作。"


def test_all_problems_are_told_at_once_with_their_lines(tmp_path: Path) -> None:
    wrong = [
        ROWS[0],
        "{broken",
        {**ROWS[1], "subset": "singing"},
        {**ROWS[2], "emotion": ""},
        {**ROWS[3], "cue": "", "audio": "missing.wav"},
        {**ROWS[1], "id": "1", "weight": 0},
        {**ROWS[1], "id": "9", "mood": "odd"},
    ]
    with pytest.raises(DataError) as caught:
        resolve_tasks([f"styleset:file={manifest(tmp_path, wrong)}"])[0].check(DataFinder())
    text = str(caught.value)
    for line, words in [
        (2, "malformed"),
        (3, "singing"),
        (4, "emotion"),
        (5, "cue"),
        (5, "missing.wav"),
        (6, "weight"),
        (7, "mood"),
    ]:
        assert any(f"line {line}:" in told and words in told for told in text.splitlines()), (
            line,
            words,
            text,
        )
    assert "'1' stands on several lines" in text


@pytest.mark.parametrize("content", ["", "\n\n"])
def test_a_manifest_without_rows_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "set.jsonl"
    path.write_text(content)
    with pytest.raises(DataError, match="no row"):
        StyleSet(StyleSetOptions(file=str(path))).check(DataFinder())


def test_a_file_is_needed() -> None:
    with pytest.raises(UsageError, match="file"):
        resolve_tasks(["table6"])


def test_moving_the_set_changes_nothing_but_its_content_does(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "y").mkdir()
    prints = [
        StyleSet(StyleSetOptions(file=str(manifest(tmp_path / name, rows)))).data_fingerprint(DataFinder())
        for name, rows in (("x", ROWS), ("y", ROWS), ("y", ROWS[:2]))
    ]
    assert prints[0] == prints[1] != prints[2]


@given(st.floats(min_value=0.01, max_value=100), st.text(min_size=1))
def test_any_row_that_is_read_can_be_written_again(weight: float, text: str) -> None:
    import msgspec

    row = Row(id="1", subset="instruction_following", lang="en", audio="a.wav", text=text, weight=weight)
    assert msgspec.json.decode(msgspec.json.encode(row), type=Row) == row
