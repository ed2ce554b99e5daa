"""The learning rate and the drop-path rate over a training: pure functions of the step."""

import math
from dataclasses import dataclass

from ftso_cli.settings.recipes import Recipe

LAST = 5
"""Epochs at the end of the linear schedule in which the rate falls more slowly (published code of PC-DARTS)."""

RISE = 0.15
"""The share of a one-cycle schedule in which the rate rises, where the recipe names no warm-up."""


@dataclass(frozen=True, kw_only=True)
class Course:
    """The way of a training through its schedule, which is `length` steps long, until its last step, `end`.

    It has gone as far as `place` by the step `since`, and goes evenly from there to the end of the schedule. A training
    that takes all of its steps is at each step where the schedule is: exactly.
    """

    length: int
    end: int
    since: int = 0
    place: float = 0.0

    def at(self, step: float) -> float:
        """Return the place in the schedule, 0 to `length`, of a step from `since` to `end`."""
        return self.place + (step - self.since) * ((self.length - self.place) / (self.end - self.since))

    def ending(self, end: int, *, now: int) -> "Course":
        """Return the same until the step `now`, and from there on the one that ends at the step `end`."""
        return Course(length=self.length, end=end, since=now, place=self.at(now))


def learning_rate(recipe: Recipe, epoch: float) -> float:
    """Return the rate in `epoch`, from 0; 2.5 is half-way through the third. No epoch has 0.

    The linear schedule is that of PC-DARTS' published code, which falls from epoch 0 on, during the warm-up too. The
    cosine begins behind the warm-up.
    """
    if recipe.schedule == "one-cycle":
        return recipe.rate * _one_cycle(epoch / recipe.epochs, recipe.warmup / recipe.epochs or RISE)
    ramp = min((epoch + 1) / recipe.warmup, 1.0) if recipe.warmup else 1.0
    if recipe.schedule == "linear":
        return recipe.rate * _linear(recipe.epochs, epoch) * ramp
    done = max(epoch - recipe.warmup, 0) / max(recipe.epochs - recipe.warmup, 1)
    return recipe.rate * ramp * (1 + math.cos(math.pi * done)) / 2


def step_rate(recipe: Recipe, course: Course, step: int, steps: int) -> float:
    """Return the rate of a step, from 0, of a training with so many steps an epoch.

    One-cycle takes the middle of the step: neither the first nor the last is idle. The others are stepped after each
    epoch.
    """
    if recipe.schedule == "one-cycle":
        return learning_rate(recipe, course.at(step + 0.5) / steps)
    return learning_rate(recipe, _begun(course, step, steps))


def step_drop_path(recipe: Recipe, course: Course, step: int, steps: int) -> float:
    """Return the drop-path rate of a step, which is stepped after each epoch."""
    return drop_path_rate(recipe, _begun(course, step, steps))


def drop_path_rate(recipe: Recipe, epoch: float) -> float:
    """The drop-path rate in `epoch`: linear from 0 towards `recipe.drop_path` (DARTS, A.2)."""
    return recipe.drop_path * epoch / recipe.epochs


def _begun(course: Course, step: int, steps: int) -> float:
    """Return the epoch of the schedule in which the epoch of a step has begun, or the course has changed since."""
    return course.at(max(step - step % steps, course.since)) / steps


def _one_cycle(done: float, rise: float) -> float:
    """Return the share of the rate after the share `done` of all steps: up in a line, then down in a cosine."""
    if done < rise:
        return done / rise
    return (1 + math.cos(math.pi * (done - rise) / (1 - rise))) / 2


def _linear(epochs: int, epoch: float) -> float:
    """Return the share of the rate: as if it ended at 0 after `epochs - LAST` epochs, and slower in the last ones."""
    if epochs <= LAST:
        return (epochs - epoch) / epochs
    if epochs - epoch > LAST:
        return (epochs - LAST - epoch) / (epochs - LAST)
    return (epochs - epoch) / ((epochs - LAST) * LAST)
