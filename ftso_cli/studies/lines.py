"""Accuracy, and another measure beside it, over an option: what a figure of lines shows."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from ftso_cli.studies.results import Trial
from ftso_cli.studies.study import Study, value_of


@dataclass(frozen=True, kw_only=True)
class Curve:
    """A measure of the trials that have it: the option and the value of each."""

    label: str
    points: tuple[tuple[float, float], ...]
    tips: tuple[str, ...]
    """The setting and the seed of each point."""

    @property
    def means(self) -> tuple[tuple[float, float], ...]:
        """The mean value at each value of the option, in order."""
        at = sorted({x for x, _ in self.points})
        return tuple((x, fmean(y for other, y in self.points if other == x)) for x in at)


def accuracy_curves(study: Study, trials: Sequence[Trial]) -> list[Curve]:
    """Test accuracy in percent, and the figure's other measure where it has one."""
    spec = study.figure
    done = [one for one in trials if one.accuracy is not None]
    found = [_line("test accuracy, %", done, spec.x, [100 * (one.accuracy or 0.0) for one in done])]
    if spec.also:
        label = f"dominant {spec.also}" if spec.also == "eigenvalue" else spec.also
        measured = [one for one in done if spec.also in one.measures]
        found.append(_line(label, measured, spec.x, [one.measures[spec.also] for one in measured]))
    return found


def _line(label: str, trials: Sequence[Trial], place: str, values: Sequence[float]) -> Curve:
    points = tuple((_x(one, place), value) for one, value in zip(trials, values, strict=True))
    return Curve(label=label, points=points, tips=tuple(f"{one.setting}, seed {one.seed}" for one in trials))


def _x(trial: Trial, place: str) -> float:
    """The option, 0 where a trial does without it."""
    value = value_of(trial.pipeline, place)
    return float(value) if isinstance(value, int | float) else 0.0
