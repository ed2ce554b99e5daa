"""The picture of a cell: every edge with its look and what is told of it, as found or at a moment of its search."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from ftso_cli.costs.layers import layers_cost
from ftso_cli.costs.networks import CountedNetwork
from ftso_cli.drawing.style import TITLES, Line, agreed, edge_lines
from ftso_cli.genotype import Edge, Genotype
from ftso_cli.genotype.agreement import SIGNIFICANT
from ftso_cli.report.cell.arcs import Arc, ArcLayout, arc_layout
from ftso_cli.report.cell.moments import Lead, leads
from ftso_cli.report.cell.trace import Trace
from ftso_cli.report.palette import operator_colour
from ftso_cli.spaces import OPERATORS, SPACES, operator
from ftso_cli.spaces.layers import Shape

PEN = 2.0
"""Pixels; the width of an edge whose strength was not searched."""

LOT, GONE = "6 4", "1 5"
"""Dashes of an edge at chance, and of one that is no part of the cell."""

STRONGEST = 3
"""Candidates of an edge that are told, of those that were weighed."""


@dataclass(frozen=True, kw_only=True)
class DrawnEdge:
    """An edge as the page draws it: colour, width in pixels, dashes; `faint` where it is no part of the cell."""

    name: str
    colour: str
    width: float
    label: str
    tip: str
    dash: str = ""
    faint: bool = False

    @property
    def plate(self) -> float:
        """The width in pixels of the ground under the label, which keeps its line from running through the letters."""
        return round(6.6 * len(self.label) + 6, 1) if self.label else 0.0


@dataclass(frozen=True, kw_only=True)
class DrawnCell:
    """A cell of the page; `edges` come in the order of the layout's arcs."""

    kind: str
    title: str
    layout: ArcLayout
    edges: tuple[DrawnEdge, ...]
    remark: str = ""

    @property
    def arcs(self) -> Sequence[tuple[int, Arc, DrawnEdge]]:
        """Every edge with its number and its place, the highest first: labels of lower ones stand on its line."""
        numbered = zip(range(len(self.edges)), self.layout.arcs, self.edges, strict=True)
        return sorted(numbered, key=lambda item: item[1].y)


def cell_as_found(genotype: Genotype, kind: str, network: CountedNetwork | None) -> DrawnCell:
    """The cell of a genotype file, edges that were pruned among them where it is known what they were worth."""
    cell = genotype.cells[kind]
    drawn = edge_lines(genotype, kind, pruned=True)
    return DrawnCell(
        kind=kind,
        title=TITLES.get(kind, "Cell"),
        layout=arc_layout([(line.source, line.target) for line in drawn], cell.concat, SPACES[genotype.space].inputs),
        edges=tuple(_found(genotype, kind, *pair, network) for pair in zip(cell.edges, drawn, strict=True)),
        remark=agreed(genotype, kind) or "",
    )


def _found(genotype: Genotype, kind: str, edge: Edge, line: Line, network: CountedNetwork | None) -> DrawnEdge:
    gone = not line.kept or line.left_out
    return DrawnEdge(
        name=str(edge),
        colour=operator_colour(None if gone else line.op),
        width=_width(line.share),
        label="" if gone else line.label,
        tip="\n".join(_told(genotype, kind, edge, line, network)),
        dash=GONE if gone else LOT if line.at_chance else "",
        faint=gone,
    )


def _told(genotype: Genotype, kind: str, edge: Edge, line: Line, network: CountedNetwork | None) -> list[str]:
    """Return the facts about an edge, one a line."""
    told = [f"{edge.source} → {edge.target}" + ("" if edge.kept else ", pruned")]
    if edge.op is not None and edge.kept:
        told.append(f"{OPERATORS[edge.op].label} ({edge.op})")
    if line.share is not None:
        told.append(f"share of node {edge.target}: {line.share:.1%} (β {edge.beta:.4g})")
    if edge.scores:
        told.append(f"mean of {len(edge.scores)} seeds: {edge.strength:.4g}")
    if edge.z is not None:
        verdict = (
            "at chance" if line.at_chance else "significant" if edge.kept and edge.z >= SIGNIFICANT else "left out"
        )
        told.append(f"z {edge.z:.1f}: {verdict}")
    if edge.alpha:
        told.append("α: " + _candidates(edge.alpha))
    if edge.op is not None and edge.kept and network is not None:
        many, params = _params(network, kind, edge.op, SPACES[genotype.space].stride(kind, edge.source))
        told.append(f"{params:,} parameters in {many} cells")
    return told


def _candidates(alpha: dict[str, float]) -> str:
    """The strongest candidates with their values before the softmax."""
    ranked = sorted(alpha, key=lambda op: -alpha[op])
    names = [f"{OPERATORS[op].label} {alpha[op]:.3g}" for op in ranked[:STRONGEST]]
    return ", ".join(names) + (f" and {len(ranked) - STRONGEST} more" if len(ranked) > STRONGEST else "")


def _params(network: CountedNetwork, kind: str, op: str, stride: int) -> tuple[int, int]:
    """In how many cells of a network an edge is, and the parameters of its operator in all of them."""
    places = [stage for stage in network.cost.stages if stage.kind == kind]
    return len(places), sum(_operator_params(op, stage.channels, stride) for stage in places)


@cache
def _operator_params(op: str, channels: int, stride: int) -> int:
    # Parameters don't depend on the size of the image; this one is large enough for every operator.
    return layers_cost(operator(op).layers(channels, stride), Shape(channels, 32, 32))[0].params


def cell_at(trace: Trace, kind: str, at: int, concat: Sequence[int]) -> DrawnCell:
    """The cell of a search at the moment `at`: all edges that are weighed, those that would be pruned faint."""
    space = trace.space
    assert space is not None
    found = leads(trace, kind, at)
    return DrawnCell(
        kind=kind,
        title=TITLES.get(kind, "Cell"),
        layout=arc_layout([lead.ends for lead in found], concat, space.inputs),
        edges=tuple(_led(lead) for lead in found),
    )


def _led(lead: Lead) -> DrawnEdge:
    source, target = lead.ends
    told = [f"{source} → {target}" + ("" if lead.kept else ", not among the strongest")]
    told += [] if lead.share is None else [f"share of node {target}: {lead.share:.1%}"]
    told += [] if lead.op is None else [f"{OPERATORS[lead.op].label} leads with {lead.chance:.1%}"]
    label = "" if lead.op is None else f"{OPERATORS[lead.op].label} {lead.chance:.0%}"
    return DrawnEdge(
        name=f"{source}→{target}",
        colour=operator_colour(lead.op),
        width=_width(lead.share if lead.share is not None else lead.chance),
        label=label if lead.kept else "",
        tip="\n".join(told),
        faint=not lead.kept,
    )


def _width(share: float | None) -> float:
    return PEN if share is None else round(0.7 + 6 * share, 2)
