"""An edge list: `{"normal": [["sep_conv_3x3", 0, 2], ...], "normal_concat": [2, 3, 4, 5], "reduce": ...}`.

Entries are (operator, source, target). It holds any cell: several edges between two nodes, any number of inputs.
"""

from typing import Any

from ftso_cli.errors import short
from ftso_cli.genotype.formats.literal import FIELDS
from ftso_cli.genotype.formats.plain import Plain, as_edge, as_list, as_nodes, pick, wiring_only
from ftso_cli.genotype.schema import Genotype
from ftso_cli.genotype.storage import layout
from ftso_cli.spaces import DARTS


def read(content: Any) -> Plain:
    """The cells of an edge list."""
    plain = Plain(loose=True)
    pick(content, "an edge list", *FIELDS)
    for kind in DARTS.kinds:
        entries = as_list(content[kind], kind)
        plain.edges[kind] = [as_edge(entry, "[operator, source, target] in an edge list") for entry in entries]
        plain.concat[kind] = as_nodes(content[f"{kind}_concat"], f"{kind}_concat")
    for name in content:
        if name not in FIELDS:
            plain.lose(short(name))
    return plain


def write(genotype: Genotype) -> tuple[str, list[str]]:
    """The edge list of a genotype, and what it loses."""
    lost = wiring_only(genotype, "edge-list")
    content: dict[str, Any] = {}
    for kind in DARTS.kinds:
        cell = genotype.cells[kind]
        content[kind] = [[edge.op, edge.source, edge.target] for edge in cell.kept]
        content[f"{kind}_concat"] = list(cell.concat)
    return layout(content) + "\n", lost
