"""The cell as it stands while it is searched: shown below the progress bar, in few lines."""

import math
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.text import Text

from ftso_cli.drawing.style import Line, lines
from ftso_cli.genotype import Edge, Genotype
from ftso_cli.spaces import OPERATORS, SPACES

if TYPE_CHECKING:
    from ftso_cli.search.phases import Search

MOST_LINES = 12
"""Lines of a cell; one of more nodes or edges shows the first of them."""


class LiveCell:
    """What leads each node and edge of a search now, looked up once a second."""

    def __init__(self) -> None:
        self.genotype: Genotype | None = None
        self._looked = 0.0

    def look(self, search: "Search") -> None:
        """Looks again, where it is time to."""
        now = time.perf_counter()
        if now - self._looked >= 1 or search.engine.iteration == search.engine.iterations:
            self.genotype, self._looked = search.derive(), now

    def collapsing(self) -> bool:
        """Whether skip connections lead on more than half of the edges of a normal cell that have a choice."""
        if self.genotype is None:
            return False
        edges = self.genotype.cells[next(iter(self.genotype.cells))].kept
        skips = sum(edge.op == "skip_connect" and len(edge.alpha or ()) > 1 for edge in edges)
        return 2 * skips > len(edges)

    def __call__(self) -> RenderableType | None:
        """A column a cell; nothing before the first look."""
        if self.genotype is None:
            return None
        return Columns([Group(*_column(self.genotype, kind)) for kind in self.genotype.cells], padding=(0, 5))


def _column(genotype: Genotype, kind: str) -> Iterator[Text]:
    """A line an edge, once operators are chosen; before, a line a node with its inputs, the strongest first."""
    cell = genotype.cells[kind]
    chosen = genotype.stage == "complete"
    skips = sum(edge.op == "skip_connect" for edge in cell.kept)
    yield Text(f"{kind}: {skips} of {len(cell.kept)} skip" if chosen else kind, style="bold")
    rows = [_edge(edge) for edge in cell.kept] if chosen else _nodes(genotype, kind)
    yield from rows[:MOST_LINES]
    if len(rows) > MOST_LINES:
        yield Text(f"and {len(rows) - MOST_LINES} more", style="dim")


def _edge(edge: Edge) -> Text:
    share = f"{candidate_shares(edge.alpha)[edge.op or '']:.1%}" if edge.alpha else ""
    return Text(f"{edge!s:>6}  {OPERATORS[edge.op or ''].label:<8} {share}")


def _nodes(genotype: Genotype, kind: str) -> list[Text]:
    """The inputs of each node with their shares, and what leads them; those that pruning would leave out are dim."""
    keep = SPACES[genotype.space].keep
    into: dict[int, list[Line]] = {}
    for line in lines(genotype, kind, pruned=False):
        into.setdefault(line.target, []).append(line)
    found = []
    for node, inputs in into.items():
        text = Text(f"{node:>3} ←")
        for place, line in enumerate(sorted(inputs, key=lambda line: -(line.share or 0.0))):
            lead = "" if line.chance is None else f" {line.label}"
            text.append(f"  {line.source} {line.share or 0.0:.1%}{lead}", style="" if place < keep else "dim")
        found.append(text)
    return found


def candidate_shares(alpha: Mapping[str, float]) -> dict[str, float]:
    """softmax(α) of every candidate."""
    top = max(alpha.values())
    weights = {op: math.exp(value - top) for op, value in alpha.items()}
    return {op: weight / sum(weights.values()) for op, weight in weights.items()}
