"""What a task says about its data set on the hub."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path

ALL_SPLITS = "all splits"
"""Stands for a split where only the number of rows of all together is published."""


@dataclass(frozen=True, slots=True)
class HubDataset:
    """A data set on the hub: `splits` of a `config` in Parquet, or `files` with a `table` of rows among them."""

    repo: str
    config: str = "default"
    splits: tuple[str, ...] = ()
    revision: str = "main"
    """A commit, branch or tag; results record the commit it stood for."""
    _: KW_ONLY
    columns: tuple[str, ...] = ()
    """The columns that are read, all of which must be there; none named means whatever there is."""
    audio: str | None = "audio"
    """The column of clips, or of the names of their files, if there is one."""
    id_column: str | None = None
    """The column whose values must not repeat, if there is one."""
    expected_rows: Mapping[str, int] = field(default_factory=dict, hash=False)
    """Rows of each split, as published; under `ALL_SPLITS` those of all, where only that number is."""
    files: tuple[str, ...] = ()
    """Patterns of files outside the Parquet layout, e.g. `en/wav/*`; a last `**` takes everything below."""
    table: str = ""
    """The pattern of the one of `files` that holds the rows, e.g. `en/metadata.jsonl`. They count as a split that is
    called as the config is."""
    clips: str = ""
    """The folder, seen from the table's, of the files that the column of clips names."""
    archive: str = ""
    """The one of `files` that is a ZIP archive of clips, which may also lie beside it unpacked."""
    benchmark: str = ""
    """What `fac-eval prepare` knows it by, if not its repository."""
    sample: Path | None = None
    """A folder with a few items in the same layout that ships with the task, for demos and tests."""

    @property
    def identity(self) -> str:
        """One line that names the data set, its pin, and the part of it that is used."""
        part = ",".join(self.splits + self.files)
        return f"{self.repo}@{self.revision}/{self.config}[{part}]"

    @property
    def folder_name(self) -> str:
        """The folder that `fac-eval prepare` writes it to."""
        return f"{self.repo}@{self.revision}".replace("/", "--")
