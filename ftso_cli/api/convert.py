"""The verbs that convert: import_genotype, export."""

import os
import sys
from pathlib import Path

from ftso_cli.api.cells import error_context, locked_output, read, reference_name
from ftso_cli.api.record import Stopwatch, edited
from ftso_cli.api.training.exports import Exported, export_run
from ftso_cli.api.verbs import verb
from ftso_cli.errors import FileError, GenotypeError, SettingsError
from ftso_cli.files import RUN_CONFIG, RUN_GENOTYPE, read_bytes, write_atomic
from ftso_cli.genotype import Genotype, formats, storage
from ftso_cli.genotype.formats import Imported
from ftso_cli.settings.options import OptionError
from ftso_cli.settings.requests.convert import DOT, NETWORK_FORMATS, ExportRequest, ImportRequest


@verb(ImportRequest)
def import_genotype(request: ImportRequest) -> Imported:
    """Read a genotype in the format of another tool: DARTS text, a NATS-Bench string, an edge list, NNI, NASLib, ...

    `source` is a file, or the text itself. DARTS text may be a whole genotypes.py or the log of a search, from which
    `pick` chooses; it is parsed, never run. With an `output` the genotype is written there. The result has the
    `genotype`, the `format` that was read, and what a genotype can't hold in `lost`.
    Raises `GenotypeError` with the reason why a text can't be read.
    """
    return import_text(request, Stopwatch())


def import_text(request: ImportRequest, watch: Stopwatch) -> Imported:
    """Read the genotype of a request, written where a file is asked for."""
    source, text = os.fspath(request.source), _text(request)
    try:
        found = formats.import_genotype_text(text, request.format, dialect=request.dialect, pick=request.pick)
    except GenotypeError as error:
        raise GenotypeError(f"{source_name(source)}: {error}") from None
    told = None if request.dialect == "darts" else request.dialect
    genotype = edited(found.genotype, "import", watch, format=found.format, dialect=told, pick=request.pick)
    if request.output is not None:
        with locked_output(request.output):
            storage.write_genotype(genotype, Path(request.output))
    return Imported(genotype=genotype, format=found.format, lost=found.lost)


def source_name(source: str) -> str:
    """Return what to call the source of a text in messages."""
    if source == "-":
        return "standard input"
    return "the text" if not os.path.exists(source) and any(sign in source for sign in "([{|") else source


def _text(request: ImportRequest) -> str:
    source = os.fspath(request.source)
    match where := source_name(source):
        case "standard input":
            content = sys.stdin.buffer.read(formats.SIZE_LIMIT + 1)
        case "the text":
            content = source.encode(errors="replace")
        case _:
            content = read_bytes(Path(source), limit=formats.SIZE_LIMIT)
    if len(content) > formats.SIZE_LIMIT:
        raise FileError(f"{where}: larger than {formats.SIZE_LIMIT // 1_000_000} MB, which no genotype is")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise FileError(f"{where}: is no text (UTF-8)") from None


@verb(ExportRequest)
def export(request: ExportRequest) -> Exported:
    """Write a genotype in the format of another tool (DARTS text, an edge list, NNI, ...), or a trained network.

    `cell` may be the run folder of a training, whose network is written as `onnx`, `torch-export`, `safetensors` or
    `tflite`, into that folder unless `output` says otherwise. With `preprocess` it takes pictures of any size, with
    `int8` it is an ONNX file in 8-bit integers. It answers as `predict` does, which is checked on test images of the
    training, where they are there: `check`. The text of a genotype is in the result, and in `output`.
    Raises `GenotypeError` where the format can't hold the cell, `SettingsError` where a package is missing.
    """
    cell, format = request.cell, request.format
    folder = None if isinstance(cell, Genotype) else Path(cell)
    is_run = folder is not None and os.path.isfile(folder / RUN_CONFIG)
    if format in NETWORK_FORMATS or (is_run and format is None):
        if folder is None or not folder.is_dir():
            raise SettingsError(
                f"{reference_name(cell)}: {format} holds a trained network; give the run folder of ftso train"
            )
        return export_run(folder, request)
    if request.preprocess or request.int8:
        option = "preprocess" if request.preprocess else "int8"
        raise OptionError(option, "is for a trained network; give the run folder of ftso train")
    if is_run and folder is not None:
        cell = str(folder / RUN_GENOTYPE)
    output = None if request.output is None or str(request.output) == "-" else Path(request.output)
    genotype = read(cell)
    format = format or genotype.space
    with error_context(reference_name(cell)):
        text, lost = _written(genotype, format)
    if output is not None:
        write_atomic(output, text.encode())
    return Exported(format=format, file=output, text=text, lost=lost)


def _written(genotype: Genotype, format: str) -> tuple[str, tuple[str, ...]]:
    if format == DOT:
        from ftso_cli.drawing.diagram import dot

        return dot(genotype), ()
    return formats.export_genotype_text(genotype, format)
