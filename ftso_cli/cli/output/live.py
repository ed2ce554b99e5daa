"""The state of a search below its progress bar, in few lines: the cell, or the leading wirings."""

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.text import Text

from ftso_cli.api.search.curves import candidate_shares
from ftso_cli.drawing.style import Line, agreed, edge_lines
from ftso_cli.genotype import Edge, Genotype
from ftso_cli.search.race.ranking import ranked_candidates
from ftso_cli.spaces import OPERATORS, SPACES

if TYPE_CHECKING:
    from ftso_cli.search.phases import Search
    from ftso_cli.search.race.checkpoint import RaceCheckpoint

MOST_LINES = 12
"""Lines of a cell; one of more nodes or edges shows the first of them."""

MOST_WIRINGS = 5


class LiveCell:
    """The current leaders of each node and edge of a search, looked up once a second."""

    def __init__(self) -> None:
        self.genotype: Genotype | None = None
        self._looked = 0.0

    def look(self, search: "Search") -> None:
        """Looks again, where it is time to."""
        now = time.perf_counter()
        if now - self._looked >= 1 or search.engine.iteration == search.engine.iterations:
            self.genotype, self._looked = search.derive(), now

    def collapsing(self) -> bool:
        """True where skip connections lead on more than half of a normal cell's edges with a choice."""
        if self.genotype is None:
            return False
        edges = self.genotype.cells[next(iter(self.genotype.cells))].kept
        skips = sum(edge.op == "skip_connect" and len(edge.alpha or ()) > 1 for edge in edges)
        return 2 * skips > len(edges)

    def __call__(self) -> RenderableType | None:
        """A column a cell; nothing before the first look."""
        if self.genotype is None:
            return None
        return _columns(self.genotype)


class LiveEnsemble:
    """The ensemble of the finished seeds: the inputs of each node, with the z of each."""

    def __init__(self, awaited: int) -> None:
        self._awaited = awaited
        """Seeds that are not done yet."""
        self._joined: Callable[[], Genotype] | None = None
        self._shown: RenderableType | None = None
        self._next = 0.0

    def look(self, joined: Callable[[], Genotype]) -> None:
        """Takes what gives the ensemble of the seeds that are done, whenever one is."""
        self._joined = joined
        self._awaited -= 1

    def __call__(self) -> RenderableType | None:
        """A column a cell, nothing before a seed is done; looking takes a tenth of the time, but at the end."""
        now = time.perf_counter()
        if self._joined is not None and (now >= self._next or self._awaited <= 0):
            joined, self._joined = self._joined, None
            self._shown = _columns(joined())
            self._next = now + 10 * (time.perf_counter() - now)
        return self._shown


class LiveRace:
    """The wirings that lead the rung that runs."""

    def __init__(self, checkpoint: "RaceCheckpoint") -> None:
        self._journal = checkpoint

    def __call__(self) -> RenderableType | None:
        """A line a wiring, the least loss first; nothing before a run of the rung is done."""
        results = list(self._journal.results)
        leading = ranked_candidates(results, results[-1].rung) if results else []
        if not leading:
            return None
        head = Text(f"{results[-1].rung}: {len(leading)} wiring{'s' * (len(leading) > 1)}, by loss", style="bold")
        rows = [Text(f"{each.loss:7.4f}  {each.topology}", no_wrap=True) for each in leading[:MOST_WIRINGS]]
        return Group(head, *rows)


def _columns(genotype: Genotype) -> Columns:
    return Columns([Group(*_column(genotype, kind)) for kind in genotype.cells], padding=(0, 5))


def _column(genotype: Genotype, kind: str) -> Iterator[Text]:
    """A line an edge, once operators are chosen; before, a line a node with its inputs, the strongest first."""
    cell = genotype.cells[kind]
    chosen = genotype.stage == "complete"
    skips = sum(edge.op == "skip_connect" for edge in cell.kept)
    about = f"{skips} of {len(cell.kept)} skip" if chosen else _certainty(genotype, kind)
    yield Text(f"{kind}: {about}" if about else kind, style="bold")
    rows = [_edge(edge) for edge in cell.kept] if chosen else _nodes(genotype, kind)
    yield from rows[:MOST_LINES]
    if len(rows) > MOST_LINES:
        yield Text(f"and {len(rows) - MOST_LINES} more", style="dim")


def _certainty(genotype: Genotype, kind: str) -> str:
    """Return the number of seeds of an ensemble and their agreement."""
    if genotype.ensemble is None:
        return ""
    seeds = len(genotype.ensemble.seeds)
    return ", ".join(filter(None, (f"{seeds} seed{'s' * (seeds > 1)}", agreed(genotype, kind))))


def _edge(edge: Edge) -> Text:
    share = f"{candidate_shares(edge.alpha)[edge.op or '']:.1%}" if edge.alpha else ""
    return Text(f"{edge!s:>6}  {OPERATORS[edge.op or ''].label:<8} {share}")


def _nodes(genotype: Genotype, kind: str) -> list[Text]:
    """The inputs of each node, the strongest first; those that pruning would leave out are dim."""
    keep, cell = SPACES[genotype.space].keep, genotype.cells[kind]
    drawn = {(line.source, line.target): line for line in edge_lines(genotype, kind, pruned=False)}
    found = []
    for node in sorted({target for _, target in drawn}):
        text = Text(f"{node:>3} ←")
        for place, edge in enumerate(cell.ranked(node)):
            text.append(f"  {_input(drawn[edge.source, node])}", style="" if place < keep else "dim")
        found.append(text)
    return found


def _input(line: Line) -> str:
    """Return an input as `0 50.2% skip 40%`: its share, its leading candidate, and z in an ensemble."""
    share = "" if line.share is None else f" {line.share:.1%}"
    lead = "" if line.chance is None else f" {line.label}"
    return f"{line.source}{share}{lead}" + ("" if line.z is None else f" z {line.z:.1f}")
