"""One schema for flags, files and the API: types are checked, unknown keys suggest the nearest."""

from __future__ import annotations

from pathlib import Path

import pytest

from fac_eval.config import RunConfig, config_from, read_config
from fac_eval.errors import UnknownName, UsageError

TOML = """
models = ["oracle", {name = "openai", model = "gpt-audio"}]
tasks = "voicebench"
limit = 10
[gen_kwargs]
temperature = 0
[set]
"voicebench.mode" = "official"
"""
YAML = """
models: [oracle, {name: openai, model: gpt-audio}]
tasks: voicebench
limit: 10
gen_kwargs: {temperature: 0}
set: {voicebench.mode: official}
"""


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, "utf-8")
    return path


@pytest.mark.parametrize(("name", "text"), [("run.toml", TOML), ("run.yaml", YAML), ("run.yml", YAML)])
def test_files_are_read_into_the_schema(name: str, text: str, tmp_path: Path) -> None:
    assert read_config(written(tmp_path, name, text)) == RunConfig(
        models=("oracle", {"name": "openai", "model": "gpt-audio"}),
        tasks=("voicebench",),
        limit=10,
        gen_kwargs={"temperature": 0},
        set={"voicebench.mode": "official"},
    )


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("run.toml", "limitt = 3", "unknown key 'limitt'"),
        ("run.toml", "limitt = 3", "Did you mean 'limit'?"),
        ("run.toml", "seed = 'three'", "Expected `int`, got `str` - at `$.seed`"),
        ("run.toml", "batch_size = 'big'", "batch_size"),
        ("run.toml", "limit = 0", "limit must be above 0"),
        ("run.toml", "limit = 2.5", "whole number of samples"),
        ("run.toml", "max_failed = 2", "share between 0 and 1"),
        ("run.toml", "models = [", "not valid TOML"),
        ("run.yaml", "models: [", "not valid YAML"),
        ("run.yaml", "- a\n- b", "must be a table of keys, not a list"),
        ("run.json", "{}", "Name it .toml"),
    ],
)
def test_mistakes_name_the_file_and_the_key(name: str, text: str, said: str, tmp_path: Path) -> None:
    path = written(tmp_path, name, text)
    with pytest.raises(UsageError) as caught:
        read_config(path)
    assert said in str(caught.value)
    assert path.name in str(caught.value)


def test_a_missing_file_and_one_that_is_not_utf_8(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        read_config(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes(b"store = '\xe9'")
    with pytest.raises(UsageError, match="not UTF-8"):
        read_config(tmp_path / "latin.toml")


def test_an_unknown_key_of_the_api_is_the_same_error() -> None:
    with pytest.raises(UnknownName):
        config_from({"modells": []}, where="here")


@pytest.mark.parametrize("limit", [1, 7, 0.25])
def test_limits_are_counts_or_fractions(limit: float) -> None:
    assert config_from({"limit": limit}, where="here").limit == limit
