from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fac_eval.errors import DataError
from fac_eval.metrics.percentiles import distribution, percentile

_VALUES = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30)


@given(_VALUES, st.sampled_from([0, 50, 90, 95, 99, 100]))
def test_percentiles_are_numpys(values: list[float], percent: float) -> None:
    assert percentile(values, percent) == pytest.approx(float(np.percentile(values, percent)), abs=1e-6)


def test_nothing_has_no_percentile() -> None:
    with pytest.raises(DataError, match="no values"):
        percentile([], 50)


def test_a_distribution_skips_what_is_not_there() -> None:
    found = distribution([None, 3.0, 1.0])
    assert found is not None
    assert (found.n, found.mean, found.p50, found.max) == (2, 2.0, 2.0, 3.0)
    assert found.p90 == pytest.approx(2.8)
    assert distribution([None]) is None


@pytest.mark.parametrize(("n", "has_tail"), [(19, False), (20, True)])
def test_tails_need_twenty_values(n: int, has_tail: bool) -> None:
    found = distribution(map(float, range(n)))
    assert found is not None
    assert (found.p95 is not None, found.p99 is not None) == (has_tail, has_tail)
