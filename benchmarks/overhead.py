"""What the engine costs a sample of text: the model `empty` on `file:questions.jsonl`, store and figures included.

The same questions go through a bare loop of asyncio, a hash and SQLite (_bare_loop.py), in turns, each time in a
fresh process and with an empty store; then a tenth of them, and ten times as many: neither the time that a further
sample takes nor the memory may grow.

    python benchmarks/overhead.py
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from _measure import Call, best_of, call, machine, print_table, workspace


def write_questions(path: Path, n: int) -> None:
    """A file of `n` questions of one sentence each."""
    with path.open("w", encoding="utf-8") as file:
        for i in range(n):
            text = f"Question {i}: what is {i} times {i % 97}, and why would anybody want to know?"
            file.write(json.dumps({"id": f"q{i}", "text": text, "reference": str(i * (i % 97))}) + "\n")


def engine(questions: str, store: str) -> int:
    """Evaluate the model `empty` through the public interface."""
    import fac_eval

    return fac_eval.run("empty", f"file:{questions}", store=store, progress=False).counts.scored


def bare(questions: str, store: str) -> int:
    """The same with the bare loop."""
    from _bare_loop import run_bare

    async def empty(content: str) -> str:
        return ""

    def rows() -> Iterator[tuple[str, str, str]]:
        with open(questions, encoding="utf-8") as file:
            for line in file:
                row = json.loads(line)
                yield row["id"], row["text"], row["reference"]

    return run_bare(rows(), empty, f"{store}/bare.sqlite")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-n", type=int, default=20_000, help="samples; also a tenth and ten times as many")
    parser.add_argument(
        "--rounds", type=int, default=5, help="the fastest of so many counts; of the most, one"
    )
    args = parser.parse_args()
    sizes = {args.n // 10: args.rounds, args.n: args.rounds, args.n * 10: 1}
    measured = {}
    with workspace() as folder:

        def once(way: Callable[[str, str], int], n: int) -> Call:
            with tempfile.TemporaryDirectory(dir=folder) as store:
                made = call(way, f"{folder}/{n}.jsonl", store)
            assert made.found == n, made
            return made

        for n, rounds in sizes.items():
            write_questions(Path(folder, f"{n}.jsonl"), n)
            measured[n] = best_of(rounds, partial(once, engine, n), partial(once, bare, n))

    print(f"{machine()}; best of {args.rounds}, ms a sample\n")
    rows = []
    for n, (ours, theirs) in measured.items():
        each = [1000 * seconds / n for seconds in (theirs.seconds, ours.seconds, ours.cpu)]
        ratio = f"{ours.seconds / theirs.seconds:.1f}"
        rows.append(
            (f"{n:,}", *(f"{one:.4f}" for one in each), ratio, f"{theirs.peak:.0f}", f"{ours.peak:.0f}")
        )
    print_table(("samples", "bare loop", "fac-eval", "its CPU", "ratio", "bare peak MB", "peak MB"), rows)
    (few, _), (many, _) = measured[args.n // 10], measured[args.n * 10]
    further = 1000 * (many.seconds - few.seconds) / (args.n * 10 - args.n // 10)
    print(f"\neach further sample: {further:.4f} ms; growth of memory: {many.peak - few.peak:+.0f} MB")


if __name__ == "__main__":
    main()
