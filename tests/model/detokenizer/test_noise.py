from __future__ import annotations

import pytest
import torch

from fac_eval.errors import DataError
from fac_eval.model.detokenizer.noise import MEL_FRAMES, SOURCE_SAMPLES, SourceNoise, flow_noise

FIRST = [
    0.92282599,
    0.47744751,
    0.82705182,
    0.28345716,
    0.79348159,
    0.17343479,
    0.85237503,
    0.92285460,
    0.73101997,
]


def test_flow_noise_is_the_published_buffer() -> None:
    noise = flow_noise()
    assert noise.shape == (1, 80, MEL_FRAMES)
    head = torch.tensor([-1.12583983, -1.15236020, -0.25057858, -0.43387881])
    assert torch.allclose(noise[0, 0, :4], head, atol=1e-5)
    assert noise[0, 79, -1].item() == pytest.approx(-0.08329441, abs=1e-5)


def test_source_noise_begins_as_published() -> None:
    assert torch.allclose(SourceNoise().rows(0, 1)[0], torch.tensor(FIRST), atol=1e-7)


def test_source_noise_drawn_bit_by_bit_is_the_same() -> None:
    bits, whole = SourceNoise(), SourceNoise()
    parts = [bits.rows(start, stop) for start, stop in ((0, 1), (1, 1000), (1000, 1003), (1003, 5000))]
    assert torch.equal(torch.cat(parts), whole.rows(0, 5000))


def test_the_global_generator_is_left_alone() -> None:
    before = torch.get_rng_state()
    flow_noise()
    SourceNoise().rows(0, 10)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize(
    ("noise", "limit"),
    [(SourceNoise(), SOURCE_SAMPLES), (SourceNoise(rows=torch.rand(7, 9)), 7)],
    ids=["drawn", "given"],
)
def test_more_than_there_is_is_refused(noise: SourceNoise, limit: int) -> None:
    assert noise.limit == limit
    with pytest.raises(DataError, match=str(limit)):
        noise.rows(0, limit + 1)
