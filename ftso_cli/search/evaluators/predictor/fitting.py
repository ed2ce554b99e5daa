"""Fitting a predictor to trained cells."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from ftso_cli.errors import SettingsError
from ftso_cli.genotype import Genotype
from ftso_cli.ranks import spearman
from ftso_cli.search.evaluators.predictor.features import features
from ftso_cli.search.evaluators.predictor.model import LEAST_CELLS, Predictor, Validation, Weight
from ftso_cli.search.evaluators.predictor.ridge import FOLDS, REPEATS, Matrix, cross_validated, fit

DIGITS = 6
"""Digits of what a file keeps of weights and of the intercept."""


@dataclass(frozen=True, kw_only=True)
class TrainedCells:
    """Complete genotypes of one space with their accuracies in percent, and how the accuracy is called."""

    genotypes: Sequence[Genotype]
    accuracies: Sequence[float]
    target: str


@dataclass(frozen=True, kw_only=True)
class FeatureTable:
    """Different cells as (cells, features) with their (cells,) accuracies; features by name, in order."""

    names: tuple[str, ...]
    features: Matrix
    accuracies: Matrix

    def of(self, names: Sequence[str]) -> Matrix:
        """Return the columns of these features."""
        return self.features[:, [self.names.index(name) for name in names]]


def feature_table(trained: TrainedCells) -> FeatureTable:
    """Tabulate cells; of cells that no feature tells apart, the mean accuracy is taken.

    So a cell that was trained twice is not in two folds.
    """
    merged: dict[frozenset[tuple[str, float]], list[float]] = {}
    for genotype, accuracy in zip(trained.genotypes, trained.accuracies, strict=True):
        merged.setdefault(frozenset(features(genotype).items()), []).append(accuracy)
    rows: list[Mapping[str, float]] = [dict(row) for row in merged]
    names = tuple(sorted({name for row in rows for name in row}))
    return FeatureTable(
        names=names,
        features=np.array([[row.get(name, 0.0) for name in names] for row in rows]),
        accuracies=np.array([fmean(values) for values in merged.values()]),
    )


def cross_validation(features: Matrix, accuracies: Matrix) -> Validation:
    """Cross-validate a fit to these cells."""
    predicted = cross_validated(features, accuracies)
    ranks = [found for row in predicted if (found := spearman(row, accuracies)) is not None]
    return Validation(
        folds=min(FOLDS, len(accuracies)),
        orders=REPEATS,
        spearman=fmean(ranks) if ranks else None,
        error=float(np.sqrt(np.mean((predicted - accuracies) ** 2, axis=1)).mean()),
        behind=float(np.mean(accuracies.max() - accuracies[predicted.argmax(1)])),
    )


def fit_cells(trained: TrainedCells, *, source: str | None = None, limits: str | None = None) -> Predictor:
    """Fit a predictor; raises `SettingsError` for too few different cells, or where all have one accuracy."""
    table = feature_table(trained)
    if len(table.accuracies) < LEAST_CELLS:
        raise SettingsError(f"{len(table.accuracies)} different cells; a predictor is fitted to {LEAST_CELLS} or more")
    if np.ptp(table.accuracies) == 0:
        raise SettingsError("all cells have the same accuracy, so there is nothing to predict")
    ridge = fit(table.features, table.accuracies)
    columns = zip(table.names, ridge.weights, table.features.T, strict=True)
    return Predictor(
        format="ftso-predictor/1",
        space=trained.genotypes[0].space,
        target=trained.target,
        cells=len(table.accuracies),
        penalty=ridge.penalty,
        intercept=round(ridge.intercept, DIGITS),
        features={
            # Without the sign of a zero.
            name: Weight(weight=round(float(weight), DIGITS) + 0.0, least=float(column.min()), most=float(column.max()))
            for name, weight, column in columns
        },
        validation=cross_validation(table.features, table.accuracies),
        source=source,
        limits=limits,
    )
