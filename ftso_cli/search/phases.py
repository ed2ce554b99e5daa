"""The two phases of FTSO: first the topology (Algorithm 1), second the operators (Algorithm 2)."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch

from ftso_cli.data import Augmentation, Batches, ImageData, on_device, search_halves
from ftso_cli.data.batching.augment import WHOLE, Share
from ftso_cli.data.batching.batches import check_batch
from ftso_cli.errors import SettingsError
from ftso_cli.genotype import FORMAT, Cell, Edge, Genotype
from ftso_cli.genotype.edit import require_searchable
from ftso_cli.nn.device import seeded
from ftso_cli.nn.distributed import ALONE, Group
from ftso_cli.nn.folded import FoldedSuperNet
from ftso_cli.nn.mixed import SharedSuperNet
from ftso_cli.nn.supernet import SuperNet, Wiring, complete_wirings
from ftso_cli.nn.synchronised import synchronised
from ftso_cli.search.derivation import alphas, betas, with_strongest_operators, within
from ftso_cli.search.engine.bilevel import Bilevel, Engine, GradientRanking, Progress
from ftso_cli.search.engine.progressive import Progressive
from ftso_cli.search.engine.unrolled import Unrolled
from ftso_cli.search.limit import limit_of
from ftso_cli.search.penalties import penalty
from ftso_cli.settings.searches import OperatorSettings, SearchSettings, ShortTraining, TopologySettings, penalties
from ftso_cli.spaces import DARTS, SPACES, Space, operator
from ftso_cli.spaces.darts import Evaluation, NetworkShape

ARCH_STREAM = 2**31
"""Added to the seed for the order of the architecture half; torch's generator on a CPU keeps 32 bits of a seed."""

ENGINES: Mapping[str, type[SuperNet]] = {"general": SuperNet, "shared": SharedSuperNet, "folded": FoldedSuperNet}


def engine_of(settings: SearchSettings) -> type[Bilevel]:
    """The engine of a search by gradient."""
    if settings.added_cells:
        return Progressive
    return Unrolled if settings.order == 2 else Bilevel


@dataclass(frozen=True)
class Search:
    """A search that is ready to run, and how to read from its engine what it has found so far."""

    engine: Engine
    derive: Callable[[], Genotype]
    remark: Callable[[Genotype], str] = lambda genotype: ""
    """The remark of history on the genotype that was found, "" for none."""
    notes: Callable[[], Iterable[str]] = tuple
    """More for the history alone."""

    def run(self, on_iteration: Callable[[Any], None]) -> Genotype:
        """Runs to the end and gives what was found."""
        self.engine.run(on_iteration)
        return self.derive()


def run_topology_search(
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
    return prepare_topology_search(data, settings, seed=seed, device=device).run(on_iteration)


def prepare_topology_search(
    data: ImageData, settings: TopologySettings, *, seed: int, device: torch.device, group: Group = ALONE
) -> Search:
    """A topology search that is ready to run; see `run_topology_search`."""
    member = topology_member(data, settings, seed=seed, device=device, group=group)
    return Search(member, lambda: weighed(member.net, settings))


def topology_member(
    data: ImageData, settings: TopologySettings, *, seed: int, device: torch.device, group: Group = ALONE
) -> Bilevel:
    """The engine of a topology search: a super-net of all edges and its two streams of images."""
    space = SPACES[settings.space]
    for op in settings.ops:
        operator(op, space.operators)
    if set(settings.ops) <= {"none"}:
        raise SettingsError("a super-net of none alone computes nothing; give --op skip_connect or another operator")
    if settings.folded and space is not DARTS:
        raise SettingsError(f"cells of the {space.name} space can't be folded; leave --engine folded away")
    wirings = complete_wirings(space, settings.nodes)
    make = ENGINES[settings.taken]
    engine = GradientRanking if settings.rank == "gradient" else Bilevel
    return supernet_search(wirings, space, data, settings, seed, device, group, make, engine)


def weighed(net: SuperNet, settings: TopologySettings) -> Genotype:
    """The genotype of a topology search: every edge with its β."""
    cells = {kind: _weighed_cell(net, kind) for kind in net.wirings}
    return Genotype(
        format=FORMAT, space=settings.space, stage="searched", searched_ops=tuple(settings.ops), cells=cells
    )


def run_operator_search(
    genotype: Genotype,
    data: ImageData,
    settings: OperatorSettings,
    *,
    seed: int,
    device: torch.device,
    on_iteration: Callable[[Progress], None],
) -> Genotype:
    """Algorithm 2, gradient strategy: the kept edges weigh the candidates, and each keeps the strongest.

    Line 9 of the algorithm takes the strongest of all candidates, `none` included; as in DARTS, `none` is weighed
    but never kept. Raises `GenotypeError` where the wiring is not decided yet.
    """
    return prepare_operator_search(genotype, data, settings, seed=seed, device=device).run(on_iteration)


def prepare_operator_search(
    genotype: Genotype,
    data: ImageData,
    settings: OperatorSettings,
    *,
    seed: int,
    device: torch.device,
    group: Group = ALONE,
) -> Search:
    """An operator search that is ready to run; see `run_operator_search`."""
    require_searchable(genotype)
    space = SPACES[genotype.space]
    for op in settings.ops:
        operator(op, space.operators)
    if set(settings.ops) <= space.never_derived:
        raise SettingsError("none can't be the only candidate; list the operators to choose from with --ops")
    wirings = {
        kind: Wiring(edges=tuple((edge.source, edge.target) for edge in cell.kept), concat=cell.concat)
        for kind, cell in genotype.cells.items()
    }
    make = partial(SharedSuperNet, weigh_edges=settings.weighs_edges)
    search = supernet_search(wirings, space, data, settings, seed, device, group, make, engine_of(settings))
    limit = limit_of(settings, space, device)
    skips = settings.most_skips
    derive = within(
        limit, search.net, space, lambda own: with_strongest_operators(genotype, search.net, space, own, skips)
    )
    return Search(search, derive, limit.remark)


def supernet_search(
    wirings: Mapping[str, Wiring],
    space: Space,
    data: ImageData,
    settings: SearchSettings,
    seed: int,
    device: torch.device,
    group: Group,
    make: Callable[..., SuperNet],
    engine: type[Bilevel],
) -> Bilevel:
    """A search on a super-net of these wirings; half of the images move α and β, half the weights."""
    shape, device = network_shape(data, settings), group.device(device)

    def build(cells: int, seed: int) -> SuperNet:
        with seeded(seed):
            net = make(wirings, space, settings.ops, replace(shape, cells=cells), partial=settings.partial)
        return synchronised(net.to(device), group)

    net = build(settings.cells, seed)
    search = engine(net, settings, *streams(data, settings, seed, device, group.share), group, seed)
    search.rebuild = build
    search.penalty = penalty(penalties(settings.penalty), net, space, evaluation(space, settings.stem))
    return search


def evaluation(space: Space, stem: str) -> Evaluation:
    """The network of a space in which cells are counted, of those with this stem the first."""
    return next(each for each in space.evaluations.values() if each.shape.stem == stem)


def network_shape(data: ImageData, settings: SearchSettings | ShortTraining) -> NetworkShape:
    """The shape of the networks that a search trains."""
    return NetworkShape(
        channels=settings.channels,
        cells=settings.cells,
        classes=len(data.classes),
        image_channels=data.channels,
        stem=settings.stem,
    )


def streams(
    data: ImageData, settings: SearchSettings, seed: int, device: torch.device, share: Share = WHOLE
) -> tuple[Batches, Batches]:
    """The batches that move the weights, augmented, and those that move the architecture, as they are."""
    source = on_device(data.train, device)
    weight_part, arch_part = search_halves(data, seed, (settings.weight_share, settings.arch_share))
    # Of both at once, so that the batch that is proposed fills either.
    check_batch(settings.batch_size, min(len(weight_part), len(arch_part)), share[1])
    augmentation = Augmentation.of(data)
    size = settings.batch_size
    return (
        Batches(source, weight_part, size, seed, normalise=data.normalise, augment=augmentation, share=share),
        Batches(source, arch_part, size, seed + ARCH_STREAM, normalise=data.normalise, share=share),
    )


def _weighed_cell(net: SuperNet, kind: str) -> Cell:
    wiring = net.wirings[kind]
    only = net.ops[0] if len(net.ops) == 1 else None
    edges = tuple(
        Edge(source=source, target=target, op=only, beta=beta, alpha=alpha)
        for (source, target), beta, alpha in zip(wiring.edges, betas(net, kind), alphas(net, kind), strict=True)
    )
    return Cell(edges=edges, concat=wiring.concat)
