"""Pictures of a study, in the forms of the paper's Figure 3: bars, lines over an option, one value against another."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftso_cli.drawing.plots import check_plot, write_figure
from ftso_cli.studies.plan import value_of
from ftso_cli.studies.results import Row, Trial, summary
from ftso_cli.studies.statistics import Correlation, correlation
from ftso_cli.studies.study import Study

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#999999"
"""Of the palette of Okabe and Ito, as in pictures of cells."""


def draw(study: Study, trials: Sequence[Trial], path: Path) -> None:
    """Draws what is done as svg, png or pdf; raises `DrawingError` without matplotlib, or for another ending."""
    check_plot(path)
    import matplotlib as mpl

    # Text stays text: smaller, and it can be searched. A fixed salt: equal numbers give equal files.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "ftso", "font.size": 9}):
        figure = KINDS[study.figure.kind](study, trials)
        figure.suptitle(study.title or study.name)
        write_figure(figure, path)


def _figure(width: float, height: float) -> "Figure":
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _bars(study: Study, trials: Sequence[Trial]) -> "Figure":
    """The error of every setting, from the top down."""
    rows = [row for row in summary(study, trials) if row.error is not None]
    figure = _figure(7, 1.3 + 0.36 * len(rows))
    axes = figure.subplots()
    for place, row in enumerate(rows):
        assert row.error is not None
        axes.barh(place, row.error.mean, xerr=row.error.half, color=BLUE, alpha=0.35, ecolor=GREY, capsize=3)
        dots = _errors(trials, row)
        axes.plot(dots, [place] * len(dots), "o", color=BLUE, markersize=4)
    axes.set_yticks(range(len(rows)), [row.setting for row in rows])
    axes.invert_yaxis()
    seen = [value for row in rows for value in _errors(trials, row)]
    if seen:
        space = 0.6 * max(max(seen) - min(seen), 1)
        axes.set_xlim(max(0, min(seen) - space), max(seen) + space)
    axes.set_xlabel(f"test error, %. {study.figure.caption or CAPTION}")
    axes.grid(axis="x", alpha=0.3)
    return figure


CAPTION = "Dots are seeds, whiskers 95 % confidence intervals."


def _errors(trials: Sequence[Trial], row: Row) -> list[float]:
    return [one.percent_wrong for one in trials if one.setting == row.setting and one.percent_wrong is not None]


def _lines(study: Study, trials: Sequence[Trial]) -> "Figure":
    """Accuracy over an option, and another measure beside it, on an axis of its own."""
    spec = study.figure
    done = [one for one in trials if one.accuracy is not None]
    figure = _figure(10 if spec.also else 6, 3.6)
    panels = figure.subplots(1, 2 if spec.also else 1, squeeze=False)[0]
    _line(panels[0], [(_x(one, spec.x), 100 * (one.accuracy or 0)) for one in done], BLUE)
    panels[0].set_ylabel("test accuracy, %")
    if spec.also:
        _line(
            panels[1], [(_x(one, spec.x), one.measures[spec.also]) for one in done if spec.also in one.measures], ORANGE
        )
        panels[1].set_ylabel(f"dominant {spec.also}" if spec.also == "eigenvalue" else spec.also)
    for axes in panels:
        axes.set_xlabel(spec.label or spec.x)
        axes.grid(alpha=0.3)
        if spec.logarithmic:
            axes.set_xscale("log")
    return figure


def _x(trial: Trial, place: str) -> float:
    """The option, 0 where a trial does without it."""
    value = value_of(trial.pipeline, place)
    return float(value) if isinstance(value, int | float) else 0.0


def _line(axes: "Axes", points: Sequence[tuple[float, float]], colour: str) -> None:
    """Seeds as dots, a line through their means."""
    means = {x: [y for other, y in points if other == x] for x, _ in points}
    axes.plot(*zip(*points, strict=True), "o", color=colour, alpha=0.5, markersize=4) if points else None
    axes.plot(sorted(means), [sum(means[x]) / len(means[x]) for x in sorted(means)], color=colour)


def _scatter(study: Study, trials: Sequence[Trial]) -> "Figure":
    """The same cells under two values of an option: each as a line between them, and one against the other."""
    points, (first, second) = pairs(study, trials), _names(study)
    figure = _figure(9, 3.8)
    left, right = figure.subplots(1, 2)
    for x, y in points:
        left.plot([0, 1], [x, y], "o-", color=BLUE, alpha=0.5, markersize=4)
    left.set_xticks([0, 1], [first, second])
    left.set_xlim(-0.3, 1.3)
    left.set_ylabel("test accuracy, %")
    right.plot([x for x, _ in points], [y for _, y in points], "o", color=BLUE)
    right.set_xlabel(f"accuracy, %: {first}")
    right.set_ylabel(f"accuracy, %: {second}")
    right.set_title(describe(correlated(study, trials)), fontsize=9)
    for axes in (left, right):
        axes.grid(alpha=0.3)
    return figure


def pairs(study: Study, trials: Sequence[Trial]) -> list[tuple[float, float]]:
    """Accuracies in percent of trials that differ in the option `by` alone, its first value before its second."""
    by = study.figure.by
    values = list(dict.fromkeys(_text(value_at(setting.pipeline, by)) for setting in study.settings))[:2]
    found: dict[str, dict[str, float]] = {}
    for one in trials:
        if one.accuracy is not None:
            same = _text([_without(one.pipeline, by), one.seed])
            found.setdefault(same, {})[_text(value_at(one.pipeline, by))] = 100 * one.accuracy
    return [(pair[values[0]], pair[values[1]]) for pair in found.values() if all(value in pair for value in values)]


def correlated(study: Study, trials: Sequence[Trial]) -> Correlation:
    """How the two values go together."""
    points = pairs(study, trials)
    return correlation([x for x, _ in points], [y for _, y in points])


def describe(found: Correlation) -> str:
    """As in `Pearson 0.77, Spearman 0.70, 12 pairs`."""
    if found.pearson is None or found.spearman is None:
        return f"{found.pairs} pairs: no correlation can be told"
    return f"Pearson {found.pearson:.2f}, Spearman {found.spearman:.2f}, {found.pairs} pairs"


def value_at(pipeline: Mapping[str, Any], place: str) -> Any:
    """The option, or the whole table, at a place."""
    return pipeline.get(place) if place in pipeline else value_of(pipeline, place)


def _without(pipeline: Mapping[str, Any], place: str) -> dict[str, Any]:
    table, _, option = place.partition(".")
    out = {key: dict(value) if isinstance(value, dict) else value for key, value in pipeline.items()}
    if option:
        out.get(table, {}).pop(option.replace("-", "_"), None)
    else:
        out.pop(table, None)
    return out


def _names(study: Study) -> tuple[str, str]:
    if len(study.figure.axes) == 2:
        return study.figure.axes[0], study.figure.axes[1]
    return "first value", "second value"


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)


KINDS: Mapping[str, Callable[[Study, Sequence[Trial]], "Figure"]] = {
    "bars": _bars,
    "lines": _lines,
    "scatter": _scatter,
}
