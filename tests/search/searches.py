"""Every search method, small enough for a test, on the digits that come with the installation."""

from dataclasses import replace
from functools import cache

import torch

from ftso_cli.data import ImageData, open_images
from ftso_cli.genotype import Genotype
from ftso_cli.genotype.edit import keep_strongest
from ftso_cli.nn.distributed import ALONE, Group
from ftso_cli.search.joint import joint
from ftso_cli.search.operators.capacity import capacity_search
from ftso_cli.search.phases import Search, prepare_operator_search, prepare_topology_search
from ftso_cli.settings.asktell import AskTellSettings
from ftso_cli.settings.capacity import CapacitySettings
from ftso_cli.settings.methods import METHODS, on_choices
from ftso_cli.settings.searches import JointSettings, OperatorSettings, TopologySettings

CPU = torch.device("cpu")
SMALL = {"channels": 4, "cells": 3, "batch_size": 16}
OPS = ("none", "skip_connect", "max_pool_3x3", "sep_conv_3x3")

TOPOLOGY = ("topology", "topology, 4 operators", "topology by gdas")
OPERATORS = ("operators", "operators by gdas")
JOINT_ASK_TELL = tuple(name for name, settings in METHODS.items() if isinstance(settings, AskTellSettings))
BY_GRADIENT = (*TOPOLOGY, *OPERATORS, *(name for name in METHODS if name not in JOINT_ASK_TELL))
ASK_TELL = (*JOINT_ASK_TELL, "capacity")
SEARCHES = (*BY_GRADIENT, *ASK_TELL)
"""What every search is called here."""


@cache
def digits() -> ImageData:
    """The images that all searches read; nothing changes them."""
    return open_images("digits")


@cache
def wiring() -> Genotype:
    """A topology to search operators on."""
    settings = TopologySettings(**SMALL, iters=1, nodes=2)
    return keep_strongest(prepare_topology_search(digits(), settings, seed=0, device=CPU).run(lambda progress: None))[0]


def search(name: str, seed: int = 0, group: Group = ALONE, **changes: object) -> Search:
    """The search called `name`, of two nodes a cell, ready to run."""
    where = {"seed": seed, "device": CPU, "group": group}
    if name == "capacity":
        settings = CapacitySettings(**{**SMALL, "budget": 8, "steps": 2, "inits": 1, "ops": OPS[1:], **changes})
        return capacity_search(wiring(), digits(), settings, seed=seed, device=CPU)[0]
    if name in ASK_TELL:
        return joint(digits(), asking(name, **changes), **where)
    wanted = {**SMALL, "iters": 3, **changes}
    if name in OPERATORS:
        settings = OperatorSettings(**on_choices("gdas" if name == OPERATORS[1] else None))
        return prepare_operator_search(wiring(), digits(), replace(settings, **{"ops": OPS, **wanted}), **where)
    if name in TOPOLOGY:
        settings = TopologySettings(nodes=2, ops=OPS if name == TOPOLOGY[1] else ("skip_connect",))
        if name == TOPOLOGY[2]:
            settings = replace(settings, method="gdas", relaxation="hard-gumbel", temperature=(10.0, 0.1))
        return prepare_topology_search(digits(), replace(settings, **wanted), **where)
    return joint(digits(), joint_settings(name, **wanted), **where)


def asking(name: str, **changes: object) -> AskTellSettings:
    """The settings of a search by evaluation of 8 cells, each trained for two steps."""
    short = {**SMALL, "budget": 8, "steps": 2, "ops": OPS, "nodes": 2}
    return replace(METHODS[name], **{**short, **changes})


def joint_settings(name: str, **changes: object) -> JointSettings:
    """The published settings of a joint method with these changes."""
    return replace(METHODS[name], **{"ops": OPS, "nodes": 2, **changes})


def held_out_accuracy(search: Search) -> float:
    """The share of 384 held-out images that the network in hand names right, with statistics of the batch."""
    net = search.engine.net
    right = count = 0
    while count < 384:
        images, labels = next(search.engine.arch_batches)
        with torch.no_grad():
            logits = net(images)
        right += int((logits.argmax(1) == labels).sum())
        count += len(labels)
    return right / count
