"""The structural predictor: its features, its regression against slow references, its file, and real accuracies."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

import ftso_cli
from ftso_cli.errors import FileError, GenotypeError, SettingsError
from ftso_cli.genotype import Cell, Edge, Genotype
from ftso_cli.genotype.graph import paths_to_output
from ftso_cli.ranks import spearman
from ftso_cli.search.evaluators.predictor.features import Family, family, features
from ftso_cli.search.evaluators.predictor.fitting import TrainedCells, feature_table, fit_cells
from ftso_cli.search.evaluators.predictor.model import BUILT_IN, Predictor, read_predictor, write_predictor
from ftso_cli.search.evaluators.predictor.ridge import PENALTIES, cross_validated, fit
from tests.cells import SURROGATE, planted

DARTS_V2 = ftso_cli.read("darts_v2")


def all_paths(cell: Cell, node: int) -> int:
    """Paths from a node to the output, each walked."""
    here = node in cell.concat
    return here + sum(all_paths(cell, edge.target) for edge in cell.kept if edge.source == node)


def test_paths_to_the_output_are_those_that_can_be_walked() -> None:
    for name in ("darts_v2", "pc_darts_cifar", "nasnet_a"):
        for cell in ftso_cli.read(name).cells.values():
            assert paths_to_output(cell) == {node: all_paths(cell, node) for node in paths_to_output(cell)}


def test_features_count_edges_and_operators_by_where_they_stand() -> None:
    found = features(DARTS_V2)
    cell = DARTS_V2.cells["normal"]
    skips = [edge for edge in cell.kept if edge.op == "skip_connect"]
    assert found["normal.skip_connect"] == len(skips)
    assert found["normal.skip_connect.inputs"] == sum(edge.source < 2 for edge in skips)
    assert found["normal.skip_connect.paths"] == sum(all_paths(cell, edge.target) for edge in skips)
    assert found["normal.edges"] == 8
    assert {family(name) for name in found} == set(Family)


def test_ridge_solves_the_normal_equations_with_the_penalty_of_the_least_leave_one_out_error() -> None:
    random = np.random.default_rng(0)
    x = np.column_stack([random.normal(size=(20, 6)), np.ones(20)])
    y = x[:, 0] - 2 * x[:, 1] + random.normal(size=20)

    def solved(rows: list[int], penalty: float) -> tuple[np.ndarray, float]:
        """Standardised by all rows, as the closed form of a cell left out has it."""
        z = (x[:, :6] - x[:, :6].mean(0)) / x[:, :6].std(0)
        a = np.column_stack([z, np.ones(20)])[rows]
        weights = np.linalg.solve(a.T @ a + penalty * np.diag([1.0] * 6 + [0.0]), a.T @ y[rows])
        return np.column_stack([z, np.ones(20)]) @ weights, penalty

    def left_out(penalty: float) -> float:
        others = [[row for row in range(20) if row != out] for out in range(20)]
        return sum((solved(rows, penalty)[0][out] - y[out]) ** 2 for out, rows in enumerate(others))

    found = fit(x, y)
    assert found.penalty == min(PENALTIES, key=left_out)
    assert found(x) == pytest.approx(solved(list(range(20)), found.penalty)[0], rel=1e-9)
    assert found.weights[-1] == 0


def test_a_cell_left_out_does_not_see_its_own_accuracy() -> None:
    random = np.random.default_rng(1)
    x, y = random.normal(size=(40, 3)), random.normal(size=40)
    before = cross_validated(x, y)
    moved = y.copy()
    moved[7] += 1000
    # Its own prediction moves with the folds of the others alone, which it is not in.
    assert cross_validated(x, moved)[:, 7] == pytest.approx(before[:, 7])


def test_spearman_is_that_of_scipy_with_ties_too() -> None:
    random = np.random.default_rng(2)
    one, other = random.integers(5, size=(2, 30)).astype(float)
    assert spearman(one, other) == pytest.approx(spearmanr(one, other).statistic)
    assert spearman(one, np.ones(30)) is None


def test_a_planted_rule_is_found_and_predicts_cells_left_out() -> None:
    found = fit_cells(planted(60))
    assert found.validation.spearman is not None and found.validation.spearman > 0.95
    assert found.validation.behind < 0.5
    cells = planted(80, seed=5)
    predicted = np.array([found.predict(genotype).accuracy for genotype in cells.genotypes])
    assert spearman(predicted, np.array(cells.accuracies)) > 0.95  # type: ignore[operator]


def test_a_cell_that_was_trained_twice_counts_once_with_its_mean() -> None:
    cells = planted(10)
    twice = TrainedCells(
        genotypes=[*cells.genotypes, cells.genotypes[0]],
        accuracies=[*cells.accuracies, cells.accuracies[0] + 2],
        target=cells.target,
    )
    assert len(feature_table(twice).accuracies) == 10
    assert feature_table(twice).accuracies[0] == pytest.approx(cells.accuracies[0] + 1)


def test_too_few_cells_and_one_accuracy_for_all_are_refused() -> None:
    cells = planted(10)
    with pytest.raises(SettingsError, match="7 different cells; a predictor is fitted to 8 or more"):
        fit_cells(TrainedCells(genotypes=cells.genotypes[:7], accuracies=cells.accuracies[:7], target="accuracy"))
    with pytest.raises(SettingsError, match="same accuracy"):
        fit_cells(TrainedCells(genotypes=cells.genotypes, accuracies=[50.0] * 10, target="accuracy"))


# The file


def test_a_file_holds_the_predictor(tmp_path: Path) -> None:
    found = fit_cells(planted(20), source="planted")
    write_predictor(found, tmp_path / "predictor.json")
    assert read_predictor(tmp_path / "predictor.json") == found


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"format": "ftso-predictor/2"}, "format"),
        ({"space": "moon"}, "none of darts"),
        ({"intercept": 1e300}, "intercept"),
        ({"intercept": float("nan")}, "intercept"),
        ({"cells": True}, "cells"),
        ({"features": {}}, "features"),
        ({"features": {"normal.=cmd()": {"weight": 1.0, "least": 0.0, "most": 1.0}}}, "is no feature"),
        ({"features": {"normal.skip_connect": {"weight": "=1+1", "least": 0.0, "most": 1.0}}}, "weight"),
        ({"source": "x" * 3000}, "source"),
        ({"more": 1}, "more"),
    ],
)
def test_a_damaged_file_is_refused_with_the_place(change: dict[str, object], told: str, tmp_path: Path) -> None:
    path = tmp_path / "predictor.json"
    path.write_text(json.dumps(json.loads(BUILT_IN.read_text()) | change))
    with pytest.raises(FileError, match=told) as caught:
        read_predictor(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"{", b"[" * 100_000, b"\xff\xfe", b'{"format": 1}', b"null"])
def test_a_file_of_something_else_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "predictor.json"
    path.write_bytes(content)
    with pytest.raises(FileError, match="is no predictor"):
        read_predictor(path)


# The predictor that comes with ftso


def test_the_predictor_prefers_the_same_operators_on_a_wide_wiring() -> None:
    predictor = read_predictor(BUILT_IN)

    def of(sources: list[tuple[int, int]]) -> Genotype:
        edges = tuple(
            Edge(source=source, target=node, op=op)
            for node, pair in enumerate(sources, 2)
            for source, op in zip(pair, ("sep_conv_3x3", "skip_connect"), strict=True)
        )
        cell = Cell(edges=edges, concat=(2, 3, 4, 5))
        return DARTS_V2.replace(cells={"normal": cell, "reduce": cell}, about=None)

    wider = [[(0, 1)] * width + [(node - 1, node - 2) for node in range(2 + width, 6)] for width in range(1, 5)]
    predicted = [predictor.predict(of(sources)).accuracy for sources in wider]
    assert all(one < other for one, other in pairwise(predicted))


def test_a_cell_beyond_those_of_the_fit_is_told_and_one_that_it_can_not_know_is_refused() -> None:
    predictor = read_predictor(BUILT_IN)
    assert "normal.sep_conv_3x3" in predictor.predict(ftso_cli.read("ftso_wide_sep3")).beyond
    with pytest.raises(GenotypeError, match="sep_conv_7x7"):
        predictor.predict(ftso_cli.read("nasnet_a"))
    with pytest.raises(SettingsError, match="conv_3x3; search with --ops skip_connect"):
        predictor.check_operators("darts", ("skip_connect", "conv_3x3"))
    with pytest.raises(SettingsError, match="not of nats"):
        predictor.check_operators("nats", ("skip_connect",))


@pytest.mark.skipif(not SURROGATE.is_file(), reason="the cells of the surrogate are not here")
def test_cells_left_out_are_ranked_at_0_85_and_the_best_found_is_at_most_0_15_points_behind() -> None:
    from ftso_cli.api.trained_cells import trained_cells

    found = fit_cells(trained_cells([SURROGATE]))
    assert found.validation.spearman is not None and found.validation.spearman >= 0.85
    assert found.validation.behind <= 0.15
    shipped = read_predictor(BUILT_IN)
    assert isinstance(shipped, Predictor)
    assert {name: one.weight for name, one in shipped.features.items()} == pytest.approx(
        {name: one.weight for name, one in found.features.items()}, abs=1e-4
    )
