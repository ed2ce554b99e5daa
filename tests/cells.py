"""Random cells of the darts space with accuracies by a planted rule, as objects and as a table."""

import random
from pathlib import Path

from ftso_cli.genotype import FORMAT, Cell, Edge, Genotype
from ftso_cli.search.evaluators.predictor.fitting import TrainedCells

SURROGATE = Path(__file__).parents[2] / "shared" / "data" / "darts_cells_surrogate.csv"

OPS = ("skip_connect", "sep_conv_3x3", "max_pool_3x3")

KINDS = ("normal", "reduce")


def drawn(draws: random.Random) -> Genotype:
    """A random cell: two inputs a node, any of `OPS`."""
    cells = {}
    for kind in KINDS:
        edges = [
            Edge(source=source, target=node, op=draws.choice(OPS))
            for node in range(2, 6)
            for source in draws.sample(range(node), 2)
        ]
        cells[kind] = Cell(edges=tuple(edges), concat=(2, 3, 4, 5))
    return Genotype(format=FORMAT, space="darts", stage="complete", cells=cells)


def accuracy(genotype: Genotype) -> float:
    """Separable convolutions are worth a point, and edges of the normal cell that read an input a half."""
    edges = [edge for cell in genotype.cells.values() for edge in cell.kept]
    wide = sum(edge.source < 2 for edge in genotype.cells["normal"].kept)
    return 60.0 + sum(edge.op == "sep_conv_3x3" for edge in edges) + wide / 2


def planted(count: int, seed: int = 0) -> TrainedCells:
    """Random cells, with their accuracies in percent."""
    draws = random.Random(seed)
    genotypes = [drawn(draws) for _ in range(count)]
    return TrainedCells(genotypes=genotypes, accuracies=[accuracy(each) for each in genotypes], target="accuracy")


def compact(cell: Cell) -> str:
    """A cell as a table writes it."""
    nodes = ([f"{edge.op}~{edge.source}" for edge in cell.inputs_of(node)] for node in cell.nodes)
    return "|".join(map(",".join, nodes))


def table(cells: TrainedCells) -> str:
    """The cells as CSV."""
    rows = [
        f'"{compact(genotype.cells["normal"])}","{compact(genotype.cells["reduce"])}",{value!r},=1+1'
        for genotype, value in zip(cells.genotypes, cells.accuracies, strict=True)
    ]
    return "\n".join(["normal,reduce,accuracy,remark", *rows, ""])
