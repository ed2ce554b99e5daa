"""Cells side by side: which edges and operators they share, what their networks cost, what they reached."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from ftso_cli.api.cells import read, reference_names, run_folder
from ftso_cli.api.verbs import verb
from ftso_cli.costs.network import network_cost
from ftso_cli.costs.networks import preset
from ftso_cli.errors import GenotypeError
from ftso_cli.genotype import Cell, Genotype, agreement, edit, graph
from ftso_cli.report.run.trained import TrainedRun, read_trained_run
from ftso_cli.settings.requests.looks import CompareRequest
from ftso_cli.settings.shared import CellLike
from ftso_cli.spaces import SPACES

Edge = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Price:
    """Trainable parameters, and MACs of one image."""

    params: int
    macs: int


@dataclass(frozen=True, kw_only=True)
class CellShape:
    """Edges on the longest path from an input to the output, and the width in widths of a node."""

    depth: int
    width: float


def shapes(genotype: Genotype) -> dict[str, CellShape]:
    """Depth and width of each kind of cell, of the kept edges."""
    space = SPACES[genotype.space]
    cells = ((kind, genotype.cells[kind]) for kind in space.kinds)
    return {kind: CellShape(depth=graph.depth(cell), width=graph.width(cell, space.inputs)) for kind, cell in cells}


@dataclass(frozen=True, kw_only=True)
class ComparedCell:
    """A cell that is compared: its wiring is decided, if need be by pruning it here.

    `price` is that of the paper's network for CIFAR-10, and `trained_price` that of the network of its run; None where
    operators are still to be chosen, or there is no run.
    """

    name: str
    genotype: Genotype
    pruned_here: bool
    price: Price | None
    shapes: Mapping[str, CellShape]
    """Depth and width of each kind of cell."""
    training: TrainedRun | None = None
    trained_price: Price | None = None


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two cells of one kind: the share of their edges that they have in common, beside that of random wirings.

    `same_ops` of the `shared` edges carry the same operators in both; None where one of them has none yet. `chance` is
    None where the cells have other nodes.
    """

    kind: str
    one: str
    other: str
    agreement: float
    chance: float | None
    shared: int
    same_ops: int | None


@dataclass(frozen=True, kw_only=True)
class Difference:
    """An edge that not all cells have, or not with the same operators; those of each cell, None where it lacks it."""

    kind: str
    source: int
    target: int
    ops: tuple[tuple[str, ...] | None, ...]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The result of a comparison: the cells, their common edges by pair, and the edges that differ."""

    cells: tuple[ComparedCell, ...]
    pairs: tuple[Pair, ...]
    differences: tuple[Difference, ...]
    kinds: tuple[str, ...]
    network: str
    """The network that `price` is of, in words."""


@verb(CompareRequest)
def compare(request: CompareRequest) -> Comparison:
    """Compare genotypes, genotype files, published cells by name and run folders of trainings.

    Raises `GenotypeError` where they are of different spaces, `RunError` for a folder that is no training.
    """
    compared = tuple(
        _compared(cell, name) for cell, name in zip(request.cells, reference_names(request.cells), strict=True)
    )
    first = compared[0]
    for each in compared[1:]:
        if each.genotype.space != first.genotype.space:
            spaces = f"the {each.genotype.space} and the {first.genotype.space} space"
            raise GenotypeError(f"{each.name} and {first.name} are cells of {spaces}, which have no edges to compare")
    kinds = SPACES[first.genotype.space].kinds
    return Comparison(
        cells=compared,
        pairs=tuple(_pair(kind, one, other) for one, other in combinations(compared, 2) for kind in kinds),
        differences=tuple(difference for kind in kinds for difference in _differences(kind, compared)),
        kinds=kinds,
        network=_network(first.genotype.space),
    )


def _network(space: str) -> str:
    """Describe the network that every cell is priced in."""
    shape, _ = preset(space, "cifar")
    return f"{SPACES[space].reference}, {shape.cells} cells of {shape.channels} channels"


def _compared(cell: CellLike, name: str) -> ComparedCell:
    run = run_folder(cell)
    training = None if run is None else read_trained_run(run)
    genotype = read(cell) if training is None else training.genotype
    searched = genotype.stage == "searched"
    if searched:
        genotype = _pruned(genotype, name)
    shape, pixels = preset(genotype.space, "cifar")
    complete = genotype.stage == "complete"
    cost = network_cost(genotype, shape, (pixels, pixels)) if complete else None
    trained = None if training is None else network_cost(genotype, training.config.shape, training.config.image_size)
    return ComparedCell(
        name=name,
        genotype=genotype,
        pruned_here=searched,
        shapes=shapes(genotype),
        price=None if cost is None else Price(params=cost.params, macs=cost.macs),
        training=training,
        trained_price=None if trained is None else Price(params=trained.params, macs=trained.macs),
    )


def _pruned(genotype: Genotype, name: str) -> Genotype:
    try:
        return edit.keep_strongest(genotype)[0]
    except GenotypeError as error:
        raise GenotypeError(f"{name}: {error}") from None


def _pair(kind: str, one: ComparedCell, other: ComparedCell) -> Pair:
    cells = one.genotype.cells[kind], other.genotype.cells[kind]
    wirings = agreement.pruned_wiring(cells[0]), agreement.pruned_wiring(cells[1])
    shared = wirings[0] & wirings[1]
    decided = all(each.genotype.stage == "complete" for each in (one, other))
    ops = _ops(cells[0]), _ops(cells[1])
    keep = SPACES[one.genotype.space].keep
    return Pair(
        kind=kind,
        one=one.name,
        other=other.name,
        agreement=agreement.common_share(*wirings),
        chance=agreement.chance(cells[0], keep) if cells[0].targets == cells[1].targets else None,
        shared=len(shared),
        same_ops=sum(ops[0][edge] == ops[1][edge] for edge in shared) if decided else None,
    )


def _differences(kind: str, compared: Sequence[ComparedCell]) -> list[Difference]:
    """The edges of a kind of cell that differ, in order of target."""
    cells = [_ops(each.genotype.cells[kind]) for each in compared]
    edges = sorted({edge for cell in cells for edge in cell}, key=lambda edge: (edge[1], edge[0]))
    found = [
        Difference(kind=kind, source=edge[0], target=edge[1], ops=tuple(cell.get(edge) for cell in cells))
        for edge in edges
    ]
    return [each for each in found if len(set(each.ops)) > 1]


def _ops(cell: Cell) -> Mapping[Edge, tuple[str, ...]]:
    """The operators on each kept edge, several where edges are parallel; none where they are still to be chosen."""
    ops: dict[Edge, tuple[str, ...]] = {}
    for edge in cell.kept:
        named = () if edge.op is None else (edge.op,)
        ops[edge.source, edge.target] = tuple(sorted((*ops.get((edge.source, edge.target), ()), *named)))
    return ops
