"""Choosing among wirings by how fast they train, with the operator that they will get (ours).

The loss of a batch before the step on it, averaged over steps, ranks architectures early (training speed estimation:
Ru et al., 2021). Here wirings are compared by it in heats that get longer while the field gets smaller, as in
successive halving (Jamieson and Talwalkar, 2016):

    draw       the widest, the deepest and n - 2
               wirings drawn at random             1 unit of steps each
    mutate     n mutations of the best quarter     1 unit, the same initialisation
    semifinal  the best 3/8 of n, of both heats    2 units, an initialisation of its own
    final      the best 3 of the semifinal         2 units, several initialisations

All networks of one initialisation start from the same weights, edge by edge, and see the same batches. A later heat
trains from scratch again: the initialisation that made a wiring lead is not the one that it has to prove itself with.
"""

import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from ftso_cli.data import ImageData
from ftso_cli.errors import SettingsError
from ftso_cli.genotype import Genotype
from ftso_cli.nn.device import seeded
from ftso_cli.nn.network import Network
from ftso_cli.search.journal import Journal
from ftso_cli.search.settings import RaceSettings
from ftso_cli.search.short_training import first_losses
from ftso_cli.search.standings import Result, Standing, best_of, standings, winner
from ftso_cli.search.threads import StoppedError, run_all
from ftso_cli.search.topologies import Topology, deepest, draw, mutated, widest
from ftso_cli.spaces.darts import NetworkShape

FINALISTS = 3
ROUNDS = 4
"""Initialisations of the final."""
LEAST_UNIT = 4
"""Steps below which a heat tells nothing."""
RESERVE = 0.9
"""The share of a budget of seconds that is planned; speed moves while a race runs."""


@dataclass(frozen=True, kw_only=True)
class RaceProgress:
    """Where a race stands after a step: steps of all runs, the heat, and the least loss of a finished run of it."""

    iteration: int
    iterations: int
    heat: str
    best: float | None

    @property
    def figures(self) -> str:
        """What to show beside the progress bar."""
        return self.heat if self.best is None else f"{self.heat}, best {self.best:.3f}"

    @property
    def facts(self) -> dict[str, float]:
        """Nothing: the standings say it."""
        return {}


class Race:
    """A race; finished runs are in the journal, so that it goes on with it where it was stopped.

    The result depends on data, settings, seed and the number of steps, not on `workers`, the runs at the same time.
    A budget of seconds is turned into steps by a measurement, and what is left of it once more before the semifinal and
    before the final, by the speed so far. The journal keeps the numbers; what is resumed keeps to them, not to a time.
    """

    def __init__(
        self,
        data: ImageData,
        settings: RaceSettings,
        journal: Journal,
        *,
        seed: int,
        device: torch.device,
        workers: int | None = None,
    ) -> None:
        self.data, self.settings, self.journal = data, settings, journal
        self.seed, self.device = seed, device
        self.workers = workers or (torch.get_num_threads() if device.type == "cpu" else 1)
        self.random = random.Random(seed)
        self.started = self.begun = time.monotonic()
        self.deadline: float | None = None
        """When all should be done, where it was this process that measured how many steps there is time for."""
        self.lock, self.stop = threading.Lock(), threading.Event()
        self.done = self.total = 0

    def run(self, on_progress: Callable[[RaceProgress], None]) -> list[Standing]:
        """Runs what the journal lacks, and gives the finalists, best first."""
        draws = self.settings.draws
        # What needs no search takes part, so that a race can't end with less than it by not having met it.
        extremes = list(dict.fromkeys((widest(self.settings.nodes), deepest(self.settings.nodes))))
        others = draws - len(extremes)
        drawn = extremes + self._distinct(others, lambda: draw(self.random, self.settings.nodes), extremes)
        heat = self._heats(on_progress)
        unit = self._unit("draw", _units(draws), lambda: self._first_unit(drawn[0]))
        heat("draw", drawn, [0], unit)
        leaders = best_of(self.journal.results, ["draw"], draws // 4)
        mutants = self._distinct(draws, lambda: mutated(self.random, self.random.choice(leaders)), drawn)
        heat("mutate", mutants, [0], unit)
        left = _units(draws) - 2 * draws
        unit = self._unit("semifinal", left, lambda: self._next_unit(unit, left))
        field = best_of(self.journal.results, ["draw", "mutate"], _semifinalists(draws))
        heat("semifinal", field, [1], 2 * unit)
        last = 2 * FINALISTS * ROUNDS
        unit = self._unit("final", last, lambda: self._next_unit(unit, last))
        finalists = best_of(self.journal.results, ["semifinal"], FINALISTS)
        heat("final", finalists, range(2, 2 + ROUNDS), 2 * unit)
        return standings(self.journal.results, "final")

    def _distinct(self, count: int, make: Callable[[], Topology], known: Sequence[Topology]) -> list[Topology]:
        """Up to `count` wirings that differ from each other and from those known; small cells have only a few."""
        found: dict[Topology, None] = {}
        for _ in range(20 * count):
            topology = make()
            if topology not in known and len(found) < count:
                found[topology] = None
        return list(found)

    def _unit(self, heat: str, units: int, plan: Callable[[], int]) -> int:
        """The steps of a unit from this heat on, with so many units to go: those of the journal, or a new plan."""
        if heat not in self.journal.units:
            self.journal.begin(heat, plan())
        unit = self.journal.units[heat]
        self.total = self.done + units * unit
        return unit

    def _first_unit(self, topology: Topology) -> int:
        steps = self.settings.steps or self._steps_in(self.settings.seconds, topology)
        unit = steps // _units(self.settings.draws)
        if unit < LEAST_UNIT:
            least = LEAST_UNIT * _units(self.settings.draws)
            raise SettingsError(f"a race of {steps} steps tells nothing; it takes {least} at least: raise --budget")
        return unit

    def _next_unit(self, unit: int, units: int) -> int:
        """The same unit again, or what there is time for."""
        if self.deadline is None:
            return unit
        now = time.monotonic()
        speed = self.done / (now - self.begun)
        return max(LEAST_UNIT, int(speed * (self.deadline - now) / units))

    def _steps_in(self, seconds: float, topology: Topology) -> int:
        """Steps that all workers together take in this time, measured with all of them at work."""
        marks: list[float] = []

        def timed(step: int) -> None:
            if step in (2, 8):
                marks.append(time.monotonic())

        run_all([lambda: self._train(topology, 0, 8, timed)] * self.workers, self.workers, self.stop)
        each = (sum(sorted(marks)[self.workers :]) - sum(sorted(marks)[: self.workers])) / self.workers / 6
        self.begun, self.deadline = time.monotonic(), self.started + RESERVE * seconds
        return max(0, int(self.workers * (self.deadline - self.begun) / each))

    def _heats(
        self, on_progress: Callable[[RaceProgress], None]
    ) -> Callable[[str, Sequence[Topology], Sequence[int], int], None]:
        """What runs a heat, every wiring from every initialisation: those of its runs that the journal lacks."""

        def heat(name: str, field: Sequence[Topology], inits: Sequence[int], steps: int) -> None:
            there = {(result.heat, result.topology, result.init) for result in self.journal.results}
            runs = [(topology, init) for init in inits for topology in field]
            missing = [run for run in runs if (name, *run) not in there]
            self.done += steps * (len(runs) - len(missing))
            run_all([self._job(name, *run, steps, on_progress) for run in missing], self.workers, self.stop)

        return heat

    def _job(
        self, heat: str, topology: Topology, init: int, steps: int, on_progress: Callable[[RaceProgress], None]
    ) -> Callable[[], None]:
        def step(_: int) -> None:
            if self.stop.is_set():
                raise StoppedError
            with self.lock:
                self.done += 1
                best = min((result.loss for result in self.journal.results if result.heat == heat), default=None)
                on_progress(RaceProgress(iteration=self.done, iterations=self.total, heat=heat, best=best))

        def job() -> None:
            losses = self._train(topology, init, steps, step)
            late = losses[len(losses) // 2 :]
            result = Result(heat=heat, topology=topology, init=init, steps=steps, loss=sum(late) / len(late))
            with self.lock:
                self.journal.add(result)

        return job

    def _train(self, topology: Topology, init: int, steps: int, on_step: Callable[[int], None]) -> list[float]:
        """The losses before each step of a training from scratch."""
        settings, data = self.settings, self.data
        seed = (self.seed << 16) + init
        shape = NetworkShape(
            channels=settings.channels,
            cells=settings.cells,
            classes=len(data.classes),
            image_channels=data.channels,
        )
        with self.lock, seeded(seed):
            network = Network(topology.genotype(settings.op), shape, auxiliary=False)
        return first_losses(network, data, settings, seed=seed, steps=steps, device=self.device, on_step=on_step)


def decided(final: Sequence[Standing], op: str) -> tuple[Genotype, str]:
    """The genotype of the winner, with `op` on every edge, and what there is to say about it."""
    won, best = winner(final), final[0]
    behind = [each for each in final if each.clearly_behind]
    if won is best:
        others = f"{len(behind)} of the {len(final) - 1} other finalists"
        note = f"the wiring has the least loss, and is clearly better than {others}"
    else:
        alike = len(final) - len(behind)
        note = f"{won.inits} initialisations can't tell {alike} finalists apart; the wiring is the shallowest of them"
    return won.topology.genotype(op), note


def _semifinalists(draws: int) -> int:
    return max(FINALISTS, 3 * draws // 8)


def _units(draws: int) -> int:
    """Units of steps in a race with so many draws."""
    return 2 * draws + 2 * _semifinalists(draws) + 2 * FINALISTS * ROUNDS
