"""The output of `ftso cost`: tables, a plot of bars, and the same as JSON."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from ftso_cli.cli.console import plain, say, stack, terminal_width
from ftso_cli.costs.conventions import CONVENTIONS, multiply_adds
from ftso_cli.costs.formulas import Formulas
from ftso_cli.costs.layers import Cost
from ftso_cli.costs.network import StageCost
from ftso_cli.costs.networks import CountedNetwork
from ftso_cli.costs.supernet import SupernetCost, supernet_cost
from ftso_cli.spaces import DARTS
from ftso_cli.spaces.darts import SEARCH

HEADINGS = {"conv-linear": "MACs", "bn-relu": "+ BN, ReLU", "bias": "+ bias"}
"""The column of each convention."""

SUPERNETS = {"DARTS": 1, "PC-DARTS": 4}
"""The real super-nets, and the part of the channels that passes their operators."""

WIDEST = 500
"""Characters that a table may be wide."""

BAR = 46
"""Characters of the longest bar of a plot, where there is room."""

LABELS = 32
"""Characters before and behind a bar."""


@dataclass(frozen=True, kw_only=True)
class Saving:
    """A real super-net with all candidates and with skip connections only."""

    full: SupernetCost
    skip: SupernetCost

    @property
    def weights(self) -> float:
        """The factor by which skip connections alone save weights."""
        return self.full.weights / self.skip.weights

    @property
    def macs(self) -> float:
        """The factor by which a forward pass saves MACs."""
        return self.full.macs / self.skip.macs


def savings(formulas: Formulas) -> dict[str, Saving]:
    """Return the savings of real super-nets of as many nodes, by name."""
    nodes = formulas.n - 3
    return {
        name: Saving(
            full=supernet_cost(DARTS.candidates, nodes=nodes, partial=partial),
            skip=supernet_cost(("skip_connect",), nodes=nodes, partial=partial),
        )
        for name, partial in SUPERNETS.items()
    }


def show_network(network: CountedNetwork, conventions: Sequence[str], by_stage: bool) -> None:
    """One network part by part: a row for each stage, or for each run of cells of one kind and resolution."""
    counts = network.cost
    say(f"{network.name}: {network.shape.channels} channels, {network.title}")
    table = _table("part", "nodes", "output", "parameters", *(HEADINGS[name] for name in conventions))
    rows = [[stage] for stage in counts.stages] if by_stage else _runs(counts.stages)
    for run in rows:
        total = sum((stage.cost for stage in run), Cost())
        width = str(run[0].channels) if run[0].in_cell else ""
        table.add_row(_part(run), width, _size(run[0]), *_counts(total, conventions))
    table.add_section()
    table.add_row("network", "", "", *_counts(counts.total, conventions), style="bold")
    if head := counts.auxiliary:
        table.add_row("auxiliary head", "", _size(head), *_counts(head.cost, conventions))
        table.add_row("in training", "", "", *_counts(counts.total + head.cost, conventions))
    _show(table)


def _runs(stages: Sequence[StageCost]) -> Iterator[list[StageCost]]:
    for _, run in groupby(stages, key=lambda stage: (stage.kind, stage.channels, stage.output)):
        yield list(run)


def _part(run: list[StageCost]) -> str:
    first, last = run[0], run[-1]
    if not first.in_cell:
        return first.name
    numbers = [stage.name.removeprefix("cell ") for stage in (first, last)]
    return f"{first.kind} {'–'.join(dict.fromkeys(numbers))}"


def _size(stage: StageCost) -> str:
    return "×".join(map(str, stage.output))


def _counts(cost: Cost, conventions: Sequence[str]) -> list[str]:
    return [format_count(cost.params), *(format_count(multiply_adds(cost, name)) for name in conventions)]


def show_networks(networks: Sequence[CountedNetwork], conventions: Sequence[str]) -> None:
    """Several networks, a row each."""
    say(networks[0].title)
    table = _table("cell", "channels", "parameters", "+ auxiliary", *(HEADINGS[name] for name in conventions))
    for network in networks:
        params, *macs = _counts(network.cost.total, conventions)
        trained = format_count(network.cost.params_with_auxiliary)
        table.add_row(plain(network.name), str(network.shape.channels), params, trained, *macs)
    _show(table)


def network_json(network: CountedNetwork) -> dict[str, Any]:
    """Everything that is known of a network, every convention included."""
    shape, counts = network.shape, network.cost
    return {
        "cell": network.name,
        "space": network.space,
        "stem": shape.stem,
        "reduction": shape.reduction,
        "channels": shape.channels,
        "cells": shape.cells,
        "classes": shape.classes,
        "image": [shape.image_channels, *network.image_size],
        "params": counts.params,
        "params_with_auxiliary": counts.params_with_auxiliary,
        "macs": counts.macs,
        "auxiliary_macs": counts.auxiliary_macs,
        "multiply_adds": {name: multiply_adds(counts.total, name) for name in CONVENTIONS},
        "above_mobile_setting": network.above_mobile,
        "stages": [_stage_json(stage) for stage in counts.stages],
        "auxiliary": _stage_json(counts.auxiliary) if counts.auxiliary else None,
    }


def _stage_json(stage: StageCost) -> dict[str, Any]:
    return {
        "name": stage.name,
        "kind": stage.kind,
        "channels": stage.channels,
        "output": list(stage.output),
        "params": stage.params,
        "multiply_adds": {name: multiply_adds(stage.cost, name) for name in CONVENTIONS},
    }


def show_formulas(formulas: Formulas, real: dict[str, Saving]) -> None:
    """The paper's comparison, and what real super-nets save."""
    f = formulas
    say(
        f"The paper's formulas (end of section 3): a cell of n = {f.n} nodes, {f.n - 3} of them intermediate, p = {f.p}"
    )
    say(f"candidates, each a {f.k}×{f.k} convolution of {f.c_in} to {f.c_out} channels, output {f.height}×{f.width}")
    table = _table("", "DARTS", "topology search", "operator search")
    table.add_row("edges", format_count(f.edges), format_count(f.edges), format_count(f.kept_edges))
    for name, row in _rows(f).items():
        table.add_row(name, *map(format_count, row))
    table.add_section()
    for name, (darts, topology, chosen) in _rows(f).items():
        table.add_row(f"fewer {name}", "", f"×{format_count(darts / topology)}", f"×{format_count(darts / chosen)}")
    _show(table)
    params, flops = float(f.params_ratio), float(f.flops_ratio)
    say(f"topology search has {params:.3g} of DARTS' parameters and {flops:.3g} of its FLOPs")
    if f.c_in != f.c_out:
        say("a skip connection can't change the width: with C_in ≠ C_out the formulas idealise")
    say(_real_line(f.n - 3, real))


def _real_line(nodes: int, real: dict[str, Saving]) -> str:
    saved = "; ".join(
        f"{name} ×{format_count(s.weights)} weights, ×{format_count(s.macs)} MACs" for name, s in real.items()
    )
    return (
        f"real super-nets of {nodes} nodes a cell ({SEARCH.cells} cells, {SEARCH.channels} channels, 32×32), skip only "
        f"against all {len(DARTS.candidates)} candidates, save: {saved}"
    )


def _rows(f: Formulas) -> dict[str, tuple[int, int, int]]:
    """Return the compared counts of DARTS, topology search and operator search."""
    return {
        "operators": (f.darts_operators, f.topology_operators, f.operator_operators),
        "parameters": (f.darts_params, f.topology_params, f.operator_params),
        "FLOPs": (f.darts_flops, f.topology_flops, f.operator_flops),
    }


def formulas_json(f: Formulas, real: dict[str, Saving] | None = None) -> dict[str, Any]:
    """The comparison in numbers; ratios are of topology search to DARTS, savings of DARTS to each search."""
    names = ("darts", "topology", "operator")
    result: dict[str, Any] = {name: getattr(f, name) for name in ("n", "p", "k", "c_in", "c_out", "height", "width")}
    result["edges"] = dict(zip(names, (f.edges, f.edges, f.kept_edges), strict=True))
    result |= {name.lower(): dict(zip(names, row, strict=True)) for name, row in _rows(f).items()}
    result["ratios"] = {"params": float(f.params_ratio), "flops": float(f.flops_ratio)}
    result["savings"] = {"topology": float(f.topology_saving), "operator": float(f.operator_saving)}
    if real is not None:
        result["supernets"] = {name: _saving_json(saving) for name, saving in real.items()}
    return result


def _saving_json(saving: Saving) -> dict[str, Any]:
    counts = {
        name: {"weights": cost.weights, "edge_weights": cost.edge_weights, "macs": cost.macs}
        for name, cost in (("all", saving.full), ("skip", saving.skip))
    }
    return {**counts, "weights_saving": saving.weights, "macs_saving": saving.macs}


def show_sweep(name: str, rows: Sequence[Formulas]) -> None:
    """The growth of the formulas with n or p: a table, and the operators as bars."""
    kinds = ("DARTS", "operator search", "topology search")
    table = _table(
        f"\n{name}", "\nedges", *(f"{kind}\noperators" for kind in kinds), "DARTS\nFLOPs", f"{kinds[2]}\nFLOPs"
    )
    for row in rows:
        counts = (row.edges, *_operators(row), row.darts_flops, row.topology_flops)
        table.add_row(str(getattr(row, name)), *map(format_count, counts))
    _show(table)
    say("operators, each bar on a logarithmic scale from 1")
    most = max(row.darts_operators for row in rows)
    for row in rows:
        label = f"{name}={getattr(row, name)}"
        for kind, count in zip(kinds, _operators(row), strict=True):
            say(f"{label:>6} {kind:<15} {_bar(count, most)} {format_count(count)}")
            label = ""


def _operators(f: Formulas) -> tuple[int, int, int]:
    """The operators of DARTS, operator search and topology search: what a plot shows from long to short."""
    return f.darts_operators, f.operator_operators, f.topology_operators


def _bar(count: int, most: int) -> str:
    """A bar as long as the logarithm of `count`, in eighths of a character; a cell has two operators at least."""
    width = min(BAR, max(terminal_width() - LABELS, 8))
    eighths = round(8 * width * math.log(count) / math.log(most))
    return "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()


def _table(*headings: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for index, heading in enumerate(headings):
        if index:
            table.add_column(heading, justify="right", no_wrap=True)
        else:
            table.add_column(heading, overflow="fold", max_width=60)
    return table


def _show(table: Table) -> None:
    """Prints a table as wide as its numbers are: none is cut to fit a narrow terminal or a pipe."""
    wide = Console(highlight=False, emoji=False, width=WIDEST)
    if wide.measure(table).maximum <= terminal_width():
        wide.print(table)
        return
    columns = table.columns
    rows = zip(*(map(str, column.cells) for column in columns), strict=True)
    stack([" ".join(str(column.header).split()) for column in columns], rows)


def format_count(value: float) -> str:
    """A count with thousands marked, in full up to 12 digits; a fraction with three digits."""
    if value >= 1e12:
        return f"{value:.3e}"
    if value == int(value):
        return f"{int(value):,}"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
