"""DARTS and PC-DARTS: wiring and operators searched at once, in one super-net of all edges and all candidates."""

from collections.abc import Callable, Mapping
from functools import partial

import torch

from ftso_cli.data import ImageData
from ftso_cli.errors import SettingsError
from ftso_cli.genotype import FORMAT, Cell, Edge, Genotype
from ftso_cli.nn.distributed import ALONE, Group
from ftso_cli.nn.mixed import SharedSuperNet
from ftso_cli.nn.supernet import SuperNet, complete_wirings
from ftso_cli.search.blackbox.random_cells import RandomCells
from ftso_cli.search.phases import BY_ORDER, Search, alphas, betas, strongest, supernet_search
from ftso_cli.settings.searches import GradientSettings, JointSettings, RandomSettings
from ftso_cli.spaces import SPACES, Space, operator


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
    return Search(search, lambda: derived(search.net, space))


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


def derived(net: SuperNet, space: Space) -> Genotype:
    """The cell that a joint search has found so far.

    An edge is as strong as its strongest operator (in darts but `none`), softmax(α) over all candidates, times
    softmax(β) where edges are weighed. Each node keeps its two strongest (DARTS, section 2.4; PC-DARTS, section 3.3),
    in nats all of them.
    """
    cells = {kind: _cell(net, kind, space) for kind in space.kinds}
    return Genotype(format=FORMAT, space=space.name, stage="complete", searched_ops=net.ops, cells=cells)


def _cell(net: SuperNet, kind: str, space: Space) -> Cell:
    wiring = net.wirings[kind]
    shares = (net.candidate_weights(kind) * net.edge_weights(kind)[:, None]).tolist()
    found = list(zip(wiring.edges, alphas(net, kind), betas(net, kind), shares, strict=True))
    edges = []
    for _, positions in wiring.nodes:
        into = []
        for (source, target), alpha, beta, row in found[positions]:
            op = strongest(alpha or {}, space)
            into.append((row[net.ops.index(op)], Edge(source=source, target=target, op=op, alpha=alpha, beta=beta)))
        ranked = sorted(into, key=lambda pair: (-pair[0], pair[1].source))
        edges += [
            edge if place < space.keep else edge.model_copy(update={"kept": False})
            for place, (_, edge) in enumerate(ranked)
        ]
    return Cell(edges=tuple(edges), concat=wiring.concat)
