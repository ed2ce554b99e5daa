"""The output of `ftso genotypes`: the table of the library, one cell in full, and both as JSON."""

import shutil
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from ftso_cli.api.library import COLUMNS, Column, PublishedCell
from ftso_cli.cli.console import aligned, note, say, stack, terminal_width
from ftso_cli.costs.network import NetworkCost
from ftso_cli.errors import GenotypeError
from ftso_cli.genotype import Genotype, formats

LEGEND = (
    "params and MACs in millions, counted by ftso (C10, CIFAR-10: 20 cells of 36 channels; INet, ImageNet: 14 cells of "
    "48; MACs of convolutions and linear layers); print: as the sources print them, in whatever way they count; errors "
    "in %; days: GPU-days of search; -: not in print, or nobody printed the cell"
)

NARROW = 80
"""Characters; a table in a file or a pipe is laid out for at least so many."""

TEXT_WIDTH = 100
"""Characters of a line of notes."""


def show_table(rows: Sequence[PublishedCell], sorted_by: str) -> None:
    """The table, with as many columns as the terminal has room for; the one that it is sorted by is always there."""
    texts = {name: _texts(column, rows) for name, column in COLUMNS.items()}
    width = min(terminal_width(), max(NARROW, shutil.get_terminal_size((NARROW, 24)).columns))
    chosen = _fitting({name: max(map(len, column)) for name, column in texts.items()}, sorted_by, width)
    _print([texts[name] for name in chosen], [COLUMNS[name].left for name in chosen])
    note(f"{len(rows)} rows; {LEGEND}")


def _texts(column: Column, rows: Sequence[PublishedCell]) -> list[str]:
    values = (column.value(row) for row in rows)
    return [*column.heading.split("\n"), *("-" if value is None else format(value, column.spec) for value in values)]


def _fitting(widths: Mapping[str, int], wanted: str, width: int) -> list[str]:
    """The names of the columns that fit, by rank; from rank 2 on all of a rank or none."""
    chosen = {"name", wanted}
    for rank in sorted({column.rank for column in COLUMNS.values()}):
        group = [name for name, column in COLUMNS.items() if column.rank == rank and name not in chosen]
        for part in [[name] for name in group] if rank < 2 else [group]:
            if sum(widths[name] + 1 for name in (*chosen, *part)) - 1 <= width:
                chosen.update(part)
            elif rank >= 2:
                return [name for name in COLUMNS if name in chosen]
    return [name for name in COLUMNS if name in chosen]


def _print(columns: Sequence[Sequence[str]], left: Sequence[bool]) -> None:
    """Columns of text side by side, with a line under the two of the heading."""
    lines = aligned(list(zip(*columns, strict=True)), left, " ")
    lines.insert(2, "─" * (sum(max(map(len, column)) for column in columns) + len(columns) - 1))
    say(*lines)


def show_cell(row: PublishedCell) -> None:
    """One cell in full: where it is from, its costs beside those in print, and both cells as text."""
    about = row.about
    year = f", {about.year}" if about.year else ""
    say(f"{about.name}: {about.title or 'no title'}{year}")
    facts = {"also": ", ".join(about.aliases), "from": about.source, "note": about.note}
    facts["printed in"] = "; ".join(about.published.sources)
    for name, text in facts.items():
        if text:
            say(*textwrap.wrap(f"{name:<11}{text}", min(TEXT_WIDTH, terminal_width()), subsequent_indent=" " * 11))
    say()
    columns = _cost_columns(row)
    if sum(max(map(len, column)) + 1 for column in columns) - 1 <= terminal_width():
        _print(columns, [True, *[False] * 7])
    else:
        rows = list(zip(*columns, strict=True))
        stack([f"{first} {second}".strip() for first, second in zip(*rows[:2], strict=True)], rows[2:])
    for name, setting in row.settings.items():
        if (figures := getattr(about.published, name, None)) and figures.note:
            say(f"{setting.title}: {figures.note}")
    if (days := about.published.search_gpu_days) is not None:
        say(f"search: {days:g} GPU-days{f' on {about.published.searched_on}' if about.published.searched_on else ''}")
    if row.genotype:
        say("", *_cell_text(row.genotype).split("\n"))
    else:
        say("", "Nobody printed this cell as text, so there is nothing to draw or to count.")


def _cost_columns(row: PublishedCell) -> list[list[str]]:
    """A table with a line for each setting: what is counted, and what is in print."""
    settings = row.settings
    columns = [["", "", *(setting.title for setting in settings.values())]]
    for heading, name in (("", "params"), ("in", "params_with_auxiliary"), ("", "macs")):
        counts = [f"{getattr(row.costs[key], name):,}" if row.costs else "-" for key in settings]
        columns.append([heading, {"params_with_auxiliary": "training", "macs": "MACs"}.get(name, name), *counts])
    for heading, second, name in (("params", "print", "params_M"), ("MACs", "print", "madds_M")):
        figures = [row.printed(key, name) for key in settings]
        columns.append([heading, second, *("-" if value is None else f"{value:g}M" for value in figures)])
    return [*columns, ["", "error", *map(lambda key: _error_text(row, key), settings)], ["", "top-5", *_top5(row)]]


def _error_text(row: PublishedCell, setting: str) -> str:
    """The error with its standard deviation, and that after 1200 epochs."""
    value, std, longer = (row.printed(setting, name) for name in ("error", "error_std", "error_1200_epochs"))
    if value is None:
        return "-"
    return f"{value:g}{f' ± {std:g}' if std else ''} %{f' (1200 epochs: {longer:g} %)' if longer else ''}"


def _top5(row: PublishedCell) -> list[str]:
    return ["-" if (value := row.printed(key, "top5_error")) is None else f"{value:g} %" for key in row.settings]


def _cell_text(genotype: Genotype) -> str:
    """The cells as text in the way of their space, or as an edge list where that can't hold them."""
    try:
        return formats.export_genotype_text(genotype, genotype.space)[0].rstrip()
    except GenotypeError:
        return formats.export_genotype_text(genotype, "edges")[0].rstrip()


def row_json(row: PublishedCell) -> dict[str, Any]:
    """Everything that is known of a cell but the cell itself; costs in units."""
    return {
        **row.about.model_dump(mode="json"),
        "nodes": row.nodes or None,
        "operators": row.operators or None,
        "costs": {key: _cost_json(cost) for key, cost in row.costs.items()} or None,
    }


def _cost_json(cost: NetworkCost) -> dict[str, int]:
    return {"params": cost.params, "params_with_auxiliary": cost.params_with_auxiliary, "macs": cost.macs}
