"""Ranks of numbers, and Spearman's correlation, without the second that importing scipy.stats takes."""

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]


def mean_ranks(column: Numbers) -> Numbers:
    """Return the ranks from below, equals sharing the mean of theirs."""
    ordered = np.sort(column)
    return (np.searchsorted(ordered, column, "left") + np.searchsorted(ordered, column, "right")) / 2


def spearman(one: Numbers, other: Numbers) -> float | None:
    """Return Spearman's rank correlation; None where one of the two is constant."""
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return None
    return float(np.corrcoef(mean_ranks(one), mean_ranks(other))[0, 1])
