"""Operators by trainings of equal time."""

import pytest
import torch

from ftso_cli.data import open_images, read_training_images
from ftso_cli.genotype import library
from ftso_cli.search.operators import timed
from ftso_cli.search.operators.timed import TimedSearch, significant_winner
from ftso_cli.spaces.darts import NetworkShape


def test_a_cell_is_replaced_only_where_another_is_better_by_more_than_chance() -> None:
    own, noisy, better = ("conv_3x3",), ("conv_1x1",), ("skip_connect",)
    losses = {own: [1.0, 1.1, 0.9, 1.0], noisy: [0.5, 1.4, 0.6, 1.3]}
    assert significant_winner(losses, own) == own
    assert significant_winner(losses | {better: [0.8, 0.9, 0.7, 0.8]}, own) == better


def test_cells_with_another_operator_on_one_edge_are_trained_for_the_time_there_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(timed, "LEAST_STEPS", 4)
    digits = read_training_images(open_images("digits"))
    shape, cell = NetworkShape(channels=4, cells=2, image_channels=1), library.load_genotype("ftso_block")
    search = TimedSearch(cell, digits, shape, batch_size=4, seed=0, device=torch.device("cpu"))
    runs: list[tuple[int, int]] = []
    found = search.run(1e-3, lambda done, total: runs.append((done, total)))
    assert (found.genotype, found.neighbours, runs) == (cell, 0, [])
    # The seconds of a step are measured once, so the time is enough for the finals, the cell and five neighbours.
    seconds = 38.5 * timed.LEAST_STEPS * search._step_seconds(search.ops)
    found = search.run(seconds, lambda done, total: runs.append((done, total)))
    assert found.neighbours == 5 and runs == [(done, 21) for done in range(1, 22)]
    ops = [[edge.op for kind in each.cells.values() for edge in kind.kept] for each in (cell, found.genotype)]
    assert sum(one != other for one, other in zip(*ops, strict=True)) == bool(found.replaced)


def test_neighbours_compute_something_else() -> None:
    digits, shape = open_images("digits"), NetworkShape(channels=4, cells=3, image_channels=1)
    cell = library.load_genotype("ftso_single")
    found = TimedSearch(cell, digits, shape, batch_size=4, seed=0, device=torch.device("cpu"))._neighbours()
    # Four others on each of three edges; without operators, the two edges of the long path are the same cell.
    assert len(found) == len(set(found)) == 11
    assert {ops[1:3] + ops[5:] for ops in found} == {("none", "none", "none")}
