"""The verb that draws: draw."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ftso_cli import drawing
from ftso_cli.api.cells import read, reference_name
from ftso_cli.api.verbs import verb
from ftso_cli.errors import DrawingError, FileError, SettingsError
from ftso_cli.files import write_atomic, write_inside
from ftso_cli.genotype import Genotype
from ftso_cli.settings.requests.pictures import DrawCommandRequest, DrawRequest
from ftso_cli.settings.shared import CellLike


@dataclass(frozen=True)
class Picture:
    """A drawn cell, as DOT text; notebooks show it as svg."""

    dot: str

    def render(self, format: str = "svg") -> bytes:
        """Return the picture as svg, png, pdf or dot; raises `DrawingError` where nothing here can make it."""
        return drawing.render_dot(self.dot, format)

    def _repr_svg_(self) -> str:
        return self.render().decode()


@verb(DrawRequest)
def draw(request: DrawRequest) -> Picture:
    """Draw a cell, and write it where `output` names a .svg, .png, .pdf or .dot file, or is of a `format`.

    `title` replaces that of the cell, an empty one leaves it out; `pruned` also shows what pruning took out, dotted.
    Raises `DrawingError` for another suffix, and where nothing on this machine can make the picture.
    """
    cell = request.cell
    genotype = read(cell)
    named = _name(cell) if not isinstance(cell, Genotype) else None
    picture = picture_of(genotype, named, request)
    if request.output is not None:
        _write(Path(request.output), picture.render(request.chosen))
    return picture


def caption(genotype: Genotype, name: str | None, title: str | None) -> str | None:
    """Return the title of a picture: the name of the file where the cell has none of its own."""
    return name if title is None and genotype.about is None else title


def picture_of(genotype: Genotype, name: str | None, request: DrawRequest | DrawCommandRequest) -> Picture:
    """Return the picture of a genotype in the file called `name`."""
    return Picture(drawing.dot(genotype, title=caption(genotype, name, request.title), pruned=request.pruned))


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A cell that is drawn, and its file; None where it is drawn in the terminal only."""

    cell: str
    name: str
    genotype: Genotype
    file: Path | None


def draw_files(request: DrawCommandRequest) -> list[Drawn]:
    """Draw several cells, each into a file of its own unless they are for the terminal only."""
    names, folder = _names(request.cells), None if request.out_dir is None else Path(request.out_dir)
    _make(folder)
    drawn = []
    for cell, name in zip(request.cells, names, strict=True):
        genotype = read(cell)
        file = None
        if not request.terminal:
            picture = picture_of(genotype, name, request).render(request.chosen)
            if request.output is None:
                file = (folder or Path()) / f"{name}.{request.chosen}"
                write_inside(file, picture)
            else:
                file = Path(request.output)
                _write(file, picture)
        drawn.append(Drawn(cell=reference_name(cell), name=name, genotype=genotype, file=file))
    return drawn


def _names(cells: Sequence[CellLike]) -> list[str]:
    """Return a file name for each cell; where two would be the same, with the name of their folder before it."""
    names = [_name(cell) for cell in cells]
    unique = [
        f"{Path(reference_name(cell)).resolve().parent.name}-{name}" if names.count(name) > 1 else name
        for cell, name in zip(cells, names, strict=True)
    ]
    for cell, name in zip(cells, unique, strict=True):
        if unique.count(name) > 1:
            raise SettingsError(
                f"{reference_name(cell)}: another cell would be drawn as {name} too; draw them one by one with -o FILE"
            )
    return unique


def _name(cell: CellLike) -> str:
    return "cell" if reference_name(cell) == "-" else Path(reference_name(cell)).name.removesuffix(".json")


def _make(folder: Path | None) -> None:
    """Make the folder for many pictures where it is missing."""
    try:
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"{folder}: can't be made a folder ({error.strerror or error})") from None


def _write(target: Path, picture: bytes) -> None:
    if str(target) == "-":
        sys.stdout.buffer.write(picture)
    else:
        write_atomic(target, picture)


def picture_svg(genotype: Genotype) -> str | None:
    """Return the picture of a genotype as svg; None where nothing on this machine can make it."""
    try:
        return Picture(drawing.dot(genotype))._repr_svg_()
    except DrawingError:
        return None
