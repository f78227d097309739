#!/usr/bin/env python3
"""Make the small sample sets of the benchmarks that ask about clips: MMAU, MMAU-Pro and MMSU.

Each tools/sound_data/NAME.toml holds one set: questions, options, and what is to be heard (see
tools/sample_sounds.py). This script writes tasks/sample_data/NAME in the layout of the benchmark's own data set.
The same text, synthesizer and libraries give the same bytes.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import ZIP_STORED, ZipFile, ZipInfo

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from tools.sample_sounds import render  # noqa: E402
from tools.sample_speech import FORMATS, SAMPLE_RATE, SampleDataError, Speaker, encode  # noqa: E402

if TYPE_CHECKING:
    import pyarrow as pa

SOURCES = REPOSITORY / "tools" / "sound_data"
TARGET = REPOSITORY / "tasks" / "sample_data"
SHORTEST_SECONDS, LONGEST_SECONDS = 1.0, 25.0
ARCHIVE_DATE = (1980, 1, 1, 0, 0, 0)

Item = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Clip:
    """An encoded clip and the name of its file."""

    name: str
    data: bytes


def clips_of(item: Item, speaker: Speaker) -> Iterator[Clip]:
    """The clips of an item, in order."""
    audio_format = FORMATS[item.get("format", "opus")]
    for index, parts in enumerate(item["clips"]):
        samples = render(parts, speaker)
        seconds = len(samples) / SAMPLE_RATE
        name = item["id"] + (f"-{index + 1}" if len(item["clips"]) > 1 else "") + audio_format.suffix
        if not SHORTEST_SECONDS <= seconds <= LONGEST_SECONDS:
            limits = f"{SHORTEST_SECONDS:.0f} to {LONGEST_SECONDS:.0f} s"
            raise SampleDataError(f"{name} lasts {seconds:.1f} s; it has to last {limits}")
        yield Clip(name, encode(samples, audio_format))


def write_mmau(items: Sequence[Item], folder: Path, speaker: Speaker) -> None:
    """`test_mini.parquet`, clips within, options with their letters, and most columns in one JSON text."""
    import pyarrow as pa

    rows = []
    for item in items:
        (clip,) = clips_of(item, speaker)
        letters = dict(zip(item["choices"], "ABCDEFGH", strict=False))
        attributes = {name: item[name] for name in ("id", "task", "category", "sub-category", "difficulty")}
        rows.append(
            {
                "context": {"bytes": clip.data, "path": None},
                "instruction": item["question"],
                "choices": [f"({letters[choice]}) {choice}" for choice in item["choices"]],
                "answer": f"({letters[item['answer']]}) {item['answer']}",
                "other_attributes": json.dumps({**attributes, "dataset": "fac-eval", "split": "test-mini"}),
            }
        )
    text = pa.string()
    columns = {
        "context": sound_type(),
        "instruction": text,
        "choices": pa.list_(text),
        "answer": text,
        "other_attributes": text,
    }
    write_table(rows, columns, folder / "test_mini.parquet", sound="context")


def write_mmsu(items: Sequence[Item], folder: Path, speaker: Speaker) -> None:
    """`data/train-00000-of-00001.parquet`, clips within, one column an option."""
    import pyarrow as pa

    names = ("id", "question", "choice_a", "choice_b", "choice_c", "choice_d", "answer_gt", "task_name")
    kinds = ("category", "sub-category", "sub-sub-category", "linguistics_sub_discipline")
    rows = []
    for item in items:
        (clip,) = clips_of(item, speaker)
        cells = {name: item.get(name) for name in (*names, *kinds)}
        rows.append({**cells, "audio": {"bytes": clip.data, "path": clip.name}})
    columns = {"audio": sound_type(), **dict.fromkeys((*names, *kinds), pa.string())}
    write_table(rows, columns, folder / "data" / "train-00000-of-00001.parquet", sound="audio")


def write_mmau_pro(items: Sequence[Item], folder: Path, speaker: Speaker) -> None:
    """`test.parquet` and the clips in `data.zip`, named by their paths in it."""
    import pyarrow as pa

    text = pa.string()
    arguments = sorted({name for item in items for name in item.get("kwargs", {})})
    numbers = ("N", "N1", "N2")
    columns = {
        "id": text,
        "audio_path": pa.list_(text),
        **dict.fromkeys(("question", "answer"), text),
        "choices": pa.list_(text),
        "length_type": text,
        "perceptual_skills": pa.list_(text),
        "reasoning_skills": pa.list_(text),
        **dict.fromkeys(("category", "transcription", "task_classification", "task_identifier"), text),
        "kwargs": pa.struct([(name, pa.int64() if name in numbers else text) for name in arguments]),
        "sub-cat": text,
    }
    rows = []
    folder.mkdir(parents=True, exist_ok=True)
    with ZipFile(folder / "data.zip", "w", ZIP_STORED) as archive:
        for item in items:
            clips = list(clips_of(item, speaker))
            for clip in clips:
                archive.writestr(ZipInfo(f"data/{clip.name}", ARCHIVE_DATE), clip.data)
            paths = [f"data/{clip.name}" for clip in clips]
            cells = {name: item.get(name) for name in columns}
            rows.append({**cells, "audio_path": paths, "length_type": "short"})
    write_table(rows, columns, folder / "test.parquet")


WRITERS: Mapping[str, Callable[[Sequence[Item], Path, Speaker], None]] = {
    "mmau": write_mmau,
    "mmau_pro": write_mmau_pro,
    "mmsu": write_mmsu,
}
FILES = {
    "mmau": ("test", "test_mini.parquet"),
    "mmau_pro": ("test", "test.parquet"),
    "mmsu": ("train", "data/train-*"),
}
"""What the hub calls the split of each set, and its files."""


def sound_type() -> pa.DataType:
    """How a clip is stored in a cell."""
    import pyarrow as pa

    return pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def write_table(
    rows: Sequence[Item], columns: Mapping[str, pa.DataType], path: Path, *, sound: str | None = None
) -> None:
    """Write one Parquet file, with a note for `datasets` of which column is sound."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pylist(rows, schema=pa.schema(list(columns.items())))
    if sound is not None:
        # The other columns' features are what their Arrow types say.
        datasets_note = {"info": {"features": {sound: {"_type": "Audio"}} | _features(columns, sound)}}
        table = table.replace_schema_metadata({"huggingface": json.dumps(datasets_note)})
    sink = io.BytesIO()
    # Encoded audio does not compress again, and statistics would repeat whole clips.
    pq.write_table(table, sink, compression="none", use_dictionary=False, write_statistics=False)
    path.write_bytes(sink.getvalue())


def _features(columns: Mapping[str, pa.DataType], sound: str) -> dict[str, Any]:
    value = {"dtype": "string", "_type": "Value"}
    listed = {"feature": value, "_type": "Sequence"}
    return {
        name: listed if str(kind).startswith("list") else value
        for name, kind in columns.items()
        if name != sound
    }


def card(name: str, text: str, items: Sequence[Item]) -> str:
    """Return the data set card; its header tells `datasets` where the split is."""
    split, files = FILES[name]
    header = ["---", "license: apache-2.0", "language:", "- en", "size_categories:", "- n<1K", "configs:"]
    header += ["- config_name: default", "  data_files:", f"  - split: {split}", f"    path: {files}", "---"]
    made = f"Made by `tools/make_sound_sample_data.py` from `tools/sound_data/{name}.toml`; edit that file, not these."
    return "\n".join([*header, "", text.strip(), "", f"{len(items)} items. {made}", ""])


def make(source: Path, output: Path, speaker: Speaker) -> None:
    """Write the sample set of one TOML file, in place of what stood there."""
    try:
        content = tomllib.loads(source.read_text(encoding="utf-8"))
        write, items, text = WRITERS[source.stem], content["items"], content["card"]
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, KeyError) as error:
        raise SampleDataError(f"cannot read {source}: {type(error).__name__}: {error}") from error
    folder = output / source.stem
    write(items, folder, speaker)
    (folder / "README.md").write_text(card(source.stem, text, items), encoding="utf-8")
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(f"{folder.name}: {len(items)} items, {size} bytes")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the script; return its exit status."""
    parser = argparse.ArgumentParser(description="Make the sample sets of questions about clips.")
    add = parser.add_argument
    add("sources", nargs="*", type=Path, metavar="FILE.toml", help="default: all of tools/sound_data")
    add("--output", type=Path, default=TARGET, help="where to put the folders (default: tasks/sample_data)")
    add("--flite", default="flite", help="the Flite program (default: %(default)s)")
    options = parser.parse_args(arguments)
    try:
        speaker = Speaker(options.flite, "espeak-ng")
        for source in options.sources or sorted(SOURCES.glob("*.toml")):
            make(source, options.output, speaker)
    except SampleDataError as error:
        print(f"make_sound_sample_data: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
