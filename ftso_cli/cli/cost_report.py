"""What `ftso cost` does once its question is clear: counts networks or formulas, and has them printed."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import typer

from ftso_cli.api.cells import about_file
from ftso_cli.cli import cost_output
from ftso_cli.cli.console import next_step, note, print_json, say
from ftso_cli.cli.cost_options import PAPER, Convention, ImageSize, Setting, Sweep
from ftso_cli.costs.conventions import CONVENTIONS
from ftso_cli.costs.network import MOBILE_MACS, network_cost
from ftso_cli.costs.networks import Network, counted
from ftso_cli.errors import SettingsError
from ftso_cli.genotype import library
from ftso_cli.genotype.edit import require_complete
from ftso_cli.report.trained import is_training, read_training
from ftso_cli.settings.recipes import RECIPES, Recipe
from ftso_cli.settings.shared import DEFAULT_DATA
from ftso_cli.settings.training import DEFAULT_RECIPE
from ftso_cli.spaces import DARTS, SPACES
from ftso_cli.spaces.darts import NetworkShape
from ftso_cli.spaces.sets import IMAGES, Images

TRAININGS: Mapping[tuple[str, Setting | None], tuple[str, str]] = {
    (DARTS.name, Setting.cifar): ("cifar", "cifar10"),
    (DARTS.name, Setting.cifar100): ("cifar", "cifar100"),
    (DARTS.name, Setting.imagenet): ("imagenet", "imagenet"),
}
"""The recipe and the data set that train the network of a setting that is asked for."""

FOLDER_PIXELS = 64
"""Side of the images of a folder of photographs, where no search has said another."""


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

    setting: Setting | None
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
        training = read_training(Path(reference)) if is_run(reference) else None
        genotype = library.load(reference) if training is None else training.genotype
        with about_file(reference):
            require_complete(genotype, "cost")
        trained = None
        if training is not None and self.setting is None:
            trained = training.config.shape, training.config.image_size
        size = (self.image_size.height, self.image_size.width) if self.image_size else None
        try:
            return counted(
                genotype,
                reference,
                setting=(self.setting or Setting.cifar).value,
                changes=self.shape,
                image_size=size,
                macs=self.macs,
                params=self.params,
                # Where all conventions are shown, or none is named, a budget is in plain MACs.
                convention="conv-linear" if self.convention in (None, Convention.all) else self.convention.value,
                own=trained,
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
        # Runs may have networks of their own, so each table says which its networks are.
        for (space, _), group in groupby(networks, key=lambda network: (network.space, network.title)):
            cost_output.show_networks(list(group), _columns(request.convention, space))
    for network in networks if by_stage or len(networks) == 1 else []:
        cost_output.show_network(network, _columns(request.convention, network.space), by_stage)
    for network in networks:
        if network.above_mobile:
            note(
                f"{network.name}: {network.cost.macs / 1e6:.0f}M MACs, above the {MOBILE_MACS // 10**6}M of the mobile "
                f"setting; --fit-macs {MOBILE_MACS // 10**6}M finds the width that keeps to it"
            )
    if len(networks) > 1 and request.setting is None and not request.shape:
        usual, paper = (_size(RECIPES[name]) for name in (DEFAULT_RECIPE, "cifar"))
        note(f"ftso train builds {usual} by itself, {paper} with --recipe cifar")
    if len(networks) == 1 and is_run(networks[0].name):
        next_step("evaluate", networks[0].name)
    elif len(networks) == 1 and networks[0].name != "-":
        proposed = _proposal(networks[0], request)
        if proposed.network.cost.total != networks[0].cost.total:
            say(f"the next command trains another network: {proposed.described}")
        next_step("train", networks[0].name, **proposed.options)


def is_run(reference: str) -> bool:
    """Whether a cell is named by the run folder of a training."""
    # Not the method of Path, which raises for a name that is too long to be one.
    return os.path.isdir(reference) and is_training(Path(reference))


def _size(shape: Recipe | NetworkShape) -> str:
    return f"{shape.cells} cells of {shape.channels} channels"


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """The options of a command that trains a cell, and the network that it trains."""

    options: dict[str, object]
    network: Network
    certain: bool
    """Whether images and classes are those of the data set; of a folder they are assumed."""

    @property
    def described(self) -> str:
        """The network on one line, with what is assumed of it."""
        network = self.network
        image = "×".join(map(str, (network.shape.image_channels, *network.image_size)))
        counts = f"{network.params:,} parameters, {network.macs:,} MACs"
        images = f"images {image}, {network.shape.classes} classes"
        return (
            f"{_size(network.shape)}, {images}: {counts}"
            if self.certain
            else f"{_size(network.shape)}: {counts} for {images}"
        )


def _proposal(network: Network, request: Request) -> Proposal:
    """Return the training of a cell: of the setting that was asked for, or on the images that it was searched on.

    Of a folder of images, whose classes are not counted here, the network has those of the counted one.
    """
    genotype = library.load(network.name)
    recipe_name, data = TRAININGS.get((network.space, request.setting), (DEFAULT_RECIPE, ""))
    steps = [step for step in genotype.history if step.data and not data]
    data = data or (steps[-1].data if steps else None) or DEFAULT_DATA
    options: dict[str, object] = {"data": data}
    options |= {} if recipe_name == DEFAULT_RECIPE else {"recipe": recipe_name}
    recipe = RECIPES[recipe_name]
    images = IMAGES.get(data) or Images(classes=network.shape.classes, channels=3, pixels=FOLDER_PIXELS)
    match steps[-1].settings.get("image_size") if steps else None:
        case [int() as height, width] if height == width:
            images = replace(images, pixels=height)
            # Images of a folder may have any size; a set has its own.
            options |= {"image_size": height} if os.path.isdir(data) else {}
    for name in ("channels", "cells"):
        if name in request.shape or (name == "channels" and request.fits):
            value = getattr(network.shape, name)
            recipe = replace(recipe, **{name: value})
            options[name] = value
    shape = NetworkShape(
        channels=recipe.channels,
        cells=recipe.cells,
        classes=images.classes,
        image_channels=images.channels,
        stem=recipe.stem,
    )
    size = (images.pixels, images.pixels)
    cost = network_cost(genotype, shape, size)
    trained = Network(name=network.name, space=genotype.space, shape=shape, image_size=size, cost=cost)
    return Proposal(options=options, network=trained, certain=data in IMAGES)


def _columns(convention: Convention | None, space: str) -> tuple[str, ...]:
    """The conventions to show: MACs first, then the one that was asked for, or that of the space's own figures."""
    if convention is Convention.all:
        return tuple(CONVENTIONS)
    return tuple(dict.fromkeys(("conv-linear", convention.value if convention else SPACES[space].convention)))
