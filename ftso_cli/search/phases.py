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
from ftso_cli.search.bilevel import Bilevel, GradientRanking, Progress
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

    With several candidates each edge also has their α, and no operator yet. Pruning is left to `edit.prune`. One seed
    returns a wiring whether there was one to find or not; `ensemble.search_ensemble` tells.
    The same seed gives the same genotype on one kind of device.
    """
    search = topology_member(data, settings, seed=seed, device=device)
    search.run(on_iteration)
    return weighed(search.net.cpu(), settings)


def topology_member(data: ImageData, settings: TopologySettings, *, seed: int, device: torch.device) -> Bilevel:
    """A topology search that is ready to run: a super-net of all edges and its two streams of images."""
    for op in settings.ops:
        operator(op, DARTS.operators)
    if set(settings.ops) <= DARTS.never_derived:
        raise SettingsError("a super-net of none alone computes nothing; give --op skip_connect or another operator")
    wirings = dict.fromkeys(DARTS.kinds, complete_wiring(settings.nodes, DARTS.inputs))
    make = FoldedSuperNet if settings.folded else SuperNet
    engine = GradientRanking if settings.rank == "gradient" else Bilevel
    return supernet_search(wirings, DARTS, data, settings, seed, device, make, engine)


def weighed(net: SuperNet, settings: TopologySettings) -> Genotype:
    """The genotype of a topology search: every edge with its β."""
    cells = {kind: _weighed_cell(net, kind) for kind in DARTS.kinds}
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
    search = supernet_search(wirings, space, data, settings, seed, device)
    search.run(on_iteration)
    net = search.net.cpu()
    cells = {kind: _decided_cell(net, kind, cell, space) for kind, cell in genotype.cells.items()}
    return genotype.replace(stage="complete", cells=cells, about=None)


def supernet_search(
    wirings: Mapping[str, Wiring],
    space: Space,
    data: ImageData,
    settings: SearchSettings,
    seed: int,
    device: torch.device,
    make: type[SuperNet] = SuperNet,
    engine: type[Bilevel] = Bilevel,
) -> Bilevel:
    """A search on a super-net of these wirings; half of the images move α and β, half the weights."""
    shape = NetworkShape(
        channels=settings.channels, cells=settings.cells, classes=len(data.classes), image_channels=data.channels
    )
    with seeded(seed):
        net = make(wirings, space, settings.ops, shape, partial=settings.partial)
    weight_half, arch_half = search_halves(data, seed)
    augmentation = Augmentation.of(data)
    size = settings.batch_size
    return engine(
        net.to(device),
        settings,
        Batches(data.train, weight_half, size, seed, normalise=data.normalise, augment=augmentation),
        Batches(data.train, arch_half, size, seed + ARCH_STREAM, normalise=data.normalise),
    )


def _weighed_cell(net: SuperNet, kind: str) -> Cell:
    wiring = net.wirings[kind]
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
