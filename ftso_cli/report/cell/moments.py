"""The cell at a moment of its search: the leading candidate of each edge, and the edges that would be kept."""

from dataclasses import dataclass

from ftso_cli.report.cell.trace import CellTrace, Ends, Trace
from ftso_cli.spaces import Space


@dataclass(frozen=True, kw_only=True)
class Lead:
    """An edge at a moment: its share of its node's input, the candidate that leads and that one's share of all.

    None where not searched. `kept` tells whether the edge would be kept now.
    """

    ends: Ends
    share: float | None
    op: str | None
    chance: float | None
    kept: bool


def leads(trace: Trace, kind: str, at: int) -> tuple[Lead, ...]:
    """All edges of the cell of `kind` at the moment `at`, in the order of the trace.

    A topology search ranks the edges by β, the others by β and α: softmax(β) times that of the leading operator.
    """
    cell, space = trace.cells[kind], trace.space
    assert space is not None
    found = [_lead(cell, space, ends, at) for ends in cell.edges]
    by_beta = trace.command == "search-topology" and bool(cell.betas)
    strength = {
        lead.ends: (1 if lead.share is None else lead.share) * (1 if by_beta or lead.chance is None else lead.chance)
        for lead in found
    }
    kept = {
        ends
        for node in {target for _, target in cell.edges}
        for ends in sorted((e for e in cell.edges if e[1] == node), key=lambda e: (-strength[e], e[0]))[: space.keep]
    }
    return tuple(
        Lead(ends=lead.ends, share=lead.share, op=lead.op, chance=lead.chance, kept=lead.ends in kept) for lead in found
    )


def _lead(cell: CellTrace, space: Space, ends: Ends, at: int) -> Lead:
    share = cell.betas[at][ends] if cell.betas else None
    if not cell.alphas:
        return Lead(ends=ends, share=share, op=None, chance=None, kept=True)
    shares = dict(zip(cell.ops, cell.alphas[at][ends], strict=True))
    allowed = [op for op in shares if op not in space.never_derived] or list(shares)
    op = max(allowed, key=shares.__getitem__)
    return Lead(ends=ends, share=share, op=op, chance=shares[op], kept=True)
