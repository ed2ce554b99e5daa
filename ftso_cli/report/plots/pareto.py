"""Accuracy against cost on CIFAR-10: this cell beside what others have published.

Published are accuracy, parameters and multiply-adds as their authors print them; where no multiply-adds are in print,
ours are counted on the paper's network. The axis of accuracy is logarithmic in the error, so that a percent among the
best is as far as a half of the error among the others.
"""

from dataclasses import dataclass

from ftso_cli.costs.networks import preset
from ftso_cli.genotype import Genotype, library
from ftso_cli.genotype.schema import About
from ftso_cli.report.collect import Report, counted_network
from ftso_cli.report.plots import charts
from ftso_cli.report.plots.charts import Spec, Values
from ftso_cli.report.plots.front import front
from ftso_cli.spaces import DARTS
from ftso_cli.texts import one_line

MILLION = 1e6

DATA = "cifar10"
"""The data set of the comparison."""

COSTS = {"params": "parameters, millions", "macs": "multiply-adds, millions"}


@dataclass(frozen=True, kw_only=True)
class Point:
    """A network: error in percent, None where it is not known; costs in millions, `counted` where they are ours."""

    name: str
    error: float | None
    costs: dict[str, float]
    counted: frozenset[str]
    published: bool


def points(report: Report) -> list[Point]:
    """The published networks of CIFAR-10 that have an error and a cost, then this cell; nothing in other spaces."""
    genotype = report.genotype
    if genotype is None or genotype.space != DARTS.name or genotype.stage != "complete":
        return []
    cells = [library.load_genotype(name) for name in library.files()]
    named = [(cell.about, cell) for cell in cells if cell.about is not None and cell.space == DARTS.name]
    published = [_published(about, cell) for about, cell in named]
    published += [_published(about, None) for about in library.without_cell()]
    return [point for point in published if point is not None and point.costs] + _own(report, genotype)


def _published(about: About, genotype: Genotype | None) -> Point | None:
    figures = about.published.cifar10
    if figures is None or figures.error is None:
        return None
    printed = {"params": figures.params_M, "macs": figures.madds_M}
    costs = {name: value for name, value in printed.items() if value is not None}
    ours: dict[str, float] = {}
    if genotype is not None and genotype.stage == "complete":
        ours = {name: value for name, value in _of_paper(genotype).items() if name not in costs}
    return Point(
        name=one_line(about.title or about.name),
        error=figures.error,
        costs=costs | ours,
        counted=frozenset(ours),
        published=True,
    )


def _of_paper(genotype: Genotype) -> dict[str, float]:
    """The costs in millions of the cell in the network of the paper."""
    shape, pixels = preset(genotype.space, "cifar")
    network = counted_network(genotype, "", shape, (pixels, pixels))
    return {"params": network.params / MILLION, "macs": network.macs / MILLION}


def _own(report: Report, genotype: Genotype) -> list[Point]:
    """This cell: each training on CIFAR-10 that was tested, or what it costs in the network of the paper."""
    own = []
    for training in report.trainings:
        if training.config.data == DATA and training.result is not None:
            network = counted_network(genotype, training.name, training.config.shape, training.config.image_size)
            own.append(
                Point(
                    name=f"{training.name}, {len(training.epochs)} epochs",
                    error=100 * (1 - training.result.test_accuracy),
                    costs={"params": network.params / MILLION, "macs": network.macs / MILLION},
                    counted=frozenset(COSTS),
                    published=False,
                )
            )
    if own or genotype.about is not None:
        return own
    title = f"{report.title} in the network of the paper"
    return [Point(name=title, error=None, costs=_of_paper(genotype), counted=frozenset(COSTS), published=False)]


def charts_of(found: list[Point]) -> list[str]:
    """Accuracy against parameters and against multiply-adds, each with the line that no other network is above."""
    return [_chart(found, cost) for cost in COSTS] if any(point.published for point in found) else []


def _chart(found: list[Point], cost: str) -> str:
    have = [point for point in found if cost in point.costs]
    dots = [_dot(point, cost) for point in have if point.error is not None]
    front = [{"x": point.costs[cost], "error": point.error} for point in frontier(have, cost)]
    unknown = [{"x": point.costs[cost], "tip": _tip(point, cost)} for point in have if point.error is None]
    x = charts.quantitative("x", title=COSTS[cost])
    layers: list[Spec] = [
        {
            "data": {"values": front},
            "mark": {"type": "line", "interpolate": "step-after", "color": "var(--rule)", "aria": False},
            "encoding": {"x": x, "y": _accuracy(dots)},
        },
        {
            "data": {"values": dots},
            "mark": {"type": "point", "filled": True, "size": 55, "strokeWidth": 1.4},
            "encoding": {
                "x": x,
                "y": _accuracy(dots),
                "fill": charts.painted("fill"),
                "stroke": charts.painted("stroke"),
                "size": {"field": "size", "type": "quantitative", "scale": None},
                "shape": {"field": "shape", "type": "nominal", "scale": None},
                "description": {"field": "tip"},
            },
        },
    ]
    if unknown:
        layers.append(
            {
                "data": {"values": unknown},
                "mark": {"type": "rule", "color": "var(--op-dil)", "strokeDash": [5, 3], "strokeWidth": 1.8},
                "encoding": {"x": x, "description": {"field": "tip"}},
            }
        )
    return charts.chart_svg({"width": 350, "height": 260, "layer": layers})


def frontier(found: list[Point], cost: str) -> list[Point]:
    """The published networks that no other beats in both error and cost, the cheapest first."""
    known = [point for point in found if point.published and point.error is not None and cost in point.costs]
    return front(known, lambda point: point.costs[cost], lambda point: -(point.error or 0.0))


def _dot(point: Point, cost: str) -> dict[str, object]:
    colour = "var(--op-sep)" if point.published else "var(--op-dil)"
    return {
        "x": point.costs[cost],
        "error": point.error,
        "fill": "var(--paper)" if point.published and cost in point.counted else colour,
        "stroke": colour,
        "size": 55 if point.published else 150,
        "shape": "circle" if point.published else "diamond",
        "tip": _tip(point, cost),
    }


def _tip(point: Point, cost: str) -> str:
    lines = [point.name]
    lines += [] if point.error is None else [f"accuracy {100 - point.error:.2f} %"]
    ours = " (counted by ftso)" if cost in point.counted else ""
    return "\n".join([*lines, f"{point.costs[cost]:.2f} {COSTS[cost].replace(', ', ' in ')}{ours}"])


def _accuracy(dots: Values) -> Spec:
    """Accuracy, as 100 minus an error on a logarithmic axis."""
    errors = [float(dot["error"]) for dot in dots]
    return {
        "field": "error",
        "type": "quantitative",
        "title": "test accuracy, %",
        "scale": {"type": "log", "reverse": True, "domain": [0.95 * min(errors), 1.05 * max(errors)], "nice": False},
        "axis": {
            "values": [2, 2.2, 2.4, 2.6, 2.8, 3, 3.5, 4, 5, 10, 20, 40, 60, 80],
            "labelExpr": "format(100 - datum.value, '.1~f')",
            "labelOverlap": "greedy",
        },
    }
