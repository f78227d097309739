"""Golden file `duplex`: session metrics and Full-Duplex-Bench, each kind of case with its own function."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from fac_eval.conformance import TOLERANCE, CannotRunError, Case, Golden, check_answer, read_golden
from fac_eval.errors import DataError
from fac_eval.metrics.duplex import (
    WANTS_REPLY,
    Latencies,
    ReplyEvent,
    SessionMetrics,
    UserEvent,
    Word,
    session_metrics,
    summary,
)
from fac_eval.metrics.fdb_compare import paired_test, robust_values
from fac_eval.metrics.fdb_v1 import (
    Chunk,
    TurnTake,
    backchannels,
    interruption_rating,
    mean_latency,
    take_rate,
    takes_turn,
    turn_take,
)
from fac_eval.metrics.fdb_v2 import (
    BIN_S,
    BINS,
    EVENTS,
    TASK,
    JudgedEvent,
    Judgement,
    binned_scores,
    mean_scores,
    parse_judgement,
)
from fac_eval.metrics.fdb_v15 import BEHAVIOUR, behaviour, behaviour_ratios, split_speech, timing

SESSION_TOLERANCE = 1e-6
DISTANCE_TOLERANCE = 1e-6

# Official code crashes where ours refuses; the record names its exceptions.
_NOTHING_TO_DIVIDE_BY = "ZeroDivisionError"
_MISSING_TIME = "TypeError"

Row = Mapping[str, Any]


def cases(path: Path) -> Iterator[Case]:
    """The cases of a file; those that sum sessions up take them from the same file."""
    golden = read_golden(path)
    for row in golden.cases:
        check = partial(_check, row, golden)
        yield Case(row["id"], str(row.get("case", "")), check)


def session(case_input: Row) -> dict[str, Any]:
    """The metrics of one session."""
    found = _session(case_input)
    replies, floor = iter(found.replies), iter(found.floor)
    events = [
        _reply(next(replies)) if event["type"] in WANTS_REPLY else asdict(next(floor))
        for event in case_input["user"]
    ]
    return {
        "utterances": [list(utterance) for utterance in found.utterances],
        "events": events,
        "overlap_s": found.overlap_s,
        "assistant_talk_s": found.assistant_talk_s,
        "user_turn_s": found.user_turn_s,
        "assistant_backchannels": found.assistant_backchannels,
        "pauses": found.pauses,
        "pause_takes": found.pause_takes,
    }


def session_agg(case_input: Row, sessions: Mapping[str, Row]) -> dict[str, Any]:
    """The sum of the sessions that the case names."""
    members = case_input["members"]
    if absent := [member for member in members if member not in sessions]:
        raise CannotRunError(f"sessions that are not in the file: {', '.join(absent)}")
    found = asdict(summary(_session(sessions[member]) for member in members))
    for name in ("latency", "stop_latency"):
        if isinstance(found[name], Latencies):
            found[name] = found[name]._asdict()
    return found


def pause(case_input: Row) -> dict[str, Any]:
    """How often the model took the turn in a pause."""
    samples = [_chunks(chunks) for chunks in case_input["samples"]]
    rate = take_rate(takes_turn(chunks, is_last_end_optional=True) for chunks in samples)
    return {"average_take_turn": rate}


def smooth(case_input: Row) -> dict[str, Any]:
    """Turn taking sample by sample, null from where official code has crashed, and its means."""
    samples = case_input["samples"]
    takes: list[TurnTake] = []
    error = None
    for sample in samples:
        try:
            takes.append(turn_take(_chunks(sample["chunks"]), sample["turn_taking"][0]))
        except DataError:
            error = _MISSING_TIME
            break
    shown = [{"TOR": int(take.took_turn), "raw_latency": take.raw_latency} for take in takes]
    found: dict[str, Any] = {"per_sample": [*shown, *[None] * (len(samples) - len(takes))]}
    if error is None and not any(take.took_turn for take in takes):
        error = _NOTHING_TO_DIVIDE_BY
    return found | ({"error": error} if error else _means(takes, takes))


def interruption(case_input: Row) -> dict[str, Any]:
    """Interruptions with a judge that gives the listed replies, the last one from then on.

    A sample whose rating cannot be read is taken up again, which counts its turn once more.
    """
    replies, calls = case_input["judge_replies"], 0
    counted: list[TurnTake] = []
    takes: list[TurnTake] = []
    ratings: list[int] = []
    for sample in case_input["samples"]:
        try:
            take = turn_take(_chunks(sample["chunks"]), sample["timestamp"][1])
        except DataError:
            return {"error": _MISSING_TIME, "judge_calls": calls}
        takes.append(take)
        counted.append(take)
        while take.took_turn:
            if calls >= len(replies) and interruption_rating(replies[-1]) is None:
                raise CannotRunError("the judge never gives a rating: official code asks without end")
            rating = interruption_rating(replies[min(calls, len(replies) - 1)])
            calls += 1
            if rating is not None:
                ratings.append(rating)
                break
            counted.append(take)
    if not ratings:
        return {"error": _NOTHING_TO_DIVIDE_BY, "judge_calls": calls}
    return {"average_rating": sum(ratings) / len(ratings), **_means(counted, takes), "judge_calls": calls}


def backchannel(case_input: Row) -> dict[str, Any]:
    """One recording's backchannels."""
    found = backchannels(
        [(start, end) for start, end in case_input["segments"]],
        _chunks(case_input["chunks"]) if case_input["has_json"] else None,
        duration=case_input["n_samples"] / case_input["sr"],
        human=case_input["gt"],
    )
    return {"JSD": found.distance, "TOR": int(found.took_turn), "freq": found.per_second}


def timing_lists(case_input: Row) -> dict[str, Any]:
    """Both sides' speech merged, and the intervals of stopping and responding."""
    found = timing(_intervals(case_input["user"]), _intervals(case_input["model"]))
    names = ("user_merged", "model_merged", "latency_stop_list", "latency_resp_list")
    return {name: [list(interval) for interval in part] for name, part in zip(names, found, strict=True)}


def behaviour_stats(case_input: Row) -> dict[str, Any]:
    """The shares of the judge's tags."""
    ratios = behaviour_ratios(record.get(BEHAVIOUR) or () for record in case_input["records"])
    return {"ratios": {"C": ratios} if ratios else {}}


def split(case_input: Row) -> dict[str, Any]:
    """Words before and after a distractor."""
    times = [chunk.get("timestamp", chunk.get("timestamps")) for chunk in case_input["chunks"]]
    found = split_speech(_intervals(time for time in times if time), case_input["distractor_end"])
    return dict(zip(("split_t", "n_pre", "n_post", "wpm_pre", "wpm_post"), found, strict=True))


def robust(case_input: Row) -> dict[str, Any]:
    """The values that a mean is taken over."""
    rules = case_input["agg"]
    share = rules.get("trim_prop", 0.05)
    return {"kept": robust_values(case_input["values"], rules.get("mode") or "none", share=share)}


def paired(case_input: Row) -> dict[str, Any]:
    """A paired comparison; null stands for NaN."""
    before, after = (
        [math.nan if value is None else value for value in case_input[side]] for side in ("before", "after")
    )
    found = asdict(paired_test(before, after, outliers=case_input["outlier_rule"]))
    return {**found, "n_dropped": found["n_valid"] - found["n_used"], "p_t": found["p"]}


def v2_parse(case_input: Row) -> dict[str, Any]:
    """A judge's reply read, in the official form."""
    found = parse_judgement(case_input["text"])
    events = [[[event.start, event.end], event.turn_taking, event.instruction] for event in found.events]
    return {EVENTS: events} if found.task is None else {EVENTS: events, TASK: found.task}


def v2_score(case_input: Row) -> dict[str, Any]:
    """The official tables of a folder of read replies, as text."""
    groups: dict[tuple[str, str], list[Judgement]] = {}
    for path, content in case_input["files"].items():
        parts = PurePosixPath(path).parts
        events = tuple(JudgedEvent(*times, *scores) for times, *scores in content.get(EVENTS, ()))
        key = (parts[0], parts[-1].removesuffix("_processed.json"))
        groups.setdefault(key, []).append(Judgement(events, content.get(TASK)))
    tables: dict[str, list[list[str]]] = {"summary": [], "overall_time": [], "binned": []}
    for key, judged in sorted(groups.items()):
        plain, timed = mean_scores(judged), mean_scores(judged, timed=True)
        bins = [figure for part in binned_scores(judged) for figure in part]
        tables["summary"].append([*key, *map(_cell, plain)])
        tables["overall_time"].append([*key, *map(_cell, timed)])
        tables["binned"].append([*key, *map(_cell, (timed.files, timed.events, *bins))])
    return {name: [_V2_HEADS[name], *rows] for name, rows in tables.items()}


def _cell(figure: float | None) -> str:
    return "" if figure is None else str(figure)


def _check(row: Row, golden: Golden) -> list[str]:
    kind = str(row.get("kind"))
    if kind == "session_agg":
        sessions = {other["id"]: other["input"] for other in golden.cases if other.get("kind") == "session"}
        answer: Callable[[], Any] = partial(session_agg, row["input"], sessions)
    elif kind in _KINDS:
        answer = partial(_KINDS[kind], row["input"])
    else:
        raise CannotRunError(
            f"no function for duplex cases of kind {kind!r}: {', '.join(_KINDS)}, session_agg"
        )
    return check_answer(answer, row["expected"], _TOLERANCES.get(kind, TOLERANCE))


def _means(counted: list[TurnTake], takes: list[TurnTake]) -> dict[str, Any]:
    rate = take_rate(take.took_turn for take in counted)
    return {"average_take_turn": rate, "average_latency": mean_latency(takes)}


def _chunks(rows: Iterable[Row]) -> list[Chunk]:
    return [Chunk(row["text"], *row["timestamp"]) for row in rows]


def _intervals(rows: Iterable[Iterable[float]]) -> list[tuple[float, float]]:
    return [(start, end) for start, end in rows]


def _session(case_input: Row) -> SessionMetrics:
    user = [
        UserEvent(
            event["id"],
            event["type"],
            event["start"],
            event["end"],
            tuple((start, end) for start, end in event.get("pauses") or ()),
        )
        for event in case_input["user"]
    ]
    words = case_input.get("words")
    return session_metrics(
        case_input["duration"],
        user,
        [(start, end) for start, end in case_input["assistant"]],
        None if words is None else [Word(*word) for word in words],
    )


def _reply(event: ReplyEvent) -> dict[str, Any]:
    found = {**asdict(event), "latency": event.latency, "overlap": event.overlap}
    if event.type != "turn":
        del found["pause_takes"]
    return found


_V2_COUNTS = ["setup", "subtask", "n_files", "n_events"]
_V2_MEANS = [*_V2_COUNTS, "avg_turn_taking", "avg_instruction_following", "avg_task_specific"]
_V2_HEADS = {
    "summary": _V2_MEANS,
    "overall_time": _V2_MEANS,
    "binned": [
        *_V2_COUNTS,
        *(
            f"{score}[{int(index * BIN_S)}-{int((index + 1) * BIN_S)}]"
            for index in range(BINS)
            for score in ("TT", "IF")
        ),
    ],
}

_KINDS: Mapping[str, Callable[[Row], dict[str, Any]]] = {
    "session": session,
    "pause": pause,
    "smooth": smooth,
    "interruption": interruption,
    "backchannel": backchannel,
    "timing": timing_lists,
    "behaviour_parse": lambda case: {"result": behaviour(case["text"])},
    "behaviour_stats": behaviour_stats,
    "split": split,
    "robust": robust,
    "paired": paired,
    "v2_parse": v2_parse,
    "v2_score": v2_score,
}

_TOLERANCES: Mapping[str, float] = {
    "session": SESSION_TOLERANCE,
    "session_agg": SESSION_TOLERANCE,
    "backchannel": DISTANCE_TOLERANCE,
}
