"""The request of the command that lists published cells. No torch."""

from collections.abc import Sequence
from dataclasses import KW_ONLY
from typing import Annotated, Literal, get_args

from pydantic import BeforeValidator

from ftso_cli.errors import SettingsError, unknown
from ftso_cli.settings.options import Option, OptionError, Settings, settings
from ftso_cli.settings.requests.looks import several
from ftso_cli.shell import argument

ColumnName = Literal[
    "name",
    "title",
    "year",
    "nodes",
    "operators",
    "params",
    "params-printed",
    "macs",
    "macs-printed",
    "error",
    "error-1200",
    "imagenet-params",
    "imagenet-params-printed",
    "imagenet-macs",
    "imagenet-macs-printed",
    "top1",
    "top5",
    "days",
]
"""The columns of the table of published cells."""


@settings
class GenotypesRequest(Settings):
    """A list of the published cells."""

    _: KW_ONLY
    sort: Annotated[str, Option(help=f"Sort by one of {', '.join(get_args(ColumnName))}.", metavar="COLUMN")] = "name"
    filter: Annotated[
        Annotated[Sequence[str], BeforeValidator(several)],
        Option(
            help="Only rows with TEXT in their name or title, or op=OPERATOR: cells that use it. Can be repeated.",
            metavar="TEXT",
        ),
    ] = ()

    def check(self) -> None:
        """Raise `SettingsError` for a column that is none."""
        if self.sort not in get_args(ColumnName):
            raise SettingsError(unknown("column", self.sort, get_args(ColumnName)))


@settings
class GenotypesCommandRequest(GenotypesRequest):
    """The subject of `ftso genotypes`: the list, one cell of it, or the schema of genotype files."""

    action: Annotated[str | None, Option(help="Show one cell instead of the table.", metavar="show", argument=True)] = (
        None
    )
    name: Annotated[
        str | None, Option(help="The cell to show: its name, or a genotype file.", metavar="NAME", argument=True)
    ] = None
    _: KW_ONLY
    schema: Annotated[bool, Option(help="Print the JSON Schema of genotype files.")] = False

    def check(self) -> None:
        """Raise `OptionError` for another action than to show a cell."""
        if not self.schema and self.action is not None and (self.action != "show" or self.name is None):
            meant = "NAME" if self.action == "show" else argument(self.action)
            raise OptionError("action", f"to show a cell, say: ftso genotypes show {meant}")
        super().check()
