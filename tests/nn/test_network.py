from dataclasses import replace
from typing import get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ftso_cli.costs.network import network_cost
from ftso_cli.errors import GenotypeError
from ftso_cli.genotype import Genotype, library
from ftso_cli.genotype.edit import assign_operator, keep_strongest
from ftso_cli.nn.device import seeded
from ftso_cli.nn.network import DropPath, Network
from ftso_cli.spaces.darts import CIFAR, IMAGENET, NetworkShape, Stem
from tests import counting
from tests.strategies import genotypes


def assert_costs_agree(genotype: Genotype, shape: NetworkShape, size: tuple[int, int]) -> None:
    cost = network_cost(genotype, shape, size)
    network = Network(genotype, shape).eval()
    assert counting.parameters(network) == cost.params_with_auxiliary
    assert counting.parameters(network) - counting.parameters(network.auxiliary) == cost.params
    assert counting.macs(network, torch.zeros(1, shape.image_channels, *size)) == cost.macs
    features = torch.zeros(1, cost.stages[network.auxiliary_after + len(network.stems)].output.channels, 3, 3)
    assert counting.macs(network.auxiliary, features) == cost.auxiliary_macs


@given(
    genotypes("complete", nodes=(1, 4), inputs=(1, 3), history=False),
    st.integers(1, 4),
    st.integers(1, 5),
    st.tuples(st.integers(1, 21), st.integers(1, 21)),
    st.integers(2, 7),
    st.sampled_from(get_args(Stem)),
    st.integers(1, 4),
)
@settings(max_examples=40, deadline=None)
def test_the_calculator_equals_a_count_over_the_built_network(
    genotype: Genotype, half: int, cells: int, size: tuple[int, int], classes: int, stem: str, image_channels: int
) -> None:
    shape = NetworkShape(channels=2 * half, cells=cells, classes=classes, stem=stem, image_channels=image_channels)
    assert_costs_agree(genotype, shape, size)


# Six cells have all that more have: cells of either kind behind cells of either kind.
AS_CIFAR = replace(CIFAR, cells=6), (32, 32)
AS_IMAGENET = replace(IMAGENET, cells=6), (224, 224)


@pytest.mark.parametrize(
    ("name", "shape", "size"),
    # Their operators see odd sizes too at the end of 224 pixels; another stem is another for every cell alike.
    [
        *((name, *AS_IMAGENET) for name in library.files() if name != "ftso_single"),
        *((name, *AS_CIFAR) for name in ("darts_v2", "nasnet_a", "amoebanet_a", "ftso_wide_sep3", "ftso_single")),
    ],
)
def test_a_published_cell_costs_as_much_as_its_network_has(
    name: str, shape: NetworkShape, size: tuple[int, int]
) -> None:
    with torch.device("meta"):
        network = Network(library.load_genotype(name), shape).eval()
        cost = network_cost(library.load_genotype(name), shape, size)
        assert counting.parameters(network) == cost.params_with_auxiliary
        assert counting.macs(network, torch.zeros(1, 3, *size)) == cost.macs


@pytest.mark.parametrize("name", library.files())
def test_a_published_cell_trains_and_every_weight_that_counts_gets_a_gradient(name: str) -> None:
    genotype = library.load_genotype(name)
    network = Network(genotype, NetworkShape(channels=4, cells=3, classes=3)).train()
    outputs = [output for output in network(torch.randn(2, 3, 9, 9)) if output is not None]
    assert [output.shape for output in outputs] == [(2, 3)] * (1 if genotype.space == "nats" else 2)
    sum(output.square().sum() for output in outputs).backward()
    assert network.stems[0][0].weight.grad.abs().sum() > 0


@pytest.mark.parametrize("size", [7, 8, 9])
def test_odd_sizes_go_through_every_operator(size: int) -> None:
    for name in ("nasnet_a", "amoebanet_a", "setn", "bayesnas_0.005"):
        network = Network(library.load_genotype(name), NetworkShape(channels=4, cells=4, classes=3)).eval()
        assert network(torch.randn(1, 3, size, size + 1))[0].shape == (1, 3)


@given(genotypes("searched", history=False))
@settings(max_examples=5, deadline=None)
def test_a_genotype_that_is_not_finished_makes_no_network(genotype: Genotype) -> None:
    with pytest.raises(GenotypeError, match="not pruned"):
        Network(genotype, CIFAR)
    with pytest.raises(GenotypeError, match="no operators yet"):
        Network(keep_strongest(genotype)[0], CIFAR)


def test_the_auxiliary_head_speaks_only_while_training() -> None:
    network = Network(library.load_genotype("darts_v2"), NetworkShape(channels=4, cells=3, classes=3))
    images = torch.randn(2, 3, 8, 8)
    assert network.train()(images)[1] is not None
    assert network.eval()(images)[1] is None


def test_the_same_seed_gives_the_same_weights_and_leaves_no_trace() -> None:
    state = torch.get_rng_state()
    first, second = ({}, {})
    for weights in (first, second):
        with seeded(3):
            weights.update(Network(library.load_genotype("darts_v2"), NetworkShape(channels=4, cells=3)).state_dict())
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert torch.equal(torch.get_rng_state(), state)


def test_drop_path_drops_whole_samples_and_keeps_the_mean() -> None:
    drop_path = DropPath()
    drop_path.generator = torch.Generator().manual_seed(0)
    drop_path.rate = 0.3
    x = torch.ones(20_000, 2, 1, 2)
    out = x * drop_path.masks(1, len(x), x)[0]
    per_sample = out.flatten(1)
    assert ((per_sample == 0).all(1) | torch.isclose(per_sample, torch.tensor(1 / 0.7)).all(1)).all()
    assert out.mean().item() == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize(("op", "spared"), [("skip_connect", True), ("sep_conv_3x3", False)])
def test_drop_path_spares_identities(op: str, spared: bool) -> None:
    genotype = assign_operator(library.load_genotype("ftso_wide_sep3"), op)
    network = Network(genotype, NetworkShape(channels=4, cells=3, classes=3)).train()
    network.drop_path.generator = torch.Generator().manual_seed(1)
    features = torch.randn(8, 12, 8, 8)
    cell = network.cells[0]
    plain = cell(features, features)
    network.drop_path.rate = 0.9
    masks = network.drop_path.masks(len(cell.drops), len(features), features)
    assert torch.equal(cell(features, features, masks), plain) == spared
