"""The site as a folder: what is in it, what it replaces, what it refuses; and the command that writes it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from fac_eval.errors import FacEvalError, UsageError
from fac_eval.reports.runs import find_runs
from fac_eval.reports.site.chunks import unpacked
from fac_eval.reports.site.command import report, view
from fac_eval.reports.site.export import MARK, write_site
from fac_eval.reports.site.server import SiteServer
from fac_eval.store import Store


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_the_folder_holds_frame_script_styles_data_and_sound(site: Path) -> None:
    found = files(site)
    assert {"index.html", "app.js", "site.css", "icon.svg", MARK, "data/site.js", "data/t0/index.js"} <= found
    sounds = [name for name in found if name.startswith("audio/")]
    assert all(re.fullmatch(r"audio/[0-9a-f]{2}/[0-9a-f]{32}\.(wav|flac|mp3|ogg)", name) for name in sounds)
    assert {Path(name).stem for name in sounds} == {
        Path(name).stem for name in found if name.startswith("data/clips/")
    }


def test_every_chunk_is_nothing_but_a_call_with_packed_data(site: Path) -> None:
    for path in (site / "data").rglob("*.js"):
        name, _ = unpacked(path.read_bytes())
        assert path == site / "data" / f"{name}.js"


def test_nothing_points_outside(site: Path) -> None:
    for name in ("index.html", "site.css", "app.js"):
        text = (site / name).read_text("utf-8")
        addresses = set(re.findall(r"https?://[^\s\"'`)]+", text))
        assert addresses <= {"http://www.w3.org/2000/svg"}
        assert "@import" not in text


def test_questions_and_answers_are_beside_the_pages_and_named_in_them(site: Path) -> None:
    for path in (site / "data").glob("*/samples-0.js"):
        _, samples = unpacked(path.read_bytes())
        clips = [
            part
            for sample in samples
            for message in sample["messages"]
            for part in message["parts"]
            if "audio" in part
        ]
        clips += [cell["speech"] for sample in samples for cell in sample["cells"] if cell and cell["speech"]]
        assert all((site / clip["file"]).is_file() for clip in clips if clip["file"])
        assert all(clip["file"] for clip in clips)


def test_without_sound(world: str, tmp_path: Path) -> None:
    written = write_site(find_runs([], world), tmp_path / "site", audio="none")
    assert written.clips == written.audio_bytes == 0
    assert not (tmp_path / "site" / "audio").exists()


def test_linked_answers_are_the_store_s_own_files(world: str, tmp_path: Path) -> None:
    write_site(find_runs(["latest"], world), tmp_path / "site", audio="link")
    with Store.reader(world) as store:
        kept = {path.name: path for path in (store.folder / "audio").rglob("*.flac")}
    linked = {path.name: path for path in (tmp_path / "site" / "audio").rglob("*.flac") if path.name in kept}
    assert linked
    assert all(path.samefile(kept[name]) for name, path in linked.items())


def test_sound_that_is_nowhere_is_said_and_does_not_stop_the_site(world: str, tmp_path: Path) -> None:
    written = write_site(find_runs([], world), tmp_path / "site", data=str(tmp_path))
    assert any(
        "clips of questions are left out" in remark and "speech_fc" in remark for remark in written.remarks
    )
    assert written.clips > 0  # the answers lie in the store


def test_an_older_site_is_replaced_whole(world: str, tmp_path: Path) -> None:
    folder = tmp_path / "site"
    write_site(find_runs(["latest"], world), folder, audio="none")
    (folder / "left-over.txt").write_text("old")
    write_site(find_runs(["latest"], world), folder, audio="none")
    assert "left-over.txt" not in files(folder)
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def test_what_is_no_site_is_left_alone(world: str, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(UsageError, match="is not empty, and no site"):
        write_site(find_runs([], world), tmp_path)
    with pytest.raises(UsageError, match="is no folder"):
        write_site(find_runs([], world), tmp_path / "thesis.tex")
    assert files(tmp_path) == {"thesis.tex"}


def test_a_site_that_fails_half_way_leaves_the_old_one(
    world: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "site"
    write_site(find_runs(["latest"], world), folder, audio="none")
    before = files(folder)

    def broken(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("fac_eval.reports.site.export._Writer._chunk", broken)
    with pytest.raises(UsageError, match="No space left"):
        write_site(find_runs(["latest"], world), folder)
    assert files(folder) == before
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def test_the_same_runs_make_the_same_build(world: str, tmp_path: Path) -> None:
    builds = []
    for name in ("one", "two"):
        write_site(find_runs([], world), tmp_path / name, audio="none")
        builds.append(unpacked((tmp_path / name / "data" / "site.js").read_bytes())[1]["build"])
    assert builds[0] == builds[1]


def test_the_command_writes_and_says_what(world: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(report, ["latest", "--html", str(tmp_path / "out"), "--store", world])
    assert done.exit_code == 0, done.output
    assert "2 systems on 1 tasks, 24 samples" in done.output
    assert (tmp_path / "out" / "index.html").is_file()


@pytest.mark.parametrize("command", [report, view], ids=["report", "view"])
def test_commands_refuse_what_is_not_there(command: object, tmp_path: Path) -> None:
    more = ["--html", str(tmp_path / "out")] if command is report else ["--no-browser"]
    for arguments, complaint in (
        (["--store", str(tmp_path / "none")], "there is no store"),
        (["--store", str(empty_store(tmp_path))], "holds no run yet"),
        (["--store", str(empty_store(tmp_path)), "abc"], "unknown run 'abc'"),
    ):
        done = CliRunner().invoke(command, [*arguments, *more])  # type: ignore[arg-type]
        assert isinstance(done.exception, FacEvalError)
        assert complaint in str(done.exception)
    assert not (tmp_path / "out").exists()


def empty_store(folder: Path) -> Path:
    Store.writer(folder / "empty").close()
    return folder / "empty"


def test_view_serves_opens_the_browser_and_ends_with_ctrl_c(
    world: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []

    def interrupted(self: SiteServer) -> None:
        assert self.pages.get("/data/site.js", None) is not None
        raise KeyboardInterrupt

    monkeypatch.setattr(SiteServer, "serve_forever", interrupted)
    monkeypatch.setattr("webbrowser.open", opened.append)
    done = CliRunner().invoke(view, ["latest", "--store", world])
    assert done.exit_code == 0, done.output
    assert done.output.split()[0] == opened[0]
    assert opened[0].startswith("http://127.0.0.1:")
    CliRunner().invoke(view, ["latest", "--store", world, "--no-browser"])
    assert len(opened) == 1


def test_a_swap_that_fails_puts_the_old_site_back(
    world: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "site"
    write_site(find_runs(["latest"], world), folder, audio="none")
    before, rename = files(folder), Path.rename

    def stubborn(self: Path, target: Path) -> Path:
        if self.suffix == ".part":
            raise OSError(18, "Invalid cross-device link")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", stubborn)
    with pytest.raises(UsageError, match="cross-device"):
        write_site(find_runs(["latest"], world), folder, audio="none")
    assert files(folder) == before


def test_the_folder_must_be_named() -> None:
    done = CliRunner().invoke(report, [])
    assert done.exit_code == 2
    assert "--html" in done.output
