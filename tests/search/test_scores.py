"""Training-free scores against slow references, and the weights that make them comparable."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import ftso_cli
from ftso_cli.costs.network import network_cost
from ftso_cli.data.batching.batches import Batch
from ftso_cli.nn.layers import FactorizedReduction
from ftso_cli.nn.network import Network
from ftso_cli.search.evaluators.scores import (
    NONE,
    SCORES,
    fisher,
    grad_norm,
    grasp,
    jacov,
    naswot,
    params,
    score_of,
    snip,
    synflow,
    zico,
)
from ftso_cli.search.evaluators.short_training import paired
from ftso_cli.settings.evaluation import Score
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
    for weight in learned(positive):
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
        if isinstance(module, nn.ReLU):
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


def in_doubles() -> tuple[Network, Batch]:
    """A network of the darts space in training mode and a batch, both in double precision, for differences."""
    images, labels = batches()[0]
    trained = paired(Network(ftso_cli.read("darts_v2"), SHAPE, auxiliary=False), 0)
    return trained.double().train(), (images.double(), labels)


def loss_of(trained: Network, batch: Batch) -> Tensor:
    return functional.cross_entropy(trained(batch[0])[0], batch[1])


def learned(trained: Network) -> list[Tensor]:
    """The weights of convolutions and of the classifier."""
    return [module.weight for module in trained.modules() if isinstance(module, nn.Conv2d | nn.Linear)]


def slopes(trained: Network, batch: Batch) -> list[Tensor]:
    """∂L/∂θ of each layer."""
    return list(torch.autograd.grad(loss_of(trained, batch), learned(trained)))


def test_params_counts_what_the_cost_of_the_network_counts() -> None:
    assert params(network(), []) == network_cost(genotype(FTSO), SHAPE, (8, 8)).params


def test_jacov_spreads_the_eigenvalues_of_the_correlations_of_jacobians() -> None:
    """The Jacobian of an image is what all logits together answer to its pixels."""
    watched, (images, labels) = in_doubles()
    seen = images.clone().requires_grad_()
    rows = [torch.autograd.grad(watched(seen)[0][:, place].sum(), seen)[0] for place in range(10)]
    jacobians = torch.stack(rows).sum(0).flatten(1)
    values = np.linalg.eigvals(np.corrcoef(jacobians.numpy())).real
    expected = -np.sum(np.log(values + 1e-5) + 1 / (values + 1e-5))
    assert jacov(in_doubles()[0], [(images, labels)]) == pytest.approx(expected, rel=1e-6)


def test_snip_adds_up_how_the_loss_answers_to_a_mask_on_each_weight() -> None:
    trained, batch = in_doubles()
    weights = {name: weight for name, weight in trained.named_parameters() if weight.dim() > 1}
    masks = {name: torch.ones_like(weight, requires_grad=True) for name, weight in weights.items()}
    masked = {name: weight.detach() * masks[name] for name, weight in weights.items()}
    logits, _ = torch.func.functional_call(trained, masked, (batch[0],))
    slopes_of = torch.autograd.grad(functional.cross_entropy(logits, batch[1]), list(masks.values()))
    assert snip(*_args(batch)) == pytest.approx(sum(float(slope.abs().sum()) for slope in slopes_of), rel=1e-9)


def _args(batch: Batch) -> tuple[Network, list[Batch]]:
    return in_doubles()[0], [batch]


def test_grad_norm_adds_up_the_norms_of_layers() -> None:
    trained, batch = in_doubles()
    expected = sum(math.sqrt(float((slope**2).sum())) for slope in slopes(trained, batch))
    assert grad_norm(*_args(batch)) == pytest.approx(expected, rel=1e-9)


def test_fisher_squares_how_the_loss_answers_to_a_gate_on_each_channel_of_an_image() -> None:
    """Σ z · ∂L/∂z of a channel is ∂L/∂gate, with a gate of 1 behind each layer for every image and channel."""
    trained, batch = in_doubles()
    gates: list[Tensor] = []

    def gated(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        gates.append(torch.ones(output.shape[:2], dtype=torch.float64, requires_grad=True))
        return output * gates[-1].view(*output.shape[:2], *[1] * (output.dim() - 2))

    for module in trained.modules():
        if isinstance(module, nn.Conv2d | nn.Linear | FactorizedReduction):
            module.register_forward_hook(gated)
    found = torch.autograd.grad(loss_of(trained, batch), gates)
    expected = sum(float((gate**2).mean(0).sum()) / 2 for gate in found)
    assert fisher(*_args(batch)) == pytest.approx(expected, rel=1e-9)


def test_grasp_is_how_a_small_step_changes_the_gradients() -> None:
    """H g by central differences of the gradient along g."""
    trained, batch = in_doubles()
    start, slope, step = [weight.data.clone() for weight in learned(trained)], slopes(trained, batch), 1e-7
    ends = []
    for sign in (1, -1):
        for weight, kept, along in zip(learned(trained), start, slope, strict=True):
            weight.data = kept + sign * step * along
        ends.append(slopes(trained, batch))
    expected = -sum(
        float((kept * (above - below)).sum()) / (2 * step) for kept, above, below in zip(start, *ends, strict=True)
    )
    assert grasp(*_args(batch)) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("name", ["synflow", "naswot", "jacov"])
def test_a_cell_that_passes_nothing_on_has_no_score(name: Score) -> None:
    """The residual blocks between stages still pass on zeros, so all images look alike."""
    assert score_of(name, network(string(["none"] * 6)), batches()) == NONE


@pytest.mark.parametrize("name", SCORES)
def test_the_same_network_has_the_same_score(name: Score) -> None:
    values = [score_of(name, network(), batches()) for _ in range(2)]
    assert values[0] == values[1]
    assert math.isfinite(values[0])


def test_paired_networks_differ_only_where_their_operators_do() -> None:
    one, two = network(FTSO).state_dict(), network(string(["nor_conv_3x3"] * 6)).state_dict()
    differing = {name.split(".")[3] for name in one if one[name].shape != two[name].shape}
    assert differing == {"3"}  # the edge 0→3
    assert all(torch.equal(one[name], two[name]) for name in one if one[name].shape == two[name].shape)
    assert not network(FTSO, seed=1).state_dict()["stems.0.0.weight"].equal(one["stems.0.0.weight"])
    assert not one["classifier.3.1.bias"].any()
