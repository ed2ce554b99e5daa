"""The requests that count: networks, and the formulas of the paper. No torch."""

import re
from dataclasses import KW_ONLY, asdict, fields, replace
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

from ftso_cli.costs.formulas import Formulas
from ftso_cli.settings.limits import FittedNetwork
from ftso_cli.settings.options import Option, OptionError, Settings, settings
from ftso_cli.settings.requests.looks import Cells
from ftso_cli.settings.shared import OnCell
from ftso_cli.settings.values import as_option, parse_size
from ftso_cli.spaces import DARTS, SPACES

PAPER = Formulas()
"""The worked example of the paper, which the options default to."""

MOST = 100_000
"""Channels, pixels and classes that are taken; more is a slip of the keyboard."""

MOST_STEPS = 64
"""Values that a sweep may take."""

FORMULAS = "The paper's formulas"
NETWORKS = "Networks"
"""Panels of help."""

Convention = Literal["conv-linear", "bn-relu", "bias", "all"]
"""The conventions of `ftso_cli.costs.conventions`, and all of them side by side."""


def _by_setting(name: str) -> str:
    """Return the value that a network has in each setting and space, for help."""
    usual = _values(name, DARTS.name)
    others = {space: _values(name, space) for space in SPACES}
    return "; ".join([usual, *(f"{space}: {text}" for space, text in others.items() if text != usual)])


def _values(name: str, space: str) -> str:
    """Return the value of a setting that applies where none is named, and those that differ from it."""
    values = {setting: getattr(shape, name) for setting, (shape, _) in SPACES[space].evaluations.items()}
    usual = values["cifar"]
    return ", ".join([str(usual), *(f"{value} for {setting}" for setting, value in values.items() if value != usual)])


def _part(text: str, name: str, most: int = MOST) -> Option:
    """Return an option of the network, whose default is that of the setting."""
    return Option(help=text, least=1, most=most, shown=_by_setting(name), panel=NETWORKS)


def _size_of(text: str, least: int, most: int) -> Option:
    """Return an option of the formulas."""
    return Option(help=text, least=least, most=most, panel=FORMULAS)


@settings
class NetworkOfCell(Settings):
    """The network of a cell: a setting, and overrides."""

    _: KW_ONLY
    setting: Annotated[
        str | None,
        Option(
            help="The network that the other options start from.",
            shown="cifar",
            choices=lambda: dict.fromkeys(name for space in SPACES.values() for name in space.evaluations),
            panel=NETWORKS,
        ),
    ] = None
    channels: Annotated[int | None, _part("Channels of the first cell's nodes.", "channels")] = None
    cells: Annotated[int | None, _part("Cells in a row.", "cells", 1000)] = None
    image_size: Annotated[
        Annotated[tuple[int, int] | int | None, BeforeValidator(as_option(partial(parse_size, least=1, most=MOST)))],
        Option(
            help="Pixels: 64 or, height by width, 64x48.",
            metavar="SIZE",
            shown="32, 224 for imagenet, 16 for imagenet16-120",
            panel=NETWORKS,
        ),
    ] = None
    classes: Annotated[int | None, _part("Classes to tell apart.", "classes")] = None
    image_channels: Annotated[int | None, _part("Channels of an image.", "image_channels")] = None

    @property
    def changes(self) -> dict[str, Any]:
        """The parts of the network that are given."""
        return {name: getattr(self, name) for name in self.asked("channels", "cells", "classes", "image_channels")}


@settings
class NetworkChoice(FittedNetwork, NetworkOfCell):
    """The network of a cell that is counted: a setting, overrides, and a budget for its width."""

    _: KW_ONLY
    convention: Annotated[
        Convention | None,
        Option(
            help="The MACs counted: those of convolutions and linear layers; with bn-relu also 2 for a batch-norm "
            "output and 1 for a ReLU output, as P-DARTS and PC-DARTS publish; with bias 1 for an output of a layer "
            "with bias, as NATS-Bench publishes; all shows each.",
            shown="conv-linear; nats: bias",
            panel=NETWORKS,
        ),
    ] = None

    def check(self) -> None:
        """Raise `OptionError` for channels that a budget chooses."""
        budget = self.asked("fit_macs", "fit_params")
        if budget and self.channels is not None:
            raise OptionError(budget[0], f"{{{budget[0]}}} chooses the channels: leave {{channels}} out")

    @property
    def counted_by(self) -> str:
        """The convention of a budget: where all are shown, or none is named, plain MACs."""
        return "conv-linear" if self.convention in (None, "all") else self.convention


@settings
class CostRequest(NetworkChoice, OnCell):
    """A count of the network of one cell."""


@settings
class FormulaSizes(Settings):
    """The sizes that the paper's formulas are computed at."""

    _: KW_ONLY
    n: Annotated[int, _size_of("Nodes of a cell: two inputs, n - 3 between, the output.", 4, 10_000)] = PAPER.n
    p: Annotated[int, _size_of("Candidate operators.", 1, 10_000)] = PAPER.p
    k: Annotated[int, _size_of("Kernel size of the candidates.", 1, 1000)] = PAPER.k
    c_in: Annotated[int, _size_of("Channels that an operator reads.", 1, MOST)] = PAPER.c_in
    c_out: Annotated[int, _size_of("Channels of its output.", 1, MOST)] = PAPER.c_out
    height: Annotated[int, _size_of("Height of its output; no ratio depends on it.", 1, MOST)] = PAPER.height
    width: Annotated[int, _size_of("Width of its output; no ratio depends on it.", 1, MOST)] = PAPER.width

    @property
    def formulas(self) -> Formulas:
        """The formulas at these sizes."""
        return Formulas(**{field.name: getattr(self, field.name) for field in fields(Formulas)})


@settings
class Growth(FormulaSizes):
    """The sizes of the formulas, and one that takes several values."""

    _: KW_ONLY
    sweep: Annotated[str | None, Option(help="Growth over n=4..12 or p=2..16.", metavar="N=A..B", panel=FORMULAS)] = (
        None
    )

    def check(self) -> None:
        """Raise `OptionError` for a sweep that is none."""
        self.over  # noqa: B018 - raises

    @property
    def over(self) -> tuple[str, range] | None:
        """The size that takes several values, `n` or `p`, and these."""
        if self.sweep is None:
            return None
        found = re.fullmatch(r"([np])=(\d{1,4})\.\.(\d{1,4})", self.sweep.replace(" ", ""))
        if not found:
            raise OptionError("sweep", f"{self.sweep!r} is no sweep; write it as n=4..12 or p=2..16")
        name, low, high, least = found[1], int(found[2]), int(found[3]), 4 if found[1] == "n" else 1
        if not least <= low <= high < low + MOST_STEPS:
            text = f"{self.sweep!r}: {name} runs upwards from {least}, over at most {MOST_STEPS} values"
            raise OptionError("sweep", text)
        if name in self.given:
            raise OptionError("sweep", f"{{sweep}} {name} runs over the values of {{{name}}}: leave one out")
        return name, range(low, high + 1)

    @property
    def rows(self) -> tuple[Formulas, ...]:
        """The formulas at every value of the sweep, or at the sizes alone."""
        name, values = self.over or ("n", range(self.n, self.n + 1))
        return tuple(replace(self.formulas, **{name: value}) for value in values)


@settings
class NetworksInFull(NetworkChoice):
    """The networks that are counted, and how they are shown."""

    _: KW_ONLY
    by_stage: Annotated[bool, Option(help="A row for every cell.", panel=NETWORKS)] = False
    latency: Annotated[
        bool, Option(help="Build the networks, too, and measure how long an image takes here.", panel=NETWORKS)
    ] = False


@settings
class CostCommandRequest(Growth, NetworksInFull):
    """The subject of `ftso cost`: the networks of cells, or the formulas."""

    cell: Annotated[
        Cells,
        Option(
            help="Genotype files, - for standard input, or names of published cells.", metavar="CELL", argument=True
        ),
    ] = ()

    def check(self) -> None:
        """Raise `OptionError` where it is not clear which question is asked: a network's or the formulas'."""
        formulas = [name for name in (*asdict(PAPER), "sweep") if name in self.given]
        choice = (field.name for field in fields(NetworksInFull))
        networks = [name for name in choice if name in self.given]
        if self.cell and formulas:
            text = f"is for the paper's formulas, which count no network: leave out {{{formulas[0]}}} or {self.cell[0]}"
            raise OptionError(formulas[0], text)
        if not self.cell and networks:
            raise OptionError(networks[0], "is for a network: name its CELL (ftso genotypes lists some)")
        if not self.cell and not formulas:
            raise OptionError(
                "cell",
                "nothing to count: give a CELL (a genotype file or a name from ftso genotypes) for its network, "
                "{n} and {p} for the paper's formulas, or {sweep=n=4..12} for their growth",
            )
        Growth.check(self)
        NetworkChoice.check(self)

    @property
    def networks(self) -> tuple[CostRequest, ...]:
        """The count of each cell's network."""
        own = {field.name: getattr(self, field.name) for field in fields(NetworkChoice) if field.name in self.given}
        return tuple(CostRequest(cell, **own) for cell in self.cell)
