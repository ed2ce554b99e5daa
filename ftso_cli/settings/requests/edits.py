"""The requests of the commands that edit a cell: prune, assign-ops. No torch."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY
from typing import Annotated

from pydantic import BeforeValidator

from ftso_cli.settings.options import Option, OptionError, settings
from ftso_cli.settings.shared import Edited, File, OnCell, Seeded
from ftso_cli.settings.values import parse_list
from ftso_cli.spaces import DARTS, SPACES, Space

RANDOM = "random"
"""The operator's name that draws one for each edge."""


def _by_space(show: Callable[[Space], str], *, named_first: bool = False) -> str:
    """Return what `show` says of the darts space, and of the others where it differs."""
    usual = show(DARTS)
    others = {name: show(space) for name, space in SPACES.items() if show(space) != usual}
    form = "in the {0} space {1}" if named_first else "{1} in the {0} space"
    return "; ".join([usual, *(form.format(name, text) for name, text in others.items())])


@settings
class PruneRequest(OnCell, Edited):
    """The pruning of a searched topology."""

    _: KW_ONLY
    keep: Annotated[
        int | None,
        Option(
            help="Edges that each node keeps.",
            least=1,
            short="-k",
            metavar="N",
            shown=_by_space(lambda space: f"all {space.keep}" if space.keeps_all else str(space.keep)),
        ),
    ] = None
    at: Annotated[
        int | None,
        Option(
            help="Take the strengths that the search had at this iteration, a record of its history.",
            least=0,
            metavar="ITERATION",
            shown="the end",
        ),
    ] = None
    run: Annotated[
        File | None,
        Option(
            help="The folder of that history.",
            metavar="FOLDER",
            shown="CELL.search-topology beside CELL",
            in_studies=False,
        ),
    ] = None

    def check(self) -> None:
        """Raise `OptionError` for a history without an iteration."""
        if self.at is None and self.run is not None:
            raise OptionError("run", "names the history for {at}; give the iteration, too")


def _entries(value: str | Sequence[str] | Mapping[str, str] | None) -> tuple[str, ...]:
    if isinstance(value, Mapping):
        return tuple(f"{edge}={op}" for edge, op in value.items())
    return parse_list(value)


@settings
class AssignRequest(OnCell, Edited, Seeded):
    """The assignment of operators to the kept edges of a cell."""

    op: Annotated[
        str | None,
        Option(
            help=f"The operator: {_by_space(lambda space: ', '.join(space.derivable), named_first=True)}. "
            "random draws one for each edge.",
            metavar="OP",
            shown=_by_space(lambda space: space.default_operator),
        ),
    ] = None
    _: KW_ONLY
    map: Annotated[
        Annotated[Sequence[str] | Mapping[str, str], BeforeValidator(_entries)],
        Option(
            help="Another operator for an edge: 0-2=sep_conv_5x5, reduce:0-2=max_pool_3x3 (repeated, or a,b,c).",
            metavar="EDGE=OP",
            shown="",
        ),
    ] = ()

    @property
    def takes_seed(self) -> bool:
        """True where the result depends on `seed`."""
        return self.op == RANDOM
