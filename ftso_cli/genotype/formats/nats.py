"""The architecture string of NATS-Bench and NAS-Bench-201: `|op~0|+|op~0|op~1|+|op~0|op~1|op~2|`.

The parts between `+` are the inputs of nodes 1, 2 and 3, `op~i` is the operator on the edge from node i. Every node
reads every earlier one; an edge that a genotype hasn't got, or has pruned, is `none`, which computes the same.
The same as tuples, a node each, is read too: `[(('op', 0),), (('op', 0), ('op', 1)), (('op', 0), ...)]`.
"""

import re
from collections import Counter
from typing import Any

from ftso_cli.errors import GenotypeError, short
from ftso_cli.genotype.formats.plain import Plain, wiring_only
from ftso_cli.genotype.schema import Cell, Genotype
from ftso_cli.spaces import NATS
from ftso_cli.spaces.nats import EDGES, KIND, OUTPUT

_NODES = r"\|OP~0\|\+\|OP~0\|OP~1\|\+\|OP~0\|OP~1\|OP~2\|"

STRING = re.compile(rf"(?<!\+){_NODES}(?!\+)".replace("OP", r"[A-Za-z_]\w{0,39}"), re.ASCII)
"""An architecture string within a longer text: `Structure(4 nodes with |...|)` in the log of a search."""


def is_nested(content: list[Any]) -> bool:
    """Return whether a list has the inputs (operator, source) of a node in each of its entries."""
    nodes = [node for node in content if isinstance(node, list)]
    pairs = [pair for node in nodes for pair in node]
    return len(nodes) == len(content) and bool(pairs) and all(_is_pair(pair) for pair in pairs)


def _is_pair(pair: Any) -> bool:
    match pair:
        case [str(), int()]:
            return True
    return False


def read_cells(content: Any) -> Plain:
    """Return the cell of an architecture string, or of the same as nested lists."""
    if isinstance(content, list) and is_nested(content):
        parts = [[f"{op}~{source}" for op, source in node] for node in content]
    else:
        text = content.strip() if isinstance(content, str) else ""
        parts = [[entry for entry in part.split("|") if entry] for part in text.split("+")]
    if [len(part) for part in parts] != list(range(1, OUTPUT + 1)):
        raise GenotypeError(f"an architecture string is |op~0|+|op~0|op~1|+|op~0|op~1|op~2|, not {short(content)}")
    plain = Plain(space=NATS)
    entries = [entry for part in parts for entry in part]
    plain.edges[KIND] = [_edge(entry, edge) for entry, edge in zip(entries, EDGES, strict=True)]
    plain.concat[KIND] = [OUTPUT]
    return plain


def _edge(entry: str, edge: tuple[int, int]) -> tuple[str, int, int]:
    op, _, source = entry.partition("~")
    if source != str(edge[0]):
        raise GenotypeError(f"the edge {edge[0]}→{edge[1]} is written op~{edge[0]}, not {short(entry)}")
    return op, *edge


def write_cells(genotype: Genotype) -> tuple[str, list[str]]:
    """The architecture string of a genotype, and what it loses."""
    lost = wiring_only(genotype, "NATS-Bench")
    return f"{architecture(genotype.cells[KIND])}\n", lost


def architecture(cell: Cell) -> str:
    """The string of a complete cell; raises `GenotypeError` for one that is none of the benchmark's."""
    ops = {(edge.source, edge.target): str(edge.op) for edge in cell.kept}
    if other := set(ops) - set(EDGES):
        source, target = min(other)
        raise GenotypeError(f"edge {source}→{target} leads out of NATS-Bench, whose cells have nodes 0 to {OUTPUT}")
    if cell.concat != (OUTPUT,):
        raise GenotypeError(f"the output is nodes {list(cell.concat)}, and in NATS-Bench it is node {OUTPUT} alone")
    if len(ops) < len(cell.kept):
        twice = Counter((edge.source, edge.target) for edge in cell.kept).most_common(1)[0][0]
        raise GenotypeError(f"nodes {twice[0]} and {twice[1]} have several edges, and in NATS-Bench one")
    nodes = range(1, OUTPUT + 1)
    return "+".join("|" + "".join(f"{ops.get((i, j), 'none')}~{i}|" for i in range(j)) for j in nodes)
