"""The searchers that ask and are told, on toy tables: every method with every decision."""

import random
from collections import Counter
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import torch

from ftso_cli.errors import SettingsError
from ftso_cli.genotype import Genotype
from ftso_cli.search.blackbox.domain import Candidate, Domain, cells_domain, operators_domain
from ftso_cli.search.blackbox.engine import AskTellEngine
from ftso_cli.search.blackbox.evolution import POPULATION
from ftso_cli.search.blackbox.halving import rungs
from ftso_cli.search.blackbox.progressive import predicted
from ftso_cli.search.blackbox.reinforce import RATE, Reinforce, probabilities
from ftso_cli.search.blackbox.searcher import Searcher
from ftso_cli.search.blackbox.searchers import SEARCHERS
from ftso_cli.search.engine.descent import Adam
from ftso_cli.search.limit import Limit
from ftso_cli.spaces import DARTS, NATS
from tests.search.searches import wiring

OPS = ("skip_connect", "sep_conv_3x3")

DECISIONS: dict[str, Callable[[], Domain]] = {
    "wiring": lambda: cells_domain(DARTS, 3, OPS[:1]),
    "operators": lambda: operators_domain(wiring(), OPS),
    "both": lambda: cells_domain(DARTS, 2, OPS),
    "nats": lambda: cells_domain(NATS, 3, NATS.candidates),
}


class Toy:
    """A table in which cells are as good as they share two decisions with one that is planted."""

    def __init__(self, domain: Domain) -> None:
        self.planted = domain.draw(random.Random(7))
        self.counted = [domain.sizes.index(max(domain.sizes)), len(domain.sizes) - 1]

    def reward(self, candidate: Candidate) -> float:
        return sum(candidate[at] == self.planted[at] for at in self.counted) / len(self.counted)


class Longer:
    """An evaluator that is the same however long it looks."""

    def __init__(self, reward: Callable[[Genotype], float]) -> None:
        self.reward = reward

    def __call__(self, genotype: Genotype, /) -> float:
        return self.reward(genotype)

    def longer(self, times: int) -> "Longer":
        return self


def made(method: str, decision: str, *, seed: int = 0, evaluations: int | None = 300) -> tuple[Searcher, Toy]:
    domain = DECISIONS[decision]()
    return SEARCHERS[method](domain, seed=seed, evaluations=evaluations), Toy(domain)


def ran(searcher: Searcher, toy: Toy, evaluations: int) -> Searcher:
    while len(searcher.evaluated) < evaluations:
        candidate = searcher.ask()
        searcher.tell(candidate, toy.reward(candidate))
    return searcher


every_method = pytest.mark.parametrize("method", SEARCHERS)


@pytest.mark.parametrize("decision", DECISIONS)
@every_method
def test_it_finds_the_planted_optimum_with_valid_cells_and_goes_on_to_the_same(method: str, decision: str) -> None:
    searcher, toy = made(method, decision)
    assert searcher.evaluations is not None and searcher.evaluations <= 300
    ran(searcher, toy, searcher.evaluations)
    best = searcher.best()
    assert best is not None and toy.reward(best) == 1
    for candidate in (best, *(candidate for candidate, _ in searcher.evaluated[:3] + searcher.evaluated[-3:])):
        cell = searcher.domain.genotype(candidate)
        assert Genotype.model_validate_json(cell.model_dump_json()) == cell and cell.stage == "complete"
    half, _ = made(method, decision)
    resumed, _ = made(method, decision)
    resumed.restore(ran(half, toy, 30).state())
    assert ran(resumed, toy, searcher.evaluations).evaluated == searcher.evaluated


@every_method
def test_the_state_of_another_search_is_refused(method: str) -> None:
    searcher, toy = made(method, "both")
    other, _ = made(method, "both", seed=1)
    with pytest.raises(ValueError, match="of another search"):
        other.restore(ran(searcher, toy, 1).state())


# Limits


@pytest.mark.parametrize("decision", ["wiring", "operators", "both"])
@every_method
def test_under_a_limit_only_cells_within_it_are_evaluated(method: str, decision: str) -> None:
    free = DECISIONS[decision]()
    costs = sorted(Limit(macs=1).excess(free.genotype(free.draw(random.Random(seed)))) for seed in range(20))
    limit = Limit(macs=int(costs[10]))
    ops = OPS[:1] if decision == "wiring" else OPS
    domain = operators_domain(wiring(), ops, limit) if decision == "operators" else cells_domain(DARTS, 3, ops, limit)
    searcher = SEARCHERS[method](domain, seed=0, evaluations=8)
    seen: list[Genotype] = []
    engine = AskTellEngine(searcher, Longer(lambda genotype: seen.append(genotype) or float(len(seen))))
    engine.run(lambda progress: None)
    assert seen and all(limit.excess(genotype) <= 1 for genotype in (*seen, engine.best()))


def test_where_no_cell_keeps_to_the_limit_the_cheapest_is_told() -> None:
    domain = cells_domain(DARTS, 2, OPS, Limit(params=10))
    with pytest.raises(
        SettingsError, match=r"no cell fits: the cheapest has [\d,]+ parameters, more than 10 in the cifar"
    ):
        domain.draw(random.Random(0))


def test_cells_of_the_imagenet_setting_keep_to_600_million_macs() -> None:
    domain = cells_domain(DARTS, 4, DARTS.derivable, Limit(macs=600_000_000, setting="imagenet"))
    drawn = [domain.draw(random.Random(seed)) for seed in range(5)]
    assert all(0.2 < domain.excess(candidate) <= 1 for candidate in drawn)


# Domains


def test_every_input_and_operator_is_drawn_alike() -> None:
    domain, draws = cells_domain(DARTS, 2, OPS), random.Random(0)
    counts = [Counter(column) for column in zip(*(domain.draw(draws) for _ in range(600)), strict=True)]
    for count, size in zip(counts, domain.sizes, strict=True):
        assert set(count) == set(range(size))
        assert all(abs(share / 600 - 1 / size) < 0.08 for share in count.values())


def test_neighbours_differ_in_one_input_or_one_operator() -> None:
    domain = cells_domain(DARTS, 4, OPS)
    start = domain.draw(random.Random(3))

    def edges_of(candidate: Candidate) -> set[tuple[str, int, int, str | None]]:
        cells = domain.genotype(candidate).cells
        return {(kind, edge.source, edge.target, edge.op) for kind in cells for edge in cells[kind].kept}

    around = list(domain.neighbours(start))
    # Of 3, 4 and 5 inputs two are read: 2, 4 and 6 other pairs share one of them; and 16 edges have another operator.
    assert len(around) == len(set(around)) == 2 * (2 + 4 + 6) + 16
    assert all(len(edges_of(start) - edges_of(other)) in (1, 2) for other in around)


def test_the_operators_of_a_wiring_are_those_of_its_kept_edges_in_order() -> None:
    start = wiring()
    domain = operators_domain(start, OPS)
    found = domain.genotype((0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 1, 1))
    ops = [[edge.op for edge in found.cells[kind].kept] for kind in DARTS.kinds]
    assert ops == [[OPS[1], OPS[0], OPS[0], OPS[1]], [OPS[0], OPS[0], OPS[1], OPS[1]]]
    assert [len(cell.edges) for cell in found.cells.values()] == [len(cell.edges) for cell in start.cells.values()]


# Searchers


def test_regularised_evolution_changes_one_decision_of_one_of_the_last_ten() -> None:
    told = [candidate for candidate, _ in ran(*made("evolution", "nats"), 60).evaluated]
    for at in range(POPULATION, len(told)):
        living = told[at - POPULATION : at]
        assert 1 in {sum(a != b for a, b in zip(told[at], each, strict=True)) for each in living}


def test_reinforce_follows_the_score_function_by_adam() -> None:
    domain = cells_domain(NATS, 3, NATS.candidates)
    searcher = Reinforce(domain, seed=0, evaluations=None)
    logits = torch.tensor(np.array([row for row in searcher.logits if len(row) > 1]), requires_grad=True)
    adam = Adam([logits], rate=RATE, momenta=(0.9, 0.999), decay=0)
    rewards, average = [60.0, 90.0, 30.0, 91.5], 0.0
    for step, reward in enumerate(rewards, 1):
        candidate = searcher.ask()
        average = 0.9 * average + 0.1 * reward
        chosen = torch.tensor([value for value, size in zip(candidate, domain.sizes, strict=True) if size > 1])
        picked = torch.distributions.Categorical(logits=logits).log_prob(chosen)
        logits.grad = None
        (-picked * (reward - average / (1 - 0.9**step))).sum().backward()
        adam.step()
        searcher.tell(candidate, reward)
    expected = logits.detach().softmax(1).numpy()
    found = np.array([probabilities(row) for row in searcher.logits if len(row) > 1])
    assert np.allclose(found, expected, atol=1e-9)


def test_progressive_search_grows_cells_node_by_node() -> None:
    searcher = ran(*made("pnas", "both", evaluations=30), 30)
    domain = searcher.domain
    grown = [
        sum(all(candidate[at] is not None for at in stage) for stage in domain.stages)
        for candidate, _ in searcher.evaluated
    ]
    assert grown == sorted(grown) and set(grown) == {1, 2, 3}
    first = domain.genotype(searcher.evaluated[0][0])
    assert [cell.nodes for cell in first.cells.values()] == [(2,), (2,)]


def test_the_predictor_ranks_what_it_has_not_seen() -> None:
    domain, draws = cells_domain(NATS, 3, NATS.candidates), random.Random(0)
    values = np.random.default_rng(0).normal(size=(len(domain.sizes), 5))

    def reward(candidate: Candidate) -> float:
        return float(sum(values[at, value] for at, value in enumerate(candidate)))

    some = [domain.draw(draws) for _ in range(80)]
    others = [domain.draw(draws) for _ in range(60)]
    found = predicted([(each, reward(each)) for each in some], others)
    assert np.corrcoef(found, [reward(each) for each in others])[0, 1] > 0.85


def test_rungs_cost_no_more_than_the_budget_and_leave_one_in_the_last() -> None:
    for evaluations in (6, 24, 27, 100, 108, 1000):
        found = rungs(evaluations)
        assert sum(count * 3**rung for rung, count in enumerate(found)) <= evaluations
        assert len(found) > 1 and found[-1] >= 1 and all(a // 3 == b for a, b in pairwise(found))
    assert rungs(27) == (9, 3, 1)


@pytest.mark.parametrize(("method", "least"), [("pnas", 3), ("halving", 6)])
def test_a_method_that_plans_says_what_it_lacks(method: str, least: int) -> None:
    with pytest.raises(SettingsError, match="not a time"):
        made(method, "both", evaluations=None)
    with pytest.raises(SettingsError, match=f"takes {least} evaluations here, not {least - 1}"):
        made(method, "both", evaluations=least - 1)


def test_halving_needs_an_evaluator_that_can_look_longer() -> None:
    domain = DECISIONS["both"]()
    with pytest.raises(SettingsError, match="--evaluate training"):
        AskTellEngine(SEARCHERS["halving"](domain, seed=0, evaluations=9), lambda genotype: 0.0)


def test_a_search_of_a_time_ends_with_the_evaluation_in_which_it_is_over() -> None:
    domain = DECISIONS["both"]()
    engine = AskTellEngine(SEARCHERS["evolution"](domain, seed=0, evaluations=None), lambda genotype: 1.0, seconds=1e-9)
    engine.run(lambda progress: None)
    assert engine.iteration == engine.iterations == 1


@pytest.mark.parametrize("method", ["reinforce", "pnas", "evolution", "local-search"])
def test_rewards_that_are_no_number_count_as_the_lowest(method: str) -> None:
    rewards = iter([float("nan"), float("-inf"), 3.0, *[float("nan")] * 100])
    searcher = SEARCHERS[method](DECISIONS["nats"](), seed=0, evaluations=20)
    engine = AskTellEngine(searcher, lambda genotype: next(rewards))
    engine.run(lambda progress: None)
    assert engine.reward == 3.0
