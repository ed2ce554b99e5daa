"""The section of a search: the cell at every moment for the slider, and its charts."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ftso_cli.report.cell.drawn import DrawnCell, cell_at
from ftso_cli.report.cell.trace import CellTrace, Trace
from ftso_cli.report.collect import Report
from ftso_cli.report.palette import Key, operator_key, source_colour
from ftso_cli.report.plots import figures
from ftso_cli.report.plots.front import fronts

MOST_SMALL = 30
"""Edges of a cell that have charts of lines; one of more has the heat map, and the table that the slider moves."""

MOST_ROWS = 120
"""Edges of a cell that have a heat map."""


@dataclass(frozen=True, kw_only=True)
class CellOverTime:
    """A cell in the section of its search: as it stood at the end, α by edge and operator, and its charts."""

    drawn: DrawnCell
    table: tuple[tuple[str, tuple[float, ...]], ...]
    beta_lines: tuple[str, ...]
    beta_heat: str
    alpha_lines: tuple[str, ...]
    sources: tuple[Key, ...]
    operators: tuple[Key, ...]
    shade: Callable[[float], float]
    """The darkness of a share in the table, 0 to 1."""


@dataclass(frozen=True, kw_only=True)
class SearchSection:
    """A search over time; `data` is what the slider shows, as JSON that can stand in a script element."""

    name: str
    shown: int
    total: int
    now: str
    charts: tuple[str, ...]
    cells: tuple[CellOverTime, ...]
    data: str


def search_section(trace: Trace, report: Report) -> SearchSection:
    """A search over time."""
    end = len(trace.records) - 1
    kinds = [kind for kind in (trace.space.kinds if trace.space else ()) if kind in trace.cells]
    pictures = [figures.losses(trace), figures.reward(trace), figures.eigenvalue(trace), figures.skips(trace)]
    return SearchSection(
        name=trace.name,
        shown=len(trace.records),
        total=trace.total,
        now=moment(trace, end),
        charts=(*(picture for picture in pictures if picture), *fronts(trace)),
        cells=tuple(_weighed(trace, kind, report) for kind in kinds),
        data=embedded(_moments(trace, kinds, report)),
    )


def _weighed(trace: Trace, kind: str, report: Report) -> CellOverTime:
    cell = trace.cells[kind]
    sources = sorted({source for source, _ in cell.edges})
    weighs = bool(cell.betas) and any(share < 1 for share in cell.betas[-1].values())
    few = len(cell.edges) <= MOST_SMALL
    return CellOverTime(
        drawn=cell_at(trace, kind, len(trace.records) - 1, _concat(cell, kind, report)),
        table=tuple((f"{ends[0]}→{ends[1]}", cell.alphas[-1][ends]) for ends in cell.edges if cell.alphas),
        beta_lines=tuple(figures.beta_lines(trace, cell)) if weighs and few else (),
        beta_heat=figures.beta_heat(trace, cell) if weighs and len(cell.edges) <= MOST_ROWS else "",
        alpha_lines=tuple(figures.alpha_lines(trace, cell)) if cell.alphas and few else (),
        sources=tuple(Key(label=f"from {source}", colour=source_colour(source)) for source in sources),
        operators=tuple(operator_key(op) for op in cell.ops),
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
    """Return the slider's content: the text of each moment, and width, label, colour, faintness, tip of each edge."""
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
    return {"iterations": iterations, "texts": [moment(trace, at) for at in every], "cells": cells}


def moment(trace: Trace, at: int) -> str:
    """Return the text beside the slider at a moment."""
    record = trace.records[at]
    parts = (
        [f"evaluation {record.iteration}"]
        if trace.evaluated
        else [f"iteration {record.iteration}", f"epoch {record.epoch}"]
    )
    parts += [] if record.reward is None else [f"highest reward {record.reward:.4g}"]
    parts += [] if record.weight_loss is None else [f"loss {record.weight_loss:.3f}"]
    parts += [] if record.arch_loss is None else [f"held-out loss {record.arch_loss:.3f}"]
    parts += [] if record.eigenvalue is None else [f"eigenvalue {record.eigenvalue:.3g}"]
    return " · ".join(parts)


def embedded(value: Any) -> str:
    """JSON that can stand inside a script element: no text in it can end the element."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
