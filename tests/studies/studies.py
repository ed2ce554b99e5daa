"""Study files whose trials take a second: cells of the nats space, drawn by seed and looked up in a table."""

from pathlib import Path

from ftso_cli.genotype import storage
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


def looked_up(folder: Path, seeds: str = "0-1", *, with_table: bool = True) -> Path:
    """A study of trials that draw operators and look them up: two settings, which share their cells."""
    cell, table = folder / "nats.json", folder / "table.csv"
    storage.write(uniform("skip_connect"), cell)
    if with_table:
        table.write_bytes(tables.text())
    return written(folder, LOOKED_UP.format(seeds=seeds, cell=cell, table=table), "drawn")


def written(folder: Path, text: str, name: str = "study") -> Path:
    """A study file with this text."""
    path = folder / f"{name}.toml"
    path.write_text(text, encoding="utf-8")
    return path
