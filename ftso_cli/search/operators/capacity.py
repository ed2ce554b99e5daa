"""Choosing operators by capacity, then trainability (ours).

First a training-free score is climbed, one edge at a time, until no other operator on any edge raises it. It prefers
large operators, so it ends where the cell has the most capacity, and hardly tells apart cells that cost it little. So
the second part trains the best cell and those that differ from it on one edge and score almost as high for a few steps,
and moves to the one that trains fastest, until none trains faster. A cell over a limit has no score.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from statistics import fmean

import torch

from ftso_cli.data import ImageData
from ftso_cli.errors import SettingsError
from ftso_cli.genotype import Cell, Genotype
from ftso_cli.nn.network import Network
from ftso_cli.search.blackbox.domain import operators_domain
from ftso_cli.search.engine.bilevel import Batch
from ftso_cli.search.evaluators.scores import NONE, score_of
from ftso_cli.search.evaluators.short_training import first_losses, paired
from ftso_cli.search.evaluators.zero_cost import score_batches
from ftso_cli.search.limit import NO_LIMIT, Limit
from ftso_cli.search.phases import network_shape
from ftso_cli.search.race.ranking import paired_difference
from ftso_cli.settings.capacity import CapacitySettings
from ftso_cli.spaces import SPACES

Ops = tuple[str, ...]
"""The operators of all kept edges, cell by cell in the order of the space's kinds."""


@dataclass(frozen=True, kw_only=True)
class CapacityProgress:
    """Scores and training steps that are done, and that are known to come; a search finds out what else as it goes."""

    iteration: int
    iterations: int
    figures: str

    @property
    def facts(self) -> dict[str, float]:
        """Empty: the trials have the facts."""
        return {}


@dataclass(frozen=True, kw_only=True)
class TrainedCell:
    """A cell that was trained: what its score lacks of the best one, and its mean loss from each initialisation."""

    ops: Ops
    costs: float
    losses: tuple[float, ...]

    @property
    def loss(self) -> float:
        """The mean over the initialisations."""
        return fmean(self.losses)

    def behind(self, best: "TrainedCell") -> tuple[float, float | None]:
        """By how much its loss is above that of `best`, and the error of that; None for one initialisation."""
        return paired_difference(self.losses, best.losses)


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The result of a search: the cell, the best score and its cell, and all trials, the least loss first."""

    genotype: Genotype
    score: float
    highest: Ops
    trials: tuple[TrainedCell, ...]


class Capacity:
    """A search; the same seed gives the same cell on one kind of device."""

    def __init__(
        self,
        genotype: Genotype,
        data: ImageData,
        settings: CapacitySettings,
        *,
        seed: int,
        device: torch.device,
        limit: Limit = NO_LIMIT,
    ) -> None:
        """Raises `GenotypeError` where the wiring is not decided yet, `SpaceError` for an operator the space lacks."""
        self.domain = operators_domain(genotype, settings.ops, limit)
        self.genotype, self.data, self.settings = genotype, data, settings
        self.seed, self.device = seed, device
        self.shape = network_shape(data, settings)
        self.edges = len(operators_of(genotype))
        self.scores: dict[Ops, float] = {}
        self.trials: dict[Ops, TrainedCell] = {}
        self.done = self.known = 0
        self.on_progress: Callable[[CapacityProgress], None] = lambda progress: None

    def run(self, on_progress: Callable[[CapacityProgress], None]) -> Choice:
        """Climbs the score, then races what comes close to the best."""
        self.on_progress = on_progress
        highest = self._climb()
        if self.scores[highest] == NONE:
            raise SettingsError(f"no cell of {', '.join(self.settings.ops)} has a score; list other operators in --ops")
        chosen = self._race(highest)
        return Choice(
            genotype=with_operators(self.genotype, chosen),
            score=self.scores[highest],
            highest=highest,
            trials=tuple(sorted(self.trials.values(), key=lambda trial: (trial.loss, trial.ops))),
        )

    def _climb(self) -> Ops:
        """The cell from which no other operator on one edge raises the score, from a cell drawn at random.

        Within a limit no exchange of two operators raises it either: a large one may move to where it is worth more.
        Raises `SettingsError` where no cell keeps to the limit.
        """
        draw = random.Random(self.seed)
        ops = tuple(draw.choice(self.settings.ops) for _ in range(self.edges))
        if self._too_large(ops):
            ops = operators_of(self.domain.genotype(self.domain.draw(draw)))
        before = None
        while before != ops:
            before = ops
            self.known = self.done + self.edges * (len(self.settings.ops) - 1)
            for edge in range(self.edges):
                ops = max([ops, *self._substitutions(ops, edge)], key=self.score)
            if self.domain.limit:
                ops = max([ops, *_exchanges(ops)], key=self.score)
        return ops

    def _race(self, highest: Ops) -> Ops:
        """The cell that trains fastest among its neighbours with a score close to the highest."""
        least = self.scores[highest] - self.settings.slack
        current, before = highest, None
        while before != current:
            before = current
            close = [ops for ops in self._neighbours(current) if self.score(ops) > least]
            field = [current, *close]
            new = [ops for ops in field if ops not in self.trials]
            self.known = self.done + len(new) * self.settings.inits * self.settings.steps
            for ops in new:
                self.trials[ops] = self.trial(ops, highest)
            current = min(field, key=lambda ops: self.trials[ops].loss)
        return current

    def _neighbours(self, ops: Ops) -> Iterator[Ops]:
        for edge in range(self.edges):
            yield from self._substitutions(ops, edge)

    def _substitutions(self, ops: Ops, edge: int) -> Iterator[Ops]:
        """The cells with another operator on this edge."""
        return ((*ops[:edge], op, *ops[edge + 1 :]) for op in self.settings.ops if op != ops[edge])

    def score(self, ops: Ops) -> float:
        """Return the score of this cell's untrained network, `NONE` over the limit; a cell is scored once."""
        if ops not in self.scores:
            self.scores[ops] = (
                NONE if self._too_large(ops) else score_of(self.settings.score, self._network(ops, 0), self.batches)
            )
            self._advance(f"{self.settings.score} {max(self.scores.values()):.3f}")
        return self.scores[ops]

    def trial(self, ops: Ops, highest: Ops) -> TrainedCell:
        """Trains the cell for a few steps from each initialisation; what it costs is to the cell `highest`."""
        losses = []
        for init in range(self.settings.inits):
            first = first_losses(
                self._network(ops, init),
                self.data,
                self.settings,
                seed=self._stream(init),
                steps=self.settings.steps,
                device=self.device,
                on_step=lambda step: self._advance(f"{len(self.trials)} cells raced"),
            )
            losses.append(fmean(first[len(first) // 2 :]))
        return TrainedCell(ops=ops, costs=self.score(highest) - self.score(ops), losses=tuple(losses))

    def _too_large(self, ops: Ops) -> bool:
        return not self.domain.limit.allows(with_operators(self.genotype, ops))

    def _network(self, ops: Ops, init: int) -> Network:
        network = Network(with_operators(self.genotype, ops), self.shape, auxiliary=False)
        return paired(network, self._stream(init))

    @cached_property
    def batches(self) -> list[Batch]:
        """The batches that the scores look at."""
        return score_batches(self.data, self.settings.images, self.settings.side, self._stream(0))

    def _stream(self, init: int) -> int:
        """Return the seed of an initialisation and its batches."""
        return (self.seed << 16) + init

    def _advance(self, figures: str) -> None:
        self.done += 1
        self.on_progress(CapacityProgress(iteration=self.done, iterations=max(self.done, self.known), figures=figures))


def _exchanges(ops: Ops) -> Iterator[Ops]:
    """The cells in which two edges have each other's operators."""
    for one, other in combinations(range(len(ops)), 2):
        if ops[one] != ops[other]:
            yield (*ops[:one], ops[other], *ops[one + 1 : other], ops[one], *ops[other + 1 :])


def operators_of(genotype: Genotype) -> Ops:
    """The operators on the kept edges of a genotype, as `with_operators` takes them."""
    return tuple(str(edge.op) for kind in SPACES[genotype.space].kinds for edge in genotype.cells[kind].kept)


def with_operators(genotype: Genotype, ops: Sequence[str]) -> Genotype:
    """The complete genotype with these operators on its kept edges, cell by cell."""
    left = iter(ops)
    cells = {
        kind: Cell(
            edges=tuple(
                edge.model_copy(update={"op": next(left)}) if edge.kept else edge for edge in genotype.cells[kind].edges
            ),
            concat=genotype.cells[kind].concat,
        )
        for kind in SPACES[genotype.space].kinds
    }
    return genotype.replace(stage="complete", cells=cells, about=None)
