"""Whether wiring tells of a cell's accuracy beyond its operators, and how well the structural predictor does.

    python benchmarks/structural_predictor.py CELLS.csv
    python benchmarks/structural_predictor.py CELLS.csv --write ftso_cli/search/evaluators/predictor/darts_nb301.json

CELLS.csv is a table of trained cells as `ftso score --fit` reads it. Families of features are compared on the same
cells left out by 10-fold cross-validation in 10 orders; differences of Spearman's correlation have 95 % intervals from
2,000 resamples of the cells. The last line is JSON. `--write` makes the predictor that comes with ftso.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ftso_cli.api.trained_cells import trained_cells
from ftso_cli.ranks import spearman
from ftso_cli.search.evaluators.predictor.features import DEPTH, EDGES, INPUTS, Family, family
from ftso_cli.search.evaluators.predictor.fitting import FeatureTable, feature_table, fit_cells
from ftso_cli.search.evaluators.predictor.model import write_predictor
from ftso_cli.search.evaluators.predictor.ridge import Matrix, cross_validated

ALL = "all: operators by their place, too"

FAMILIES: Mapping[str, tuple[Family, ...]] = {
    "wiring": (Family.WIRING,),
    "operators": (Family.OPERATORS,),
    "wiring and operators": (Family.WIRING, Family.OPERATORS),
    ALL: (Family.WIRING, Family.OPERATORS, Family.PLACES),
}

PAIRS = (("wiring and operators", "operators"), (ALL, "wiring and operators"), (ALL, "operators"))
"""What is compared with what, on the same cells."""

RESAMPLES = 2000

SOURCE = (
    "250 random cells with the CIFAR-10 validation accuracy that the NAS-Bench-301 surrogate gives them "
    "(Zela et al., 2022), from NASLib's zc_nasbench301.json (Apache-2.0)"
)
LIMITS = (
    "accuracies of a model, of networks of 8 cells and 32 channels on CIFAR-10; cells have four nodes of two inputs; "
    "it need not hold for other images, sizes or cells"
)


def resampled(predicted: Mapping[str, Matrix], accuracies: Matrix, one: str, other: str) -> tuple[float, float, float]:
    """How much higher the correlation of `one` is than that of `other`, and its 95 % interval over cells."""
    means = {name: rows.mean(0) for name, rows in predicted.items()}
    random = np.random.default_rng(0)

    def ahead(cells: Matrix) -> float:
        ranks = [spearman(means[name][cells], accuracies[cells]) or 0.0 for name in (one, other)]
        return ranks[0] - ranks[1]

    count = len(accuracies)
    found = [ahead(random.integers(count, size=count)) for _ in range(RESAMPLES)]
    low, high = np.percentile(found, (2.5, 97.5))
    return ahead(np.arange(count)), float(low), float(high)


def slopes(table: FeatureTable, features: Sequence[str]) -> dict[str, tuple[float, float]]:
    """Points of accuracy that one more of each feature is worth, all operator counts held, and standard errors."""
    counts = [name for name in table.names if family(name) is Family.OPERATORS]
    columns = np.column_stack([np.ones(len(table.accuracies)), table.of([*features, *counts])])
    inverse = np.linalg.pinv(columns.T @ columns)
    weights = inverse @ columns.T @ table.accuracies
    residuals = table.accuracies - columns @ weights
    variance = residuals @ residuals / (len(columns) - np.linalg.matrix_rank(columns))
    errors = np.sqrt(variance * np.diag(inverse))
    return {name: (float(weights[at]), float(errors[at])) for at, name in enumerate(features, 1)}


def families(table: FeatureTable) -> tuple[dict[str, Matrix], dict[str, dict[str, float]]]:
    """The predictions of cells left out by each family of features, and how good they are; prints a table."""
    best = table.accuracies.max()
    predicted, results = {}, {}
    print("| features | number | Spearman | error | best found is behind |\n|---|---|---|---|---|")
    for label, wanted in FAMILIES.items():
        names = [name for name in table.names if family(name) in wanted]
        predicted[label] = rows = cross_validated(table.of(names), table.accuracies)
        rank = float(np.mean([spearman(row, table.accuracies) or 0.0 for row in rows]))
        error = float(np.sqrt(((rows - table.accuracies) ** 2).mean(1)).mean())
        behind = best - table.accuracies[rows.argmax(1)]
        print(
            f"| {label} | {len(names)} | {rank:.3f} | {error:.3f} | {behind.mean():.2f}, at most {behind.max():.2f} |"
        )
        results[label] = {
            "spearman": rank,
            "error": error,
            "behind": float(behind.mean()),
            "most_behind": float(behind.max()),
        }
    print()
    return predicted, results


def main() -> None:
    """Print the tables, and one JSON line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("cells", type=Path)
    parser.add_argument("--write", type=Path, metavar="FILE")
    args = parser.parse_args()
    trained = trained_cells([args.cells])
    table = feature_table(trained)
    low, high = table.accuracies.min(), table.accuracies.max()
    print(f"{len(table.accuracies)} cells, accuracies {low:.2f} to {high:.2f} %\n")
    predicted, results = families(table)
    ahead = {}
    for one, other in PAIRS:
        ahead[f"{one} - {other}"] = found = resampled(predicted, table.accuracies, one, other)
        print(f"{one} against {other}: {found[0]:+.3f} ({found[1]:+.3f} to {found[2]:+.3f})")
    inputs = [name for name in table.names if name.endswith(f".{EDGES}.{INPUTS}")]
    depths = [name for name in table.names if name.endswith(f".{DEPTH}")]
    by_operator = [name for name in table.names if name.endswith(f".{INPUTS}") and name not in inputs]
    worth = {"inputs": inputs, "depth": depths, "both": [*inputs, *depths], "by operator": by_operator}
    found_slopes = {label: slopes(table, names) for label, names in worth.items()}
    for label, found in found_slopes.items():
        print(f"\n{label}, operator counts held")
        for name, (value, error) in found.items():
            print(f"  {name}: {value:+.3f} ± {error:.3f}")
    if args.write:
        write_predictor(fit_cells(trained, source=SOURCE, limits=LIMITS), args.write)
    print(json.dumps({"cells": len(table.accuracies), "families": results, "ahead": ahead, "slopes": found_slopes}))


if __name__ == "__main__":
    main()
