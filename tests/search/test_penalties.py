"""Penalties and limits of a search by gradient, against costs that are counted on whole networks."""

import itertools
import math

import pytest
import torch

from ftso_cli.costs.network import network_cost
from ftso_cli.errors import SettingsError
from ftso_cli.nn.mixed import SharedSuperNet
from ftso_cli.nn.supernet import complete_wirings
from ftso_cli.search.derivation import derived, within
from ftso_cli.search.limit import Limit
from ftso_cli.search.penalties import kl, penalty
from ftso_cli.spaces import DARTS, NATS, Space
from ftso_cli.spaces.darts import NetworkShape
from tests.search.searches import OPS, search

SMALL = NetworkShape(channels=4, cells=3)


def net(space: Space, ops: tuple[str, ...], nodes: int, *, weigh_edges: bool = True) -> SharedSuperNet:
    made = SharedSuperNet(complete_wirings(space, nodes), space, ops, SMALL, partial=1, weigh_edges=weigh_edges)
    generator = torch.Generator().manual_seed(0)
    for parameter in made.double().architecture():
        parameter.data.copy_(torch.randn(parameter.shape, generator=generator))
    return made


def macs(genotype, space: Space, setting: str = "cifar") -> int:
    network = space.evaluations[setting]
    return network_cost(genotype, network.shape, (network.pixels, network.pixels), auxiliary=False).macs


def test_the_expected_macs_are_the_mean_over_all_cells_and_their_gradient_is_its_derivative() -> None:
    ops = ("skip_connect", "nor_conv_1x1", "nor_conv_3x3")
    made = net(NATS, ops, 3, weigh_edges=False)
    alpha = made.alpha["cell"]
    p = alpha.detach().softmax(1)
    alpha.data.zero_()
    cheapest = derived(made, NATS)
    mean = 0.0
    for choice in itertools.product(range(3), repeat=6):
        # Published: a 1x1 edge adds 3,932,160 multiply-adds to the benchmark's network, a 3x3 edge 35,389,440.
        cost = 3_932_160 * choice.count(1) + 35_389_440 * choice.count(2)
        mean += math.prod(float(p[edge, op]) for edge, op in enumerate(choice)) * cost
    alpha.data.copy_(p.log())
    weigh = penalty({"macs": 2.0}, made, NATS, NATS.evaluations["cifar"])
    assert weigh is not None
    value = weigh(made, made.softmax())
    assert value.item() == pytest.approx(2.0 * mean / (6 * 35_389_440))
    gradient = torch.autograd.grad(value, alpha)[0]
    costs = torch.tensor([0.0, 3_932_160, 35_389_440], dtype=torch.float64) / (6 * 35_389_440)
    torch.testing.assert_close(gradient, 2.0 * p * (costs - (p * costs).sum(1, keepdim=True)))
    assert macs(cheapest, NATS) == 7_783_040


def test_entropy_is_one_for_equal_weights_and_kl_is_that_of_torch() -> None:
    made = net(DARTS, OPS, 2)
    expected = sum(
        torch.distributions.kl_divergence(
            torch.distributions.Dirichlet(torch.nn.functional.elu(alpha.detach()) + 1),
            torch.distributions.Dirichlet(torch.ones_like(alpha)),
        ).sum()
        for alpha in made.alpha.values()
    )
    torch.testing.assert_close(kl(made, made.softmax()).detach(), expected)
    for alpha in made.alpha.values():
        alpha.data.zero_()
    weigh = penalty({"entropy": 1.0}, made, DARTS, DARTS.evaluations["cifar"])
    assert weigh is not None and weigh(made, made.softmax()).item() == pytest.approx(1)


def test_a_penalty_of_macs_moves_alpha_from_convolutions_to_skips() -> None:
    plain, cheap = (search("snas", iters=6, arch_lr=0.1, penalty=text).engine for text in (None, "macs=100"))
    for engine in (plain, cheap):
        engine.run(lambda progress: None)
    skip, conv = OPS.index("skip_connect"), OPS.index("sep_conv_3x3")
    alphas = [engine.net.alpha["normal"].detach() for engine in (plain, cheap)]
    lead = [(alpha[:, skip] - alpha[:, conv]).mean() for alpha in alphas]
    assert lead[1] > lead[0] + 0.5


@pytest.mark.parametrize(("fit_macs", "fit_params"), [(40_000_000, None), (None, 400_000), (60_000_000, 350_000)])
def test_the_cell_within_a_limit_is_close_to_the_best_of_all(fit_macs: int | None, fit_params: int | None) -> None:
    """All 729 cells of three operators on the six edges of the nats space."""
    ops = ("skip_connect", "nor_conv_1x1", "nor_conv_3x3")
    made = net(NATS, ops, 3, weigh_edges=False)
    limit = Limit(macs=fit_macs, params=fit_params)
    found = within(limit, made, NATS, lambda charges: derived(made, NATS, charges))()
    weights = made.alpha["cell"].detach().log_softmax(1)
    worths = []
    for choice in itertools.product(range(3), repeat=6):
        ones, threes = choice.count(1), choice.count(2)
        if (fit_macs is None or 7_783_040 + 3_932_160 * ones + 35_389_440 * threes <= fit_macs) and (
            fit_params is None or 73_306 + 28_000 * ones + 243_040 * threes <= fit_params
        ):
            worths.append(sum(float(weights[edge, op]) for edge, op in enumerate(choice)))
    own = sum(float(weights[edge, ops.index(each.op)]) for edge, each in enumerate(found.cells["cell"].edges))
    assert own in [pytest.approx(worth) for worth in worths], "a cell within the limits"
    assert own > max(worths) - 1.5


def test_a_search_within_600m_of_the_imagenet_network_keeps_to_it_and_says_where_none_can() -> None:
    run = search("darts-1st", iters=1, fit_macs=300_000_000, setting="imagenet")
    convolutions = OPS.index("sep_conv_3x3")
    for alpha in run.engine.net.alpha.values():
        alpha.data[:, convolutions] += 3
    found = run.run(lambda progress: None)
    assert 200_000_000 < macs(found, DARTS, "imagenet") <= 300_000_000
    with pytest.raises(SettingsError, match=r"no cell fits: the cheapest has .* MACs, more than 1,000"):
        search("darts-1st", iters=1, fit_macs=1_000).derive()
