"""`ftso compare`: cells or trained runs side by side."""

from collections.abc import Sequence
from itertools import combinations
from string import ascii_uppercase
from typing import TYPE_CHECKING, Any

from rich.table import Table

from ftso_cli.cli.console import note, plain, print_json, say, show
from ftso_cli.cli.derive import as_command
from ftso_cli.settings.requests.looks import CompareRequest
from ftso_cli.spaces import OPERATORS

if TYPE_CHECKING:
    from ftso_cli.report.comparison import ComparedCell, Comparison, Price

RUN = ("run's params", "run's MACs", "epochs", "accuracy")
"""The columns of what a run trained."""

MOST_PAIRS = 10
"""Pairs that are printed; of more cells, those of the first with each other one."""


@as_command(CompareRequest)
def compare(request: CompareRequest, as_json: bool) -> None:
    """Compare cells: edges that differ, shared wiring and its chance level, exact costs, accuracies of runs.

    Costs are those of the paper's network for CIFAR-10 for every cell alike, which --recipe cifar trains, and besides
    of the network that a run trained. A searched cell that is not pruned is compared as `ftso prune` would leave it.

    Examples: `ftso compare darts_v2 pc_darts_cifar` · `ftso compare cell.json other.json` ·
    `ftso compare runs/cell-digits runs/cell-digits-2`
    """
    from ftso_cli.report import comparison

    found = comparison.compare.run(request)
    if as_json:
        print_json(_json(found))
        return
    for each in found.cells:
        if each.pruned_here:
            note(f"{each.name} is not pruned: compared as ftso prune would leave it")
    show(_cells(found.cells))
    say(f"params and MACs: {found.network}")
    say()
    show(_shapes(found))
    say("depth: edges on the longest path; width: nodes that read the inputs, by share")
    say()
    show(_pairs(found))
    say()
    if found.differences:
        show(_differences(found))
    else:
        say("all edges and operators are the same")


def _cells(compared: Sequence["ComparedCell"]) -> Table:
    """A row a cell: its letter and name, its price, and what its run reached."""
    runs = any(each.training for each in compared)
    table = _table("", "cell", "params", "MACs", *(RUN if runs else ()))
    for letter, each in zip(ascii_uppercase, compared, strict=False):
        row = [letter, plain(each.name), *_price(each.price)]
        table.add_row(*row, *(_reached(each) if runs else ()))
    return table


def _reached(each: "ComparedCell") -> tuple[str, ...]:
    """Return a run's data set, epochs and accuracy; blanks for a cell without a run."""
    if each.training is None:
        return ("",) * len(RUN)
    result = each.training.result
    accuracy = "" if result is None else f"{result.test_accuracy:.2%}"
    return *_price(each.trained_price), str(len(each.training.epochs)), accuracy


def _price(price: "Price | None") -> tuple[str, str]:
    return ("-", "-") if price is None else (f"{price.params:,}", f"{price.macs / 1e6:,.1f} M")


def _shapes(found: "Comparison") -> Table:
    """A row a cell, depth and width of each kind of cell."""
    table = _table("", *(f"{kind}: {what}" for kind in found.kinds for what in ("depth", "width")))
    for letter, each in zip(ascii_uppercase, found.cells, strict=False):
        shapes = (each.shapes[kind] for kind in found.kinds)
        table.add_row(letter, *(text for shape in shapes for text in (str(shape.depth), f"{shape.width:.3g}")))
    return table


def _pairs(found: "Comparison") -> Table:
    """A row a pair, of each kind of cell the share of common edges, and how many of these have the same operators."""
    pairs = list(combinations(ascii_uppercase[: len(found.cells)], 2))
    kinds = len(found.kinds)
    rows = [found.pairs[at : at + kinds] for at in range(0, len(found.pairs), kinds)]
    table = _table("", *(heading for kind in found.kinds for heading in (f"{kind}: edges in common", "same op")))
    for (one, other), row in zip(pairs, rows, strict=True):
        if len(pairs) > MOST_PAIRS and one != "A":
            continue
        cells = []
        for pair in row:
            chance = "" if pair.chance is None else f", chance {pair.chance:.2f}"
            cells += [f"{pair.agreement:.2f}{chance}"]
            cells += ["-" if pair.same_ops is None else f"{pair.same_ops} of {pair.shared}"]
        table.add_row(f"{one} {other}", *cells)
    return table


def _differences(found: "Comparison") -> Table:
    """A row an edge that differs, a column a cell."""
    table = _table("", "edge", *ascii_uppercase[: len(found.cells)])
    before = None
    for each in found.differences:
        ops = ["-" if its is None else "+".join(OPERATORS[op].label for op in its) or "yes" for its in each.ops]
        table.add_row("" if each.kind == before else each.kind, f"{each.source}→{each.target}", *ops)
        before = each.kind
    return table


def _table(*headings: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for heading in headings:
        right = heading in ("params", "MACs", *RUN)
        table.add_column(heading, justify="right" if right else "left", overflow="fold")
    return table


def _json(found: "Comparison") -> dict[str, Any]:
    return {
        "cells": [_compared(each) for each in found.cells],
        "pairs": [
            {
                "kind": pair.kind,
                "cells": [pair.one, pair.other],
                "agreement": round(pair.agreement, 4),
                "chance": None if pair.chance is None else round(pair.chance, 4),
                "shared": pair.shared,
                "same_ops": pair.same_ops,
            }
            for pair in found.pairs
        ],
        "differences": [
            {"kind": each.kind, "edge": [each.source, each.target], "ops": each.ops} for each in found.differences
        ],
    }


def _compared(each: "ComparedCell") -> dict[str, Any]:
    told: dict[str, Any] = {"cell": each.name, "stage": each.genotype.stage, "pruned_here": each.pruned_here}
    told["shape"] = {
        kind: {"depth": shape.depth, "width": round(shape.width, 3)} for kind, shape in each.shapes.items()
    }
    if each.price is not None:
        told |= {"params": each.price.params, "macs": each.price.macs}
    if each.training is not None and each.trained_price is not None:
        told["run"] = {
            "params": each.trained_price.params,
            "macs": each.trained_price.macs,
            "epochs": len(each.training.epochs),
            "data": each.training.config.data,
            "test_accuracy": None if each.training.result is None else each.training.result.test_accuracy,
        }
    return told
