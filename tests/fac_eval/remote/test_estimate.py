from __future__ import annotations

import pytest

from fac_eval.remote.estimate import Estimator, Size
from fac_eval.remote.prices import Price, Tokens

PRICE = Price(input=1e6, output=1e6, audio_input=10e6, audio_output=20e6)  # dollars a token


def test_the_bound_covers_a_token_a_byte_the_sound_and_the_longest_answer() -> None:
    estimator = Estimator(PRICE)
    assert estimator.cost_bound(Size(100, 0.0, 50, speech=False)) == pytest.approx(150)
    assert estimator.cost_bound(Size(0, 2.0, 50, speech=False)) == pytest.approx(640 + 50)
    assert estimator.cost_bound(Size(0, 0.0, 50, speech=True)) == pytest.approx(1000)


def test_without_a_price_there_is_no_bound() -> None:
    assert Estimator(None).cost_bound(Size(100, 1.0, 50, speech=True)) == 0


def test_the_length_of_answers_is_learned() -> None:
    estimator, size = Estimator(PRICE), Size(0, 0.0, None, speech=False)
    first_tokens, first_bound = estimator.tokens(size), estimator.cost_bound(size)
    for output in (100, 100, 100, 100, 100, 100, 100, 300):
        estimator.observe(size, Tokens(1, output), None)
    assert estimator.tokens(size) == 125 < first_tokens
    assert estimator.cost_bound(size) == 600 < first_bound


def test_an_endpoint_that_charges_more_raises_the_bound_once() -> None:
    estimator, size = Estimator(PRICE), Size(10, 0.0, 10, speech=False)
    for _ in range(64):  # all in flight together, all underestimated by the same factor
        estimator.observe(size, Tokens(30, 10), 40.0)
    assert estimator.cost_bound(size) == pytest.approx(40)
    estimator.observe(size, Tokens(1, 1), 2.0)
    assert estimator.cost_bound(size) == pytest.approx(40)
