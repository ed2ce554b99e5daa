"""Wiring and operators searched at once: in one super-net of all edges and all candidates, or by evaluating cells."""

from collections.abc import Callable
from functools import partial

import torch

from ftso_cli.data import ImageData
from ftso_cli.errors import SettingsError
from ftso_cli.genotype import Genotype
from ftso_cli.nn.distributed import ALONE, Group
from ftso_cli.nn.mixed import SharedSuperNet
from ftso_cli.nn.supernet import complete_wirings
from ftso_cli.search.blackbox.domain import cells_domain
from ftso_cli.search.blackbox.searchers import search_by_evaluation
from ftso_cli.search.derivation import derived, within
from ftso_cli.search.limit import limit_of
from ftso_cli.search.phases import Search, engine_of, supernet_search
from ftso_cli.settings.asktell import AskTellSettings
from ftso_cli.settings.searches import TOO_FEW, GradientSettings, JointSettings
from ftso_cli.spaces import SPACES, operator


def joint(
    data: ImageData,
    settings: JointSettings | AskTellSettings,
    *,
    seed: int,
    device: torch.device,
    group: Group = ALONE,
    reached: Callable[[Genotype], float] | None = None,
) -> Search:
    """The search of `settings.method`, ready to run; it ends with a complete genotype.

    `reached` looks a cell up in the table of a search that has one. Raises `SettingsError` where there are fewer than
    two operators to choose from.
    """
    space = SPACES[settings.space]
    for op in settings.ops:
        operator(op, space.operators)
    if len(set(settings.ops) - space.never_derived) < 2:
        raise SettingsError(TOO_FEW)
    if isinstance(settings, AskTellSettings):
        domain = cells_domain(space, settings.nodes, settings.choices, limit_of(settings, space, device))
        return search_by_evaluation(domain, data, settings, seed=seed, device=device, reached=reached)
    assert isinstance(settings, GradientSettings)
    return by_gradient(data, settings, seed, device, group)


def by_gradient(
    data: ImageData, settings: GradientSettings, seed: int, device: torch.device, group: Group = ALONE
) -> Search:
    """A search on a super-net of all edges and all candidates."""
    space = SPACES[settings.space]
    wirings = complete_wirings(space, settings.nodes)
    make = partial(SharedSuperNet, weigh_edges=settings.weighs_edges)
    search = supernet_search(wirings, space, data, settings, seed, device, group, make, engine_of(settings))
    limit = limit_of(settings, space, device)
    derive = within(limit, search.net, space, lambda own: derived(search.net, space, own, settings.most_skips))
    return Search(search, derive, limit.remark)
