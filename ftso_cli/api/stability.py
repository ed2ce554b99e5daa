"""The verb that tells whether other seeds would have found the same wiring: stability."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from ftso_cli.api.cells import read, reference_names
from ftso_cli.api.edits import pruned
from ftso_cli.api.verbs import verb
from ftso_cli.errors import GenotypeError
from ftso_cli.genotype import Genotype
from ftso_cli.genotype.agreement import chance, common_share, pruned_wiring, split_half_agreement
from ftso_cli.settings.requests.looks import StabilityRequest
from ftso_cli.spaces import SPACES


@dataclass(frozen=True, kw_only=True)
class CommonEdges:
    """The shares of edges in common of a kind of cell, and that of random wirings.

    Shares are by the size of disjoint parts of an ensemble, as "4", or by pair of files.
    """

    chance: float
    shares: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Stability:
    """The agreement of wirings by kind of cell: of disjoint parts of `seeds`, or of several `files`."""

    cells: Mapping[str, CommonEdges]
    seeds: int | None = None
    files: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@verb(StabilityRequest)
def stability(request: StabilityRequest) -> Stability:
    """Tell whether other seeds find the same wiring: the share of edges in common, and its chance level.

    One cell of a search with `seeds`: agreement of disjoint ensembles of 1, 2, 4, ... of its seeds, up to its halves.
    Several cells: agreement of their wirings, each with each.
    Raises `GenotypeError` for one cell of one search, and for cells whose wirings can't be compared.
    """
    genotypes, names = [read(cell) for cell in request.cells], reference_names(request.cells)
    return _within(genotypes[0], names[0]) if len(genotypes) == 1 else _between(genotypes, names)


def _within(genotype: Genotype, cell: str) -> Stability:
    """Return the agreement of disjoint parts of an ensemble, by their size."""
    seeds = 0 if genotype.ensemble is None else len(genotype.ensemble.seeds)
    if seeds < 2:
        raise GenotypeError(f"{cell}: holds one search; compare it with others, or search with --seeds 0-15")
    keep = SPACES[genotype.space].keep
    sizes = sorted({2**power for power in range(seeds.bit_length()) if 2 ** (power + 1) <= seeds} | {seeds // 2})
    cells = {
        kind: CommonEdges(
            chance=chance(found, keep), shares={str(size): split_half_agreement(found, keep, size) for size in sizes}
        )
        for kind, found in genotype.cells.items()
    }
    return Stability(cells=cells, seeds=seeds)


def _between(genotypes: Sequence[Genotype], names: Sequence[str]) -> Stability:
    """Return the agreement of each cell's wiring with each other's."""
    first = genotypes[0]
    for genotype, name in zip(genotypes, names, strict=True):
        if genotype.space != first.space or _nodes(genotype) != _nodes(first):
            raise GenotypeError(f"{name}: has other cells than {names[0]}, so their wirings can't be compared")
    wired = [
        pruned(genotype, name)[0] if genotype.stage == "searched" else genotype
        for genotype, name in zip(genotypes, names, strict=True)
    ]
    keep = SPACES[first.space].keep
    cells = {
        kind: CommonEdges(
            chance=chance(first.cells[kind], keep),
            shares={
                f"{one} {other}": common_share(pruned_wiring(a.cells[kind]), pruned_wiring(b.cells[kind]))
                for (one, a), (other, b) in combinations(zip(names, wired, strict=True), 2)
            },
        )
        for kind in first.cells
    }
    return Stability(cells=cells, files=tuple(names), warnings=tuple(_shared_seeds(genotypes, names)))


def _nodes(genotype: Genotype) -> dict[str, tuple[int, ...]]:
    return {kind: cell.targets for kind, cell in genotype.cells.items()}


def _shared_seeds(genotypes: Sequence[Genotype], names: Sequence[str]) -> list[str]:
    """Warn of ensembles that have seeds in common: they agree more than disjoint ones would."""
    warnings = []
    for (one, a), (other, b) in combinations(zip(names, map(_seeds, genotypes), strict=True), 2):
        shared = a & b
        if shared:
            warnings.append(f"{one} and {other} have {len(shared)} seeds in common, which makes them agree")
    return warnings


def _seeds(genotype: Genotype) -> set[int]:
    if genotype.ensemble is not None:
        return set(genotype.ensemble.seeds)
    return {step.seed for step in genotype.history if step.command == "search-topology" and step.seed is not None}
