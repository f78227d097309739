"""Items a second of the scorers that take longest: IFEval, multiple choice by phrases, function calls, error rates.

Each gets 20,000 made-up items in a fresh process, with one item scored beforehand, so that what is loaded once is not
counted. Error rates stand beside jiwer, which is given all of them in one call: from the texts as they come, normalised
by the same package, and from texts that are normalised already.

    python benchmarks/scoring.py
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from _measure import call, machine, print_table, workspace

VOCABULARY = (
    "the of and to in a is that it was for on are as with his they at be this from have or by one had not but what all "
    "were when we there can an your which their said if do will each about how up out them then she many some so these "
    "would other into has more her two like him see time could no make than first been its who now people my made over "
    "did down only way find use may water long little very after words called just where most know get through back "
    "much before go good new write our used me man too any day same right look think also around another came come "
    "work three because does part even place well such here take why things help put years different away again off "
    "went old number great tell men say small every found still between name should home big give air line set own"
)
WORDS = VOCABULARY.split()
WRONG_WORDS = 0.1
"""The share of words that a transcript gets wrong, a third of them in each way."""


def words(draw: random.Random, n: int) -> list[str]:
    return draw.choices(WORDS, k=n)


def prose(draw: random.Random, sentences: int) -> str:
    """Sentences of about twelve words, a few to a paragraph."""
    made = [" ".join(words(draw, draw.randint(6, 18))).capitalize() + "." for _ in range(sentences)]
    return "\n\n".join(" ".join(made[start : start + 4]) for start in range(0, sentences, 4))


def timed(score: Callable[[Any], object], items: Sequence[Any]) -> float:
    """Seconds for all items, without what the first one loads."""
    score(items[0])
    began = time.perf_counter()
    for item in items:
        score(item)
    return time.perf_counter() - began


def shipped(task: str) -> list[tuple[dict[str, Any], str]]:
    """What the shipped items of a task are measured against, each with a right answer."""
    from fac_eval.data.hub import SHIPPED, DataFinder
    from fac_eval.resolve import resolve_tasks

    (found,) = resolve_tasks([task])
    return [
        (sample.reference, str(found.ideal(sample) or "")) for sample in found.samples(DataFinder(SHIPPED))
    ]


def ifeval(n: int) -> float:
    """Replies of a hundred words to the shipped items' instructions, and as many that follow them."""
    from fac_eval.metrics.ifeval import check_ifeval

    draw = random.Random(0)
    rows = shipped("voicebench/ifeval")
    items = []
    for i in range(n):
        row, ideal = rows[i // 2 % len(rows)]
        items.append((row["instructions"], row["kwargs"], ideal if i % 2 else prose(draw, 8)))
    return timed(lambda item: check_ifeval(*item, clean=False), items)


def mcq(n: int) -> float:
    """Letters alone, letters in a phrase after some thought, and replies of a hundred words without any."""
    from fac_eval.metrics.voicebench_mcq import extract_choice

    draw = random.Random(0)
    forms = (
        "{letter}",
        "({letter}) {said}",
        "The answer is {letter}.",
        "{said}\n\nThe correct option is {letter}.",
        "{said}",
    )
    items = [forms[i % len(forms)].format(letter=draw.choice("ABCD"), said=prose(draw, 8)) for i in range(n)]
    return timed(extract_choice, items)


def bfcl(n: int) -> float:
    """Right and wrong calls for the shipped items, a single one or several."""
    from fac_eval.metrics.bfcl_check import check_bfcl

    draw = random.Random(0)
    records = [
        (category, row, ideal)
        for task, category in (("single", "multiple"), ("parallel", "parallel"))
        for row, ideal in shipped(f"speech_fc/bfcl_{task}")
    ]
    items = []
    for _ in range(n):
        category, row, reply = draw.choice(records)
        items.append((category, {**row, "predict": draw.choice(list(_replies(reply)))}))
    return timed(lambda item: check_bfcl(item[1], category=item[0]), items)


def _replies(right: str) -> Iterator[str]:
    yield right
    yield f"Let me see.\n{right}\nDone."
    yield right.replace('"arguments": {', '"arguments": {"hurry": true, ', 1)  # an argument too many
    yield right.replace('"name": "', '"name": "my_', 1)
    yield right.replace("</tool_call>", "", 1)
    yield "I cannot do that."


def transcripts(n: int) -> tuple[list[str], list[str]]:
    """References and transcripts as long as LibriSpeech's, with `WRONG_WORDS`."""
    draw = random.Random(0)
    references = [words(draw, max(2, round(draw.gauss(20, 8)))) for _ in range(n)]
    spoken = []
    for reference in references:
        heard = []
        for word in reference:
            kind = draw.random() * 3 / WRONG_WORDS
            if kind >= 2:  # neither left out nor mistaken
                heard.append(word)
            if kind < 1 or 2 <= kind < 3:  # mistaken, or with a word too many behind it
                heard.append(draw.choice(WORDS))
        spoken.append(heard)
    return [" ".join(text) for text in references], [" ".join(text) for text in spoken]


def wer(n: int) -> float:
    """Pooled word errors, from the texts as they come."""
    from fac_eval.metrics.asr_wer import ENGLISH, pooled_errors, utterance_errors

    pairs = list(zip(*transcripts(n), strict=True))
    utterance_errors(*pairs[0], rules=ENGLISH)
    began = time.perf_counter()
    pooled = pooled_errors(utterance_errors(*pair, rules=ENGLISH) for pair in pairs)
    seconds = time.perf_counter() - began
    assert 0.5 * WRONG_WORDS < pooled.rate < 1.5 * WRONG_WORDS, pooled
    return seconds


def wer_by_jiwer(n: int) -> float:
    """The same by jiwer."""
    from fac_eval.metrics.asr_normalize_en import normalize_en

    return _by_jiwer(n, lambda texts: [normalize_en(text).strip() for text in texts])


def counts(n: int) -> float:
    """Pooled word errors of texts that are normalised already, with the counts of each utterance."""
    from fac_eval.metrics.alignment import edit_counts
    from fac_eval.metrics.asr_wer import UtteranceErrors, pooled_errors

    pairs = list(zip(*transcripts(n), strict=True))
    began = time.perf_counter()
    pooled_errors(UtteranceErrors(edit_counts(one.split(), other.split())) for one, other in pairs)
    return time.perf_counter() - began


def counts_by_jiwer(n: int) -> float:
    """The same by jiwer."""
    return _by_jiwer(n, list)


def _by_jiwer(n: int, prepared: Callable[[Iterable[str]], list[str]]) -> float:
    import jiwer

    references, spoken = transcripts(n)
    prepared(references[:1])
    began = time.perf_counter()
    jiwer.process_words(prepared(references), prepared(spoken))
    return time.perf_counter() - began


MEASURED: dict[str, tuple[Callable[[int], float], Callable[[int], float] | None]] = {
    "IFEval, strict and loose": (ifeval, None),
    "multiple choice by 163 phrases": (mcq, None),
    "BFCL check of function calls": (bfcl, None),
    "pooled WER, texts as they come": (wer, wer_by_jiwer),
    "pooled WER, normalised texts": (counts, counts_by_jiwer),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-n", type=int, default=20_000, help="items of each kind")
    parser.add_argument("--rounds", type=int, default=3, help="the fastest of so many counts")
    args = parser.parse_args()
    rows = []
    with workspace():
        for name, (ours, theirs) in MEASURED.items():
            ways = [way for way in (ours, theirs) if way is not None]
            # A child's own clock, which leaves out how its items were made up. The ways take turns.
            turns = [[call(way, args.n).found for way in ways] for _ in range(args.rounds)]
            best = [min(column) for column in zip(*turns, strict=True)]
            rates = [f"{args.n / seconds:,.0f}" for seconds in best]
            beside = [rates[1], f"{best[0] / best[1]:.2f}"] if theirs is not None else ["", ""]
            rows.append((name, f"{best[0]:.2f}", rates[0], *beside))
    print(f"{machine()}; best of {args.rounds}, {args.n:,} items each\n")
    print_table(("scorer", "seconds", "items a second", "jiwer's", "ratio"), rows)


if __name__ == "__main__":
    main()
