"""Labels, widths and colours of edges and names in pictures and in the terminal."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from ftso_cli.genotype import Cell, Edge, Genotype, agreement, edit
from ftso_cli.spaces import OPERATORS, SPACES

TITLES: Mapping[str, str] = {"normal": "Normal cell", "reduce": "Reduction cell"}

COLOURS: Mapping[str, str] = {
    "sep": "#0072B2",
    "dil": "#D55E00",
    "conv": "#CC79A7",
    "nor": "#CC79A7",
    "max": "#009E73",
    "avg": "#009E73",
    "skip": "#6A6A6A",
    "none": "#BBBBBB",
}
"""The colour of an operator's family, by the first word of its name.

Blue, orange, green and purple of Okabe and Ito's palette, which people with any common colour blindness tell apart;
labels say the same without colour.
"""

OTHER = "#7F7F7F"
"""An operator of no known family, and an edge without an operator."""

TITLE_WIDTH = 100
"""Characters; what is longer is cut."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """An edge as it is drawn.

    `op` is its operator, or where candidates are weighed the strongest, and then `chance` is its softmax share of
    all candidates. `share` is the edge's share of its node's input; both in 0..1, and None where not searched.
    `z` is how clearly an ensemble kept it, None where it had no choice; `at_chance` where that is not clear enough,
    `left_out` where it is clear that pruning takes it out.
    """

    source: int
    target: int
    op: str | None
    chance: float | None
    share: float | None
    kept: bool
    z: float | None = None
    at_chance: bool = False
    left_out: bool = False

    @property
    def label(self) -> str:
        """The short label of the operator, with its chance where several are weighed."""
        name = "" if self.op is None else OPERATORS[self.op].label
        return name if self.chance is None else f"{name} {self.chance:.0%}"

    @property
    def colour(self) -> str:
        """The colour of the operator's family."""
        return OTHER if self.op is None else COLOURS.get(self.op.split("_")[0], OTHER)


def edge_lines(genotype: Genotype, kind: str, *, pruned: bool) -> list[Line]:
    """The edges to draw of the cell of `kind`, those that were pruned only where asked for."""
    cell = genotype.cells[kind]
    excluded = SPACES[genotype.space].never_derived
    return [
        _line(edge, share, excluded)
        for edge, share in zip(cell.edges, edit.shares(cell), strict=True)
        if edge.kept or pruned
    ]


def agreed(genotype: Genotype, kind: str) -> str | None:
    """The agreement of an ensemble's halves on the cell of `kind`, and its chance level; None without an ensemble."""
    if genotype.ensemble is None or kind not in genotype.ensemble.agreement:
        return None
    measured = genotype.ensemble.agreement[kind]
    return f"halves agree {measured.found:.2f}, chance {measured.chance:.2f}"


def nodes(cell: Cell, drawn: list[Line], inputs: int) -> list[int]:
    """The intermediate nodes to draw, in order."""
    ends = {end for line in drawn for end in (line.source, line.target)}
    return sorted(node for node in ends | set(cell.concat) if node >= inputs)


def genotype_title(genotype: Genotype) -> str:
    """The title that the file gives itself, or nothing."""
    return "" if genotype.about is None else genotype.about.title or genotype.about.name


def printable(text: str) -> str:
    """`text` on one line of bounded length, without control characters: a file's author chose it, not the user."""
    clean = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
    return clean if len(clean) <= TITLE_WIDTH else clean[: TITLE_WIDTH - 1] + "…"


def _line(edge: Edge, share: float | None, excluded: Collection[str]) -> Line:
    op, chance = (edge.op, None) if edge.op is not None or not edge.alpha else _strongest(edge.alpha, excluded)
    return Line(
        source=edge.source,
        target=edge.target,
        op=op,
        chance=chance,
        share=share,
        kept=edge.kept,
        z=edge.z,
        at_chance=agreement.at_chance(edge),
        left_out=agreement.significantly_weaker(edge),
    )


def _strongest(alpha: Mapping[str, float], excluded: Collection[str]) -> tuple[str, float]:
    """The strongest candidate that a found cell may carry, and its softmax share of all candidates."""
    best = max([name for name in alpha if name not in excluded] or alpha, key=alpha.__getitem__)
    top = max(alpha.values())
    weights = {name: math.exp(value - top) for name, value in alpha.items()}
    return best, weights[best] / sum(weights.values())
