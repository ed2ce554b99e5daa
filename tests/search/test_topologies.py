"""Topologies as values: what is drawn, what a mutation changes, how deep they are."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftso_cli.genotype import library
from ftso_cli.search.race.topologies import Topology, deepest, mutated, random_topology, topology_of, widest

seeds, nodes = st.integers(0, 2**32), st.integers(2, 6)


@given(seeds, nodes)
def test_a_drawn_topology_is_a_genotype_and_comes_back_from_it(seed: int, nodes: int) -> None:
    drawn = random_topology(random.Random(seed), nodes)
    assert topology_of(drawn.genotype("sep_conv_3x3")) == drawn
    assert [len(inputs) for inputs in drawn.cells] == [nodes, nodes]
    assert 1 <= drawn.depth <= deepest(nodes).depth


@given(seeds, nodes)
def test_a_mutation_changes_one_input_of_one_node(seed: int, nodes: int) -> None:
    random_ = random.Random(seed)
    before = random_topology(random_, nodes)
    after = mutated(random_, before)
    changed = [
        set(old) ^ set(new)
        for cell, other in zip(before.cells, after.cells, strict=True)
        for old, new in zip(cell, other, strict=True)
        if old != new
    ]
    assert len(changed) == 1 and len(changed[0]) == 2


def test_inputs_are_drawn_alike_often() -> None:
    drawn = [random_topology(random.Random(seed), 2) for seed in range(900)]
    for pair in ((0, 1), (0, 2), (1, 2)):
        assert 250 < sum(each.cells[0][1] == pair for each in drawn) < 350


@pytest.mark.parametrize(("make", "name", "depth"), [(widest, "ftso_wide_sep3", 1.0), (deepest, "ftso_deep_sep3", 2.5)])
def test_the_widest_and_the_deepest_are_those_of_the_library(make: object, name: str, depth: float) -> None:
    made = make(4)  # type: ignore[operator]
    assert made == topology_of(library.load_genotype(name)) and made.depth == depth


def test_a_topology_says_what_reads_what() -> None:
    assert str(Topology((((0, 1), (0, 2)), ((0, 1), (1, 2))))) == "normal 2←0,1 3←0,2  reduce 2←0,1 3←1,2"
