"""Choosing among wirings by how fast they train, with the operator that they will get (ours).

The loss of a batch before the step on it, averaged over steps, ranks architectures early (training speed estimation:
Ru et al., 2021). Here wirings are compared by it in rungs that get longer while the field gets smaller, as in
successive halving (Jamieson and Talwalkar, 2016):

    draw       the widest, the deepest and n - 2
               wirings drawn at random             1 unit of steps each
    mutate     n mutations of the best quarter     1 unit, the same initialisation
    semifinal  the best 3/8 of n, of both rungs    2 units, an initialisation of its own
    final      the best 3 of the semifinal         2 units, several initialisations

All networks of one initialisation start from the same weights, edge by edge, and see the same batches. A later rung
trains from scratch again: the initialisation that made a wiring lead is not the one that it has to prove itself with.
"""

import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import ceil

import torch

from ftso_cli.data import ImageData
from ftso_cli.errors import SettingsError
from ftso_cli.genotype import Genotype
from ftso_cli.nn.device import seeded
from ftso_cli.nn.network import Network
from ftso_cli.search.engine.threads import StoppedError, run_all
from ftso_cli.search.evaluators.short_training import first_losses
from ftso_cli.search.phases import network_shape
from ftso_cli.search.race.checkpoint import RaceCheckpoint
from ftso_cli.search.race.ranking import RankedCandidate, Result, best_of, ranked_candidates, winner
from ftso_cli.search.race.rungs import (
    FINALISTS,
    LEAST_UNIT,
    PATIENCE,
    RESERVE,
    ROUNDS,
    Rung,
    StepBudget,
    race_rungs,
    total_units,
)
from ftso_cli.search.race.topologies import Topology, deepest, mutated, random_topology, widest
from ftso_cli.settings.searches import RaceSettings


@dataclass(frozen=True, kw_only=True)
class RaceProgress:
    """The state of a race after a step: steps of all runs, the rung, and the least loss of its finished runs."""

    iteration: int
    iterations: int
    rung: str
    best: float | None

    @property
    def figures(self) -> str:
        """The text beside the progress bar."""
        return self.rung if self.best is None else f"{self.rung}, best {self.best:.3f}"

    @property
    def facts(self) -> dict[str, float]:
        """Empty: the ranking has the facts."""
        return {}


class Race:
    """A race; finished runs are in the checkpoint, so that it goes on with it where it was stopped.

    The result depends on data, settings, seed and the number of steps, not on `workers`, the runs at the same time.
    A budget of seconds is turned into steps by a measurement. Where runs take longer than planned, those that follow
    get fewer steps, and what is left is planned anew before the semifinal and before the final. The checkpoint keeps
    the last plan; what is resumed keeps to it, not to a time.
    """

    def __init__(
        self,
        data: ImageData,
        settings: RaceSettings,
        checkpoint: RaceCheckpoint,
        *,
        seed: int,
        device: torch.device,
        workers: int | None = None,
    ) -> None:
        self.data, self.settings, self.checkpoint = data, settings, checkpoint
        self.seed, self.device = seed, device
        self.workers = workers or (torch.get_num_threads() if device.type == "cpu" else 1)
        self.random = random.Random(seed)
        self.started = time.monotonic()
        self.rungs = race_rungs(settings.draws)
        self.unit = 0
        """Steps of a unit."""
        self.budget: StepBudget | None = None
        """The step budget, where this process measured it."""
        self.lock, self.stop = threading.Lock(), threading.Event()
        self.done = self.running = self.total = 0
        """Steps that are done, that runs in hand have still to do, and of the whole race."""
        self.waiting = 0
        """Runs of the rung that have not begun."""

    def run(self, on_progress: Callable[[RaceProgress], None]) -> list[RankedCandidate]:
        """Runs what the checkpoint lacks, and gives the finalists, best first."""
        draw_, mutate, semifinal, final = self.rungs
        results = self.checkpoint.results
        # What needs no search takes part, so that a race can't end with less than it by not having met it.
        extremes = list(dict.fromkeys((widest(self.settings.nodes), deepest(self.settings.nodes))))
        others = draw_.runs - len(extremes)
        drawn = extremes + self._distinct(others, lambda: random_topology(self.random, self.settings.nodes), extremes)
        self._run(draw_, drawn, [0], on_progress)
        leaders = best_of(results, ["draw"], draw_.runs // 4)
        mutants = self._distinct(mutate.runs, lambda: mutated(self.random, self.random.choice(leaders)), drawn)
        self._run(mutate, mutants, [0], on_progress)
        self._run(semifinal, best_of(results, ["draw", "mutate"], semifinal.runs), [1], on_progress)
        finalists = best_of(results, ["semifinal"], FINALISTS)
        self._run(final, finalists, range(2, 2 + ROUNDS), on_progress)
        return ranked_candidates(results, "final")

    def _distinct(self, count: int, make: Callable[[], Topology], known: Sequence[Topology]) -> list[Topology]:
        """Up to `count` wirings that differ from each other and from those known; small cells have only a few."""
        found: dict[Topology, None] = {}
        for _ in range(20 * count):
            topology = make()
            if topology not in known and len(found) < count:
                found[topology] = None
        return list(found)

    def _run(
        self,
        rung: Rung,
        field: Sequence[Topology],
        inits: Sequence[int],
        on_progress: Callable[[RaceProgress], None],
    ) -> None:
        """Runs a rung, every wiring from every initialisation: those of its runs that the checkpoint lacks."""
        there = {(each.topology, each.init): each for each in self.checkpoint.results if each.rung == rung.name}
        runs = [(topology, init) for init in inits for topology in field]
        missing = [run for run in runs if run not in there]
        self._begin(rung)
        self.done += sum(there[run].steps for run in runs if run in there)
        self.waiting = len(missing)
        run_all([self._job(rung, *run, on_progress) for run in missing], self.workers, self.stop)

    def _begin(self, rung: Rung) -> None:
        """Plans the rung: as the checkpoint has it, by the budget, or by what is left of the time."""
        if rung.name in self.checkpoint.units:
            self.unit = self.checkpoint.units[rung.name]
            return
        if not self.unit:
            self.unit = self._first_unit()
        elif self.budget is not None and rung.anew:
            self.unit = max(LEAST_UNIT, self.budget.unit(self._to_come(rung)))
        self.checkpoint.begin(rung.name, self.unit)

    def _to_come(self, rung: Rung) -> tuple[Rung, ...]:
        """This rung, which may have fewer runs than at its beginning, and those after it."""
        at = [each.name for each in self.rungs].index(rung.name)
        return rung, *self.rungs[at + 1 :]

    def _first_unit(self) -> int:
        settings = self.settings
        if settings.steps is not None:
            unit = settings.steps // total_units(self.rungs)
            if unit < LEAST_UNIT:
                least = f"{LEAST_UNIT * total_units(self.rungs)} at least"
                raise SettingsError(f"a race of {settings.steps} steps tells nothing; it takes {least}: raise --budget")
            return unit
        self.budget = self._measured()
        unit = self.budget.unit(self.rungs)
        if unit < LEAST_UNIT:
            least_seconds = (time.monotonic() - self.started + self.budget.least_seconds(self.rungs)) / RESERVE
            raise SettingsError(
                f"a race of {settings.seconds:g} s tells nothing; it takes {ceil(least_seconds)} s at least here: "
                "raise --budget"
            )
        return unit

    def _measured(self) -> StepBudget:
        """Return the seconds of a step, with all workers at work, after the first two."""
        first, last = 2, 8
        budget = StepBudget(self.started + RESERVE * self.settings.seconds, self.workers)

        def measure() -> None:
            marks: dict[int, float] = {}

            def mark(step: int) -> None:
                self._check_stop()
                marks[step] = time.monotonic()

            self._train(widest(self.settings.nodes), 0, last, mark)
            with self.lock:
                budget.ran(marks[last] - marks[first], last - first)

        run_all([measure] * self.workers, self.workers, self.stop)
        return budget

    def _check_stop(self) -> None:
        """Raises `StoppedError` where another run has failed or the user has stopped the race."""
        if self.stop.is_set():
            raise StoppedError

    def _next_steps(self, rung: Rung) -> int:
        """Steps of the next run of a rung: as planned, or fewer where there is no time for that."""
        if self.budget is not None:
            unit = max(LEAST_UNIT, self.budget.unit(self._to_come(replace(rung, runs=self.waiting))))
            if unit < PATIENCE * self.unit:
                self.unit = unit
                self.checkpoint.begin(rung.name, unit)
        self.waiting -= 1
        steps = rung.units * self.unit
        self.running += steps
        to_come = self.unit * total_units(self._to_come(replace(rung, runs=self.waiting)))
        self.total = self.done + self.running + to_come
        return steps

    def _job(
        self, rung: Rung, topology: Topology, init: int, on_progress: Callable[[RaceProgress], None]
    ) -> Callable[[], None]:
        def step(_: int) -> None:
            self._check_stop()
            with self.lock:
                self.done += 1
                self.running -= 1
                losses = [each.loss(each.steps) for each in self.checkpoint.results if each.rung == rung.name]
                best = min(losses, default=None)
                on_progress(RaceProgress(iteration=self.done, iterations=self.total, rung=rung.name, best=best))

        def job() -> None:
            with self.lock:
                steps = self._next_steps(rung)
            began = time.monotonic()
            losses = self._train(topology, init, steps, step)
            with self.lock:
                if self.budget is not None:
                    self.budget.ran(time.monotonic() - began, steps)
                self.checkpoint.add(Result(rung=rung.name, topology=topology, init=init, losses=tuple(losses)))

        return job

    def _train(self, topology: Topology, init: int, steps: int, on_step: Callable[[int], None]) -> list[float]:
        """The losses before each step of a training from scratch."""
        settings, data = self.settings, self.data
        seed = (self.seed << 16) + init
        shape = network_shape(data, settings)
        with self.lock, seeded(seed):
            network = Network(topology.genotype(settings.op), shape, auxiliary=False)
        return first_losses(network, data, settings, seed=seed, steps=steps, device=self.device, on_step=on_step)


def race_result(final: Sequence[RankedCandidate], op: str) -> tuple[Genotype, str]:
    """The genotype of the winner, with `op` on every edge, and what there is to say about it."""
    won, best = winner(final), final[0]
    behind = [each for each in final if each.significantly_behind]
    if won is best:
        others = f"{len(behind)} of the {len(final) - 1} other finalists"
        note = f"the wiring has the least loss, and is clearly better than {others}"
    else:
        alike = len(final) - len(behind)
        note = f"{won.inits} initialisations can't tell {alike} finalists apart; the wiring is the shallowest of them"
    return won.topology.genotype(op), note
