"""`ftso stability`: would other seeds have found the same wiring?"""

from statistics import fmean
from typing import Any

from rich.table import Table

from ftso_cli.api.stability import Stability
from ftso_cli.api.stability import stability as tell
from ftso_cli.cli.console import plain, print_json, say, show, warn
from ftso_cli.cli.derive import as_command
from ftso_cli.settings.requests.looks import StabilityRequest


@as_command(StabilityRequest)
def stability(request: StabilityRequest, as_json: bool) -> None:
    """Tell whether other seeds find the same wiring: the share of edges in common, and its chance level.

    One file of a search with `--seeds`: agreement of disjoint ensembles of 1, 2, 4, ... of its seeds, up to its halves.
    Several files: agreement of their wirings, each with each.

    Examples: `ftso stability many.json` · `ftso stability first.json second.json third.json`
    """
    found = tell.run(request)
    if as_json:
        print_json(_json(found))
        return
    show(_table(found))
    for text in found.warnings:
        warn(text)
    if found.seeds is not None:
        say("Agreement that does not rise above chance with more seeds: the wiring is no better than a random one.")


def _json(found: Stability) -> dict[str, Any]:
    cells = {
        kind: {
            "chance": round(each.chance, 4),
            "agreement": {name: round(share, 4) for name, share in each.shares.items()},
        }
        for kind, each in found.cells.items()
    }
    of = {"files": list(found.files)} if found.seeds is None else {"seeds": found.seeds}
    return {**of, "cells": cells, "warnings": list(found.warnings)}


def _table(found: Stability) -> Table:
    """A row a size of ensemble, or a pair of files; a column a cell; chance, and the mean of pairs, below."""
    kinds = found.cells
    table = Table(box=None, padding=(0, 3, 0, 0), header_style="dim")
    table.add_column("files" if found.seeds is None else "seeds each", no_wrap=True)
    for kind in kinds:
        table.add_column(kind, justify="right")
    names = list(next(iter(kinds.values())).shares)
    for name in names:
        table.add_row(plain(name), *(f"{each.shares[name]:.2f}" for each in kinds.values()))
    if found.files and len(names) > 1:
        table.add_row("mean", *(f"{fmean(each.shares.values()):.2f}" for each in kinds.values()), style="bold")
    table.add_row("chance", *(f"{each.chance:.2f}" for each in kinds.values()), style="dim")
    return table
