from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fac_eval.errors import DataError
from fac_eval.metrics.efficiency import (
    ChunkPlan,
    Packet,
    RequestRecord,
    decode_rate,
    efficiency,
    first_audible,
    first_packet_latency,
    first_sound_latency,
    first_token_latency,
    frame_rates,
    generation_rtf,
    gpu_cost,
    packet_gaps,
    per_step_latency,
    per_token_latency,
    play_starts,
    read_record,
    stalls,
    streaming_rtf,
    understanding_rtf,
)

SPOKEN = RequestRecord(
    id="a",
    text_times=(0.1, 0.2, 0.4, 0.5, 0.6, 0.9),
    step_times=tuple(0.1 + 0.2 * step for step in range(9)),
    packets=(Packet(0.50, 14400), Packet(0.90, 14400), Packet(2.00, 14400)),
    rate=24000,
    t_end=2.0,
    d_in=3.1,
    n_in_positions=16,
    n_text_tokens=6,
    n_speech_tokens=45,
    n_steps=9,
)
WRITTEN = RequestRecord(id="b", text_times=(0.3,), t_end=1.0, d_in=2.0, n_in_positions=10, n_text_tokens=1)
FAILED = RequestRecord(id="c", error="out of memory")


def test_packets_of_the_worked_example() -> None:
    assert first_packet_latency(SPOKEN) == 0.5
    assert play_starts(SPOKEN) == pytest.approx([0.5, 1.1, 2.0])
    assert stalls(SPOKEN) == pytest.approx((1, 0.3))
    assert packet_gaps(SPOKEN) == pytest.approx([0.4, 1.1])
    assert SPOKEN.d_out == pytest.approx(1.8)


def test_ratios_of_the_worked_example() -> None:
    assert generation_rtf(SPOKEN) == pytest.approx(1.1111, abs=5e-5)
    assert streaming_rtf(SPOKEN) == pytest.approx(1.25)
    assert understanding_rtf(SPOKEN) == pytest.approx(2 / 3.1)
    assert decode_rate(SPOKEN) == pytest.approx(8 / 1.6)


def test_frame_rates_of_the_worked_example() -> None:
    rates = frame_rates([SPOKEN], nominal_in=5, nominal_out=5)
    assert rates.measured_in == pytest.approx(5.1613, abs=5e-5)
    assert rates.measured_out == pytest.approx(5.0)
    assert rates.text_rate == pytest.approx(3.3333, abs=5e-5)
    assert rates.speech_token_rate == pytest.approx(25.0)
    assert rates.lead_steps == pytest.approx(0)


def test_cost_of_the_worked_example() -> None:
    item = RequestRecord(id="x", packets=(Packet(1.0, 40),), rate=1, t_end=1.0, d_in=10.0)
    assert gpu_cost([item], gpus=2, busy_s=10.0).per_second_out == 0.5
    assert gpu_cost([item, FAILED], gpus=2, busy_s=10.0).per_second_both == 0.4
    assert gpu_cost([FAILED], gpus=2, busy_s=10.0).per_item is None


def test_text_latencies() -> None:
    assert first_token_latency(SPOKEN) == 0.1
    assert per_token_latency(SPOKEN) == pytest.approx(0.16)
    assert per_step_latency(SPOKEN) == pytest.approx(0.2)


@pytest.mark.parametrize(
    "measure",
    [
        first_packet_latency,
        per_token_latency,
        per_step_latency,
        generation_rtf,
        streaming_rtf,
        decode_rate,
    ],
)
def test_what_a_record_does_not_define_is_none(measure: Any) -> None:
    assert measure(WRITTEN) is None


def test_one_packet_has_no_streaming_factor() -> None:
    one = RequestRecord(id="x", packets=(Packet(0.5, 100),), rate=100, t_end=2.0)
    assert (streaming_rtf(one), generation_rtf(one), understanding_rtf(one)) == (None, 2.0, None)


def test_a_jitter_buffer_takes_stalls_away() -> None:
    assert stalls(SPOKEN, buffer_s=0.2) == pytest.approx((1, 0.1))
    assert stalls(SPOKEN, buffer_s=0.3).n == 0


def test_a_packet_that_comes_as_the_last_one_ends_is_no_stall() -> None:
    tight = RequestRecord(
        id="x", packets=tuple(Packet(0.1 * k, 10) for k in range(1, 30)), rate=100, t_end=3.0
    )
    assert stalls(tight) == (0, 0)


@given(
    st.lists(st.tuples(st.floats(0, 5), st.integers(1, 200)), min_size=1, max_size=10),
    st.floats(0, 2),
)
def test_play_out_ends_at_the_audio_plus_its_stalls(
    packets: list[tuple[float, int]], buffer_s: float
) -> None:
    times = sorted(time for time, _ in packets)
    arrived = tuple(Packet(time, samples) for time, (_, samples) in zip(times, packets, strict=True))
    record = RequestRecord(id="x", packets=arrived, rate=100, t_end=9.0)
    end = play_starts(record, buffer_s=buffer_s)[-1] + arrived[-1].samples / 100
    waited = stalls(record, buffer_s=buffer_s)
    assert end == pytest.approx(times[0] + buffer_s + record.d_out + waited.seconds, abs=1e-6)
    assert 0 <= waited.n < len(arrived)


@pytest.mark.parametrize(
    ("first_sample", "latency"),
    [
        pytest.param(0, 0.5, id="at-once"),
        pytest.param(14399, 0.5 + 14399 / 24000, id="end-of-the-first-packet"),
        pytest.param(14400, 1.1, id="played-after-it-came"),
        pytest.param(28800 + 2400, 2.1, id="after-a-stall"),
        pytest.param(None, None, id="silence"),
    ],
)
def test_first_sound(first_sample: int | None, latency: float | None) -> None:
    found = first_sound_latency(SPOKEN, first_sample)
    assert found == (None if latency is None else pytest.approx(latency))


def test_a_sample_beyond_the_audio_is_refused() -> None:
    with pytest.raises(DataError, match="43200"):
        first_sound_latency(SPOKEN, 43200)


def test_first_audible() -> None:
    assert first_audible([0.0, 0.0009, -0.001, 0.5]) == 2
    assert first_audible([0.0, 0.0009]) is None


def test_efficiency_of_a_set() -> None:
    found = efficiency([SPOKEN, WRITTEN, FAILED])
    assert (found.n, found.errors) == (2, 1)
    assert found.first_token is not None
    assert found.first_token.n == 2
    assert found.first_token.p50 == pytest.approx(0.2)
    assert found.first_packet is not None
    assert found.first_packet.n == 1
    assert found.stalls == pytest.approx((1, 0.3))
    assert found.stalls_buffered == pytest.approx((1, 0.1))
    assert found.generation_rtf == pytest.approx((2 / 1.8, 2 / 1.8, 1))
    assert found.understanding_rtf.pooled == pytest.approx(3 / 5.1)
    assert found.understanding_rtf.mean_of_items == pytest.approx((2 / 3.1 + 0.5) / 2)


def test_nothing_measured_is_none() -> None:
    found = efficiency([FAILED])
    assert (found.first_token, found.packet_gap, found.stalls) == (None, None, (0, 0))
    assert found.decode_rate == (None, None, 0)
    rates = frame_rates([], nominal_in=5, nominal_out=5)
    assert (rates.measured_in, rates.measured_out, rates.lead_steps) == (None, None, None)


def test_answers_without_speech_do_not_raise_the_outgoing_rates() -> None:
    rates = frame_rates([SPOKEN, WRITTEN, FAILED], nominal_in=5, nominal_out=4)
    assert rates.text_rate == pytest.approx(6 / 1.8)
    assert rates.measured_in == pytest.approx(26 / 5.1)
    assert rates.lead_steps == pytest.approx(9 - 4 * 1.8)


def test_chunks_of_a_streaming_system() -> None:
    plan = ChunkPlan(chunk_tokens=15, look_ahead_tokens=3, tokens_per_step=5, token_rate=25)
    assert (plan.first_chunk_steps, plan.later_chunk_steps, plan.chunk_seconds) == (4, 3, 0.6)
    bound = plan.first_packet_bound(prefill=0.1, step=0.05, head=0.02, vocoder=0.2, lead_steps=1)
    assert bound == pytest.approx(0.1 + 5 * 0.05 + 4 * 0.02 + 0.2)
    assert plan.is_gap_free(step=0.1, vocoder=0.29)
    assert not plan.is_gap_free(step=0.1, vocoder=0.31)


def test_a_record_is_read_from_json() -> None:
    row = {"id": "a", "text_times": [0.1], "packets": [[0.5, 24000]], "rate": 24000, "t_end": 1.0}
    assert read_record(row) == RequestRecord(
        id="a", text_times=(0.1,), packets=(Packet(0.5, 24000),), rate=24000, t_end=1.0
    )
    assert read_record({"id": "c", "error": "out of memory"}) == FAILED


@pytest.mark.parametrize(
    ("row", "said"),
    [
        pytest.param({"id": "a", "t_end": 1.0, "speed": 3}, "speed", id="unknown-field"),
        pytest.param({"id": "a"}, "t_end", id="missing-field"),
        pytest.param({"id": "a", "t_end": 1.0, "packets": [[0.1, 5]]}, "sample rate", id="no-rate"),
        pytest.param({"id": "a", "t_end": 1.0, "text_times": [0.2, 0.1]}, "backwards", id="backwards"),
        pytest.param(
            {"id": "a", "t_end": 1.0, "step_times": [0.2], "n_steps": 2}, "2 steps", id="step-count"
        ),
    ],
)
def test_a_malformed_record_is_refused(row: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError, match=said):
        read_record(row)
