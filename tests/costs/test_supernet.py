"""Super-nets against exact counts of the published search networks, and against closed forms."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftso_cli.costs.supernet import SupernetCost, supernet_cost
from ftso_cli.errors import SettingsError, SpaceError
from ftso_cli.spaces import DARTS
from ftso_cli.spaces.darts import SEARCH, NetworkShape

SKIP, MAX, SEP3 = "skip_connect", "max_pool_3x3", "sep_conv_3x3"

EXACT = {
    # (partial, candidates): weights, of these on edges, α (all) or α and β (PC-DARTS), forward MACs
    (1, DARTS.candidates): (1_930_618, 1_831_168, 224, 300_255_744),
    (1, (SKIP,)): (140_410, 40_960, 28, 24_660_480),
    (1, (MAX,)): (99_450, 0, 28, 20_466_176),
    (1, (SEP3,)): (624_506, 525_056, 28, 96_733_696),
    (1, (MAX, SKIP, "none")): (140_410, 40_960, 84, 24_660_480),
    (1, (MAX, SKIP, "none", SEP3)): (665_466, 566_016, 112, 100_928_000),
    (4, DARTS.candidates): (299_578, 200_128, 252, 56_596_992),
    (4, (SKIP,)): (102_010, 2_560, 56, 20_728_320),
    (4, (MAX,)): (99_450, 0, 56, 20_466_176),
    (4, (SEP3,)): (147_386, 47_936, 56, 28_523_008),
}
"""Counted on the search networks of quark0/darts and of PC-DARTS."""


@pytest.mark.parametrize(("partial", "ops"), EXACT)
def test_super_nets_cost_exactly_what_the_published_ones_do(partial: int, ops: tuple[str, ...]) -> None:
    cost = supernet_cost(ops, partial=partial)
    architecture = cost.alphas if partial == 1 else cost.alphas + cost.betas
    assert (cost.weights, cost.edge_weights, architecture, cost.macs) == EXACT[partial, ops]


def test_every_edge_of_each_kind_of_cell_has_one_beta() -> None:
    assert supernet_cost((SKIP,)).betas == 28
    assert supernet_cost((SKIP,), nodes=2).betas == 2 * 5


@given(st.integers(1, 12), st.integers(1, 12))
def test_skip_only_edges_weigh_only_what_strided_skips_do(nodes: int, quarter: int) -> None:
    channels = 4 * quarter
    cost = supernet_cost((SKIP,), nodes=nodes, shape=NetworkShape(channels=channels, cells=8))
    # Two reduction cells, 2 · nodes edges from the inputs in each, C² weights at a quarter of 2 and of 4 times C.
    assert cost.edge_weights == 2 * nodes * ((2 * quarter) ** 2 + (4 * quarter) ** 2)


@given(st.integers(1, 8))
def test_convolutions_on_edges_grow_with_the_edges(nodes: int) -> None:
    one, many = (supernet_cost((SEP3,), nodes=count, partial=1).edge_weights for count in (1, nodes))
    # A separable convolution weighs the same at both strides, and one node has two edges.
    assert many * 2 == one * nodes * (nodes + 3) // 2


def test_a_thousand_nodes_take_no_longer_than_four() -> None:
    cost = supernet_cost(DARTS.candidates, nodes=1000)
    assert cost.betas == 1000 * 1003
    assert isinstance(cost, SupernetCost)


def test_macs_follow_the_image() -> None:
    small, large = (supernet_cost((SEP3,), image_size=(size, size)) for size in (32, 64))
    classifier = 4 * 64 * SEARCH.classes
    assert large.macs - classifier == 4 * (small.macs - classifier)
    assert large.weights == small.weights


def test_channels_that_cannot_be_split_are_refused() -> None:
    with pytest.raises(SettingsError, match="18 channels can't be split into 4 equal parts"):
        supernet_cost((SKIP,), shape=NetworkShape(channels=18, cells=8))


def test_an_unknown_candidate_is_refused() -> None:
    with pytest.raises(SpaceError, match="did you mean sep_conv_3x3"):
        supernet_cost(("sepconv_3x3",))


@pytest.mark.parametrize("wrong", [{"nodes": 0}, {"partial": 0}])
def test_a_super_net_without_nodes_or_channels_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(SettingsError, match="must be at least 1"):
        supernet_cost((SKIP,), **wrong)


def test_an_operator_of_another_space_is_refused() -> None:
    with pytest.raises(SpaceError, match="nor_conv_3x3"):
        supernet_cost(("nor_conv_3x3",))
