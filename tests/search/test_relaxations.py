"""Relaxations against exact expectations in double precision."""

import itertools
import math

import pytest
import torch
from torch import Tensor

from ftso_cli.nn.device import seeded
from ftso_cli.nn.mixed import SharedSuperNet
from ftso_cli.nn.supernet import MixingWeights, SuperNet, Wiring
from ftso_cli.search.relaxations import RELAXATIONS, Weights, concentration, keep_other_paths
from ftso_cli.spaces import DARTS
from ftso_cli.spaces.darts import NetworkShape
from tests.search.searches import search

ALPHA = torch.tensor([0.3, -0.9, 0.8, -0.2], dtype=torch.float64)
VALUES = torch.tensor([1.7, -0.4, 0.6, 2.5], dtype=torch.float64)
"""What each candidate gives: an edge of numbers."""
DRAWS = 200_000


def drawn(name: str, temperature: float = 1.0, learns: bool = True) -> tuple[Tensor, Weights]:
    """α for many independent draws, and their weights."""
    alpha = ALPHA.expand(DRAWS, -1).clone().requires_grad_(learns)
    return alpha, RELAXATIONS[name]((temperature, temperature))(alpha, 0.5, torch.Generator().manual_seed(0))


def mean_gradient(alpha: Tensor, weights: Weights) -> Tensor:
    """The mean over draws of the gradient of (Σ w v)², which is not linear in the weights."""
    loss = (weights.values @ VALUES).square().sum()
    return torch.autograd.grad(loss, alpha)[0].mean(0)


@pytest.mark.parametrize("name", ["hard-gumbel", "gates"])
@pytest.mark.parametrize("learns", [True, False])
def test_one_hots_are_drawn_with_the_probabilities_of_softmax(name: str, learns: bool) -> None:
    weights = drawn(name, 0.4, learns)[1].values
    assert torch.equal(weights.detach(), weights.detach().round()) and bool((weights.sum(1) == 1).all())
    if learns and name == "gates":
        expected = torch.zeros(4, dtype=torch.float64)
        for pair, chance in pairs():
            shares = ALPHA[list(pair)].softmax(0)
            expected[list(pair)] += chance * shares
    else:
        expected = ALPHA.softmax(0)
    torch.testing.assert_close(weights.detach().mean(0), expected, rtol=0, atol=5e-3)


def pairs() -> list[tuple[tuple[int, int], float]]:
    """All pairs of paths that are drawn without replacement, each in both orders, and their probabilities."""
    p = ALPHA.softmax(0).tolist()
    return [((i, j), p[i] * p[j] / (1 - p[i])) for i, j in itertools.permutations(range(4), 2)]


def test_the_mean_gradient_of_gates_is_that_of_all_pairs_enumerated() -> None:
    expected = torch.zeros(4, dtype=torch.float64)
    for pair, chance in pairs():
        places = list(pair)
        shares = ALPHA[places].softmax(0)
        for active in range(2):
            # Published: ∂L/∂α_i = Σ_j ∂L/∂g_j p_j (δ_ij - p_i), over the two; one of them is active.
            slopes = 2 * VALUES[places[active]] * VALUES[places]
            gradient = shares * (slopes - (shares * slopes).sum())
            expected[places] += chance * shares[active] * gradient
    torch.testing.assert_close(mean_gradient(*drawn("gates")), expected, rtol=0, atol=1e-2)


def test_the_mean_gradient_of_a_hard_gumbel_is_that_of_all_choices_integrated() -> None:
    """Of two candidates the noise is one logistic number, so the expectation over it is an integral."""
    alpha, temperature = ALPHA[:2], 0.7
    u = (torch.arange(400_000, dtype=torch.float64) + 0.5) / 400_000
    first = torch.sigmoid((alpha[0] - alpha[1] + torch.logit(u)) / temperature)
    slope = first * (1 - first) / temperature
    chosen = (first < 0.5).long()
    # The weight of the chosen moves by ± slope with α; the output is its value, by whose double ∂(Σ w v)² is scaled.
    sign = 1.0 - 2.0 * chosen
    expected = (2 * VALUES[chosen].square() * sign * slope).mean()
    many = alpha.expand(DRAWS, -1).clone().requires_grad_()
    weights = RELAXATIONS["hard-gumbel"]((temperature, temperature))(many, 0, torch.Generator().manual_seed(1))
    loss = (weights.values @ VALUES[:2]).square().sum()
    found = torch.autograd.grad(loss, many)[0].mean(0)
    torch.testing.assert_close(found, torch.stack([expected, -expected]), rtol=0, atol=1e-2)


def test_a_hard_gumbel_has_a_gradient_on_every_alpha_by_the_candidate_that_is_drawn() -> None:
    alpha, weights = drawn("hard-gumbel")
    soft = drawn("gumbel")[1].values
    assert bool((weights.computed.sum(1) == 1).all())
    gradient = torch.autograd.grad((weights.values @ VALUES).sum(), alpha)[0]
    assert bool((gradient != 0).all())
    at = weights.computed.long().argmax(1)
    chosen = soft.gather(1, at[:, None]).squeeze(1)
    expected = VALUES[at][:, None] * chosen[:, None] * (torch.nn.functional.one_hot(at, 4) - soft)
    torch.testing.assert_close(gradient, expected.detach(), rtol=1e-12, atol=1e-12)


def test_a_gumbel_softmax_falls_from_one_temperature_to_the_other() -> None:
    relax = RELAXATIONS["gumbel"]((2.0, 0.5))
    for progress, temperature in ((0.0, 2.0), (0.5, 1.25), (1.0, 0.5)):
        found = relax(ALPHA[None], progress, torch.Generator().manual_seed(3)).values
        noise = -torch.empty(1, 4, dtype=torch.float64).exponential_(generator=torch.Generator().manual_seed(3)).log()
        torch.testing.assert_close(found, ((ALPHA + noise) / temperature).softmax(1))


def test_the_gradient_of_a_gumbel_softmax_is_the_derivative_for_the_same_noise() -> None:
    relax = RELAXATIONS["gumbel"]((0.6, 0.6))
    alpha = ALPHA[None].clone().requires_grad_()
    weigh = lambda values: relax(values, 0, torch.Generator().manual_seed(5)).values  # noqa: E731
    assert torch.autograd.gradcheck(weigh, alpha)


def test_a_dirichlet_has_the_mean_of_its_concentrations_and_the_gradient_of_expectations() -> None:
    alpha, weights = drawn("dirichlet")
    c = concentration(ALPHA).requires_grad_()
    total = c.sum()
    torch.testing.assert_close(weights.values.detach().mean(0), (c / total).detach(), rtol=0, atol=5e-3)
    # E (Σ w v)² in closed form: E w_i w_j = c_i (c_j + δ_ij) / (c0 (c0 + 1)).
    second = (torch.outer(c, c) + torch.diag(c)) / (total * (total + 1))
    by_concentration = torch.autograd.grad((second * torch.outer(VALUES, VALUES)).sum(), c)[0]
    expected = by_concentration * torch.where(ALPHA > 0, torch.ones(()), ALPHA.exp())
    torch.testing.assert_close(mean_gradient(alpha, weights), expected, rtol=0, atol=1e-2)


def test_paths_that_are_not_moved_keep_their_share() -> None:
    before = ALPHA.expand(2, -1).clone()
    after = before.clone()
    after[0, [1, 3]] += torch.tensor([0.5, -0.1], dtype=torch.float64)
    keep_other_paths(before, after)
    torch.testing.assert_close(after.softmax(1)[0, [0, 2]], before.softmax(1)[0, [0, 2]])
    assert after[0, 1] - after[0, 3] == pytest.approx(float(ALPHA[1] - ALPHA[3]) + 0.6)
    assert torch.equal(after[1], before[1])


@pytest.mark.parametrize("name", list(RELAXATIONS))
def test_it_finds_the_planted_candidate_of_every_edge(name: str) -> None:
    generator = torch.Generator().manual_seed(0)
    losses = torch.rand(16, 5, generator=generator, dtype=torch.float64) + 0.5
    planted = torch.randint(5, (16,), generator=generator)
    losses[torch.arange(16), planted] = 0
    alpha = torch.zeros_like(losses, requires_grad=True)
    relax, adam = RELAXATIONS[name]((2.0, 0.2)), torch.optim.Adam([alpha], 0.1)
    for step in range(300):
        adam.zero_grad()
        (relax(alpha, step / 300, generator).values * losses).sum().backward()
        adam.step()
    assert torch.equal(alpha.argmax(1), planted)


@pytest.mark.parametrize("name", list(RELAXATIONS))
def test_a_candidate_that_is_gone_is_never_weighed(name: str) -> None:
    if name == "dirichlet":
        pytest.skip("no method drops candidates of a Dirichlet")
    alpha = ALPHA.expand(500, -1).clone()
    alpha[:, 2] = -math.inf
    alpha.requires_grad_()
    weights = RELAXATIONS[name]((1.0, 0.1))(alpha, 0.3, torch.Generator().manual_seed(0))
    assert bool((weights.values[:, 2] == 0).all())
    gradient = torch.autograd.grad((weights.values @ VALUES).sum(), alpha)[0]
    assert bool(gradient.isfinite().all())


PRUNED = Wiring(edges=((0, 2), (1, 2), (1, 3), (2, 3), (0, 4), (2, 4)), concat=(2, 3, 4))


@pytest.mark.parametrize("partial", [1, 4])
@pytest.mark.parametrize("make", [SuperNet, SharedSuperNet])
def test_what_is_not_computed_is_left_out_exactly(make: type[SuperNet], partial: int) -> None:
    shape = NetworkShape(channels=8, cells=3, classes=3)
    with seeded(0):
        net = make(dict.fromkeys(DARTS.kinds, PRUNED), DARTS, DARTS.candidates, shape, partial=partial).double()
    on = [[4], [], [0], [5], [3, 7], []]
    alpha = torch.zeros(6, 8, dtype=torch.float64)
    beta = torch.tensor([1.0, 0, 0.4, 0.6, 1.0, 0], dtype=torch.float64)
    for edge, places in enumerate(on):
        alpha[edge, places] = 1 / max(1, len(places))
    images = torch.randn(4, 3, 8, 8, dtype=torch.float64)
    whole = {"candidate_weights": dict.fromkeys(DARTS.kinds, alpha), "edge_weights": dict.fromkeys(DARTS.kinds, beta)}
    everything = net(images, MixingWeights(**whole))
    calls: list[str] = []
    for name, module in net.named_modules():
        if name.endswith((".candidates.6", ".candidates.2")):
            module.register_forward_hook(lambda *_, name=name: calls.append(name))
    some = net(images, MixingWeights(**whole, computed=dict.fromkeys(DARTS.kinds, on)))
    torch.testing.assert_close(some, everything, rtol=1e-9, atol=1e-9)
    assert not calls


@pytest.mark.parametrize("relaxation", ["gumbel", "hard-gumbel", "dirichlet", "gates"])
def test_edges_are_relaxed_alike_by_the_folded_and_the_general_super_net(relaxation: str) -> None:
    seen = []
    for engine in ("folded", "general"):
        losses: list[float] = []
        run = search("topology", iters=2, engine=engine, relaxation=relaxation, temperature=(1.0, 0.5))
        run.run(lambda progress, losses=losses: losses.extend([progress.arch_loss, progress.weight_loss]))
        seen.append((losses, run.engine.net.beta["normal"].tolist()))
    assert seen[0][0] == pytest.approx(seen[1][0], rel=1e-4)
    assert seen[0][1] == pytest.approx(seen[1][1], abs=2e-5)
