"""The store's promises: one writer, durable groups, nothing foreign touched, no secrets, clear errors."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fac_eval import Audio
from fac_eval.errors import StoreError, UnknownName
from fac_eval.store import ItemRow, Store, schema
from fac_eval.vocabulary import Figure


def cell_of(store: Store, run: str = "r1") -> int:
    store.save_run(run, {"tasks": ["t"]})
    return store.save_cell(
        run,
        0,
        model="m",
        model_info={},
        task="t",
        task_spec={},
        variant="",
        protocol_id="p",
        protocol={},
        data="d",
    )


def write(
    store: Store, *, work: dict[bytes, bytes] | None = None, items: list[ItemRow] | None = None
) -> None:
    cell = cell_of(store)

    async def main() -> None:
        async with store.results_writer() as writer:
            await writer.work("generate", (work or {}).items())
            await writer.items(cell, items or [], [(row.sample, b"{}") for row in items or [] if row.sample])

    asyncio.run(main())


def item(position: int, outcome: Any = "scored", reason: str | None = None) -> ItemRow:
    return ItemRow(position, f"s{position}", b"k%d" % position, None, outcome, reason, None, b'{"value":1.0}')


@given(
    work=st.dictionaries(st.binary(min_size=1, max_size=20), st.binary(max_size=200), max_size=30),
    outcomes=st.lists(
        st.sampled_from([("scored", None), ("failed", "timeout"), ("skipped", "long")]), max_size=30
    ),
)
@settings(max_examples=25)
def test_what_is_written_is_read_back(
    work: dict[bytes, bytes], outcomes: list[tuple[Any, str | None]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("store")
    rows = [item(position, *outcome) for position, outcome in enumerate(outcomes)]
    with Store.writer(folder) as store:
        write(store, work=work, items=rows)
    with Store.reader(folder) as store:
        assert store.works([*work, b"never written"]) == work
        cell = store.cells("r1")[0]
        assert list(store.items(cell.id)) == rows
        assert cell.counts.scored == sum(outcome == "scored" for outcome, _ in outcomes)
        assert cell.counts.n_failed == sum(outcome == "failed" for outcome, _ in outcomes)
        settled = {row.position for row in rows if row.outcome != "failed"}
        assert store.settled(cell.id, 0, len(rows)) == settled


@pytest.mark.parametrize(
    "positions",
    [
        pytest.param([], id="none"),
        pytest.param([7, 3, 3, 1199], id="any order, one twice"),
        pytest.param([0, 5000, -1], id="some that are not there"),
        pytest.param(range(1, 1200), id="more than go into one question"),
    ],
)
def test_items_at_some_positions(positions: Sequence[int], tmp_path: Path) -> None:
    rows = [item(position) for position in range(1200)]
    with Store.writer(tmp_path) as store:
        write(store, items=rows)
        (cell,) = store.cells("r1")
        assert list(store.items(cell.id, positions)) == [row for row in rows if row.position in positions]
        assert list(store.items(cell.id + 1, positions)) == []


@pytest.mark.parametrize(
    "read",
    [
        pytest.param(lambda store, cell: list(store.items(cell, [7, 1199])), id="at positions"),
        pytest.param(lambda store, cell: next(store.items(cell)), id="the first"),
    ],
)
def test_a_few_items_cost_no_reading_of_the_others(
    read: Callable[[Store, int], object], tmp_path: Path
) -> None:
    def steps(work: Callable[[Store, int], object]) -> int:
        taken = 0

        def count() -> int:
            nonlocal taken
            taken += 1
            return 0

        with Store.reader(tmp_path) as store:
            store._read_connection().set_progress_handler(count, 1)
            work(store, cell)
        return taken

    with Store.writer(tmp_path) as store:
        write(store, items=[item(position) for position in range(1200)])
        cell = store.cells("r1")[0].id
    assert 0 < 20 * steps(read) < steps(lambda store, cell: list(store.items(cell)))


def test_pending_work_is_visible_before_its_commit(tmp_path: Path) -> None:
    async def main(store: Store) -> None:
        async with store.results_writer() as writer:
            await writer.work("generate", [(b"k", b"answer")])
            assert writer.pending(b"k") == b"answer"
            assert writer.pending(b"other") is None

    with Store.writer(tmp_path) as store:
        asyncio.run(main(store))
        assert store.works([b"k"]) == {b"k": b"answer"}


def test_many_rows_are_held_back_until_there_is_room(tmp_path: Path) -> None:
    async def main(store: Store, cell: int) -> None:
        async with store.results_writer() as writer:
            for start in range(0, 50_000, 500):
                await writer.items(cell, [item(position) for position in range(start, start + 500)])
                assert len(writer._group) <= 3 * 4096

    with Store.writer(tmp_path) as store:
        cell = cell_of(store)
        asyncio.run(main(store, cell))
        assert store.counts(cell).scored == 50_000


def test_a_second_writer_is_told_who_is_writing(tmp_path: Path) -> None:
    with (
        Store.writer(tmp_path),
        pytest.raises(StoreError, match=f"being written by process {os.getpid()} on"),
    ):
        Store.writer(tmp_path)
    Store.writer(tmp_path).close()


def test_readers_do_not_wait_for_the_writer(tmp_path: Path) -> None:
    with Store.writer(tmp_path) as store:
        write(store, items=[item(0)])
        with Store.reader(tmp_path) as reader:
            assert reader.counts(1).scored == 1
            write(store, items=[item(1)])
            assert reader.counts(1).scored == 2


def test_a_full_disk_is_named_and_what_was_committed_stays(tmp_path: Path) -> None:
    with Store.writer(tmp_path) as store:
        write(store, work={b"first": b"x"})
        pages = store._query("PRAGMA page_count").fetchone()[0]
        cell = cell_of(store)

        async def overflow() -> None:
            writer = store.results_writer()
            writer._connection.execute(f"PRAGMA max_page_count = {pages + 4}")
            async with writer:
                await writer.work("generate", [(b"k%d" % i, b"y" * 4000) for i in range(100)])

        with pytest.raises(StoreError, match="is full") as caught:
            asyncio.run(overflow())
        assert "Free space and run the same command again" in str(caught.value)
    with Store.writer(tmp_path) as store:
        assert store.works([b"first", b"k0"]) == {b"first": b"x"}
        assert store.counts(cell).total == 0


def test_a_missing_store_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"no store in .*\n.*fac-eval run"):
        Store.reader(tmp_path / "nowhere")


@pytest.mark.parametrize("size", [1, 50, 100, 5000])
@pytest.mark.parametrize("opened", [Store.reader, Store.writer])
def test_a_truncated_store_is_refused_and_not_touched(opened: Any, size: int, tmp_path: Path) -> None:
    with Store.writer(tmp_path) as store:
        write(store, work={b"k": b"x" * 100_000})
    path = tmp_path / "store.sqlite"
    cut = path.read_bytes()[:size]
    path.write_bytes(cut)
    with pytest.raises(StoreError, match="damaged"):
        opened(tmp_path)
    assert path.read_bytes() == cut


def test_a_text_file_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "store.sqlite").write_text("dear diary, " * 50)
    with pytest.raises(StoreError, match="no SQLite header"):
        Store.writer(tmp_path)
    assert (tmp_path / "store.sqlite").read_text().startswith("dear diary")


def test_a_foreign_database_is_not_touched(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "store.sqlite")
    connection.execute("CREATE TABLE diary (entry TEXT)")
    connection.commit()
    connection.close()
    before = (tmp_path / "store.sqlite").read_bytes()
    with pytest.raises(StoreError, match="not a store of fac-eval"):
        Store.writer(tmp_path)
    assert (tmp_path / "store.sqlite").read_bytes() == before


def test_a_newer_store_asks_for_an_update(tmp_path: Path) -> None:
    Store.writer(tmp_path).close()
    connection = sqlite3.connect(tmp_path / "store.sqlite")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    for opened in (Store.reader, Store.writer):
        with pytest.raises(StoreError, match="newer fac-eval"):
            opened(tmp_path)


def test_an_older_store_is_migrated_by_the_next_writer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store.writer(tmp_path) as store:
        write(store, work={b"k": b"kept"})

    def add_notes(connection: sqlite3.Connection) -> None:
        connection.execute("CREATE TABLE notes (run TEXT)")

    monkeypatch.setattr(schema, "MIGRATIONS", [*schema.MIGRATIONS, add_notes])
    with pytest.raises(StoreError, match="older fac-eval"):
        Store.reader(tmp_path)
    with Store.writer(tmp_path) as store:
        assert store.works([b"k"]) == {b"k": b"kept"}
        assert store._query("SELECT count(*) FROM notes").fetchone() == (0,)


def test_a_failed_migration_leaves_the_store_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Store.writer(tmp_path).close()

    def broken(connection: sqlite3.Connection) -> None:
        connection.execute("CREATE TABLE half (x)")
        connection.execute("CREATE TABLE half (x)")

    with monkeypatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", [*schema.MIGRATIONS, broken])
        with pytest.raises(StoreError):
            Store.writer(tmp_path)
    with Store.writer(tmp_path) as store:
        assert store._query("SELECT name FROM sqlite_master WHERE name = 'half'").fetchone() is None


@pytest.mark.parametrize("existing", [False, True], ids=["new", "existing"])
def test_a_folder_without_permission_is_named(existing: bool, tmp_path: Path) -> None:
    folder = tmp_path / "locked"
    if existing:
        Store.writer(folder).close()
    else:
        folder.mkdir()
    code = (
        "import fcntl, os, sys\n"
        "from fac_eval.store import Store\n"
        "from fac_eval.errors import StoreError\n"
        "os.geteuid() or os.setuid(65534)  # root is refused nothing\n"
        "try: Store.writer(sys.argv[1])\n"
        "except StoreError as error: print(error)\n"
    )
    for parent in [tmp_path, *tmp_path.parents]:
        if os.stat(parent).st_mode & 0o005 != 0o005:
            parent.chmod(0o755)
    folder.chmod(0o555)
    shown = subprocess.run(
        [sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True
    )
    assert str(folder) in shown.stdout
    assert "ermission" in shown.stdout


def test_a_read_only_copy_can_be_read(tmp_path: Path) -> None:
    with Store.writer(tmp_path) as store:
        write(store, work={b"k": b"x"})
    for side in ("-wal", "-shm"):
        (tmp_path / f"store.sqlite{side}").unlink(missing_ok=True)
    tmp_path.chmod(0o555)
    try:
        with Store.reader(tmp_path) as store:
            assert store.works([b"k"]) == {b"k": b"x"}
    finally:
        tmp_path.chmod(0o755)


def test_runs_are_found_by_the_beginning_of_their_id(tmp_path: Path) -> None:
    with Store.writer(tmp_path) as store:
        with pytest.raises(StoreError, match="holds no run yet"):
            store.run("latest")
        for run in ("abc1", "abd2"):
            store.save_run(run, {})
        store.start_session("abc1", {})
        assert store.run("abd").id == "abd2"
        assert store.run("latest").id == "abc1"
        with pytest.raises(UnknownName, match="abc1"):
            store.run("ab")
        with pytest.raises(UnknownName, match="Did you mean 'abc1'"):
            store.run("abcc")


def test_secrets_never_enter_the_store(tmp_path: Path) -> None:
    secret = "sk-proj-abcdefghijklmnopqrstuvwxyz123456"
    with Store.writer(tmp_path) as store:
        store.save_run(
            "r1", {"models": [{"name": "openai", "api_key": "plain-looking", "note": f"use {secret}"}]}
        )
        store.start_session("r1", {"command": ["fac-eval", "-m", f"openai:api_key={secret}"]})
        store.save_cell(
            "r1", 0, model="m", model_info={"authorization": f"Bearer {secret}"}, task="t", task_spec={},
            variant="", protocol_id="p", protocol={"url": "https://me:hunter2@host/"}, data="d",
        )  # fmt: skip
    held = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    for text in (secret, "plain-looking", "hunter2"):
        assert text.encode() not in held
    assert b"[redacted]" in held


def test_figures_survive_the_round_trip(tmp_path: Path) -> None:
    figures = [
        Figure("accuracy", 75.0, 4, low=30.0, high=95.0, method="wilson", main=True),
        Figure("none", None, 0),
    ]
    with Store.writer(tmp_path) as store:
        cell = cell_of(store)
        store.finish_cell(cell, 4, figures)
        (row,) = store.cells("r1")
    assert (row.done, row.total, row.figures) == (True, 4, tuple(figures))


def test_kept_audio_is_identified_by_what_was_written(tmp_path: Path) -> None:
    import numpy as np

    with Store.writer(tmp_path) as store:
        clip = Audio.from_samples(np.linspace(-0.5, 0.5, 800, dtype=np.float32), 16000)
        kept = store.audio.keep(clip)
        assert store.audio.keep(clip) == kept
        assert store.audio.load(kept.key) == kept
        assert [path.stem for path in (tmp_path / "audio").rglob("*.flac")] == [kept.key]
        assert list((tmp_path / "audio").rglob("*.part")) == []


def test_a_closed_store_is_whole_in_one_file(tmp_path: Path) -> None:
    with Store.writer(tmp_path) as store:
        write(store, work={b"k": b"x"})
        with ThreadPoolExecutor(1) as thread:  # which gets a connection of its own, to read
            assert thread.submit(store.works, [b"k"]).result()
    assert {path.name for path in tmp_path.iterdir()} == {"store.sqlite", "writer.lock"}


def test_money_is_booked_to_the_run_that_spends_it(tmp_path: Path) -> None:
    async def main(store: Store) -> None:
        for run in ("r1", "r1", "r2"):
            async with store.results_writer(run) as writer:
                await writer.work("generate", [(b"k", b"{}")], 0.25)
                await writer.work("judge", [], 1.0)
                await writer.work("judge", [(b"v", b"{}")])

    with Store.writer(tmp_path) as store:
        cell_of(store)
        asyncio.run(main(store))
        assert store.costs("r1") == {"generate": 0.5, "judge": 2.0}
        assert store.costs("r2") == {"generate": 0.25, "judge": 1.0}
        assert store.costs("r3") == {}


def test_batches_are_known_until_their_replies_are_kept(tmp_path: Path) -> None:
    keys = [bytes([i]) * 16 for i in range(3)]

    async def main(store: Store) -> None:
        async with store.results_writer("r1") as writer:
            await writer.work("judge", [(keys[0], b"{}")])
            await writer.batch_done("judge/1", "b1")

    with Store.writer(tmp_path) as store:
        store.save_batch("judge/1", "b1", keys)
        store.save_batch("judge/1", "b2", keys[:1])
        store.save_batch("judge/2", "b1", keys[1:])
        assert store.batches("judge/1") == {"b1": keys, "b2": keys[:1]}
        asyncio.run(main(store))
        assert store.batches("judge/1") == {"b2": keys[:1]}
        assert store.batches("judge/2") == {"b1": keys[1:]}
        assert store.works(keys) == {keys[0]: b"{}"}


def test_forgotten_verdicts_are_older_than_the_runs_word(tmp_path: Path) -> None:
    with Store.writer(tmp_path) as store:
        write(
            store,
            work={b"k": b"{}"},
            items=[item(0), item(1, "skipped", "long"), item(2, "failed", "timeout")],
        )
        store.finish_cell(1, 3, [Figure("accuracy", 1.0, 1)])
        before = store.run("r1").judged_since
        store.forget_verdicts("r1", [1])
        since = store.run("r1").judged_since
        assert before == 0.0
        assert store.works([b"k"], since=before) == {b"k": b"{}"}
        assert store.works([b"k"], since=since) == {}
        (cell,) = store.cells("r1")
        assert (cell.done, cell.figures, cell.counts.scored, cell.counts.n_skipped) == (False, (), 0, 1)
        write(store, work={b"k": b"{}"})
        assert store.works([b"k"], since=since) == {b"k": b"{}"}


def test_forgetting_is_all_or_nothing(tmp_path: Path) -> None:
    with Store.writer(tmp_path) as store:
        write(store, items=[item(0)])

        def cells() -> Any:
            yield 1
            raise RuntimeError("pulled the plug")

        with pytest.raises(RuntimeError):
            store.forget_verdicts("r1", cells())
        assert store.counts(1).scored == 1
        assert store.run("r1").judged_since == 0.0


def test_a_store_of_the_first_version_is_brought_up_to_date_with_its_costs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    newest = list(schema.MIGRATIONS)
    monkeypatch.setattr(schema, "MIGRATIONS", newest[:1])
    with Store.writer(tmp_path) as store:
        for number, run in enumerate(("r1", "r2")):
            store._execute("INSERT INTO runs VALUES (?, NULL, '{}', '[]', ?)", (run, 100.0 + number))
            cell = store._execute(
                "INSERT INTO cells (run, position, model, model_info, task, task_spec, variant, protocol_id,"
                " protocol, data) VALUES (?, 0, 'm', '{}', 't', '{}', '', 'p', '{}', 'd')",
                (run,),
            ).lastrowid
            store._execute(
                "INSERT INTO items VALUES (?, 0, 's', NULL, ?, 'scored', NULL, NULL, ?, NULL)",
                (cell, b"k", b'{"value":1.0}'),
            )
        # Made in the first run and taken over by the second.
        store._execute(
            "INSERT INTO work VALUES (?, 'generate', ?, 100.5)", (b"k", b'{"text":"a","usage":{"cost":0.5}}')
        )
    monkeypatch.setattr(schema, "MIGRATIONS", newest)
    with pytest.raises(StoreError, match="written by an older fac-eval"):
        Store.reader(tmp_path)
    Store.writer(tmp_path).close()
    with Store.reader(tmp_path) as store:
        assert store.costs("r1") == {"generate": 0.5}
        assert store.costs("r2") == {}
        assert store.run("r1").judged_since == 0.0
        assert store.counts(1).scored == 1


def test_a_store_that_must_be_there_is_not_begun(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no store"):
        Store.writer(tmp_path / "none", create=False)
    assert not (tmp_path / "none").exists()
