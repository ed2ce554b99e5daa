"""The verb that draws: draw."""

import os
from dataclasses import dataclass
from pathlib import Path

from ftso_cli import drawing
from ftso_cli.api.cells import name_of, read
from ftso_cli.errors import DrawingError, unknown
from ftso_cli.files import write_atomic
from ftso_cli.genotype import Genotype
from ftso_cli.settings.shared import CellLike

SUFFIXES = {".svg": "svg", ".png": "png", ".pdf": "pdf", ".dot": "dot", ".gv": "dot"}


@dataclass(frozen=True)
class Picture:
    """A drawn cell, as DOT text; notebooks show it as svg."""

    dot: str

    def render(self, format: str = "svg") -> bytes:
        """The picture as svg, png, pdf or dot; raises `DrawingError` where nothing on this machine can make it."""
        return drawing.render(self.dot, format)

    def _repr_svg_(self) -> str:
        return self.render().decode()


def draw(
    cell: CellLike,
    output: str | os.PathLike[str] | None = None,
    *,
    title: str | None = None,
    pruned: bool = False,
) -> Picture:
    """Draws a cell, and writes it where `output` names a .svg, .png, .pdf or .dot file.

    `title` replaces that of the cell, an empty one leaves it out; `pruned` also shows what pruning took out, dotted.
    Raises `DrawingError` for another suffix, and where nothing on this machine can make the picture.
    """
    genotype = read(cell)
    if title is None and genotype.about is None and not isinstance(cell, Genotype):
        title = Path(name_of(cell)).name.removesuffix(".json")
    picture = Picture(drawing.dot(genotype, title=title, pruned=pruned))
    if output is not None:
        write_atomic(Path(output), picture.render(format_of(Path(output))))
    return picture


def format_of(file: Path) -> str:
    """The format that the suffix of a file names."""
    suffix = file.suffix.lower()
    if suffix not in SUFFIXES:
        raise DrawingError(f"{file}: {unknown('picture suffix', suffix, SUFFIXES)}; or say --format")
    return SUFFIXES[suffix]


def svg(genotype: Genotype) -> str | None:
    """The picture of a genotype as svg; None where nothing on this machine can make it."""
    try:
        return Picture(drawing.dot(genotype))._repr_svg_()
    except DrawingError:
        return None
