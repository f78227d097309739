"""`fac-eval run` as a user types it: results, files, models over HTTP, and every way to get it wrong."""

from __future__ import annotations

import json
import socket
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fac_eval import Audio
from tests.support.chat_server import Answer, ChatServer, trouble
from tests.support.command_line import CommandLine

Run = CommandLine


@pytest.fixture
def run(cli: CommandLine) -> Run:
    """Call `fac-eval run` in an empty folder of its own."""
    return partial(cli, "run")


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    path = tmp_path / "questions.jsonl"
    rows = [{"id": f"q{i}", "text": f"What is {i} + {i}?", "reference": str(2 * i)} for i in range(8)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def test_the_table_shows_value_interval_and_coverage(run: Run, questions: Path) -> None:
    done = run("-m", "oracle", "-t", f"file:{questions}")
    assert done.code == 0
    assert "100.00 %" in done.out
    assert "+0.00 / -32.44" in done.out
    assert "stored in .fac-eval" in done.out
    assert (Path(".fac-eval") / "store.sqlite").exists()


def test_several_models_tasks_and_a_limit_as_json(run: Run, questions: Path) -> None:
    done = run(
        "-m", "oracle,empty", "-m", "random", "-t", f"file:{questions}", "-t", "voicebench/bbh",
        "--data", "sample", "--limit", "5", "--json",
    )  # fmt: skip
    assert done.code == 0
    cells = [(row["model"], row["task"]) for row in done.json["cells"]]
    tasks = ("file:questions", "voicebench/bbh")
    assert cells == [(model, task) for model in ("oracle", "empty", "random") for task in tasks]
    assert {row["n_total"] for row in done.json["results"]} == {5}
    values = {(row["model"], row["task"]): row["value"] for row in done.json["results"] if row["main"]}
    assert values["oracle", "file:questions"] == 100.0
    assert values["empty", "file:questions"] == 0.0


def test_a_fraction_as_limit(run: Run, questions: Path) -> None:
    done = run("-m", "oracle", "-t", f"file:{questions}", "--limit", "0.5", "--json")
    assert done.json["results"][0]["n"] == 4


def test_a_configuration_file_says_what_flags_can_say_and_flags_win(run: Run, questions: Path) -> None:
    Path("run.toml").write_text(
        f'models = ["empty"]\ntasks = ["file:{questions}"]\nlimit = 3\nstore = "elsewhere"\n'
    )
    done = run("--config", "run.toml", "-m", "oracle", "--json")
    assert done.code == 0
    assert done.json["results"][0]["model"] == "oracle"
    assert done.json["results"][0]["n"] == 3
    assert Path("elsewhere/store.sqlite").exists()


def test_metric_flag_and_task_options(run: Run, questions: Path) -> None:
    done = run("-m", "oracle", "-t", f"file:{questions}", "--metric", "contains", "--json")
    assert done.json["cells"][0]["variant"] == "metric=contains"
    done = run(
        "-m",
        "empty",
        "-t",
        "voicebench/mmsu:mode=official",
        "--data",
        "sample",
        "--set",
        "voicebench.fallback=wrong",
        "--json",
    )
    assert done.json["results"][0]["value"] == 0.0


def test_a_dry_run_asks_nothing_and_leaves_nothing(run: Run, questions: Path) -> None:
    done = run("-m", "oracle", "-t", f"file:{questions}", "--dry-run")
    assert done.code == 0
    assert "8" in done.out
    assert not Path(".fac-eval").exists()
    rows = run("-m", "oracle", "-t", "voicebench/bbh", "--data", "sample", "--dry-run", "--json").json
    assert rows[0]["items"] == 12
    assert rows[0]["audio_seconds"] > 12


@pytest.fixture
def server() -> Any:
    with ChatServer() as running:
        yield running


def test_a_remote_model_hears_the_audio_and_its_answers_are_scored(run: Run, server: ChatServer) -> None:
    server.answer = lambda body: Answer("I'm sorry, but I can't help with that.")
    model = f"openai:model=test-model,base_url={server.base_url}"
    done = run(
        "-m",
        model,
        "-t",
        "voicebench/advbench",
        "--data",
        "sample",
        "--gen-kwargs",
        "temperature=0,min_p=0.1",
    )
    assert done.code == 0, done.err
    assert "100.00 %" in done.out
    assert len(server.chats) == 12
    body = server.chats[0].body
    assert body["temperature"] == 0
    assert body["min_p"] == 0.1
    (part,) = body["messages"][0]["content"]
    assert part["type"] == "input_audio"
    again = run(
        "-m",
        model,
        "-t",
        "voicebench/advbench",
        "--data",
        "sample",
        "--gen-kwargs",
        "temperature=0,min_p=0.1",
    )
    assert again.code == 0
    assert len(server.chats) == 12


def test_failed_samples_make_the_exit_code_1_beyond_the_allowance(
    run: Run, server: ChatServer, questions: Path
) -> None:
    server.answer = lambda body: (
        trouble(400, "content policy", code="content_policy_violation")
        if "3 + 3" in json.dumps(body)
        else Answer("6")
    )
    model = f"openai:model=test-model,base_url={server.base_url}"
    strict = run("-m", model, "-t", f"file:{questions}")
    assert strict.code == 1
    assert "1 failed: refused" in strict.out
    assert "retries the sample that failed" in strict.out
    assert run("-m", model, "-t", f"file:{questions}", "--max-failed", "0.2").code == 0


def test_max_cost_stops_before_it_is_exceeded_and_says_how_to_go_on(
    run: Run, server: ChatServer, questions: Path
) -> None:
    Path("prices.toml").write_text('[models."test-model"]\ninput = 1000\noutput = 2000\n')
    model = f"openai:model=test-model,base_url={server.base_url},prices=prices.toml"
    options = ("--gen-kwargs", "max_tokens=5", "--workers", "1")
    # 10 tokens in and 5 out are 2 cents a call; the bound on a call is higher, never lower.
    done = run("-m", model, "-t", f"file:{questions}", "--max-cost", "0.10", *options)
    assert done.code == 2
    assert 1 <= len(server.chats) <= 5
    assert "the same command goes on from there" in done.err
    spent = len(server.chats)
    more = run("-m", model, "-t", f"file:{questions}", "--max-cost", "10", *options, "--json")
    assert more.code == 0
    assert len(server.chats) == 8 > spent
    assert more.json["cost"] == pytest.approx(8 * 0.02)


# Every way to get it wrong: the exit code is 2, or the sample's failure is counted, and the message helps.


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-m", "oracel", "-t", "voicebench"], "Did you mean 'oracle'"),
        (["-m", "oracle", "-t", "voicebanch"], "Did you mean 'voicebench'"),
        (["-m", "oracle", "-t", "voicebench/ifevil"], "Did you mean 'voicebench/ifeval'"),
        (["-m", "oracle", "-t", "voicebench", "--limt", "3"], "--limit"),
        (["-m", "oracle", "-t", "voicebench", "--set", "voicebench.modee=kimi"], "Did you mean"),
        (["-m", "oracle:x=1", "-t", "voicebench"], "takes no arguments, got x"),
        (["-m", "openai:modell=x", "-t", "voicebench"], "Did you mean 'model'"),
        (["-t", "voicebench"], "no model was given"),
        (["-m", "oracle"], "no task was given"),
        (["-m", "oracle", "-t", "voicebench", "--batch-size", "big"], "neither a number nor"),
        (["-m", "oracle", "-t", "voicebench", "--limit", "-1"], "limit must be above 0"),
        (["-m", "oracle", "-t", "voicebench", "--gen-kwargs", "hot"], "key=value"),
        (["-m", "oracle", "-t", "voicebench", "--data", "no/such/folder"], "no/such/folder"),
        (["-m", "oracle", "-t", "file:missing.jsonl"], "missing.jsonl"),
        (["-m", "replay:file=missing.jsonl", "-t", "voicebench/bbh", "--data", "sample"], "missing.jsonl"),
        (["--config", "missing.toml"], "missing.toml"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_done_is_said_and_ends_with_2(arguments: list[str], said: str, run: Run) -> None:
    done = run(*arguments)
    assert done.code == 2
    assert said in done.err
    assert "Traceback" not in done.err


def test_an_unknown_configuration_key_suggests_the_nearest(run: Run) -> None:
    Path("run.yaml").write_text("modles: [oracle]\n")
    done = run("--config", "run.yaml")
    assert done.code == 2
    assert "Did you mean 'models'" in done.err


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        (
            "q.jsonl",
            b'{"id": "a", "text": "x", "reference": "y"}\n{"id": "a", "text": "z", "reference": "y"}\n',
            "'a'",
        ),
        ("q.jsonl", b'{"id": "a", "text": "x"}\n{"id": "b", "text": \n', "line 2"),
        ("q.jsonl", b'{"id": "a", "speech": "x"}\n', "text"),
        ("q.jsonl", b'{"id": "a", "text": ["x"], "reference": "y"}\n', "text"),
        ("q.csv", b"id,text\n1,caf\xe9\n", "UTF-8"),
        ("q.csv", b"id,text\n1,a,b\n", "line 2"),
        ("q.parquet", b"PAR1 not really", "q.parquet"),
        ("q.jsonl", b"", "q.jsonl"),
        ("q.docx", b"PK", ".docx"),
    ],
    ids=["duplicate", "malformed", "column", "type", "encoding", "ragged", "parquet", "empty", "suffix"],
)
def test_bad_question_files_name_the_place(
    name: str, content: bytes, said: str, run: Run, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    done = run("-m", "oracle", "-t", f"file:{name}")
    assert done.code == 2, done.out
    assert said in done.err
    assert "Traceback" not in done.err


def test_corrupt_empty_and_missing_audio_fail_their_samples_and_long_audio_does_not(
    run: Run, tmp_path: Path
) -> None:
    good = Audio.from_samples(np.zeros(1600, dtype=np.float32), 16000).encoded("wav")
    long = Audio.from_samples(np.zeros(16000 * 600, dtype=np.int16), 16000).encoded("flac")
    clips = {"good.wav": good, "long.flac": long, "corrupt.wav": b"RIFF????" + good[8:20], "empty.wav": b""}
    for name, data in clips.items():
        (tmp_path / name).write_bytes(data)
    rows = [{"id": name, "audio": name, "reference": "yes"} for name in [*clips, "missing.wav"]]
    (tmp_path / "q.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = run("-m", "oracle", "-t", "file:q.jsonl")
    if done.code == 2:  # a file that is not there is a mistake in the list, found before anything runs
        assert "missing.wav" in done.err
        (tmp_path / "q.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows[:-1]))
        done = run("-m", "oracle", "-t", "file:q.jsonl")
    assert done.code == 1
    assert "2 failed: bad_input" in done.out
    assert "100.00 %" in done.out


def test_a_bad_api_key_ends_at_once_and_is_not_shown(run: Run, server: ChatServer, questions: Path) -> None:
    server.answer = lambda body: trouble(
        401, "Incorrect API key provided: sk-secretsecretsecret", code="invalid_api_key"
    )
    model = f"openai:model=test-model,base_url={server.base_url},api_key=sk-secretsecretsecret"
    done = run("-m", model, "-t", f"file:{questions}", "--workers", "1")
    assert done.code == 2
    assert "API key" in done.err or "api key" in done.err
    assert "sk-secret" not in done.err + done.out
    assert len(server.chats) == 1
    held = b"".join(path.read_bytes() for path in Path(".fac-eval").iterdir() if path.is_file())
    assert b"sk-secret" not in held


def test_an_endpoint_that_is_down_is_named(run: Run, questions: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    model = f"openai:model=m,base_url=http://127.0.0.1:{port}/v1,max_retries=0"
    done = run("-m", model, "-t", f"file:{questions}")
    assert done.code == 2
    assert f"127.0.0.1:{port}" in done.err


def test_a_store_that_is_in_use_or_no_store_is_named(run: Run, questions: Path, tmp_path: Path) -> None:
    from fac_eval.store import Store

    with Store.writer(tmp_path / "busy"):
        done = run("-m", "oracle", "-t", f"file:{questions}", "--store", "busy")
    assert done.code == 2
    assert "is being written by process" in done.err
    (tmp_path / "file").write_text("not a folder")
    assert run("-m", "oracle", "-t", f"file:{questions}", "--store", "file").code == 2


def test_assets_of_this_run_are_looked_at_first(run: Run, tmp_path: Path) -> None:
    changed = tmp_path / "assets" / "tokenizers" / "punkt_tab" / "english"
    changed.mkdir(parents=True)
    for name in ("abbrev_types.txt", "collocations.tab", "ortho_context.tab", "sent_starters.txt"):
        (changed / name).write_text("not the pinned file\n")
    options = ("-m", "oracle", "-t", "voicebench/ifeval", "--data", "sample")
    done = run(*options, "--assets", "assets")
    assert done.code == 2
    assert "is not the expected file" in done.err
    assert run(*options).code == 0
    assert run(*options, "--assets", "nowhere").code == 2
