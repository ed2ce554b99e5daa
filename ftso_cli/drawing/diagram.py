"""A genotype as DOT, the language of Graphviz: inputs on the left, the output on the right, cells side by side.

An operator stands on its line, as a small node of its own that the line runs through: beside the line, as an edge
label, it would touch other lines. An unseen line through the cells' headings keeps these at one height, and the
second cell to the right of the first; clusters would let Graphviz swap the inputs.
"""

from html import escape
from typing import TYPE_CHECKING

from ftso_cli.drawing.style import TITLES, Line, agreed, edge_lines, genotype_title, nodes, printable
from ftso_cli.genotype import Genotype
from ftso_cli.spaces import OPERATORS, SPACES

if TYPE_CHECKING:
    from graphviz import Digraph

Look = dict[str, str]

FONT, INK, GREY, PALE = "Helvetica", "#222222", "#555555", "#AAAAAA"

GRAPH: Look = {"rankdir": "LR", "bgcolor": "white", "nodesep": "0.12", "labelloc": "t"} | {
    "fontname": FONT,
    "fontsize": "13",
    "fontcolor": INK,
}
NODE: Look = {"shape": "circle", "fixedsize": "true", "width": "0.28", "penwidth": "0.8", "color": INK} | {
    "fontname": FONT,
    "fontsize": "11",
    "fontcolor": INK,
}
EDGE: Look = {"arrowsize": "0.55"}
END: Look = {"shape": "box", "style": "rounded,filled", "fillcolor": "#EEEEEE", "width": "0.45", "height": "0.28"}
OPERATOR: Look = {"shape": "plain", "fixedsize": "false", "fontsize": "10", "margin": "0.03"}
HEADING: Look = {"shape": "plaintext", "width": "1.15", "height": "0.3", "margin": "0", "fontsize": "12"}
CONCAT: Look = {"color": PALE, "penwidth": "0.6", "arrowsize": "0.4"}
UNSEEN: Look = {"style": "invis"}

PEN = 1.4
"""Points; the width of a line whose strength was not searched."""

SIDE_BY_SIDE = 9
"""Columns; cells that have more together stand one above the other, or a printed page would make the text too small."""

CROWDED = 7
"""Operators before a single column of nodes: so many stand far above and below it, and get room to come to it."""


def dot(genotype: Genotype, *, title: str | None = None, pruned: bool = False) -> str:
    """The picture of a genotype as DOT text; `pruned` also draws the edges that pruning took out, dotted.

    `title` replaces the file's own; an empty one leaves it out.
    """
    # Imported here because it takes 40 ms, which drawing in the terminal has no need of.
    from graphviz import Digraph

    drawn = {kind: edge_lines(genotype, kind, pruned=pruned) for kind in SPACES[genotype.space].kinds}
    common = _common_operator([line for cell in drawn.values() for line in cell])
    labelled = common is None
    agreements = [f"{kind}: {text}" for kind in drawn if (text := agreed(genotype, kind))]
    heading = _heading(printable(genotype_title(genotype) if title is None else title), drawn, common, agreements)
    space = {"label": heading, "ranksep": "0.2" if labelled else "0.3"}
    graph = Digraph("genotype", graph_attr={**GRAPH, **space}, node_attr=NODE, edge_attr=EDGE)
    side_by_side = sum(_columns(cell, labelled=labelled) for cell in drawn.values()) <= SIDE_BY_SIDE
    # What isn't joined, Graphviz draws from the bottom up.
    for kind in drawn if side_by_side else reversed(drawn):
        _add_cell(graph, genotype, kind, drawn[kind], labelled=labelled)
    if side_by_side:
        for left, right in zip(list(drawn), list(drawn)[1:], strict=False):
            graph.edge(f"{left}_end", f"{right}_title", weight="1000", minlen="2", **UNSEEN)
    return str(graph.source)


def _common_operator(drawn: list[Line]) -> str | None:
    """The operator that every kept edge carries, where it is one and the same."""
    found = {(line.op, line.chance) for line in drawn if line.kept}
    op, chance = found.pop() if len(found) == 1 else (None, None)
    return op if chance is None else None


def _columns(drawn: list[Line], *, labelled: bool) -> int:
    """The columns that a cell's operators and nodes take, between those of its inputs and its output."""
    return max(_reach(drawn, labelled=labelled).values(), default=0)


def _reach(drawn: list[Line], *, labelled: bool) -> dict[int, int]:
    """The column that each node with an input stands in, counted from that of the cell's inputs."""
    reach: dict[int, int] = {}
    for line in drawn:
        # Lines come in order of target, so what leads to a source has been seen before the source is read.
        step = 2 if labelled and line.kept else 1
        reach[line.target] = max(reach.get(line.target, 0), reach.get(line.source, 0) + step)
    return reach


def _crowded(drawn: list[Line]) -> bool:
    """Return True where many operators lead into nodes of one column."""
    operators = [line for line in drawn if line.kept and line.label]
    return len(operators) >= CROWDED and len(set(_reach(drawn, labelled=True).values())) == 1


def _heading(title: str, drawn: dict[str, list[Line]], common: str | None, agreements: list[str]) -> str:
    """The title and, below it, what can't be read from the picture alone."""
    every = [line for cell in drawn.values() for line in cell]
    legend = [] if common is None else [f"operator: {OPERATORS[common].label}"]
    legend += ["line width: softmax of β"] if any(line.share is not None for line in every) else []
    legend += ["dotted: pruned"] if not all(line.kept for line in every) else []
    legend += ["dotted: left out by ftso prune"] if any(line.left_out for line in every) else []
    legend += ["dashed: at chance"] if any(line.at_chance for line in every) else []
    small = [f'<font point-size="10" color="{GREY}">{" · ".join(row)}</font>' for row in (legend, agreements) if row]
    rows = [row for row in (f"<b>{_escaped(title)}</b>" if title else "", *small) if row]
    return f"<{'<br/>'.join(rows)}>" if rows else ""


def _add_cell(graph: "Digraph", genotype: Genotype, kind: str, drawn: list[Line], *, labelled: bool) -> None:
    cell, inputs = genotype.cells[kind], SPACES[genotype.space].inputs
    _add_ends(graph, kind, inputs)
    for node in nodes(cell, drawn, inputs):
        graph.node(f"{kind}_{node}", str(node))
    room = labelled and _crowded(drawn)
    for index, line in enumerate(drawn):
        _add_line(graph, kind, index, line, labelled=labelled and line.kept, room=room)
    for node in cell.concat:
        graph.edge(f"{kind}_{node}", f"{kind}_out", **CONCAT)


def _add_ends(graph: "Digraph", kind: str, inputs: int) -> None:
    """The column of the heading and the inputs, and that of the output; unseen edges order both from the top down."""
    title, out, end = f"{kind}_title", f"{kind}_out", f"{kind}_end"
    with graph.subgraph(graph_attr={"rank": "same"}) as left:
        # \l is left-justified, in Graphviz.
        left.node(title, f"{TITLES.get(kind, 'Cell')}\\l", **HEADING)
        for node in range(inputs):
            left.node(f"{kind}_{node}", _subscript(f"k&minus;{inputs - node}"), **END)
            left.edge(f"{kind}_{node - 1}" if node else title, f"{kind}_{node}", **UNSEEN)
    with graph.subgraph(graph_attr={"rank": "same"}) as right:
        right.node(end, "", shape="point", **UNSEEN)
        right.node(out, _subscript("k"), **END)
        right.edge(end, out, **UNSEEN)
    graph.edge(title, end, weight="1000", **UNSEEN)


def _add_line(graph: "Digraph", kind: str, index: int, line: Line, *, labelled: bool, room: bool) -> None:
    source, target = f"{kind}_{line.source}", f"{kind}_{line.target}"
    look = _look(line)
    if not labelled or not line.label:
        graph.edge(source, target, **look)
        return
    middle = f"{kind}_op{index}"
    graph.node(middle, line.label, fontcolor=line.colour, **OPERATOR)
    graph.edge(source, middle, arrowhead="none", headport="w", **look)
    graph.edge(middle, target, tailport="e", minlen="2" if room else None, **look)


def _look(line: Line) -> Look:
    """Colour by operator, width by strength."""
    width = PEN if line.share is None else 0.4 + 4 * line.share
    look = {"color": line.colour, "penwidth": f"{width:.2f}"}
    if not line.kept or line.left_out:
        return {**look, "color": "#888888", "style": "dotted"}
    return {**look, "style": "dashed"} if line.at_chance or line.op == "none" else look


def _subscript(index: str) -> str:
    """c with an index below; a table, because not every program that shows svg moves a subscript down."""
    table = '<table border="0" cellborder="0" cellspacing="0" cellpadding="0">'
    low = f'<td valign="bottom"><font point-size="8">{index}</font></td>'
    return f'<{table}<tr><td valign="middle"><i>c</i></td>{low}</tr></table>>'


def _escaped(text: str) -> str:
    """`text` as itself inside an HTML-like label; there too, Graphviz reads a backslash: \\\\G is the graph's name."""
    return escape(text).replace("\\", "\\\\")
