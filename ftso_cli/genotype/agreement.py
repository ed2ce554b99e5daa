"""Whether a wiring was found or drawn by lot: agreement of disjoint ensembles beside chance, and each edge's margin.

A search from one seed always returns a wiring; only other seeds tell whether they would have returned the same one.
"""

import math
import random
from collections.abc import Iterator, Sequence
from itertools import combinations
from statistics import fmean, stdev

from ftso_cli.genotype.schema import Agreement, Cell, Edge, Genotype

FOUND = 2.0
"""Standard errors by which an edge must lie before the strongest one left out to count as found, not drawn by lot."""

LARGEST_Z = 99.0
"""What stands for more, and for a difference without any error."""

SPLITS = 100
"""Ways to halve an ensemble that are looked at; all of them where there are no more."""

Wiring = frozenset[tuple[int, int]]
"""The edges (source, target) that a cell keeps."""


def chance(cell: Cell, keep: int) -> float:
    """The expected share of kept edges that two random wirings of this cell have in common.

    A node that keeps k of m earlier nodes shares k² / m of them with another draw: (Σ k² / m) / (Σ k) over the nodes.
    """
    kept = [min(keep, node) for node in cell.targets]
    return sum(k * k / m for k, m in zip(kept, cell.targets, strict=True)) / sum(kept)


def common_share(one: Wiring, other: Wiring) -> float:
    """The share of the edges of a wiring that another one of as many edges has too."""
    return len(one & other) / max(len(one), len(other))


def wiring(cell: Cell) -> Wiring:
    """The wiring that a cell has after pruning."""
    return frozenset((edge.source, edge.target) for edge in cell.kept)


def halves_agree(cell: Cell, keep: int, size: int | None = None) -> float:
    """The mean agreement of two disjoint ensembles of `size` of the cell's seeds each, by default half of them.

    It is a mean over ways to choose them; the choice is the same in every run.
    """
    seeds = len(cell.edges[0].scores or ())
    size = seeds // 2 if size is None else size
    return fmean(
        common_share(_kept_by(cell, keep, one), _kept_by(cell, keep, other)) for one, other in _pairs(seeds, size)
    )


def margin(edge: Edge, cell: Cell, keep: int) -> float | None:
    """By how many standard errors over the seeds a kept edge beats the strongest one left out at its node.

    For an edge that is left out: how far it is from the weakest one kept, below 0. None where the node keeps all its
    edges, or there are fewer than two seeds. A kept edge was chosen for being before its rival, so scores of noise have
    margins above 0 too: 0.7 in the mean over a DARTS cell and 16 seeds, and `FOUND` or more for 4 % of the kept edges.
    """
    ranked = cell.ranked(edge.target)
    if len(ranked) <= keep or len(edge.scores or ()) < 2:
        return None
    rival = ranked[keep] if edge in ranked[:keep] else ranked[keep - 1]
    differences = [mine - its for mine, its in zip(edge.scores or (), rival.scores or (), strict=True)]
    error = stdev(differences) / math.sqrt(len(differences))
    mean = fmean(differences)
    if error == 0:
        return math.copysign(LARGEST_Z, mean) if mean else 0.0
    return max(-LARGEST_Z, min(LARGEST_Z, mean / error))


def assessed(genotype: Genotype, keep: int) -> Genotype:
    """The genotype of an ensemble with the agreement of its halves and each edge's z, for nodes that keep `keep`."""
    if genotype.ensemble is None:
        return genotype
    cells = {kind: _with_margins(cell, keep) for kind, cell in genotype.cells.items()}
    agreement = {
        kind: Agreement(found=round(halves_agree(cell, keep), 4), chance=round(chance(cell, keep), 4))
        for kind, cell in genotype.cells.items()
        if len(genotype.ensemble.seeds) > 1
    }
    return genotype.replace(cells=cells, ensemble=genotype.ensemble.model_copy(update={"agreement": agreement}))


def by_lot(edge: Edge) -> bool:
    """Whether an ensemble could not tell this edge from the one that would take its place, or give it one."""
    return edge.kept and edge.z is not None and abs(edge.z) < FOUND


def left_out(edge: Edge) -> bool:
    """Whether an ensemble clearly prefers others to this edge, which pruning has not taken out yet."""
    return edge.kept and edge.z is not None and edge.z <= -FOUND


def found(genotype: Genotype) -> tuple[int, int]:
    """How many of the kept edges an ensemble found, and of how many there was a choice."""
    chosen = [edge for cell in genotype.cells.values() for edge in cell.kept if edge.z is not None]
    return sum(not by_lot(edge) for edge in chosen), len(chosen)


def _with_margins(cell: Cell, keep: int) -> Cell:
    edges = []
    for edge in cell.edges:
        z = margin(edge, cell, keep)
        edges.append(edge.model_copy(update={"z": None if z is None else round(z, 2)}))
    return Cell(edges=tuple(edges), concat=cell.concat)


def _kept_by(cell: Cell, keep: int, seeds: Sequence[int]) -> Wiring:
    """The wiring that an ensemble of these of the cell's seeds keeps."""
    edges = (edge.model_copy(update={"scores": tuple((edge.scores or ())[at] for at in seeds)}) for edge in cell.edges)
    part = cell.model_copy(update={"edges": tuple(edges)})
    return frozenset((edge.source, node) for node in part.targets for edge in part.ranked(node)[:keep])


def _pairs(seeds: int, size: int) -> Iterator[tuple[Sequence[int], Sequence[int]]]:
    """Disjoint pairs of `size` out of `seeds`: all halvings where they are few, else drawn ones, always the same."""
    if 2 * size == seeds and math.comb(seeds, size) // 2 <= SPLITS:
        for chosen in combinations(range(1, seeds), size - 1):
            one = (0, *chosen)
            yield one, [at for at in range(seeds) if at not in one]
        return
    draw = random.Random(0)
    for _ in range(SPLITS):
        order = draw.sample(range(seeds), 2 * size)
        yield order[:size], order[size:]
