#!/usr/bin/env python3
"""Make the small spoken sample sets that fac-eval ships.

Each tools/sample_data/NAME.toml holds the text of one benchmark's sample set. This script has Flite or eSpeak NG
speak it and writes tasks/sample_data/NAME in the layout of a Hugging Face data set: a file named
CONFIG/SPLIT-00000-of-00001.parquet for each split, and a README.md that maps configs and splits to files.
A set with `layout = "folders"` becomes a folder for each config instead, with metadata.jsonl and wav/KEY.SUFFIX,
and one with `layout = "csv"` a folder with CONFIG.csv and audios/NAME.SUFFIX, below the set's `folder`.
The same text, synthesizers and libraries give the same bytes.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from tools.sample_speech import FORMATS, SAMPLE_RATE, SampleDataError, Speaker, encode  # noqa: E402

if TYPE_CHECKING:
    import pyarrow as pa

SOURCES = REPOSITORY / "tools" / "sample_data"
TARGET = REPOSITORY / "tasks" / "sample_data"

SHORTEST_SECONDS, LONGEST_SECONDS = 2.0, 25.0
ROW_OPTIONS = frozenset({"prompt", "voice", "format"})
KEYS = frozenset({"voices", "card", "configs", "layout", "values", "languages", "folder"})
Layout = Literal["parquet", "folders", "csv"]


@dataclass(frozen=True, slots=True)
class Row:
    """One item: the words to speak, how to speak them, and the other columns."""

    prompt: str
    voice: str
    format: str
    columns: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Config:
    """One configuration of a data set."""

    name: str
    types: Mapping[str, Any]
    splits: Mapping[str, Sequence[Row]]
    spoken: str = "prompt"
    """What the column of the spoken words is called, in a CSV file."""

    @property
    def rows(self) -> list[Row]:
        """The rows of all splits."""
        return [row for rows in self.splits.values() for row in rows]


@dataclass(frozen=True, slots=True)
class SampleSet:
    """The text of one benchmark's sample set."""

    name: str
    card: str
    configs: Sequence[Config]
    layout: Layout = "parquet"
    """Whether the clips are cells of Parquet files, or files beside a table."""
    languages: Sequence[str] = ("en",)
    folder: str = ""
    """The folder that CSV layouts stand in."""


def load_sample_set(path: Path) -> SampleSet:
    """Read and check a sample set's text file."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SampleDataError(f"cannot read {path}: {error}") from error
    unknown = content.keys() - KEYS
    if unknown:
        raise SampleDataError(f"{path.name}: unknown key {min(unknown)!r}")
    for key in ("voices", "card", "configs"):
        if not content.get(key):
            raise SampleDataError(f"{path.name}: {key!r} is missing or empty")
    layout = content.get("layout", "parquet")
    if layout not in get_args(Layout):
        raise SampleDataError(f"{path.name}: unknown layout {layout!r}; known: {', '.join(get_args(Layout))}")
    try:
        configs = list(_configs(content["configs"], content["voices"], content.get("values", {})))
    except SampleDataError as error:
        raise SampleDataError(f"{path.name}: {error}") from error
    languages, folder = content.get("languages", ("en",)), content.get("folder", "")
    return SampleSet(path.stem, content["card"], configs, layout, languages, folder)


def _configs(tables: Mapping[str, Any], voices: Sequence[str], values: Mapping[str, Any]) -> Iterator[Config]:
    """Voices take turns over the items of the whole set, so that no config hears only one."""
    turn = 0
    for name, table in tables.items():
        types = table.get("columns", {})
        splits: dict[str, list[Row]] = {}
        if not table.get("splits"):
            raise SampleDataError(f"config {name} has no splits")
        for split, items in table["splits"].items():
            splits[split] = []
            for item in items:
                where = f"{name}/{split}, item {len(splits[split])}"
                written = _with_json(item, types, values, where)
                splits[split].append(_row(written, types, voices[turn % len(voices)], where))
                turn += 1
        yield Config(name, types, splits, table.get("spoken", "prompt"))


def _with_json(
    item: Mapping[str, Any], types: Mapping[str, Any], values: Mapping[str, Any], where: str
) -> dict[str, Any]:
    """The item with its `json` and `values` columns as JSON text."""
    written = dict(item)
    for column in item.keys() & types.keys():
        value = item[column]
        if types[column] == "values":
            unknown = [name for name in value if name not in values]
            if unknown:
                raise SampleDataError(f"{where}: {column}: there is no [values.{unknown[0]}]")
            value = [values[name] for name in value]
        if types[column] in ("json", "values"):
            written[column] = json.dumps(value, ensure_ascii=False)
    return written


def _row(item: Mapping[str, Any], types: Mapping[str, Any], voice: str, where: str) -> Row:
    columns = {key: value for key, value in item.items() if key not in ROW_OPTIONS}
    if columns.keys() != types.keys():
        raise SampleDataError(f"{where}: has columns {sorted(columns)} where {sorted(types)} are declared")
    for column, value in {"prompt": item.get("prompt"), **columns}.items():
        _check_value(value, types.get(column, "string"), f"{where}: {column}")
    if not item["prompt"].strip():
        raise SampleDataError(f"{where}: prompt: is blank")
    audio_format = item.get("format", "opus")
    if audio_format not in FORMATS:
        raise SampleDataError(f"{where}: unknown format {audio_format!r}; known: {', '.join(FORMATS)}")
    return Row(item["prompt"], item.get("voice", voice), audio_format, columns)


def _check_value(value: object, declared: object, where: str) -> None:
    """A struct may leave fields out (they become null); everything else must fit its declaration."""
    match declared, value:
        case ("string" | "json" | "values", str()) | ("int64", int()):
            return
        case [inner], list():
            for element in value:
                _check_value(element, inner, where)
        case dict(), dict():
            for key, field in value.items():
                if key not in declared:
                    raise SampleDataError(f"{where}: unknown field {key!r}")
                _check_value(field, declared[key], f"{where}.{key}")
        case _:
            raise SampleDataError(f"{where}: {value!r} does not fit {declared!r}")


def arrow_type(declared: Any) -> pa.DataType:
    """Turn a column declaration into an Arrow type."""
    import pyarrow as pa

    match declared:
        case "string" | "json" | "values":
            return pa.string()
        case "int64":
            return pa.int64()
        case [inner]:
            return pa.list_(arrow_type(inner))
        case dict():
            return pa.struct([(key, arrow_type(value)) for key, value in declared.items()])
        case _:
            raise SampleDataError(f"unknown column type {declared!r}; known: string, int64, [TYPE], a table")


def hub_feature(declared: Any) -> Any:
    """Turn a column declaration into a Hugging Face feature, spelled so that old and new readers know it."""
    match declared:
        case "json" | "values":
            return hub_feature("string")
        case str():
            return {"dtype": declared, "_type": "Value"}
        case [dict() as fields]:
            return [hub_feature(fields)]
        case [inner]:
            return {"feature": hub_feature(inner), "_type": "Sequence"}
        case _:
            return {key: hub_feature(value) for key, value in declared.items()}


def schema(types: Mapping[str, Any]) -> pa.Schema:
    """Return the schema of a config's files, with the metadata that makes `audio` an Audio feature."""
    import pyarrow as pa

    features: dict[str, Any] = {"audio": {"_type": "Audio"}, "prompt": hub_feature("string")}
    features |= {name: hub_feature(declared) for name, declared in types.items()}
    fields = [("audio", pa.struct([("bytes", pa.binary()), ("path", pa.string())])), ("prompt", pa.string())]
    fields += [(name, arrow_type(declared)) for name, declared in types.items()]
    return pa.schema(fields, metadata={"huggingface": json.dumps({"info": {"features": features}})})


def spoken(row: Row, name: str, speaker: Speaker) -> tuple[bytes, float]:
    """The clip of a row, encoded, and how many seconds it lasts."""
    samples = speaker.speak(row.prompt, row.voice)
    duration = len(samples) / SAMPLE_RATE
    if not SHORTEST_SECONDS <= duration <= LONGEST_SECONDS:
        raise SampleDataError(
            f"{name} lasts {duration:.1f} s; change its text, {row.prompt!r}, so that it lasts "
            f"{SHORTEST_SECONDS:.0f} to {LONGEST_SECONDS:.0f} s"
        )
    return encode(samples, FORMATS[row.format]), duration


def write_folder(config: Config, folder: Path, speaker: Speaker) -> float:
    """Speak a config's rows and write them as a folder of clips and their table; return how many seconds they last.

    The columns `utterance`, `file_name`, `category`, `dataset_key` and `index` come with the layout.
    """
    seconds = 0.0
    (folder / "wav").mkdir(parents=True, exist_ok=True)
    lines = []
    for index, row in enumerate(config.rows):
        key = f"{config.name.lower()}_{index:04d}"
        name = f"wav/{key}{FORMATS[row.format].suffix}"
        clip, duration = spoken(row, name, speaker)
        seconds += duration
        (folder / name).write_bytes(clip)
        place = {"category": config.name, "dataset_key": key, "index": index}
        record = {"utterance": row.prompt, "file_name": name, **row.columns, **place}
        lines.append(json.dumps(record, ensure_ascii=False) + "\n")
    (folder / "metadata.jsonl").write_text("".join(lines), encoding="utf-8")
    return seconds


def write_csv(config: Config, folder: Path, speaker: Speaker) -> float:
    """Speak a config's rows and write them as a CSV file and its clips; return how many seconds they last.

    The column `audio_filename` comes with the layout.
    """
    seconds = 0.0
    (folder / "audios").mkdir(parents=True, exist_ok=True)
    with open(folder / f"{config.name}.csv", "w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow([config.spoken, *config.types, "audio_filename"])
        for index, row in enumerate(config.rows):
            name = f"{config.name}_{index:04d}{FORMATS[row.format].suffix}"
            clip, duration = spoken(row, name, speaker)
            seconds += duration
            (folder / "audios" / name).write_bytes(clip)
            table.writerow([row.prompt, *(row.columns[column] for column in config.types), name])
    return seconds


def write_split(
    rows: Sequence[Row], types: Mapping[str, Any], stem: str, path: Path, speaker: Speaker
) -> float:
    """Speak the rows and write them as one Parquet file; return how many seconds they last."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    seconds = 0.0
    records = []
    for index, row in enumerate(rows):
        name = f"{stem}_{index:04d}{FORMATS[row.format].suffix}"
        clip, duration = spoken(row, name, speaker)
        seconds += duration
        records.append({"audio": {"bytes": clip, "path": name}, "prompt": row.prompt, **row.columns})
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pylist(records, schema=schema(types))
    # Encoded audio does not compress again, and statistics would repeat whole clips.
    pq.write_table(table, path, compression="none", use_dictionary=False, write_statistics=False)
    return seconds


def card(sample_set: SampleSet) -> str:
    """Return the data set card; its header tells `datasets` which file holds which split."""
    lines = ["---", "license: apache-2.0", "language:", *(f"- {name}" for name in sample_set.languages)]
    lines += ["size_categories:", "- n<1K", "configs:"]
    table = ["| config | split | items | voices |", "|---|---|---|---|"]
    for config in sample_set.configs:
        lines += [f"- config_name: {config.name}", "  data_files:"]
        for split, rows in config.splits.items():
            lines += [f"  - split: {split}", f"    path: {_files(sample_set, config, split)}"]
            voices = ", ".join(sorted({row.voice for row in rows}))
            table.append(f"| {config.name} | {split} | {len(rows)} | {voices} |")
    lines += ["---", "", sample_set.card.strip(), "", *table, ""]
    source = f"tools/sample_data/{sample_set.name}.toml"
    lines.append(f"Made by `tools/make_sample_data.py` from `{source}`; edit that file, not these.")
    return "\n".join(lines) + "\n"


def _files(sample_set: SampleSet, config: Config, split: str) -> str:
    """Where the table of a split is, below the set's folder."""
    match sample_set.layout:
        case "folders":
            return f"{config.name}/metadata.jsonl"
        case "csv":
            return (Path(sample_set.folder) / config.name / f"{config.name}.csv").as_posix()
        case _:
            return f"{config.name}/{split}-*"


def write_sample_set(sample_set: SampleSet, target: Path, speaker: Speaker) -> None:
    """Write a whole sample set to the folder `target`, in place of what stood there."""
    for stale in [*target.glob("*/*.parquet"), *target.glob("*/wav/*"), *target.glob("**/audios/*")]:
        stale.unlink()
    for config in sample_set.configs:
        if sample_set.layout != "parquet":
            write = write_csv if sample_set.layout == "csv" else write_folder
            seconds = write(config, target / sample_set.folder / config.name, speaker)
            print(f"{target.name}/{config.name}: {seconds:.0f} s")
            continue
        for split, rows in config.splits.items():
            path = target / config.name / f"{split}-00000-of-00001.parquet"
            seconds = write_split(rows, config.types, f"{config.name}_{split}", path, speaker)
            size = path.stat().st_size
            print(f"{path.relative_to(target.parent)}: {len(rows)} items, {seconds:.0f} s, {size} bytes")
    (target / "README.md").write_text(card(sample_set), encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the script; return its exit status."""
    parser = argparse.ArgumentParser(description="Make the small spoken sample sets that fac-eval ships.")
    add = parser.add_argument
    add("sources", nargs="*", type=Path, metavar="FILE.toml", help="default: all of tools/sample_data")
    add("--output", type=Path, default=TARGET, help="where to put the folders (default: tasks/sample_data)")
    add("--flite", default="flite", help="the Flite program (default: %(default)s)")
    add("--espeak-ng", default="espeak-ng", help="the eSpeak NG program (default: %(default)s)")
    options = parser.parse_args(arguments)
    try:
        speaker = Speaker(options.flite, options.espeak_ng)
        for source in options.sources or sorted(SOURCES.glob("*.toml")):
            sample_set = load_sample_set(source)
            write_sample_set(sample_set, options.output / sample_set.name, speaker)
    except SampleDataError as error:
        print(f"make_sample_data: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
