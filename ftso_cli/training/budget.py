"""Time as a budget: how many steps fit in a time, and where a training has to end when the machine gets slower.

What a training does beside its steps, validation and the test at its end, is counted in steps.
"""

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ftso_cli.nn.device import enough_memory
from ftso_cli.texts import format_duration
from ftso_cli.training.compiling import compiling
from ftso_cli.training.validation import FORWARD, interval, validates

if TYPE_CHECKING:
    from ftso_cli.training.loop import Trainer

FINISH = 4.0
"""Seconds for saving, the latency, pictures of the curves and the page of the run at the end."""

RESERVE = 0.04
"""The share of a time that is not planned: checkpoints, and what no measurement sees."""

WHOLE = 10
"""Epochs from which on the last one is not cut short to fill the time."""

CHECKS = 100
"""Looks at the clock in a training."""

WINDOW = 10
"""Looks at the clock, back to which the pace is measured."""

TOLERANCE = 0.05
"""The share of what is left by which the end may be off before it is moved."""

WARM_UP, SAMPLES = 5, 30
"""Steps of a measurement that are not counted, and the most that are."""

SAMPLE_SHARE = 0.03
"""The share of the time that a measurement may take."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """The steps of an epoch, and the price of looking at other images, in steps: `every` so many epochs, and last."""

    epoch: int
    validation: float = 0.0
    every: int = 1
    test: float = 0.0

    @classmethod
    def of(cls, trainer: "Trainer") -> "Work":
        """Return the work of a training."""
        data, recipe, steps = trainer.data, trainer.config.recipe, trainer.batches.steps_per_epoch
        step = recipe.batch_size / FORWARD
        test = len(data.final) / step
        if data.val is None or not validates(recipe, data):
            return cls(epoch=steps, test=test)
        every = interval(len(data.val), steps * recipe.batch_size)
        return cls(epoch=steps, validation=len(data.val) / step, every=every, test=test)

    @property
    def last(self) -> float:
        """The price of the last validation and of the test."""
        return self.validation + self.test


def steps_for(seconds: float, step: float, work: Work, epochs: int | None = None) -> int:
    """Return how many steps of `step` seconds fit, at least 1, with all that is to be done beside them.

    They are whole epochs where these are many, and no more than `epochs` of them.
    """
    room = (1 - RESERVE) * (seconds - FINISH) / step - work.last
    fit = room / (1 + work.validation / (work.every * work.epoch))
    if epochs is not None:
        fit = min(fit, epochs * work.epoch)
    whole = int(fit / work.epoch)
    return whole * work.epoch if whole >= WHOLE else max(int(fit), 1)


def described(steps: int, step: float, work: Work, batch_size: int, seconds: float) -> str:
    """Return a measurement and its plan as a line: `23 ms a step of 64 images: 31 epochs in 10 min`."""
    pace = f"{1000 * step:.3g} ms" if step < 1 else f"{step:.3g} s"
    epochs, rest = divmod(steps, work.epoch)
    planned = f"{steps / work.epoch:.2g} epochs, {steps:,} steps," if rest else f"{epochs:,} epoch{'s' * (epochs > 1)}"
    return f"{pace} a step of {batch_size} images: {planned} in {format_duration(seconds)}"


def measure(trainer: "Trainer", seconds: float) -> float:
    """Return the seconds of a step: the mean of some steps of a trainer that is thrown away, and knows no other's."""
    most, taken = SAMPLE_SHARE * seconds, list[float]()
    with compiling(trainer.config.compile), enough_memory(trainer.device):
        trainer.prepare()
        began = time.perf_counter()
        while len(taken) < WARM_UP + SAMPLES and (len(taken) < 2 or time.perf_counter() - began < most):
            taken.append(trainer.timed_step())
    counted = taken[min(WARM_UP, len(taken) // 2) :]
    return sum(counted) / len(counted)


class TimeBudget:
    """The end of a training that has to be over, tested, at a deadline on `clock`."""

    def __init__(self, deadline: float, work: Work, clock: Callable[[], float] = time.perf_counter) -> None:
        self._deadline, self._work, self._clock = deadline, work, clock
        self._looks: deque[tuple[int, float]] = deque(maxlen=WINDOW)

    def end(self, step: int, end: int, planned: int) -> int:
        """Return the step at which a training ends that is at `step`, and was to end at `end`.

        It is moved where the time is over before, and back, up to `planned`, where there is time again.
        """
        now = self._clock()
        self._looks.append((step, now))
        first, began = self._looks[0]
        if step == first or now <= began:
            return end if now < self._deadline else step + 1
        pace = (now - began) / (step - first)
        fit = step + int((self._deadline - FINISH - now) / pace - self._work.last)
        fit = max(min(fit, planned), step + 1)
        if abs(end - fit) <= TOLERANCE * (fit - step):
            return end
        return self._rounded(step, fit)

    def _rounded(self, step: int, end: int) -> int:
        """Return the end of an epoch before, where little is lost by that."""
        whole = end - end % self._work.epoch
        return whole if whole > step and end - whole <= TOLERANCE * (end - step) else end


def check_interval(length: int) -> int:
    """Return the number of steps between two looks at the clock."""
    return max(math.ceil(length / CHECKS), 1)
