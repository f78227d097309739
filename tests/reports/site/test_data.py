"""What the chunks hold: systems and tasks arranged, samples aligned, pages of them, and pairs compared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fac_eval
from fac_eval.reports.runs import find_runs
from fac_eval.reports.site import pages
from fac_eval.reports.site.chunks import script, unpacked
from fac_eval.reports.site.index import ABSENT, build_index
from fac_eval.reports.site.snapshot import Snapshot
from fac_eval.stats import RatioSums
from tests.reports.site.world import Speaker
from tests.support.toys import Echo, ToyOptions, ToyTask

HOSTILE = '</script><script>alert(1)</script>\u2028\u2029"\\"<!--'


def data(snapshot: Snapshot, name: str) -> Any:
    content = snapshot.chunk(name)
    assert content is not None
    return unpacked(content)[1]


def task_number(snapshot: Snapshot, name: str) -> int:
    return next(i for i, task in enumerate(snapshot.board.tasks) if task.name == name)


@given(
    st.recursive(
        st.none() | st.booleans() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_a_chunk_gives_back_what_was_put_in_and_shows_none_of_it(value: Any) -> None:
    content = script("t0/index", [HOSTILE, value])
    assert unpacked(content) == ("t0/index", [HOSTILE, value])
    assert set(content.decode("ascii")) <= set(
        'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/=.,()";\n-'
    )


def test_numbers_that_json_lacks_become_null() -> None:
    assert unpacked(script("site", [float("nan"), float("inf")]))[1] == [None, None]


def test_the_overview_arranges_systems_and_tasks(snapshot: Snapshot) -> None:
    site = data(snapshot, "site")
    assert [system["label"] for system in site["systems"]] == [
        "oracle",
        "random",
        "speaker-8b",
        "speaker-30b",
    ]
    names = [task["name"] for task in site["tasks"]]
    assert names == sorted(
        names, key=lambda name: names.index(next(n for n in names if n.split("/")[0] == name.split("/")[0]))
    )
    spoken = site["tasks"][task_number(snapshot, "world/spoken")]
    assert [cell["system"] for cell in spoken["cells"]] == [2, 3]
    main = spoken["cells"][0]["figures"][0]
    assert (main["name"], main["main"], main["higher"]) == ("wer", True, False)
    assert main["low"] <= main["value"] <= main["high"]
    assert spoken["cells"][1]["failed"]["judge_error"] >= 2
    assert {run["state"] for run in site["runs"]} == {"finished"}


@pytest.mark.parametrize(
    "name", ["t99/index", "t0/text-999", "t0/samples-999", "t0/nothing", "live", "../site", "t0/text--1"]
)
def test_an_unknown_chunk_is_none(snapshot: Snapshot, name: str) -> None:
    assert snapshot.chunk(name) is None


def test_the_index_holds_every_sample_once_with_its_outcome(snapshot: Snapshot) -> None:
    index = data(snapshot, f"t{task_number(snapshot, 'world/spoken')}/index")
    assert index["ids"] == [f"spoken/{i:03d}" for i in range(24)]
    first, second = index["columns"]
    assert first["state"][7] == "f"
    assert first["reasons"][first["reason"][7]] == "judge_error"
    assert set(second["state"]) == {"s", "f"}
    assert all(
        number >= 0 for number, state in zip(first["value"], first["state"], strict=True) if state == "s"
    )
    assert {facet["name"]: facet["values"] for facet in index["facets"]}["room"] == ["loud", "quiet"]


def test_systems_that_saw_other_samples_are_aligned_by_id(tmp_path: Path) -> None:
    store = str(tmp_path)
    fac_eval.run(Echo(), ToyTask(ToyOptions(n=6)), store=store, progress=False)

    class Late(ToyTask):
        def samples(self, data: object) -> Any:
            yield from list(ToyTask(ToyOptions(n=9)).samples(data))[4:]

        def size(self, data: object) -> int:
            return 5

    other = Echo()
    other.name = "late"
    fac_eval.run(other, Late(ToyOptions(n=6)), seed=1, store=store, progress=False)
    (task,) = Snapshot(find_runs([], store)).board.tasks
    index = build_index(task)
    assert index.ids == [f"s{i}" for i in range(9)]
    assert "".join(index.columns[0].states) == "ssssss" + ABSENT * 3
    assert "".join(index.columns[1].states) == ABSENT * 4 + "sssss"


def test_pages_hold_all_samples_in_order(snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "TEXTS", 10)
    monkeypatch.setattr(pages, "SAMPLES", 7)
    number = task_number(snapshot, "world/spoken")
    names = list(snapshot.names(number))
    assert names.count(f"t{number}/text-2") == 1
    assert f"t{number}/text-3" not in names
    assert f"t{number}/samples-3" in names
    prompts = [prompt for i in range(3) for prompt in data(snapshot, f"t{number}/text-{i}")["prompt"]]
    samples = [sample for i in range(4) for sample in data(snapshot, f"t{number}/samples-{i}")]
    assert len(prompts) == len(samples) == 24
    assert [sample["reference"] for sample in samples] == [prompt.removeprefix("Say: ") for prompt in prompts]


def test_a_sample_carries_everything_that_its_page_shows(snapshot: Snapshot) -> None:
    sample = data(snapshot, f"t{task_number(snapshot, 'world/spoken')}/samples-0")[1]
    assert sample["metadata"] == {"speaker": "speaker 1", "room": "quiet"}
    answer = sample["cells"][0]
    assert answer["outcome"] == "scored"
    assert answer["verdicts"][0]["reply"].startswith("It is well said.")
    assert answer["timings"]["first_audio"] > 0
    assert answer["quality"]["utmos"] >= 3
    assert answer["speech"]["file"] is None  # where the sound is, a site says, not a snapshot


def test_a_summary_counts_what_the_store_holds(snapshot: Snapshot) -> None:
    summary = data(snapshot, f"t{task_number(snapshot, 'world/spoken')}/summary")
    first = summary["cells"][0]
    assert first["answers"]["calls"] == 24
    assert first["verdicts"]["calls"] == 22
    assert first["verdicts"]["cost"] == pytest.approx(0.022)
    assert first["latency"]["first_audio"]["p50"] <= first["latency"]["first_audio"]["p99"]
    counts = summary["histogram"]["counts"]
    assert [sum(column) for column in counts] == [22, summary["pairs"][0]["n"]]


def test_a_comparison_is_the_paired_difference_of_the_main_figure(snapshot: Snapshot) -> None:
    number = task_number(snapshot, "world/spoken")
    summary, index = data(snapshot, f"t{number}/summary"), snapshot.index(number)
    assert summary["measure"] == {"name": "wer", "unit": "%", "higher": False}
    (pair,) = summary["pairs"]
    left, right = index.columns[pair["a"]], index.columns[pair["b"]]
    both = [row for row in range(24) if left.states[row] == right.states[row] == "s"]
    gaps = [left.parts[row]["errors"] - right.parts[row]["errors"] for row in both]
    words = [left.parts[row]["words"] for row in both]
    wanted = RatioSums().add(gaps, words, [index.clusters[row] for row in both]).estimate().scaled(100)
    assert (pair["value"], pair["low"], pair["high"]) == pytest.approx(
        (wanted.value, wanted.low, wanted.high)
    )
    better = int((np.array([left.values[row] - right.values[row] for row in both]) < 0).sum())
    assert pair["wins"] == better
    assert pair["wins"] + pair["losses"] + pair["ties"] == pair["n"]


def test_the_same_model_twice_on_a_task_makes_two_systems(tmp_path: Path) -> None:
    store = str(tmp_path)
    for seed in (0, 1):
        fac_eval.run(Echo(), ToyTask(ToyOptions(n=3)), seed=seed, store=store, progress=False)
    site = data(Snapshot(find_runs([], store)), "site")
    labels = [system["label"] for system in site["systems"]]
    assert len(labels) == 2
    assert all(label.startswith("echo (") for label in labels)
    assert len(site["tasks"][0]["protocols"]) == 1


def test_one_model_on_two_tasks_of_two_runs_is_one_system(tmp_path: Path) -> None:
    store = str(tmp_path)
    fac_eval.run("oracle", "voicebench/ifeval", data="sample", store=store, progress=False)
    fac_eval.run("oracle", "speech_fc/bfcl_single", data="sample", store=store, progress=False)
    site = data(Snapshot(find_runs([], store)), "site")
    assert [(system["label"], system["runs"]) for system in site["systems"]] == [("oracle", [0, 1])]


def test_protocols_that_differ_are_told_apart_and_named(tmp_path: Path) -> None:
    store = str(tmp_path)
    fac_eval.run(Echo(), ToyTask(ToyOptions(n=3)), store=store, progress=False)

    class Changed(ToyTask):
        version = 2

    other = Echo()
    other.name = "other"
    fac_eval.run(other, Changed(ToyOptions(n=3)), store=store, progress=False)
    (task,) = data(Snapshot(find_runs([], store)), "site")["tasks"]
    assert [cell["protocol"] for cell in task["cells"]] == [0, 1]
    assert task["protocols"][1]["differs"] == ["version: 1 / 2"]


def test_a_run_in_which_all_failed_has_pages(tmp_path: Path) -> None:
    class Mute(Speaker):
        def generate(self, requests: Any) -> Any:
            raise RuntimeError("no voice")

    fac_eval.run(Mute("mute"), ToyTask(ToyOptions(n=4)), store=str(tmp_path), progress=False)
    snapshot = Snapshot(find_runs([], tmp_path))
    summary = data(snapshot, "t0/summary")
    assert summary["histogram"] is None
    assert data(snapshot, "t0/samples-0")[0]["cells"][0]["outcome"] == "failed"
    assert "no voice" in data(snapshot, "t0/text-0")["cells"][0]["note"][0]
    assert json.dumps(data(snapshot, "site"))
