from __future__ import annotations

from typing import Any

import pytest
import torch

from fac_eval.errors import UsageError
from fac_eval.model.detokenizer import DEMO, SpeechDetokenizer, StreamSettings

SHORT = StreamSettings(hop=5, context=20, reset=40)
SHORT_DEMO = StreamSettings(hop=5, context=20, reset=40, lossless=False)


@pytest.mark.parametrize("count", [0, 1, 4, 17, 18, 19, 52, 54])
def test_the_default_speaks_every_code(count: int, tiny: SpeechDetokenizer, codes: Any) -> None:
    assert sum(map(len, tiny.stream(codes(count)))) == 960 * count


@pytest.mark.parametrize("count", [23, 28, 48, 90, 133])
def test_nothing_is_lost_where_the_stream_forgets_and_starts_anew(
    count: int, tiny: SpeechDetokenizer, codes: Any
) -> None:
    assert sum(map(len, tiny.stream(codes(count), settings=SHORT))) == 960 * count


def test_the_first_chunk_comes_as_soon_as_its_look_ahead_is_there(
    tiny: SpeechDetokenizer, codes: Any
) -> None:
    stream = tiny.open_stream()
    lengths = [[len(chunk) for chunk in stream.push([code])] for code in codes(40)]
    assert [number for number, chunks in enumerate(lengths, 1) if chunks] == [18, 33]
    assert [length for chunks in lengths for length in chunks] == [10560, 14400]
    assert [len(chunk) for chunk in stream.finish()] == [960 * 40 - 10560 - 14400]


def test_codes_pushed_at_once_make_the_same_chunks(tiny: SpeechDetokenizer, codes: Any) -> None:
    given = codes(60)
    stream = tiny.open_stream(settings=SHORT)
    at_once = stream.push(given) + stream.finish()
    assert all(map(torch.equal, at_once, tiny.stream(given, settings=SHORT)))


@pytest.mark.parametrize(
    ("count", "chunks"),
    [
        (4, []),
        (5, [4800]),
        (18, [10560]),
        (19, [10560]),
        (20, [10560, 960 * 20 - 10560]),
    ],
)
def test_the_demo_drops_a_short_tail(
    count: int, chunks: list[int], tiny: SpeechDetokenizer, codes: Any
) -> None:
    assert [len(chunk) for chunk in tiny.stream(codes(count), settings=DEMO)] == chunks


def test_the_demo_loses_eight_frames_when_it_starts_anew(tiny: SpeechDetokenizer, codes: Any) -> None:
    given = codes(60)
    kept = [len(chunk) for chunk in tiny.stream(given, settings=SHORT)]
    lossy = [len(chunk) for chunk in tiny.stream(given, settings=SHORT_DEMO)]
    assert [a - b for a, b in zip(kept, lossy, strict=True)] == [0] * 7 + [8 * 480] + [0] * 4


def test_a_stream_forgets_without_a_seam_in_the_count(tiny: SpeechDetokenizer, codes: Any) -> None:
    stream = tiny.open_stream(settings=SHORT_DEMO)
    calls = []
    for code in codes(50):
        if stream.push([code]):
            assert stream.last_call is not None
            calls.append((stream.last_call.codes, stream.last_call.offset))
    before = [(8, 0), (13, 5), (18, 10), (23, 15)]
    assert calls == before + before + [(8, 0)]


def test_a_short_utterance_streams_as_it_decodes(tiny: SpeechDetokenizer, codes: Any) -> None:
    given = codes(12)
    (chunk,) = tiny.stream(given)
    assert torch.allclose(chunk, tiny.decode(given), atol=1e-5)


def test_other_ids_are_passed_over(tiny: SpeechDetokenizer, codes: Any) -> None:
    given = codes(20)
    noisy = [6561, *given[:9], -1, 6564, *given[9:], 6562]
    assert all(map(torch.equal, tiny.stream(given), tiny.stream(noisy)))


def test_a_finished_stream_takes_nothing(tiny: SpeechDetokenizer) -> None:
    stream = tiny.open_stream()
    assert stream.finish() == []
    with pytest.raises(UsageError, match="finished"):
        stream.push([1])
    with pytest.raises(UsageError, match="finished"):
        stream.finish()


@pytest.mark.parametrize("sizes", [{"hop": 0}, {"hop": 300}, {"context": 600}])
def test_settings_that_make_no_sense_are_refused(sizes: dict[str, int]) -> None:
    with pytest.raises(UsageError, match="hop"):
        StreamSettings(**sizes)
