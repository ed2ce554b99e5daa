"""Ridge regression on standardised features, its penalty chosen by leave-one-out error, and its cross-validation."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PENALTIES = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)
"""The penalties that are compared, on features of unit variance."""

FOLDS = 10
REPEATS = 10

Matrix = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Ridge:
    """A linear function of features, and the penalty that it was fitted with."""

    intercept: float
    weights: Matrix
    penalty: float

    def __call__(self, features: Matrix) -> Matrix:
        """(cells, features) to (cells,)."""
        return self.intercept + features @ self.weights


def fit(features: Matrix, targets: Matrix) -> Ridge:
    """Fit (cells, features) to (cells,) with the penalty of the least leave-one-out error (Hastie et al., 2009, 7.10).

    A feature that is the same in all cells has weight 0.
    """
    means, scales = features.mean(0), features.std(0)
    varies = scales > 0
    scales = np.where(varies, scales, 1.0)
    left, sizes, right = np.linalg.svd(np.where(varies, (features - means) / scales, 0.0), full_matrices=False)
    centre = targets.mean()
    along = left.T @ (targets - centre)

    def left_out(penalty: float) -> float:
        shrink = sizes**2 / (sizes**2 + penalty)
        residuals = targets - centre - left @ (shrink * along)
        leverage = 1 / len(targets) + (left**2) @ shrink
        return float(np.mean((residuals / np.maximum(1 - leverage, 1e-9)) ** 2))

    penalty = min(PENALTIES, key=left_out)
    weights = (right.T @ (sizes / (sizes**2 + penalty) * along)) / scales
    return Ridge(intercept=float(centre - means @ weights), weights=weights, penalty=penalty)


def cross_validated(features: Matrix, targets: Matrix) -> Matrix:
    """Return the predictions of cells that were left out, (`REPEATS`, cells): a row an order in which folds are cut."""
    count = len(targets)
    folds = min(FOLDS, count)
    found = np.empty((REPEATS, count))
    for repeat, row in enumerate(found):
        order = np.random.default_rng(repeat).permutation(count)
        for fold in range(folds):
            held_out = order[fold::folds]
            others = np.setdiff1d(order, held_out)
            row[held_out] = fit(features[others], targets[others])(features[held_out])
    return found
