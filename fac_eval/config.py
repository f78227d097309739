"""Everything a run can be told, as one typed schema: what the flags say, a file can say, and the Python API too."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from fac_eval.errors import UnknownName, UsageError

Given = str | Mapping[str, Any]
"""A spec such as `openai:model=gpt-audio`, or a table with a `name` and its arguments."""
SpeechMetric = Literal["utmos", "asr_wer", "rtf"]


@dataclass(frozen=True, slots=True)
class RunConfig:
    """What to run and how. Keys of a configuration file are the names of these fields."""

    models: tuple[Given, ...] = ()
    """Models as specs (`openai:model=gpt-audio`) or tables with a `name` and its arguments."""
    tasks: tuple[str, ...] = ()
    """Task names, groups, wildcards, or `file:PATH`."""
    limit: int | float | None = None
    """Only the first N samples of each task; a number below 1 is a fraction."""
    seed: int = 0
    """Every sample's own seed is derived from this one and the sample's id."""
    batch_size: int | Literal["auto"] = "auto"
    """Requests a batch for local models; `auto` takes what suits the model and halves it when memory runs out."""
    workers: int | None = None
    """Requests in flight at remote models and judges, and threads for scoring."""
    gen_kwargs: Mapping[str, Any] = field(default_factory=dict)
    """Generation settings that override the tasks' own."""
    set: Mapping[str, Any] = field(default_factory=dict)
    """Task options by dotted name, such as `voicebench.mode`."""
    judge: Given | None = None
    """The judge that open answers are put to."""
    judge_mode: Literal["live", "batch"] = "live"
    """Whether questions are asked one by one, or handed over in batches where the judge takes them."""
    judge_refresh: bool = False
    """Ask the judge again, whatever the store holds of its replies."""
    transcriber: Given | None = None
    """What writes down spoken answers, for tasks that need a transcript."""
    quality: Given | None = None
    """What measures how spoken answers sound, for tasks that need it."""
    embedder: Given | None = None
    """What turns texts into vectors, for tasks that go by likeness of meaning."""
    speech_metrics: tuple[SpeechMetric, ...] = ()
    """Figures that every task with spoken answers gets besides its own."""
    data: str | None = None
    """Where data sets lie: a folder in their upstream layout, or `sample` for the few items that come with fac-eval."""
    assets: str | None = None
    """A folder with pinned files of others, as `fac-eval prepare --to` writes it."""
    store: str = ".fac-eval"
    """The workspace's store."""
    max_cost: float | None = None
    """US dollars that models and judges may cost together; the run stops before it would exceed them."""
    max_failed: float = 0.0
    """Share of samples that may fail before the command's exit code is 1."""


def read_config(path: str | Path) -> RunConfig:
    """Read a TOML or YAML file; an unknown key or a wrong type is an error that names it."""
    path = Path(path)
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise UsageError(f"cannot read the configuration {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"the configuration {path} is not UTF-8 (byte {error.start})") from error
    data = _parse(path, text)
    if not isinstance(data, Mapping):
        raise UsageError(f"the configuration {path} must be a table of keys, not a {type(data).__name__}")
    return config_from(data, where=f"configuration {path}")


def _parse(path: Path, text: str) -> Any:
    if path.suffix == ".toml":
        import tomllib

        try:
            return tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise UsageError(f"{path} is not valid TOML: {error}") from error
    if path.suffix in (".yaml", ".yml"):
        import yaml

        try:
            return yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise UsageError(f"{path} is not valid YAML: {error}") from error
    raise UsageError(f"cannot tell the format of {path}", remedy="Name it .toml, .yaml or .yml.")


def config_from(data: Mapping[str, Any], *, where: str) -> RunConfig:
    """Build a configuration from plain data, checking every key and type."""
    import msgspec

    fields = {field.name: field for field in dataclasses.fields(RunConfig)}
    given = dict(data)
    for key in given:
        if key not in fields:
            raise UnknownName("key", key, fields, where=where)
    for key in ("models", "tasks", "speech_metrics"):
        if isinstance(given.get(key), str | Mapping):
            given[key] = [given[key]]
    try:
        config = msgspec.convert(given, RunConfig)
    except msgspec.ValidationError as error:
        raise UsageError(f"{where}: {error}") from error
    _check_ranges(config, where)
    return config


def _check_ranges(config: RunConfig, where: str) -> None:
    def positive(name: str, value: float | None) -> None:
        if value is not None and value <= 0:
            raise UsageError(f"{where}: {name} must be above 0, got {value}")

    positive("limit", config.limit)
    positive("workers", config.workers)
    positive("max_cost", config.max_cost)
    if config.batch_size != "auto":
        positive("batch_size", config.batch_size)
    if isinstance(config.limit, float) and config.limit >= 1 and config.limit != int(config.limit):
        raise UsageError(
            f"{where}: limit is a whole number of samples, or a fraction below 1; got {config.limit}"
        )
    if not 0 <= config.max_failed <= 1:
        raise UsageError(f"{where}: max_failed is a share between 0 and 1, got {config.max_failed}")
