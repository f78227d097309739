from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fac_eval.audio import Audio
from fac_eval.codec import encode, from_json, plain, sample_from
from fac_eval.data.hub import DataFinder
from fac_eval.errors import DataError, UsageError
from fac_eval.file_task.task import INSTRUCTION, FileOptions, FileTask
from fac_eval.models.sanity import Empty, Oracle, Random
from fac_eval.resolve import rebuild_task, resolve_tasks
from fac_eval.scores import ScoreTable
from fac_eval.vocabulary import Evidence, Figure, Request, Response, Sample, Text

MIXED: list[dict[str, Any]] = [
    {"id": "q1", "text": "Capital of France?", "choices": ["London", "Paris"], "reference": "B"},
    {"id": "q2", "text": "2 + 2?", "choices": [3, 4, 5], "reference": 4},
    {"id": "q3", "text": "A prime?", "choices": ["4", "5", "7"], "reference": ["5", "7"]},
]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAC_EVAL_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def data(tmp_path: Path) -> DataFinder:
    return DataFinder(offline=True, cache=tmp_path / "cache")


def jsonl(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def task_of(path: Path, **options: Any) -> FileTask:
    return FileTask(FileOptions(str(path), **options))


def questions(tmp_path: Path, *rows: Mapping[str, Any], **options: Any) -> FileTask:
    return task_of(jsonl(tmp_path / "questions.jsonl", rows), **options)


def wav(path: Path, value: float = 0.1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(Audio.from_samples(np.full(160, value, dtype=np.float32), 16_000).encoded())
    return path


def texts_of(request: Request) -> list[str]:
    return [message.text for message in request.messages]


def figures(task: FileTask, data: DataFinder, answers: Sequence[str]) -> dict[str, Figure]:
    scores = [
        plain(task.score(sample, Response(text=answer), Evidence()))
        for sample, answer in zip(task.samples(data), answers, strict=True)
    ]
    return {figure.name: figure for figure in task.figures(ScoreTable(scores))}


# Formats and columns.


def write_csv(path: Path, delimiter: str) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(["id", "text", "choices", "reference", "metadata", "topic"])
        writer.writerow(["q1", "Capital, of France?", "London| Paris", "B", '{"level": 1}', "geo"])
        writer.writerow(["q2", "2 + 2?", '["3", "4"]', '["4", "B"]', "", ""])
    return path


def write_json(path: Path) -> Path:
    rows: list[dict[str, Any]] = [
        {
            "id": "q1",
            "text": "Capital, of France?",
            "choices": ["London", "Paris"],
            "reference": "B",
            "metadata": {"level": 1},
            "topic": "geo",
        },
        {"id": "q2", "text": "2 + 2?", "choices": ["3", "4"], "reference": ["4", "B"], "topic": ""},
    ]
    if path.suffix == ".jsonl":
        return jsonl(path, rows)
    path.write_text(json.dumps(rows), encoding="utf-8")
    return path


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv", "a.tsv"])
def test_the_same_questions_in_any_format(name: str, tmp_path: Path, data: DataFinder) -> None:
    path = tmp_path / name
    if path.suffix in (".csv", ".tsv"):
        write_csv(path, "," if path.suffix == ".csv" else "\t")
    else:
        write_json(path)
    task = task_of(path)
    task.check(data)
    first, second = task.samples(data)
    assert task.name == "file:a"
    assert task.size(data) == 2
    assert (first.id, second.id) == ("q1", "q2")
    assert first.messages[0].text == "Capital, of France?"
    assert first.choices == ("London", "Paris")
    assert second.choices == ("3", "4")
    assert first.reference == "B"
    assert second.reference == ["4", "B"]
    assert first.metadata == {"topic": "geo", "level": 1}
    assert second.metadata == {"topic": ""}


def test_parquet_with_embedded_audio_and_dates(tmp_path: Path, data: DataFinder) -> None:
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    import datetime

    sound = wav(tmp_path / "clip.wav").read_bytes()
    table = pa.table(
        {
            "id": [1, 2],
            "audio": [{"bytes": sound, "path": None}, {"bytes": None, "path": "clip.wav"}],
            "reference": [2.0, 2.5],
            "day": [datetime.date(2024, 1, 2)] * 2,
            "score": [float("nan"), 1.0],
        }
    )
    parquet.write_table(table, tmp_path / "q.parquet")
    task = task_of(tmp_path / "q.parquet")
    task.check(data)
    first, second = task.samples(data)
    assert (first.id, second.id) == ("1", "2")
    assert first.messages[0].parts == second.messages[0].parts
    assert (first.reference, second.reference) == ("2", "2.5")
    assert first.metadata["day"] == "2024-01-02"
    assert sample_from(from_json(encode(second))).metadata == {"day": "2024-01-02", "score": 1.0}


def test_without_ids_rows_are_counted(tmp_path: Path, data: DataFinder) -> None:
    path = tmp_path / "q.jsonl"
    path.write_text('{"text": "a"}\n\n{"text": "b"}\n', encoding="utf-8")
    assert [sample.id for sample in task_of(path).samples(data)] == ["1", "2"]


def test_audio_comes_before_its_question(tmp_path: Path, data: DataFinder) -> None:
    clip = wav(tmp_path / "clips" / "one.wav")
    task = questions(
        tmp_path,
        {"audio": "clips/one.wav", "text": "What is said?"},
        {"audio": str(clip)},
        {"audio": {"path": "clips/one.wav"}},
    )
    task.check(data)
    both, absolute, struct = (sample.messages[0].parts for sample in task.samples(data))
    assert both == (Audio.from_file(clip), Text("What is said?"))
    assert absolute == struct == (Audio.from_file(clip),)


@pytest.mark.parametrize(
    ("option", "columns", "clusters"),
    [
        pytest.param({}, {"cluster": "s1"}, ["s1", {}], id="default-column"),
        pytest.param({"cluster": "speaker"}, {"speaker": 7}, ["7", {"speaker": 7}], id="named-column"),
        pytest.param({}, {"cluster": ""}, [None, {}], id="empty"),
    ],
)
def test_clusters(
    option: dict[str, Any], columns: dict[str, Any], clusters: list[Any], tmp_path: Path, data: DataFinder
) -> None:
    (sample,) = questions(tmp_path, {"text": "x", **columns}, **option).samples(data)
    assert [sample.cluster, sample.metadata] == clusters


# Faults, each found before a run.

TEXT = {"text": "x"}


FAULTS: dict[str, tuple[list[dict[str, Any]], dict[str, Any], str]] = {
    "no-question": ([{"foo": 1}], {}, "no column 'text'.*A question is text, audio or both"),
    "text-under-another-name": ([{"question": "x"}], {}, "'question' meant as 'text'"),
    "capital-column": ([{"Text": "x"}], {}, "'Text' meant as 'text'"),
    "audio-misnamed": ([TEXT | {"audio_path": "a"}], {}, "'audio_path' meant as 'audio'"),
    "reference-misnamed": ([TEXT | {"answer": "y"}], {}, "'answer' meant as 'reference'"),
    "typing-error": ([TEXT | {"refrence": "y"}], {}, "'refrence' meant as 'reference'"),
    "choices-misnamed": ([TEXT | {"options": ["a", "b"], "reference": "a"}], {}, "'options'"),
    "exact": ([TEXT], {"metric": "exact"}, "no column 'reference', which the metric 'exact'"),
    "choice": ([TEXT], {"metric": "choice"}, "no columns 'choices', 'reference'"),
    "no-such-cluster": ([TEXT], {"cluster": "speaker"}, "no column 'speaker'"),
    "text-type": ([TEXT, {"text": 3}], {}, "line 2, column 'text': expected text, found 3"),
    "blank": ([TEXT, {"text": " "}], {}, "line 2: there is neither text nor audio"),
    "no-file": ([{"audio": "no.wav"}], {}, "line 1: there is no audio file .*no.wav"),
    "no-file-name": ([{"audio": "a\x00b"}], {}, "line 1: there is no audio file"),
    "audio-type": ([{"audio": 3}], {}, "line 1, column 'audio'"),
    "base64": ([{"audio": {"bytes": "UklGRg=="}}], {}, "line 1, column 'audio'"),
    "id-type": ([TEXT | {"id": True}], {}, "line 1, column 'id'"),
    "id-missing": ([TEXT | {"id": "a"}, TEXT], {}, "line 2: the id is missing"),
    "id-twice": (
        [TEXT | {"id": "a"}, TEXT | {"id": 7}, TEXT | {"id": "7"}],
        {},
        "line 3: the id '7' is that of line 2, too",
    ),
    "reference-type": ([TEXT | {"reference": True}], {}, "line 1, column 'reference'"),
    "reference-empty-list": ([TEXT | {"reference": []}], {}, "line 1, column 'reference'"),
    "reference-null": ([TEXT | {"reference": ["a", None]}], {}, "line 1, column 'reference'"),
    "reference-blank": (
        [TEXT | {"reference": "a"}, TEXT | {"reference": " "}],
        {},
        "line 2: the reference is missing, which the metric 'exact' needs",
    ),
    "one-choice": ([TEXT | {"choices": ["a"], "reference": "A"}], {}, "2 to 26 different"),
    "same-choice": ([TEXT | {"choices": ["a", "a"], "reference": "A"}], {}, "different texts"),
    "choices-type": ([TEXT | {"choices": 3, "reference": "A"}], {}, "line 1, column 'choices'"),
    "reference-no-choice": (
        [TEXT | {"choices": ["x", "y"], "reference": "C"}],
        {},
        "line 1: the reference 'C' is neither a choice's letter nor one of 'x', 'y'",
    ),
    "reference-with-two-readings": (
        [TEXT | {"choices": ["B", "A"], "reference": "A"}],
        {},
        "line 1: the reference 'A' is the letter of one choice and the text of another",
    ),
    "choices-missing": (
        [TEXT | {"choices": ["x", "y"], "reference": "A"}, TEXT | {"reference": "A"}],
        {},
        "line 2: the choices are missing",
    ),
    "metadata-type": ([TEXT | {"metadata": 3}], {}, "line 1, column 'metadata'"),
    "metadata-no-json": ([TEXT | {"metadata": "{"}], {}, "line 1, column 'metadata'"),
    "key-twice": ([TEXT | {"metadata": {"a": 1}, "a": 2}], {}, "line 1: 'a' is a column and"),
    "other-content": ([TEXT], {"content": "0" * 32}, "has the content hash .*, not 0000"),
}


@pytest.mark.parametrize(("rows", "options", "message"), FAULTS.values(), ids=FAULTS)
def test_faults_are_found_before_a_run(
    rows: list[dict[str, Any]], options: dict[str, Any], message: str, tmp_path: Path, data: DataFinder
) -> None:
    task = questions(tmp_path, *rows, **options)
    with pytest.raises(DataError, match=f"(?s)questions.jsonl.*{message}"):
        task.check(data)


def test_a_table_without_rows_is_refused(tmp_path: Path, data: DataFinder) -> None:
    path = tmp_path / "q.csv"
    path.write_text("text,reference\n", encoding="utf-8")
    with pytest.raises(DataError, match="holds no rows"):
        task_of(path).check(data)


def test_bytes_are_no_metadata(tmp_path: Path, data: DataFinder) -> None:
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pa.table({"text": ["x"], "picture": [b"123"]}), tmp_path / "q.parquet")
    with pytest.raises(DataError, match="row 1: the column 'picture' holds bytes"):
        task_of(tmp_path / "q.parquet").check(data)


def test_a_collision_of_hashes_is_no_repeated_id(
    tmp_path: Path, data: DataFinder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fac_eval.file_task.questions.hash", lambda text: 1, raising=False)
    questions(tmp_path, {"id": "a", "text": "x"}, {"id": "b", "text": "x"}).check(data)
    with pytest.raises(DataError, match="line 3: the id 'a' is that of line 1"):
        questions(tmp_path, *({"id": name, "text": "x"} for name in "aba")).check(data)


# Metrics.


@pytest.mark.parametrize(
    ("row", "options", "metric"),
    [
        pytest.param(TEXT, {}, "none", id="nothing-to-compare-with"),
        pytest.param(TEXT | {"choices": ["a", "b"]}, {}, "none", id="choices-alone"),
        pytest.param(TEXT | {"reference": "a"}, {}, "exact", id="reference"),
        pytest.param(TEXT | {"reference": "a", "choices": ["a", "b"]}, {}, "choice", id="choices"),
        pytest.param(TEXT | {"reference": "a"}, {"metric": "wer"}, "wer", id="as-told"),
        pytest.param(TEXT | {"answer": "a"}, {"metric": "none"}, "none", id="none-needs-no-reference"),
    ],
)
def test_the_metric_follows_from_the_columns(
    row: dict[str, Any], options: dict[str, Any], metric: str, tmp_path: Path, data: DataFinder
) -> None:
    task = questions(tmp_path, row, **options)
    task.check(data)
    assert task.metric == metric
    assert task.variant == f"metric={metric}"


def test_choices_are_scored_by_letter_and_unparsed_answers_are_counted(
    tmp_path: Path, data: DataFinder
) -> None:
    found = figures(questions(tmp_path, *MIXED), data, ["It is Paris.", "A", "4 or 5"])
    assert found["accuracy"].value == pytest.approx(100 / 3)
    assert found["accuracy"].main
    assert found["unparsed"].value == pytest.approx(100 / 3)
    assert not found["unparsed"].higher_is_better
    task = questions(tmp_path, *MIXED)
    last = list(task.samples(data))[2]
    assert task.score(last, Response(text="(C)"), Evidence()).value == 1
    assert task.score(last, Response(text="either"), Evidence()).parts == {"unparsed": 1}


@pytest.mark.parametrize(
    ("metric", "answers", "name", "value"),
    [
        pytest.param("exact", ["paris.", "in Rome"], "accuracy", 50, id="exact"),
        pytest.param("contains", ["It is Paris", "in Rome"], "accuracy", 100, id="contains"),
        pytest.param("wer", ["paris", "the old city"], "WER", 150, id="wer-is-a-ratio-of-sums"),
        pytest.param("none", ["anything", " "], "answered", 50, id="none"),
    ],
)
def test_figures(
    metric: str, answers: list[str], name: str, value: float, tmp_path: Path, data: DataFinder
) -> None:
    rows: list[dict[str, Any]] = [TEXT | {"reference": "Paris"}, TEXT | {"reference": ["Rome", "Roma"]}]
    found = figures(questions(tmp_path, *rows, metric=metric), data, answers)
    assert list(found) == [name]
    assert found[name].main
    assert found[name].value == pytest.approx(value)


def test_a_response_without_text_is_an_error_and_no_zero(tmp_path: Path, data: DataFinder) -> None:
    task = questions(tmp_path, TEXT | {"reference": "a"})
    (sample,) = task.samples(data)
    with pytest.raises(DataError, match="no text"):
        task.score(sample, Response(), Evidence())


@pytest.mark.parametrize("metric", ["exact", "contains", "choice", "wer"])
def test_sanity_models(metric: str, tmp_path: Path, data: DataFinder) -> None:
    rows: list[dict[str, Any]] = [
        {"id": f"q{n}", "text": "Which?", "choices": ["one", "two", "three", "four"], "reference": "two"}
        for n in range(400)
    ]
    task = questions(tmp_path, *rows, metric=metric)
    samples = list(task.samples(data))
    requests = [task.request(sample) for sample in samples]

    def main_figure(model: Oracle | Empty | Random) -> float:
        answers = model.respond(task, samples, requests, range(len(samples)))
        found = figures(task, data, [answer.text or "" for answer in answers])
        return next(figure.value for figure in found.values() if figure.main and figure.value is not None)

    best, worst = (0, 100) if metric == "wer" else (100, 0)
    assert main_figure(Oracle()) == best
    assert main_figure(Empty()) == worst
    if metric == "choice":
        assert main_figure(Random()) == pytest.approx(25, abs=8)


def test_no_reference_no_ideal_answer(tmp_path: Path, data: DataFinder) -> None:
    task = questions(tmp_path, TEXT)
    (sample,) = task.samples(data)
    assert task.ideal(sample) is None


# Requests.


@pytest.mark.parametrize(
    ("row", "options", "expected"),
    [
        pytest.param(TEXT | {"reference": "y"}, {}, ["x"], id="text-alone"),
        pytest.param(TEXT, {"system": "Be brief."}, ["Be brief.", "x"], id="system"),
        pytest.param(
            TEXT | {"choices": ["one", "two"], "reference": "A"},
            {},
            [f"x\n\nA. one\nB. two\n\n{INSTRUCTION}"],
            id="choices-listed",
        ),
        pytest.param(TEXT | {"choices": ["A", "B"], "reference": "A"}, {}, ["x"], id="letters-need-no-list"),
        pytest.param(
            TEXT | {"choices": ["one", "two"], "reference": "one"}, {"metric": "exact"}, ["x"], id="exact"
        ),
        pytest.param(
            TEXT | {"choices": ["one", "two"]}, {}, [f"x\n\nA. one\nB. two\n\n{INSTRUCTION}"], id="none"
        ),
    ],
)
def test_requests(
    row: dict[str, Any], options: dict[str, Any], expected: list[str], tmp_path: Path, data: DataFinder
) -> None:
    task = questions(tmp_path, row, **options)
    (sample,) = task.samples(data)
    assert texts_of(task.request(sample)) == expected


def test_choices_follow_a_spoken_question(tmp_path: Path, data: DataFinder) -> None:
    wav(tmp_path / "q.wav")
    task = questions(tmp_path, {"audio": "q.wav", "choices": ["one", "two"], "reference": "A"})
    (sample,) = task.samples(data)
    audio, text = task.request(sample).messages[0].parts
    assert isinstance(audio, Audio)
    assert text == Text(f"A. one\nB. two\n\n{INSTRUCTION}")


# Identity.


def test_identity_is_the_content_and_not_the_place(tmp_path: Path, data: DataFinder) -> None:
    row = {"audio": "q.wav", "reference": "a"}
    tasks = []
    for folder, value in (("here", 0.1), ("there", 0.1), ("else", 0.2)):
        wav(tmp_path / folder / "q.wav", value)
        task = task_of(jsonl(tmp_path / folder / "q.jsonl", [row]))
        task.check(data)
        tasks.append(task)
    here, there, other = tasks
    assert here.data_fingerprint(data) == there.data_fingerprint(data) != other.data_fingerprint(data)
    assert here.protocol() == there.protocol() != other.protocol()
    assert str(tmp_path) not in json.dumps(plain(here.protocol()))


def test_a_changed_file_is_seen_by_the_next_check(tmp_path: Path, data: DataFinder) -> None:
    task = questions(tmp_path, TEXT)
    task.check(data)
    before = task.data_fingerprint(data)
    questions(tmp_path, TEXT, TEXT)
    task.check(data)
    assert task.size(data) == 2
    assert task.data_fingerprint(data) != before


def test_auto_and_the_same_metric_named_are_one_protocol(tmp_path: Path) -> None:
    row = TEXT | {"reference": "a"}
    assert questions(tmp_path, row).protocol() == questions(tmp_path, row, metric="exact").protocol()
    assert questions(tmp_path, row).protocol() != questions(tmp_path, row, metric="contains").protocol()
    assert questions(tmp_path, row).protocol() != questions(tmp_path, row, system="x").protocol()


def test_a_stored_task_scores_without_its_file(tmp_path: Path, data: DataFinder) -> None:
    task = questions(tmp_path, *MIXED)
    task.check(data)
    samples, protocol, spec = list(task.samples(data)), task.protocol(), plain(dict(task.spec))
    (tmp_path / "questions.jsonl").unlink()
    again = rebuild_task(spec["name"], spec["options"], {}, set())
    stored = [sample_from(from_json(encode(sample))) for sample in samples]
    assert [again.score(sample, Response(text="B"), Evidence()).value for sample in stored] == [1, 1, 1]
    assert again.protocol() == protocol
    assert again.variant == "metric=choice"


def test_specs(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "mine.jsonl", [TEXT])
    (task,) = resolve_tasks([f"file:{path},metric=none"], {"file.system": "Be brief."})
    assert task.name == "file:mine"
    assert task.options == FileOptions(str(path), metric="none", system="Be brief.")
    with pytest.raises(UsageError, match="path"):
        resolve_tasks(["file"])
    with pytest.raises(UsageError, match="exact, contains, choice"):
        resolve_tasks([f"file:{path},metric=best"])


CELLS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=5)
    | st.lists(st.text(max_size=3), max_size=3)
)
ROWS = st.dictionaries(
    st.sampled_from(["id", "text", "audio", "choices", "reference", "metadata", "cluster", "more"]), CELLS
)


@given(st.lists(ROWS, min_size=1, max_size=4))
def test_a_checked_file_can_be_run(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]]
) -> None:
    """Whatever a file holds, either its check refuses it or every sample can be stored, asked and scored."""
    folder = tmp_path_factory.mktemp("rows")
    data = DataFinder(offline=True, cache=folder)
    task = questions(folder, *rows)
    try:
        task.check(data)
    except DataError:
        return
    samples: list[Sample] = list(task.samples(data))
    assert len({sample.id for sample in samples}) == len(samples) == task.size(data)
    for sample in samples:
        assert sample_from(from_json(encode(sample))).id == sample.id
        task.request(sample)
        assert 0 <= task.score(sample, Response(text="A"), Evidence()).value <= 1
