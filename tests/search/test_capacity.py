"""Operators by capacity, then trainability, on real digits."""

from dataclasses import replace
from functools import cache

import pytest
import torch

from ftso_cli.data import ImageData, open_images
from ftso_cli.errors import GenotypeError, SettingsError, SpaceError
from ftso_cli.genotype import Genotype
from ftso_cli.search.blackbox.engine import EvaluationProgress
from ftso_cli.search.limit import Limit
from ftso_cli.search.operators.capacity import Capacity, Choice, Ops, operators_of, with_operators
from ftso_cli.search.race.topologies import widest
from ftso_cli.settings.capacity import CapacitySettings
from ftso_cli.spaces import DARTS, NATS
from tests.nats import uniform

SMALL = CapacitySettings(ops=NATS.candidates, channels=4, cells=3, batch_size=8, steps=2, inits=2, slack=1.0)
CONV = ("nor_conv_3x3",) * 6


@cache
def digits() -> ImageData:
    return open_images("digits")


def search(settings: CapacitySettings = SMALL, seed: int = 0, start: Genotype | None = None) -> Capacity:
    start = start or uniform("none")
    return Capacity(start, digits(), settings, seed=seed, device=torch.device("cpu"))


def ran(run: Capacity) -> Choice:
    run.run(lambda progress: None)
    return run.choice()


@cache
def whole(seed: int) -> tuple[Capacity, list[EvaluationProgress]]:
    """The search by `SMALL`, from its start to its end, and what it tells on the way; nothing changes it."""
    run, seen = search(seed=seed), []
    run.run(seen.append)
    return run, seen


def found(settings: CapacitySettings = SMALL, seed: int = 0) -> Choice:
    return ran(search(settings, seed))


def scores(run: Capacity) -> dict[Ops, float]:
    genotype = run.searcher.domain.genotype
    return {operators_of(genotype(candidate)): score for candidate, score in run.searcher.scores.items()}


def differences(one: tuple[str, ...], other: tuple[str, ...]) -> int:
    return sum(op != its for op, its in zip(one, other, strict=True))


@pytest.mark.parametrize("seed", [0, 1])
def test_synflow_climbs_to_convolutions_alone_and_races_what_costs_little(seed: int) -> None:
    run, _ = whole(seed)
    choice = run.choice()
    assert choice.highest == CONV and choice.score == max(scores(run).values())
    close = [
        ops
        for edge in range(6)
        for op in set(NATS.candidates) - {"nor_conv_3x3"}
        if choice.score - scores(run)[ops := (*CONV[:edge], op, *CONV[edge + 1 :])] < SMALL.slack
    ]
    raced = [trial.ops for trial in choice.trials]
    assert set(raced) >= {CONV, *close} and close
    assert [trial.loss for trial in choice.trials] == sorted(trial.loss for trial in choice.trials)
    assert all(len(trial.losses) == SMALL.inits for trial in choice.trials)


def test_the_cell_is_the_fastest_of_its_neighbours() -> None:
    choice = whole(0)[0].choice()
    chosen = tuple(edge.op or "" for edge in choice.genotype.cells["cell"].kept)
    own = next(trial for trial in choice.trials if trial.ops == chosen)
    rivals = [trial for trial in choice.trials if differences(trial.ops, chosen) == 1]
    assert rivals and all(own.loss <= trial.loss for trial in rivals)
    assert own.behind(own) == (0, 0)


def test_without_slack_the_highest_score_wins() -> None:
    choice = found(replace(SMALL, slack=0.0))
    assert choice.genotype == with_operators(uniform("none"), CONV) and len(choice.trials) == 1


def test_the_same_seed_finds_the_same_and_another_sees_other_batches() -> None:
    settings = replace(SMALL, slack=0.0)
    first, again, other = (found(settings, seed) for seed in (3, 3, 4))
    assert first == again
    assert first.trials[0].losses != other.trials[0].losses and first.score != other.score


def test_no_cell_over_a_limit_is_scored_or_trained_and_none_that_fits_is_an_error() -> None:
    limit = Limit(params=700_000)
    start, device = uniform("none"), torch.device("cpu")
    run = Capacity(start, digits(), SMALL, seed=0, device=device, limit=limit)
    choice = ran(run)
    scored = scores(run)
    assert all(limit.allows(with_operators(start, ops)) for ops in scored)
    assert {trial.ops for trial in choice.trials} <= set(scored) and limit.allows(choice.genotype)
    assert choice.highest.count("nor_conv_3x3") == 2, "as many as fit"
    with pytest.raises(SettingsError, match=r"no cell fits: the cheapest has .* parameters, more than 1,000"):
        Capacity(start, digits(), SMALL, seed=0, device=device, limit=Limit(params=1_000))


def test_progress_counts_scores_and_trainings() -> None:
    run, seen = whole(0)
    assert [each.iteration for each in seen] == list(range(1, len(seen) + 1))
    assert len(seen) == len(scores(run)) + len(run.choice().trials) * SMALL.inits
    assert all(each.iteration < each.iterations for each in seen[:-1]) and seen[-1].iterations == len(seen)


def test_a_race_that_was_stopped_goes_on_to_the_same_choice() -> None:
    (undisturbed, _), stopped, resumed = whole(0), search(), search()
    while stopped.iteration < undisturbed.iteration - 3:
        stopped.step()
    assert stopped.searcher.losses
    resumed.restore(stopped.state())
    assert ran(resumed) == undisturbed.choice() and resumed.iteration == undisturbed.iteration


def test_a_budget_that_ends_the_race_leaves_the_best_of_whole_trials() -> None:
    scored = whole(0)[0].searcher.efforts.index(2)
    cut = found(replace(SMALL, budget=scored + SMALL.inits + 1))
    assert [trial.ops for trial in cut.trials] == [CONV] == [operators_of(cut.genotype)]
    none = found(replace(SMALL, budget=3))
    assert not none.trials and operators_of(none.genotype) == none.highest


def test_it_takes_the_darts_space_too_where_no_edge_gets_none() -> None:
    start = widest(2).genotype("sep_conv_3x3")
    settings = replace(SMALL, ops=("max_pool_3x3", "skip_connect", "sep_conv_3x3"), cells=2, slack=0.1)
    choice = ran(search(settings, start=start))
    assert choice.genotype.space == "darts" and len(choice.highest) == 8
    assert {edge.op for cell in choice.genotype.cells.values() for edge in cell.kept} <= set(settings.ops)
    with pytest.raises(SpaceError, match="none"):
        search(replace(SMALL, ops=DARTS.candidates), start=start)


def test_what_can_not_be_searched_is_refused() -> None:
    with pytest.raises(SettingsError, match="fewer than two"):
        replace(SMALL, ops=("skip_connect",))
    with pytest.raises(SettingsError, match="inits must be at least 1, not 0"):
        replace(SMALL, inits=0)
    searched = uniform("skip_connect").replace(stage="searched")
    with pytest.raises(GenotypeError, match="not pruned"):
        search(start=searched)
