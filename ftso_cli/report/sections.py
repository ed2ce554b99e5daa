"""What each part of the page says, ready for the template: texts, numbers as text, and pictures as SVG."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ftso_cli.costs.networks import Network
from ftso_cli.genotype import agreement
from ftso_cli.report import figures, pareto
from ftso_cli.report.collect import Report
from ftso_cli.report.commands import commands, train_command
from ftso_cli.report.drawn import GONE, LOT, DrawnCell, cell_as_found, cell_at
from ftso_cli.report.palette import operator_colour, operator_dash, source_colour
from ftso_cli.report.trace import CellTrace, Trace
from ftso_cli.report.trained import Training
from ftso_cli.spaces import OPERATORS, SPACES

MOST_SMALL = 60
"""Small charts of a cell; one of more edges has only the table that moves with the slider."""


@dataclass(frozen=True, kw_only=True)
class Fact:
    """A figure at the head of the page."""

    name: str
    value: str
    remark: str = ""


@dataclass(frozen=True, kw_only=True)
class Key:
    """An entry of a legend."""

    label: str
    colour: str
    dashed: bool = False


@dataclass(frozen=True, kw_only=True)
class Weighed:
    """A cell in the section of its search: as it stood at the end, α by edge and operator, and its charts."""

    drawn: DrawnCell
    ops: tuple[str, ...]
    table: tuple[tuple[str, tuple[float, ...]], ...]
    beta_lines: tuple[str, ...]
    beta_heat: str
    alpha_lines: tuple[str, ...]
    sources: tuple[Key, ...]
    operators: tuple[Key, ...]
    shade: Callable[[float], float]
    """How dark a share stands in the table, 0 to 1."""


@dataclass(frozen=True, kw_only=True)
class SearchSection:
    """A search over time; `data` is what the slider shows, as JSON that can stand in a script element."""

    name: str
    command: str
    shown: int
    total: int
    first: int
    last: int
    now: str
    charts: tuple[str, ...]
    cells: tuple[Weighed, ...]
    data: str


@dataclass(frozen=True, kw_only=True)
class TrainingSection:
    """The trainings: their curves and a legend of them, a line of figures by name for each."""

    charts: tuple[str, ...]
    keys: tuple[Key, ...]
    rows: tuple[Mapping[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class CostSection:
    """The network part by part, and what the time went into."""

    network: Network | None
    charts: tuple[str, ...]
    seconds: str


@dataclass(frozen=True, kw_only=True)
class PublishedSection:
    """This cell among the published ones: whether it stands there trained, or is `priced` alone or left out."""

    charts: tuple[str, ...]
    trained: bool
    priced: bool
    elsewhere: bool


@dataclass(frozen=True, kw_only=True)
class Done:
    """A step of the history: the command that does it again, its notes, and when it was done."""

    command: str
    title: str
    notes: tuple[str, ...] = ()
    started: str = ""


def facts(report: Report) -> list[Fact]:
    """The figures at the head of the page."""
    found = []
    for training in report.trainings:
        if training.result is not None:
            remark = f"{Path(training.config.data).name}, {len(training.epochs)} epochs"
            found.append(Fact(name="test accuracy", value=f"{training.result.test_accuracy:.2%}", remark=remark))
    if report.network is not None:
        size = "×".join(map(str, report.network.image_size))
        found.append(Fact(name="parameters", value=_short(report.network.params), remark=report.network.name))
        found.append(Fact(name="MACs", value=_short(report.network.macs), remark=f"an image of {size}"))
    genotype = report.genotype
    if genotype is not None and (took := sum(sum(times.seconds.values()) for times in genotype.times)):
        steps = len(genotype.history)
        found.append(Fact(name="to find it", value=_duration(took), remark=f"{steps} step{'s' * (steps > 1)}"))
    if genotype is not None and genotype.ensemble is not None:
        certain, chosen = agreement.found(genotype)
        found.append(Fact(name="edges found", value=f"{certain} of {chosen}", remark="the others were drawn by lot"))
    return found


def found_cells(report: Report) -> list[DrawnCell]:
    """The cells of the genotype."""
    genotype = report.genotype
    if genotype is None:
        return []
    return [cell_as_found(genotype, kind, report.network) for kind in SPACES[genotype.space].kinds]


def dashes(cells: list[DrawnCell]) -> str:
    """What the dashes of the cells say."""
    have = {edge.dash for cell in cells for edge in cell.edges}
    told = {LOT: "Dashed: drawn by lot, as far as the seeds tell.", GONE: "Dotted: pruned, or left out by pruning."}
    return " ".join(text for dash, text in told.items() if dash in have)


def search(trace: Trace, report: Report, number: int) -> SearchSection:
    """A search over time, number `number` on the page."""
    end = len(trace.records) - 1
    kinds = [kind for kind in (trace.space.kinds if trace.space else ()) if kind in trace.cells]
    pictures = [figures.losses(trace), figures.eigenvalue(trace), figures.skips(trace)]
    return SearchSection(
        name=trace.name,
        command=trace.command or "search",
        shown=len(trace.records),
        total=trace.total,
        first=trace.records[0].iteration,
        last=trace.records[-1].iteration,
        now=_moment(trace, end),
        charts=tuple(picture for picture in pictures if picture),
        cells=tuple(_weighed(trace, kind, report) for kind in kinds),
        data=embedded(_moments(trace, kinds, report)),
    )


def _weighed(trace: Trace, kind: str, report: Report) -> Weighed:
    cell = trace.cells[kind]
    sources = sorted({source for source, _ in cell.edges})
    weighs = bool(cell.betas) and any(share < 1 for share in cell.betas[-1].values())
    chosen = bool(cell.alphas) and len(cell.edges) <= MOST_SMALL
    return Weighed(
        drawn=cell_at(trace, kind, len(trace.records) - 1, _concat(cell, kind, report)),
        ops=cell.ops,
        table=tuple((f"{ends[0]}→{ends[1]}", cell.alphas[-1][ends]) for ends in cell.edges if cell.alphas),
        beta_lines=tuple(figures.beta_lines(trace, cell)) if weighs and len(cell.edges) <= MOST_SMALL else (),
        beta_heat=figures.beta_heat(trace, cell) if weighs else "",
        alpha_lines=tuple(figures.alpha_lines(trace, cell)) if chosen else (),
        sources=tuple(Key(label=f"from {source}", colour=source_colour(source)) for source in sources),
        operators=tuple(_operator(op) for op in cell.ops),
        shade=_shade(cell),
    )


def _shade(cell: CellTrace) -> Callable[[float], float]:
    """From a share to a darkness: an equal share is blank, the largest of the search dark, but no less than double."""
    equal = 1 / max(1, len(cell.ops))
    largest = max((share for its in cell.alphas for shares in its.values() for share in shares), default=0.0)
    reach = max(largest, 2 * equal) - equal
    return lambda share: max(0.0, (share - equal) / reach)


def _concat(cell: CellTrace, kind: str, report: Report) -> tuple[int, ...]:
    """The nodes that form the output: as the genotype has it, or all."""
    if report.genotype is not None and kind in report.genotype.cells:
        return report.genotype.cells[kind].concat
    return tuple(sorted({target for _, target in cell.edges}))


def _moments(trace: Trace, kinds: list[str], report: Report) -> dict[str, Any]:
    """What the slider changes: for each moment its text, and of each edge width, label, colour, faintness and tip."""
    every = range(len(trace.records))
    cells = []
    for kind in kinds:
        cell = trace.cells[kind]
        drawn = [cell_at(trace, kind, at, _concat(cell, kind, report)).edges for at in every]
        edges = [
            [[edge.width, edge.label, edge.plate, edge.colour, int(edge.faint), edge.tip] for edge in its]
            for its in drawn
        ]
        shade = _shade(cell)
        alphas = [
            [[[round(share, 4), round(shade(share), 3)] for share in its[ends]] for ends in cell.edges]
            for its in cell.alphas
        ]
        cells.append({"edges": edges, "alphas": alphas})
    iterations = [record.iteration for record in trace.records]
    return {"iterations": iterations, "texts": [_moment(trace, at) for at in every], "cells": cells}


def _moment(trace: Trace, at: int) -> str:
    record = trace.records[at]
    parts = [f"iteration {record.iteration}", f"epoch {record.epoch}"]
    parts += [] if record.weight_loss is None else [f"loss {record.weight_loss:.3f}"]
    parts += [] if record.arch_loss is None else [f"held-out loss {record.arch_loss:.3f}"]
    parts += [] if record.eigenvalue is None else [f"eigenvalue {record.eigenvalue:.3g}"]
    return " · ".join(parts)


def training(report: Report) -> TrainingSection:
    """The trainings."""
    names = {at: each.folder.name for at, each in enumerate(report.trainings)}
    keys = tuple(Key(label=name, colour=source_colour(at)) for at, name in names.items())
    return TrainingSection(
        charts=tuple(figures.training_curves(report.trainings, names)),
        keys=keys if len(keys) > 1 else (),
        rows=tuple(_trained(each) for each in report.trainings),
    )


def _trained(each: Training) -> dict[str, str]:
    recipe, result = each.config.recipe, each.result
    return {
        "run": each.folder.name,
        "data": Path(each.config.data).name,
        "network": f"{recipe.cells} cells, {recipe.channels} channels",
        "epochs": f"{len(each.epochs)} of {recipe.epochs}",
        "time": _duration(each.seconds),
        "test accuracy": "not tested yet"
        if result is None
        else f"{result.test_accuracy:.2%} of {result.test_images:,} images",
    }


def costs(report: Report) -> CostSection:
    """The network of the cell, and the time it took to find."""
    network = report.network
    return CostSection(
        network=network,
        charts=() if network is None else tuple(figures.stage_costs(network)),
        seconds="" if report.genotype is None else figures.seconds(report.genotype, report.trainings),
    )


def published(report: Report) -> PublishedSection:
    """This cell among the published ones."""
    found = pareto.points(report)
    own = [point for point in found if not point.published]
    return PublishedSection(
        charts=tuple(pareto.charts_of(found)),
        trained=any(point.error is not None for point in own),
        priced=any(point.error is None for point in own),
        elsewhere=any(each.config.data != pareto.DATA and each.result is not None for each in report.trainings),
    )


def history(report: Report) -> list[Done]:
    """Every step with the command that does it again, the trainings last."""
    done: list[Done] = []
    if report.genotype is not None:
        steps = zip(report.genotype.history, report.genotype.times, commands(report.genotype, report.file), strict=True)
        done += [
            Done(command=command, title=step.command, notes=step.notes, started=_clock(times.started))
            for step, times, command in steps
        ]
    return done + [Done(command=train_command(each), title=f"train {each.folder.name}") for each in report.trainings]


def environment(report: Report) -> list[tuple[str, str]]:
    """What it was done with: versions, devices, data sets, seeds."""
    rows: dict[str, dict[str, None]] = {}

    def add(name: str, value: object) -> None:
        if value is not None:
            rows.setdefault(name, {})[str(value)] = None

    for step in () if report.genotype is None else report.genotype.history:
        _add_all(add, step.versions, step.device, step.data, step.seed)
    if report.genotype is not None and report.genotype.ensemble is not None:
        add("seed", ", ".join(map(str, report.genotype.ensemble.seeds)))
    for each in report.trainings:
        _add_all(add, each.config.versions, each.config.device, each.config.data, each.config.seed)
        add("precision", each.config.precision)
    return [(name, "; ".join(values)) for name, values in rows.items()]


def _add_all(add: Any, versions: Mapping[str, str], device: str | None, data: str | None, seed: int | None) -> None:
    for name, version in versions.items():
        add(name, version)
    add("device", device)
    add("data", data)
    add("seed", seed)


def subtitle(report: Report) -> str:
    """What kind of cell this is, or how far the study is, on one line."""
    genotype = report.genotype
    if report.study is not None:
        return f"Study of {len(report.study.rows)} settings · trials: {report.study.standing}"
    if genotype is None:
        return "A search that has not written its cell yet"
    stage = {"searched": "all edges, weighed", "pruned": "wiring decided, operators open", "complete": "complete"}
    about = genotype.about
    origin = [about.source] if about is not None and about.source else []
    return " · ".join([f"{genotype.space} space", stage[genotype.stage], *origin])


def embedded(value: Any) -> str:
    """JSON that can stand inside a script element: no text in it can end the element."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _operator(op: str) -> Key:
    dashed = operator_dash(op) != [1, 0]
    return Key(label=OPERATORS[op].label, colour=operator_colour(op), dashed=dashed)


def _clock(started: str) -> str:
    """A time as people write it, or as it is where it is none."""
    try:
        return datetime.fromisoformat(started).astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (ValueError, OverflowError):
        return started


def _short(number: int) -> str:
    """A large number as 3.35 M."""
    for scale, unit in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if number >= scale:
            return f"{number / scale:.3g} {unit}"
    return str(number)


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
