"""The colours of a page: those of the drawings, and what stands for them in the dark, as CSS variables."""

from collections.abc import Mapping
from dataclasses import dataclass

from ftso_cli.drawing.style import COLOURS, OTHER
from ftso_cli.spaces import OPERATORS

DARK: Mapping[str, str] = {
    "sep": "#5AB0E8",
    "dil": "#F2935C",
    "conv": "#E5A3CB",
    "nor": "#E5A3CB",
    "max": "#3FC79A",
    "avg": "#3FC79A",
    "skip": "#D6D6D6",
    "none": "#6E6E6E",
}
"""The families of operators on a dark ground: the same hues, lighter."""

SOURCES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#7A6A00", "#56B4E9", "#A0522D", "#555555")
"""Lines that are told apart by a number, as the node an edge comes from."""

SOURCES_DARK = ("#5AB0E8", "#F2935C", "#3FC79A", "#E5A3CB", "#D9C94A", "#9AD4F5", "#D8946B", "#B5B5B5")


def variables(*, dark: bool) -> str:
    """The declarations of all colours, for a rule of CSS."""
    families = DARK if dark else COLOURS
    sources = SOURCES_DARK if dark else SOURCES
    named = {f"--op-{family}": colour for family, colour in families.items()}
    named |= {f"--s{at}": colour for at, colour in enumerate(sources)}
    named["--op-other"] = "#AAAAAA" if dark else OTHER
    return "".join(f"{name}:{colour};" for name, colour in named.items())


def operator_colour(op: str | None) -> str:
    """The colour of an operator's family."""
    family = "other" if op is None else op.split("_")[0]
    return f"var(--op-{family if family in DARK else 'other'})"


def operator_dash(op: str) -> list[int]:
    """Return the dashes that separate operators of one colour: the larger kernel of a family, and the average."""
    return [4, 2] if op.endswith("5x5") or op.startswith("avg") else [1, 2] if op.endswith("7x7") else [1, 0]


def source_colour(number: int) -> str:
    """The colour of the line with this number."""
    return f"var(--s{number % len(SOURCES)})"


@dataclass(frozen=True, kw_only=True)
class Key:
    """An entry of a legend."""

    label: str
    colour: str
    dashed: bool = False


def operator_key(op: str) -> Key:
    """The entry of an operator, as its lines are drawn."""
    return Key(label=OPERATORS[op].label, colour=operator_colour(op), dashed=operator_dash(op) != [1, 0])
