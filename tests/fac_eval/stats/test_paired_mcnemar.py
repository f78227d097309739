"""McNemar's exact test, Tango's interval, Holm's correction and binomial tails, against scipy and first principles."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize
from scipy import stats as scipy_stats

from fac_eval.stats import StatsError, holm, mcnemar_p, paired_score_interval
from fac_eval.stats._binomial import binomial_tail

COUNTS = st.integers(0, 400)
TABLES = st.tuples(st.integers(0, 40), st.integers(0, 40), st.integers(0, 60)).filter(lambda t: sum(t) > 0)


@given(wins=COUNTS, losses=COUNTS)
def test_mcnemar_is_scipys_exact_binomial_test(wins: int, losses: int) -> None:
    n = max(1, wins + losses)
    expected = scipy_stats.binomtest(wins, n).pvalue if wins + losses else 1.0
    assert mcnemar_p(wins, losses) == pytest.approx(expected, rel=1e-9)
    if wins + losses:
        less = scipy_stats.binomtest(wins, n, alternative="less").pvalue
        greater = scipy_stats.binomtest(wins, n, alternative="greater").pvalue
        assert mcnemar_p(wins, losses, "less") == pytest.approx(less, rel=1e-9)
        assert mcnemar_p(wins, losses, "greater") == pytest.approx(greater, rel=1e-9)


def test_mcnemar_without_a_changed_sample_shows_nothing() -> None:
    assert mcnemar_p(0, 0) == mcnemar_p(0, 0, "less") == mcnemar_p(0, 0, "greater") == 1.0


@given(n=st.integers(1, 60_000), share=st.floats(0, 1), p=st.floats(0.001, 0.999))
def test_binomial_tails_are_scipys(n: int, share: float, p: float) -> None:
    k = round(share * (n + 1))
    expected = float(scipy_stats.binom.sf(k - 1, n, p))
    assert binomial_tail(k, n, p) == pytest.approx(expected, rel=1e-7, abs=1e-280)


@pytest.mark.parametrize(
    ("k", "n", "p", "expected"),
    [(0, 5, 0.2, 1.0), (6, 5, 0.2, 0.0), (1, 5, 0.0, 0.0), (5, 5, 1.0, 1.0), (1, 1, 0.25, 0.25)],
)
def test_binomial_tails_at_their_edges(k: int, n: int, p: float, expected: float) -> None:
    assert binomial_tail(k, n, p) == pytest.approx(expected)


def test_the_interval_of_tangos_example() -> None:
    # Two disinfection systems of contact lenses, Tango (1998): 43, 0, 1 and 0 of 44 pairs.
    low, high = paired_score_interval(1, 0, 44)
    assert (round(low, 4), round(high, 4)) == (-0.0594, 0.1181)


@given(table=TABLES, level=st.sampled_from([0.8, 0.9, 0.95, 0.99]))
def test_the_ends_lie_where_the_score_test_just_rejects(table: tuple[int, int, int], level: float) -> None:
    wins, losses, ties = table
    n = wins + losses + ties
    z = scipy_stats.norm.ppf((1 + level) / 2)
    low, high = paired_score_interval(wins, losses, n, level=level)
    for end, sign in ((low, 1), (high, -1)):
        if abs(end) < 1 - 1e-9:
            assert score(end, wins, losses, ties) == pytest.approx(sign * z, rel=1e-4)


def score(delta: float, wins: int, losses: int, ties: int) -> float:
    """The score statistic with the constrained maximum likelihood estimate found by numerical search."""
    n = wins + losses + ties

    def unlikely(share: float) -> float:
        chances = (share + delta, share, 1 - 2 * share - delta)
        terms = [
            count * math.log(chance)
            for count, chance in zip((wins, losses, ties), chances, strict=True)
            if count
        ]
        return -math.fsum(terms)

    margin = 1e-12
    bounds = (max(0.0, -delta) + margin, (1 - delta) / 2 - margin)
    share = optimize.minimize_scalar(unlikely, bounds=bounds, method="bounded", options={"xatol": 1e-12}).x
    return float((wins - losses - n * delta) / math.sqrt(n * (2 * share + delta * (1 - delta))))


@given(table=TABLES)
def test_the_interval_holds_the_difference_turns_with_the_sides_and_stays_in_range(
    table: tuple[int, int, int],
) -> None:
    wins, losses, ties = table
    n = wins + losses + ties
    low, high = paired_score_interval(wins, losses, n)
    assert -1 <= low <= (wins - losses) / n <= high <= 1
    assert high - low > 0
    assert paired_score_interval(losses, wins, n) == pytest.approx((-high, -low), abs=1e-12)


def test_no_change_among_n_samples_is_not_certainty() -> None:
    z = scipy_stats.norm.ppf(0.975)
    width = z * z / (50 + z * z)
    assert paired_score_interval(0, 0, 50) == pytest.approx((-width, width), rel=1e-9)


def test_coverage_of_the_interval_is_near_its_level() -> None:
    rng = np.random.default_rng(5)
    tables = rng.multinomial(60, [0.15, 0.1, 0.75], size=2_000)
    hits = 0
    for wins, losses, _ in tables.tolist():
        low, high = paired_score_interval(wins, losses, 60)
        hits += low <= 0.05 <= high
    assert hits / 2_000 == pytest.approx(0.95, abs=0.015)


@pytest.mark.parametrize(
    ("wins", "losses", "n", "level"),
    [(-1, 0, 5, 0.95), (0, 0, 0, 0.95), (3, 3, 5, 0.95), (1, 1, 5, 1.0)],
)
def test_tables_that_cannot_be_are_refused(wins: int, losses: int, n: int, level: float) -> None:
    with pytest.raises(StatsError):
        paired_score_interval(wins, losses, n, level=level)


def test_negative_counts_are_refused() -> None:
    with pytest.raises(StatsError, match="-1 wins"):
        mcnemar_p(-1, 2)


@given(ps=st.lists(st.floats(0, 1), min_size=1, max_size=7))
def test_holm_is_the_closed_testing_procedure_over_bonferroni(ps: list[float]) -> None:
    adjusted = holm(ps)
    for position in range(len(ps)):
        worst = max(
            min(1.0, len(family) * min(ps[i] for i in family))
            for size in range(1, len(ps) + 1)
            for family in itertools.combinations(range(len(ps)), size)
            if position in family
        )
        assert adjusted[position] == pytest.approx(worst)


def test_holm_by_hand_and_its_refusals() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []
    with pytest.raises(StatsError, match=r"p_values\[1\] is nan"):
        holm([0.1, math.nan])
