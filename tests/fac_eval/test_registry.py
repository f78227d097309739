"""Plugins by entry point: listed without being loaded, and broken without breaking anything else."""

from __future__ import annotations

import subprocess
import sys

import pytest

from fac_eval import registry
from fac_eval.errors import PluginError, UnknownName
from fac_eval.models.sanity import Oracle
from tests.support.plugins import install


def test_built_in_plugins_are_found_like_any_other() -> None:
    assert {"empty", "openai", "oracle", "random", "replay"} <= set(registry.names("model"))
    assert registry.load("model", "oracle") is Oracle
    assert registry.package_of("model", "oracle") == "fac-eval"


def test_listing_names_imports_no_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, "model", {"lazy": "antigravity:nothing"})
    sys.modules.pop("antigravity", None)
    assert "lazy" in registry.names("model")
    assert "antigravity" not in sys.modules


@pytest.mark.parametrize(
    ("value", "reason"),
    [("no_such_module:X", "ModuleNotFoundError"), ("fac_eval.models.sanity:Nothing", "AttributeError")],
)
def test_a_broken_plugin_is_named_and_the_rest_still_loads(
    value: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, "model", {"broken": value})
    with pytest.raises(PluginError, match=reason) as caught:
        registry.load("model", "broken")
    assert value in str(caught.value)
    loaded = dict(registry.load_all("model"))
    assert isinstance(loaded["broken"], registry.Broken)
    assert loaded["oracle"] is Oracle


def test_two_claims_on_one_name_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    values = ("fac_eval.models.sanity:Oracle", "fac_eval.models.sanity:Empty")
    install(monkeypatch, "model", {"twice": values})
    with pytest.raises(PluginError, match=r"registered twice: .*Oracle.*Empty"):
        registry.load("model", "twice")


def test_an_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'oracle'"):
        registry.load("model", "oracel")
    with pytest.raises(UnknownName, match="Known: "):
        registry.load("model", "zzzzz")


@pytest.mark.parametrize("kind", ["task", "model", "judge", "report", "command", "conformance"])
def test_every_built_in_plugin_loads_without_heavy_packages(kind: str) -> None:
    code = (
        "import sys\n"
        "for name in ('torch', 'transformers', 'openai', 'datasets', 'pandas', 'pyarrow', 'nltk', 'zhconv'):\n"
        "    sys.modules[name] = None\n"
        "from fac_eval import registry\n"
        f"print([name for name, found in registry.load_all({kind!r}) if isinstance(found, registry.Broken)])\n"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
