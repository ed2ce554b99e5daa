"""Statistics of a few seeds: mean, standard deviation, intervals by Student's t, paired differences, correlations."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, stdev

CONFIDENCE = 0.95


@dataclass(frozen=True, kw_only=True)
class Spread:
    """The mean over seeds, its deviation and its confidence interval."""

    n: int
    mean: float
    std: float | None
    """Sample standard deviation; None of one value."""
    half: float | None
    """Half of the 95 % confidence interval of the mean, by Student's t with n - 1 degrees of freedom."""


def spread(values: Sequence[float]) -> Spread | None:
    """Return the spread of independent values; None where there are none."""
    if not values:
        return None
    n, mean = len(values), fmean(values)
    if n == 1:
        return Spread(n=1, mean=mean, std=None, half=None)
    from scipy.stats import t

    std = stdev(values)
    return Spread(n=n, mean=mean, std=std, half=float(t.ppf((1 + CONFIDENCE) / 2, n - 1)) * std / sqrt(n))


@dataclass(frozen=True, kw_only=True)
class Correlation:
    """The correlation of two measures; None where one of them doesn't vary, or there are fewer than three pairs."""

    pairs: int
    pearson: float | None
    interval: tuple[float, float] | None = None
    """The 95 % confidence interval of Pearson's, by Fisher's transformation; None of three pairs."""
    spearman: float | None


def correlation(x: Sequence[float], y: Sequence[float]) -> Correlation:
    """Return the correlation of pairs `x[i]`, `y[i]`."""
    if len(x) < 3 or len(set(x)) == 1 or len(set(y)) == 1:
        return Correlation(pairs=len(x), pearson=None, spearman=None)
    from scipy.stats import pearsonr, spearmanr

    by_value = pearsonr(x, y)
    low, high = by_value.confidence_interval(CONFIDENCE)
    return Correlation(
        pairs=len(x),
        pearson=float(by_value.statistic),
        interval=(float(low), float(high)) if len(x) > 3 else None,
        spearman=float(spearmanr(x, y).statistic),
    )
