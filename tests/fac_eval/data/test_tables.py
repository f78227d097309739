"""Files of rows: what is written is read back, and every fault is told with its place and remedy."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fac_eval.data.tables import SUFFIXES, open_table, require_columns
from fac_eval.errors import DataError, MissingExtra

ROWS: list[dict[str, Any]] = [{"id": "a", "n": 1, "tags": ["x"]}, {"id": "b", "n": None, "tags": []}]

name = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
word = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
scalar = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
)
value = st.recursive(
    scalar | word,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(word, inner, max_size=3),
    max_leaves=6,
)
many = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def write_lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    return write(path, "".join(json.dumps(row) + "\n" for row in rows))


def write_csv(path: Path, header: list[str], rows: list[list[str]], delimiter: str = ",") -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter, quoting=csv.QUOTE_ALL)
        writer.writerows([header, *rows])
    return path


def write_parquet(path: Path, rows: list[dict[str, Any]], **options: Any) -> Path:
    pq.write_table(pa.Table.from_pylist(rows), path, **options)
    return path


def contents(path: Path, columns: list[str] | None = None) -> list[dict[str, Any]]:
    return [row for _, row in open_table(path).rows(columns)]


# Reading back


@pytest.mark.parametrize(
    ("suffix", "writer"),
    [
        (".jsonl", write_lines),
        (".NDJSON", write_lines),
        (".json", lambda path, rows: write(path, json.dumps(rows))),
        (".parquet", write_parquet),
    ],
    ids=["jsonl", "ndjson, in capitals", "json", "parquet"],
)
def test_typed_rows_are_read_back(tmp_path: Path, suffix: str, writer: Callable[..., Path]) -> None:
    table = open_table(writer(tmp_path / f"rows{suffix}", ROWS))
    assert list(table.rows()) == [(1, ROWS[0]), (2, ROWS[1])]
    assert list(table.rows(["n"])) == [(1, {"n": 1}), (2, {"n": None})]
    assert (table.columns, table.count) == (("id", "n", "tags"), 2)


@pytest.mark.parametrize(("suffix", "delimiter"), [(".csv", ","), (".tsv", "\t")])
def test_separated_rows_are_read_back_as_text(tmp_path: Path, suffix: str, delimiter: str) -> None:
    path = write_csv(
        tmp_path / f"rows{suffix}", ["id", "say"], [["a", "1"], ["b", "two\nlines, quoted"]], delimiter
    )
    table = open_table(path)
    assert list(table.rows()) == [(2, {"id": "a", "say": "1"}), (3, {"id": "b", "say": "two\nlines, quoted"})]
    assert next(iter(table.rows(["say"]))) == (2, {"say": "1"})
    assert (table.columns, table.count) == (("id", "say"), 2)


@many
@given(rows=st.lists(st.dictionaries(word, value, max_size=4), min_size=1, max_size=6))
def test_any_json_lines_are_read_back(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    table = open_table(write_lines(tmp_path / "rows.jsonl", rows))
    assert [row for _, row in table.rows()] == rows
    assert table.count == len(rows)
    assert set(table.columns) == {key for row in rows for key in row}


@many
@given(rows=st.lists(st.dictionaries(word, value, max_size=4), max_size=6))
def test_any_json_array_is_read_back(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    table = open_table(write(tmp_path / "rows.json", json.dumps(rows, ensure_ascii=False, indent=1)))
    assert [row for _, row in table.rows()] == rows
    assert table.count == len(rows)


@many
@given(
    header=st.lists(name, min_size=1, max_size=4, unique=True),
    data=st.data(),
)
def test_any_separated_file_is_read_back(tmp_path: Path, header: list[str], data: st.DataObject) -> None:
    width = st.lists(word, min_size=len(header), max_size=len(header))
    rows = data.draw(st.lists(width, max_size=5))
    table = open_table(write_csv(tmp_path / "rows.csv", header, rows))
    assert [row for _, row in table.rows()] == [dict(zip(header, row, strict=True)) for row in rows]
    assert (table.columns, table.count) == (tuple(header), len(rows))


@many
@given(
    columns=st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8).filter(
            lambda key: "\0" not in key
        ),
        st.sampled_from(
            [word, st.integers(-(2**63), 2**63 - 1), st.lists(word, max_size=2), st.binary(max_size=5)]
        ),
        min_size=1,
        max_size=4,
    ),
    size=st.integers(1, 7),
    group=st.integers(1, 4),
    data=st.data(),
)
def test_any_parquet_file_is_read_back(
    tmp_path: Path, columns: dict[str, st.SearchStrategy[Any]], size: int, group: int, data: st.DataObject
) -> None:
    rows = [{key: data.draw(st.none() | cells) for key, cells in columns.items()} for _ in range(size)]
    path = write_parquet(tmp_path / "rows.parquet", rows, row_group_size=group)
    one = data.draw(st.sampled_from(sorted(columns)))
    assert contents(path) == rows
    assert contents(path, [one]) == [{one: row[one]} for row in rows]
    assert open_table(path).count == size


def test_a_parquet_column_is_not_mistaken_for_a_part_of_another(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "rows.parquet", [{"a": {"b": 1, "c": 2}, "a.b": 3}])
    assert contents(path, ["a"]) == [{"a": {"b": 1, "c": 2}}]
    assert contents(path, ["a.b"]) == [{"a.b": 3}]


def test_parquet_rows_keep_their_numbers_across_batches_and_groups(tmp_path: Path) -> None:
    rows = [{"n": number, "text": "x" * 20_000} for number in range(1, 700)]
    table = open_table(write_parquet(tmp_path / "rows.parquet", rows, row_group_size=300))
    assert [(number, row["n"]) for number, row in table.rows(["n"])] == [(n, n) for n in range(1, 700)]
    assert [number for number, _ in table.rows()] == list(range(1, 700))


def test_rows_that_lack_a_key_lack_it_when_read(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.jsonl", '{"a": 1}\n{"b": 2}\n')
    assert contents(path, ["a", "b"]) == [{"a": 1}, {"b": 2}]
    assert open_table(path).columns == ("a", "b")


def test_columns_of_json_lines_come_from_a_bounded_look(tmp_path: Path) -> None:
    lines = '{"early": 1}\n' * 1000 + '{"late": 1}\n'
    assert open_table(write(tmp_path / "rows.jsonl", lines)).columns == ("early",)


def test_rows_are_read_lazily(tmp_path: Path) -> None:
    rows = open_table(write(tmp_path / "rows.jsonl", '{"a": 1}\nnot json\n')).rows()
    assert next(rows) == (1, {"a": 1})


def test_blank_lines_do_not_count_as_rows_but_as_lines(tmp_path: Path) -> None:
    table = open_table(write(tmp_path / "rows.jsonl", '{"a": 1}\n\n  \r\n{"a": 2}'))
    assert [number for number, _ in table.rows()] == [1, 4]
    assert table.count == 2
    table = open_table(write(tmp_path / "rows.csv", "a,b\n1,2\n\n3,4\n"))
    assert [number for number, _ in table.rows()] == [2, 4]
    assert table.count == 2


@pytest.mark.parametrize(
    ("file", "text"),
    [("a.jsonl", '{"a": "é"}\n'), ("a.json", '[{"a": "é"}]'), ("a.csv", "a\né\n"), ("a.tsv", "a\né\n")],
)
def test_a_byte_order_mark_is_no_content(tmp_path: Path, file: str, text: str) -> None:
    table = open_table(write(tmp_path / file, b"\xef\xbb\xbf" + text.encode()))
    assert (table.columns, table.count) == (("a",), 1)
    assert [row for _, row in table.rows()] == [{"a": "é"}]


def test_line_breaks_within_unicode_text_do_not_end_a_line(tmp_path: Path) -> None:
    rows = [{"a": "one\u2028two\x85three"}]
    assert contents(write(tmp_path / "rows.jsonl", json.dumps(rows[0], ensure_ascii=False))) == rows


def test_the_fingerprint_is_of_the_content_alone(tmp_path: Path) -> None:
    first = open_table(write_lines(tmp_path / "one.jsonl", ROWS)).fingerprint()
    assert open_table(write_lines(tmp_path / "two.jsonl", ROWS)).fingerprint() == first
    assert open_table(write_lines(tmp_path / "three.jsonl", ROWS[:1])).fingerprint() != first
    assert len(first) == 64
    assert int(first, 16)


# Faults

FAULTS = [
    ("missing.jsonl", None, ["missing.jsonl does not exist"]),
    ("rows.xlsx", b"x", ["'.xlsx'", *SUFFIXES]),
    ("rows", b"x", ["the ending ''"]),
    ("rows.jsonl", b"", ["is empty"]),
    ("rows.json", b" \n ", ["is empty"]),
    ("rows.csv", b"\xef\xbb\xbf", ["is empty"]),
    ("rows.parquet", b"", ["is empty"]),
    ("rows.jsonl", '{"a": 1}'.encode("utf-16"), ["UTF-16", "Save it as UTF-8"]),
    ("rows.jsonl", b'{"a": 1}\n{"a": \n', ["rows.jsonl, line 2", "truncated"]),
    ("rows.jsonl", b'{"a": 1} {"a": 2}\n', ["line 1", "trailing"]),
    ("rows.jsonl", b'{"a": 1}\n[1]\n', ["line 2", "not a JSON object", "`array`"]),
    ("rows.jsonl", b'{"a": 1}\n\n"text"\n', ["line 3", "`str`"]),
    ("rows.jsonl", b'{"a": NaN}\n', ["line 1", "write null"]),
    ("rows.jsonl", b'{"a": 1}\n{"a": "\xe9"}\n', ["line 2", "not UTF-8 at byte 8", "0xe9"]),
    ("rows.jsonl", b'{"a":' * 50_000, ["line 1", "deeply"]),
    ("rows.json", b'{"a": 1}', ["no array", "`object`", ".jsonl"]),
    ("rows.json", b'[{"a": 1}, {"a": ', ["no valid JSON"]),
    ("rows.json", b'[{"a": 1}, 2]', ["row 2", "not a JSON object"]),
    ("rows.json", b'[{"a": 1}, {"a": "\xe9"}]', ["row 2", "not UTF-8"]),
    ("rows.csv", b"\n\n", ["is empty"]),
    ("rows.csv", b"a,b\n1,2\n3\n", ["line 3", "1 cells", "2 columns", "double quotes"]),
    ("rows.csv", b'a,b\n"1\n1",2\n3,4,5\n', ["line 4", "3 cells"]),
    ("rows.csv", b"a,b,a\n1,2,3\n", ["line 1", "'a' more than once"]),
    ("rows.csv", b'a,b\n1,"2\n3,4\n', ["line 2", "double quote"]),
    ("rows.csv", b"a\n" + b"x" * 140_000 + b"\n", ["line 2", "Parquet"]),
    ("rows.csv", b"a,b\n1,2\n\xff,4\n", ["line 3", "not UTF-8 at byte 9 of the file", "0xff"]),
    ("rows.parquet", b"PAR1 no parquet at all PAR1", ["no readable Parquet file", "fetch it again"]),
]


@pytest.mark.parametrize(
    ("file", "content", "told"), FAULTS, ids=[f"{file}: {told[-1]}" for file, _, told in FAULTS]
)
def test_faults_name_the_place_and_the_remedy(
    tmp_path: Path, file: str, content: bytes | None, told: list[str]
) -> None:
    if content is not None:
        write(tmp_path / file, content)
    with pytest.raises(DataError) as caught:
        contents(tmp_path / file)
    assert str(tmp_path) in str(caught.value)
    for part in told:
        assert part in str(caught.value)


def test_a_file_of_very_many_blank_lines_has_no_header(tmp_path: Path) -> None:
    table = open_table(write(tmp_path / "rows.csv", "\n" * 5000))
    for ask in (lambda: table.count, lambda: table.columns, lambda: list(table.rows())):
        with pytest.raises(DataError, match="header line is missing"):
            ask()


def test_a_folder_is_no_table(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").mkdir()
    with pytest.raises(DataError, match="cannot be read: Is a directory"):
        open_table(tmp_path / "rows.jsonl")


def test_a_truncated_parquet_file(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "rows.parquet", ROWS)
    write(path, path.read_bytes()[:-20])
    for ask in (lambda: open_table(path).count, lambda: open_table(path).columns, lambda: contents(path)):
        with pytest.raises(DataError, match="fetch it again"):
            ask()


def test_a_parquet_file_that_is_damaged_inside(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "rows.parquet", [{"text": f"{n} " * 50} for n in range(2000)])
    content = bytearray(path.read_bytes())
    content[100:4000] = bytes(3900)
    write(path, bytes(content))
    with pytest.raises(DataError, match="row 1: this row or one after it cannot be read"):
        contents(path)


def test_text_that_is_not_utf8_within_parquet(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "rows.parquet", [{"text": "abcdefgh"}])
    write(path, path.read_bytes().replace(b"abcdefgh", b"abc\xff\xfefgh"))
    with pytest.raises(DataError, match="row 1"):
        contents(path)


def test_columns_of_one_name_within_parquet(tmp_path: Path) -> None:
    table = pa.table([pa.array([1]), pa.array([2])], names=["a", "a"])
    pq.write_table(table, tmp_path / "rows.parquet")
    with pytest.raises(DataError, match="two columns of one name"):
        contents(tmp_path / "rows.parquet")


@many
@given(content=st.binary(max_size=200), suffix=st.sampled_from(SUFFIXES), data=st.data())
def test_whatever_a_file_holds_only_data_errors_come_of_it(
    tmp_path: Path, content: bytes, suffix: str, data: st.DataObject
) -> None:
    path = write(tmp_path / f"rows{suffix}", content)
    for ask in (
        lambda: open_table(path).count,
        lambda: open_table(path).columns,
        lambda: contents(path),
        lambda: contents(path, ["a"]),
    ):
        told_or_read(ask, path)


@many
@given(place=st.floats(0, 1, exclude_max=True), byte=st.integers(0, 255), suffix=st.sampled_from(SUFFIXES))
def test_a_changed_byte_is_read_or_told(tmp_path: Path, place: float, byte: int, suffix: str) -> None:
    path = tmp_path / f"rows{suffix}"
    match suffix:
        case ".parquet":
            write_parquet(path, ROWS)
        case ".csv" | ".tsv":
            write_csv(path, ["a", "b"], [["1", "x"], ["2", "y"]], "\t" if suffix == ".tsv" else ",")
        case ".json":
            write(path, json.dumps(ROWS))
        case _:
            write_lines(path, ROWS)
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] = byte
    write(path, bytes(content))
    told_or_read(lambda: contents(path), path)


def told_or_read(ask: Callable[[], object], path: Path) -> None:
    """Any other error than one that names the file fails the test."""
    told = str(path)
    try:
        ask()
    except DataError as error:
        told = str(error)
    assert str(path) in told


# Columns that are asked for


@pytest.mark.parametrize(
    "write_table",
    [
        lambda folder: write_csv(folder / "rows.csv", ["prompt", "answer"], [["a", "b"]]),
        lambda folder: write_parquet(folder / "rows.parquet", [{"prompt": "a", "answer": "b"}]),
        lambda folder: write_lines(folder / "rows.jsonl", [{"prompt": "a", "answer": "b"}]),
    ],
    ids=["csv", "parquet", "jsonl"],
)
def test_missing_columns_are_told_with_what_is_there(
    tmp_path: Path, write_table: Callable[[Path], Path]
) -> None:
    table = open_table(write_table(tmp_path))
    require_columns(table, ["answer", "prompt"])
    with pytest.raises(DataError) as caught:
        require_columns(table, ["awnser", "prompt", "zzz"])
    message = str(caught.value)
    assert "lacks the columns 'awnser', 'zzz'" in message
    assert "It has 'prompt', 'answer'." in message
    assert "Did you mean 'answer'?" in message


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_column_that_is_asked_for_must_be_there(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"rows{suffix}"
    if suffix == ".csv":
        write_csv(path, ["a"], [["1"]])
    else:
        write_parquet(path, [{"a": 1}])
    with pytest.raises(DataError, match="lacks the column 'b'"):
        contents(path, ["b"])


def test_parquet_without_its_package_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_parquet(tmp_path / "rows.parquet", ROWS)
    for module in [module for module in sys.modules if module.startswith("pyarrow")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setattr(sys, "meta_path", [_NoArrow(), *sys.meta_path])
    with pytest.raises(MissingExtra, match=r"fac-eval\[data\]"):
        contents(path)


class _NoArrow:
    def find_spec(self, module: str, *args: Any) -> None:
        if module.split(".", maxsplit=1)[0] == "pyarrow":
            raise ModuleNotFoundError(f"No module named {module!r}", name=module)
