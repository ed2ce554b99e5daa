"""Regularised evolution on a table that is known."""

import pytest

from ftso_cli.benchmarks.evolution import POPULATION, evolve
from ftso_cli.benchmarks.nats import CELLS, architectures
from ftso_cli.errors import SettingsError


def convolutions(architecture: str) -> float:
    """An accuracy with one best cell of all."""
    return float(architecture.count("nor_conv_3x3"))


def test_it_climbs_and_asks_no_more_than_it_may() -> None:
    asked: list[str] = []

    def reached(architecture: str) -> float:
        asked.append(architecture)
        return convolutions(architecture)

    best = evolve(reached, queries=300, seed=0)
    assert len(asked) == 300 and set(asked) <= set(architectures())
    assert convolutions(best) == max(map(convolutions, asked)) >= 5
    assert max(map(convolutions, asked[:POPULATION])) < 5


def test_each_birth_after_the_first_population_changes_one_edge_of_one_of_the_living() -> None:
    asked: list[str] = []
    evolve(lambda text: asked.append(text) or 1.0, queries=60, seed=1)  # type: ignore[func-returns-value]

    def apart(one: str, other: str) -> int:
        return sum(a != b for a, b in zip(one.split("|"), other.split("|"), strict=True))

    for at in range(POPULATION, len(asked)):
        assert 1 in {apart(asked[at], living) for living in asked[at - POPULATION : at]}


def test_the_same_seed_finds_the_same() -> None:
    assert evolve(convolutions, queries=40, seed=3) == evolve(convolutions, queries=40, seed=3)


@pytest.mark.parametrize("queries", [0, POPULATION - 1, CELLS + 1])
def test_queries_that_make_no_search_are_refused(queries: int) -> None:
    with pytest.raises(SettingsError, match=f"10 to 15,625 queries, not {queries}"):
        evolve(convolutions, queries=queries, seed=0)
