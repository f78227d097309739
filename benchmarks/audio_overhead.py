"""What the engine costs a sample that holds ten seconds of sound, decoding and encoding included.

A local model listens to each clip at 16 kHz and encodes it as WAV, as one behind an endpoint must; half of the clips
are FLAC files and half WAV files, all different. The bare loop (_bare_loop.py) reads, hashes, decodes and encodes
the same files with soundfile. Both run in turns, each time in a fresh process and with an empty store.

    python benchmarks/audio_overhead.py
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from _measure import Call, best_of, call, machine, print_table, workspace

if TYPE_CHECKING:
    from fac_eval import Request, Response

SECONDS = 10
RATE = 16_000


def make_clips(folder: str, n: int, file: str) -> int:
    """Write `n` clips, each a few tones that swell and fade like syllables over a little noise."""
    import numpy as np
    import soundfile

    time = np.arange(SECONDS * RATE) / RATE
    with open(f"{folder}/{file}", "w", encoding="utf-8") as questions:
        for i in range(n):
            random = np.random.default_rng(i)
            pitches = random.uniform(80, 2000, 5)
            tones = np.sin(2 * np.pi * pitches[:, None] * time).sum(axis=0)
            swells = np.sin(np.pi * random.uniform(2, 5) * time) ** 2
            clip = 0.1 * tones * swells + random.normal(0, 0.003, len(time))
            name = f"clip{i}.{'wav' if i % 2 else 'flac'}"
            soundfile.write(f"{folder}/{name}", clip, RATE, subtype="PCM_16")
            row = {"id": f"c{i}", "audio": name, "text": "What is said?", "reference": str(len(time))}
            questions.write(json.dumps(row) + "\n")
    return n


def engine(questions: str, store: str) -> int:
    """Evaluate a model that listens through the public interface."""
    import fac_eval

    class Listener(fac_eval.Model):
        name = "listener"
        fingerprint = "listener/1"
        capabilities = fac_eval.Capabilities(batch_size=8)

        def generate(self, requests: Sequence[Request]) -> list[Response]:
            return [self._answer(request) for request in requests]

        def _answer(self, request: Request) -> Response:
            clip = request.messages[0].parts[0]
            assert isinstance(clip, fac_eval.Audio)
            assert clip.encoded("wav", RATE).startswith(b"RIFF")
            return fac_eval.Response(text=str(len(clip.samples(RATE))))

    result = fac_eval.run(Listener(), f"file:{questions}", store=store, progress=False)
    assert result.cells[0].figures[0].value == 100.0
    return result.counts.scored


def bare(questions: str, store: str) -> int:
    """The same with the bare loop and soundfile."""
    import soundfile
    from _bare_loop import run_bare

    folder = Path(questions).parent

    def rows() -> Iterator[tuple[str, str, str]]:
        with open(questions, encoding="utf-8") as file:
            for line in file:
                row = json.loads(line)
                yield row["id"], row["audio"], row["reference"]

    async def listen(name: str) -> str:
        data = (folder / name).read_bytes()
        hashlib.blake2b(data).digest()
        samples, rate = soundfile.read(BytesIO(data), dtype="float32")
        encoded = BytesIO()
        soundfile.write(encoded, samples, rate, format="WAV", subtype="PCM_16")
        return str(len(samples))

    return run_bare(rows(), listen, f"{store}/bare.sqlite")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-n", type=int, default=500, help="clips")
    parser.add_argument("--rounds", type=int, default=3, help="the fastest of so many counts")
    args = parser.parse_args()
    with workspace() as folder:
        sizes = (args.n // 5, args.n)
        for n in sizes:
            call(make_clips, folder, n, f"{n}.jsonl")

        def once(way: Callable[[str, str], int], n: int) -> Call:
            with tempfile.TemporaryDirectory(dir=folder) as store:
                made = call(way, f"{folder}/{n}.jsonl", store)
            assert made.found == n, made
            return made

        few, ours, theirs = best_of(
            args.rounds,
            partial(once, engine, sizes[0]),
            partial(once, engine, args.n),
            partial(once, bare, args.n),
        )

    def row(label: str, n: int, made: Call) -> tuple[str, ...]:
        each = 1000 * made.seconds / n
        ratio = each * args.n / (1000 * theirs.seconds)
        return (
            label,
            f"{n:,}",
            f"{made.seconds:.2f}",
            f"{made.cpu:.2f}",
            f"{each:.2f}",
            f"{ratio:.2f}",
            f"{made.peak:.0f}",
        )

    print(f"{machine()}; clips of {SECONDS} s; best of {args.rounds}\n")
    further = 1000 * (ours.seconds - few.seconds) / (args.n - sizes[0])
    print_table(
        ("", "samples", "seconds", "CPU s", "ms a sample", "ratio to bare", "peak MB"),
        [row("bare loop", args.n, theirs), row("fac-eval", sizes[0], few), row("fac-eval", args.n, ours)],
    )
    print(f"\neach further sample: {further:.2f} ms; growth of memory: {ours.peak - few.peak:+.0f} MB")


if __name__ == "__main__":
    main()
