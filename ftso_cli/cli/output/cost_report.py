"""The work of `ftso cost`: counting networks or formulas, and having them printed."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

from ftso_cli.api.networks import cost as counted
from ftso_cli.api.training.uses import time_network
from ftso_cli.cli.console import next_step, note, print_json, say
from ftso_cli.cli.output import cost_output
from ftso_cli.cli.output.latencies import latency_facts, latency_text
from ftso_cli.cli.output.listening import CommandListener
from ftso_cli.costs.conventions import CONVENTIONS
from ftso_cli.costs.network import MOBILE_MACS, network_cost
from ftso_cli.costs.networks import CountedNetwork
from ftso_cli.genotype import library
from ftso_cli.settings.config_file import DEFAULT_RECIPE
from ftso_cli.settings.recipes import RECIPES, Recipe
from ftso_cli.settings.requests.costs import Convention, CostCommandRequest, CostRequest
from ftso_cli.settings.requests.use import NETWORK, LatencyRequest
from ftso_cli.settings.shared import DEFAULT_DATA, run_of
from ftso_cli.spaces import DARTS, SPACES
from ftso_cli.spaces.darts import NetworkShape
from ftso_cli.spaces.sets import IMAGES, Images

if TYPE_CHECKING:
    from ftso_cli.training.use.latency import Latency

TRAININGS: Mapping[tuple[str, str | None], tuple[str, str]] = {
    (DARTS.name, "cifar"): ("cifar", "cifar10"),
    (DARTS.name, "cifar100"): ("cifar", "cifar100"),
    (DARTS.name, "imagenet"): ("imagenet", "imagenet"),
}
"""The recipe and the data set that train the network of a setting that is asked for."""

FOLDER_PIXELS = 64
"""Side of the images of a folder of photographs, where no search has said another."""


def report_formulas(request: CostCommandRequest, as_json: bool) -> None:
    """The formulas at the sizes of a request, the rest as in the paper; with a sweep their growth."""
    rows = request.rows
    if request.over is not None:
        name, _ = request.over
        if as_json:
            print_json({"sweep": name, "rows": [cost_output.formulas_json(row) for row in rows]})
        else:
            cost_output.show_sweep(name, rows)
        return
    savings = cost_output.savings(rows[0])
    if as_json:
        print_json(cost_output.formulas_json(rows[0], savings))
    else:
        cost_output.show_formulas(rows[0], savings)


def report_networks(request: CostCommandRequest, as_json: bool) -> None:
    """The networks of the cells of a request."""
    networks = [counted.run(one) for one in request.networks]
    latencies = [_latency(one) for one in request.networks] if request.latency else []
    if as_json:
        facts = [cost_output.network_json(network) for network in networks]
        for each, latency in zip(facts, latencies, strict=False):
            each["latency"] = latency_facts(latency)
        print_json({"networks": facts})
        return
    _show(networks, request)
    for network, latency in zip(networks, latencies, strict=False):
        say(f"{network.name}: {latency_text(latency)}")


def _latency(request: CostRequest) -> "Latency":
    """Measure the latency of a counted network."""
    own: dict[str, Any] = {name: getattr(request, name) for name in NETWORK if name in request.given}
    if request.asked("fit_macs", "fit_params"):
        own["channels"] = counted.run(request).shape.channels
    return time_network(LatencyRequest(run=request.cell, **own), CommandListener())


def _show(networks: list[CountedNetwork], request: CostCommandRequest) -> None:
    if len(networks) > 1:
        # Runs may have networks of their own, so each table says which its networks are.
        for (space, _), group in groupby(networks, key=lambda network: (network.space, network.title)):
            cost_output.show_networks(list(group), _columns(request.convention, space))
    for network in networks if request.by_stage or len(networks) == 1 else []:
        cost_output.show_network(network, _columns(request.convention, network.space), request.by_stage)
    for network in networks:
        if network.above_mobile:
            note(
                f"{network.name}: {network.cost.macs / 1e6:.0f}M MACs, above the {MOBILE_MACS // 10**6}M of the mobile "
                f"setting; --fit-macs {MOBILE_MACS // 10**6}M finds the width that keeps to it"
            )
    if len(networks) > 1 and request.setting is None and not request.changes:
        usual, paper = (_size(RECIPES[name]) for name in (DEFAULT_RECIPE, "cifar"))
        note(f"ftso train builds {usual} by itself, {paper} with --recipe cifar")
    if len(networks) == 1 and run_of(networks[0].name) is not None:
        next_step("evaluate", networks[0].name)
    elif len(networks) == 1 and networks[0].name != "-":
        proposed = _proposal(networks[0], request)
        if proposed.network.cost.total != networks[0].cost.total:
            say(f"the next command trains another network: {proposed.described}")
        next_step("train", networks[0].name, **proposed.options)


def _size(shape: Recipe | NetworkShape) -> str:
    return f"{shape.cells} cells of {shape.channels} channels"


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """The options of a command that trains a cell, and the network that it trains."""

    options: dict[str, object]
    network: CountedNetwork
    certain: bool
    """True where images and classes are the data set's; for a folder they are assumed."""

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


def _proposal(network: CountedNetwork, request: CostCommandRequest) -> Proposal:
    """Return the training of a cell: of the setting that was asked for, or on the images that it was searched on.

    Of a folder of images, whose classes are not counted here, the network has those of the counted one.
    """
    genotype = library.load_genotype(network.name)
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
        if name in request.changes or (name == "channels" and request.limited):
            value = getattr(network.shape, name)
            recipe = replace(recipe, **{name: value})
            options[name] = value
    shape = recipe.shape(classes=images.classes, image_channels=images.channels)
    size = (images.pixels, images.pixels)
    cost = network_cost(genotype, shape, size)
    trained = CountedNetwork(name=network.name, space=genotype.space, shape=shape, image_size=size, cost=cost)
    return Proposal(options=options, network=trained, certain=data in IMAGES)


def _columns(convention: Convention | None, space: str) -> tuple[str, ...]:
    """The conventions to show: MACs first, then the one that was asked for, or that of the space's own figures."""
    if convention == "all":
        return tuple(CONVENTIONS)
    return tuple(dict.fromkeys(("conv-linear", convention or SPACES[space].convention)))
