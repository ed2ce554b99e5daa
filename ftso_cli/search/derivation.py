"""Reading a cell off a super-net: the strongest operators and edges, within limits where there are any."""

import math
from collections.abc import Callable, Mapping

from ftso_cli.costs.conventions import multiply_adds
from ftso_cli.costs.edges import edge_costs
from ftso_cli.costs.networks import preset
from ftso_cli.errors import SettingsError
from ftso_cli.genotype import FORMAT, Cell, Edge, Genotype
from ftso_cli.nn.supernet import SuperNet
from ftso_cli.search.limit import Limit
from ftso_cli.spaces import Space

Charges = Mapping[str, list[list[float]]]
"""Deductions from the logarithm of each candidate's weight, (edges, candidates), by kind."""

Derive = Callable[[Charges | None], Genotype]
"""Reads off the cell that is strongest after charges."""

SKIP = "skip_connect"

LARGEST = 1e9
"""A charge for the whole limit at which only costs count."""

STEPS = 40
"""Halvings of the logarithm of the charge."""


def derived(net: SuperNet, space: Space, charges: Charges | None = None, most_skips: int | None = None) -> Genotype:
    """The cell that a joint search has found so far, with at most so many skip connections in a cell of stride 1.

    An edge is as strong as its strongest operator (in darts but `none`), softmax(α) over all candidates, times
    softmax(β) where edges are weighed. Each node keeps its two strongest (DARTS, section 2.4; PC-DARTS, section 3.3),
    in nats all of them.
    """

    def cell(kind: str, own: list[list[float]] | None) -> Cell:
        return _cell(net, kind, space, own)

    cells = {kind: _with_few_skips(cell, net, kind, space, charges, most_skips) for kind in space.kinds}
    return Genotype(format=FORMAT, space=space.name, stage="complete", searched_ops=net.ops, cells=cells)


def with_strongest_operators(
    genotype: Genotype, net: SuperNet, space: Space, charges: Charges | None = None, most_skips: int | None = None
) -> Genotype:
    """The genotype, each of its kept edges with its strongest candidate; skip connections as in `derived`."""

    def cell(kind: str, own: list[list[float]] | None) -> Cell:
        return _decided_cell(net, kind, genotype.cells[kind], space, own)

    cells = {kind: _with_few_skips(cell, net, kind, space, charges, most_skips) for kind in genotype.cells}
    return genotype.replace(stage="complete", cells=cells, about=None)


def within(limit: Limit, net: SuperNet, space: Space, derive: Derive) -> Callable[[], Genotype]:
    """Return what reads off the strongest cell that keeps to a limit; raises `SettingsError` where none does.

    Every candidate is charged λ times its share of the limit, and λ is the least for which the cell keeps to it: the
    Lagrangian relaxation of the choice. It may leave a little of the budget unused.
    """
    if not limit:
        return lambda: derive(None)
    shares = _shares(limit, net, space)

    def at(factor: float) -> Genotype:
        return derive({kind: [[factor * share for share in row] for row in rows] for kind, rows in shares.items()})

    def fitted() -> Genotype:
        found = derive(None)
        if limit.allows(found):
            return found
        found = at(LARGEST)
        if not limit.allows(found):
            raise SettingsError(limit.refusal(found))
        low, high = -math.log(LARGEST), math.log(LARGEST)
        for _ in range(STEPS):
            middle = (low + high) / 2
            tried = at(math.exp(middle))
            low, high, found = (low, middle, tried) if limit.allows(tried) else (middle, high, found)
        return found

    return fitted


def _shares(limit: Limit, net: SuperNet, space: Space) -> Charges:
    """The cost of every candidate as a share of the limit, added up over all that is limited."""
    edges = {kind: wiring.edges for kind, wiring in net.wirings.items()}
    concat = {kind: len(wiring.concat) for kind, wiring in net.wirings.items()}
    found = edge_costs(edges, concat, net.ops, space, preset(space.name, limit.setting)).edges
    times = None if limit.latencies is None else limit.latencies.of_edges(edges, net.ops)

    def share(kind: str, edge: int, op: int) -> float:
        cost = found[kind][edge][op]
        of_macs = multiply_adds(cost, space.convention) / limit.macs if limit.macs else 0.0
        of_params = cost.params / limit.params if limit.params else 0.0
        return of_macs + of_params + (times[kind][edge][op] / limit.milliseconds if times and limit.milliseconds else 0)

    return {
        kind: [[share(kind, at, op) for op in range(len(net.ops))] for at in range(len(its))]
        for kind, its in edges.items()
    }


def strongest(alpha: Mapping[str, float], space: Space, charges: Mapping[str, float] | None = None) -> str:
    """The candidate with the largest α, less its charge, that a found cell may carry; the first of equals."""
    allowed = [op for op in alpha if op not in space.never_derived]
    return max(allowed, key=lambda op: alpha[op] - (0.0 if charges is None else charges[op]))


def alphas(net: SuperNet, kind: str) -> list[dict[str, float] | None]:
    """α of every edge by candidate that is live, None where there is one candidate."""
    if kind not in net.alpha:
        return [None] * len(net.wirings[kind].edges)
    rows = net.live_alpha(kind).tolist()
    return [{op: value for op, value in zip(net.ops, row, strict=True) if value > -math.inf} for row in rows]


def betas(net: SuperNet, kind: str) -> list[float | None]:
    """β of every edge, None where edges are not weighed."""
    return net.beta[kind].tolist() if kind in net.beta else [None] * len(net.wirings[kind].edges)


def _with_few_skips(
    read: Callable[[str, list[list[float]] | None], Cell],
    net: SuperNet,
    kind: str,
    space: Space,
    charges: Charges | None,
    most: int | None,
) -> Cell:
    """The cell of a kind; while it has too many skip connections, the weakest is ruled out and it is read again.

    P-DARTS, section 3.3; there, too, in normal cells alone.
    """
    own = None if charges is None else [list(row) for row in charges[kind]]
    cell = read(kind, own)
    if most is None or SKIP not in net.ops or space.stride(kind, 0) != 1:
        return cell
    place, edges = net.ops.index(SKIP), net.wirings[kind].edges
    shares = (net.candidate_weights(kind) * net.edge_weights(kind)[:, None])[:, place].tolist()
    own = own or [[0.0] * len(net.ops) for _ in edges]
    left = set(range(len(edges)))
    while len(skips := [edges.index((each.source, each.target)) for each in cell.kept if each.op == SKIP]) > most:
        if not (can := left.intersection(skips)):
            return cell
        weakest = min(can, key=lambda at: shares[at])
        left.remove(weakest)
        own[weakest][place] = math.inf
        cell = read(kind, own)
    return cell


def _cell(net: SuperNet, kind: str, space: Space, charges: list[list[float]] | None) -> Cell:
    wiring = net.wirings[kind]
    shares = (net.candidate_weights(kind) * net.edge_weights(kind)[:, None]).tolist()
    charged = [None] * len(shares) if charges is None else charges
    found = list(zip(wiring.edges, alphas(net, kind), betas(net, kind), shares, charged, strict=True))
    edges = []
    for _, positions in wiring.nodes:
        into = []
        for (source, target), alpha, beta, row, own in found[positions]:
            by_op = None if own is None else dict(zip(net.ops, own, strict=True))
            op = strongest(alpha or {}, space, by_op)
            share = row[net.ops.index(op)]
            worth = share if by_op is None else math.log(max(share, math.ulp(0.0))) - by_op[op]
            into.append((worth, Edge(source=source, target=target, op=op, alpha=alpha, beta=beta)))
        ranked = sorted(into, key=lambda pair: (-pair[0], pair[1].source))
        edges += [
            edge if place < space.keep else edge.model_copy(update={"kept": False})
            for place, (_, edge) in enumerate(ranked)
        ]
    return Cell(edges=tuple(edges), concat=wiring.concat)


def _decided_cell(net: SuperNet, kind: str, cell: Cell, space: Space, charges: list[list[float]] | None) -> Cell:
    pruned = tuple(edge for edge in cell.edges if not edge.kept)
    charged = [None] * len(cell.kept) if charges is None else charges
    edges = []
    for edge, alpha, beta, own in zip(cell.kept, alphas(net, kind), betas(net, kind), charged, strict=True):
        by_op = None if own is None else dict(zip(net.ops, own, strict=True))
        op = strongest(alpha or dict.fromkeys(net.ops, 0.0), space, by_op)
        edges.append(edge.model_copy(update={"op": op, "alpha": alpha, "beta_ops": beta}))
    return Cell(edges=pruned + tuple(edges), concat=cell.concat)
