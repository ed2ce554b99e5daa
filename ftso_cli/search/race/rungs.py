"""The rungs of a race, and how many steps they may have in the time that is left. No torch."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil
from statistics import fmean

FINALISTS = 3
ROUNDS = 4
"""Initialisations of the final."""
LEAST_UNIT = 4
"""Steps below which a rung tells nothing."""
RESERVE = 0.9
"""The share of a budget of seconds that is planned."""
PATIENCE = 0.9
"""A plan stands as long as there is time for this share of it."""


@dataclass(frozen=True, kw_only=True)
class Rung:
    """A rung of a race: `runs` runs of `units` units of steps each."""

    name: str
    runs: int
    units: int
    anew: bool = False
    """True where the time left is planned anew before it; mutants are compared with random wirings."""


def race_rungs(draws: int) -> tuple[Rung, ...]:
    """Return the rungs of a race with this number of random wirings, in order."""
    semifinalists = max(FINALISTS, 3 * draws // 8)
    return (
        Rung(name="draw", runs=draws, units=1),
        Rung(name="mutate", runs=draws, units=1),
        Rung(name="semifinal", runs=semifinalists, units=2, anew=True),
        Rung(name="final", runs=FINALISTS * ROUNDS, units=2, anew=True),
    )


def total_units(rungs: Sequence[Rung]) -> int:
    """Units of all runs together."""
    return sum(rung.runs * rung.units for rung in rungs)


class StepBudget:
    """The seconds of a step with `workers` runs at the same time, and the steps of a unit until the deadline."""

    def __init__(self, deadline: float, workers: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._deadline, self._workers, self._clock = deadline, workers, clock
        self._seconds: deque[float] = deque(maxlen=2 * workers)

    def ran(self, seconds: float, steps: int) -> None:
        """Notes a run; of all, the last two a worker count."""
        self._seconds.append(seconds / steps)

    def unit(self, rungs: Sequence[Rung]) -> int:
        """Steps of a unit for which there is time, with these rungs to come; the first may have begun.

        A rung of fewer runs than workers takes as long as one run: workers wait for the slowest.
        """
        return max(0, int((self._deadline - self._clock()) / self._seconds_of_a_unit(rungs)))

    def least_seconds(self, rungs: Sequence[Rung]) -> float:
        """Seconds from now that the shortest race with these rungs takes."""
        return LEAST_UNIT * self._seconds_of_a_unit(rungs)

    def _seconds_of_a_unit(self, rungs: Sequence[Rung]) -> float:
        in_a_row = sum(ceil(rung.runs / self._workers) * rung.units for rung in rungs)
        return in_a_row * fmean(self._seconds)
