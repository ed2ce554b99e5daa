"""The figure that a study asks for, on its page: lines over an option, or one budget against another.

Bars need none of their own: the errors of all settings are on every page.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ftso_cli.report.plots import charts
from ftso_cli.report.plots.charts import Spec, Values
from ftso_cli.studies.lines import Curve, accuracy_curves
from ftso_cli.studies.pairs import Pairs, describe_correlation, pairs
from ftso_cli.studies.results import Trial
from ftso_cli.studies.study import Figure, Study


@dataclass(frozen=True, kw_only=True)
class Panel:
    """A chart, and what stands below it."""

    picture: str
    caption: str = ""


def panels(study: Study, trials: Sequence[Trial]) -> tuple[Panel, ...]:
    """The charts of the study's figure, of what is done so far."""
    if study.figure.kind == "lines":
        found = [line for line in accuracy_curves(study, trials) if line.points]
        return tuple(Panel(picture=_lines(line, study.figure)) for line in found)
    if study.figure.kind == "scatter":
        together = [one for one in pairs(study, trials) if one.points]
        return tuple(Panel(picture=_scatter(one), caption=describe_correlation(one.correlation)) for one in together)
    return ()


def _lines(line: Curve, figure: Figure) -> str:
    """A dot a seed, and a line through their means."""
    x = _number("x", figure.label or figure.x)
    if figure.logarithmic:
        x["scale"] |= {"type": "log", "nice": False}
    x["axis"] = {"values": sorted({place for place, _ in line.points}), "labelOverlap": "greedy", "format": "~r"}
    y = _number("y", line.label)
    dots: Values = [
        {"x": x, "y": y, "tip": f"{tip}\n{line.label}: {y:.4g}"}
        for (x, y), tip in zip(line.points, line.tips, strict=True)
    ]
    layers: list[Spec] = [
        {
            "data": {"values": [{"x": x, "y": y} for x, y in line.means]},
            "mark": {"type": "line", "strokeWidth": 1.8, "aria": False},
            "encoding": {"x": x, "y": y},
        },
        {
            "data": {"values": dots},
            "mark": {"type": "circle", "size": 50, "opacity": 0.85, "color": "var(--op-sep)"},
            "encoding": {"x": x, "y": y, "description": {"field": "tip"}},
        },
    ]
    return charts.chart_svg({**charts.PANEL, "layer": layers})


def _scatter(found: Pairs) -> str:
    """A dot a cell."""
    dots: Values = [
        {"x": x, "y": y, "colour": "var(--op-sep)", "tip": f"{tip}\n{x:.2f} % against {y:.2f} %"}
        for (x, y), tip in zip(found.points, found.tips, strict=True)
    ]
    first, second = (f"test accuracy, %: {name}" for name in (found.first, found.second))
    return charts.cloud(dots, _number("x", first), _number("y", second))


def _number(field: str, title: str) -> Spec:
    """An encoding by a number, with room for dots at its ends."""
    encoding = charts.quantitative(field, title=title)
    encoding["scale"] |= {"padding": 8}
    return encoding
