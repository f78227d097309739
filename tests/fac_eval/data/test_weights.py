"""Weights on the hub: what is fetched of a repository, by what names, and that it is found again without a network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fac_eval.data.places import NOT_LOOKED_UP, off_the_network
from fac_eval.data.prepare import prepare
from fac_eval.data.weights import (
    HubWeights,
    hub_commit,
    hub_place,
    hub_weights,
    split_revision,
    weights_folder,
    weights_identity,
)
from fac_eval.errors import MissingResource, UsageError
from tests.support.hub_server import FakeHub, Server, serve
from tests.support.model_hub import COMMIT, NEWER, files_in, model_hub

SMALL = {"config.json", "tokenizer.json", "chat_template.jinja", "merges.txt", "spiece.model"}
OTHER = {
    "README.md",
    "consolidated.safetensors",
    "model.fp32-00001-of-00001.safetensors",
    "checkpoint-5/model.safetensors",
    "flax_model.msgpack",
}
SHARDS = {"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"}
NUMBERED = {"model.safetensors-00001-of-00001.safetensors"}
PICKLED = {"pytorch_model.bin"}
REPOS = {
    "owner/whole": SMALL | OTHER | PICKLED | {"model.safetensors"},
    "owner/shards": SMALL | OTHER | PICKLED | SHARDS | {"model.safetensors.index.json"},
    "owner/numbered": SMALL | OTHER | NUMBERED,
    "owner/pickled": SMALL | {"README.md", "training_args.bin", "optimizer.pt"} | PICKLED,
}
READ = {
    "owner/whole": SMALL | {"model.safetensors"},
    "owner/shards": SMALL | SHARDS | {"model.safetensors.index.json"},
    "owner/numbered": SMALL | NUMBERED,
    "owner/pickled": SMALL | PICKLED,
}


@pytest.fixture
def models(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A hub with all these; each file's content is its name."""
    repos = {repo: {name: name.encode() for name in names} for repo, names in REPOS.items()}
    with model_hub(repos, cache.parent / "hub", monkeypatch) as server:
        yield server


@pytest.mark.parametrize("repo", READ)
def test_only_what_is_read_is_fetched_and_found_without_a_network(
    repo: str, models: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    (first,) = prepare(hub_weights(repo))
    assert (first.status, first.commit, first.files) == ("fetched", NEWER, len(READ[repo]))
    assert first.path is not None
    assert files_in(first.path) == READ[repo]
    assert prepare(hub_weights(repo))[0].status == "kept"
    monkeypatch.setenv("FAC_EVAL_OFFLINE", "1")
    models.asked.clear()
    assert weights_folder(repo) == first.path
    assert weights_identity(repo) == f"{repo}@{NEWER}"
    assert models.asked == []


@pytest.mark.parametrize("revision", ["v1", COMMIT])
def test_a_revision_is_given_in_either_way(
    revision: str, models: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    ways = (
        ("owner/whole", revision),
        (f"owner/whole@{revision}", None),
        (f"owner/whole@{revision}", revision),
    )
    (need,) = {need for path, given in ways for need in hub_weights(path, given)}
    (prepared,) = prepare([need])
    assert (prepared.commit, prepared.path and prepared.path.name) == (COMMIT, COMMIT)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for path, given in ways:
        assert weights_folder(path, given) == prepared.path
        assert hub_commit(path, given) == COMMIT
        assert weights_identity(path, given) == f"owner/whole@{COMMIT}"
    with pytest.raises(
        MissingResource, match="owner/whole are not on this machine, and HF_HUB_OFFLINE keeps"
    ):
        weights_folder("owner/whole")


def test_a_commit_is_looked_up_with_one_small_file(models: Server) -> None:
    with off_the_network("a test"):
        assert weights_identity("owner/whole") == f"owner/whole@{NOT_LOOKED_UP}"
    assert models.asked == []
    assert hub_commit("owner/whole") == NEWER
    fetched = [path for method, path, _ in models.asked if method == "GET" and "/resolve/" in path]
    assert [path.rsplit("/", 1)[1] for path in fetched] == ["config.json"]


def test_a_folder_needs_nothing(models: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "owner" / "whole@v1"
    folder.mkdir(parents=True)
    assert hub_weights(str(folder)) == ()
    assert split_revision(str(folder)) == (str(folder), None)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert weights_folder("~/owner/whole@v1") == folder
    monkeypatch.chdir(tmp_path)
    assert hub_weights("owner/whole@v1") == ()
    assert hub_weights("owner/whole") == (HubWeights("owner/whole"),)
    assert models.asked == []


@pytest.mark.parametrize(
    ("path", "revision", "said"),
    [
        ("/nowhere", None, "/nowhere is no folder"),
        ("whisper", None, "whisper is no folder"),
        ("a/b/c", None, "a/b/c is no folder"),
        ("owner/name@v1", "v2", r"owner/name@v1, but revision=v2\.\nName one revision"),
    ],
    ids=["folder", "name", "too deep", "two revisions"],
)
def test_what_names_no_weights_is_said(path: str, revision: str | None, said: str) -> None:
    for function in (hub_place, hub_weights, hub_commit, weights_folder, weights_identity):
        with pytest.raises(UsageError, match=said):
            function(path, revision)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        (
            "owner/unknown",
            "there is no folder owner/unknown, and the hub has no such model, or it is private",
        ),
        ("owner/whole@v9", "owner/whole has no revision v9."),
    ],
)
def test_what_the_hub_does_not_have_is_said(path: str, said: str, models: Server) -> None:
    with pytest.raises(MissingResource, match=said):
        weights_folder(path)
    (outcome,) = prepare(hub_weights(path))
    assert outcome.status == "failed"
    assert said in str(outcome.error)


def test_terms_that_have_to_be_accepted_are_said(models: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub.constants as settings

    gated = FakeHub("owner/gated", {COMMIT: {}}, {"main": COMMIT}, kind="models", gated=True)
    with serve(gated) as server:
        monkeypatch.setattr(settings, "ENDPOINT", server.url)
        with pytest.raises(MissingResource, match=r"accepted their terms\.\n.*huggingface.co/owner/gated"):
            weights_folder("owner/gated")


@pytest.mark.parametrize("error", ["connect", "cut", "silent"])
def test_a_network_that_fails_is_said(error: str, models: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub
    from huggingface_hub.errors import HTTPError

    raised = {"connect": OSError("no route."), "cut": HTTPError("peer closed\nthe rest"), "silent": OSError()}

    def snapshot(*arguments: object, **options: object) -> str:
        raise raised[error]

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    said = {"connect": "no route", "cut": "peer closed", "silent": "OSError"}[error]
    with pytest.raises(
        MissingResource, match=f"owner/whole are not on this machine: {said}[.]\nFetch them with"
    ):
        weights_folder("owner/whole")
