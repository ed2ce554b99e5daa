"""DARTS and PC-DARTS: wiring and operators searched at once, in one super-net of all edges and all candidates."""

from collections.abc import Callable, Mapping
from functools import partial

import torch

from ftso_cli.data import ImageData
from ftso_cli.errors import SettingsError
from ftso_cli.nn.distributed import ALONE, Group
from ftso_cli.nn.mixed import SharedSuperNet
from ftso_cli.nn.supernet import complete_wirings
from ftso_cli.search.blackbox.random_cells import RandomCells
from ftso_cli.search.derivation import derived, within
from ftso_cli.search.phases import BY_ORDER, Search, supernet_search
from ftso_cli.settings.searches import GradientSettings, JointSettings, RandomSettings
from ftso_cli.spaces import SPACES, operator


def joint(data: ImageData, settings: JointSettings, *, seed: int, device: torch.device, group: Group = ALONE) -> Search:
    """The search of `settings.method`, ready to run; it ends with a complete genotype.

    Raises `SettingsError` where there are fewer than two operators to choose from.
    """
    space = SPACES[settings.space]
    for op in settings.ops:
        operator(op, space.operators)
    if len(set(settings.ops) - space.never_derived) < 2:
        raise SettingsError("a search for operators needs two or more to choose from; list them with --ops")
    return SEARCHES[type(settings)](data, settings, seed, device, group)


def by_gradient(
    data: ImageData, settings: GradientSettings, seed: int, device: torch.device, group: Group = ALONE
) -> Search:
    """A search on a super-net of all edges and all candidates."""
    space = SPACES[settings.space]
    wirings = complete_wirings(space, settings.nodes)
    make = partial(SharedSuperNet, weigh_edges=settings.weighs_edges)
    search = supernet_search(wirings, space, data, settings, seed, device, group, make, BY_ORDER[settings.order])
    return Search(search, within(settings, search, space, lambda charges: derived(search.net, space, charges)))


def at_random(
    data: ImageData, settings: RandomSettings, seed: int, device: torch.device, group: Group = ALONE
) -> Search:
    """A search among random cells."""
    cells = RandomCells(data, settings, seed=seed, device=device, group=group)
    return Search(cells, cells.best)


SEARCHES: Mapping[type[JointSettings], Callable[..., Search]] = {
    GradientSettings: by_gradient,
    RandomSettings: at_random,
}
"""What carries out a method, by the class of its settings."""
