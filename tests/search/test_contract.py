"""What every search keeps to, whatever its method."""

from functools import cache

import pytest

from ftso_cli.errors import TrainingError
from ftso_cli.genotype import Genotype
from tests.search.searches import ASK_TELL, BY_GRADIENT, OPERATORS, OPS, SEARCHES, TOPOLOGY, held_out_accuracy, search

every_search = pytest.mark.parametrize("name", SEARCHES)
by_gradient = pytest.mark.parametrize("name", BY_GRADIENT)
by_evaluation = pytest.mark.parametrize("name", ASK_TELL)


@cache
def searched(name: str) -> Genotype:
    """What the search finds, undisturbed."""
    return search(name).run(lambda progress: None)


@every_search
def test_it_finds_a_valid_genotype(name: str) -> None:
    found = searched(name)
    assert Genotype.model_validate_json(found.model_dump_json()) == found
    assert found.stage == ("searched" if name in TOPOLOGY else "complete")
    if found.stage == "complete":
        for cell in found.cells.values():
            assert [len(cell.inputs_of(node)) for node in cell.nodes] == [2, 2]
            assert all(edge.op in set(OPS) - {"none"} for edge in cell.kept)


@every_search
def test_the_same_seed_finds_the_same_and_another_another(name: str) -> None:
    again, other = (search(name, seed).run(lambda progress: None) for seed in (0, 1))
    assert searched(name) == again
    assert searched(name) != other


@by_gradient
def test_it_keeps_to_its_budget_of_iterations_and_batches(name: str) -> None:
    run, seen = search(name, iters=4), []
    run.run(seen.append)
    assert [progress.iteration for progress in seen] == [1, 2, 3, 4]
    assert all(progress.iterations == 4 for progress in seen)
    held = sum(progress.arch_loss is None for progress in seen)
    assert run.engine.weight_batches.state()["position"] == 4
    assert run.engine.arch_batches.state()["position"] == 4 - held
    assert held == {"pc-darts": 1, "drnas": 2, "proxylessnas": 1, "p-darts": 1}.get(name, 0)


@by_evaluation
def test_it_keeps_to_its_budget_of_cells(name: str) -> None:
    run, seen = search(name), []
    run.run(seen.append)
    evaluations = {"halving": 4 + 1}.get(name, 8)  # As costly as 8: four cells, and one for three times as long.
    assert [progress.iteration for progress in seen] == list(range(1, evaluations + 1))
    comparable = seen[-1:] if name == "halving" else seen
    assert seen[-1].best == max(progress.reward for progress in comparable)


@by_gradient
def test_epochs_are_passes_over_the_images_that_move_the_weights(name: str) -> None:
    engine = search(name, iters=None, epochs=2, batch_size=64).engine
    assert engine.iterations == 2 * engine.weight_batches.steps_per_epoch == 2 * (719 // 64)


@every_search
def test_a_loss_that_is_not_finite_stops_it(name: str) -> None:
    length = {"steps": 8, "budget": None} if name in ASK_TELL else {"iters": 8}
    with pytest.raises(TrainingError, match=r"not finite at (iteration|step)"):
        search(name, weight_lr=1e30, **length).run(lambda progress: None)


@every_search
def test_it_goes_on_from_its_state_to_the_same_result(name: str) -> None:
    done, stopped = 3 if name in ASK_TELL else 2, search(name)
    for _ in range(done):
        stopped.engine.step()
    state = {part: tensor.clone() for part, tensor in stopped.engine.state().items()}
    stopped.engine.step()  # What comes after must not reach into the saved state.
    resumed = search(name)
    resumed.engine.restore(state)
    assert resumed.engine.iteration == done
    assert resumed.run(lambda progress: None) == searched(name)


@by_gradient
def test_held_out_accuracy_leaves_that_of_the_untrained_net_far_behind(name: str) -> None:
    # In P-DARTS the net of the last third is new, and GDAS trains one operator of an edge at a time.
    own = {
        "darts-1st": {"iters": 12},
        "darts-2nd": {"iters": 12},
        "p-darts": {"iters": 36, "added_cells": (0, 0, 0)},
        "operators": {"channels": 8},
        "operators by gdas": {"iters": 48, "channels": 8},
        "topology by gdas": {"iters": 48},
    }.get(name, {})
    # The operators are searched on a wiring that has its nodes.
    nodes = {} if name in OPERATORS else {"nodes": 1}
    run = search(name, **{"iters": 24, "channels": 4, "batch_size": 32, "weight_lr": 0.1, **nodes, **own})
    untrained = held_out_accuracy(run)
    run.run(lambda progress: None)
    assert untrained < 0.15
    assert held_out_accuracy(run) > 2 * untrained
