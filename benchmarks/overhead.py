"""What the engine costs a sample of text: the model `empty` on `file:questions.jsonl`, store and figures included.

The same questions go through a bare loop of asyncio, a hash and SQLite (_bare_loop.py), in turns, each time in a
fresh process and with an empty store. Then the engine takes ten times fewer and ten times more questions: neither
the time a sample nor the memory may grow.

    python benchmarks/overhead.py
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from _measure import Call, best_of, call, machine, print_table


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
    parser.add_argument("-n", type=int, default=20_000, help="samples")
    parser.add_argument("--rounds", type=int, default=5, help="the fastest of so many counts")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fac-eval-bench-") as folder:

        def once(way: Callable[[str, str], int], n: int) -> Call:
            questions = Path(folder, f"{n}.jsonl")
            if not questions.exists():
                write_questions(questions, n)
            with tempfile.TemporaryDirectory(dir=folder) as store:
                made = call(way, str(questions), store)
            assert made.found == n, made
            return made

        ours, theirs = best_of(args.rounds, lambda: once(engine, args.n), lambda: once(bare, args.n))
        few, many = (best_of(1, lambda n=n: once(engine, n))[0] for n in (args.n // 10, args.n * 10))

    def row(label: str, n: int, made: Call) -> tuple[str, ...]:
        each = 1000 * made.seconds / n
        bare_each = 1000 * theirs.seconds / args.n
        return (
            label,
            f"{n:,}",
            f"{made.seconds:.2f}",
            f"{each:.4f}",
            f"{each / bare_each:.1f}",
            f"{made.peak:.0f}",
        )

    print(f"{machine()}; best of {args.rounds} (10 x: of 1)\n")
    print_table(
        ("", "samples", "seconds", "ms a sample", "ratio to bare", "peak MB"),
        [
            row("bare loop", args.n, theirs),
            row("fac-eval", args.n // 10, few),
            row("fac-eval", args.n, ours),
            row("fac-eval", args.n * 10, many),
        ],
    )
    further = 1000 * (many.seconds - few.seconds) / (args.n * 10 - args.n // 10)
    print(f"\neach further sample: {further:.4f} ms; growth of memory: {many.peak - few.peak:+.0f} MB")


if __name__ == "__main__":
    main()
