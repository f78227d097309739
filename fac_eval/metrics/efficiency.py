"""Latency, real-time factors and frame rates, computed from what was recorded of each request.

Every time is in seconds since the request was in the model's hands. A measure that a record does not
define, such as a real-time factor without speech, is None.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any, NamedTuple

from fac_eval.errors import DataError
from fac_eval.metrics.percentiles import Distribution, distribution

AUDIBLE = 1e-3
"""The absolute sample value from which a sample is sound."""

JITTER_BUFFER_S = 0.2
"""The play-out delay with which stalls are reported a second time."""

_CLOCK_NOISE_S = 1e-9  # sums of packet lengths are not exact: less than this is no stall


class Packet(NamedTuple):
    """A piece of audio that became available at `time`."""

    time: float
    samples: int


class Stalls(NamedTuple):
    """How often and how long play-out had to wait for the next packet."""

    n: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRecord:
    """What was recorded of one request. With an `error`, nothing else needs to be there."""

    id: str
    t_req: float = 0.0
    """When the request was in the model's hands, on the run's clock."""
    text_times: tuple[float, ...] = ()
    step_times: tuple[float, ...] = ()
    """When each step of the shared backbone after prefill was done."""
    packets: tuple[Packet, ...] = ()
    rate: int = 0
    """Of the packets' audio, in Hz."""
    t_end: float = 0.0
    d_in: float = 0.0
    """Seconds of input audio."""
    n_in_positions: int = 0
    """Backbone positions that hold input audio, after grouping."""
    n_text_tokens: int = 0
    n_speech_tokens: int = 0
    n_steps: int = 0
    prompt_positions: int = 0
    batch: int = 1
    device: str = ""
    error: str | None = None

    def __post_init__(self) -> None:
        if self.error is not None:
            return
        if self.packets and self.rate <= 0:
            raise DataError(f"record {self.id!r} has audio packets but a sample rate of {self.rate}")
        if self.step_times and len(self.step_times) != self.n_steps:
            raise DataError(
                f"record {self.id!r} has {len(self.step_times)} step times for {self.n_steps} steps"
            )
        arrivals = (self.text_times, self.step_times, tuple(packet.time for packet in self.packets))
        if any(later < earlier for times in arrivals for earlier, later in pairwise(times)):
            raise DataError(f"record {self.id!r} has times that run backwards")

    @property
    def d_out(self) -> float:
        """Seconds of audio that came out."""
        return sum(packet.samples for packet in self.packets) / self.rate if self.packets else 0.0


class Ratio(NamedTuple):
    """A measure over a set: sum over sum, and the mean of the items' own values, which is another figure."""

    pooled: float | None
    mean_of_items: float | None
    n: int


@dataclass(frozen=True, slots=True)
class FrameRates:
    """Backbone frames per second of audio: what the architecture says and what was measured."""

    nominal_in: float
    measured_in: float | None
    nominal_out: float
    measured_out: float | None
    text_rate: float | None
    """Text tokens per second of generated speech, silence included."""
    speech_token_rate: float | None
    lead_steps: float | None
    """Steps beyond the nominal rate, which carry text ahead of the speech."""


@dataclass(frozen=True, slots=True)
class GpuCost:
    """GPU-seconds of a run per second of audio and per item; None where there is nothing to divide by."""

    per_second_in: float | None
    per_second_out: float | None
    per_second_both: float | None
    per_item: float | None


@dataclass(frozen=True, slots=True)
class Efficiency:
    """The measures over a set of requests. Those with an error are counted and left out."""

    n: int
    errors: int
    first_token: Distribution | None
    first_packet: Distribution | None
    per_token: Distribution | None
    per_step: Distribution | None
    packet_gap: Distribution | None
    """Over all gaps of all requests."""
    stalls: Stalls
    stalls_buffered: Stalls
    """The same behind a jitter buffer of 200 ms."""
    generation_rtf: Ratio
    streaming_rtf: Ratio
    understanding_rtf: Ratio
    decode_rate: Ratio
    """Backbone steps per second."""


@dataclass(frozen=True, slots=True)
class ChunkPlan:
    """How a streaming system cuts its speech tokens: the vocoder gets a chunk and some tokens beyond it."""

    chunk_tokens: int
    look_ahead_tokens: int
    tokens_per_step: int
    token_rate: float

    @property
    def first_chunk_steps(self) -> int:
        """Backbone steps that carry speech before the vocoder can start."""
        return math.ceil((self.chunk_tokens + self.look_ahead_tokens) / self.tokens_per_step)

    @property
    def later_chunk_steps(self) -> int:
        """Backbone steps for each further chunk."""
        return math.ceil(self.chunk_tokens / self.tokens_per_step)

    @property
    def chunk_seconds(self) -> float:
        """Seconds of audio in a chunk."""
        return self.chunk_tokens / self.token_rate

    def first_packet_bound(
        self, *, prefill: float, step: float, head: float, vocoder: float, lead_steps: int = 0
    ) -> float:
        """The least first-packet latency, from the seconds that each part takes."""
        steps = self.first_chunk_steps
        return prefill + (lead_steps + steps) * step + steps * head + vocoder

    def is_gap_free(self, *, step: float, vocoder: float) -> bool:
        """Whether the next chunk is ready before the last one has been played."""
        return self.later_chunk_steps * step + vocoder <= self.chunk_seconds


def read_record(row: Mapping[str, Any]) -> RequestRecord:
    """A record from its JSON object. Raises DataError for unknown or missing fields."""
    known = {field.name for field in fields(RequestRecord)}
    if unknown := sorted(row.keys() - known):
        raise DataError(f"a timing record has unknown fields: {', '.join(unknown)}")
    needed = {"id"} if row.get("error") is not None else {"id", "t_end"}
    if missing := sorted(needed - row.keys()):
        raise DataError(f"the timing record {row.get('id', '')!r} lacks {', '.join(missing)}")
    values = dict(row)
    for name in ("text_times", "step_times"):
        values[name] = tuple(row.get(name) or ())
    values["packets"] = tuple(Packet(time, samples) for time, samples in row.get("packets") or ())
    return RequestRecord(**values)


def first_token_latency(record: RequestRecord) -> float | None:
    """When the first text token was there."""
    return record.text_times[0] if record.text_times else None


def first_packet_latency(record: RequestRecord) -> float | None:
    """When the first audio was handed over, whatever it holds."""
    return record.packets[0].time if record.packets else None


def first_audible(samples: Iterable[float]) -> int | None:
    """The index of the first sample (full scale 1) that is sound; None for silence."""
    return next((index for index, sample in enumerate(samples) if abs(sample) >= AUDIBLE), None)


def first_sound_latency(record: RequestRecord, first_sample: int | None) -> float | None:
    """When the sample at that index of the whole output is played; see `first_audible`."""
    if first_sample is None:
        return None
    before = 0
    for start, packet in zip(play_starts(record), record.packets, strict=True):
        if first_sample < before + packet.samples:
            return start + (first_sample - before) / record.rate
        before += packet.samples
    raise DataError(f"record {record.id!r} has {before} samples of audio, so none at {first_sample}")


def play_starts(record: RequestRecord, *, buffer_s: float = 0.0) -> list[float]:
    """When each packet's play-out starts: once it is there and the one before has ended."""
    starts: list[float] = []
    free_at = record.packets[0].time + buffer_s if record.packets else 0.0
    for packet in record.packets:
        starts.append(max(packet.time, free_at))
        free_at = starts[-1] + packet.samples / record.rate
    return starts


def stalls(record: RequestRecord, *, buffer_s: float = 0.0) -> Stalls:
    """The gaps in play-out; `buffer_s` delays its start."""
    starts = play_starts(record, buffer_s=buffer_s)
    waits = [
        later - (earlier + packet.samples / record.rate)
        for (earlier, later), packet in zip(pairwise(starts), record.packets, strict=False)
    ]
    waits = [wait for wait in waits if wait > _CLOCK_NOISE_S]
    return Stalls(len(waits), sum(waits))


def packet_gaps(record: RequestRecord) -> list[float]:
    """Seconds between one packet and the next."""
    return [later.time - earlier.time for earlier, later in pairwise(record.packets)]


def per_token_latency(record: RequestRecord) -> float | None:
    """The mean time between text tokens."""
    return _mean_gap(record.text_times)


def per_step_latency(record: RequestRecord) -> float | None:
    """The mean time between backbone steps."""
    return _mean_gap(record.step_times)


def generation_rtf(record: RequestRecord) -> float | None:
    """Seconds taken per second of speech generated: below 1 is faster than real time."""
    return _quotient(*_generation(record))


def streaming_rtf(record: RequestRecord) -> float | None:
    """The same from the first packet on; None for a single packet."""
    return _quotient(*_streaming(record))


def understanding_rtf(record: RequestRecord) -> float | None:
    """Seconds taken per second of input audio."""
    return _quotient(*_understanding(record))


def decode_rate(record: RequestRecord) -> float | None:
    """Backbone steps per second; real time needs the outgoing frame rate."""
    return _quotient(*_decoding(record))


def efficiency(records: Iterable[RequestRecord]) -> Efficiency:
    """All measures over a set of requests."""
    given = list(records)
    sound = [record for record in given if record.error is None]
    return Efficiency(
        n=len(sound),
        errors=len(given) - len(sound),
        first_token=distribution(map(first_token_latency, sound)),
        first_packet=distribution(map(first_packet_latency, sound)),
        per_token=distribution(map(per_token_latency, sound)),
        per_step=distribution(map(per_step_latency, sound)),
        packet_gap=distribution(gap for record in sound for gap in packet_gaps(record)),
        stalls=_sum_stalls(map(stalls, sound)),
        stalls_buffered=_sum_stalls(stalls(record, buffer_s=JITTER_BUFFER_S) for record in sound),
        generation_rtf=_ratio(sound, _generation),
        streaming_rtf=_ratio(sound, _streaming),
        understanding_rtf=_ratio(sound, _understanding),
        decode_rate=_ratio(sound, _decoding),
    )


def frame_rates(records: Iterable[RequestRecord], *, nominal_in: float, nominal_out: float) -> FrameRates:
    """Frame rates over a set of requests, sum over sum. Requests without speech count on the way in only."""
    sound = [record for record in records if record.error is None]
    d_in = sum(record.d_in for record in sound)
    spoken = [record for record in sound if record.packets]
    d_out = sum(record.d_out for record in spoken)
    steps = sum(record.n_steps for record in spoken)
    return FrameRates(
        nominal_in=nominal_in,
        measured_in=_quotient(sum(record.n_in_positions for record in sound if record.d_in), d_in),
        nominal_out=nominal_out,
        measured_out=_quotient(steps, d_out),
        text_rate=_quotient(sum(record.n_text_tokens for record in spoken), d_out),
        speech_token_rate=_quotient(sum(record.n_speech_tokens for record in spoken), d_out),
        lead_steps=max(0.0, steps - nominal_out * d_out) if d_out else None,
    )


def gpu_cost(records: Iterable[RequestRecord], *, gpus: int, busy_s: float) -> GpuCost:
    """What a run cost: `busy_s` is its wall time with queueing and without loading. Errors were paid for too."""
    given = list(records)
    sound = [record for record in given if record.error is None]
    spent = gpus * busy_s
    d_in, d_out = sum(record.d_in for record in sound), sum(record.d_out for record in sound)
    return GpuCost(
        _quotient(spent, d_in),
        _quotient(spent, d_out),
        _quotient(spent, d_in + d_out),
        _quotient(spent, len(sound)),
    )


def _generation(record: RequestRecord) -> tuple[float, float]:
    return record.t_end, record.d_out


def _streaming(record: RequestRecord) -> tuple[float, float]:
    if len(record.packets) <= 1:
        return 0.0, 0.0
    first = record.packets[0]
    return record.t_end - first.time, record.d_out - first.samples / record.rate


def _understanding(record: RequestRecord) -> tuple[float, float]:
    return record.t_end, record.d_in


def _decoding(record: RequestRecord) -> tuple[float, float]:
    times = record.step_times
    return (len(times) - 1, times[-1] - times[0]) if times else (0.0, 0.0)


def _ratio(records: Sequence[RequestRecord], terms: Callable[[RequestRecord], tuple[float, float]]) -> Ratio:
    pairs = [(top, bottom) for top, bottom in map(terms, records) if bottom > 0]
    if not pairs:
        return Ratio(None, None, 0)
    pooled = sum(top for top, _ in pairs) / sum(bottom for _, bottom in pairs)
    return Ratio(pooled, sum(top / bottom for top, bottom in pairs) / len(pairs), len(pairs))


def _sum_stalls(found: Iterable[Stalls]) -> Stalls:
    listed = list(found)
    return Stalls(sum(item.n for item in listed), sum(item.seconds for item in listed))


def _mean_gap(times: Sequence[float]) -> float | None:
    return (times[-1] - times[0]) / (len(times) - 1) if len(times) > 1 else None


def _quotient(top: float, bottom: float) -> float | None:
    return top / bottom if bottom > 0 else None
