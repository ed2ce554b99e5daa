"""The requests of the commands that convert: import, export. No torch."""

from collections.abc import Mapping
from dataclasses import KW_ONLY
from typing import Annotated

from pydantic import PlainValidator

from ftso_cli.errors import SettingsError, unknown
from ftso_cli.genotype import formats
from ftso_cli.settings.options import Option, OptionError, Settings, settings
from ftso_cli.settings.shared import CellLike, File

DOT = "dot"
"""The one format that is written only: a picture."""

EXPORTS = (*formats.FORMATS, DOT)

NETWORK_FORMATS: Mapping[str, str] = {
    "onnx": "network.onnx",
    "torch-export": "network.pt2",
    "safetensors": "network.safetensors",
    "tflite": "network.tflite",
}
"""The formats of a trained network, and the file in the run folder that each is written to."""


@settings
class ImportRequest(Settings):
    """The reading of a genotype in the format of another tool."""

    source: Annotated[
        File,
        Option(
            help="A file in another tool's format, - for standard input, or the text itself in quotes.",
            metavar="FILE",
            argument=True,
        ),
    ]
    output: Annotated[
        File | None, Option(help="Write the genotype here; - is stdout.", short="-o", metavar="FILE", shown="-")
    ] = None
    _: KW_ONLY
    format: Annotated[
        str | None,
        Option(
            help=f"The format of FILE: {', '.join(formats.FORMATS)}.",
            short="-f",
            metavar="FORMAT",
            shown="as its content says",
        ),
    ] = None
    dialect: Annotated[
        str,
        Option(
            help="Meaning of a DARTS entry of three: darts (op, node, weight), fairdarts (op, to, from).",
            metavar="DIALECT",
        ),
    ] = "darts"
    pick: Annotated[
        str | None,
        Option(
            help="The Genotype(...) to take of several in FILE: its name, or its number from 1; -1 is the last.",
            metavar="NAME",
        ),
    ] = None


@settings
class ExportRequest(Settings):
    """The writing of a genotype or a trained network in the format of another tool."""

    cell: Annotated[
        Annotated[CellLike, PlainValidator(lambda value: value)],
        Option(
            help="A genotype file, - for standard input, the name of a published cell, or the run folder of a "
            "training.",
            metavar="CELL|RUN",
            argument=True,
        ),
    ]
    output: Annotated[
        File | None,
        Option(
            help="Write here; - is stdout.", short="-o", metavar="FILE", shown="stdout; of a run, a file in its folder"
        ),
    ] = None
    _: KW_ONLY
    format: Annotated[
        str | None,
        Option(
            help=f"The format to write. Of a cell: {', '.join(EXPORTS)}. Of a run: {', '.join(NETWORK_FORMATS)}.",
            short="-f",
            metavar="FORMAT",
            shown="that of the cell's space, darts or nats; of a run, onnx",
        ),
    ] = None

    preprocess: Annotated[
        bool,
        Option(help="Put resizing and cropping into the file: the network takes pictures of any size."),
    ] = False
    int8: Annotated[
        bool, Option(help="Write the network of a run in 8-bit integers, and report the loss of accuracy.")
    ] = False

    def check(self) -> None:
        """Raise `SettingsError` for a format that is not known, `OptionError` for options that it can't have."""
        if self.format is not None and self.format not in (*EXPORTS, *NETWORK_FORMATS):
            raise SettingsError(unknown("format", self.format, (*EXPORTS, *NETWORK_FORMATS)))
        if self.int8 and self.format not in (None, "onnx"):
            raise OptionError("int8", f"needs {{format=onnx}}, not {self.format}")
        if self.preprocess and self.format in ("safetensors", "tflite"):
            raise OptionError("preprocess", f"needs {{format=onnx}} or {{format=torch-export}}, not {self.format}")
