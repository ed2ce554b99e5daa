"""An edge list: `{"normal": [["sep_conv_3x3", 0, 2], ...], "normal_concat": [2, 3, 4, 5], "reduce": ...}`.

Entries are (operator, source, target). It holds any cell: several edges between two nodes, any number of inputs. The
one cell of the nats space is called `cell`.
"""

from typing import Any

from ftso_cli.errors import short
from ftso_cli.genotype.formats.plain import Plain, as_edge, as_list, as_nodes, pick, space_of, wiring_only
from ftso_cli.genotype.schema import Genotype
from ftso_cli.genotype.storage import format_json
from ftso_cli.spaces import SPACES


def read_cells(content: Any) -> Plain:
    """The cells of an edge list."""
    plain = Plain(loose=True, space=space_of(content))
    fields = [field for kind in plain.space.kinds for field in (kind, f"{kind}_concat")]
    pick(content, "an edge list", *fields)
    for kind in plain.space.kinds:
        entries = as_list(content[kind], kind)
        plain.edges[kind] = [as_edge(entry, "[operator, source, target] in an edge list") for entry in entries]
        plain.concat[kind] = as_nodes(content[f"{kind}_concat"], f"{kind}_concat")
    for name in content:
        if name not in fields:
            plain.lose(short(name))
    return plain


def write_cells(genotype: Genotype) -> tuple[str, list[str]]:
    """The edge list of a genotype, and what it loses."""
    lost = wiring_only(genotype, "edge-list")
    content: dict[str, Any] = {}
    for kind in SPACES[genotype.space].kinds:
        cell = genotype.cells[kind]
        content[kind] = [[edge.op, edge.source, edge.target] for edge in cell.kept]
        content[f"{kind}_concat"] = list(cell.concat)
    return format_json(content) + "\n", lost
