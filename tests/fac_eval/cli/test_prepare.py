"""`fac-eval prepare`: from a hub into the cache or a folder, checked against what was published."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from fac_eval import Audio, Sample, Score, Task
from fac_eval.data.assets import Asset
from fac_eval.data.hub import DataFinder
from fac_eval.data.hub_dataset import HubDataset
from fac_eval.data.weights import HubWeights, hub_weights
from fac_eval.errors import MissingResource
from fac_eval.interfaces import QualityMeter
from tests.support.command_line import CommandLine
from tests.support.hub_server import FakeHub, Reply, Server, serve
from tests.support.plugins import install

COMMIT = "0123456789abcdef0123456789abcdef01234567"
SHIPPED = Path(__file__).parents[3] / "tasks" / "sample_data" / "voicebench"
PROMPT = b"Rate the answer.\n"
HERE = "tests.fac_eval.cli.test_prepare"


class Wanting(Task):
    """Wants a protocol file, and a resource that nobody can fetch."""

    name = "wanting"
    url = "http://127.0.0.1:1/prompt.txt"
    lacks = True

    def samples(self, data: object) -> Iterator[Sample]:
        yield from ()

    def score(self, *held: object) -> Score:
        return Score(0.0)

    def assets(self) -> tuple[Asset, ...]:
        return (Asset("the prompt", self.url, hashlib.sha256(PROMPT).hexdigest(), "wanting/prompt.txt"),)

    def check(self, data: DataFinder) -> None:
        if self.lacks:
            raise MissingResource("the lexicon is not on this machine.", remedy="Buy one.")


class Weighed(QualityMeter):
    """A meter with a pinned file, whose weights may also be on the hub."""

    name = "weighed"
    fingerprint = "weighed/1"

    def __init__(self, path: str | None = None) -> None:
        self._path = path

    def measure(self, clips: Sequence[Audio]) -> list[Mapping[str, float]]:
        return [{} for _ in clips]

    def assets(self) -> tuple[Asset, ...]:
        return Wanting().assets()

    def weights(self) -> tuple[HubWeights, ...]:
        return () if self._path is None else hub_weights(self._path)


class Demanding(Weighed):
    """Its pinned files go by no argument, and it has one without a default."""

    name = "demanding"

    def __init__(self, path: str) -> None:
        super().__init__(path)

    @classmethod
    def assets(cls) -> tuple[Asset, ...]:
        return Wanting().assets()


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, cli: CommandLine) -> Iterator[Server]:
    """A hub with the shipped items as the data set, and a host of the protocol file."""
    files = {
        str(path.relative_to(SHIPPED)): path.read_bytes()
        for path in sorted(SHIPPED.rglob("*.parquet"))
        if path.parent.name in ("bbh", "advbench", "mmsu")
    }
    fake = FakeHub("hlt-lab/voicebench", {COMMIT: files}, {"main": COMMIT})

    def answer(method: str, path: str, headers: dict[str, str], body: bytes) -> Reply:
        return Reply(200, PROMPT) if path == "/prompt.txt" else fake(method, path, headers, body)

    with serve(answer) as server:
        monkeypatch.setattr("fac_eval.data._hub_api._endpoint", lambda: server.url)
        monkeypatch.setattr(Wanting, "url", f"{server.url}/prompt.txt")
        install(monkeypatch, "task", {"wanting": f"{HERE}:Wanting"})
        install(monkeypatch, "meter", {"weighed": f"{HERE}:Weighed", "demanding": f"{HERE}:Demanding"})
        yield server


def by_name(done: Any) -> dict[str, Any]:
    return {one["name"]: one for one in done.json["needs"]}


def test_data_is_fetched_checked_and_found_by_runs(
    cli: CommandLine, hub: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = cli("prepare", "voicebench/bbh", "voicebench/advbench")
    assert done.code == 0, done.err
    (bbh,) = [line for line in done.out.splitlines() if line.startswith("data set") and "/bbh[" in line]
    assert bbh.split()[3] == "fetched"
    assert bbh.split()[-2:] == ["12", "1,000"]
    assert (
        "warning: hlt-lab/voicebench@main/bbh[test]: test: 12 rows, but the published data set has 1000."
        in (done.out)
    )
    assert f"2 of 2 are here, {_size_of(tmp_path / 'cache')}" in done.out
    monkeypatch.setenv("FAC_EVAL_OFFLINE", "1")
    assert cli("run", "-m", "oracle", "-t", "voicebench/bbh", "--json").json["results"][0]["n"] == 12


def _size_of(folder: Path) -> str:
    return f"{sum(path.stat().st_size for path in folder.rglob('*.parquet')) / 1000:.1f} KB"


def test_what_is_there_is_kept(cli: CommandLine, hub: Server) -> None:
    cli("prepare", "voicebench/bbh")
    asked = len([path for _, path, _ in hub.asked if "/resolve/" in path])
    (found,) = cli("prepare", "voicebench/bbh", "--json").json["needs"]
    assert (found["status"], found["commit"], found["files"]) == ("kept", COMMIT, 1)
    assert (found["rows"], found["expected_rows"]) == ({"test": 12}, {"test": 1000})
    assert len([path for _, path, _ in hub.asked if "/resolve/" in path]) == asked


def test_a_folder_for_a_machine_without_internet(
    cli: CommandLine, hub: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = cli("prepare", "voicebench/bbh", "wanting", "--to", "carried")
    assert done.code == 0
    assert "run there with --data carried --assets carried" in done.out
    assert "wanting on this machine: the lexicon is not on this machine." in done.out
    assert (Path("carried") / "assets" / "wanting" / "prompt.txt").read_bytes() == PROMPT
    monkeypatch.setenv("FAC_EVAL_OFFLINE", "1")
    ran = cli("run", "-m", "oracle", "-t", "voicebench/bbh", "--data", "carried", "--json")
    assert ran.json["results"][0]["value"] == 100


def test_a_resource_that_cannot_be_fetched_is_told(cli: CommandLine, hub: Server) -> None:
    done = cli("prepare", "wanting")
    assert done.code == 2
    assert "wanting on this machine: the lexicon is not on this machine.\nBuy one." in done.out
    assert cli("prepare", "wanting", "--json").json["problems"] == [
        "wanting on this machine: the lexicon is not on this machine.\nBuy one."
    ]


def test_one_failure_does_not_keep_the_rest(
    cli: CommandLine, hub: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Wanting, "url", f"{hub.url}/elsewhere")
    monkeypatch.setattr(Wanting, "lacks", False)
    done = cli("prepare", "wanting", "voicebench/bbh", "--json")
    assert done.code == 2
    found = by_name(done)
    assert found["the prompt"]["status"] == "failed"
    assert "404" in found["the prompt"]["error"]
    assert found["hlt-lab/voicebench@main/bbh[test]"]["status"] == "fetched"


def test_splits_that_the_hub_lacks_are_a_failure(cli: CommandLine, hub: Server) -> None:
    done = cli("prepare", "voicebench/mmsu")
    assert done.code == 2
    assert "has no Parquet files of the split" in done.out


def test_offline_nothing_is_asked(cli: CommandLine, hub: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    done = cli("prepare", "voicebench/bbh", "--to", "carried")
    assert done.code == 2
    assert "Unset HF_HUB_OFFLINE and try again." in done.out
    assert hub.asked == []
    assert not Path("carried").exists()


def test_a_data_set_without_sound_is_unusable(
    cli: CommandLine, hub: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fac_eval.data import validate
    from fac_eval.data.validate import Finding

    def silent(dataset: HubDataset, finder: DataFinder) -> list[Finding]:
        return [Finding("error", "test", "3 rows hold no audio, the first of them row 1.")]

    monkeypatch.setattr(validate, "validate", silent)
    done = cli("prepare", "voicebench/bbh", "--json")
    assert done.code == 2
    assert done.json["needs"][0]["errors"] == ["test: 3 rows hold no audio, the first of them row 1."]


def test_a_task_that_fetches_nothing(cli: CommandLine) -> None:
    Path("q.jsonl").write_text(json.dumps({"id": "1", "text": "2 + 2?", "reference": "4"}) + "\n")
    done = cli("prepare", "file:q.jsonl")
    assert (done.code, done.out) == (0, "There is nothing to fetch for them.\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Missing argument 'NAMES...'"),
        (["voicebnch"], "Did you mean 'voicebench'"),
        (["nothing*"], "unknown task 'nothing*'"),
    ],
)
def test_what_cannot_be_prepared_is_said(arguments: list[str], said: str, cli: CommandLine) -> None:
    done = cli("prepare", *arguments)
    assert done.code == 2
    assert said in done.err


@pytest.mark.parametrize("name", ["weighed", "demanding"])
def test_an_instruments_pinned_files_are_fetched(name: str, cli: CommandLine, hub: Server) -> None:
    done = cli("prepare", name, "--to", "carried")
    assert done.code == 0, done.err
    assert (Path("carried") / "assets" / "wanting" / "prompt.txt").read_bytes() == PROMPT
    assert by_name(cli("prepare", name, "--to", "carried", "--json"))["the prompt"]["status"] == "kept"


def test_weights_are_downloaded_into_the_hubs_cache(
    cli: CommandLine, hub: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub

    folder = tmp_path / "hub" / COMMIT

    def snapshot(path: str, *, local_files_only: bool, **rest: Any) -> str:
        assert path == "some/meter"
        if local_files_only and not folder.is_dir():
            raise FileNotFoundError("not cached")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "model.safetensors").write_bytes(b"1234")
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    (_, fetched) = cli("prepare", "weighed:path=some/meter", "--json").json["needs"]
    assert (fetched["kind"], fetched["name"], fetched["status"]) == ("weights", "some/meter", "fetched")
    assert (fetched["path"], fetched["commit"], fetched["bytes"]) == (str(folder), COMMIT, 4)
    done = cli("prepare", "weighed:path=some/meter", "--to", "carried")
    assert "weights  some/meter  kept" in done.out
    assert f"copy {folder} there as well, following its links, and give it in place of some/meter" in done.out


def test_weights_that_the_hub_does_not_give_are_told(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    done = cli("prepare", "whisper:path=some/where")
    assert done.code == 2
    assert "some/where are not on this machine, and HF_HUB_OFFLINE keeps off the hub." in done.out


def test_names_of_models_bring_their_pinned_files(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAC_EVAL_OFFLINE", "1")
    names = [one["name"] for one in cli("prepare", "utmos", "fun-audio-chat", "--json").json["needs"]]
    assert names == [
        "UTMOS22 strong learner",
        "prompts of Fun-Audio-Chat",
        "speaker vectors of Fun-Audio-Chat",
    ]
    # A judge, a model and a voice at once; the arguments are of one of them, and it brings nothing.
    assert cli("prepare", "openai:model=gpt-4o,text_only=true").code == 0
    assert "volume" in cli("prepare", "openai:volume=3").err
