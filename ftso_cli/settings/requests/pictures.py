"""The requests of the command that draws cells, and of its Python function. No torch."""

from collections.abc import Mapping
from dataclasses import KW_ONLY
from pathlib import Path
from typing import Annotated

from ftso_cli.errors import DrawingError, SettingsError, unknown
from ftso_cli.settings.options import Option, Settings, settings
from ftso_cli.settings.requests.looks import Cells
from ftso_cli.settings.shared import File, OnCell

SUFFIXES: Mapping[str, str] = {".svg": "svg", ".png": "png", ".pdf": "pdf", ".dot": "dot", ".gv": "dot"}
"""The format of a picture by the suffix of its file."""

PICTURES = tuple(dict.fromkeys(SUFFIXES.values()))
"""The formats of pictures."""


@settings
class PictureOptions(Settings):
    """The look of a drawn cell."""

    output: Annotated[
        File | None,
        Option(help="Write this .svg, .png, .pdf or .dot file; - is stdout.", short="-o", metavar="FILE"),
    ] = None
    _: KW_ONLY
    format: Annotated[
        str | None,
        Option(help=f"{', '.join(PICTURES)}; svg unless FILE says.", short="-f", metavar="FORMAT"),
    ] = None
    pruned: Annotated[bool, Option(help="Show what pruning took out, dotted.")] = False
    title: Annotated[
        str | None, Option(help="Another title than the cell's own; an empty one leaves it out.", metavar="TEXT")
    ] = None

    def check(self) -> None:
        """Raise `DrawingError` for an unknown format, `SettingsError` for another than the file's suffix says."""
        self.chosen  # noqa: B018 - raises

    @property
    def chosen(self) -> str:
        """The format that is asked for, by name or by the file's suffix; svg where neither says."""
        if self.format is not None and self.format not in PICTURES:
            raise DrawingError(unknown("picture format", self.format, PICTURES))
        if self.output is None:
            return self.format or "svg"
        if str(self.output) == "-":
            return self.format or "dot"
        suffix = Path(self.output).suffix.lower()
        if self.format is None and suffix not in SUFFIXES:
            raise DrawingError(f"{self.output}: {unknown('picture suffix', suffix, SUFFIXES)}; or say --format")
        if self.format not in (None, SUFFIXES.get(suffix, self.format)):
            raise SettingsError(
                f"{self.output} says {SUFFIXES[suffix]} and --format says {self.format}; change one of them"
            )
        return self.format or SUFFIXES[suffix]


@settings
class DrawRequest(PictureOptions, OnCell):
    """A picture of a cell."""


@settings
class OnCells(Settings):
    """A request about several cells."""

    cells: Annotated[
        Cells,
        Option(
            help="Genotype files, - for standard input, or names of published cells.", metavar="CELL", argument=True
        ),
    ]


@settings
class DrawCommandRequest(PictureOptions, OnCells):
    """Pictures of several cells: what the command draws."""

    _: KW_ONLY
    out_dir: Annotated[File | None, Option(help="Write DIR/CELL.svg for each cell.", metavar="DIR")] = None
    terminal: Annotated[bool, Option(help="Draw in the terminal only, write no file.")] = False

    def check(self) -> None:
        """Raise `SettingsError` for options that contradict each other."""
        if self.output is not None and self.out_dir is not None:
            raise SettingsError("-o names one file and --out-dir a folder for many; give one of them")
        if self.output is not None and len(self.cells) > 1:
            raise SettingsError(f"-o names one file, and there are {len(self.cells)} cells; use --out-dir DIR")
        if self.terminal and (self.output is not None or self.out_dir is not None):
            raise SettingsError("--terminal writes no file; leave out -o, --out-dir and --json, or --terminal")
        if list(self.cells).count("-") > 1:
            raise SettingsError("- is standard input, which can be read only once")
        super().check()
