"""Speech-FC end to end on the shipped items and on files of predictions: figures, labels, variants, requests."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import fac_eval
from fac_eval import Audio, RunResult, Sample
from fac_eval.data.assets import Asset
from fac_eval.data.hub import DataFinder
from fac_eval.errors import AudioError, DataError, MissingResource, UsageError
from fac_eval.resolve import benchmarks, resolve_tasks
from fac_eval.scores import ScoreTable
from fac_eval.tasks import speech_fc_tools
from fac_eval.tasks.speech_fc_tools import json_schema, native_tools, prompt_template, system_prompt
from fac_eval.vocabulary import Evidence, Figure, Response, ToolCall
from tests.support.tool_records import call, record, tool

SUBSETS = ("acebench_single", "acebench_parallel", "bfcl_single", "bfcl_parallel", "smartinteract_single")
REPOSITORY = Path(__file__).resolve().parents[2]
SHIPPED = REPOSITORY / "tasks" / "sample_data" / "speech_fc"

FORECAST = tool("weather.forecast", {"city": "string", "days": "integer"}, ["city"])
OSLO = [{"weather.forecast": {"city": ["Oslo"], "days": ["", 3]}}]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAC_EVAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("FAC_EVAL_OFFLINE", "1")


def run(models: Any, store: Path, tasks: Any = "speech_fc", **options: Any) -> RunResult:
    return fac_eval.run(models, tasks, store=str(store), progress=False, **options)


def figures(result: RunResult, cell: int = 0) -> dict[str, float | None]:
    return {figure.name: figure.value for figure in result.cells[cell].figures}


def predictions(path: Path, rows: Sequence[Mapping[str, Any]], folder: str = "SpeechFC-BFCL-Single") -> Path:
    """A file as upstream's scripts write it."""
    lines = [
        json.dumps({"category": folder, "time": "", **row, "index": index}) for index, row in enumerate(rows)
    ]
    path.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    return path


def oslo(*calls: str, key: str = "item-0") -> dict[str, Any]:
    return {**record([FORECAST], OSLO, *calls), "dataset_key": key}


def scored(path: Path, store: Path, task: str = "bfcl_single", **options: Any) -> RunResult:
    return run(f"replay:file={path}", store, f"speech_fc/{task}:records={path}", **options)


# The sanity models on the shipped items.


@pytest.fixture(scope="module")
def sanity(tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    return run(["oracle", "empty", "random"], tmp_path_factory.mktemp("sanity"), data="sample")


def test_every_shipped_item_is_scored(sanity: RunResult) -> None:
    assert [cell.task for cell in sanity.cells[:5]] == [f"speech_fc/{subset}" for subset in SUBSETS]
    assert [cell.counts.scored for cell in sanity.cells] == [8] * 15


@pytest.mark.parametrize(("model", "value"), [("oracle", 100.0), ("empty", 0.0), ("random", 0.0)])
def test_sanity_models_are_at_their_marks(model: str, value: float, sanity: RunResult) -> None:
    for cell in sanity.cells:
        if cell.model == model:
            assert cell.figures[0].value == value, cell.task
    (total,) = [total for total in sanity.totals if total.model == model]
    assert total.figure is not None
    assert (total.figure.name, total.figure.value, total.figure.n) == ("Overall", value, 40)


@pytest.mark.parametrize(
    "variant",
    [
        {"tools": "native"},
        {"dotted_names": "underscore"},
        {"time_placement": "user"},
        {"time_placement": "none"},
        {"strict_values": "true"},
        {"malformed": "fail"},
    ],
    ids=lambda variant: "-".join(*variant.items()),
)
def test_oracle_is_at_the_maximum_under_every_variant(variant: dict[str, str], tmp_path: Path) -> None:
    options = {f"speech_fc.{name}": value for name, value in variant.items()}
    result = run("oracle", tmp_path, data="sample", set=options)
    assert [cell.figures[0].value for cell in result.cells] == [100.0] * 5
    shown = ",".join("=".join(item) for item in variant.items())
    assert any(shown in cell.variant for cell in result.cells)


def test_the_overall_is_withheld_while_a_subset_is_missing(tmp_path: Path) -> None:
    tasks = ["speech_fc/bfcl_*", "speech_fc/acebench_*"]
    (total,) = run("empty", tmp_path, tasks, data="sample").totals
    assert total.figure is None
    assert (total.reason or "").endswith("Overall: no score for smartinteract_single")


# Figures as the report prints them.

EIGHT_B = [(138, 208, 66.30), (48, 88, 54.50), (536, 578, 92.73), (326, 372, 87.63), (533, 668, 79.79)]


def accuracies() -> dict[str, Figure]:
    found = {}
    for subset, (correct, total, _) in zip(SUBSETS, EIGHT_B, strict=True):
        (task,) = resolve_tasks([f"speech_fc/{subset}"])
        rows = [{"value": float(index < correct), "label": "correct"} for index in range(total)]
        found[subset] = task.figures(ScoreTable(rows))[0]
    return found


def test_accuracies_are_those_that_upstream_prints() -> None:
    assert [figure.value for figure in accuracies().values()] == [printed for *_, printed in EIGHT_B]


def test_the_overall_is_the_mean_of_the_printed_accuracies() -> None:
    (benchmark,) = [benchmark for benchmark in benchmarks() if benchmark.name == "speech_fc"]
    outcome = benchmark.overall[0].compute(accuracies())
    assert isinstance(outcome, Figure)
    assert outcome.value == pytest.approx(76.19, abs=1e-9)
    assert outcome.n == 1914


# Predictions in upstream's format.

REPLIES = {
    "correct": call("weather.forecast", {"city": "oslo"}),
    "multiple_function_checker:wrong_count": "I do not know.",
    "simple_function_checker:wrong_func_name": call("weather_forecast", {"city": "Oslo"}),
    "simple_function_checker:missing_required": call("weather.forecast", {"days": 3}),
    "simple_function_checker:unexpected_param": call("weather.forecast", {"city": "Oslo", "unit": "K"}),
    "type_error:simple": call("weather.forecast", {"city": "Oslo", "days": "3"}),
    "value_error:string": call("weather.forecast", {"city": "Rome"}),
    "ast_decoder:decoder_failed": '<tool_call>{"name": "weather.forecast"}</tool_call>',
}
KINDS = ("decoder_failed", "count", "wrong_name", "missing", "extra", "type", "value")


def test_upstreams_predictions_are_scored_without_the_data_set(tmp_path: Path) -> None:
    path = predictions(
        tmp_path / "pred.jsonl", [oslo(reply, key=str(n)) for n, reply in enumerate(REPLIES.values())]
    )
    result = scored(path, tmp_path / "store")
    assert figures(result) == {"accuracy": 12.5, **dict.fromkeys(KINDS, 12.5)}
    (cell,) = result.cells
    assert cell.variant == "malformed=count_wrong,dotted_names=keep,items=records"
    assert cell.counts.scored == len(REPLIES)
    wrong = cell.figures[0].note or ""
    assert all(f"{label} 1" in wrong for label in REPLIES if label != "correct")
    assert list(result.samples["label"]) == list(REPLIES)
    assert "12.50 %" in str(result)


@pytest.mark.parametrize(
    ("golden", "task", "category"),
    [
        ("bfcl_check", "bfcl_single", "multiple"),
        ("bfcl_check", "bfcl_parallel", "parallel"),
        ("smartinteract_check", "smartinteract_single", "multiple"),
        ("acebench_check", "acebench_single", "multiple"),
    ],
)
def test_recorded_official_verdicts_come_out_of_a_run(
    golden: str, task: str, category: str, tmp_path: Path
) -> None:
    lines = (REPOSITORY / "tests" / "golden" / f"{golden}.jsonl").read_text("utf-8").splitlines()[1:]
    rows, labels = [], []
    for case in map(json.loads, lines):
        given, wanted = case["input"], case["expected"]
        replied = isinstance(given["record"].get("predict"), str)
        if given["test_category"] == category and replied and "gpt-4o" not in given.get("model_name", ""):
            rows.append({**given["record"], "dataset_key": case["id"]})
            labels.append(
                wanted["error_type"] if "error_type" in wanted else f"scorer_error:{wanted['error']}"
            )
    result = scored(predictions(tmp_path / "pred.jsonl", rows, ""), tmp_path / "store", task)
    assert list(result.samples["label"]) == labels
    assert len(labels) > 60


def test_an_accuracy_has_two_decimals(tmp_path: Path) -> None:
    rows = [oslo(REPLIES["correct"] if n else "", key=str(n)) for n in range(3)]
    assert figures(scored(predictions(tmp_path / "pred.jsonl", rows), tmp_path))["accuracy"] == 66.67


def test_predictions_of_two_models_over_the_same_items_are_comparable(tmp_path: Path) -> None:
    cells: list[Any] = []
    for name, reply in (("a", REPLIES["correct"]), ("b", "")):
        path = predictions(tmp_path / f"{name}.jsonl", [oslo(reply)])
        cells += scored(path, tmp_path / "store").cells
    assert cells[0].protocol_id == cells[1].protocol_id
    assert cells[0].data == cells[1].data
    assert [cell.figures[0].value for cell in cells] == [100.0, 0.0]


@pytest.mark.parametrize("known", ["dataset_key", "id", "nothing"])
def test_items_are_known_by_whatever_key_there_is(known: str, tmp_path: Path) -> None:
    rows = [oslo(REPLIES["correct"]), oslo("")]
    lines = [
        {**{key: row[key] for key in ("function", "ground_truth", "predict")}, known: f"key {number}"}
        for number, row in enumerate(rows)
    ]
    path = tmp_path / "pred.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    assert figures(scored(path, tmp_path / "store")) == {"accuracy": 50.0, "count": 50.0}


def test_repeated_keys_are_matched_by_position(tmp_path: Path) -> None:
    path = predictions(tmp_path / "pred.jsonl", [oslo(REPLIES["correct"]), oslo("")])
    result = run(f"replay:file={path},match=index", tmp_path, f"speech_fc/bfcl_single:records={path}")
    assert figures(result)["accuracy"] == 50.0


def test_predictions_are_matched_with_the_data_set_by_upstreams_key(tmp_path: Path) -> None:
    (task,) = resolve_tasks(["speech_fc/bfcl_parallel"])
    samples = list(task.samples(DataFinder("sample")))
    rows = [{"dataset_key": sample.id, "predict": task.ideal(sample)} for sample in reversed(samples)]
    path = predictions(tmp_path / "pred.jsonl", rows[:-1])
    (cell,) = run(f"replay:file={path}", tmp_path, "speech_fc/bfcl_parallel", data="sample").cells
    assert cell.figures[0].value == 100.0
    assert cell.counts.failed == {"missing_prediction": 1}


def test_a_file_of_another_subset_is_refused(tmp_path: Path) -> None:
    path = predictions(tmp_path / "pred.jsonl", [oslo("")], "SpeechFC_ACEBench-Parallel")
    with pytest.raises(DataError, match="line 1: the category .* is not that of speech_fc/bfcl_single"):
        scored(path, tmp_path / "store")


def test_a_file_without_what_is_scored_is_refused(tmp_path: Path) -> None:
    path = predictions(tmp_path / "pred.jsonl", [{"predict": "", "function": "[]"}])
    with pytest.raises(DataError, match="lacks the column 'ground_truth'"):
        scored(path, tmp_path / "store")


def test_predictions_without_clips_are_no_questions(tmp_path: Path) -> None:
    path = predictions(tmp_path / "pred.jsonl", [oslo("")])
    (task,) = resolve_tasks([f"speech_fc/bfcl_single:records={path}"])
    (sample,) = task.samples(DataFinder())
    (clip,) = sample.messages[0].parts
    assert isinstance(clip, Audio)
    with pytest.raises(AudioError):
        clip.data()


def test_without_data_it_is_said_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(MissingResource, match="fac-eval prepare speech_fc"):
        run("empty", tmp_path, "speech_fc/bfcl_single")


# Odd records, and the variants of scoring.

BROKEN = {"function": "[]", "ground_truth": json.dumps(OSLO), "predict": REPLIES["correct"]}


def test_a_record_that_stops_upstream_is_counted_and_shown(tmp_path: Path) -> None:
    path = predictions(tmp_path / "pred.jsonl", [oslo(REPLIES["correct"]), {**BROKEN, "dataset_key": "b"}])
    counted = scored(path, tmp_path / "store")
    assert figures(counted) == {"accuracy": 50.0, "scorer_error": 50.0}
    assert counted.cells[0].figures[0].note == "wrong: scorer_error:TypeError 1"
    failed = fac_eval.rescore(counted.id, set={"speech_fc.malformed": "fail"}, store=str(tmp_path / "store"))
    assert figures(failed) == {"accuracy": 100.0}
    assert failed.cells[0].counts.failed == {"score_error": 1}


def test_names_with_dots_may_be_expected_with_underscores(tmp_path: Path) -> None:
    rows = [oslo(call("weather_forecast", {"city": "Oslo"}))]
    result = scored(predictions(tmp_path / "pred.jsonl", rows), tmp_path / "store")
    assert figures(result)["accuracy"] == 0.0
    options = {"speech_fc.dotted_names": "underscore"}
    again = fac_eval.rescore(result.id, set=options, store=str(tmp_path / "store"))
    assert figures(again) == {"accuracy": 100.0}


def test_strict_values_stand_beside_the_official_accuracy(tmp_path: Path) -> None:
    timer = tool("Timer", {"minutes": "integer", "name": "string"}, ["minutes"])
    answer = {"Timer": {"minutes": 5, "name": "tea"}}
    rows = [
        {**record([timer], answer, call("Timer", arguments)), "dataset_key": str(number)}
        for number, arguments in enumerate([{"minutes": 5}, {"minutes": 50}, {"minutes": 5, "name": "soup"}])
    ]
    path = predictions(tmp_path / "pred.jsonl", rows, "SpeechFC-ACEBench-Single")
    official = scored(path, tmp_path / "store", "acebench_single")
    assert figures(official) == {"accuracy": 66.7, "value": pytest.approx(100 / 3)}
    options = {"speech_fc.strict_values": "true"}
    strict = fac_eval.rescore(official.id, set=options, store=str(tmp_path / "store"))
    assert figures(strict) == {**figures(official), "strict accuracy": 33.3}
    assert [figure.name for figure in strict.cells[0].figures if figure.main] == ["accuracy"]
    assert "strict_values=true" in strict.cells[0].variant
    assert strict.cells[0].protocol_id != official.cells[0].protocol_id


def test_readings_of_one_request_are_one_cluster(tmp_path: Path) -> None:
    keys = ["trip_1_speaker1", "trip_1_speaker2", "trip_2_speaker1", "trip_3"]
    path = predictions(tmp_path / "pred.jsonl", [oslo("", key=key) for key in keys])
    (task,) = resolve_tasks([f"speech_fc/bfcl_single:records={path}"])
    assert [sample.cluster for sample in task.samples(DataFinder())] == ["trip_1", "trip_1", "trip_2", None]


# What is asked.

TEMPLATE = "First line.\n# Tools\n<tools>\n{tools_definition}\n</tools>\nAnswer {like this}."


def first(spec: str, **changes: Any) -> tuple[Any, Sample]:
    (task,) = resolve_tasks([f"speech_fc/{spec}"])
    return task, replace(next(task.samples(DataFinder("sample"))), **changes)


def test_tools_are_written_one_a_line_as_they_are_stored() -> None:
    tools = [{"type": "function", "function": {"name": "天气", "parameters": {"type": "dict"}}}, {"b": 1.0}]
    assert system_prompt(TEMPLATE, tools) == (
        'First line.\n# Tools\n<tools>\n{"type": "function", "function": {"name": "天气", '
        '"parameters": {"type": "dict"}}}\n{"b": 1.0}\n</tools>\nAnswer {like this}.'
    )


def test_the_date_goes_after_the_first_line() -> None:
    assert system_prompt(TEMPLATE, [], "今天").startswith("First line.\n今天\n# Tools\n")


@pytest.mark.parametrize(
    ("placement", "in_prompt", "after_clip"),
    [("system", True, False), ("user", False, True), ("none", False, False)],
)
def test_the_date_is_placed_as_told(placement: str, in_prompt: bool, after_clip: bool) -> None:
    task, sample = first(f"acebench_single:time_placement={placement}")
    time = sample.metadata["time"]
    instruction, question = task.request(sample).messages
    assert instruction.role == "system"
    assert (instruction.text.splitlines()[1] == time) == in_prompt == (time in instruction.text)
    assert isinstance(question.parts[0], Audio)
    assert question.text == (time if after_clip else "")


def test_an_item_without_a_date_is_asked_without_one() -> None:
    task, sample = first("bfcl_single")
    instruction, question = task.request(sample).messages
    assert instruction.text.splitlines()[1] == "# Tools"
    assert len(question.parts) == 1
    assert task.request(sample).tools == ()
    assert task.request(sample).settings.temperature == 0


def test_the_authors_prompt_is_read_from_their_pinned_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = 'BASE = "First line."\nFUNCTION_CALLING_PROMPT = BASE + """\n# Tools {tools_definition}"""\n'
    asset = Asset("prompts", "https://example.org/p.py", hashlib.sha256(source.encode()).hexdigest(), "p.py")
    monkeypatch.setattr(speech_fc_tools, "PROMPT_FILE", asset)
    with pytest.raises(MissingResource):
        prompt_template("official")
    assert resolve_tasks(["speech_fc/bfcl_single"])[0].variant.count("wording=own")
    path = tmp_path / "cache" / "assets" / "p.py"
    path.parent.mkdir(parents=True)
    path.write_text(source, "utf-8")
    assert prompt_template("official") == "First line.\n# Tools {tools_definition}"
    (task,) = resolve_tasks(["speech_fc/bfcl_single"])
    assert task.variant.count("wording=official")
    (own,) = resolve_tasks(["speech_fc/bfcl_single:wording=own"])
    assert own.protocol() != task.protocol()
    assert (
        task.request(next(task.samples(DataFinder("sample"))))
        .messages[0]
        .text.startswith('First line.\n# Tools {"type": "function", ')
    )


def test_another_wording_cannot_be_rescored_into_answers(tmp_path: Path) -> None:
    result = run("empty", tmp_path, "speech_fc/acebench_single", data="sample")
    with pytest.raises(UsageError, match="change what"):
        fac_eval.rescore(result.id, set={"speech_fc.time_placement": "none"}, store=str(tmp_path))


def test_native_tools_are_json_schema_with_legal_names() -> None:
    schema = {
        "type": "dict",
        "properties": {
            "type": {"type": "float", "default": {"type": "dict"}},
            "points": {"type": "tuple", "items": {"type": "any", "enum": ["dict"]}},
        },
    }
    assert json_schema(schema) == {
        "type": "object",
        "properties": {
            "type": {"type": "number", "default": {"type": "dict"}},
            "points": {"type": "array", "items": {"type": "string", "enum": ["dict"]}},
        },
    }
    names = ["a.b", "a_b", "天气", "x" * 70, "x" * 69]
    offered = native_tools([{"type": "function", "function": {"name": name}} for name in names])
    assert [one.name for one in offered.tools] == ["a_b", "a_b_2", "__", "x" * 64, "x" * 62 + "_2"]
    assert list(offered.stored.values()) == names


def test_native_calls_are_scored_by_the_names_in_the_data_set() -> None:
    for dotted in ("keep", "underscore"):
        task, sample = first(f"bfcl_single:tools=native,dotted_names={dotted}")
        request = task.request(sample)
        assert [one.name for one in request.tools] == ["weather_forecast"]
        assert [message.role for message in request.messages] == ["user"]
        native = ToolCall("weather_forecast", '{"city": "Lisbon", "days": 3}', "call_1")
        assert task.score(sample, Response(tool_calls=(native,)), Evidence()).value == 1.0
        wrong = replace(native, arguments="{")
        assert task.score(sample, Response(tool_calls=(wrong,)), Evidence()).parts == {
            "error_decoder_failed": 1.0
        }


def test_text_is_decoded_as_it_stands_even_where_a_back_end_read_calls_in_it() -> None:
    task, sample = first("bfcl_single")
    response = Response(
        text='<tool_call>{"name": "weather.forecast"}</tool_call>',
        tool_calls=(ToolCall("weather.forecast", "{}"),),
    )
    assert task.score(sample, response, Evidence()).label == "ast_decoder:decoder_failed"
    with pytest.raises(DataError, match="neither text nor calls"):
        task.score(sample, Response(), Evidence())


def test_calls_that_are_no_json_are_shown() -> None:
    task, sample = first("bfcl_single")
    score = task.score(sample, Response(text="<tool_call>{oops}</tool_call>"), Evidence())
    assert score.label == "multiple_function_checker:wrong_count"
    assert score.evidence["dropped"][0].startswith("block 1: ")


# Ideal answers.


@pytest.mark.parametrize(
    ("properties", "allowed"),
    [
        pytest.param({"p": "string"}, {"p": ["", "x"]}, id="optional"),
        pytest.param({"p": "string"}, {"p": [""]}, id="only-optional"),
        pytest.param({"p": "string"}, {"p": ["a\nb"]}, id="line-break"),
        pytest.param({"p": "integer", "q": "string"}, {"p": [1], "q": ["", 7.5]}, id="optional-of-odd-type"),
        pytest.param({"p": "dict"}, {"p": [{"k": ["v", "w"], "o": ["", 1]}]}, id="dict"),
        pytest.param(
            {"p": {"type": "array", "items": {"type": "dict"}}},
            {"p": [[{"k": [1, 2]}, {"k": [3]}]]},
            id="list-of-dicts",
        ),
        pytest.param({"p": {"type": "array", "items": {"type": "string"}}}, {"p": [["x", "y"]]}, id="list"),
    ],
)
def test_ideal_answers_to_bfcl_items(properties: dict[str, Any], allowed: dict[str, Any]) -> None:
    row = record([tool("f", properties)], [{"f": allowed}])
    del row["predict"]
    task, sample = first("bfcl_single", reference=row)
    ideal = task.ideal(sample)
    assert ideal is not None
    assert task.score(sample, Response(text=ideal), Evidence()).value == 1.0


@pytest.mark.parametrize("truth", ["{", "[]", '[{"f": 3}]', "null", '{"f": {}}'])
@pytest.mark.parametrize("subset", ["bfcl_single", "acebench_single"])
def test_there_is_no_ideal_answer_to_what_cannot_be_right(subset: str, truth: str) -> None:
    row = {**record([tool("f", {"p": "string"})], []), "ground_truth": truth}
    del row["predict"]
    task, sample = first(subset, reference=row)
    assert task.ideal(sample) is None


# The data set's folder.


def test_folders_may_be_spelled_with_hyphens(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    shutil.copytree(SHIPPED / "SpeechFC_BFCL_Single", folder / "SpeechFC-BFCL-Single")
    result = run("oracle", tmp_path / "store", "speech_fc/bfcl_single", data=str(folder))
    assert figures(result) == {"accuracy": 100.0}


def test_a_missing_clip_fails_its_item_alone(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    shutil.copytree(SHIPPED / "SpeechFC_SmartInteract", folder / "SpeechFC_SmartInteract")
    next((folder / "SpeechFC_SmartInteract" / "wav").iterdir()).unlink()
    (cell,) = run("oracle", tmp_path / "store", "speech_fc/smartinteract_single", data=str(folder)).cells
    assert cell.counts.failed == {"bad_input": 1}
    assert cell.counts.scored == 7


def test_the_shipped_items_are_what_their_text_says(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("maker", REPOSITORY / "tools" / "make_sample_data.py")
    assert spec is not None
    assert spec.loader is not None
    maker = importlib.util.module_from_spec(spec)
    sys.modules["maker"] = maker
    spec.loader.exec_module(maker)
    sample_set = maker.load_sample_set(REPOSITORY / "tools" / "sample_data" / "speech_fc.toml")
    assert (SHIPPED / "README.md").read_text("utf-8") == maker.card(sample_set)
    for config in sample_set.configs:
        lines = (SHIPPED / config.name / "metadata.jsonl").read_text("utf-8").splitlines()
        rows = [json.loads(line) for line in lines]
        assert [row["utterance"] for row in rows] == [row.prompt for row in config.splits["test"]]
        for row, source in zip(rows, config.splits["test"], strict=True):
            assert {key: row[key] for key in source.columns} == source.columns
            assert (SHIPPED / config.name / row["file_name"]).is_file()
    assert sum(path.stat().st_size for path in SHIPPED.rglob("*") if path.is_file()) < 2**20
