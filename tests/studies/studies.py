"""Study files whose trials take a second: cells of the nats space, drawn by seed and looked up in a table."""

from pathlib import Path

from ftso_cli.genotype import storage
from ftso_cli.studies.results import Trial
from ftso_cli.studies.study import Study
from tests.benchmarks import tables
from tests.nats import uniform

LOOKED_UP = """
seeds = "{seeds}"
cell = "{cell}"
assign-ops.op = "random"
query.table = "{table}"

[grid]
query.of = ["cifar10", "cifar100"]
"""

TRAINED = """
data = "digits"
search-topology = { channels = 4, cells = 3, iters = 1 }
assign-ops.op = "skip_connect"
train = { channels = 4, cells = 3, epochs = 1 }

[[settings]]
name = "plain"

[[settings]]
name = "twice"
train.epochs = 2

[full]
seeds = "0-3"
train.epochs = 600
"""
"""Two settings that share their cell."""


BUDGETS = (
    TRAINED.split("[[settings]]")[0]
    + """
[grid]
train = [{ epochs = 1 }, { epochs = 2 }, { epochs = 1, channels = 8 }]

[figure]
kind = "scatter"
by = "train"
axes = ["short", "long"]
"""
)

LENGTHS = (
    TRAINED.split("[[settings]]")[0]
    + """
[grid]
search-topology.iters = [1, 17, 391]

[figure]
kind = "lines"
x = "search-topology.iters"
also = "eigenvalue"
logarithmic = true
"""
)


def looked_up(folder: Path, seeds: str = "0-1", *, with_table: bool = True) -> Path:
    """A study of trials that draw operators and look them up: two settings, which share their cells."""
    cell, table = folder / "nats.json", folder / "table.csv"
    storage.write_genotype(uniform("skip_connect"), cell)
    if with_table:
        table.write_bytes(tables.text())
    return written(folder, LOOKED_UP.format(seeds=seeds, cell=cell, table=table), "drawn")


def written(folder: Path, text: str, name: str = "study") -> Path:
    """A study file with this text."""
    path = folder / f"{name}.toml"
    path.write_text(text, encoding="utf-8")
    return path


def done(study: Study, accuracies: list[list[float]]) -> list[Trial]:
    """A trial for each setting and seed, of these accuracies, with an eigenvalue of ten times as much."""
    return [
        Trial(
            setting=setting.name,
            seed=seed,
            state="done",
            pipeline=setting.pipeline,
            accuracy=accuracy,
            measures={"eigenvalue": 10 * accuracy},
        )
        for setting, row in zip(study.settings, accuracies, strict=True)
        for seed, accuracy in enumerate(row)
    ]
