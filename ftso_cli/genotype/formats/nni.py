"""NNI's dictionary of a cell: `{"normal/op_2_0": "sep_conv_3x3", "normal/input_2_0": [0], ...}`.

The format of `nni.nas.nn.pytorch.Cell` with two predecessors and two operators a node, as its model-space hub has for
DARTS: `op_N_K` and `input_N_K` are operator and source of input K of node N. NNI 3.0 takes a list of one source only;
a source alone, as other versions write it, is read too.
"""

import re
from typing import Any

from ftso_cli.errors import GenotypeError, short
from ftso_cli.genotype.formats.plain import Plain, in_pairs, wiring_only
from ftso_cli.genotype.schema import Cell, Genotype
from ftso_cli.genotype.storage import format_json
from ftso_cli.spaces import DARTS

KEY = re.compile(r"(normal|reduce)/(op|input)_(\d{1,3})_(\d)", re.ASCII)

OLD_KEY = re.compile(r"(normal|reduce)_n\d{1,3}_(p\d{1,3}|switch)", re.ASCII)
"""A key of the example searches of NNI 1 and 2, which chose an operator on every possible edge, and a switch a node."""

DARTS_NODES = 4
"""In NNI's hub, cells of four nodes are DARTS', and all their nodes form the output."""


def read_cells(content: Any) -> Plain:
    """The cells of NNI's dictionary. All nodes form the output, as in NNI's DARTS space."""
    plain = Plain()
    if not isinstance(content, dict):
        raise GenotypeError(f"NNI's format is a dictionary, not {short(content)}")
    for kind in DARTS.kinds:
        ops, inputs = _part(content, kind, "op"), _part(content, kind, "input")
        if not ops and not inputs:
            raise GenotypeError(_lacks(kind, content))
        if odd := sorted(ops.keys() ^ inputs.keys()):
            raise GenotypeError(f"{kind}/{'input' if odd[0] in ops else 'op'}_{odd[0]} is missing")
        plain.edges[kind] = [_edge(kind, place, op, inputs[place]) for place, op in ops.items()]
        plain.concat[kind] = sorted({target for _, _, target in plain.edges[kind]})
        if len(plain.concat[kind]) != DARTS_NODES:
            plain.lose(f"the output of the {kind} cell (not in the text: took all nodes, as NNI's DARTS and PNAS do)")
    for name in content:
        if not KEY.fullmatch(name):
            plain.lose(short(name))
    return plain


def _lacks(kind: str, content: dict[str, Any]) -> str:
    """Return an error text: the form that is read, and the one that was given."""
    old = ", the keys of an older NNI, which are not read" if any(map(OLD_KEY.fullmatch, content)) else ""
    given = short(", ".join(content)) if content else "nothing"
    return f"an NNI dictionary has {kind}/op_2_0, {kind}/input_2_0 and so on; this one has {given}{old}"


def _part(content: dict[str, Any], kind: str, part: str) -> dict[str, Any]:
    """The entries of one kind of cell, `normal/op_2_0` by `2_0`."""
    prefix = f"{kind}/{part}_"
    return {name.removeprefix(prefix): value for name, value in content.items() if name.startswith(prefix)}


def _edge(kind: str, place: str, op: Any, source: Any) -> tuple[str, int, int]:
    inner = source[0] if isinstance(source, list) and len(source) == 1 else source
    if not KEY.fullmatch(f"{kind}/op_{place}") or not isinstance(op, str) or not isinstance(inner, int):
        given = short([op, source])
        raise GenotypeError(f"{kind}/op_{place} and input_{place} are an operator and a node, not {given}")
    return op, inner, int(place.split("_")[0])


def write_cells(genotype: Genotype) -> tuple[str, list[str]]:
    """NNI's dictionary of a genotype, and what it loses; raises `GenotypeError` for a cell that NNI can't have."""
    lost = wiring_only(genotype, "NNI")
    content: dict[str, Any] = {}
    for kind in DARTS.kinds:
        cell = genotype.cells[kind]
        _check_outputs(kind, cell)
        lost += _not_in_the_hub(kind, cell)
        for node, pair in enumerate(in_pairs(kind, cell, "NNI"), DARTS.inputs):
            for index, edge in enumerate(pair):
                content |= {f"{kind}/op_{node}_{index}": edge.op, f"{kind}/input_{node}_{index}": [edge.source]}
    return format_json(content) + "\n", lost


def _not_in_the_hub(kind: str, cell: Cell) -> list[str]:
    """Operators that NNI's DARTS space refuses."""
    others = sorted({str(edge.op) for edge in cell.kept} - (set(DARTS.candidates) - DARTS.never_derived))
    if len(cell.nodes) != DARTS_NODES or not others:
        return []
    return [f"{op} of the {kind} cell (NNI's DARTS space has no such candidate)" for op in others]


def _check_outputs(kind: str, cell: Cell) -> None:
    if cell.concat != cell.nodes:
        raise GenotypeError(
            f"the output of the {kind} cell is nodes {list(cell.concat)}, and NNI's DARTS space takes all nodes, "
            f"{list(cell.nodes)}; use --format edges, which can say that"
        )
