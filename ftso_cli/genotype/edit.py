"""The edits of a genotype: pruning edges, assigning operators. Nothing searched is lost."""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass

from pydantic import ValidationError

from ftso_cli.errors import GenotypeError, SettingsError
from ftso_cli.genotype.agreement import with_agreement
from ftso_cli.genotype.schema import Cell, Edge, Genotype
from ftso_cli.genotype.storage import describe_error
from ftso_cli.shell import FILE
from ftso_cli.spaces import SPACES, Space, operator


@dataclass(frozen=True, kw_only=True)
class Tie:
    """Edges into one node that were equally strong where the line between kept and pruned was drawn."""

    kind: str
    node: int
    kept: tuple[int, ...]
    pruned: tuple[int, ...]

    def __str__(self) -> str:
        kept, pruned = (", ".join(map(str, nodes)) for nodes in (self.kept, self.pruned))
        return f"{self.kind} cell, node {self.node}: inputs {kept} and {pruned} tie; the earlier kept"


def shares(cell: Cell) -> tuple[float | None, ...]:
    """Each edge's share of its node's input, in 0..1, in the order of `cell.edges`; None where an edge has no β.

    The share is the softmax of β over all edges that were searched into the node (PC-DARTS), pruned ones included.
    """
    tops: dict[int, float] = {}
    for edge in cell.edges:
        if edge.beta is not None:
            tops[edge.target] = max(edge.beta, tops.get(edge.target, -math.inf))
    weights = [None if edge.beta is None else math.exp(edge.beta - tops[edge.target]) for edge in cell.edges]
    totals: dict[int, float] = {}
    for edge, weight in zip(cell.edges, weights, strict=True):
        totals[edge.target] = totals.get(edge.target, 0.0) + (weight or 0.0)
    return tuple(
        None if weight is None else weight / totals[edge.target]
        for edge, weight in zip(cell.edges, weights, strict=True)
    )


def keep_strongest(genotype: Genotype, keep: int | None = None) -> tuple[Genotype, list[Tie]]:
    """Keeps the `keep` strongest edges into each node (Algorithm 1, lines 7 to 11), and lists the ties on the line.

    The paper's line 10 would keep every edge that ties with the second strongest; here a node keeps exactly `keep`,
    the earlier source first. Edges stay in the file with `kept=False`, so another `keep` can be asked for later.
    Raises `GenotypeError` where edges have no β to rank by, or a strong edge leaves a node that nothing reaches.
    """
    keep = SPACES[genotype.space].keep if keep is None else keep
    if keep < 1:
        raise SettingsError(f"keep must be at least 1, not {keep}")
    if genotype.stage == "complete":
        raise GenotypeError("has its operators already, so nothing is left to prune; start from the searched file")
    ties: list[Tie] = []
    cells = {kind: _prune_cell(kind, cell, keep, ties) for kind, cell in genotype.cells.items()}
    try:
        return with_agreement(genotype.replace(stage="pruned", cells=cells), keep), ties
    except ValidationError as error:
        raise GenotypeError(describe_error(error)) from None


def _prune_cell(kind: str, cell: Cell, keep: int, ties: list[Tie]) -> Cell:
    edges: list[Edge] = []
    for edge in cell.edges:
        if edge.strength is None:
            raise GenotypeError(f"cells.{kind}: edge {edge} has no β to rank by; search the topology first")
    for node in cell.targets:
        ranked = cell.ranked(node)
        edges += [edge.model_copy(update={"kept": rank < keep}) for rank, edge in enumerate(ranked)]
        if len(ranked) > keep and ranked[keep - 1].strength == ranked[keep].strength:
            ties.append(_tie(kind, node, ranked, keep))
    return Cell(edges=tuple(edges), concat=cell.concat)


def _tie(kind: str, node: int, ranked: list[Edge], keep: int) -> Tie:
    line = ranked[keep].strength
    kept = tuple(edge.source for edge in ranked[:keep] if edge.strength == line)
    pruned = tuple(edge.source for edge in ranked[keep:] if edge.strength == line)
    return Tie(kind=kind, node=node, kept=kept, pruned=pruned)


Choose = Callable[[str, Edge], str]
"""The operator for an edge of a cell of this kind."""


def assign_chosen(genotype: Genotype, choose: Choose) -> Genotype:
    """Gives every kept edge the operator that `choose` names; with one for all, Algorithm 2, lines 1 and 2.

    What is known about a published cell is left out: with other operators it is another cell.
    Raises `GenotypeError` where the wiring is not decided yet, `SpaceError` for an operator that the space lacks.
    """
    require_pruned(genotype, "assign-ops")
    valid = SPACES[genotype.space].derivable

    def chosen(kind: str, edge: Edge) -> Edge:
        return edge.model_copy(update={"op": operator(choose(kind, edge), valid).name}) if edge.kept else edge

    cells = {
        kind: Cell(edges=tuple(chosen(kind, edge) for edge in cell.edges), concat=cell.concat)
        for kind, cell in genotype.cells.items()
    }
    return genotype.replace(stage="complete", cells=cells, about=None)


def assign_operator(genotype: Genotype, op: str) -> Genotype:
    """Gives every kept edge the operator `op`; see `assign_chosen`."""
    return assign_chosen(genotype, lambda kind, edge: op)


def random_choice(space: Space, seed: int) -> Choose:
    """Any candidate that a found cell may carry, any as likely (Shu et al., 2020, on random operators)."""
    draw = random.Random(seed)
    allowed = [op for op in space.candidates if op not in space.never_derived]
    return lambda kind, edge: draw.choice(allowed)


def require_pruned(genotype: Genotype, command: str) -> None:
    """Raises `GenotypeError` where the wiring is still to be decided, with the command that does."""
    if genotype.stage == "searched":
        raise GenotypeError(f"is not pruned, which {command} needs; run: ftso prune {FILE}")


def require_searchable(genotype: Genotype) -> None:
    """Raises `GenotypeError` where an operator search has no edges to choose operators for."""
    require_pruned(genotype, "search-ops")
    for kind, cell in genotype.cells.items():
        if not cell.kept:
            raise GenotypeError(f"cells.{kind}: keeps no edge, so there is no operator to search")


def require_complete(genotype: Genotype, command: str) -> None:
    """Raises `GenotypeError` where operators are still to be chosen, with the commands that do."""
    require_pruned(genotype, command)
    if genotype.stage == "pruned":
        op = SPACES[genotype.space].default_operator
        raise GenotypeError(f"has no operators yet, which {command} needs; run: ftso assign-ops {FILE} --op {op}")
