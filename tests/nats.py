"""Cells of the nats space: by their six operators, drawn at random, and those of the paper's Table 2."""

from hypothesis import strategies as st

from ftso_cli.genotype import Genotype
from ftso_cli.genotype.formats import import_genotype_text
from ftso_cli.spaces import NATS

FTSO = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|nor_conv_1x1~0|nor_conv_3x3~1|nor_conv_3x3~2|"
"""The paper's own cell."""


def string(ops: list[str] | tuple[str, ...]) -> str:
    """The architecture string of six operators, on edges 0→1, 0→2, 1→2, 0→3, 1→3 and 2→3."""
    a, b, c, d, e, f = ops
    return f"|{a}~0|+|{b}~0|{c}~1|+|{d}~0|{e}~1|{f}~2|"


def genotype(architecture: str) -> Genotype:
    """The genotype of an architecture string."""
    return import_genotype_text(architecture, "nats").genotype


def uniform(op: str) -> Genotype:
    """The cell with one operator on all six edges."""
    return genotype(string([op] * 6))


STRINGS = st.lists(st.sampled_from(NATS.operators), min_size=6, max_size=6).map(string)
"""Any of the 15,625 architecture strings."""
