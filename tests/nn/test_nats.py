"""Networks of the nats space, against a network written out by hand and the benchmark's own records."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from ftso_cli.costs.network import network_cost
from ftso_cli.genotype import library
from ftso_cli.nn.network import Network
from ftso_cli.nn.supernet import SearchCell, complete_wiring
from ftso_cli.spaces import NATS
from ftso_cli.spaces.darts import NetworkShape, Reduction, Stem
from ftso_cli.spaces.nats import DATA_SETS
from tests import counting
from tests.nats import FTSO, STRINGS, genotype, uniform


class ByHand(nn.Module):
    """A network of NATS-Bench as its authors describe it, one cell a stage, in the order of our parameters."""

    def __init__(self, architecture: str, width: int, classes: int) -> None:
        super().__init__()
        self.ops = [entry.split("~")[0] for entry in architecture.replace("+", "").split("|") if entry]
        self.stem = nn.Sequential(nn.Conv2d(3, width, 3, padding=1, bias=False), nn.BatchNorm2d(width))
        self.stages = nn.ModuleList()
        for stage in range(3):
            block = self.block(width * 2 ** (stage - 1)) if stage else nn.Identity()
            self.stages.append(nn.ModuleList([block, self.edges(width * 2**stage)]))
        self.norm = nn.BatchNorm2d(4 * width)
        self.classifier = nn.Linear(4 * width, classes)

    def edges(self, width: int) -> nn.ModuleList:
        return nn.ModuleList(self.operator(op, width) for op in self.ops)

    @staticmethod
    def operator(op: str, width: int) -> nn.Module:
        if op.startswith("nor_conv"):
            kernel = int(op[-1])
            convolution = nn.Conv2d(width, width, kernel, padding=kernel // 2, bias=False)
            return nn.Sequential(nn.ReLU(), convolution, nn.BatchNorm2d(width))
        return nn.AvgPool2d(3, 1, 1, count_include_pad=False) if op == "avg_pool_3x3" else nn.Identity()

    @staticmethod
    def block(width: int) -> nn.ModuleList:
        first, second = nn.Conv2d(width, 2 * width, 3, 2, 1, bias=False), nn.Conv2d(2 * width, 2 * width, 3, 1, 1)
        second.register_parameter("bias", None)
        norms = nn.BatchNorm2d(2 * width), nn.BatchNorm2d(2 * width)
        return nn.ModuleList([first, norms[0], second, norms[1], nn.Conv2d(width, 2 * width, 1, bias=False)])

    def forward(self, images: Tensor) -> Tensor:
        x = self.stem(images)
        for block, edges in self.stages:
            if isinstance(block, nn.ModuleList):
                first, norm1, second, norm2, shortcut = block
                x = norm2(second(norm1(first(x.relu())).relu())) + shortcut(functional.avg_pool2d(x, 2))
            (a, b, c, d, e, f), keep = edges, [float(op != "none") for op in self.ops]
            one = keep[0] * a(x)
            two = keep[1] * b(x) + keep[2] * c(one)
            x = keep[3] * d(x) + keep[4] * e(one) + keep[5] * f(two)
        return self.classifier(self.norm(x).relu().mean((2, 3)))


@pytest.mark.parametrize("mode", ["train", "eval"])
@given(STRINGS)
@settings(max_examples=15)
def test_a_network_computes_what_the_benchmarks_network_does(mode: str, architecture: str) -> None:
    ours = Network(genotype(architecture), NetworkShape(channels=4, cells=3, classes=5))
    theirs = ByHand(architecture, 4, 5)
    assert [p.shape for p in ours.parameters()] == [p.shape for p in theirs.parameters()]
    theirs.load_state_dict(dict(zip(theirs.state_dict(), ours.state_dict().values(), strict=True)))
    images = torch.randn(3, 3, 8, 8)
    logits, auxiliary = ours.train(mode == "train")(images)
    assert auxiliary is None
    torch.testing.assert_close(logits, theirs.train(mode == "train")(images))


@given(STRINGS, st.integers(1, 3), st.integers(1, 7), st.tuples(st.integers(1, 17), st.integers(1, 17)))
@settings(max_examples=25)
def test_the_calculator_equals_a_count_over_the_built_network(
    architecture: str, channels: int, cells: int, size: tuple[int, int]
) -> None:
    shape = NetworkShape(channels=channels, cells=cells, classes=3, image_channels=2)
    cost = network_cost(genotype(architecture), shape, size)
    network = Network(genotype(architecture), shape).eval()
    assert counting.parameters(network) == cost.params == cost.params_with_auxiliary
    assert counting.macs(network, torch.zeros(1, 2, *size)) == cost.macs


@pytest.mark.parametrize("name", DATA_SETS)
def test_the_benchmarks_networks_have_as_much_as_the_calculator_says(name: str) -> None:
    shape, side = DATA_SETS[name].shape, DATA_SETS[name].pixels
    cost = network_cost(genotype(FTSO), shape, (side, side))
    with torch.device("meta"):
        network = Network(genotype(FTSO), shape).eval()
        assert counting.parameters(network) == cost.params
        assert counting.macs(network, torch.zeros(1, 3, side, side)) == cost.macs


def test_a_cell_of_none_computes_a_constant() -> None:
    network = Network(uniform("none"), NetworkShape(channels=4, cells=3, classes=5)).eval()
    first, second = (network(torch.randn(2, 3, 8, 8))[0] for _ in range(2))
    assert torch.equal(first, second)


def test_a_search_cell_of_one_input_is_the_weighted_sum_of_its_edges() -> None:
    stage = NATS.skeleton(NetworkShape(channels=4, cells=3), {"cell": 1}).cells[0]
    cell = SearchCell(complete_wiring(3, inputs=1), stage, NATS, ("skip_connect", "nor_conv_3x3"), 1).double()
    alpha, beta = torch.rand(6, 2).double(), torch.rand(6).double()
    x = torch.randn(2, 4, 5, 5).double()
    states = [x]
    for node, edges in ((1, [0]), (2, [1, 2]), (3, [3, 4, 5])):
        terms = []
        for source, at in enumerate(edges):
            relu, conv, norm = cell.edges[at].candidates[1]
            mixed = alpha[at, 0] * states[source] + alpha[at, 1] * norm(conv(relu(states[source])))
            terms.append(beta[at] * mixed)
        states.append(torch.stack(terms).sum(0))
        assert len(states) == node + 1
    out = cell(torch.zeros_like(x), x, alpha, beta)
    torch.testing.assert_close(out, torch.cat(states[1:], dim=1))


def test_a_network_trains() -> None:
    network = Network(genotype(FTSO), NetworkShape(channels=4, cells=3, classes=3)).train()
    network(torch.randn(4, 3, 8, 8))[0].square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in network.parameters())
    assert network.stems[0][0].weight.grad.abs().sum() > 0


@pytest.mark.parametrize("reduction", ["residual", "pooled"])
@pytest.mark.parametrize(
    ("stem", "side"), [("cifar", 33), ("half", 17), ("quarter", 9), ("pooled", 17), ("pooled-quarter", 9)]
)
def test_a_stem_hands_maps_of_its_part_of_the_image_to_the_cells_and_is_counted(
    stem: Stem, side: int, reduction: Reduction
) -> None:
    shape = NetworkShape(channels=6, cells=3, stem=stem, reduction=reduction)
    cell = library.load_genotype("ftso_single")
    network, images = Network(cell, shape).eval(), torch.zeros(1, 3, 33, 33)
    assert network.stems[0](images).shape == (1, 6, side, side)
    cost = network_cost(cell, shape, (33, 33))
    assert (cost.params, cost.macs) == (counting.parameters(network), counting.macs(network, images))
