"""`ftso draw`: genotypes as pictures and in the terminal."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from ftso_cli.api.pictures import SUFFIXES, format_of
from ftso_cli.cli import common
from ftso_cli.cli.console import next_step, print_json, say, show
from ftso_cli.errors import DrawingError, FileError, SettingsError, unknown
from ftso_cli.files import write_atomic, write_inside
from ftso_cli.genotype import Genotype, library
from ftso_cli.spaces import SPACES

FORMATS = tuple(dict.fromkeys(SUFFIXES.values()))


def draw(
    cells: Annotated[
        list[str],
        typer.Argument(
            metavar="CELL",
            help="Genotype files, - for standard input, or names of published cells.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Write this .svg, .png, .pdf or .dot file; - is stdout."),
    ] = None,
    out_dir: Annotated[
        Path | None, typer.Option("--out-dir", metavar="DIR", help="Write DIR/CELL.svg for each cell.")
    ] = None,
    format: Annotated[
        str | None,
        typer.Option("--format", "-f", metavar="FORMAT", help=f"{', '.join(FORMATS)}; svg unless FILE says."),
    ] = None,
    terminal: Annotated[bool, typer.Option("--terminal", help="Draw in the terminal only, write no file.")] = False,
    pruned: Annotated[bool, typer.Option("--pruned", help="Show what pruning took out, dotted.")] = False,
    title: Annotated[
        str | None,
        typer.Option("--title", metavar="TEXT", help="Another title than the cell's own; an empty one leaves it out."),
    ] = None,
    as_json: common.JsonOption = False,
) -> None:
    """Draw cells: in the terminal, and as CELL.svg in the current folder; with -o or --out-dir as files only.

    Line width shows how strong a searched edge is. pdf needs Graphviz on this machine, the others need nothing.

    Examples: `ftso draw cell.json` · `ftso draw cell.json -o cell.pdf` · `ftso draw pc_darts_cifar darts_v2
    --out-dir figures --format png`
    """
    # Imported here so that the other commands start without it.
    from ftso_cli import drawing

    _check(cells, output, out_dir, terminal, as_json)
    chosen = _format(output, format)
    _make(out_dir)
    written: list[dict[str, str]] = []
    for reference, name in zip(cells, _names(cells), strict=True):
        genotype = library.load(reference)
        caption = name if title is None and genotype.about is None else title
        if not (output or out_dir or as_json):
            show(drawing.text(genotype, title=caption, pruned=pruned))
        if not terminal:
            target = output or (out_dir or Path()) / f"{name}.{chosen}"
            picture = drawing.render(drawing.dot(genotype, title=caption, pruned=pruned), chosen)
            if output is None:
                write_inside(target, picture)
            else:
                _write(output, picture)
            written.append({"cell": reference, "file": str(target), "format": chosen})
    if as_json:
        print_json({"files": written})
    elif str(output) != "-":
        for entry in written:
            say(f"wrote {entry['file']}")
        _suggest(cells[-1], genotype)


def _check(cells: Sequence[str], output: Path | None, out_dir: Path | None, terminal: bool, as_json: bool) -> None:
    """Refuses options that contradict each other."""
    if output is not None and out_dir is not None:
        raise SettingsError("-o names one file and --out-dir a folder for many; give one of them")
    if output is not None and len(cells) > 1:
        raise SettingsError(f"-o names one file, and there are {len(cells)} cells; use --out-dir DIR")
    if terminal and (output is not None or out_dir is not None or as_json):
        raise SettingsError("--terminal writes no file; leave out -o, --out-dir and --json, or --terminal")
    if as_json and str(output) == "-":
        raise SettingsError("-o - and --json both print on stdout; give one of them")
    if list(cells).count("-") > 1:
        raise SettingsError("- is standard input, which can be read only once")


def _format(output: Path | None, wanted: str | None) -> str:
    """The format that was asked for, by name or by the file's suffix; svg where neither says."""
    if wanted is not None and wanted not in FORMATS:
        raise DrawingError(unknown("picture format", wanted, FORMATS))
    if output is None:
        return wanted or "svg"
    if str(output) == "-":
        return wanted or "dot"
    if wanted is None:
        return format_of(output)
    suffix = output.suffix.lower()
    if SUFFIXES.get(suffix, wanted) != wanted:
        raise SettingsError(f"{output} says {SUFFIXES[suffix]} and --format says {wanted}; change one of them")
    return wanted


def _names(cells: Sequence[str]) -> list[str]:
    """A file name for each cell; where two would be the same, with the name of the folder they are in before it."""
    names = [_name(cell) for cell in cells]
    unique = [
        f"{Path(cell).resolve().parent.name}-{name}" if names.count(name) > 1 else name
        for cell, name in zip(cells, names, strict=True)
    ]
    for cell, name in zip(cells, unique, strict=True):
        if unique.count(name) > 1:
            raise SettingsError(f"{cell}: another cell would be drawn as {name} too; draw them one by one with -o FILE")
    return unique


def _name(cell: str) -> str:
    return "cell" if cell == "-" else Path(cell).name.removesuffix(".json")


def _make(folder: Path | None) -> None:
    """Makes the folder for many pictures where it is missing."""
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


def _suggest(cell: str, genotype: Genotype) -> None:
    """The command that a cell at this stage is ready for."""
    if cell == "-":
        return
    if genotype.stage == "pruned":
        next_step("assign-ops", cell, op=SPACES[genotype.space].usual)
    else:
        next_step("prune" if genotype.stage == "searched" else "cost", cell)
