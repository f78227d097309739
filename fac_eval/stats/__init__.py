"""Figures with their uncertainty: every value comes with n, a standard error and a 95% interval.

Which call fits which figure:

    RatioSums().add([1, 0, 1, 1]).estimate()                  # accuracy: Wilson
    RatioSums().add(ratings, clusters=speakers).estimate()    # mean: clustered t
    RatioSums().add(errors, words).estimate().scaled(100)     # WER in percent: delta method
    composite([(strict, ones), (loose, ones)])                # several rates of the same samples
    combine_independent([hard, easy], [0.5, 0.5])             # an overall figure over disjoint subsets
    bootstrap_interval(f1, [tp, fp, fn], rng=rng)             # any other function of sums

Two models on the same samples are compared pair by pair:

    pairs = pairs_of(reference, candidate, clusters=speakers)
    paired_difference(pairs)                                  # candidate - reference, with its interval
    paired_test(pairs, rng=rng)                               # McNemar's exact test, or a permutation test
    detectable_difference(pairs)                              # what so many samples could have shown
    holm([first.p, second.p])                                 # several tests at once
"""

from fac_eval.stats._columns import StatsError
from fac_eval.stats._student_t import student_t_quantile
from fac_eval.stats.bootstrap import bootstrap_interval
from fac_eval.stats.composite import combine_independent, composite
from fac_eval.stats.holm import holm
from fac_eval.stats.intervals import LEVEL, Estimate, Interval, bounded, t_interval, wilson_interval
from fac_eval.stats.mcnemar import Alternative, mcnemar_p, paired_score_interval
from fac_eval.stats.paired import (
    POWER,
    detectable_difference,
    effect_size,
    paired_bootstrap,
    paired_difference,
    paired_test,
)
from fac_eval.stats.pairs import Pairs, pairs_of
from fac_eval.stats.permutation import Significance, sign_flip_test, swap_test
from fac_eval.stats.sums import RatioSums

__all__ = [
    "LEVEL",
    "POWER",
    "Alternative",
    "Estimate",
    "Interval",
    "Pairs",
    "RatioSums",
    "Significance",
    "StatsError",
    "bootstrap_interval",
    "bounded",
    "combine_independent",
    "composite",
    "detectable_difference",
    "effect_size",
    "holm",
    "mcnemar_p",
    "paired_bootstrap",
    "paired_difference",
    "paired_score_interval",
    "paired_test",
    "pairs_of",
    "sign_flip_test",
    "student_t_quantile",
    "swap_test",
    "t_interval",
    "wilson_interval",
]
