"""A network widened to blocks of channels against the network itself: the same logits."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ftso_cli.genotype import Genotype, library
from ftso_cli.genotype.edit import assign_operator
from ftso_cli.nn.blocks import in_blocks
from ftso_cli.nn.merged import deployed
from ftso_cli.spaces.darts import NetworkShape, Reduction, Stem
from ftso_cli.spaces.layers import BatchNorm, Conv, Layers, Relu
from ftso_cli.spaces.operators import OPERATORS, Operator
from tests import nats
from tests.nn.test_deployed import trained
from tests.strategies import genotypes

SIZES = st.tuples(st.integers(8, 12), st.integers(8, 12))

LAYERS: list[tuple[Stem, Reduction, int]] = [
    ("cifar", "residual", 13),
    ("pooled", "pooled", 14),
    ("half", "pooled", 13),
]
"""Stems and reductions of nats cells, and channels that they are widened from."""


def shape_of(channels: int, stem: Stem = "cifar") -> NetworkShape:
    return NetworkShape(channels=channels, cells=4, classes=3, stem=stem)


@torch.no_grad()
def assert_widened(genotype: Genotype, shape: NetworkShape, size: tuple[int, int], channels: int) -> None:
    network = trained(genotype, shape, size)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    wider = in_blocks(network)
    assert wider.shape.channels == channels
    images = torch.randn(3, shape.image_channels, *size, dtype=torch.float64)
    for used in (wider, deployed(wider)):
        torch.testing.assert_close(used(images)[0], network(images)[0], rtol=1e-9, atol=1e-9)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


@given(genotypes("complete", nodes=(1, 4), inputs=(1, 3), history=False), st.sampled_from([11, 13, 14]), SIZES)
@settings(max_examples=10, deadline=None)
def test_any_cell_gives_the_same_logits(genotype: Genotype, channels: int, size: tuple[int, int]) -> None:
    assert_widened(genotype, shape_of(channels), size, -(-channels // 4) * 4)


@pytest.mark.parametrize("stem", ["half", "pooled", "quarter", "pooled-quarter", "imagenet"])
def test_any_stem_gives_the_same_logits(stem: Stem) -> None:
    assert_widened(library.load_genotype("ftso_block"), shape_of(14, stem), (32, 33), 16)


@given(nats.STRINGS, SIZES, st.sampled_from(LAYERS))
@settings(max_examples=10, deadline=None)
def test_a_cell_of_one_input_gives_the_same_logits(
    architecture: str, size: tuple[int, int], layers: tuple[Stem, Reduction, int]
) -> None:
    stem, reduction, channels = layers
    assert_widened(nats.genotype(architecture), replace(shape_of(channels, stem), reduction=reduction), size, 16)


@pytest.mark.parametrize("channels", [3, 9, 12, 16])
def test_a_narrow_network_and_one_of_whole_blocks_stay_as_they_are(channels: int) -> None:
    network = trained(library.load_genotype("ftso_block"), shape_of(channels))
    assert in_blocks(network) is network


@pytest.mark.parametrize(
    ("channels", "groups", "wider"),
    [(15, lambda channels: channels, 16), (14, lambda _: 2, 16), (15, lambda _: 3, 15), (18, lambda n: n // 2, 18)],
    ids=["depthwise", "two groups", "groups that do not divide", "groups of two"],
)
def test_an_operator_of_ones_own_is_widened_where_its_groups_allow_it(
    channels: int, groups: Callable[[int], int], wider: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def layers(channels: int, stride: int) -> Layers:
        own = Conv(channels, channels, (3, 3), (stride, stride), groups=groups(channels))
        return (Relu(), own, BatchNorm(channels))

    monkeypatch.setitem(OPERATORS, "conv_1x1", Operator(name="conv_1x1", label="own", layers=layers))
    genotype = assign_operator(library.load_genotype("ftso_block"), "conv_1x1")
    assert_widened(genotype, shape_of(channels), (9, 8), wider)
