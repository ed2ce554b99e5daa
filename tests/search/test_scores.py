"""Training-free scores against slow references, and the weights that make them comparable."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from ftso_cli.data.batching.batches import Batch
from ftso_cli.nn.network import Network
from ftso_cli.search.evaluators.scores import NONE, SCORES, naswot, synflow, zico
from ftso_cli.search.evaluators.short_training import paired
from ftso_cli.spaces.darts import NetworkShape
from tests.nats import FTSO, genotype, string

SHAPE = NetworkShape(channels=2, cells=3)


def network(architecture: str = FTSO, seed: int = 0) -> Network:
    return paired(Network(genotype(architecture), SHAPE, auxiliary=False), seed)


def batches(count: int = 2) -> list[Batch]:
    random = torch.Generator().manual_seed(5)
    return [
        (torch.randn(6, 3, 8, 8, generator=random), torch.randint(10, (6,), generator=random)) for _ in range(count)
    ]


def test_synflow_is_how_the_output_grows_as_each_weight_grows() -> None:
    """Σ θ · ∂R/∂θ of a tensor is the derivative of R as the tensor is scaled, by central differences."""
    positive = network().double().eval()
    for weight in positive.parameters():
        weight.data.abs_()

    def output() -> float:
        with torch.no_grad():
            return float(positive(torch.ones(1, 3, 8, 8, dtype=torch.float64))[0].sum())

    flow = 0.0
    for weight in positive.parameters():
        kept, step = weight.data.clone(), 1e-5
        weight.data = kept * (1 + step)
        above = output()
        weight.data = kept * (1 - step)
        flow += (above - output()) / (2 * step)
        weight.data = kept
    assert synflow(network(), batches()) == pytest.approx(math.log(flow), rel=1e-7)


def test_naswot_counts_the_relus_that_two_images_switch_alike() -> None:
    images = batches()[0][0]
    patterns: list[Tensor] = []
    watched = network().train()
    for module in watched.modules():
        if isinstance(module, torch.nn.ReLU):
            module.register_forward_hook(lambda module, inputs, output: patterns.append(output.flatten(1) > 0))
    with torch.no_grad():
        watched(images)
    codes = torch.cat(patterns, 1)
    alike = torch.tensor([[float((one == other).sum()) for other in codes] for one in codes], dtype=torch.float64)
    assert naswot(network(), batches()) == pytest.approx(float(alike.logdet()), rel=1e-6)


def test_zico_compares_gradients_over_batches() -> None:
    sizes: dict[str, list[Tensor]] = {}
    for images, labels in batches():
        trained = network().train()
        functional.cross_entropy(trained(images)[0], labels).backward()
        for name, weight in trained.named_parameters():
            if weight.dim() > 1:
                sizes.setdefault(name, []).append(weight.grad.abs().double())  # type: ignore[union-attr]
    total = 0.0
    for first, second in sizes.values():
        mean, deviation = (first + second) / 2, (first - second).abs() / 2
        total += math.log(float((mean / deviation)[deviation > 0].sum()))
    assert zico(network(), batches()) == pytest.approx(total, rel=1e-4)


@pytest.mark.parametrize("name", ["synflow", "naswot"])
def test_a_cell_that_passes_nothing_on_has_no_score(name: str) -> None:
    """The residual blocks between stages still pass on zeros, so all images look alike."""
    score = SCORES[name](network(string(["none"] * 6)), batches())  # type: ignore[index]
    assert score == NONE


def test_paired_networks_differ_only_where_their_operators_do() -> None:
    one, two = network(FTSO).state_dict(), network(string(["nor_conv_3x3"] * 6)).state_dict()
    differing = {name.split(".")[3] for name in one if one[name].shape != two[name].shape}
    assert differing == {"3"}  # the edge 0→3
    assert all(torch.equal(one[name], two[name]) for name in one if one[name].shape == two[name].shape)
    assert not network(FTSO, seed=1).state_dict()["stems.0.0.weight"].equal(one["stems.0.0.weight"])
    assert not one["classifier.3.1.bias"].any()
