"""What the same command costs again: with a few samples left to do, and with none.

A model fails on ten of the samples, which the second run asks again; the third one finds nothing to do. All three
are ratios to the first, each in a fresh process.

    python benchmarks/resume.py
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from _measure import Call, call, machine, print_table, workspace
from overhead import write_questions

if TYPE_CHECKING:
    from fac_eval import Request, Response

FAILING = 10


def engine(questions: str, store: str, failing: str) -> list[int]:
    """Evaluate a model that fails on the question whose text has one of the `failing` numbers."""
    import fac_eval

    class Mute(fac_eval.Model):
        name = "mute"
        fingerprint = "mute/1"
        capabilities = fac_eval.Capabilities(batch_size=256)
        asked = 0

        def generate(self, requests: Sequence[Request]) -> list[Response]:
            self.asked += len(requests)
            return [self._answer(request) for request in requests]

        def _answer(self, request: Request) -> Response:
            number = request.messages[0].text.split()[1].rstrip(":")
            if number in failing.split():
                return fac_eval.Response.failed("model_error", "no answer to this one")
            return fac_eval.Response(text="")

    model = Mute()
    counts = fac_eval.run(model, f"file:{questions}", store=store, progress=False).counts
    return [model.asked, counts.scored]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-n", type=int, default=200_000, help="samples")
    args = parser.parse_args()
    failing = " ".join(str(number * args.n // FAILING) for number in range(FAILING))
    with workspace() as folder:
        questions = Path(folder, "questions.jsonl")
        write_questions(questions, args.n)
        first = call(engine, str(questions), f"{folder}/store", failing)
        mended = call(engine, str(questions), f"{folder}/store", "")
        again = call(engine, str(questions), f"{folder}/store", "")
    assert first.found == [args.n, args.n - FAILING], first
    assert mended.found == [FAILING, args.n], mended
    assert again.found == [0, args.n], again

    def row(label: str, made: Call) -> tuple[str, ...]:
        ratio = f"{made.seconds / first.seconds:.3f}"
        return (label, f"{made.seconds:.2f}", f"{made.cpu:.2f}", ratio, f"{made.peak:.0f}")

    print(f"{machine()}; {args.n:,} samples of text\n")
    print_table(
        ("", "seconds", "CPU s", "ratio to first", "peak MB"),
        [row("first run", first), row(f"{FAILING} failed ones again", mended), row("nothing to do", again)],
    )


if __name__ == "__main__":
    main()
