"""Identifiability: the degrees of freedom of a wiring that a super-net's operators can see (ours).

β of a node with m inputs has m - 1 degrees of freedom. A cell whose output does not change along some of them can't be
searched there: any gradient on β lies in the directions that are left, and pruning by it returns noise. So the rank of
the cell's derivative by β, taken at random images, weights and β, says how much there is to see.
"""

import copy
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from ftso_cli.nn.device import seeded
from ftso_cli.nn.supernet import SearchCell, SuperNet, complete_wirings
from ftso_cli.settings.searches import TopologySettings
from ftso_cli.spaces import SPACES
from ftso_cli.spaces.darts import NetworkShape

TOLERANCE = 1e-9
"""A singular value below this share of the largest is zero, in double precision."""

SIDE = 4
"""Pixels of the random feature maps."""


@dataclass(frozen=True, kw_only=True)
class Identifiability:
    """For the cells of one kind: the degrees of freedom of β, and in how many of them the output changes."""

    kind: str
    freedom: int
    identifiable: int


def unidentifiable_kinds(settings: TopologySettings) -> list[Identifiability]:
    """The kinds of cells of which a topology search with these settings can't see all; none where it sees everything.

    With several candidates it is asked how much their mean shows. The images don't matter.
    """
    space = SPACES[settings.space]
    with seeded(0):
        shape = NetworkShape(channels=settings.channels, cells=settings.cells)
        net = SuperNet(
            complete_wirings(space, settings.nodes), space, tuple(settings.ops), shape, partial=settings.partial
        )
    return [found for found in identifiability(net) if found.identifiable < found.freedom]


def identifiability(net: SuperNet) -> list[Identifiability]:
    """Return the degrees of freedom that the super-net's cells see, by kind; net and torch's generator stay unchanged.

    Cells of one kind share β, so what any of them sees counts.
    """
    with seeded(0):
        return [_of_kind(net, kind) for kind in net.wirings if kind in net.kinds]


def _of_kind(net: SuperNet, kind: str) -> Identifiability:
    wiring = net.wirings[kind]
    beta = torch.randn(len(wiring.edges), dtype=torch.float64, requires_grad=True)
    slopes = torch.cat([_slopes(cell, len(net.ops), beta) for cell in _different(net, kind)])
    values = torch.linalg.svdvals(slopes)
    visible = int((values > TOLERANCE * values[0].clamp_min(1)).sum())
    return Identifiability(kind=kind, freedom=len(wiring.edges) - len(wiring.nodes), identifiable=visible)


def _different(net: SuperNet, kind: str) -> list[SearchCell]:
    """A cell of each width: the others see the same."""
    cells = [cast(SearchCell, cell) for cell, its in zip(net.cells, net.kinds, strict=True) if its == kind]
    return list({cell.stage.channels: cell for cell in cells}.values())


def _slopes(cell: SearchCell, ops: int, beta: Tensor) -> Tensor:
    """The derivatives by β, (edges, edges), of as many random sums over the output as there are edges."""
    twin = copy.deepcopy(cell).double().train()
    alpha = torch.full((len(beta), ops), 1 / ops, dtype=torch.float64)
    inputs = [torch.randn(2, cell.stage.channels, SIDE, SIDE, dtype=torch.float64) for _ in cell.preprocess]
    output = twin.mixed(inputs, alpha, cell.wiring.shares(beta))
    sums = [(output * torch.randn_like(output)).sum() for _ in range(len(beta))]
    return torch.stack([torch.autograd.grad(each, beta, retain_graph=True)[0] for each in sums])
