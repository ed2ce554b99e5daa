"""The verb that lists the published cells: genotypes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ftso_cli.api.cells import error_context
from ftso_cli.api.verbs import verb
from ftso_cli.costs.network import NetworkCost, network_cost
from ftso_cli.errors import SettingsError
from ftso_cli.genotype import About, Figures, Genotype, library, storage
from ftso_cli.settings.requests.library import GenotypesRequest
from ftso_cli.spaces import DARTS, NATS, OPERATORS, SPACES, operator
from ftso_cli.spaces.darts import CIFAR, IMAGENET, IMAGENET_PIXELS, NetworkShape
from ftso_cli.spaces.nats import DATA_SETS


@dataclass(frozen=True, kw_only=True)
class ReportedNetwork:
    """One of the networks that the literature reports of a cell; `pixels` is the side of its images."""

    title: str
    shape: NetworkShape
    pixels: int


SETTINGS: Mapping[str, Mapping[str, ReportedNetwork]] = {
    DARTS.name: {
        "cifar10": ReportedNetwork(title="CIFAR-10", shape=CIFAR, pixels=32),
        "imagenet": ReportedNetwork(title="ImageNet", shape=IMAGENET, pixels=IMAGENET_PIXELS),
    },
    NATS.name: {
        name: ReportedNetwork(title=one.title, shape=one.shape, pixels=one.pixels) for name, one in DATA_SETS.items()
    },
}
"""The networks of spaces that the literature reports, by setting."""


def settings_of(space: str) -> Mapping[str, ReportedNetwork]:
    """Return the networks of a space: those that the literature reports, or else all of its settings."""
    known = {
        name: ReportedNetwork(title=name, shape=shape, pixels=pixels)
        for name, (shape, pixels) in SPACES[space].evaluations.items()
    }
    return SETTINGS.get(space, known)


@dataclass(frozen=True, kw_only=True)
class PublishedCell:
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
    def settings(self) -> Mapping[str, ReportedNetwork]:
        """The settings of the space that the cell is of."""
        return settings_of(self.genotype.space if self.genotype else DARTS.name)


def row_of(genotype: Genotype, name: str) -> PublishedCell:
    """The row of a genotype; `name` is what it is called where it doesn't say. `GenotypeError` if not complete."""
    settings = settings_of(genotype.space)
    costs = {key: network_cost(genotype, one.shape, (one.pixels, one.pixels)) for key, one in settings.items()}
    return PublishedCell(about=genotype.about or About(name=name), genotype=genotype, costs=costs)


def all_rows() -> list[PublishedCell]:
    """A row for every published cell, and for every network in print without one."""
    rows = [row_of(storage.read_genotype(path), name) for name, path in library.files().items()]
    return rows + [PublishedCell(about=about, genotype=None, costs={}) for about in library.without_cell()]


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of the table: a heading of two lines, the value of a row, and the format that it is written in.

    Where the terminal is narrow, columns of a low `rank` come first.
    """

    heading: str
    value: Callable[[PublishedCell], Any]
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


def _nodes(row: PublishedCell) -> str | None:
    """One number, or two where the reduction cell has another number of nodes."""
    return "/".join(dict.fromkeys(map(str, row.nodes.values()))) or None


def _brief(row: PublishedCell) -> str | None:
    """sep_conv_3x3 as sep3, and so on."""
    return " ".join(name.split("_")[0] + next(filter(str.isdigit, name), "") for name in row.operators) or None


@verb(GenotypesRequest)
def genotypes(request: GenotypesRequest) -> tuple[PublishedCell, ...]:
    """List the published cells that come with ftso: exact costs, and the figures in print.

    `sort` is a column of the table of `ftso genotypes`; each `filter` is a part of a name or title, or `op=OPERATOR`.
    Raises `SettingsError` for a column or a filter that is none, `SpaceError` for an operator that is none.
    """
    rows = all_rows()
    for text in request.filter:
        rows = _filtered(rows, text)
    return tuple(_sorted(rows, request.sort))


def shown_cell(reference: str) -> PublishedCell:
    """Return what is known of one cell: a published one, a network in print without its cell, or a file."""
    about = None if library.is_name(reference) else library.without_cell_called(reference)
    if about is not None:
        return PublishedCell(about=about, genotype=None, costs={})
    genotype = library.load_genotype(reference)
    with error_context(reference):
        return row_of(genotype, reference)


def _filtered(rows: list[PublishedCell], text: str) -> list[PublishedCell]:
    key, equals, value = text.partition("=")
    if not equals:
        wanted = library.simple(text)
        names = [(row, (row.about.name, row.about.title or "")) for row in rows]
        return [row for row, known in names if any(wanted in library.simple(name) for name in known)]
    if key != "op":
        raise SettingsError(f"--filter takes op=OPERATOR, or a part of a name; {key}= is neither")
    return [row for row in rows if operator(value).name in row.operators]


def _sorted(rows: Sequence[PublishedCell], name: str) -> list[PublishedCell]:
    """The rows in order of a column; those without a value come last, and equal ones by name."""
    found = [(COLUMNS[name].value(row), row) for row in sorted(rows, key=lambda row: row.about.name)]
    known = sorted((pair for pair in found if pair[0] is not None), key=lambda pair: pair[0])
    return [row for _, row in known] + [row for value, row in found if value is None]
