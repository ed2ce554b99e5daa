"""The requests of the commands that look at cells: compare, stability, report. No torch."""

import os
from collections.abc import Sequence
from dataclasses import KW_ONLY
from string import ascii_uppercase
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainValidator

from ftso_cli.genotype import Genotype
from ftso_cli.settings.options import Option, OptionError, Settings, settings
from ftso_cli.settings.shared import CellLike, File

MOST_COMPARED = len(ascii_uppercase)
"""Cells that get a letter."""

MOST_WIRINGS = 64
"""Files whose wirings are compared, each with each."""


def several(value: Any) -> Any:
    """Return one cell or path as several."""
    return (value,) if isinstance(value, Genotype | str | os.PathLike) else tuple(value)


Cells = Annotated[Sequence[Annotated[CellLike, PlainValidator(lambda value: value)]], BeforeValidator(several)]
"""One cell or several; a tuple once they are read."""


@settings
class CompareRequest(Settings):
    """A comparison of cells."""

    cells: Annotated[
        Cells,
        Option(
            help="Two or more: genotype files, published cells by name, or run folders of trainings.",
            metavar="CELL",
            argument=True,
        ),
    ]

    def check(self) -> None:
        """Raise `OptionError` for one cell, or more than have a letter."""
        if not 2 <= len(self.cells) <= MOST_COMPARED:
            raise OptionError("cells", f"give 2 to {MOST_COMPARED} cells, not {len(self.cells)}")


@settings
class StabilityRequest(Settings):
    """A check whether other seeds find the same wiring."""

    cells: Annotated[
        Cells,
        Option(help="One genotype from --seeds, or several genotypes to compare.", metavar="CELL", argument=True),
    ]

    def check(self) -> None:
        """Raise `OptionError` for more cells than are compared."""
        if len(self.cells) > MOST_WIRINGS:
            raise OptionError("cells", f"give at most {MOST_WIRINGS} cells, not {len(self.cells)}")


STORAGE_HELP = "A database that many machines reach, as in postgresql+psycopg://user@host/ftso."


@settings
class ReportRequest(Settings):
    """A page about a trained network, a cell or a study."""

    sources: Annotated[
        Annotated[Sequence[File], BeforeValidator(several)],
        Option(
            help="Of one cell: its file or published name, run folders of its searches and trainings; or a study.",
            metavar="SOURCE",
            argument=True,
        ),
    ]
    output: Annotated[File | None, Option(help="The page.", short="-o", metavar="FILE", shown="report.html")] = None
    _: KW_ONLY
    title: Annotated[str | None, Option(help="The page's title.", metavar="TEXT", shown="the cell's name")] = None
    storage: Annotated[
        str | None, Option(help="The database of a study.", metavar="URL", shown="SQLite in its folder")
    ] = None
