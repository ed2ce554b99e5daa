"""`ftso stability`: would other seeds have found the same wiring?"""

from collections.abc import Sequence
from itertools import combinations
from statistics import fmean
from typing import Annotated, Any

import typer
from rich.table import Table

from ftso_cli.api.edits import pruned
from ftso_cli.cli import common
from ftso_cli.cli.console import plain, print_json, say, show, warn
from ftso_cli.errors import GenotypeError
from ftso_cli.genotype import Genotype, library
from ftso_cli.genotype.agreement import chance, common_share, halves_agree, wiring
from ftso_cli.spaces import SPACES


def stability(
    cells: Annotated[
        list[str],
        typer.Argument(
            metavar="CELL",
            help="One genotype from --seeds, or several genotypes to compare.",
            show_default=False,
        ),
    ],
    as_json: common.JsonOption = False,
) -> None:
    """Tell whether other seeds find the same wiring: the share of edges in common, beside that of random wirings.

    One file of a search with `--seeds`: how far disjoint parts of 1, 2, 4, ... of its seeds agree, up to its halves.
    Several files: how far their wirings agree, each with each.

    Examples: `ftso stability many.json` · `ftso stability first.json second.json third.json`
    """
    genotypes = [library.load(cell) for cell in cells]
    result = _within(genotypes[0], cells[0]) if len(genotypes) == 1 else _between(genotypes, cells)
    if as_json:
        print_json(result)
        return
    show(_table(result))
    for text in result["warnings"]:
        warn(text)
    if len(genotypes) == 1:
        say("Agreement that does not rise above chance with more seeds: the wiring is drawn by lot.")


def _within(genotype: Genotype, cell: str) -> dict[str, Any]:
    """The agreement of disjoint parts of an ensemble, by their size."""
    seeds = 0 if genotype.ensemble is None else len(genotype.ensemble.seeds)
    if seeds < 2:
        raise GenotypeError(f"{cell}: holds one search; compare it with others, or search with --seeds 0-15")
    keep = SPACES[genotype.space].keep
    sizes = sorted({2**power for power in range(seeds.bit_length()) if 2 ** (power + 1) <= seeds} | {seeds // 2})
    return {
        "seeds": seeds,
        "cells": {
            kind: {
                "chance": round(chance(found, keep), 4),
                "agreement": {str(size): round(halves_agree(found, keep, size), 4) for size in sizes},
            }
            for kind, found in genotype.cells.items()
        },
        "warnings": [],
    }


def _between(genotypes: Sequence[Genotype], cells: Sequence[str]) -> dict[str, Any]:
    """The agreement of each file's wiring with each other's."""
    first = genotypes[0]
    for genotype, cell in zip(genotypes, cells, strict=True):
        if genotype.space != first.space or _nodes(genotype) != _nodes(first):
            raise GenotypeError(f"{cell}: has other cells than {cells[0]}, so their wirings can't be compared")
    wired = [
        pruned(genotype, cell)[0] if genotype.stage == "searched" else genotype
        for genotype, cell in zip(genotypes, cells, strict=True)
    ]
    keep = SPACES[first.space].keep
    return {
        "files": list(cells),
        "cells": {
            kind: {
                "chance": round(chance(first.cells[kind], keep), 4),
                "agreement": {
                    f"{one} {other}": round(common_share(wiring(a.cells[kind]), wiring(b.cells[kind])), 4)
                    for (one, a), (other, b) in combinations(zip(cells, wired, strict=True), 2)
                },
            }
            for kind in first.cells
        },
        "warnings": _shared_seeds(genotypes, cells),
    }


def _nodes(genotype: Genotype) -> dict[str, tuple[int, ...]]:
    return {kind: cell.targets for kind, cell in genotype.cells.items()}


def _shared_seeds(genotypes: Sequence[Genotype], cells: Sequence[str]) -> list[str]:
    """Ensembles that have seeds in common agree more than disjoint ones would."""
    warnings = []
    for (one, a), (other, b) in combinations(zip(cells, genotypes, strict=True), 2):
        shared = _seeds(a) & _seeds(b)
        if shared:
            warnings.append(f"{one} and {other} have {len(shared)} seeds in common, which makes them agree")
    return warnings


def _seeds(genotype: Genotype) -> set[int]:
    if genotype.ensemble is not None:
        return set(genotype.ensemble.seeds)
    return {step.seed for step in genotype.history if step.command == "search-topology" and step.seed is not None}


def _table(result: dict[str, Any]) -> Table:
    """A row a size of ensemble, or a pair of files; a column a cell; chance, and the mean of pairs, below."""
    kinds = result["cells"]
    table = Table(box=None, padding=(0, 3, 0, 0), header_style="dim")
    table.add_column("seeds each" if "seeds" in result else "files", no_wrap=True)
    for kind in kinds:
        table.add_column(kind, justify="right")
    names = list(next(iter(kinds.values()))["agreement"])
    for name in names:
        table.add_row(plain(name), *(f"{each['agreement'][name]:.2f}" for each in kinds.values()))
    if "files" in result and len(names) > 1:
        table.add_row("mean", *(f"{fmean(each['agreement'].values()):.2f}" for each in kinds.values()), style="bold")
    table.add_row("chance", *(f"{each['chance']:.2f}" for each in kinds.values()), style="dim")
    return table
