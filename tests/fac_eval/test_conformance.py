import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from fac_eval import registry
from fac_eval.cli.conformance import command
from fac_eval.conformance import check_answer, differences, read_golden, report_text, run_conformance
from fac_eval.errors import DataError, FacEvalError, MissingResource, PluginError, UnknownName, UsageError

GOLDEN = Path(__file__).parents[1] / "golden"

ADAPTERS = '''
from fac_eval.conformance import Case, CannotRunError, check_answer, read_golden
from fac_eval.errors import MissingResource

NOT_CALLABLE = 3


def double(case_input, header):
    """Twice the number; a case may ask for what a machine or an adapter lacks."""
    if case_input.get("needs"):
        raise MissingResource("punkt is not here.", remedy="Fetch it.")
    if case_input.get("kind") == "new":
        raise CannotRunError("unknown kind 'new'")
    return {"value": 2 * case_input["x"], "more": "not compared"}


class Tensors:
    def claims(self, path):
        return path.read_text().startswith("good")

    def cases(self, path):
        if path.is_dir():
            path = path / "index.json"
        for name in path.read_text().split():
            yield Case(name, f"tensor {name}", lambda name=name: self.check(name))

    def check(self, name):
        if name == "broken":
            raise KeyError(name)
        return [] if name == "good" else [f"{name} differs by {number}" for number in range(5)]


tensors = Tensors()
'''


@pytest.fixture(autouse=True)
def adapters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A distribution that registers three golden names."""
    site = tmp_path / "site"
    info = site / "recorded-1.0.dist-info"
    info.mkdir(parents=True)
    module = f"recorded_{tmp_path.name}"
    (site / f"{module}.py").write_text(ADAPTERS, encoding="utf-8")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: recorded\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(
        f"[fac_eval.conformance]\ndouble = {module}:double\ntensors = {module}:tensors\n"
        f"number = {module}:NOT_CALLABLE\n",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(site)
    registry.refresh()
    yield
    registry.refresh()


def write(path: Path, *cases: dict[str, Any], header: dict[str, Any] | None = None) -> Path:
    rows = [{"header": header or {}}, *cases]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def case(number: int, x: Any, expected: Any, **more: Any) -> dict[str, Any]:
    return {"id": f"d{number}", "case": f"label {number}", "input": {"x": x, **more}, "expected": expected}


class TestDifferences:
    @pytest.mark.parametrize(
        ("expected", "answer"),
        [
            (1, 1),
            (1, 1.0),
            (1.0, 1),
            (0.5, 0.5 + 5e-10),
            (math.nan, math.nan),
            (math.inf, math.inf),
            (None, None),
            ("a", "a"),
            ({"a": 1}, {"a": 1, "b": 2}),
            ({"a": [1, {"b": None}]}, {"a": (1, {"b": None})}),
            ({"a": {"error": "KeyError"}}, {"a": ValueError("x")}),
            ({"error": "KeyError", "calls": 1}, {"error": "KeyError", "calls": 1}),
        ],
        ids=repr,
    )
    def test_none(self, expected: Any, answer: Any) -> None:
        assert differences(expected, answer) == []

    @pytest.mark.parametrize(
        ("expected", "answer", "found"),
        [
            (1, True, "expected 1, got True"),
            (True, 1, "expected True, got 1"),
            (1, 1.0000000001, "expected 1, got 1.0000000001"),
            (1, "1", "expected 1, got '1'"),
            (0.5, 0.5 + 2e-9, "expected 0.5, got 0.500000002"),
            (0.5, math.nan, "expected 0.5, got nan"),
            (math.inf, -math.inf, "expected inf, got -inf"),
            (None, 0, "expected None, got 0"),
            (0.0, None, "expected 0.0, got None"),
            (0.0, False, "expected 0.0, got False"),
            ([], {}, "expected [], got {}"),
            ({"a": 1}, {}, "a: expected 1, but it is missing"),
            ({"a": {"b": 1}}, {"a": {"b": 1, "c": 2}}, "a.c: is not in the record"),
            ({"a": [1, 2]}, {"a": [1]}, "a: expected 2 entries, got 1: [1]"),
            ({"a": [1, {"b": 2}]}, {"a": [1, {"b": 3}]}, "a[1].b: expected 2, got 3"),
            ({"error": "KeyError"}, {"a": 1}, "expected an error (KeyError), got {'a': 1}"),
            (
                {"error": "KeyError"},
                {"error": "KeyError"},
                "expected an error (KeyError), got {'error': 'KeyError'}",
            ),
            ({"a": 1}, KeyError("k"), "expected {'a': 1}, but it raised KeyError: 'k'"),
            (
                {"error": "E", "a": 1},
                KeyError("k"),
                "expected {'error': 'E', 'a': 1}, but it raised KeyError: 'k'",
            ),
        ],
        ids=repr,
    )
    def test_some(self, expected: Any, answer: Any, found: str) -> None:
        assert differences(expected, answer) == [found]

    def test_every_difference_is_told(self) -> None:
        assert len(differences({"a": 1, "b": [1, 2], "c": 3}, {"a": 2, "b": [2, 1, 0]})) == 5

    def test_long_values_are_shortened(self) -> None:
        (found,) = differences("x" * 1000, "y" * 1000)
        assert len(found) < 400

    def test_tolerance_is_absolute(self) -> None:
        assert differences(1e12, 1e12 + 1, tolerance=0.5)
        assert differences(1e-12, 2e-12) == []


class TestCheckAnswer:
    def test_any_exception_satisfies_a_recorded_error(self) -> None:
        assert check_answer(lambda: 1 // 0, {"error": "AttributeError"}) == []

    def test_a_missing_resource_is_no_error_of_the_scorer(self) -> None:
        def answer() -> Any:
            raise MissingResource("no punkt")

        with pytest.raises(MissingResource):
            check_answer(answer, {"error": "LookupError"})


class TestReadGolden:
    def test_only_line_feeds_end_a_line(self, tmp_path: Path) -> None:
        path = tmp_path / "double.jsonl"
        row = {"id": "a", "input": {"text": "one\u2028two\x85three"}, "expected": 1}
        text = '{"header": {}}\r\n\n' + json.dumps(row, ensure_ascii=False)
        path.write_bytes(text.encode())
        assert read_golden(path).cases == (row,)

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("", "the first line is no header"),
            ("\n", "the first line is no header"),
            ('{"id": "a", "input": {}, "expected": 1}', "the first line is no header"),
            ('{"header": 1}', "the first line is no header"),
            ('{"header": {}}\n', "a header but no case"),
            ('{"header": {}}\n{"id": ', "line 2: is no JSON"),
            ('{"header": {}}\n\n[]', "line 3: is no JSON object"),
            ('{"header": {}}\n{"id": 1, "expected": 1}', "line 2: a case needs"),
            ('{"header": {}}\n{"id": "a", "input": {}}', "line 2: a case needs"),
            ('{"header": {}}\n{"header": {}}', "line 2: a case needs"),
            ('{"header": {}}\n' + 2 * '{"id": "a", "expected": 1}\n', "line 3: the id 'a' occurs twice"),
            ("[" * 200_000, "line 1: is no JSON"),
            ("\udcff", "cannot be read"),
        ],
    )
    def test_malformed(self, tmp_path: Path, text: str, problem: str) -> None:
        path = tmp_path / "double.jsonl"
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
        with pytest.raises(DataError) as caught:
            read_golden(path)
        assert problem in caught.value.message
        assert str(path) in caught.value.message

    @pytest.mark.parametrize(
        ("given", "tolerance"),
        [(0, 0.0), (0.1, 0.1), ("exact", 1e-9), ({"mel": 1}, 1e-9), (True, 1e-9), (None, 1e-9)],
    )
    def test_tolerance(self, tmp_path: Path, given: Any, tolerance: float) -> None:
        path = write(tmp_path / "a.jsonl", case(0, 1, 1), header={"tolerance": given})
        assert read_golden(path).tolerance == tolerance


class TestRunConformance:
    def test_counts_every_case(self, tmp_path: Path) -> None:
        path = write(
            tmp_path / "double.jsonl",
            case(0, 2, {"value": 4}),
            case(1, 2, {"value": 5}),
            case(2, None, {"error": "TypeError"}),
            case(3, None, {"value": 1}),
            case(4, 2, {"error": "TypeError"}),
            case(5, 2, {"value": 4}, needs=True),
            case(6, 2, {"error": "KeyError"}, kind="new"),
        )
        (report,) = run_conformance([path])
        assert (report.name, report.cases, report.agreements) == ("double", 7, 2)
        assert [(found.id, found.label) for found in report.disagreements] == [
            ("d1", "label 1"),
            ("d3", "label 3"),
            ("d4", "label 4"),
        ]
        wrong, raised, _ = report.disagreements
        assert wrong.message == "value: expected 5, got 4"
        assert raised.message.startswith("expected {'value': 1}, but it raised TypeError: unsupported")
        assert [found.message for found in report.cannot_run] == [
            "punkt is not here.\nFetch it.",
            "unknown kind 'new'",
        ]

    def test_the_header_names_the_scorer_and_the_tolerance(self, tmp_path: Path) -> None:
        header = {"name": "double", "tolerance": 0.1}
        path = write(tmp_path / "other.jsonl", case(0, 2.0, {"value": 4.05}), header=header)
        (report,) = run_conformance([str(path)])
        assert (report.name, report.agreements) == ("double", 1)

    def test_a_name_in_the_header_wins_over_the_stem(self, tmp_path: Path) -> None:
        path = write(tmp_path / "double.jsonl", case(0, 2, {"value": 4}), header={"name": "treble"})
        with pytest.raises(UnknownName, match="treble") as caught:
            run_conformance([path])
        assert str(path) in caught.value.message
        assert "double" in str(caught.value)

    @pytest.mark.parametrize("place", ["tensors", "tensors/index.json", "tensors/tiny_index.json"])
    def test_a_case_set_reads_its_folder_or_index(self, tmp_path: Path, place: str) -> None:
        folder = tmp_path / "tensors"
        folder.mkdir()
        for name in ("index.json", "tiny_index.json"):
            (folder / name).write_text("good bad broken", encoding="utf-8")
        (report,) = run_conformance([tmp_path / place])
        assert (report.name, report.cases, report.agreements) == ("tensors", 3, 1)
        assert [found.message for found in report.disagreements] == [
            "bad differs by 0; bad differs by 1; bad differs by 2; and 2 more",
            "the check raised KeyError: 'broken'",
        ]

    @pytest.mark.parametrize("place", ["elsewhere", "elsewhere/large_index.json", "."])
    def test_a_case_set_knows_its_index_by_any_name(self, tmp_path: Path, place: str) -> None:
        index = tmp_path / "sets" / "elsewhere" / "large_index.json"
        index.parent.mkdir(parents=True)
        index.write_text("good good", encoding="utf-8")
        (report,) = run_conformance([tmp_path / "sets" / place])
        assert (report.path, report.name, report.agreements) == (index, "tensors", 2)

    def test_a_case_set_without_a_case_is_no_success(self, tmp_path: Path) -> None:
        path = tmp_path / "tensors" / "index.json"
        path.parent.mkdir()
        path.touch()
        with pytest.raises(DataError, match="no case"):
            run_conformance([path])

    def test_a_folder_holds_files_and_sets(self, tmp_path: Path) -> None:
        golden = tmp_path / "golden"
        write(golden / "double.jsonl", case(0, 2, {"value": 4}))
        (golden / "tensors").mkdir()
        (golden / "tensors" / "index.json").write_text("good", encoding="utf-8")
        (golden / "README.md").touch()
        reports = run_conformance([golden])
        assert [(report.path, report.name) for report in reports] == [
            (golden / "double.jsonl", "double"),
            (golden / "tensors", "tensors"),
        ]

    def test_all_problems_are_told_before_anything_runs(self, tmp_path: Path) -> None:
        golden = tmp_path / "golden"
        write(golden / "doubles.jsonl", case(0, 2, {"value": 4}))
        write(golden / "double.jsonl")
        (golden / "flow").mkdir()
        (golden / "flow" / "index.json").touch()
        with pytest.raises(UsageError) as caught:
            run_conformance([golden, tmp_path / "absent"])
        told = str(caught.value)
        for name in (
            "doubles.jsonl",
            "double.jsonl: holds a header but no case",
            "'index' in",
            "absent: no such",
        ):
            assert name in told
        assert "Did you mean 'double'" in told

    @pytest.mark.parametrize("name", ["double.json", "double.txt", "double_index.json"])
    def test_a_function_reads_jsonl_only(self, tmp_path: Path, name: str) -> None:
        path = tmp_path / "double" / name
        path.parent.mkdir()
        path.touch()
        with pytest.raises(UsageError, match=r"reads \.jsonl files only"):
            run_conformance([path])

    def test_an_empty_folder_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()
        with pytest.raises(UsageError, match="the folder holds no"):
            run_conformance([tmp_path / "empty"])

    def test_a_case_without_input_is_refused(self, tmp_path: Path) -> None:
        path = write(tmp_path / "double.jsonl", {"id": "a", "expected": 1})
        with pytest.raises(DataError, match="'a' has no `input`"):
            run_conformance([path])

    def test_what_is_no_adapter_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(PluginError, match="number"):
            run_conformance([write(tmp_path / "number.jsonl", case(0, 2, {"error": "TypeError"}))])


class TestReportText:
    def test_shows_counts_disagreements_and_remedies(self, tmp_path: Path) -> None:
        cases = [case(number, 1, {"value": 3}) for number in range(3)]
        cases += [case(number, 1, {"value": 2}, needs=True) for number in range(3, 6)]
        first = write(tmp_path / "double.jsonl", *cases)
        second = write(tmp_path / "b" / "double.jsonl", case(0, 2, {"value": 4}))
        text = report_text(run_conformance([first, second]), max_shown=2)
        assert text.split("\n") == [
            f"double: 6 cases, 0 agree, 3 disagree, 3 cannot be run ({first})",
            "  disagrees: d0 [label 0]: value: expected 3, got 2",
            "  disagrees: d1 [label 1]: value: expected 3, got 2",
            "  ... and 1 more disagreements",
            "  cannot run: d3 [label 3], d4 [label 4], ... and 1 more:",
            "    punkt is not here.",
            "    Fetch it.",
            f"double: 1 cases, 1 agree ({second})",
            "total: 7 cases, 1 agree, 3 disagree, 3 cannot be run",
        ]


class TestCommand:
    @pytest.fixture
    def invoke(self) -> Callable[..., Result]:
        return lambda *arguments: CliRunner().invoke(command, [str(argument) for argument in arguments])

    def test_agreement(self, tmp_path: Path, invoke: Callable[..., Result]) -> None:
        result = invoke(write(tmp_path / "double.jsonl", case(0, 2, {"value": 4})))
        assert result.exit_code == 0
        assert "1 cases, 1 agree" in result.output

    def test_disagreement(self, tmp_path: Path, invoke: Callable[..., Result]) -> None:
        result = invoke(write(tmp_path / "double.jsonl", case(0, 2, {"value": 5})))
        assert result.exit_code == 1
        assert "disagrees: d0 [label 0]: value: expected 5, got 4" in result.output

    def test_a_case_that_cannot_run_outweighs_a_disagreement(
        self, tmp_path: Path, invoke: Callable[..., Result]
    ) -> None:
        path = write(
            tmp_path / "double.jsonl", case(0, 2, {"value": 5}), case(1, 2, {"value": 4}, needs=True)
        )
        result = invoke(path)
        assert result.exit_code == 2
        assert "Fetch it." in result.output
        assert "expected 5" in result.output

    def test_an_unknown_file_is_an_error_for_the_caller(
        self, tmp_path: Path, invoke: Callable[..., Result]
    ) -> None:
        result = invoke(write(tmp_path / "unknown.jsonl", case(0, 2, {"value": 5})))
        assert isinstance(result.exception, FacEvalError)  # the main command prints it and exits with 2

    def test_a_path_is_required(self, invoke: Callable[..., Result]) -> None:
        assert invoke().exit_code == 2

    def test_json_survives_any_text(self, tmp_path: Path, invoke: Callable[..., Result]) -> None:
        row = {"id": "d0", "case": "surrogate \ud800", "input": {"x": "\udfff"}, "expected": {"value": "答"}}
        result = invoke("--json", write(tmp_path / "double.jsonl", row))
        assert result.exit_code == 1
        (file,) = json.loads(result.output)["files"]
        assert (file["cases"], file["agreements"], file["cannot_run"]) == (1, 0, [])
        (found,) = file["disagreements"]
        assert found["label"] == "surrogate \\ud800"
        assert "'答'" in found["message"]

    def test_official_voicebench_cases(self, invoke: Callable[..., Result]) -> None:
        golden = [GOLDEN / f"voicebench_{name}.jsonl" for name in ("aggregate", "bbh", "harm", "mcq")]
        result = invoke(*golden)
        assert result.exit_code == 0, result.output
        assert "total: 967 cases, 967 agree" in result.output
