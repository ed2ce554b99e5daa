"""`ftso import` and `ftso export`: genotypes from and to the formats of other tools, and trained networks to them."""

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ftso_cli.api import convert
from ftso_cli.api.cells import reference_name
from ftso_cli.api.convert import import_text, source_name
from ftso_cli.api.training.exports import Exported
from ftso_cli.cli.console import next_step, note, print_json, say, warn
from ftso_cli.cli.derive import as_command
from ftso_cli.cli.output import common
from ftso_cli.genotype import formats, storage
from ftso_cli.genotype.formats.plain import NOTES
from ftso_cli.settings.requests.convert import ExportRequest, ImportRequest

SHOWN = 10
"""The most losses that are named."""

FEW = 10
"""Classes that are named on the terminal."""


def _to_stdout(given: dict[str, Any]) -> None:
    """Leave the file away that stands for stdout, where the command itself prints."""
    if given.get("output") == "-":
        del given["output"]


@as_command(ImportRequest, fill=_to_stdout)
def import_(request: ImportRequest, as_json: bool) -> None:
    """Read a genotype in the format of another tool: DARTS text, a NATS-Bench string, an edge list, NNI, NASLib, ...

    DARTS text may be a whole genotypes.py or the log of a search; it is parsed, never run. What a genotype file can't
    hold is named in a warning.

    Examples: `ftso import found.txt -o cell.json` · `ftso import genotypes.py --pick PDARTS -o cell.json` ·
    `ftso import "Genotype(normal=[...], ...)" -o cell.json` · `ftso import search.log --pick -1 -o cell.json` ·
    `ftso import "|nor_conv_3x3~0|+|...|" -o cell.json`
    """
    found, file = import_text(request, common.stopwatch()), request.output
    if file is None and not as_json:
        storage.write_genotype(found.genotype, Path("-"))
    _tell_lost(f"{source_name(os.fspath(request.source))}: left out or changed:", found.lost)
    if as_json:
        placed = (
            {"genotype": json.loads(storage.genotype_json(found.genotype))} if file is None else {"file": str(file)}
        )
        print_json({**placed, "format": found.format, "lost": list(found.lost)})
    elif file is not None:
        say(f"wrote {file}, from {formats.FORMATS[found.format].title}")
        next_step("draw", file)


@as_command(ExportRequest)
def export(request: ExportRequest, as_json: bool) -> None:
    """Write a genotype in the format of another tool (DARTS text, an edge list, NNI, ...), or a trained network.

    What the format can't hold is named in a warning, and is an error where the network would be another one. A network
    is checked on up to 500 test images of its training: it is written only where it answers as predict does.

    Examples: `ftso export cell.json` · `ftso export pc_darts_cifar --format nni -o arch.json` ·
    `ftso export bayesnas_0.01 --format edges` · `ftso export cell.json --format dot | dot -Tsvg > cell.svg` ·
    `ftso export runs/cell-photos --format onnx` · `ftso export runs/cell-photos --preprocess -o photos.onnx` ·
    `ftso export runs/cell-photos --int8`
    """
    done = convert.export.run(request)
    if done.config is not None:
        _report_network(done, request, as_json)
        return
    if done.format in formats.FORMATS:
        _tell_lost(f"{reference_name(request.cell)}: {formats.FORMATS[done.format].title} can't hold", done.lost)
    if as_json:
        placed = {"text": done.text} if done.file is None else {"file": str(done.file)}
        print_json({**placed, "format": done.format, "lost": list(done.lost)})
    elif done.file is not None:
        say(f"wrote {done.file}")
    else:
        sys.stdout.flush()
        sys.stdout.buffer.write((done.text or "").encode())


def _report_network(done: Exported, request: ExportRequest, as_json: bool) -> None:
    """Tell where the network of a run is, what it takes and gives, and how it answers."""
    from ftso_cli.training.use.export import input_of

    config, file = done.config, done.file
    assert config is not None and file is not None
    if done.unfinished:
        warn(done.unfinished)
    if as_json:
        image = [config.image_channels, *config.image_size]
        told = {"check": done.check, "quantised": done.quantised}
        print_json(
            {"file": str(file), "format": done.format, "image": image, "classes": config.classes}
            | {name: asdict(found) for name, found in told.items() if found is not None}
            | ({"unchecked": done.unchecked} if done.unchecked else {})
        )
        return
    say(f"wrote {file}, {_size(file.stat().st_size)}")
    if done.format != "safetensors":
        number = 1 if done.format == "tflite" else "N"
        output = (
            f"probabilities ({len(config.classes)})"
            if request.preprocess
            else f"logits ({number}, {len(config.classes)})"
        )
        say(f"its input is {input_of(config, done.format, request.preprocess)}; its output {output}")
        few = len(config.classes) <= FEW
        where = f"see classes in {Path(reference_name(request.cell)) / 'config.json'}"
        say(f"classes in order: {', '.join(config.classes) if few else where}")
        _tell_answers(done)


def _tell_answers(done: Exported) -> None:
    """Tell how the answers of an exported network compare with those of `predict`, and of the network in 8 bits."""
    from ftso_cli.data.files.skipped_files import with_count

    found, made = done.check, done.quantised
    if found is None:
        warn(f"not checked: {done.unchecked}")
    else:
        which = "the float32 network " if made else ""
        same = "the same class" if found.same == found.images else f"the same class on {found.same:,} of them"
        difference = f"probabilities that differ by at most {found.difference:.1g}"
        say(f"{which}answers as predict does on {with_count(found.images, 'test image')}: {same}, {difference}")
    if made is not None:
        before, after = made.float32, made.int8
        say(
            f"int8, calibrated on {with_count(made.calibrated_on, 'training image')}: test accuracy "
            f"{after.accuracy:.2%} ({before.accuracy:.2%} in float32), {_size(after.bytes)} ({_size(before.bytes)}), "
            f"{after.milliseconds:.2f} ms an image ({before.milliseconds:.2f})"
        )


def _size(count: int) -> str:
    """Return a size as `25.5 kB` or `3.2 MB`."""
    return f"{count / 1e3:.1f} kB" if count < 1e6 else f"{count / 1e6:.1f} MB"


def _tell_lost(what: str, lost: Sequence[str]) -> None:
    """Names what is lost. That a cell's notes stay behind is what everybody expects, and no warning."""
    if lost:
        more = f" and {len(lost) - SHOWN} more" if len(lost) > SHOWN else ""
        tell = note if list(lost) == [NOTES] else warn
        tell(f"{what} {', '.join(lost[:SHOWN])}{more}")
