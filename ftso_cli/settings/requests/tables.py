"""The requests of the commands that look into a table of NATS-Bench: query, nats-table2. No torch."""

from collections.abc import Sequence
from dataclasses import KW_ONLY
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator

from ftso_cli.settings.options import Option, settings
from ftso_cli.settings.requests.looks import Cells
from ftso_cli.settings.searches import ByGradient
from ftso_cli.settings.shared import File, OnImages, Trusting
from ftso_cli.settings.values import seeds_of

ByTopology = Literal[
    "search-ops-darts-1st",
    "search-ops-darts-2nd",
    "search-ops-pc-darts",
    "search-ops-snas",
    "search-ops-gdas",
    "search-ops-drnas",
    "search-ops-proxylessnas",
    "search-ops-p-darts",
]
"""FTSO, its operators searched by another method than the paper's."""

ByTable = Literal["random", "local-search", "evolution", "reinforce", "pnas"]
"""The searches that ask the table what a cell reached."""

NatsMethod = Literal["assign-ops", "search-ops", "capacity", ByGradient, "halving", ByTable, ByTopology]
"""Rows of the paper's Table 2, and of other methods; assign-ops, search-ops and capacity are FTSO with each way to
choose operators."""

OWN_LENGTH = ("assign-ops", "capacity", "halving")
"""The methods whose length `iters` is not: assign-ops has none, and the others one of their own."""


@settings
class OnTable(Trusting):
    """A request about a table of the benchmark."""

    _: KW_ONLY
    table: Annotated[
        File,
        Option(help="The table: CSV, plain or gzipped, or a folder of `simple` records.", short="-t", metavar="FILE"),
    ]


@settings
class QueryRequest(OnTable):
    """A look at what cells of the nats space reached when the benchmark trained them."""

    cells: Annotated[
        Cells,
        Option(
            help="Genotype files of the nats space, - for standard input, or architecture strings in quotes.",
            metavar="CELL",
            argument=True,
        ),
    ] = ()


def _chosen(value: Any) -> Any:
    return tuple(dict.fromkeys([value] if isinstance(value, str) else value))


def _seeds(value: Any) -> Any:
    return value if isinstance(value, str | int) else tuple(value)


@settings
class NatsTable2Request(OnTable, OnImages):
    """The paper's comparison on the NATS-Bench space, run again."""

    _: KW_ONLY
    method: Annotated[
        Annotated[Sequence[NatsMethod], BeforeValidator(_chosen)],
        Option(
            help=f"Only these (repeated): {', '.join(get_args(NatsMethod))}.",
            short="-m",
            metavar="METHOD",
            shown="all",
        ),
    ] = get_args(NatsMethod)
    seeds: Annotated[
        Annotated[str | int | Sequence[int], BeforeValidator(_seeds)],
        Option(help="As in 0-9 or 3,5,8.", metavar="SEEDS"),
    ] = "0-2"
    iters: Annotated[int, Option(help="Iterations of a search by gradient.", least=1, short="-i")] = 50
    queries: Annotated[int, Option(help="Cells that a search on the table may look up.", least=1)] = 100
    output: Annotated[
        File, Option(help="Keeps every finished search.", short="-o", metavar="FILE", shown="nats-table2.json")
    ] = "nats-table2.json"

    def check(self) -> None:
        """Raise `SettingsError` for seeds that can't be."""
        seeds_of(self.seeds)
