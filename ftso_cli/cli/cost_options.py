"""The options of `ftso cost`, and how counts, sizes and ranges are written."""

import re
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Annotated, Any

import typer

from ftso_cli.costs.formulas import Formulas
from ftso_cli.spaces import DARTS, SPACES

PAPER = Formulas()
"""The worked example of the paper, which the options default to."""

MOST = 100_000
"""Channels, pixels and classes that are taken; more is a slip of the keyboard."""

MOST_CELLS = 1000
MOST_STEPS = 64
"""Values that a sweep may take."""

FORMULAS = "The paper's formulas"
NETWORKS = "Networks"


class Setting(StrEnum):
    """The evaluation networks of the paper, by data set; not every space has every one."""

    cifar = "cifar"
    cifar100 = "cifar100"
    imagenet = "imagenet"
    imagenet16_120 = "imagenet16-120"


class Convention(StrEnum):
    """The conventions of `ftso_cli.costs.conventions`, and all of them side by side."""

    conv_linear = "conv-linear"
    bn_relu = "bn-relu"
    bias = "bias"
    all = "all"


@dataclass(frozen=True, kw_only=True)
class ImageSize:
    """Pixels of an image."""

    height: int
    width: int


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """`n` or `p`, and the values it takes."""

    name: str
    values: range


def parse_count(text: str) -> int:
    """600M, 0.6G, 600e6 or 600000000 as a number; raises `typer.BadParameter` for anything else."""
    found = re.fullmatch(r"([\d_,]{1,20}(?:\.\d{1,20})?(?:[eE]\+?\d\d?)?)([kKmMgGbBtT]?)", text.strip())
    scale = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "b": 10**9, "t": 10**12}
    try:
        number = int(Fraction(re.sub("[_,]", "", found[1])) * scale[found[2].lower()]) if found else 0
    except ValueError:
        number = 0
    if not 1 <= number <= 10**15:
        raise typer.BadParameter(f"{text!r} is no number from 1 to 1e15; write it as 600M, 0.6G, 600e6 or 600000000")
    return number


def parse_image_size(text: str) -> ImageSize:
    """224 or 160x128 (height x width); raises `typer.BadParameter` for anything else."""
    found = re.fullmatch(r"(\d{1,6})(?:[x×](\d{1,6}))?", text.strip())
    height, width = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
    if not 1 <= min(height, width) <= max(height, width) <= MOST:
        raise typer.BadParameter(f"{text!r} is no size in pixels from 1 to {MOST}; write it as 224 or 160x128")
    return ImageSize(height=height, width=width)


def parse_sweep(text: str) -> Sweep:
    """n=4..12 or p=2..16; raises `typer.BadParameter` for anything else."""
    found = re.fullmatch(r"([np])=(\d{1,4})\.\.(\d{1,4})", text.replace(" ", ""))
    if not found:
        raise typer.BadParameter(f"{text!r} is no sweep; write it as n=4..12 or p=2..16")
    low, high, least = int(found[2]), int(found[3]), 4 if found[1] == "n" else 1
    if not least <= low <= high < low + MOST_STEPS:
        raise typer.BadParameter(f"{text!r}: {found[1]} runs upwards from {least}, over at most {MOST_STEPS} values")
    return Sweep(name=found[1], values=range(low, high + 1))


def _formula(name: str, least: int, most: int, text: str) -> Any:
    """An option of the formulas; its default is the paper's worked example."""
    default = str(getattr(PAPER, name))
    return typer.Option(
        f"--{name.replace('_', '-')}", min=least, max=most, help=text, show_default=default, rich_help_panel=FORMULAS
    )


def _network(name: str, least: int, most: int, text: str) -> Any:
    """An option of the network; its default is that of the setting."""
    default = _shown(name, DARTS.name)
    others = {space: _shown(name, space) for space in SPACES}
    default = "; ".join([default, *(f"{space}: {text}" for space, text in others.items() if text != default)])
    return typer.Option(
        f"--{name.replace('_', '-')}", min=least, max=most, help=text, show_default=default, rich_help_panel=NETWORKS
    )


def _shown(name: str, space: str) -> str:
    """The value of a setting that applies where none is named, and those that differ from it."""
    values = {setting: getattr(shape, name) for setting, (shape, _) in SPACES[space].evaluations.items()}
    usual = values[Setting.cifar.value]
    others = (f"{value} for {setting}" for setting, value in values.items() if value != usual)
    return ", ".join([str(usual), *others])


CellsArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="CELL",
        help="Genotype files, - for standard input, or names of published cells.",
        show_default=False,
    ),
]
NOption = Annotated[int | None, _formula("n", 4, 10_000, "Nodes of a cell: two inputs, n - 3 between, the output.")]
POption = Annotated[int | None, _formula("p", 1, 10_000, "Candidate operators.")]
KOption = Annotated[int | None, _formula("k", 1, 1000, "Kernel size of the candidates.")]
CInOption = Annotated[int | None, _formula("c_in", 1, MOST, "Channels that an operator reads.")]
COutOption = Annotated[int | None, _formula("c_out", 1, MOST, "Channels that it gives.")]
HeightOption = Annotated[int | None, _formula("height", 1, MOST, "Height of its output; no ratio depends on it.")]
WidthOption = Annotated[int | None, _formula("width", 1, MOST, "Width of its output; no ratio depends on it.")]
SweepOption = Annotated[
    Sweep | None,
    typer.Option(
        parser=parse_sweep, metavar="N=A..B", help="Growth over n=4..12 or p=2..16.", rich_help_panel=FORMULAS
    ),
]
SettingOption = Annotated[
    Setting | None,
    typer.Option(help="The network that the other options start from.", show_default="cifar", rich_help_panel=NETWORKS),
]
ChannelsOption = Annotated[int | None, _network("channels", 1, MOST, "Channels of the first cell's nodes.")]
CellCountOption = Annotated[int | None, _network("cells", 1, MOST_CELLS, "Cells in a row.")]
ClassesOption = Annotated[int | None, _network("classes", 1, MOST, "Classes to tell apart.")]
ImageChannelsOption = Annotated[int | None, _network("image_channels", 1, MOST, "Channels of an image.")]
ImageSizeOption = Annotated[
    ImageSize | None,
    typer.Option(
        parser=parse_image_size,
        metavar="SIZE",
        help="Pixels: 64 or, height by width, 64x48.",
        show_default="32, 224 for imagenet, 16 for imagenet16-120",
        rich_help_panel=NETWORKS,
    ),
]
ByStageOption = Annotated[bool, typer.Option("--by-stage", help="A row for every cell.", rich_help_panel=NETWORKS)]
ConventionOption = Annotated[
    Convention | None,
    typer.Option(
        help="What counts as a MAC: those of convolutions and linear layers; with bn-relu also 2 for a batch-norm "
        "output and 1 for a ReLU output, as P-DARTS and PC-DARTS publish; with bias 1 for an output of a layer with "
        "bias, as NATS-Bench publishes; all shows each.",
        show_default="conv-linear; nats: bias",
        rich_help_panel=NETWORKS,
    ),
]
FitMacsOption = Annotated[
    int | None,
    typer.Option(
        parser=parse_count,
        metavar="COUNT",
        help="The most channels within so many MACs: 600M.",
        rich_help_panel=NETWORKS,
    ),
]
FitParamsOption = Annotated[
    int | None,
    typer.Option(
        parser=parse_count,
        metavar="COUNT",
        help="The most channels within so many parameters, the auxiliary head left out: 4M.",
        rich_help_panel=NETWORKS,
    ),
]
