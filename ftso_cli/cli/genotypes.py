"""`ftso genotypes`: the library of published cells, with exact costs beside the figures in print."""

from typing import Annotated

import typer

from ftso_cli import shell
from ftso_cli.api.cells import about_file
from ftso_cli.cli import common, genotypes_output
from ftso_cli.cli.console import next_step, print_json, say
from ftso_cli.cli.genotypes_output import COLUMNS, Row
from ftso_cli.errors import SettingsError, unknown
from ftso_cli.genotype import library, storage
from ftso_cli.spaces import operator

ActionArgument = Annotated[
    str | None, typer.Argument(metavar="show", help="Show one cell instead of the table.", show_default=False)
]
NameArgument = Annotated[
    str | None, typer.Argument(metavar="NAME", help="The cell to show: its name, or a genotype file.")
]
SortOption = Annotated[str, typer.Option("--sort", metavar="COLUMN", help=f"Sort by one of {', '.join(COLUMNS)}.")]
FilterOption = Annotated[
    list[str] | None,
    typer.Option(
        "--filter",
        metavar="TEXT",
        help="Only rows with TEXT in their name or title, or op=OPERATOR: cells that use it. Can be repeated.",
    ),
]
SchemaOption = Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of genotype files.")]


def genotypes(
    action: ActionArgument = None,
    name: NameArgument = None,
    sort: SortOption = "name",
    filters: FilterOption = None,
    schema: SchemaOption = False,
    as_json: common.JsonOption = False,
) -> None:
    """List the published cells that come with ftso: exact costs, and the figures in print beside them.

    Rows without costs are networks whose cell nobody printed as text, FTSO's own among them. A wider terminal shows
    more columns. Every command that takes a CELL takes these names.

    Examples: `ftso genotypes` · `ftso genotypes --sort top1 --filter darts` · `ftso genotypes --filter
    op=sep_conv_5x5` · `ftso genotypes show pc_darts_cifar` · `ftso genotypes --schema`
    """
    if schema:
        say(*storage.layout(storage.json_schema()).split("\n"))
    elif action is None:
        _list(sort, filters or [], as_json)
    elif action == "show" and name is not None:
        _show(name, as_json)
    else:
        meant = "NAME" if action == "show" else shell.argument(action)
        raise typer.BadParameter(f"to show a cell, say: ftso genotypes show {meant}")


def _list(sort: str, filters: list[str], as_json: bool) -> None:
    if sort not in COLUMNS:
        raise SettingsError(unknown("column", sort, COLUMNS))
    rows = genotypes_output.all_rows()
    for text in filters:
        rows = _filtered(rows, text)
    rows = genotypes_output.sort_rows(rows, sort)
    if as_json:
        print_json({"genotypes": [genotypes_output.row_json(row) for row in rows]})
    else:
        genotypes_output.show_table(rows, sort)


def _filtered(rows: list[Row], text: str) -> list[Row]:
    key, equals, value = text.partition("=")
    if not equals:
        wanted = library.simple(text)
        return [row for row in rows if any(wanted in library.simple(name) for name in (row.about.name, _title(row)))]
    if key != "op":
        raise SettingsError(f"--filter takes op=OPERATOR, or a part of a name; {key}= is neither")
    return [row for row in rows if operator(value).name in row.operators]


def _title(row: Row) -> str:
    return row.about.title or ""


def _show(reference: str, as_json: bool) -> None:
    about = None if library.is_name(reference) else library.without_cell_called(reference)
    if about is not None:
        row = Row(about=about, genotype=None, costs={})
    else:
        genotype = library.load(reference)
        with about_file(reference):
            row = genotypes_output.row_of(genotype, reference)
    if as_json:
        cells = row.genotype.model_dump(mode="json", exclude_defaults=True)["cells"] if row.genotype else None
        print_json({**genotypes_output.row_json(row), "cells": cells})
        return
    genotypes_output.show_cell(row)
    if row.genotype is not None:
        next_step("draw", reference)
