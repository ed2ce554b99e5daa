"""Agreement of disjoint ensembles, its chance level, and the significance of each edge.

A search from one seed always returns a wiring; only other seeds tell whether they would have returned the same one.
"""

import math
import random
from collections.abc import Iterator, Sequence
from itertools import combinations
from statistics import fmean
from typing import TYPE_CHECKING

from ftso_cli.genotype.schema import Agreement, Cell, Edge, Genotype

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SIGNIFICANT = 2.0
"""The z from which an edge is significant: standard errors of its lead over the strongest edge left out."""

LARGEST_Z = 99.0
"""The z of a larger lead, and of a difference without any error."""

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
    return len(one & other) / max(len(one), len(other)) if one or other else 1.0


def pruned_wiring(cell: Cell) -> Wiring:
    """The wiring that a cell has after pruning."""
    return frozenset((edge.source, edge.target) for edge in cell.kept)


def split_half_agreement(cell: Cell, keep: int, size: int | None = None) -> float:
    """The mean agreement of two disjoint ensembles of `size` of the cell's seeds each, by default half of them.

    It is a mean over ways to choose them; the choice is the same in every run.
    """
    # Imported here because it takes a while, which cells from one seed have no need of.
    import numpy as np

    seeds = len(cell.edges[0].scores or ())
    pairs = list(_pairs(seeds, seeds // 2 if size is None else size))
    scores = np.array([edge.scores for edge in cell.edges])
    kept = [_kept_by(cell, keep, scores, [pair[side] for pair in pairs]) for side in (0, 1)]
    common = (kept[0] & kept[1]).sum(0)
    return float((common / np.maximum(kept[0].sum(0), kept[1].sum(0))).mean())


def z_scores(cell: Cell, keep: int) -> list[float | None]:
    """For each edge, the standard errors over the seeds by which a kept one beats the strongest left out at its node.

    For an edge that is left out: how far it is from the weakest one kept, below 0. None where the node keeps all its
    edges, or there are fewer than two seeds. A kept edge was chosen for being before its rival, so scores of noise have
    margins above 0 too: 0.7 in the mean over a DARTS cell and 16 seeds, and `SIGNIFICANT` or more for 4 % of the kept
    edges.
    """
    found: list[float | None] = [None] * len(cell.edges)
    for places in _by_node(cell):
        ranked = sorted(places, key=lambda at: (-(cell.edges[at].strength or 0.0), cell.edges[at].source))
        if len(ranked) <= keep or len(cell.edges[ranked[0]].scores or ()) < 2:
            continue
        for rank, at in enumerate(ranked):
            rival = ranked[keep] if rank < keep else ranked[keep - 1]
            found[at] = _margin(cell.edges[at].scores or (), cell.edges[rival].scores or ())
    return found


def _margin(scores: Sequence[float], of_rival: Sequence[float]) -> float:
    differences = [mine - its for mine, its in zip(scores, of_rival, strict=True)]
    mean = fmean(differences)
    variance = math.fsum((difference - mean) ** 2 for difference in differences) / (len(differences) - 1)
    error = math.sqrt(variance / len(differences))
    if error == 0:
        return math.copysign(LARGEST_Z, mean) if mean else 0.0
    return max(-LARGEST_Z, min(LARGEST_Z, mean / error))


def with_agreement(genotype: Genotype, keep: int) -> Genotype:
    """The genotype of an ensemble with the agreement of its halves and each edge's z, for nodes that keep `keep`."""
    if genotype.ensemble is None:
        return genotype
    cells = {kind: _with_margins(cell, keep) for kind, cell in genotype.cells.items()}
    agreement = {
        kind: Agreement(found=round(split_half_agreement(cell, keep), 4), chance=round(chance(cell, keep), 4))
        for kind, cell in genotype.cells.items()
        if len(genotype.ensemble.seeds) > 1
    }
    return genotype.replace(cells=cells, ensemble=genotype.ensemble.model_copy(update={"agreement": agreement}))


def at_chance(edge: Edge) -> bool:
    """Return True for a kept edge that is not significant: at chance."""
    return edge.kept and edge.z is not None and abs(edge.z) < SIGNIFICANT


def significantly_weaker(edge: Edge) -> bool:
    """Return True for an edge not pruned yet that is significantly weaker than those its node keeps."""
    return edge.kept and edge.z is not None and edge.z <= -SIGNIFICANT


def count_significant(genotype: Genotype) -> tuple[int, int]:
    """Return the numbers of significant kept edges, and of kept edges with a choice."""
    chosen = [edge for cell in genotype.cells.values() for edge in cell.kept if edge.z is not None]
    return sum(not at_chance(edge) for edge in chosen), len(chosen)


def _with_margins(cell: Cell, keep: int) -> Cell:
    edges = tuple(
        edge.model_copy(update={"z": None if z is None else round(z, 2)})
        for edge, z in zip(cell.edges, z_scores(cell, keep), strict=True)
    )
    return Cell(edges=edges, concat=cell.concat)


def _by_node(cell: Cell) -> list[list[int]]:
    """The places of the edges into each node, in the order of the cell."""
    places: dict[int, list[int]] = {}
    for at, edge in enumerate(cell.edges):
        places.setdefault(edge.target, []).append(at)
    return list(places.values())


def _kept_by(
    cell: Cell, keep: int, scores: "NDArray[np.float64]", parts: Sequence[Sequence[int]]
) -> "NDArray[np.bool_]":
    """The pairs of nodes that are joined, a column for the wiring that each of the parts of the seeds keeps.

    Means that differ by rounding alone are equal.
    """
    import numpy as np

    chosen = np.zeros((scores.shape[1], len(parts)))
    for column, part in enumerate(parts):
        chosen[list(part), column] = 1 / len(part)
    scale = np.abs(scores).max() or 1.0
    means = np.round(scores @ chosen / scale, 12)
    ends = list(dict.fromkeys((edge.source, edge.target) for edge in cell.edges))
    row = {pair: at for at, pair in enumerate(ends)}
    kept = np.zeros((len(ends), len(parts)), dtype=bool)
    for places in _by_node(cell):
        # Edges stand in order of their sources: of equals, the earlier one.
        best = np.argsort(-means[places], axis=0, kind="stable")[:keep]
        rows = np.array([row[cell.edges[at].source, cell.edges[at].target] for at in places])
        kept[rows[best], np.arange(len(parts))] = True
    return kept


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
