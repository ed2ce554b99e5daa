"""The same cells under several values of one option, as two training budgets, and how what they reach goes together."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ftso_cli.studies.results import Trial
from ftso_cli.studies.statistics import Correlation, correlation
from ftso_cli.studies.study import Study, value_at


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Accuracies in percent of the cells that are done under two values of an option."""

    first: str
    second: str
    """The name of the second values."""
    points: tuple[tuple[float, float], ...]
    tips: tuple[str, ...]
    """The setting, under the first value, and the seed of each point."""

    @property
    def correlation(self) -> Correlation:
        """The correlation of the two."""
        return correlation([x for x, _ in self.points], [y for _, y in self.points])


def pairs(study: Study, trials: Sequence[Trial]) -> list[Pairs]:
    """Each value of the figure's option `by` but the last against the last, of trials that differ in it alone.

    As Figure 3 of the paper: of two values one (j), of three two (k, l).
    """
    by = study.figure.by
    *others, last = dict.fromkeys(_text(value_at(setting.pipeline, by)) for setting in study.settings)
    names = dict(zip((*others, last), study.figure.axes, strict=False))
    found: dict[str, dict[str, Trial]] = {}
    for one in trials:
        if one.accuracy is not None:
            same = _text([_without(one.pipeline, by), one.seed])
            found.setdefault(same, {})[_text(value_at(one.pipeline, by))] = one
    return [
        _paired(
            names.get(value, value.strip('"')),
            names.get(last, last.strip('"')),
            [(cell[value], cell[last]) for cell in found.values() if value in cell and last in cell],
        )
        for value in others
    ]


def _paired(first: str, second: str, cells: Sequence[tuple[Trial, Trial]]) -> Pairs:
    return Pairs(
        first=first,
        second=second,
        points=tuple((100 * (one.accuracy or 0.0), 100 * (other.accuracy or 0.0)) for one, other in cells),
        tips=tuple(f"{one.setting}, seed {one.seed}" for one, _ in cells),
    )


def describe_correlation(found: Correlation) -> str:
    """Return `Pearson 0.77 (0.35 to 0.93), Spearman 0.70, 12 pairs`; the interval has 95 % confidence."""
    if found.pearson is None or found.spearman is None:
        return f"{found.pairs} pairs: no correlation can be told"
    interval = "" if found.interval is None else f" ({found.interval[0]:.2f} to {found.interval[1]:.2f})"
    return f"Pearson {found.pearson:.2f}{interval}, Spearman {found.spearman:.2f}, {found.pairs} pairs"


def _without(pipeline: Mapping[str, Any], place: str) -> dict[str, Any]:
    table, _, option = place.partition(".")
    out = {key: dict(value) if isinstance(value, dict) else value for key, value in pipeline.items()}
    if option:
        out.get(table, {}).pop(option.replace("-", "_"), None)
    else:
        out.pop(table, None)
    return out


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)
