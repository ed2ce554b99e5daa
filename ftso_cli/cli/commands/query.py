"""`ftso query`: what cells of the nats space reached when NATS-Bench trained them, by its table."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ftso_cli.api.query import QueriedCell, look_up
from ftso_cli.benchmarks.nats import CELLS, Table
from ftso_cli.cli.console import aligned, next_step, note, print_json, say
from ftso_cli.cli.derive import as_command
from ftso_cli.cli.output.listening import CommandListener
from ftso_cli.settings.requests.tables import QueryRequest
from ftso_cli.spaces.nats import DATA_SETS

LEGEND = (
    "test accuracy after 200 epochs, mean over seeds; flops as the benchmark counts them, MACs and 1 for each class"
)


@as_command(QueryRequest)
def query(request: QueryRequest, as_json: bool) -> None:
    """Look up the accuracies of cells on CIFAR-10, CIFAR-100 and ImageNet16-120, and their ranks among all 15,625.

    Without a cell: the best cells and the statistics of the whole space. A table is read once; after that its
    cached index answers.

    Examples: `ftso query cell.json --table nats_bench.csv.gz` · `ftso query "|nor_conv_3x3~0|+|...|" -t table.csv` ·
    `ftso query --table NATS-tss-v1_0-3ffb9-simple --trust-pickle`
    """
    found = look_up(request, CommandListener())
    if not found.cells:
        _report_space(found.table, request, as_json)
        return
    answers = [_facts(answer) for answer in found.cells]
    if as_json:
        print_json({"table": str(request.table), "of": CELLS, "cells": answers})
        return
    for answer in answers:
        _show(answer)
    note(LEGEND)
    if len(answers) == 1 and os.path.exists(found.cells[0].cell):
        next_step("cost", found.cells[0].cell)


def _facts(answer: QueriedCell) -> dict[str, Any]:
    """Return all that is known of a cell; accuracies in percent, parameters and flops in units."""
    data_sets = {
        name: {
            **asdict(one.score),
            "percentile": one.score.percentile,
            "to_best": one.score.to_best,
            "params": one.params,
            "flops": one.flops,
        }
        for name, one in answer.data_sets.items()
    }
    known = {"cell": answer.cell, "architecture": answer.architecture, "index": answer.index}
    return known | {"data_sets": data_sets}


def _show(answer: Mapping[str, Any]) -> None:
    name = "" if answer["cell"] == answer["architecture"] else f"{answer['cell']}: "
    say(f"{name}{answer['architecture']}, index {answer['index']}")
    rows = [("", "accuracy", f"rank of {CELLS:,}", "better than", "to the best", "parameters", "flops")]
    for key, one in DATA_SETS.items():
        found = answer["data_sets"][key]
        rows.append(
            (
                one.title,
                f"{found['accuracy']:.2f} %",
                f"{found['rank']:,}",
                f"{found['percentile']:.2f} %",
                f"{found['to_best']:.2f}",
                f"{found['params']:,}",
                f"{found['flops']:,}",
            )
        )
    _print(rows)


def _report_space(table: Table, request: QueryRequest, as_json: bool) -> None:
    """The best cells and the statistics of the whole space."""
    if as_json:
        print_json({"table": str(request.table), **table.summary})
        return
    facts: Mapping[str, Any] = table.summary["data_sets"]
    percentiles = tuple(next(iter(facts.values()))["percentiles"])
    rows = [("accuracy, %", "best", "mean", "std", "worst", *(f"{at} %" for at in percentiles))]
    for name, found in facts.items():
        values = (found["best"], found["mean"], found["std"], found["worst"], *found["percentiles"].values())
        rows.append((DATA_SETS[name].title, *(f"{value:.2f}" for value in values)))
    _print(rows)
    for name, found in facts.items():
        for best in found["best_cells"]:
            say(f"best on {DATA_SETS[name].title}: {best['architecture']}, index {best['index']}")
    for pair, value in table.summary["spearman"].items():
        titles = " and ".join(DATA_SETS[name].title for name in pair.split())
        say(f"rank correlation of {titles}: {value:.4f} (Spearman)")


def _print(rows: Sequence[tuple[str, ...]]) -> None:
    """Columns side by side, all but the first to the right."""
    for line in aligned(rows, [True] + [False] * (len(rows[0]) - 1), "  "):
        say(line)
