"""`fac-eval model`, and what importing the package costs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from fac_eval.errors import UsageError
from tests.support.hub_server import FakeHub, Reply, serve


def invoke(*arguments: str) -> tuple[int, str]:
    from fac_eval.model.cli import command

    result = CliRunner().invoke(command, arguments)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


def test_importing_the_package_loads_neither_torch_nor_transformers() -> None:
    program = (
        "import sys, fac_eval.model, fac_eval.model.cli, fac_eval.model.adapter;"
        "print([n for n in ('torch', 'transformers', 'numpy') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_public_name_is_there() -> None:
    import fac_eval.model

    for name in fac_eval.model.__all__:
        assert getattr(fac_eval.model, name) is not None
    with pytest.raises(AttributeError, match="Nothing"):
        _ = fac_eval.model.Nothing


def test_a_good_checkpoint(golden_folder: Path) -> None:
    code, text = invoke("check", str(golden_folder / "tiny"))
    assert code == 0
    for fact in (
        "30 s (chunk_length)",
        "6564: <|audio_unk|>",
        "max_new_tokens: 64",
        "plain ChatML",
        "<|sil|>: 419",
        "2.9 MiB",
    ):
        assert fact in text
    assert text.splitlines()[-1].startswith("verdict: this checkpoint loads, and will need 1.5 MiB")


def test_a_checkpoint_on_the_hub_is_checked_without_its_weights(
    golden_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = golden_folder / "tiny"
    files = {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }
    fetched: list[str] = []
    hub = FakeHub("team/tiny", {"c" * 40: files}, {"main": "c" * 40}, kind="models")

    def answer(method: str, path: str, headers: dict[str, str], body: bytes) -> Reply:
        reply = hub(method, path, headers, body)
        if method == "GET" and path.endswith(".safetensors"):
            fetched.append(headers.get("range", headers.get("Range", "all of it")))
        return reply

    with serve(answer) as server:
        # The library reads its settings when it is imported: a process of its own.
        environment = {"HF_ENDPOINT": server.url, "HF_HOME": str(tmp_path), "HF_HUB_DISABLE_XET": "1"}
        code = "from fac_eval.model.cli import command; command(['check', 'team/tiny'])"
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("verdict: this checkpoint loads")
    assert fetched == ["bytes=0-100000"]


def _without_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def _with_another_codebook(folder: Path) -> None:
    values = json.loads((folder / "config.json").read_text())
    values["audio_config"]["codebook_size"] = 6600
    (folder / "config.json").write_text(json.dumps(values))


def _without_silence(folder: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        path = folder / name
        path.write_text(path.read_text().replace("<|sil|>", "<|hush|>"))


def _with_another_index(folder: Path) -> None:
    values = json.loads((folder / "config.json").read_text())
    values["text_config"]["audio_eos_index"] = 7
    (folder / "config.json").write_text(json.dumps(values))


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (_without_weights, "holds no weights"),
        (_with_another_codebook, "codebook_size is 6600"),
        (_without_silence, "the tokenizer lacks <|sil|>"),
        (_with_another_index, "text_config.audio_eos_index is 7 but the tokenizer's <|audio_eos|> is 417"),
    ],
    ids=["weights", "codebook", "token", "index"],
)
def test_a_bad_checkpoint(
    golden_folder: Path, tmp_path: Path, damage: Callable[[Path], None], named: str
) -> None:
    folder = Path(shutil.copytree(golden_folder / "tiny", tmp_path / "checkpoint"))
    damage(folder)
    code, text = invoke("check", str(folder), "--json")
    report = json.loads(text)
    assert (code, report["loads"]) == (1, False)
    assert any(named in problem for problem in report["problems"])


def test_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no folder"):
        invoke("check", str(tmp_path / "nowhere"))


def test_tiny_writes_a_checkpoint_that_checks_and_is_reproducible(tmp_path: Path, tiny_folder: Path) -> None:
    code, text = invoke("tiny", str(tmp_path / "made"))
    assert code == 0
    assert "fac-eval run -m fun-audio-chat" in text
    assert invoke("check", str(tmp_path / "made"))[0] == 0
    names = sorted(path.relative_to(tiny_folder) for path in tiny_folder.rglob("*") if path.is_file())
    for name in names:
        if name.suffix != ".pt":  # a zip with time stamps
            assert (tmp_path / "made" / name).read_bytes() == (tiny_folder / name).read_bytes(), name
    with pytest.raises(UsageError, match="not empty"):
        invoke("tiny", str(tmp_path / "made"))


def test_another_seed_writes_other_weights(tmp_path: Path, tiny_folder: Path) -> None:
    invoke("tiny", str(tmp_path / "made"), "--seed", "1")
    ours, theirs = (
        (folder / "model.safetensors").read_bytes() for folder in (tmp_path / "made", tiny_folder)
    )
    assert ours != theirs
