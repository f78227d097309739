"""A small repository in the hub's layout, and the data set that it holds."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from fac_eval.data.hub_dataset import HubDataset

COMMIT = "a" * 40
NEWER = "b" * 40

AUDIO = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
KWARGS = pa.list_(pa.struct([("num", pa.int64()), ("words", pa.list_(pa.string())), ("end", pa.string())]))
SCHEMA = pa.schema([("id", pa.string()), ("audio", AUDIO), ("prompt", pa.string()), ("kwargs", KWARGS)])

DATASET = HubDataset(
    "org/name",
    "cfg",
    ("test", "dev"),
    COMMIT,
    columns=("id", "audio", "prompt", "kwargs"),
    id_column="id",
    expected_rows={"test": 5, "dev": 1},
)


def rows_of(split: str, size: int) -> list[dict[str, Any]]:
    """Rows with all that tells careless readers apart: nulls in a list, in a struct, and for a whole column."""
    kwargs = [
        [{"num": 1, "words": None, "end": None}, {"num": None, "words": ["a", None], "end": ""}],
        [],
        None,
    ]
    return [
        {
            "id": f"{split}-{number}",
            "audio": {
                "bytes": f"sound {split} {number}".encode(),
                "path": None if number == 1 else f"{number}.wav",
            },
            "prompt": None if number == 2 else f"say {number}",
            "kwargs": kwargs[number % 3],
        }
        for number in range(size)
    ]


def parquet(rows: list[dict[str, Any]], schema: pa.Schema = SCHEMA) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema), sink, row_group_size=2)
    return sink.getvalue()


CARD = """---
configs:
- config_name: cfg
  data_files:
  - {split: test, path: cfg/test-*}
  - {split: dev, path: cfg/dev-*}
dataset_info:
- config_name: cfg
  splits:
  - {name: test, num_examples: 5, num_bytes: 0}
  - {name: dev, num_examples: 1, num_bytes: 0}
---
"""


def repository() -> dict[str, bytes]:
    """The files of `DATASET`, and some that it does not need."""
    test = rows_of("test", 5)
    return {
        "README.md": CARD.encode(),
        "cfg/dev-00000-of-00001.parquet": parquet(rows_of("dev", 1)),
        "cfg/test-00000-of-00002.parquet": parquet(test[:3]),
        "cfg/test-00001-of-00002.parquet": parquet(test[3:]),
        "other/test-00000-of-00001.parquet": parquet(rows_of("other", 1)),
        "en/metadata.jsonl": b'{"file": "wav/1.wav"}\n',
        "en/wav/1.wav": b"one",
        "en/wav/deep/2.wav": b"two",
    }


def write_files(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder
