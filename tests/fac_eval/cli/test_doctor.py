"""`fac-eval doctor`: what works here, what is missing, and nothing that is anybody's secret."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fac_eval import registry
from fac_eval.cli import checks
from fac_eval.errors import MissingResource
from fac_eval.store import Store
from tests.support.command_line import CommandLine
from tests.support.plugins import install

FORMATS = ("wav", "flac", "mp3", "ogg", "opus")


@pytest.fixture
def doctor(cli: CommandLine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> CommandLine:
    """Without torch, which takes seconds to import, and whose absence must not matter."""
    monkeypatch.setattr(checks, "installed", lambda name: None if name == "torch" else "1.0")
    monkeypatch.setattr(checks, "_hub", lambda: checks._Hub(tmp_path / "hub", tmp_path / "token"))
    return lambda *arguments: cli("doctor", *arguments)


def found(doctor: CommandLine, *arguments: str) -> dict[tuple[str, str], dict[str, Any]]:
    return {(check["group"], check["name"]): check for check in doctor("--json", *arguments).json["checks"]}


def test_a_sound_machine(doctor: CommandLine, tmp_path: Path) -> None:
    done = doctor()
    assert done.code == 0
    assert "fac-eval works here." in done.out
    for name in FORMATS:
        assert f"  ok       {name:<5} decodes" in done.out
    assert list(tmp_path.iterdir()) == []


def test_every_line_says_what_is_missing_and_how_to_get_it(doctor: CommandLine) -> None:
    done = doctor()
    line = done.out.splitlines().index(
        "  missing  OPENAI_API_KEY  for hosted models and judges behind an OpenAI-compatible endpoint"
    )
    assert "-> export OPENAI_API_KEY=..." in done.out.splitlines()[line + 1]
    for check in found(doctor).values():
        assert check["status"] == "ok" or check["remedy"], check


def test_keys_are_named_and_never_shown(doctor: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "my-private-key")
    monkeypatch.setenv("HF_TOKEN", "my-private-token")
    monkeypatch.setenv("HTTPS_PROXY", "http://me:hunter2@proxy:3128")
    done = doctor()
    assert "ok       OPENAI_API_KEY  set" in done.out
    for shown in (done.out, doctor("--json").out):
        assert "private" not in shown
        assert "hunter2" not in shown


def test_a_login_counts_as_a_token(doctor: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("hf_private")
    assert found(doctor)["keys", "HF_TOKEN"]["found"] == "logged in"


@pytest.mark.parametrize(
    ("requirement", "have", "expected"),
    [
        ("click>=8.2", True, ("core packages", "click", "ok", True)),
        ("click>=8.2", False, ("core packages", "click", "problem", True)),
        ("huggingface-hub>=1; extra == 'data'", False, ("extra data", "huggingface-hub", "missing", False)),
        ('whatever==1 ; extra == "new"', True, ("extra new", "whatever", "ok", False)),
    ],
)
def test_packages_are_those_of_the_metadata(
    requirement: str, have: bool, expected: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "installed", lambda name: "1.0" if have else None)
    (check,) = checks.packages([requirement, "pytest; extra == 'test'", "fac-eval[data]; extra == 'all'"])
    assert (check.group, check.name, check.status, check.core) == expected
    if not have:
        assert check.remedy.startswith("pip install ")


def test_without_a_core_package_the_exit_code_is_1(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "installed", lambda name: None if name in ("torch", "soxr") else "1.0")
    done = cli("doctor")
    assert done.code == 1
    assert "problem  soxr" in done.out
    assert "fac-eval cannot work here: 1 of its own parts are broken." in done.out
    assert cli("doctor", "--json").json["ok"] is False


@pytest.mark.parametrize(("broken", "code"), [("flac", 1), ("mp3", 0)])
def test_a_format_that_cannot_be_decoded(
    broken: str, code: int, doctor: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fac_eval import Audio

    encoded: Callable[..., bytes] = Audio.encoded

    def failing(self: Audio, format: Any = "wav", rate: int | None = None) -> bytes:
        if format == broken:
            raise OSError("no such codec")
        return encoded(self, format, rate)

    monkeypatch.setattr(Audio, "encoded", failing)
    done = doctor()
    assert done.code == code
    assert f"problem  {broken:<5} OSError: no such codec" in done.out


def test_missing_language_resources_are_no_failure(
    doctor: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nowhere() -> None:
        raise MissingResource("punkt_tab is not on this machine.", remedy="pip install it.")

    monkeypatch.setattr("fac_eval.metrics.text_resources.sentence_tokenizer", nowhere)
    done = doctor()
    assert done.code == 0
    assert (
        "missing  punkt_tab   punkt_tab is not on this machine, for scorers that count sentences and words"
        in done.out
    )
    assert "-> pip install it." in done.out


@pytest.mark.parametrize(("package", "code"), [("fac-eval", 1), ("somebody-else", 0)])
def test_broken_plugins_are_told_and_our_own_are_a_failure(
    package: str, code: int, doctor: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, "model", {"broken": "no_such_module:X"})
    monkeypatch.setattr(registry, "package_of", lambda kind, name: package)
    done = doctor()
    assert done.code == code
    assert "problem  model broken" in done.out
    assert "ModuleNotFoundError" in done.out
    assert f"-> pip install -U --force-reinstall {package}" in done.out


def test_the_offline_switch_is_shown(doctor: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    assert found(doctor)["network", "hub"]["found"] == "allowed"
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert "kept off by HF_HUB_OFFLINE" in found(doctor)["network", "hub"]["found"]


def test_the_store_that_is_there_is_opened(doctor: CommandLine, finished_store: Path) -> None:
    assert found(doctor, "--store", str(finished_store))["store", "content"]["found"] == "1 runs"
    assert ("store", "content") not in found(doctor, "--store", "not-yet")
    assert not Path("not-yet").exists()


def test_a_damaged_store_is_a_problem(doctor: CommandLine) -> None:
    Store.writer("bad").close()
    Path("bad/store.sqlite").write_bytes(b"SQLite format 3\0" + b"\xff" * 50)
    check = found(doctor, "--store", "bad")["store", "content"]
    assert check["status"] == "problem"
    assert "recover" in check["remedy"]


def test_a_folder_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refused(dir: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(checks.tempfile, "TemporaryFile", refused)
    folder = next(checks.store_checks(tmp_path))
    assert folder.status == "problem"
    assert "Permission denied" in folder.found


MOUNTS = """\
/dev/sda1 / ext4 rw 0 0
server:/home /home nfs4 rw 0 0
overlay /home/me/local overlay rw 0 0
host:/data /mnt/with\\040blank fuse.sshfs rw 0 0
/dev/sdb /scratch xfs rw 0 0
server:/s /scratch lustre rw 0 0
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/x", "ext4"),
        ("/home/me", "nfs4"),
        ("/homes/me", "ext4"),
        ("/home/me/local/deep", "overlay"),
        ("/mnt/with blank/x", "fuse.sshfs"),
        ("/scratch/x", "lustre"),
    ],
)
def test_the_file_system_of_a_path(path: str, kind: str) -> None:
    assert checks.file_system(Path(path), MOUNTS) == kind


@pytest.mark.parametrize(
    ("kind", "status"),
    [("nfs4", "problem"), ("cifs", "problem"), ("fuse.sshfs", "problem"), ("ext4", "ok"), ("fuse", "ok")],
)
def test_a_store_on_a_network_file_system_is_a_problem(
    kind: str, status: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "file_system", lambda path: kind)
    (check,) = [one for one in checks.store_checks(tmp_path) if one.name == "file system"]
    assert check.status == status


def test_without_a_list_of_mounts_nothing_is_claimed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "file_system", lambda path: None)
    assert [check.name for check in checks.store_checks(tmp_path)] == ["folder"]


def test_a_gpu_that_torch_does_not_see(
    doctor: CommandLine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tool = tmp_path / "bin" / "nvidia-smi"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\necho 'H100, 81559 MiB, 570.1'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tool.parent), prepend=os.pathsep)
    monkeypatch.setattr(checks, "installed", lambda name: "1.0")
    monkeypatch.setattr(checks, "_torch", lambda: f"2.0, {checks.CPU_ONLY}")
    shown = found(doctor)
    assert shown["devices", "nvidia-smi"]["found"] == "H100, 81559 MiB, 570.1"
    assert shown["devices", "torch"]["status"] == "problem"
    assert "CUDA" in shown["devices", "torch"]["remedy"]


def test_a_driver_that_fails_is_a_problem(
    doctor: CommandLine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'Driver/library version mismatch' >&2\nexit 18\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    check = found(doctor)["devices", "nvidia-smi"]
    assert (check["status"], check["found"]) == ("problem", "Driver/library version mismatch")


def test_a_full_disk_is_a_problem(doctor: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "LITTLE_SPACE", 10**18)
    check = found(doctor)["caches", "prepared data"]
    assert check["status"] == "problem"
    assert "FAC_EVAL_CACHE" in check["remedy"]


def test_where_the_hub_keeps_its_things_is_asked_of_its_library(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", "/somewhere/hub")
    hub = checks._hub()
    assert hub is not None
    assert hub.cache == Path("/somewhere/hub")
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert checks._hub() is None


def test_a_check_that_fails_itself_does_not_hide_the_others(
    doctor: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash() -> None:
        raise RuntimeError("what now")

    monkeypatch.setattr(checks, "_keys", crash)
    shown = found(doctor)
    assert shown["keys", "check"]["found"] == "RuntimeError: what now"
    assert shown["plugins", "task"]["status"] == "ok"


def test_extras_and_programs_say_what_they_are_for(
    doctor: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    checks_ = found(doctor)
    extras = {"faster-whisper": "faster-whisper", "matplotlib": "report", "pocketsphinx": "speech"}
    for package, extra in extras.items():
        enables = checks_[f"extra {extra}", package]["enables"]
        assert enables
        assert not enables.startswith("the extra")
    for program in ("flite", "espeak-ng", "ffmpeg"):
        assert checks_["programs", program]["status"] == "missing"
        assert f"apt-get install {program}" in checks_["programs", program]["remedy"]
