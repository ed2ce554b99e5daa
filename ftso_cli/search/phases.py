"""The two phases of FTSO: first the topology (Algorithm 1), second the operators (Algorithm 2)."""

from collections.abc import Callable, Mapping

import torch

from ftso_cli.data import Augmentation, Batches, ImageData, search_halves
from ftso_cli.errors import SettingsError
from ftso_cli.genotype import FORMAT, Cell, Edge, Genotype
from ftso_cli.genotype.edit import require_pruned
from ftso_cli.nn.device import seeded
from ftso_cli.nn.folded import FoldedSuperNet
from ftso_cli.nn.supernet import SuperNet, Wiring, complete_wiring
from ftso_cli.search.bilevel import Bilevel, Progress
from ftso_cli.search.settings import SearchSettings, TopologySettings
from ftso_cli.spaces import DARTS, SPACES, Space, operator
from ftso_cli.spaces.darts import NetworkShape

ARCH_STREAM = 2**32
"""Added to the seed for the order of the architecture half, so that the two halves are shuffled independently."""


def search_topology(
    data: ImageData,
    settings: TopologySettings,
    *,
    seed: int,
    device: torch.device,
    on_iteration: Callable[[Progress], None],
) -> Genotype:
    """Algorithm 1: a super-net of all edges is trained, and every edge returned with its strength β.

    With several candidates each edge also has their α, and no operator yet. Pruning is left to `edit.prune`.
    The same seed gives the same genotype on one kind of device.
    """
    for op in settings.ops:
        operator(op, DARTS.operators)
    if set(settings.ops) <= DARTS.never_derived:
        raise SettingsError("a super-net of none alone computes nothing; give --op skip_connect or another operator")
    wiring = complete_wiring(settings.nodes, DARTS.inputs)
    wirings = dict.fromkeys(DARTS.kinds, wiring)
    make = FoldedSuperNet if settings.folded else SuperNet
    net = train_supernet(wirings, DARTS, data, settings, seed, device, on_iteration, make)
    cells = {kind: _weighed_cell(net, kind, wiring) for kind in DARTS.kinds}
    return Genotype(format=FORMAT, space=DARTS.name, stage="searched", searched_ops=settings.ops, cells=cells)


def search_operators(
    genotype: Genotype,
    data: ImageData,
    settings: SearchSettings,
    *,
    seed: int,
    device: torch.device,
    on_iteration: Callable[[Progress], None],
) -> Genotype:
    """Algorithm 2, gradient strategy: the kept edges weigh the candidates, and each keeps the strongest.

    Line 9 of the algorithm takes the strongest of all candidates, `none` included; as in DARTS, `none` is weighed
    but never kept. Raises `GenotypeError` where the wiring is not decided yet.
    """
    require_pruned(genotype, "search-ops")
    space = SPACES[genotype.space]
    for op in settings.ops:
        operator(op, space.operators)
    if set(settings.ops) <= space.never_derived:
        raise SettingsError("none can't be the only candidate; list the operators to choose from with --ops")
    wirings = {
        kind: Wiring(edges=tuple((edge.source, edge.target) for edge in cell.kept), concat=cell.concat)
        for kind, cell in genotype.cells.items()
    }
    net = train_supernet(wirings, space, data, settings, seed, device, on_iteration)
    cells = {kind: _decided_cell(net, kind, cell, space) for kind, cell in genotype.cells.items()}
    return genotype.replace(stage="complete", cells=cells, about=None)


def train_supernet(
    wirings: Mapping[str, Wiring],
    space: Space,
    data: ImageData,
    settings: SearchSettings,
    seed: int,
    device: torch.device,
    on_iteration: Callable[[Progress], None],
    make: type[SuperNet] = SuperNet,
) -> SuperNet:
    """A super-net of these wirings after all iterations; half of the images have moved α and β, half the weights."""
    shape = NetworkShape(
        channels=settings.channels, cells=settings.cells, classes=len(data.classes), image_channels=data.channels
    )
    with seeded(seed):
        net = make(wirings, space, settings.ops, shape, partial=settings.partial)
    weight_half, arch_half = search_halves(data, seed)
    augmentation = Augmentation.of(data)
    size = settings.batch_size
    Bilevel(
        net.to(device),
        settings,
        Batches(data.train, weight_half, size, seed, normalise=data.normalise, augment=augmentation),
        Batches(data.train, arch_half, size, seed + ARCH_STREAM, normalise=data.normalise),
    ).run(on_iteration)
    return net.cpu()


def _weighed_cell(net: SuperNet, kind: str, wiring: Wiring) -> Cell:
    only = net.ops[0] if len(net.ops) == 1 else None
    betas = net.beta[kind].tolist()
    alphas = _alphas(net, kind)
    edges = tuple(
        Edge(source=source, target=target, op=only, beta=beta, alpha=alpha)
        for (source, target), beta, alpha in zip(wiring.edges, betas, alphas, strict=True)
    )
    return Cell(edges=edges, concat=wiring.concat)


def _decided_cell(net: SuperNet, kind: str, cell: Cell, space: Space) -> Cell:
    pruned = tuple(edge for edge in cell.edges if not edge.kept)
    decided = tuple(
        edge.model_copy(
            update={"op": strongest(alpha or dict.fromkeys(net.ops, 0.0), space), "alpha": alpha, "beta_ops": beta}
        )
        for edge, alpha, beta in zip(cell.kept, _alphas(net, kind), net.beta[kind].tolist(), strict=True)
    )
    return Cell(edges=pruned + decided, concat=cell.concat)


def strongest(alpha: Mapping[str, float], space: Space) -> str:
    """The candidate with the largest α that a found cell may carry; the first of equals."""
    allowed = [op for op in alpha if op not in space.never_derived]
    return max(allowed, key=lambda op: alpha[op])


def _alphas(net: SuperNet, kind: str) -> list[dict[str, float] | None]:
    if kind not in net.alpha:
        return [None] * len(net.wirings[kind].edges)
    return [dict(zip(net.ops, row, strict=True)) for row in net.alpha[kind].tolist()]
