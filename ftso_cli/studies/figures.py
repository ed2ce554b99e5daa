"""Pictures of a study, in the forms of the paper's Figure 3: bars, lines over an option, one value against another."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ftso_cli.drawing.plots import check_plot, drawn, plot_label
from ftso_cli.drawing.style import printable
from ftso_cli.files import write_atomic
from ftso_cli.studies.lines import Curve, accuracy_curves
from ftso_cli.studies.pairs import Pairs, describe_correlation, pairs
from ftso_cli.studies.results import SettingRow, Trial, summary
from ftso_cli.studies.study import Study
from ftso_cli.texts import printable_lines as lines_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#999999"
"""Colours of the palette of Okabe and Ito, as in pictures of cells."""


def draw_figure(
    study: Study, trials: Sequence[Trial], path: Path, write: Callable[[Path, bytes], None] = write_atomic
) -> None:
    """Draws what is done as svg, png or pdf; raises `DrawingError` without matplotlib, or for another ending."""
    check_plot(path)

    def make() -> "Figure":
        figure = KINDS[study.figure.kind](study, trials)
        figure.suptitle(printable(study.title or study.name))
        return figure

    write(path, drawn(make, path, {"font.size": 9}))


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
    axes.set_yticks(range(len(rows)), [plot_label(row.setting) for row in rows])
    axes.invert_yaxis()
    seen = [value for row in rows for value in _errors(trials, row)]
    if seen:
        space = 0.6 * max(max(seen) - min(seen), 1)
        axes.set_xlim(max(0, min(seen) - space), max(seen) + space)
    axes.set_xlabel(f"test error, %. {lines_of(study.figure.caption or CAPTION)}")
    axes.grid(axis="x", alpha=0.3)
    return figure


CAPTION = "Dots are seeds, whiskers 95 % confidence intervals."


def _errors(trials: Sequence[Trial], row: SettingRow) -> list[float]:
    return [one.percent_wrong for one in trials if one.setting == row.setting and one.percent_wrong is not None]


def _lines(study: Study, trials: Sequence[Trial]) -> "Figure":
    """Accuracy over an option, and another measure beside it, in a panel of its own."""
    spec, found = study.figure, accuracy_curves(study, trials)
    figure = _figure(10 if len(found) > 1 else 6, 3.6)
    panels = figure.subplots(1, len(found), squeeze=False)[0]
    values = sorted({x for x, _ in found[0].points})
    for axes, line, colour in zip(panels, found, (BLUE, ORANGE), strict=False):
        _line(axes, line, colour)
        axes.set_ylabel(plot_label(line.label))
        axes.set_xlabel(lines_of(f"{spec.label or spec.x}\n{spec.caption or LINES}"))
        axes.grid(alpha=0.3)
        _scale(axes, values, logarithmic=spec.logarithmic)
    return figure


LINES = "Dots are seeds, the line their mean."

MOST_TICKS = 12
"""Values of an option that are written below their dots; of more, the axis has the usual marks."""


def _scale(axes: "Axes", values: Sequence[float], *, logarithmic: bool) -> None:
    """The x axis, marked where there are dots."""
    if logarithmic:
        axes.set_xscale("log")
    if len(values) <= MOST_TICKS:
        axes.set_xticks(values, [f"{value:g}" for value in values])
        axes.set_xticks([], minor=True)


def _line(axes: "Axes", line: Curve, colour: str) -> None:
    """Seeds as dots, a line through their means."""
    if line.points:
        axes.plot(*zip(*line.points, strict=True), "o", color=colour, alpha=0.5, markersize=4)
        axes.plot(*zip(*line.means, strict=True), color=colour)


def _scatter(study: Study, trials: Sequence[Trial]) -> "Figure":
    """The same cells under the values of an option: one against the other; of two values also as lines between them."""
    found = pairs(study, trials)
    figure = _figure(9, 3.8)
    panels = list(figure.subplots(1, max(2, len(found)), squeeze=False)[0])
    if len(found) == 1:
        _between(panels.pop(0), found[0])
    for axes, one in zip(panels, found, strict=False):
        axes.plot(*zip(*one.points, strict=True), "o", color=BLUE, alpha=0.7) if one.points else None
        axes.set_xlabel(f"test accuracy, %: {plot_label(one.first)}")
        axes.set_ylabel(f"test accuracy, %: {plot_label(one.second)}")
        axes.set_title(describe_correlation(one.correlation), fontsize=9)
        axes.grid(alpha=0.3)
    return figure


def _between(axes: "Axes", one: Pairs) -> None:
    """A line for each cell from what it reaches under the first value to what it reaches under the second."""
    for x, y in one.points:
        axes.plot([0, 1], [x, y], "o-", color=BLUE, alpha=0.5, markersize=4)
    axes.set_xticks([0, 1], [plot_label(one.first), plot_label(one.second)])
    axes.set_xlim(-0.3, 1.3)
    axes.set_ylabel("test accuracy, %")
    axes.grid(alpha=0.3)


KINDS: Mapping[str, Callable[[Study, Sequence[Trial]], "Figure"]] = {
    "bars": _bars,
    "lines": _lines,
    "scatter": _scatter,
}
