"""`ftso genotypes`: the library of published cells, with exact costs beside the figures in print."""

from ftso_cli.api import library
from ftso_cli.cli.console import next_step, print_json, say
from ftso_cli.cli.derive import as_command
from ftso_cli.cli.output.genotypes_output import row_json, show_cell, show_table
from ftso_cli.genotype import storage
from ftso_cli.settings.requests.library import GenotypesCommandRequest


@as_command(GenotypesCommandRequest)
def genotypes(request: GenotypesCommandRequest, as_json: bool) -> None:
    """List the published cells that come with ftso: exact costs, and the figures in print beside them.

    Rows without costs are networks whose cell nobody printed as text, FTSO's own among them. A wider terminal shows
    more columns. Every command that takes a CELL takes these names.

    Examples: `ftso genotypes` · `ftso genotypes --sort top1 --filter darts` · `ftso genotypes --filter
    op=sep_conv_5x5` · `ftso genotypes show pc_darts_cifar` · `ftso genotypes --schema`
    """
    if request.schema:
        say(*storage.format_json(storage.json_schema()).split("\n"))
    elif request.name is not None:
        _show(request.name, as_json)
    else:
        rows = library.genotypes.run(request)
        if as_json:
            print_json({"genotypes": [row_json(row) for row in rows]})
        else:
            show_table(rows, request.sort)


def _show(reference: str, as_json: bool) -> None:
    row = library.shown_cell(reference)
    if as_json:
        cells = row.genotype.model_dump(mode="json", exclude_defaults=True)["cells"] if row.genotype else None
        print_json({**row_json(row), "cells": cells})
        return
    show_cell(row)
    if row.genotype is not None:
        next_step("draw", reference)
