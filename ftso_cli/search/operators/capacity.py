"""Choosing operators by capacity, then trainability (ours).

First a training-free score is climbed, one edge at a time, until no other operator on any edge raises it. It prefers
large operators, so it ends where the cell has the most capacity, and hardly tells apart cells that cost it little. So
the second part trains the best cell and those that differ from it on one edge and score almost as high for a few steps,
and moves to the one that trains fastest, until none trains faster. A cell over a limit is not looked at.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from statistics import fmean

import torch

from ftso_cli.data import ImageData
from ftso_cli.errors import SettingsError
from ftso_cli.genotype import Cell, Genotype
from ftso_cli.search.blackbox.domain import Candidate, Domain, operators_domain
from ftso_cli.search.blackbox.engine import AskTellEngine
from ftso_cli.search.blackbox.searcher import Searcher
from ftso_cli.search.evaluators.evaluator import EvaluationContext, Evaluator
from ftso_cli.search.evaluators.scores import NONE
from ftso_cli.search.evaluators.short_training import ByTraining
from ftso_cli.search.evaluators.zero_cost import ByScore
from ftso_cli.search.limit import NO_LIMIT, Limit, limit_of
from ftso_cli.search.phases import Search
from ftso_cli.search.race.ranking import paired_difference
from ftso_cli.settings.capacity import CapacitySettings
from ftso_cli.spaces import SPACES

Ops = tuple[str, ...]
"""The operators of all kept edges, cell by cell in the order of the space's kinds."""

SCORED = 1
"""The effort of a score; a training from initialisation n has the effort `SCORED` + 1 + n."""

Proposals = Iterator[tuple[Candidate, int]]
"""Candidates, each with the effort of its evaluation."""


@dataclass(frozen=True, kw_only=True)
class TrainedCell:
    """A cell that was trained: what its score lacks of the best one, and its mean loss from each initialisation."""

    ops: Ops
    costs: float
    losses: tuple[float, ...]

    label: str
    """The operators in which it differs from the cell with the highest score."""

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


class CapacitySearcher(Searcher):
    """Climbs the score, then races what comes close to the best; it ends by itself, or with its budget."""

    name = "capacity search"
    scales = True

    def __init__(self, domain: Domain, settings: CapacitySettings, *, seed: int) -> None:
        super().__init__(domain, seed=seed, evaluations=settings.evaluations)
        self.settings, self._budget = settings, settings.evaluations
        self.scores: dict[Candidate, float] = {}
        self.losses: dict[Candidate, list[float]] = {}
        """The losses of every cell that was trained, by initialisation."""
        self._known = 0
        """Evaluations that are done or known to come; a search finds out what else as it goes."""
        self._highest: Candidate | None = None
        """The end of the climb."""
        self._proposals = self._search()
        self._advance()

    def ask(self) -> Candidate:
        """Propose the next cell to score, or to train."""
        return self._next[0]

    @property
    def effort(self) -> int:
        """1 for a score, more for a training."""
        return self._next[1]

    def tell(self, candidate: Candidate, reward: float) -> None:
        """Take note of a score, or of a loss with its sign changed."""
        super().tell(candidate, reward)
        if self.effort == SCORED:
            self.scores[candidate] = reward
        else:
            self.losses.setdefault(candidate, []).append(-reward)
        self._advance()

    def best(self) -> Candidate | None:
        """Return the cell that trains fastest; before any is trained, the one with the highest score."""
        trained = self.trained()
        return min(trained, key=self.loss) if trained else self.highest() if self.scores else None

    def highest(self) -> Candidate:
        """Return the end of the climb; before it, the cell with the highest score so far."""
        return max(self.scores, key=self.scores.__getitem__) if self._highest is None else self._highest

    def trained(self) -> list[Candidate]:
        """Return the cells that were trained from every initialisation."""
        return [candidate for candidate, losses in self.losses.items() if len(losses) == self.settings.inits]

    def loss(self, candidate: Candidate) -> float:
        """Return the mean loss over the initialisations."""
        return fmean(self.losses[candidate])

    def _advance(self) -> None:
        done = len(self.evaluated)
        proposal = next(self._proposals, None)
        if proposal is not None:
            self._next = proposal
        known = done if proposal is None else max(done + 1, self._known)
        self.evaluations = known if self._budget is None else min(known, self._budget)

    def _search(self) -> Proposals:
        self._highest = yield from self._climb()
        if self.scores[self._highest] == NONE:
            raise SettingsError(f"no cell of {', '.join(self.settings.ops)} has a score; list other operators in --ops")
        yield from self._race(self._highest)

    def _climb(self) -> Generator[tuple[Candidate, int], None, Candidate]:
        """Return the cell from which no other operator on one edge raises the score, from a cell drawn at random.

        Within a limit no exchange of two operators raises it either: a large one may move to where it is worth more.
        Raises `SettingsError` where no cell keeps to the limit.
        """
        sizes = self.domain.sizes
        current: Candidate = tuple(self.random.randrange(size) if size > 1 else 0 for size in sizes)
        if not self.domain.allows(current):
            current = self.domain.draw(self.random)
        before = None
        while before != current:
            before = current
            self._known = len(self.evaluated) + sum(size - 1 for size in sizes)
            for at, size in enumerate(sizes):
                others = [(*current[:at], value, *current[at + 1 :]) for value in range(size)]
                current = yield from self._best_of(current, others)
            if self.domain.limit:
                current = yield from self._best_of(current, self._exchanges(current))
        return current

    def _best_of(
        self, current: Candidate, others: Iterable[Candidate]
    ) -> Generator[tuple[Candidate, int], None, Candidate]:
        """Return the candidate with the highest score, `current` among equals."""
        candidates = [current, *(other for other in others if self.domain.allows(other))]
        yield from self._unscored(candidates)
        return max(candidates, key=self.scores.__getitem__)

    def _unscored(self, candidates: Sequence[Candidate]) -> Proposals:
        return ((candidate, SCORED) for candidate in candidates if candidate not in self.scores)

    def _exchanges(self, current: Candidate) -> Iterator[Candidate]:
        """The candidates in which two edges have each other's operators."""
        for one, other in combinations((at for at, (_, place) in enumerate(self.domain.places) if place), 2):
            if current[one] != current[other]:
                yield (
                    *current[:one],
                    current[other],
                    *current[one + 1 : other],
                    current[one],
                    *current[other + 1 :],
                )

    def _race(self, highest: Candidate) -> Proposals:
        """Train what scores close to the highest, moving to the cell that trains fastest among its neighbours."""
        least = self.scores[highest] - self.settings.slack
        current, before = highest, None
        while before != current:
            before = current
            around = list(self.domain.neighbours(current))
            yield from self._unscored(around)
            racing = [current, *(other for other in around if self.scores[other] > least)]
            new = [candidate for candidate in racing if candidate not in self.losses]
            self._known = len(self.evaluated) + len(new) * self.settings.inits
            yield from ((candidate, SCORED + 1 + init) for candidate in new for init in range(self.settings.inits))
            current = min(racing, key=self.loss)


class ScoreThenTraining:
    """The evaluator of a search by capacity: a score, and for a longer look a training from one initialisation."""

    def __init__(self, settings: CapacitySettings, data: ImageData, *, seed: int, device: torch.device) -> None:
        self._seed = seed
        self._context = EvaluationContext(settings=settings.evaluation, data=data, seed=self._stream(0), device=device)
        self._score = ByScore(settings.score, self._context)

    def __call__(self, genotype: Genotype) -> float:
        """Return the score of a cell."""
        return self._score(genotype)

    def longer(self, times: int) -> Evaluator:
        """Return the evaluator by a training from the initialisation of this effort."""
        return ByTraining(replace(self._context, seed=self._stream(times - SCORED - 1)))

    def _stream(self, init: int) -> int:
        """Return the seed of an initialisation and its batches."""
        return (self._seed << 16) + init


class Capacity(AskTellEngine):
    """A search from a genotype; the same seed gives the same cell on one kind of device."""

    searcher: CapacitySearcher

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
        searcher = CapacitySearcher(operators_domain(genotype, settings.ops, limit), settings, seed=seed)
        super().__init__(
            searcher, ScoreThenTraining(settings, data, seed=seed, device=device), seconds=settings.seconds
        )

    def choice(self) -> Choice:
        """Return what was found, and among which cells."""
        searcher, domain = self.searcher, self.searcher.domain
        highest = searcher.highest()
        score, best = searcher.scores[highest], domain.genotype(highest)
        trials = [
            TrainedCell(
                ops=operators_of(domain.genotype(each)),
                costs=score - searcher.scores[each],
                losses=tuple(searcher.losses[each]),
                label=_difference(domain.genotype(each), best),
            )
            for each in searcher.trained()
        ]
        return Choice(
            genotype=self.best(),
            score=score,
            highest=operators_of(best),
            trials=tuple(sorted(trials, key=lambda trial: (trial.loss, trial.ops))),
        )


def capacity_search(
    genotype: Genotype, data: ImageData, settings: CapacitySettings, *, seed: int, device: torch.device
) -> tuple[Search, Callable[[], Choice]]:
    """A search that is ready to run, and what it chose among once it has."""
    limit = limit_of(settings, SPACES[genotype.space], device)
    engine = Capacity(genotype, data, settings, seed=seed, device=device, limit=limit)

    def notes() -> Iterator[str]:
        for trial in engine.choice().trials:
            yield f"{trial.label}: costs {trial.costs:.3f}, loss {trial.loss:.4f}"

    return Search(engine, engine.best, limit.remark, notes), engine.choice


def _difference(genotype: Genotype, best: Genotype) -> str:
    """Return the operators in which a cell differs from the best."""
    kinds = SPACES[genotype.space].kinds
    found = [
        f"{kind} {edge} {edge.op}" if len(kinds) > 1 else f"{edge} {edge.op}"
        for kind in kinds
        for edge, its in zip(genotype.cells[kind].kept, best.cells[kind].kept, strict=True)
        if edge.op != its.op
    ]
    return ", ".join(found) or "highest score"


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
