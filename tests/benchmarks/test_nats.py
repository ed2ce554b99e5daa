"""The numbering of cells, ranks and statistics, against counts one by one and published figures."""

import statistics
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftso_cli.benchmarks import text
from ftso_cli.benchmarks.nats import CELLS, RECORD, Table, architecture_index, architectures
from ftso_cli.benchmarks.tables import read_table
from ftso_cli.spaces.nats import DATA_SETS
from tests.benchmarks.tables import PUBLISHED, accuracies
from tests.benchmarks.tables import text as made_up_text
from tests.nats import FTSO, STRINGS, string

SKIP, NONE, ONE, THREE = "skip_connect", "none", "nor_conv_1x1", "nor_conv_3x3"


@pytest.fixture(scope="module")
def made_up() -> Table:
    return text.read_text_table(Path("table.csv"), made_up_text())


def test_every_cell_has_its_number_and_its_string() -> None:
    texts = architectures()
    assert len(set(texts)) == CELLS == 15_625
    assert all(architecture_index(architecture) == place for place, architecture in enumerate(texts))


@given(STRINGS)
def test_strings_are_written_as_everywhere_else(architecture: str) -> None:
    assert architectures()[architecture_index(architecture)] == architecture


@given(st.integers(0, CELLS - 1))
def test_a_cell_is_found_with_its_row_its_accuracies_and_its_ranks(made_up: Table, place: int) -> None:
    entry = made_up.find(architectures()[place])
    assert entry.index == CELLS - 1 - place
    every = list(zip(*map(accuracies, range(CELLS)), strict=True))
    for score, own, column in zip(entry.scores.values(), accuracies(place), every, strict=True):
        assert (score.accuracy, score.best) == (own, max(column))
        assert score.rank == 1 + sum(other > own for other in column)
        assert score.below == sum(other < own for other in column)
        assert score.percentile == 100 * score.below / CELLS
        assert score.to_best == max(column) - own


def test_a_record_is_as_long_as_it_is_read(made_up: Table) -> None:
    assert len(made_up.records) == CELLS * RECORD.size


def test_statistics_agree_with_the_standard_librarys(made_up: Table) -> None:
    for place, name in enumerate(DATA_SETS):
        column = [accuracies(cell)[place] for cell in range(CELLS)]
        found = made_up.summary["data_sets"][name]
        assert found["mean"] == pytest.approx(statistics.fmean(column))
        assert found["std"] == pytest.approx(statistics.pstdev(column))
        assert found["percentiles"]["50"] == pytest.approx(statistics.median(column))
        assert found["percentiles"]["90"] == pytest.approx(statistics.quantiles(column, n=10, method="inclusive")[8])
        top = max(column)
        best = [CELLS - 1 - cell for cell in range(CELLS) if column[cell] == top]
        assert [cell["index"] for cell in found["best_cells"]] == sorted(best)
        assert all(
            CELLS - 1 - architecture_index(cell["architecture"]) == cell["index"] for cell in found["best_cells"]
        )
        assert found["worst_cells"] == column.count(min(column))


def test_the_rank_correlation_is_that_of_ranks_counted_one_by_one(made_up: Table) -> None:
    columns = [mean_ranks([accuracies(cell)[place] for cell in range(CELLS)]) for place in (0, 2)]
    wanted = statistics.correlation(*columns)
    assert made_up.summary["spearman"]["cifar10 imagenet16-120"] == pytest.approx(wanted)


def mean_ranks(column: list[float]) -> list[float]:
    """The ranks of a column, equals sharing the mean of theirs."""
    places: dict[float, list[int]] = {}
    for place, value in enumerate(sorted(column)):
        places.setdefault(value, []).append(place)
    return [statistics.fmean(places[value]) for value in column]


# The published table

TABLE_2 = {
    FTSO: (5721, 93.98, 70.22, 45.57),
    string([SKIP] * 6): (1835, 54.30, 15.61, 16.32),
    string([NONE, SKIP, NONE, SKIP, ONE, NONE]): (3521, 86.57, 58.13, 28.50),
    string([NONE, SKIP, NONE, SKIP, NONE, ONE]): (4771, 89.58, 63.89, 33.77),
    string([SKIP, THREE, NONE, SKIP, NONE, NONE]): (561, 86.88, 58.61, 28.91),
    string([SKIP, ONE, NONE, THREE, SKIP, NONE]): (2057, 91.96, 67.27, 39.47),
    string([NONE, SKIP, NONE, SKIP, NONE, SKIP]): (1728, 84.64, 55.15, 26.06),
    string([THREE] * 6): (1462, 93.76, 71.11, 41.44),
    string([NONE] * 6): (1651, 10.00, 1.00, 0.83),
}
"""Index and accuracies: the rows of the paper's Table 2, and two cells of one operator."""


@pytest.fixture(scope="module")
def published() -> Iterator[Table]:
    if not PUBLISHED.exists():
        pytest.skip(f"no {PUBLISHED.name} beside this checkout")
    yield read_table(PUBLISHED)


@pytest.mark.parametrize(("architecture", "expected"), TABLE_2.items())
def test_every_row_of_the_papers_table_2_has_its_accuracies(
    published: Table, architecture: str, expected: tuple[int, float, float, float]
) -> None:
    entry = published.find(architecture)
    assert (entry.index, *(round(score.accuracy, 2) for score in entry.scores.values())) == expected


def test_the_papers_cell_stands_where_it_is_known_to(published: Table) -> None:
    scores = published.find(FTSO).scores
    assert [score.rank for score in scores.values()] == [45, 675, 122]
    assert [round(score.to_best, 2) for score in scores.values()] == [0.39, 3.29, 1.74]


def test_the_space_has_its_known_statistics(published: Table) -> None:
    found = published.summary["data_sets"]
    best = {name: [cell["index"] for cell in one["best_cells"]] for name, one in found.items()}
    assert best == {"cifar10": [6111, 13_714], "cifar100": [9930], "imagenet16-120": [857]}
    assert [round(one["best"], 4) for one in found.values()] == [94.3733, 73.5133, 47.3111]
    assert [round(one["mean"], 4) for one in found.values()] == [87.0629, 61.4055, 33.5864]
    assert [round(one["std"], 4) for one in found.values()] == [12.9348, 12.1716, 9.5119]
    assert [round(value, 2) for value in found["cifar10"]["percentiles"].values()] == [
        10.00, 73.53, 79.58, 87.62, 90.75, 92.19, 92.93, 93.28, 93.77, 94.18,
    ]  # fmt: skip
    assert found["cifar10"]["worst_cells"] == 341
    assert [round(value, 4) for value in published.summary["spearman"].values()] == [0.9802, 0.9593, 0.9636]
