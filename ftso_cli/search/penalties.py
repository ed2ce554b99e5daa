"""Penalties: what a search by gradient adds to the held-out loss besides the cross-entropy, as a function of α and β.

With p = softmax(α) of an edge, s the share of the edges into its node that the edge is expected to have, and c the cost
of a candidate there, in all cells of its kind:

macs, params,  Σ s p c / Σ s max c: the expected cost of the edges, 1 where every edge has its dearest candidate
latency                                  (ProxylessNAS, Cai et al., 2019, section 4.1; with latency for c)
entropy        the mean of -Σ p log p / log n over edges: 0 where each has decided, 1 where none has
kl             Σ KL(Dirichlet(elu(α) + 1) | Dirichlet(1)) (DrNAS, Chen et al., 2021, equation 5)
"""

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from ftso_cli.costs.edges import edge_costs
from ftso_cli.costs.layers import Cost
from ftso_cli.nn.latency import LatencyTable
from ftso_cli.nn.supernet import MixingWeights, SuperNet
from ftso_cli.processes import check_alone
from ftso_cli.search.latencies import NetworkLatencies
from ftso_cli.search.relaxations import concentration
from ftso_cli.spaces import Space
from ftso_cli.spaces.darts import Evaluation

Penalty = Callable[[SuperNet, MixingWeights], Tensor]
"""A number that a search makes small, of a super-net and the mean weights of its candidates and edges."""


CandidateCosts = Callable[[SuperNet, Space, Evaluation], Mapping[str, list[list[float]]]]
"""Tells the cost of each candidate on each edge, by kind of cell, in all cells of a network together."""


def penalty(weights: Mapping[str, float], net: SuperNet, space: Space, network: Evaluation) -> Penalty | None:
    """Return the weighted sum of the penalties by name; costs are those of cells in a network. None for none."""
    terms = [(weight, _PENALTIES[name](net, space, network)) for name, weight in weights.items()]
    if not terms:
        return None
    return lambda net, mix: torch.stack([weight * term(net, mix) for weight, term in terms]).sum()


def entropy(net: SuperNet, mix: MixingWeights) -> Tensor:
    """Return the mean entropy of the candidates of an edge, as a share of the largest that there is."""
    p = torch.cat([mix.candidate_weights[kind] for kind in net.alpha])
    return -(p * p.clamp_min(torch.finfo(p.dtype).tiny).log()).sum(1).mean() / math.log(p.shape[1])


def kl(net: SuperNet, mix: MixingWeights) -> Tensor:
    """Return the sum over edges of KL(Dirichlet(c) | Dirichlet(1)), c = elu(α) + 1."""
    c = torch.cat([concentration(alpha) for alpha in net.alpha.values()])
    total = c.sum(1, keepdim=True)
    mean_log = torch.digamma(c) - torch.digamma(total)
    of_each = total.squeeze(1).lgamma() - c.lgamma().sum(1) - math.lgamma(c.shape[1]) + ((c - 1) * mean_log).sum(1)
    return of_each.sum()


def _counted(read: Callable[[Cost], int]) -> CandidateCosts:
    """Return what counts a cost of each candidate on each edge."""

    def count(net: SuperNet, space: Space, network: Evaluation) -> Mapping[str, list[list[float]]]:
        edges = {kind: wiring.edges for kind, wiring in net.wirings.items()}
        concat = {kind: len(wiring.concat) for kind, wiring in net.wirings.items()}
        found = edge_costs(edges, concat, net.ops, space, network).edges
        return {kind: [[float(read(cost)) for cost in row] for row in rows] for kind, rows in found.items()}

    return count


def _milliseconds(net: SuperNet, space: Space, network: Evaluation) -> Mapping[str, list[list[float]]]:
    """Time each candidate on each edge, on the device of the super-net."""
    check_alone("the penalty latency is one of a single process")
    edges = {kind: wiring.edges for kind, wiring in net.wirings.items()}
    table = LatencyTable(next(net.parameters()).device)
    return NetworkLatencies(table, space, network).of_edges(edges, net.ops)


def _expected(costs_of: CandidateCosts) -> Callable[[SuperNet, Space, Evaluation], Penalty]:
    """Return what makes the penalty of an expected cost."""

    def make(net: SuperNet, space: Space, network: Evaluation) -> Penalty:
        costs = costs_of(net, space, network)

        def expected(net: SuperNet, mix: MixingWeights) -> Tensor:
            total, dearest = 0.0 * mix.candidate_weights[space.kinds[0]].sum(), 0.0
            for kind, wiring in net.wirings.items():
                c = mix.candidate_weights[kind].new_tensor(costs[kind])
                into = [len(wiring.edges[edges]) for _, edges in wiring.nodes for _ in wiring.edges[edges]]
                kept = c.new_tensor([min(space.keep, count) for count in into])
                even = kept / c.new_tensor(into)
                share = kept * mix.edge_weights[kind] if kind in net.beta else even
                total = total + (share * (mix.candidate_weights[kind] * c).sum(1)).sum()
                dearest += float((even * c.max(1).values).sum())
            return total / (dearest or 1.0)

        return expected

    return make


_PENALTIES: Mapping[str, Callable[[SuperNet, Space, Evaluation], Penalty]] = {
    "macs": _expected(_counted(lambda cost: cost.macs)),
    "params": _expected(_counted(lambda cost: cost.params)),
    "latency": _expected(_milliseconds),
    "entropy": lambda net, space, network: entropy,
    "kl": lambda net, space, network: kl,
}
