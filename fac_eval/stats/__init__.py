"""Figures with their uncertainty: every value comes with n, a standard error and a 95% interval.

Which call fits which figure:

    RatioSums().add([1, 0, 1, 1]).estimate()                  # accuracy: Wilson
    RatioSums().add(ratings, clusters=speakers).estimate()    # mean: clustered t
    RatioSums().add(errors, words).estimate().scaled(100)     # WER in percent: delta method
    composite([(strict, ones), (loose, ones)])                # several rates of the same samples
    combine_independent([hard, easy], [0.5, 0.5])             # an overall figure over disjoint subsets
    bootstrap_interval(f1, [tp, fp, fn], rng=rng)             # any other function of sums
"""

from fac_eval.stats._columns import StatsError
from fac_eval.stats._student_t import student_t_quantile
from fac_eval.stats.bootstrap import bootstrap_interval
from fac_eval.stats.composite import combine_independent, composite
from fac_eval.stats.intervals import LEVEL, Estimate, Interval, bounded, t_interval, wilson_interval
from fac_eval.stats.sums import RatioSums

__all__ = [
    "LEVEL",
    "Estimate",
    "Interval",
    "RatioSums",
    "StatsError",
    "bootstrap_interval",
    "bounded",
    "combine_independent",
    "composite",
    "student_t_quantile",
    "t_interval",
    "wilson_interval",
]
