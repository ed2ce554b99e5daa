"""A genotype in the terminal: a table a cell, side by side where the terminal is wide enough."""

from collections.abc import Iterator
from dataclasses import dataclass

from rich.columns import Columns
from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from ftso_cli.drawing.style import TITLES, Line, agreed, edge_lines, genotype_title, printable
from ftso_cli.genotype import Genotype
from ftso_cli.spaces import SPACES

BLOCKS = " ▏▎▍▌▋▊▉█"

MOST_ROWS = 500
"""Edges of a cell above which tables stand one above the other."""


@dataclass(frozen=True)
class Bar:
    """A bar of `width` characters of which `share` is filled, by eighths of a character where there are such signs."""

    share: float
    width: int = 8

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        """The bar, and the share behind it."""
        whole, eighths = divmod(round(8 * self.width * self.share), 8)
        blocks = "#" * (whole + (eighths >= 4)) if options.ascii_only else "█" * whole + BLOCKS[eighths].strip()
        yield Text(f"{blocks:<{self.width}} {self.share:.4f}", no_wrap=True)

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        """Return the fixed width, whatever the share."""
        return Measurement(self.width + 7, self.width + 7)


def text(genotype: Genotype, *, title: str | None = None, pruned: bool = False) -> RenderableType:
    """The genotype as tables for rich to print; `pruned` also lists the edges that pruning took out.

    `title` replaces the file's own; an empty one leaves it out.
    """
    name = printable(genotype_title(genotype) if title is None else title)
    tables = [_table(genotype, kind, pruned=pruned) for kind in SPACES[genotype.space].kinds]
    # Columns draw every table several times.
    many = max(len(cell.edges) for cell in genotype.cells.values()) > MOST_ROWS
    return Group(
        *([Text(name, style="bold")] if name else []), *(tables if many else [Columns(tables, padding=(0, 5))])
    )


def _table(genotype: Genotype, kind: str, *, pruned: bool) -> RenderableType:
    drawn = edge_lines(genotype, kind, pruned=pruned)
    weighed = any(line.share is not None for line in drawn)
    judged = any(line.z is not None for line in drawn)
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("node", justify="right", no_wrap=True)
    for heading in ("input", "operator", *(["share"] if weighed else []), *(["z"] if judged else [])):
        table.add_column(heading, no_wrap=True)
    node = None
    for line in drawn:
        number = "" if line.target == node else str(line.target)
        row: list[RenderableType] = [number, _input(genotype, line.source), _operator(line)]
        row += [Bar(line.share) if line.share is not None else ""] if weighed else []
        row += [_certainty(line)] if judged else []
        table.add_row(*row, style="" if line.kept else "dim")
        node = line.target
    output = ", ".join(map(str, genotype.cells[kind].concat))
    agreement = agreed(genotype, kind)
    below = f" out  {output}\n" + (f" {agreement}\n" if agreement else "")
    return Group(Text(TITLES.get(kind, "Cell"), style="bold"), table, Text(below))


def _certainty(line: Line) -> Text:
    """The edge's z, marked if it is at chance; nothing where its node had no choice."""
    if line.z is None:
        return Text("")
    return Text(f"{line.z:.1f}" + (" at chance" if line.at_chance else ""), style="yellow" if line.at_chance else "")


def _input(genotype: Genotype, source: int) -> str:
    """The node that an edge comes from; the cell's inputs by the cell whose output they are."""
    inputs = SPACES[genotype.space].inputs
    return f"{source} c_{{k-{inputs - source}}}" if source < inputs else str(source)


def _operator(line: Line) -> Text:
    if not line.kept:
        return Text("pruned")
    name = line.op or "-"
    return Text(name if line.chance is None else f"{name} {line.chance:.0%}", style=f"bold {line.colour}")
