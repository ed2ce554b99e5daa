"""What `ftso genotypes` prints: the table of the library, one cell in full, and both as JSON."""

import shutil
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ftso_cli.cli.console import aligned, note, room, say, stack
from ftso_cli.costs.network import NetworkCost, network_cost
from ftso_cli.errors import GenotypeError
from ftso_cli.genotype import About, Figures, Genotype, formats, library, storage
from ftso_cli.spaces import DARTS, NATS, OPERATORS, SPACES
from ftso_cli.spaces.darts import CIFAR, IMAGENET, IMAGENET_PIXELS, NetworkShape
from ftso_cli.spaces.nats import DATA_SETS


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One of the networks that the literature reports of a cell; `pixels` is the side of its images."""

    title: str
    shape: NetworkShape
    pixels: int


SETTINGS: Mapping[str, Mapping[str, Setting]] = {
    DARTS.name: {
        "cifar10": Setting(title="CIFAR-10", shape=CIFAR, pixels=32),
        "imagenet": Setting(title="ImageNet", shape=IMAGENET, pixels=IMAGENET_PIXELS),
    },
    NATS.name: {name: Setting(title=one.title, shape=one.shape, pixels=one.pixels) for name, one in DATA_SETS.items()},
}
"""The settings of spaces that the literature reports networks of."""


def settings_of(space: str) -> Mapping[str, Setting]:
    """The settings of a space: those that the literature reports, or else all."""
    known = {
        name: Setting(title=name, shape=shape, pixels=pixels)
        for name, (shape, pixels) in SPACES[space].evaluations.items()
    }
    return SETTINGS.get(space, known)


LEGEND = (
    "params and MACs in millions, counted by ftso (C10, CIFAR-10: 20 cells of 36 channels; INet, ImageNet: 14 cells of "
    "48; MACs of convolutions and linear layers); print: as the sources print them, in whatever way they count; errors "
    "in %; days: GPU-days of search; -: not in print, or nobody printed the cell"
)

NARROW = 80
"""Characters; a table in a file or a pipe is laid out for at least so many."""

TEXT_WIDTH = 100
"""Characters of a line of notes."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """A cell of the library with its exact costs by setting; both are missing where no cell is in print."""

    about: About
    genotype: Genotype | None
    costs: Mapping[str, NetworkCost]

    @property
    def operators(self) -> list[str]:
        """The operators in use, in the order of the space."""
        cells = self.genotype.cells.values() if self.genotype else ()
        used = {edge.op for cell in cells for edge in cell.kept}
        return [name for name in OPERATORS if name in used]

    @property
    def nodes(self) -> dict[str, int]:
        """The number of intermediate nodes by kind of cell."""
        return {kind: len(cell.nodes) for kind, cell in self.genotype.cells.items()} if self.genotype else {}

    def printed(self, setting: str, name: str) -> float | None:
        """A figure that a source prints for a setting."""
        figures: Figures | None = getattr(self.about.published, setting, None)
        return None if figures is None else getattr(figures, name)

    def counted(self, setting: str, name: str) -> float | None:
        """Parameters or MACs of a setting, in millions."""
        return getattr(self.costs[setting], name) / 1e6 if setting in self.costs else None

    @property
    def settings(self) -> Mapping[str, Setting]:
        """The settings of the space that the cell is of."""
        return settings_of(self.genotype.space if self.genotype else DARTS.name)


def row_of(genotype: Genotype, name: str) -> Row:
    """The row of a genotype; `name` is what it is called where it doesn't say. `GenotypeError` if not complete."""
    settings = settings_of(genotype.space)
    costs = {key: network_cost(genotype, one.shape, (one.pixels, one.pixels)) for key, one in settings.items()}
    return Row(about=genotype.about or About(name=name), genotype=genotype, costs=costs)


def all_rows() -> list[Row]:
    """A row for every published cell, and for every network in print without one."""
    rows = [row_of(storage.read(path), name) for name, path in library.files().items()]
    return rows + [Row(about=about, genotype=None, costs={}) for about in library.without_cell()]


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of the table: a heading of two lines, the value of a row, and the format that it is written in.

    Where the terminal is narrow, columns of a low `rank` come first.
    """

    heading: str
    value: Callable[[Row], Any]
    spec: str
    rank: int
    left: bool = False


def _network(setting: str, prefix: str, title: str) -> dict[str, Column]:
    """Parameters and MACs of a setting, counted and in print."""
    return {
        f"{prefix}params": Column(
            heading=f"{title}\nparams", value=lambda row: row.counted(setting, "params"), spec=".2f", rank=1
        ),
        f"{prefix}params-printed": Column(
            heading="\nprint", value=lambda row: row.printed(setting, "params_M"), spec="g", rank=2
        ),
        f"{prefix}macs": Column(
            heading=f"{title}\nMACs", value=lambda row: row.counted(setting, "macs"), spec=".0f", rank=1
        ),
        f"{prefix}macs-printed": Column(
            heading="\nprint", value=lambda row: row.printed(setting, "madds_M"), spec=".0f", rank=2
        ),
    }


def _error(heading: str, setting: str, name: str, rank: int) -> Column:
    return Column(heading=heading, value=lambda row: row.printed(setting, name), spec=".2f", rank=rank)


COLUMNS: Mapping[str, Column] = {
    "name": Column(heading="\ncell", value=lambda row: row.about.name, spec="", rank=0, left=True),
    "title": Column(heading="\ntitle", value=lambda row: row.about.title, spec="", rank=6, left=True),
    "year": Column(heading="\nyear", value=lambda row: row.about.year, spec="", rank=4),
    "nodes": Column(heading="\nnodes", value=lambda row: _nodes(row), spec="", rank=3),
    "operators": Column(heading="\noperators", value=lambda row: _brief(row), spec="", rank=5, left=True),
    **_network("cifar10", "", "C10"),
    "error": _error("C10\nerror", "cifar10", "error", 1),
    "error-1200": _error("1200\nepochs", "cifar10", "error_1200_epochs", 7),
    **_network("imagenet", "imagenet-", "INet"),
    "top1": _error("INet\ntop-1", "imagenet", "error", 1),
    "top5": _error("INet\ntop-5", "imagenet", "top5_error", 7),
    "days": Column(heading="search\ndays", value=lambda row: row.about.published.search_gpu_days, spec="g", rank=1),
}
"""The columns from left to right, by the name that --sort takes."""


def _nodes(row: Row) -> str | None:
    """One number, or two where the reduction cell has another number of nodes."""
    return "/".join(dict.fromkeys(map(str, row.nodes.values()))) or None


def _brief(row: Row) -> str | None:
    """sep_conv_3x3 as sep3, and so on."""
    return " ".join(name.split("_")[0] + next(filter(str.isdigit, name), "") for name in row.operators) or None


def sort_rows(rows: Sequence[Row], name: str) -> list[Row]:
    """The rows in order of a column; those without a value come last, and equal ones by name."""
    found = [(COLUMNS[name].value(row), row) for row in sorted(rows, key=lambda row: row.about.name)]
    known = sorted((pair for pair in found if pair[0] is not None), key=lambda pair: pair[0])
    return [row for _, row in known] + [row for value, row in found if value is None]


def show_table(rows: Sequence[Row], sorted_by: str) -> None:
    """The table, with as many columns as the terminal has room for; the one that it is sorted by is always there."""
    texts = {name: _texts(column, rows) for name, column in COLUMNS.items()}
    width = min(room(), max(NARROW, shutil.get_terminal_size((NARROW, 24)).columns))
    chosen = _fitting({name: max(map(len, column)) for name, column in texts.items()}, sorted_by, width)
    _print([texts[name] for name in chosen], [COLUMNS[name].left for name in chosen])
    note(f"{len(rows)} rows; {LEGEND}")


def _texts(column: Column, rows: Sequence[Row]) -> list[str]:
    values = (column.value(row) for row in rows)
    return [*column.heading.split("\n"), *("-" if value is None else format(value, column.spec) for value in values)]


def _fitting(widths: Mapping[str, int], wanted: str, width: int) -> list[str]:
    """The names of the columns that fit, by rank; from rank 2 on all of a rank or none."""
    chosen = {"name", wanted}
    for rank in sorted({column.rank for column in COLUMNS.values()}):
        group = [name for name, column in COLUMNS.items() if column.rank == rank and name not in chosen]
        for part in [[name] for name in group] if rank < 2 else [group]:
            if sum(widths[name] + 1 for name in (*chosen, *part)) - 1 <= width:
                chosen.update(part)
            elif rank >= 2:
                return [name for name in COLUMNS if name in chosen]
    return [name for name in COLUMNS if name in chosen]


def _print(columns: Sequence[Sequence[str]], left: Sequence[bool]) -> None:
    """Columns of text side by side, with a line under the two of the heading."""
    lines = aligned(list(zip(*columns, strict=True)), left, " ")
    lines.insert(2, "─" * (sum(max(map(len, column)) for column in columns) + len(columns) - 1))
    say(*lines)


def show_cell(row: Row) -> None:
    """One cell in full: where it is from, its costs beside those in print, and both cells as text."""
    about = row.about
    year = f", {about.year}" if about.year else ""
    say(f"{about.name}: {about.title or 'no title'}{year}")
    facts = {"also": ", ".join(about.aliases), "from": about.source, "note": about.note}
    facts["printed in"] = "; ".join(about.published.sources)
    for name, text in facts.items():
        if text:
            say(*textwrap.wrap(f"{name:<11}{text}", min(TEXT_WIDTH, room()), subsequent_indent=" " * 11))
    say()
    columns = _cost_columns(row)
    if sum(max(map(len, column)) + 1 for column in columns) - 1 <= room():
        _print(columns, [True, *[False] * 7])
    else:
        rows = list(zip(*columns, strict=True))
        stack([f"{first} {second}".strip() for first, second in zip(*rows[:2], strict=True)], rows[2:])
    for name, setting in row.settings.items():
        if (figures := getattr(about.published, name, None)) and figures.note:
            say(f"{setting.title}: {figures.note}")
    if (days := about.published.search_gpu_days) is not None:
        say(f"search: {days:g} GPU-days{f' on {about.published.searched_on}' if about.published.searched_on else ''}")
    if row.genotype:
        say("", *_cell_text(row.genotype).split("\n"))
    else:
        say("", "Nobody printed this cell as text, so there is nothing to draw or to count.")


def _cost_columns(row: Row) -> list[list[str]]:
    """A table with a line for each setting: what is counted, and what is in print."""
    settings = row.settings
    columns = [["", "", *(setting.title for setting in settings.values())]]
    for heading, name in (("", "params"), ("in", "params_with_auxiliary"), ("", "macs")):
        counts = [f"{getattr(row.costs[key], name):,}" if row.costs else "-" for key in settings]
        columns.append([heading, {"params_with_auxiliary": "training", "macs": "MACs"}.get(name, name), *counts])
    for heading, second, name in (("params", "print", "params_M"), ("MACs", "print", "madds_M")):
        figures = [row.printed(key, name) for key in settings]
        columns.append([heading, second, *("-" if value is None else f"{value:g}M" for value in figures)])
    return [*columns, ["", "error", *map(lambda key: _error_text(row, key), settings)], ["", "top-5", *_top5(row)]]


def _error_text(row: Row, setting: str) -> str:
    """The error with its standard deviation, and that after 1200 epochs."""
    value, std, longer = (row.printed(setting, name) for name in ("error", "error_std", "error_1200_epochs"))
    if value is None:
        return "-"
    return f"{value:g}{f' ± {std:g}' if std else ''} %{f' (1200 epochs: {longer:g} %)' if longer else ''}"


def _top5(row: Row) -> list[str]:
    return ["-" if (value := row.printed(key, "top5_error")) is None else f"{value:g} %" for key in row.settings]


def _cell_text(genotype: Genotype) -> str:
    """The cells as text in the way of their space, or as an edge list where that can't hold them."""
    try:
        return formats.dumps(genotype, genotype.space)[0].rstrip()
    except GenotypeError:
        return formats.dumps(genotype, "edges")[0].rstrip()


def row_json(row: Row) -> dict[str, Any]:
    """Everything that is known of a cell but the cell itself; costs in units."""
    return {
        **row.about.model_dump(mode="json"),
        "nodes": row.nodes or None,
        "operators": row.operators or None,
        "costs": {key: _cost_json(cost) for key, cost in row.costs.items()} or None,
    }


def _cost_json(cost: NetworkCost) -> dict[str, int]:
    return {"params": cost.params, "params_with_auxiliary": cost.params_with_auxiliary, "macs": cost.macs}
