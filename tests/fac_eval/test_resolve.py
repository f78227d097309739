"""Names, groups, wildcards and options become tasks and models; mistakes suggest what was meant."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from fac_eval import Task, registry
from fac_eval.errors import PluginError, UnknownName, UsageError
from fac_eval.interfaces import Transcriber
from fac_eval.models.sanity import Oracle
from fac_eval.resolve import (
    all_rubrics,
    find_rubric,
    rebuild_task,
    resolve_embedder,
    resolve_judge,
    resolve_meter,
    resolve_model,
    resolve_synthesizer,
    resolve_tasks,
    resolve_transcriber,
    settings_overrides,
)
from fac_eval.task import Group
from tests.support.judges import ENTRIES
from tests.support.plugins import install
from tests.support.toys import ToyTask

GROUP = Group("hard", "Hard ones", ("voicebench/bbh", "voicebench/mmsu"))


def names(*patterns: str, **options: Any) -> list[str]:
    return [task.name for task in resolve_tasks(patterns, options or None)]


def test_a_benchmark_stands_for_its_tasks() -> None:
    shorts = ("mmsu", "openbookqa", "ifeval", "advbench", "bbh")
    found = names("voicebench")
    assert [name for name in found if name.partition("/")[2] in shorts] == [f"voicebench/{n}" for n in shorts]
    assert all(name.startswith("voicebench/") for name in found)


def test_wildcards_and_repetition() -> None:
    assert names("voicebench/*bb*", "voicebench/adv*") == ["voicebench/bbh", "voicebench/advbench"]
    assert names("*/bbh", "voicebench/bbh", "voicebench/mmsu") == ["voicebench/bbh", "voicebench/mmsu"]


def test_a_wildcard_does_not_mean_tasks_that_must_be_told_something() -> None:
    assert "file" not in names("*")
    assert "voicebench/bbh" in names("*")


def test_groups_stand_for_their_members(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, "task", {"hard": "tests.fac_eval.test_resolve:GROUP"})
    assert names("hard") == ["voicebench/bbh", "voicebench/mmsu"]


def test_options_reach_the_tasks_that_have_them() -> None:
    tasks = resolve_tasks(["voicebench"], {"voicebench.mode": "official", "voicebench/bbh.fallback": "wrong"})
    variants = {task.name: task.variant for task in tasks}
    assert variants["voicebench/ifeval"] == "mode=official"
    assert variants["voicebench/bbh"] == "fallback=wrong"
    assert variants["voicebench/mmsu"] == "mode=official,fallback=random"


def test_options_of_a_spec_win_over_dotted_ones() -> None:
    (task,) = resolve_tasks(["voicebench/ifeval:mode=kimi"], {"voicebench.mode": "official"})
    assert task.variant == "mode=kimi"


def test_task_objects_pass_through() -> None:
    task = ToyTask()
    assert resolve_tasks([task, task]) == [task]


@pytest.mark.parametrize(
    ("pattern", "options", "said"),
    [
        ("voicebanch", {}, "Did you mean 'voicebench'"),
        ("voicebench/ifevall", {}, "Did you mean 'voicebench/ifeval'"),
        ("nothing/like/this*", {}, "unknown task"),
        ("voicebench:mod=official", {}, "Did you mean 'mode'"),
        ("voicebench/ifeval:mode=ultra", {}, "one of: kimi, official"),
        ("voicebench", {"voicebench.mod": "x"}, "unknown option 'voicebench.mod'"),
        ("voicebench", {"mmau.mode": "x"}, "unknown option 'mmau.mode'"),
    ],
)
def test_mistakes_are_named_with_a_suggestion(pattern: str, options: dict[str, str], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        resolve_tasks([pattern], options)
    assert said in str(caught.value)


def test_a_plugin_of_the_wrong_kind_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, "task", {"odd": "math:pi"})
    with pytest.raises(PluginError, match="must be a Task subclass, a Benchmark or a Group"):
        resolve_tasks(["odd"])
    install(monkeypatch, "model", {"odd": "math:pi"})
    with pytest.raises(PluginError, match="must be a subclass of Model, AsyncModel, SampleModel"):
        resolve_model("odd")
    for kind, resolve, wanted in PARTS:
        install(monkeypatch, kind, {"odd": "math:pi"})
        with pytest.raises(PluginError, match=f"the {kind} 'odd' must be a subclass of {wanted}"):
            resolve("odd")


PARTS: list[tuple[registry.Kind, Callable[[Any], Any], str]] = [
    ("judge", resolve_judge, "Judge"),
    ("transcriber", resolve_transcriber, "Transcriber"),
    ("meter", resolve_meter, "QualityMeter"),
    ("embedder", resolve_embedder, "Embedder"),
    ("synthesizer", resolve_synthesizer, "Synthesizer"),
]


class Ears(Transcriber):
    """Hears nothing."""

    name = "ears"

    def __init__(self, size: int = 1) -> None:
        self.size = size

    @property
    def fingerprint(self) -> str:
        return f"ears/{self.size}"

    def transcribe(self, clips: Sequence[Any], language: str | None = None) -> list[str]:
        return [""] * len(clips)


def test_instruments_from_specs_tables_and_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, "transcriber", {"ears": "tests.fac_eval.test_resolve:Ears"})
    assert resolve_transcriber("ears:size=3").fingerprint == "ears/3"
    assert resolve_transcriber({"name": "ears", "size": 4}).fingerprint == "ears/4"
    ears = Ears()
    assert resolve_transcriber(ears) is ears
    with pytest.raises(UnknownName, match="unknown transcriber 'eras'"):
        resolve_transcriber("eras")
    with pytest.raises(UsageError, match="size"):
        resolve_transcriber("ears:size=big")


def test_rubrics_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, "rubric", {**ENTRIES, "odd": "math:pi"})
    assert find_rubric("toy/vote").own == "Is {answer} right?"
    assert {"toy/rate", "toy/vote"} <= set(all_rubrics())
    with pytest.raises(UnknownName, match=r"unknown rubric 'toy/vot'.*\n.*'toy/vote'"):
        find_rubric("toy/vot")
    with pytest.raises(UnknownName, match="unknown rubric 'nobody/vote' in task t"):
        find_rubric("nobody/vote", where="task t")
    with pytest.raises(PluginError, match="must be a tuple of Rubric"):
        find_rubric("odd/vote")


def test_models_from_specs_tables_and_objects() -> None:
    assert isinstance(resolve_model("oracle"), Oracle)
    assert isinstance(resolve_model({"name": "oracle"}), Oracle)
    model = Oracle()
    assert resolve_model(model) is model
    with pytest.raises(UsageError, match="needs a 'name'"):
        resolve_model({"model": "oracle"})
    with pytest.raises(UnknownName, match="Did you mean 'oracle'"):
        resolve_model("oracl")


def test_a_task_is_rebuilt_from_what_the_store_holds() -> None:
    (task,) = resolve_tasks(["voicebench/mmsu:fallback=wrong"])
    used: set[str] = set()
    rebuilt = rebuild_task(task.spec["name"], task.spec["options"], {"voicebench.mode": "ultraeval"}, used)
    assert isinstance(rebuilt, Task)
    assert rebuilt.variant == "mode=ultraeval,fallback=wrong"
    assert used == {"voicebench.mode"}


def test_generation_settings_are_typed_and_unknown_ones_reach_the_adapter() -> None:
    common, extra = settings_overrides({"temperature": "0.5", "max_tokens": 7, "min_p": "0.1", "best": "yes"})
    assert common == {"temperature": 0.5, "max_tokens": 7}
    assert extra == {"min_p": 0.1, "best": "yes"}
    with pytest.raises(UsageError, match="max_tokens"):
        settings_overrides({"max_tokens": "many"})


def test_options_that_decide_over_nothing_are_no_part_of_the_protocol() -> None:
    (plain,) = resolve_tasks(["mmau"])
    (same,) = resolve_tasks(["mmau:invalid=count_wrong"])
    (judged,) = resolve_tasks(["mmau:match=judge,invalid=count_wrong"])
    assert plain.protocol() == same.protocol()
    assert plain.variant == same.variant == "match=official,instruction=fun_audio_chat"
    assert "invalid=count_wrong" in judged.variant
