"""The network in use against the reference: the same logits from fewer operations."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from ftso_cli.genotype import Genotype, library
from ftso_cli.genotype.edit import assign_operator
from ftso_cli.nn.device import seeded
from ftso_cli.nn.merged import deployed
from ftso_cli.nn.network import Network
from ftso_cli.spaces.darts import NetworkShape, Reduction
from tests import nats
from tests.strategies import genotypes

SMALL = NetworkShape(channels=4, cells=4, classes=3)


def trained(genotype: Genotype, shape: NetworkShape = SMALL, size: tuple[int, int] = (9, 8)) -> Network:
    """A network whose batch norms have weights and statistics that are not 0 and 1, in double precision."""
    with seeded(0):
        network = Network(genotype, shape).double().train()
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.uniform_(module.weight, -2, 2)
                nn.init.uniform_(module.bias, -1, 1)
        for _ in range(3):
            network(torch.randn(4, shape.image_channels, *size, dtype=torch.float64))
    return network.eval()


@torch.no_grad()
def assert_same(genotype: Genotype, shape: NetworkShape = SMALL, size: tuple[int, int] = (9, 8)) -> nn.Module:
    network = trained(genotype, shape, size)
    used = deployed(network)
    images = torch.randn(3, shape.image_channels, *size, dtype=torch.float64)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    torch.testing.assert_close(used(images)[0], network(images)[0], rtol=1e-9, atol=1e-9)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    return used


@given(
    genotypes("complete", nodes=(1, 4), inputs=(1, 3), history=False),
    st.tuples(st.integers(3, 10), st.integers(3, 10)),
)
@settings(max_examples=12, deadline=None)
def test_any_cell_gives_the_logits_of_the_reference(genotype: Genotype, size: tuple[int, int]) -> None:
    assert_same(genotype, size=size)


@given(nats.STRINGS, st.tuples(st.integers(4, 9), st.integers(4, 9)), st.sampled_from(["residual", "pooled"]))
@settings(max_examples=20, deadline=None)
def test_a_cell_of_one_input_gives_the_logits_of_the_reference(
    architecture: str, size: tuple[int, int], reduction: Reduction
) -> None:
    assert_same(nats.genotype(architecture), replace(SMALL, reduction=reduction), size)


@pytest.mark.parametrize("name", ["darts_v2", "nasnet_a", "amoebanet_a", "ftso_deep_sep3"])
@pytest.mark.parametrize("stem", ["cifar", "half", "pooled", "quarter", "pooled-quarter", "imagenet"])
def test_a_published_cell_has_no_batch_norm_left(name: str, stem: str) -> None:
    shape = NetworkShape(channels=4, cells=3, classes=5, stem=stem)  # type: ignore[arg-type]
    used = assert_same(library.load_genotype(name), shape, (45, 45))
    # A scale below 0 can't go in front of a max pooling.
    assert sum(isinstance(module, nn.BatchNorm2d) for module in used.modules()) == stem.startswith("pooled")


def test_a_wide_cell_of_plain_convolutions_is_one_convolution() -> None:
    plain = assign_operator(library.load_genotype("ftso_wide_sep3").replace(stage="pruned"), "conv_3x3")
    used = assert_same(plain)
    merged = [layer for name, layer in used.named_children() if name.startswith("cells_")]
    assert [(layer.in_channels, layer.out_channels) for layer in merged] == [(2 * c, 4 * c) for c in (4, 8, 16, 16)]
