"""`ftso query`: what cells of the nats space reached when NATS-Bench trained them, by its table."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ftso_cli.api.cells import about_file
from ftso_cli.benchmarks.nats import CELLS, Entry, Table
from ftso_cli.benchmarks.tables import read_table
from ftso_cli.cli.console import aligned, next_step, note, print_json, say
from ftso_cli.cli.derive import command
from ftso_cli.costs.conventions import multiply_adds
from ftso_cli.costs.network import network_cost
from ftso_cli.errors import GenotypeError
from ftso_cli.genotype import Genotype, formats, library
from ftso_cli.genotype.edit import require_complete
from ftso_cli.genotype.formats.nats import architecture
from ftso_cli.settings.edits import Query
from ftso_cli.spaces import NATS
from ftso_cli.spaces.nats import DATA_SETS, KIND

LEGEND = (
    "test accuracy after 200 epochs, mean over seeds; flops as the benchmark counts them, MACs and 1 for each class"
)


@command(Query)
def query(request: Query, as_json: bool) -> None:
    """Look up what cells reached on CIFAR-10, CIFAR-100 and ImageNet16-120, and where that is among all 15,625 cells.

    Without a cell: the best cells and the statistics of the whole space. A table is read once; after that its
    cached index answers.

    Examples: `ftso query cell.json --table nats_bench.csv.gz` · `ftso query "|nor_conv_3x3~0|+|...|" -t table.csv` ·
    `ftso query --table NATS-tss-v1_0-3ffb9-simple --trust-pickle`
    """
    table = Path(request.table)
    asked = [(reference, *_loaded(reference)) for reference in request.cells]
    found = _read(table, request.trust_pickle)
    if not asked:
        _report_space(found, table, as_json)
        return
    answers = [_answer(reference, genotype, found.find(text), text) for reference, genotype, text in asked]
    if as_json:
        print_json({"table": str(table), "of": CELLS, "cells": answers})
        return
    for answer in answers:
        _show(answer)
    note(LEGEND)
    if len(answers) == 1 and os.path.exists(asked[0][0]):
        next_step("cost", asked[0][0])


def _loaded(reference: str) -> tuple[Genotype, str]:
    """The genotype that is meant, and its architecture string; errors name it."""
    if "|" in reference and not os.path.exists(reference):
        genotype = formats.loads(reference, NATS.name).genotype
    else:
        genotype = library.load(reference)
    with about_file(reference):
        if genotype.space != NATS.name:
            raise GenotypeError(f"is of the {genotype.space} space, and the table has cells of the nats space")
        require_complete(genotype, "query")
        return genotype, architecture(genotype.cells[KIND])


def _read(path: Path, trust_pickle: bool) -> Table:
    """The table, behind a progress bar where it is made of many records."""
    if not path.is_dir():
        return read_table(path)
    from ftso_cli.cli.progress import bar

    with bar("read records", "record") as progress:
        return read_table(path, trust_pickle=trust_pickle, on_record=progress.update)


def _answer(reference: str, genotype: Genotype, entry: Entry, text: str) -> dict[str, Any]:
    """All that is known of a cell; accuracies in percent, parameters and flops in units."""
    data_sets = {}
    for name, one in DATA_SETS.items():
        score = entry.scores[name]
        cost = network_cost(genotype, one.shape, (one.pixels, one.pixels))
        data_sets[name] = {
            **asdict(score),
            "percentile": score.percentile,
            "to_best": score.to_best,
            "params": cost.params,
            "flops": multiply_adds(cost.total, "bias"),
        }
    return {"cell": reference, "architecture": text, "index": entry.index, "data_sets": data_sets}


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


def _report_space(table: Table, path: Path, as_json: bool) -> None:
    """The best cells and the statistics of the whole space."""
    if as_json:
        print_json({"table": str(path), **table.summary})
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
