"""NASLib's compact form of a DARTS cell: two tuples of eight pairs (source, operator number), normal and reduction.

As `convert_genotype_to_compact` of NASLib's nasbench301 space has it: four nodes of two inputs, all of them output.
"""

from typing import Any

from ftso_cli.errors import GenotypeError, short
from ftso_cli.genotype.formats.plain import Plain, as_list, in_pairs, wiring_only
from ftso_cli.genotype.schema import Cell, Genotype
from ftso_cli.spaces import DARTS

OPERATORS = (
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
)
"""The operators by their number in NASLib."""

NODES = (2, 3, 4, 5)


def read_cells(content: Any) -> Plain:
    """The cells of NASLib's compact form."""
    plain = Plain()
    if len(as_list(content, "NASLib's compact form")) != len(DARTS.kinds):
        raise GenotypeError(f"NASLib's compact form has two cells of eight pairs, not {short(content)}")
    for kind, pairs in zip(DARTS.kinds, content, strict=True):
        if len(as_list(pairs, f"the {kind} cell")) != 2 * len(NODES):
            raise GenotypeError(f"the {kind} cell has {len(pairs)} pairs, and NASLib's have {2 * len(NODES)}")
        plain.edges[kind] = [_edge(pair, NODES[at // 2]) for at, pair in enumerate(pairs)]
        plain.concat[kind] = list(NODES)
    return plain


def _edge(pair: Any, node: int) -> tuple[str, int, int]:
    match pair:
        case [int() as source, int() as number] if 0 <= number < len(OPERATORS):
            return OPERATORS[number], source, node
    raise GenotypeError(f"an edge is (source, operator 0..{len(OPERATORS) - 1}), not {short(pair)}")


def write_cells(genotype: Genotype) -> tuple[str, list[str]]:
    """NASLib's compact form of a genotype, and what it loses; raises `GenotypeError` for a cell it can't hold."""
    lost = wiring_only(genotype, "NASLib")
    cells = tuple(_cell(kind, genotype.cells[kind]) for kind in DARTS.kinds)
    return f"{cells}\n", lost


def _cell(kind: str, cell: Cell) -> tuple[tuple[int, int], ...]:
    pairs = in_pairs(kind, cell, "NASLib")
    if cell.nodes != NODES or cell.concat != NODES:
        raise GenotypeError(f"NASLib's cells have nodes {NODES}, all of them output; the {kind} cell has others")
    for first, second in pairs:
        if first.source == second.source:
            raise GenotypeError(f"node {first.target} of the {kind} cell reads a node twice, which NASLib can't have")
        for edge in (first, second):
            if edge.op not in OPERATORS:
                raise GenotypeError(f"the {kind} cell has {edge.op}, which NASLib lacks; it has {', '.join(OPERATORS)}")
    return tuple((edge.source, OPERATORS.index(str(edge.op))) for pair in pairs for edge in pair)
