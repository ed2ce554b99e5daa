"""Search spaces as data: operators, the shape of a cell, the skeleton of a network. No torch here."""

from collections.abc import Mapping
from dataclasses import dataclass

from ftso_cli.errors import SpaceError, unknown
from ftso_cli.spaces.operators import OPERATORS, Operator, operator

__all__ = ["DARTS", "OPERATORS", "SPACES", "Operator", "Space", "operator", "space"]


@dataclass(frozen=True, kw_only=True)
class Space:
    """The shape of a cell: its kinds, its inputs, how many edges a node keeps, and what an edge may carry.

    `candidates` are the operators that a search chooses from; `operators` also has those of published cells.
    `never_derived` are candidates that a search may weigh but a found cell may not carry.
    """

    name: str
    kinds: tuple[str, ...]
    inputs: int
    keep: int
    operators: tuple[str, ...]
    candidates: tuple[str, ...]
    never_derived: frozenset[str]

    def stride(self, kind: str, source: int) -> int:
        """The stride of an edge that leaves node `source` in a cell of `kind`."""
        return 2 if kind == "reduce" and source < self.inputs else 1


DARTS = Space(
    name="darts",
    kinds=("normal", "reduce"),
    inputs=2,
    keep=2,
    operators=tuple(OPERATORS),
    candidates=tuple(OPERATORS)[:8],
    never_derived=frozenset({"none"}),
)

SPACES: Mapping[str, Space] = {space.name: space for space in (DARTS,)}


def space(name: str) -> Space:
    """The space called `name`; raises `SpaceError` where there is none."""
    if name not in SPACES:
        raise SpaceError(unknown("search space", name, SPACES))
    return SPACES[name]
