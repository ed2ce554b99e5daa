"""Genotypes to draw that no search is needed for: uniform cells, and searched ones with known β and α."""

from collections.abc import Mapping, Sequence
from typing import Any

from ftso_cli.genotype import FORMAT, Cell, Edge, Genotype, edit

DEEP = {2: (0, 1), 3: (1, 2), 4: (2, 3), 5: (3, 4)}
WIDE = {node: (0, 1) for node in range(2, 6)}
FULL = {node: range(node) for node in range(2, 6)}


def genotype(normal: Cell, reduce: Cell | None = None, **fields: Any) -> Genotype:
    """A genotype of the DARTS space, complete unless said; both cells alike unless given."""
    cells = {"normal": normal, "reduce": reduce or normal}
    return Genotype(**{"format": FORMAT, "space": "darts", "stage": "complete", "cells": cells, **fields})


def cell(wiring: Mapping[int, Sequence[int]], **fields: Any) -> Cell:
    """A cell of `wiring`, node to sources, with the same fields on every edge; all nodes form the output."""
    edges = tuple(Edge(source=source, target=node, **fields) for node, sources in wiring.items() for source in sources)
    return Cell(edges=edges, concat=tuple(wiring))


def with_beta(plain: Cell) -> Cell:
    """The cell with a β that grows by 0.5 with an edge's source, so that no two edges into a node are alike."""
    edges = tuple(edge.model_copy(update={"beta": 0.5 * edge.source}) for edge in plain.edges)
    return Cell(edges=edges, concat=plain.concat)


def searched() -> Genotype:
    """A searched topology: skip on 14 edges a cell, with β."""
    return genotype(with_beta(cell(FULL, op="skip_connect")), stage="searched", searched_ops=("skip_connect",))


def pruned() -> Genotype:
    """The searched topology, pruned to two edges a node, with a 3x3 separable convolution on each."""
    return edit.assign_operator(edit.keep_strongest(searched())[0], "sep_conv_3x3")


def weighed() -> Genotype:
    """A pruned topology whose edges still weigh three candidates; `none` is the strongest, then dil_conv_5x5."""
    alpha = {"none": 2.0, "skip_connect": 0.0, "dil_conv_5x5": 1.0}
    return genotype(cell(WIDE, alpha=alpha), stage="pruned")
