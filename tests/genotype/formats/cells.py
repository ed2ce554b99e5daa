"""What the tests of formats compare, and the cells that they draw."""

from collections import Counter

from hypothesis import strategies as st

from ftso_cli.genotype import Cell, Genotype
from tests.strategies import genotypes

Wiring = dict[str, tuple[Counter[tuple[str, int, int]], tuple[int, ...]]]


def wiring(genotype: Genotype) -> Wiring:
    """Of each cell, how often each kept edge (operator, source, target) occurs, and the nodes of the output."""
    return {
        kind: (Counter((str(edge.op), edge.source, edge.target) for edge in cell.kept), cell.concat)
        for kind, cell in genotype.cells.items()
    }


def complete(**shape: object) -> st.SearchStrategy[Genotype]:
    """Complete genotypes, some with searched strengths, pruned edges and history."""
    return genotypes("complete", **shape)  # type: ignore[arg-type]


def two_inputs(*, nodes: tuple[int, int] = (1, 8), **shape: object) -> st.SearchStrategy[Genotype]:
    """Complete genotypes whose nodes all have exactly two inputs."""
    drawn = complete(nodes=nodes, inputs=(2, 2), isolated=False, **shape)
    return drawn.map(all_kept)


def all_kept(genotype: Genotype) -> Genotype:
    """The genotype with its pruned edges back in."""
    return genotype.replace(cells={kind: _all_kept(cell) for kind, cell in genotype.cells.items()})


def _all_kept(cell: Cell) -> Cell:
    return Cell(edges=tuple(edge.model_copy(update={"kept": True}) for edge in cell.edges), concat=cell.concat)


def all_output(genotype: Genotype) -> Genotype:
    """The genotype with all intermediate nodes in the output."""
    cells = {kind: Cell(edges=cell.edges, concat=cell.nodes) for kind, cell in genotype.cells.items()}
    return genotype.replace(cells=cells)


WIRED: Wiring = {
    "normal": (
        Counter([("sep_conv_3x3", 1, 2), ("skip_connect", 0, 2), ("max_pool_3x3", 0, 3), ("dil_conv_5x5", 2, 3)]),
        (2, 3),
    ),
    "reduce": (Counter([("max_pool_3x3", 0, 2), ("sep_conv_5x5", 1, 2)]), (2,)),
}
"""The cells that the texts in the tests of dialects mean."""
