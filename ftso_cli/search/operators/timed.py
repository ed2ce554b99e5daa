"""Operators for a cell by trainings of equal time (ours): the cell against its neighbours, with another on one edge.

A first rung trains the cell and as many neighbours as fit, each for equal seconds, so that a cheaper one takes more
steps. A second trains the best three and the cell itself from several initialisations, twice as long. The cell keeps
its operators unless one of them has a lower loss by more than chance.
"""

import random
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import fmean

import torch

from ftso_cli.data import ImageData
from ftso_cli.genotype import Genotype, graph
from ftso_cli.nn.merged import network_class
from ftso_cli.search.evaluators.short_training import first_losses, paired
from ftso_cli.search.operators.capacity import Ops, operators_of, with_operators
from ftso_cli.search.race.ranking import clearly_above, paired_difference
from ftso_cli.settings.searches import ShortTraining
from ftso_cli.spaces import SPACES
from ftso_cli.spaces.darts import NetworkShape

CANDIDATES = {"darts": ("conv_3x3", "conv_1x1", "sep_conv_3x3", "max_pool_3x3", "skip_connect")}
"""Operators that processors run fast, in spaces that have slow ones, too."""

FINALISTS, INITS = 3, 4

LEAST_STEPS = 20
"""Steps of the cell in the first rung, below which a loss tells nothing."""

LEAST_FIELD = 4
"""Neighbours below which there is nothing to choose among."""


@dataclass(frozen=True, kw_only=True)
class OperatorChoice:
    """The cell that was found, and how: `replaced` says which edge has which operator, "" where the cell stays."""

    genotype: Genotype
    neighbours: int
    seconds: float
    replaced: str = ""

    def __str__(self) -> str:
        if not self.neighbours:
            return "search: there was no time to train cells with other operators; the cell stays as it is"
        looked = (
            f"search: {self.neighbours} cells with another operator on one edge, {self.seconds:.2g} s of training each"
        )
        return f"{looked}: {self.replaced or 'none is better by more than chance, so the cell stays as it is'}"


class TimedSearch:
    """A search from the cell `genotype` in networks of a `shape`, trained in batches of `batch_size`."""

    def __init__(
        self,
        genotype: Genotype,
        data: ImageData,
        shape: NetworkShape,
        *,
        batch_size: int,
        seed: int,
        device: torch.device,
    ) -> None:
        self.genotype, self.data, self.shape = genotype, data, shape
        self.seed, self.device = seed, device
        self.edges = [(kind, edge) for kind in SPACES[genotype.space].kinds for edge in genotype.cells[kind].kept]
        self.ops = operators_of(genotype)
        self._paces: dict[Ops, float] = {}
        rate = ShortTraining().weight_lr * batch_size / ShortTraining().batch_size
        self.training = replace(
            ShortTraining(), batch_size=batch_size, weight_lr=rate, side=max(data.image_size), channels=shape.channels
        )

    def run(self, seconds: float, on_run: Callable[[int, int], None]) -> OperatorChoice:
        """Search for so long; `on_run` hears how many trainings of how many are done."""
        pace = self._step_seconds(self.ops)
        finals, neighbours = 2 * (FINALISTS + 1) * INITS, self._neighbours()
        field = min(len(neighbours), int(seconds / (LEAST_STEPS * pace)) - finals - 1)
        if field < LEAST_FIELD:
            return OperatorChoice(genotype=self.genotype, neighbours=0, seconds=0.0)
        unit = seconds / (field + 1 + finals)
        runs, total = 0, field + (FINALISTS + 1) * INITS

        def loss(ops: Ops, init: int, longer: int) -> float:
            nonlocal runs
            found = self._loss(ops, init, longer * unit)
            runs += 1
            on_run(runs, total)
            return found

        first = {ops: loss(ops, 0, 1) for ops in neighbours[:field]}
        best = sorted(first, key=first.__getitem__)[:FINALISTS]
        finals_of = {ops: [loss(ops, init, 2) for init in range(1, INITS + 1)] for ops in (self.ops, *best)}
        return self._decided(finals_of, field, unit)

    def _decided(self, losses: dict[Ops, list[float]], field: int, unit: float) -> OperatorChoice:
        """The finalist of the lowest loss, where the cell itself is clearly behind it."""
        winner = significant_winner(losses, self.ops)
        if winner == self.ops:
            return OperatorChoice(genotype=self.genotype, neighbours=field, seconds=unit)
        (at,) = (at for at, op in enumerate(winner) if op != self.ops[at])
        kind, edge = self.edges[at]
        lower, error = paired_difference(losses[self.ops], losses[winner])
        text = (
            f"{winner[at]} instead of {self.ops[at]} on the edge {edge.source}-{edge.target} of the {kind} cell, "
            f"loss lower by {lower:.3f} ± {error:.3f}"
        )
        found = with_operators(self.genotype, winner)
        return OperatorChoice(genotype=found, neighbours=field, seconds=unit, replaced=text)

    def _neighbours(self) -> list[Ops]:
        """The cells with another operator on one edge, in an order of the seed; those that compute the same are one."""
        space = self.genotype.space
        found = [
            (*self.ops[:at], op, *self.ops[at + 1 :])
            for at in range(len(self.ops))
            for op in CANDIDATES.get(space, SPACES[space].candidates)
        ]
        random.Random(self.seed).shuffle(found)
        different = {self._computed(ops): ops for ops in (*found, self.ops)}
        return [ops for ops in different.values() if ops != self.ops]

    def _computed(self, ops: Ops) -> Hashable:
        """The edges that the output of each kind of cell depends on, with their operators."""
        cells = with_operators(self.genotype, ops).cells
        live = {kind: graph.live_edges(cell) for kind, cell in cells.items()}
        return frozenset((kind, edge.source, edge.target, edge.op) for kind in live for edge in live[kind])

    def _loss(self, ops: Ops, init: int, seconds: float) -> float:
        """The mean loss over the last quarter of the steps that fit in so many seconds."""
        steps = max(LEAST_STEPS // 2, round(seconds / self._step_seconds(ops)))
        losses = self._train(ops, init, steps)
        return fmean(losses[-(steps // 4) :])

    def _step_seconds(self, ops: Ops) -> float:
        """The seconds of a step, the quickest of a few: what else the machine does is not the network's."""
        if ops not in self._paces:
            times = [time.perf_counter()]
            self._train(ops, 0, 5, lambda step: times.append(time.perf_counter()))
            self._paces[ops] = min(after - before for before, after in pairwise(times))
        return self._paces[ops]

    def _train(
        self, ops: Ops, init: int, steps: int, on_step: Callable[[int], None] = lambda step: None
    ) -> list[float]:
        seed = (self.seed << 16) + init
        network = network_class(self.device)(with_operators(self.genotype, ops), self.shape, auxiliary=False)
        return first_losses(
            paired(network, seed),
            self.data,
            self.training,
            seed=seed,
            steps=steps,
            device=self.device,
            on_step=on_step,
        )


def significant_winner(losses: Mapping[Ops, Sequence[float]], own: Ops) -> Ops:
    """Return the cell of the lowest mean loss, or `own` where that is not behind it by more than chance."""
    winner = min(losses, key=lambda ops: fmean(losses[ops]))
    behind, error = paired_difference(losses[own], losses[winner])
    return winner if clearly_above(behind, error, len(losses[own])) else own
