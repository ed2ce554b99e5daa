"""`ftso import` and `ftso export`: genotypes from and to the formats of other tools, and trained networks to them."""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from ftso_cli.api.cells import about_file
from ftso_cli.api.record import edited
from ftso_cli.cli import common
from ftso_cli.cli.console import next_step, note, print_json, say, warn
from ftso_cli.cli.export_run import NETWORK_FORMATS, export_run
from ftso_cli.errors import FileError, GenotypeError, SettingsError, unknown
from ftso_cli.files import read_bytes, write_atomic
from ftso_cli.genotype import formats, library, storage
from ftso_cli.genotype.formats.plain import NOTES

DOT = "dot"
"""The one format that is written only: a picture."""

EXPORTS = (*formats.FORMATS, DOT)

SHOWN = 10
"""How many of the things that got lost are named."""

SourceArgument = Annotated[
    str,
    typer.Argument(
        metavar="FILE",
        help="A file in another tool's format, - for standard input, or the text itself in quotes.",
        show_default=False,
    ),
]
FromOption = Annotated[
    str | None,
    typer.Option(
        "--format",
        "-f",
        metavar="FORMAT",
        help=f"The format of FILE: {', '.join(formats.FORMATS)}.",
        show_default="as its content says",
    ),
]
DialectOption = Annotated[
    str,
    typer.Option(
        metavar="DIALECT",
        help="What DARTS text means by an entry of three: darts (op, node, weight), fairdarts (op, to, from).",
    ),
]
PickOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Which Genotype(...) of several in FILE: its name, or its number from 1; -1 is the last.",
    ),
]
ImportedOption = Annotated[
    Path, typer.Option("--output", "-o", metavar="FILE", help="Write the genotype here; - is stdout.")
]
ToOption = Annotated[
    str | None,
    typer.Option(
        "--format",
        "-f",
        metavar="FORMAT",
        help=f"The format to write. Of a cell: {', '.join(EXPORTS)}. Of a run: {', '.join(NETWORK_FORMATS)}.",
        show_default="that of the cell's space, darts or nats; of a run, onnx",
    ),
]
ExportedOption = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="Write here; - is stdout.",
        show_default="stdout; of a run, a file in its folder",
    ),
]
ExportArgument = Annotated[
    str,
    typer.Argument(
        metavar="CELL|RUN",
        help="A genotype file, - for standard input, the name of a published cell, or the run folder of a training.",
        show_default=False,
    ),
]

STDOUT = Path("-")


def import_(
    context: typer.Context,
    file: SourceArgument,
    output: ImportedOption = STDOUT,
    format: FromOption = None,
    dialect: DialectOption = "darts",
    pick: PickOption = None,
    as_json: common.JsonOption = False,
) -> None:
    """Read a genotype in the format of another tool: DARTS text, a NATS-Bench string, an edge list, NNI, NASLib, ...

    DARTS text may be a whole genotypes.py or the log of a search; it is parsed, never run. What a genotype file can't
    hold is named in a warning.

    Examples: `ftso import found.txt -o cell.json` · `ftso import genotypes.py --pick PDARTS -o cell.json` ·
    `ftso import "Genotype(normal=[...], ...)" -o cell.json` · `ftso import search.log --pick -1 -o cell.json` ·
    `ftso import "|nor_conv_3x3~0|+|...|" -o cell.json`
    """
    watch = common.Stopwatch()
    where, text = _read(file)
    try:
        imported = formats.loads(text, format, dialect=dialect, pick=pick)
    except GenotypeError as error:
        raise GenotypeError(f"{where}: {error}") from None
    told = None if dialect == "darts" else dialect
    genotype = edited(imported.genotype, "import", watch, format=imported.format, dialect=told, pick=pick)
    if not (as_json and output == STDOUT):
        storage.write(genotype, common.hold(output, context))
    title = formats.FORMATS[imported.format].title
    _tell_lost(f"{where}: left out or changed:", imported.lost)
    if as_json:
        placed = {"genotype": json.loads(storage.dumps(genotype))} if output == STDOUT else {"file": str(output)}
        print_json({**placed, "format": imported.format, "lost": list(imported.lost)})
    elif output != STDOUT:
        say(f"wrote {output}, from {title}")
        next_step("draw", output)


def _read(file: str) -> tuple[str, str]:
    """What to call the source of a text in messages, and the text."""
    if file == "-":
        where, content = "standard input", sys.stdin.buffer.read(formats.SIZE_LIMIT + 1)
    elif not os.path.exists(file) and any(sign in file for sign in "([{|"):
        where, content = "the text", file.encode(errors="replace")
    else:
        where, content = file, read_bytes(Path(file), limit=formats.SIZE_LIMIT)
    if len(content) > formats.SIZE_LIMIT:
        raise FileError(f"{where}: larger than {formats.SIZE_LIMIT // 1_000_000} MB, which no genotype is")
    try:
        return where, content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise FileError(f"{where}: is no text (UTF-8)") from None


def export(
    cell: ExportArgument,
    format: ToOption = None,
    output: ExportedOption = None,
    as_json: common.JsonOption = False,
) -> None:
    """Write a genotype in the format of another tool (DARTS text, an edge list, NNI, ...), or a trained network.

    What the format can't hold is named in a warning, and is an error where the network would be another one.

    Examples: `ftso export cell.json` · `ftso export pc_darts_cifar --format nni -o arch.json` ·
    `ftso export bayesnas_0.01 --format edges` · `ftso export cell.json --format dot | dot -Tsvg > cell.svg` ·
    `ftso export runs/cell-photos --format onnx`
    """
    if format is not None and format not in (*EXPORTS, *NETWORK_FORMATS):
        raise SettingsError(unknown("format", format, (*EXPORTS, *NETWORK_FORMATS)))
    is_run = os.path.isfile(os.path.join(cell, "config.json"))
    if format in NETWORK_FORMATS or (is_run and format is None):
        if not Path(cell).is_dir():
            raise SettingsError(f"{cell}: {format} holds a trained network; give the run folder of ftso train")
        export_run(Path(cell), format or "onnx", output, as_json)
        return
    cell = str(Path(cell) / "genotype.json") if is_run else cell
    output = output or STDOUT
    text, format, lost = _written(cell, format)
    if output != STDOUT:
        write_atomic(output, text.encode())
    if as_json:
        placed = {"text": text} if output == STDOUT else {"file": str(output)}
        print_json({**placed, "format": format, "lost": list(lost)})
    elif output != STDOUT:
        say(f"wrote {output}")
    else:
        sys.stdout.flush()
        sys.stdout.buffer.write(text.encode())


def _written(cell: str, wanted: str | None) -> tuple[str, str, tuple[str, ...]]:
    """The text of a genotype in a format, the format, and what is lost; errors and warnings name the file."""
    genotype = library.load(cell)
    format = wanted or genotype.space
    with about_file(cell):
        if format == DOT:
            from ftso_cli.drawing.diagram import dot

            return dot(genotype), format, ()
        text, lost = formats.dumps(genotype, format)
    _tell_lost(f"{cell}: {formats.FORMATS[format].title} can't hold", lost)
    return text, format, lost


def _tell_lost(what: str, lost: Sequence[str]) -> None:
    """Names what is lost. That a cell's notes stay behind is what everybody expects, and no warning."""
    if lost:
        more = f" and {len(lost) - SHOWN} more" if len(lost) > SHOWN else ""
        tell = note if list(lost) == [NOTES] else warn
        tell(f"{what} {', '.join(lost[:SHOWN])}{more}")
