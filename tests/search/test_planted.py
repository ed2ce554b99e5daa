"""Searches by gradient find the planted optimum of a toy table: every relaxation, with every decision."""

import random
from collections.abc import Callable, Mapping

import pytest
import torch
from torch import Tensor

from ftso_cli.genotype import Genotype
from ftso_cli.nn.supernet import MixingWeights, SuperNet, Wiring
from ftso_cli.search.joint import joint
from ftso_cli.search.phases import Search, prepare_operator_search, prepare_topology_search
from ftso_cli.settings.methods import METHODS
from ftso_cli.settings.requests.search import SearchBaseline
from ftso_cli.settings.requests.search_ops import SearchOperators
from ftso_cli.settings.requests.search_topology import SearchTopology
from ftso_cli.settings.searches import evaluates_cells
from tests.search.searches import CPU, OPS, SMALL, digits, wiring

BY_GRADIENT = tuple(name for name in METHODS if not evaluates_cells(name))
SHORT = {**SMALL, "cells": 2, "arch_lr": 0.3, "iters": 40}
"""Enough of the methods' own steps, at a rate at which a toy is decided: other seeds find it, too."""

Best = Mapping[str, Mapping[tuple[int, int], str]]
"""The best edges of each kind of cell, (source, target), with their best operators."""


def wiring_of(method: str | None, seed: int) -> Search:
    settings = SearchTopology(method=method, nodes=3, **SHORT).settings
    return prepare_topology_search(digits(), settings, seed=seed, device=CPU)


def operators_of(method: str | None, seed: int) -> Search:
    settings = SearchOperators(wiring(), method=method, ops=OPS, **SHORT).settings("darts")
    return prepare_operator_search(wiring(), digits(), settings, seed=seed, device=CPU)


def both_of(method: str, seed: int) -> Search:
    return joint(digits(), SearchBaseline(method, nodes=3, ops=OPS, **SHORT).settings, seed=seed, device=CPU)


DECISIONS: Mapping[str, Callable[[str, int], Search]] = {
    **{f"wiring by {name}": wiring_of for name in BY_GRADIENT if name != "p-darts"},
    **{f"operators by {name}": operators_of for name in BY_GRADIENT},
    **{f"both by {name}": both_of for name in BY_GRADIENT},
}
PAPER: Mapping[str, Callable[[int], Search]] = {
    "wiring": lambda seed: wiring_of(None, seed),
    "operators": lambda seed: operators_of(None, seed),
}


def planted(wirings: Mapping[str, Wiring], ops: tuple[str, ...]) -> Best:
    """Two edges into each node, each with one of the last two operators; where there is one operator, one edge.

    A node keeps two edges, but a relaxation that draws one of them learns which is best, not which comes second.
    """
    draws, edges = random.Random(7), 2 if len(ops) > 1 else 1
    return {
        kind: {
            wiring.edges[at]: draws.choice(ops[-2:])
            for _, into in wiring.nodes
            for at in draws.sample(range(into.start, into.stop), edges)
        }
        for kind, wiring in wirings.items()
    }


def with_toy_loss(run: Search) -> Best:
    """Let a search minimise a table, linear in the weights of candidates and edges, and return its optimum.

    A planted edge costs -1 with its operator, another edge 0 with the operator none, and all else costs 1.
    """
    net: SuperNet = run.engine.net
    best, costs = planted(net.wirings, net.ops), {}
    for kind in net.wirings:
        edges = net.wirings[kind].edges
        costs[kind] = torch.ones(len(edges), len(net.ops))
        for at, edge in enumerate(edges):
            if edge in best[kind]:
                costs[kind][at, net.ops.index(best[kind][edge])] = -1.0
            elif "none" in net.ops:
                costs[kind][at, net.ops.index("none")] = 0.0

    def loss(batch: object, mixing: MixingWeights | None) -> Tensor:
        mixing = mixing or run.engine.net.softmax()
        # A term of the weights, for second order to look ahead along.
        total = run.engine.net.weights()[0].square().mean()
        for kind, table in costs.items():
            total = total + (mixing.edge_weights[kind] * (mixing.candidate_weights[kind] * table).sum(1)).sum()
        return total

    run.engine.loss = loss
    return best


def found_by(run: Search) -> Best:
    """The edges of each cell found, and their operators; of a wiring, the strongest edge into each node."""
    found: Genotype = run.run(lambda progress: None)
    cells = {kind: cell.kept for kind, cell in found.cells.items()}
    if found.stage == "searched":
        cells = {
            kind: [max(cell.inputs_of(node), key=lambda edge: edge.beta) for node in cell.nodes]
            for kind, cell in found.cells.items()
        }
    return {kind: {(edge.source, edge.target): edge.op for edge in edges} for kind, edges in cells.items()}


@pytest.mark.parametrize("name", [*DECISIONS, *PAPER])
def test_it_finds_the_planted_optimum(name: str) -> None:
    run = PAPER[name](0) if name in PAPER else DECISIONS[name](name.rpartition(" ")[2], 0)
    best = with_toy_loss(run)
    assert found_by(run) == best
