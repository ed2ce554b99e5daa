"""Ranks and statistics of a whole table, each in one vectorised pass."""

from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ftso_cli.benchmarks.nats import CELLS, Table, architectures
from ftso_cli.ranks import mean_ranks
from ftso_cli.spaces.nats import DATA_SETS

PERCENTILES = (1, 5, 10, 25, 50, 75, 90, 95, 99, 99.9)


_SCORE = np.dtype([("accuracy", "<f8"), ("rank", "<i4"), ("below", "<i4")])
_RECORD = np.dtype([("row", "<i4"), ("scores", _SCORE, len(DATA_SETS))])
"""The same bytes as `nats.RECORD`."""


def ranked(rows: NDArray[np.int64], accuracies: NDArray[np.float64]) -> Table:
    """The table of cells in the order of `number`: `rows` (15625) in the file, `accuracies` (15625, 3) in percent."""
    packed = np.zeros(CELLS, dtype=_RECORD)
    packed["row"] = rows
    for place, column in enumerate(accuracies.T):
        ordered, scores = np.sort(column), packed["scores"][:, place]
        scores["accuracy"] = column
        scores["rank"] = CELLS + 1 - np.searchsorted(ordered, column, side="right")
        scores["below"] = np.searchsorted(ordered, column, side="left")
    return Table(summary=summarise(rows, accuracies), records=packed.tobytes())


def summarise(rows: NDArray[np.int64], accuracies: NDArray[np.float64]) -> dict[str, Any]:
    """Statistics of each data set, with its best cells, and Spearman's rank correlation of each two data sets."""
    texts = architectures()
    data_sets: dict[str, Any] = {}
    for name, column in zip(DATA_SETS, accuracies.T, strict=True):
        best = np.flatnonzero(column == column.max())
        data_sets[name] = {
            "best": float(column.max()),
            "best_cells": [{"index": int(rows[at]), "architecture": texts[at]} for at in best[np.argsort(rows[best])]],
            "mean": float(column.mean()),
            "std": float(column.std()),
            "percentiles": dict(zip(map(str, PERCENTILES), np.percentile(column, PERCENTILES).tolist(), strict=True)),
            "worst": float(column.min()),
            "worst_cells": int((column == column.min()).sum()),
        }
    correlations = np.asarray(np.corrcoef([mean_ranks(column) for column in accuracies.T]))
    pairs = {
        f"{one} {other}": float(correlations[i, j]) for (i, one), (j, other) in combinations(enumerate(DATA_SETS), 2)
    }
    return {"cells": CELLS, "data_sets": data_sets, "spearman": pairs}
