"""DARTS text: `Genotype(normal=[('sep_conv_3x3', 1), ...], normal_concat=range(2, 6), reduce=..., reduce_concat=...)`.

Entries 2i and 2i + 1 of a cell feed node i + 2. Files in use differ: entries in one list, or in a list for each node
(pt.darts, GDAS); a third element with the weight of the edge (GDAS); or `(op, to, from)` (FairDARTS).
"""

import re
from keyword import iskeyword
from typing import Any

from ftso_cli.errors import GenotypeError, short
from ftso_cli.genotype.formats.literal import FIELDS
from ftso_cli.genotype.formats.plain import NOTES, Plain, as_edge, as_list, as_nodes, in_pairs, pick, wiring_only
from ftso_cli.genotype.schema import About, Cell, Genotype
from ftso_cli.spaces import DARTS

WEIGHTS = "the weights of edges (third element of an entry)"

LACKED = ("conv_1x1", "conv_3x3")
"""Operators that the code of DARTS has no entry for."""

VARIABLE = re.compile(r"[A-Za-z_]\w{0,99}", re.ASCII)
"""A name that stands before `= Genotype(...)`."""


def read_cells(fields: Any, *, fairdarts: bool = False) -> Plain:
    """The cells of a `Genotype(...)`, given its fields; with `fairdarts`, entries of three are (op, to, from)."""
    plain = Plain(loose=fairdarts)
    pick(fields, "a genotype", *FIELDS)
    for kind in DARTS.kinds:
        if fields[kind] is None:
            raise GenotypeError(f"{kind} is None: a fixed cell outside the DARTS space, which no genotype file holds")
        entries = as_list(fields[kind], kind)
        concat = as_nodes(fields[f"{kind}_concat"], f"{kind}_concat")
        if fairdarts and any(isinstance(entry, list) and len(entry) == 3 for entry in entries):
            _read_fairdarts(kind, entries, concat, plain)
        else:
            nodes = _nodes(kind, entries)
            plain.edges[kind] = [_edge(entry, node, plain) for node, inputs in nodes for entry in inputs]
            plain.concat[kind] = concat
    for name in fields:
        if name not in FIELDS:
            plain.lose(short(name))
    return plain


def _nodes(kind: str, entries: list[Any]) -> list[tuple[int, list[Any]]]:
    """The entries that feed each node, from either layout."""
    if entries and all(isinstance(entry, list) and entry and isinstance(entry[0], list) for entry in entries):
        return list(enumerate(entries, DARTS.inputs))
    if len(entries) % 2:
        raise GenotypeError(f"{kind} has {len(entries)} entries, and every node takes two")
    return [(DARTS.inputs + at // 2, entries[at : at + 2]) for at in range(0, len(entries), 2)]


def _edge(entry: Any, node: int, plain: Plain) -> tuple[str, int, int]:
    match entry:
        case [str() as op, int() as source]:
            return op, source, node
        case [str() as op, int() as source, float()]:
            plain.lose(WEIGHTS)
            return op, source, node
        case [str(), int(), int()]:
            raise GenotypeError(f"entry {short(entry)}: if this is (op, to, from), say so with --dialect fairdarts")
    raise GenotypeError(f"an entry is (operator, node) as in ('skip_connect', 0), not {short(entry)}")


def _read_fairdarts(kind: str, entries: list[Any], concat: list[int], plain: Plain) -> None:
    """Edges as (op, to, from). A node that nothing feeds is left out of the output, as FairDARTS' own code does."""
    turned = [as_edge(entry, "(operator, to, from) in FairDARTS' text") for entry in entries]
    plain.edges[kind] = [(op, source, target) for op, target, source in turned]
    fed = set(range(DARTS.inputs))
    for _, source, target in sorted(plain.edges[kind], key=lambda edge: edge[2]):
        fed |= {target} if source in fed else set()
    plain.concat[kind] = [node for node in concat if node in fed]
    for node in concat:
        if node not in fed:
            plain.lose(f"node {node} of the {kind} cell's output (nothing feeds it)")


def write_cells(genotype: Genotype) -> tuple[str, list[str]]:
    """DARTS text of a genotype, and what it loses; raises `GenotypeError` where a node has not two inputs."""
    lost = wiring_only(genotype, "DARTS")
    used = {edge.op for cell in genotype.cells.values() for edge in cell.kept}
    lost += [f"the layers of {op} (the code of DARTS has no such operator)" for op in LACKED if op in used]
    lines = [line for kind in DARTS.kinds for line in _lines(kind, genotype.cells[kind])]
    opening = "Genotype("
    if (about := genotype.about) is not None and VARIABLE.fullmatch(about.name) and not iskeyword(about.name):
        opening = f"{about.name} = {opening}"
        if about == About(name=about.name):
            lost.remove(NOTES)
    return "\n".join([opening, *lines, ")", ""]), lost


def _lines(kind: str, cell: Cell) -> list[str]:
    entries = [(edge.op, edge.source) for pair in in_pairs(kind, cell, "DARTS") for edge in pair]
    return [f"    {kind}={entries},", f"    {kind}_concat={list(cell.concat)},"]
