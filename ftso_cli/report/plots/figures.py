"""The charts of a page: a search over time, trainings, costs, and the cell beside the published ones."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ftso_cli.costs.networks import CountedNetwork
from ftso_cli.genotype import Genotype
from ftso_cli.report.cell.trace import CellTrace, Trace
from ftso_cli.report.palette import operator_colour, operator_dash, source_colour
from ftso_cli.report.plots import charts
from ftso_cli.report.plots.charts import Spec, Values
from ftso_cli.report.run.trained import TrainedRun
from ftso_cli.texts import one_line

SMALL = (176, 104)
"""Pixels of a chart that is one of many."""

SLIGHT = 0.05
"""The least difference from an equal share that a heat map shows at full strength, so that noise looks like noise."""

NOW: Spec = {"type": "rule", "color": "var(--now)", "strokeWidth": 1.5, "aria": False}
"""The line that stands where the slider does."""


def losses(trace: Trace) -> str:
    """Training and held-out loss over the iterations."""
    series = {"training": "weight_loss", "held out": "arch_loss"}
    values: Values = [
        {
            "iteration": record.iteration,
            "loss": value,
            "of": of,
            "tip": f"iteration {record.iteration}\n{of} {value:.4f}",
        }
        for of, name in series.items()
        for record in trace.records
        if (value := getattr(record, name)) is not None
    ]
    return _over_time(trace, values, "loss", title="Loss", color=_two_lines(list(series)))


def eigenvalue(trace: Trace) -> str:
    """The dominant eigenvalue of the held-out loss's Hessian, where it was tracked."""
    return _over_time(trace, _series(trace, "eigenvalue"), "eigenvalue", title="Dominant eigenvalue")


def reward(trace: Trace) -> str:
    """Draw the highest reward of an evaluated cell, over time."""
    return _over_time(trace, _series(trace, "reward"), "reward", title="Highest reward of an evaluated cell")


def skips(trace: Trace) -> str:
    """Draw how many edges are led by skip connections, over time."""
    edges = next((int(record.edges) for record in trace.records if record.edges), 0)
    whole = charts.quantitative("skips", zero=True, tickMinStep=1, format="d")
    return _over_time(trace, _series(trace, "skips"), "skips", title=f"Skip connections, of {edges} edges", y=whole)


def _series(trace: Trace, name: str) -> Values:
    values = ((record.iteration, getattr(record, name)) for record in trace.records)
    return [
        {"iteration": iteration, name: value, "tip": f"iteration {iteration}\n{name} {value:.4g}"}
        for iteration, value in values
        if value is not None
    ]


def _over_time(trace: Trace, values: Values, name: str, **more: Any) -> str:
    if not values:
        return ""
    return charts.chart_svg(_with_now(charts.line(values, "iteration", name, **more), trace))


def _with_now(spec: Spec, trace: Trace) -> Spec:
    """The chart with all of the search on its axis, and a line that the slider moves."""
    first, last = trace.records[0].iteration, trace.records[-1].iteration
    spec["encoding"]["x"]["scale"] = {"domain": [first, max(last, first + 1)], "nice": False}
    at = {"field": "iteration", "type": "quantitative"}
    now = {"name": "now", "data": {"values": [{"iteration": last}]}, "mark": NOW}
    # The line crosses the whole height, so it takes nothing of the other marks' encoding.
    alone = dict.fromkeys(set(spec["encoding"]) - {"x"})
    spec["layer"].append({**now, "encoding": {**alone, "x": at}})
    return spec


def beta_lines(trace: Trace, cell: CellTrace) -> list[str]:
    """For each node with a choice, the shares of its inputs over time."""
    pictures = []
    for node in sorted({target for _, target in cell.edges}):
        into = [ends for ends in cell.edges if ends[1] == node]
        values: Values = [
            {
                "iteration": record.iteration,
                "share": round(cell.betas[at][ends], 5),
                "from": ends[0],
                "colour": source_colour(ends[0]),
                "tip": f"{ends[0]}→{node}, iteration {record.iteration}\nshare {cell.betas[at][ends]:.4f}",
            }
            for ends in into
            for at, record in enumerate(trace.records)
        ]
        if len(into) > 1:
            pictures.append(_small(trace, values, f"node {node}", y="share", ticks=3))
    return pictures


def alpha_lines(trace: Trace, cell: CellTrace) -> list[str]:
    """For each edge, the shares of its candidates over time."""
    pictures = []
    for ends in cell.edges:
        values: Values = [
            {
                "iteration": record.iteration,
                "share": round(cell.alphas[at][ends][place], 5),
                "op": op,
                "colour": operator_colour(op),
                "dash": operator_dash(op),
            }
            for place, op in enumerate(cell.ops)
            for at, record in enumerate(trace.records)
        ]
        pictures.append(_small(trace, values, f"{ends[0]}→{ends[1]}", y="share", ticks=3, hover=False))
    return pictures


def _small(trace: Trace, values: Values, title: str, *, y: str, ticks: int, hover: bool = True) -> str:
    dash = {"strokeDash": charts.painted("dash")} if "dash" in values[0] else {}
    detail = {"detail": charts.nominal("op" if "op" in values[0] else "from")}
    spec = charts.line(
        values, "iteration", y, title=title, size=SMALL, color=charts.painted("colour"), **dash, **detail
    )
    spec["encoding"]["x"] |= {"title": None, "axis": {"tickCount": 3}}
    spec["encoding"]["y"] |= {"title": None, "axis": {"tickCount": ticks, "format": "~%"}}
    if not hover:
        spec["layer"] = spec["layer"][:1]
        spec["layer"][0]["mark"]["strokeWidth"] = 1.3
    return charts.chart_svg(_with_now(spec, trace))


def beta_heat(trace: Trace, cell: CellTrace) -> str:
    """Every edge of a node with a choice, at every moment: its share, from below an equal one to above."""
    inputs = Counter(target for _, target in cell.edges)
    values: Values = [
        {
            "iteration": str(record.iteration),
            "edge": f"{ends[0]}→{ends[1]}",
            "above": round(share * inputs[ends[1]] - 1, 5),
            "tip": f"{ends[0]}→{ends[1]}, iteration {record.iteration}\nshare {share:.4f}",
        }
        for ends in cell.edges
        for record, share in zip(trace.records, (shares[ends] for shares in cell.betas), strict=True)
        if inputs[ends[1]] > 1
    ]
    if not values:
        return ""
    far = max(SLIGHT, *(abs(value["above"]) for value in values))
    each = max(1, len(trace.records) // 8)
    shown = [str(record.iteration) for record in trace.records[::each]]
    return charts.chart_svg(
        {
            "width": 760,
            "height": {"step": 15},
            "title": f"from {far:.0%} below an equal share (faint) to {far:.0%} above (strong)",
            "data": {"values": values},
            "mark": {"type": "rect", "color": "var(--heat)", "stroke": "var(--paper)", "strokeWidth": 0.5},
            "encoding": {
                "x": charts.nominal("iteration", "iteration", axis={"values": shown, "labelAngle": 0, "ticks": False}),
                "y": charts.nominal("edge", axis={"ticks": False}),
                "fillOpacity": {
                    "field": "above",
                    "type": "quantitative",
                    "scale": {"domain": [-far, far], "range": [0.04, 1]},
                    "legend": None,
                },
                "description": {"field": "tip"},
            },
        }
    )


def _two_lines(names: Sequence[str]) -> Spec:
    colours = ["var(--op-sep)", "var(--op-dil)"]
    return charts.nominal(
        "of",
        scale={"domain": list(names), "range": colours[: len(names)]},
        legend={"orient": "top", "title": None, "symbolType": "stroke", "offset": 2},
    )


def training_curves(trainings: Sequence[TrainedRun], names: Mapping[int, str]) -> list[str]:
    """Loss and accuracy over the epochs of all trainings; none of one epoch, which has no course.

    A training alone is shown with its validation images, where it had some.
    """
    validated = len(trainings) == 1 and any(epoch.val_loss is not None for epoch in trainings[0].epochs)
    lines = [(at, names[at], "") for at in range(len(trainings))]
    if validated:
        lines = [(0, "training", ""), (0, "validation", "val_")]
    pictures = []
    for y, title, scale, unit in (("loss", "loss", 1, ""), ("accuracy", "accuracy, %", 100, " %")):
        values: Values = [
            {
                "epoch": epoch.epoch,
                y: scale * value,
                "of": of,
                "colour": source_colour(line),
                "tip": f"{of}, epoch {epoch.epoch}\n{y} {scale * value:.4g}{unit}",
            }
            for line, (at, of, part) in enumerate(lines)
            for epoch in trainings[at].epochs
            if (value := getattr(epoch, f"{part}{y}")) is not None
        ]
        if len({value["epoch"] for value in values}) > 1:
            colour = _two_lines([of for _, of, _ in lines]) if validated else charts.painted("colour")
            more: dict[str, Any] = {"color": colour, "detail": charts.nominal("of")}
            heading = f"{title[0].upper()}{title[1:]}" if validated else f"Training {title}"
            spec = charts.line(values, "epoch", y, title=heading, **more)
            spec["encoding"]["x"]["axis"] |= {"tickMinStep": 1, "format": "d"}
            spec["encoding"]["y"]["title"] = None
            pictures.append(charts.chart_svg(spec))
    return pictures


def stage_cost_chart(network: CountedNetwork) -> list[str]:
    """Parameters and MACs of every part of the network, in the order that an image takes."""
    pictures = []
    for name, title in (("params", "Parameters"), ("macs", "MACs of one image")):
        values: Values = [
            {
                "part": stage.name,
                "amount": getattr(stage, name),
                "colour": "var(--op-dil)"
                if stage.kind == "reduce"
                else "var(--op-sep)"
                if stage.in_cell
                else "var(--soft)",
                "tip": f"{stage.name} ({stage.kind}, {stage.channels} channels)\n{title}: {getattr(stage, name):,}",
            }
            for stage in network.cost.stages
        ]
        pictures.append(
            charts.chart_svg(
                {
                    "width": 360,
                    "height": 170,
                    "title": title,
                    "data": {"values": values},
                    "mark": {"type": "bar", "cornerRadiusEnd": 2},
                    "encoding": {
                        "x": charts.nominal("part", axis={"labelAngle": -60, "ticks": False}),
                        "y": charts.quantitative("amount", zero=True, title="", format="~s"),
                        "color": charts.painted("colour"),
                        "description": {"field": "tip"},
                    },
                }
            )
        )
    return pictures


def seconds(genotype: Genotype, trainings: Sequence[TrainedRun]) -> str:
    """Seconds of every phase of the history, and of the trainings."""
    values: Values = [
        {"step": f"{at + 1} {one_line(step.command)}", "phase": one_line(phase), "seconds": value}
        for at, (step, times) in enumerate(zip(genotype.history, genotype.times, strict=True))
        for phase, value in times.seconds.items()
    ]
    values += [{"step": f"train {each.name}", "phase": "train", "seconds": each.seconds} for each in trainings]
    for value in values:
        value["tip"] = f"{value['step']}: {value['phase']}\n{value['seconds']:.2f} s"
        value["row"] = f"{value['step']} · {value['phase']}"
    if not values:
        return ""
    row = charts.nominal("row", axis={"ticks": False, "domain": False, "labelLimit": 220})
    base: Spec = {"x": charts.quantitative("seconds", zero=True), "y": row}
    label = {"field": "seconds", "type": "quantitative", "format": ",.2f"}
    return charts.chart_svg(
        {
            "width": 560,
            "height": {"step": 19},
            "data": {"values": values},
            "encoding": base,
            "layer": [
                {
                    "mark": {"type": "bar", "color": "var(--op-sep)", "cornerRadiusEnd": 2, "height": 10},
                    "encoding": {"description": {"field": "tip"}},
                },
                {"mark": {"type": "text", "align": "left", "dx": 5, "aria": False}, "encoding": {"text": label}},
            ],
        }
    )
