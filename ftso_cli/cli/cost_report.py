"""What `ftso cost` does once its question is clear: counts networks or formulas, and has them printed."""

from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import typer

from ftso_cli.api.cells import DEFAULT_DATA, about_file
from ftso_cli.cli import cost_output
from ftso_cli.cli.console import next_step, note, print_json
from ftso_cli.cli.cost_options import PAPER, Convention, ImageSize, Setting, Sweep
from ftso_cli.costs.conventions import CONVENTIONS
from ftso_cli.costs.network import MOBILE_MACS
from ftso_cli.costs.networks import Network, counted
from ftso_cli.errors import SettingsError
from ftso_cli.genotype import library
from ftso_cli.genotype.edit import require_complete
from ftso_cli.spaces import NATS


def report_formulas(sizes: dict[str, int], sweep: Sweep | None, as_json: bool) -> None:
    """The formulas at `sizes`, the rest as in the paper; with `sweep` their growth over a range of values."""
    formulas = replace(PAPER, **sizes)
    if sweep is None:
        savings = cost_output.savings(formulas)
        if as_json:
            print_json(cost_output.formulas_json(formulas, savings))
        else:
            cost_output.show_formulas(formulas, savings)
        return
    if sweep.name in sizes:
        raise typer.BadParameter(f"--sweep {sweep.name} runs over the values of --{sweep.name}: leave one out")
    rows = [replace(formulas, **{sweep.name: value}) for value in sweep.values]
    if as_json:
        print_json({"sweep": sweep.name, "rows": [cost_output.formulas_json(row) for row in rows]})
    else:
        cost_output.show_sweep(sweep.name, rows)


@dataclass(frozen=True, kw_only=True)
class Request:
    """Which network of each cell is counted: a setting, what overrides it, and a budget for its width."""

    setting: Setting
    shape: dict[str, Any]
    image_size: ImageSize | None
    convention: Convention | None
    macs: int | None
    params: int | None

    @property
    def fits(self) -> bool:
        """Whether a budget chooses the width."""
        return self.macs is not None or self.params is not None

    def counted(self, reference: str) -> Network:
        """The network of one cell; errors name the cell and, where it isn't ready, the command to run."""
        genotype = library.load(reference)
        with about_file(reference):
            require_complete(genotype, "cost")
        size = (self.image_size.height, self.image_size.width) if self.image_size else None
        try:
            return counted(
                genotype,
                reference,
                setting=self.setting.value,
                changes=self.shape,
                image_size=size,
                macs=self.macs,
                params=self.params,
                # Where all conventions are shown, or none is named, a budget is in plain MACs.
                convention="conv-linear" if self.convention in (None, Convention.all) else self.convention.value,
            )
        except SettingsError as error:
            raise SettingsError(f"{reference}: {error}") from None


def report_networks(cells: list[str], request: Request, by_stage: bool, as_json: bool) -> None:
    """The networks of `cells`, each counted as `request` asks."""
    networks = [request.counted(reference) for reference in cells]
    if as_json:
        print_json({"networks": [cost_output.network_json(network) for network in networks]})
        return
    _show(networks, request, by_stage)


def _show(networks: list[Network], request: Request, by_stage: bool) -> None:
    if len(networks) > 1:
        for space, group in groupby(networks, key=lambda network: network.space):
            cost_output.show_networks(list(group), _columns(request.convention, space))
    for network in networks if by_stage or len(networks) == 1 else []:
        cost_output.show_network(network, _columns(request.convention, network.space), by_stage)
    for network in networks:
        if network.above_mobile:
            note(
                f"{network.name}: {network.cost.macs / 1e6:.0f}M MACs, above the {MOBILE_MACS // 10**6}M of the mobile "
                f"setting; --fit-macs {MOBILE_MACS // 10**6}M finds the width that keeps to it"
            )
    if len(networks) == 1 and networks[0].name != "-":
        next_step(*_training(networks[0], request))


def _training(network: Network, request: Request) -> list[object]:
    """The words of the command that trains this network, on the images that its cell was searched on."""
    steps = [step for step in library.load(network.name).history if step.data]
    data = steps[-1].data if steps else DEFAULT_DATA
    words: list[object] = ["train", network.name, "--data", data]
    match steps[-1].settings.get("image_size") if steps else None:
        # Images of a folder may have any size; a set has its own.
        case [height, width] if height == width and Path(data or "").is_dir():
            words += ["--image-size", height]
    if request.fits or "channels" in request.shape:
        words += ["--channels", network.shape.channels]
    if "cells" in request.shape:
        words += ["--cells", network.shape.cells]
    return words


def _columns(convention: Convention | None, space: str) -> tuple[str, ...]:
    """The conventions to show: MACs first, then the one that was asked for, or that of the space's own figures."""
    if convention is Convention.all:
        return tuple(CONVENTIONS)
    usual = Convention.bias if space == NATS.name else Convention.conv_linear
    return tuple(dict.fromkeys(("conv-linear", (convention or usual).value)))
