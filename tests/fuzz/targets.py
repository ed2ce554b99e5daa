"""What is attacked: for each kind of file, bad ones to draw, and the code that reads them as the commands do."""

import gzip
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hypothesis import strategies as st

from ftso_cli.api.trained_cells import trained_cells
from ftso_cli.benchmarks import cache, text
from ftso_cli.costs.network import network_cost
from ftso_cli.drawing import diagram
from ftso_cli.errors import FtsoError
from ftso_cli.genotype import Genotype, edit, formats, library, storage
from ftso_cli.search.evaluators.predictor.fitting import fit_cells
from ftso_cli.search.evaluators.predictor.model import BUILT_IN, read_predictor
from ftso_cli.settings.config_file import read_config
from ftso_cli.spaces.darts import NetworkShape
from ftso_cli.spaces.nats import DATA_SETS
from ftso_cli.studies.plan import plan
from ftso_cli.studies.study import read_study
from tests import cells as trained
from tests.benchmarks import tables
from tests.fuzz.damage import damaged, exchanged
from tests.nats import FTSO

Read = Callable[[bytes, Path], object]
"""Reads an input, with a folder of its own to put it in."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """A kind of input. `make` gives the inputs and what reads them, once for all; it may write to the folder."""

    make: Callable[[Path], tuple[st.SearchStrategy[bytes], Read]]
    quick: int = 40
    """Inputs in the test suite."""
    share: float = 1.0
    """Of the inputs of a long run, against those of other targets; less where one takes long."""


# Genotypes


def cells() -> list[Genotype]:
    """Genotypes of both spaces, searched and published."""
    named = [library.load_genotype(name) for name in ("darts_v2", "pdarts", "nasnet_a", "bayesnas_0.01", "fairdarts_a")]
    return [*named, formats.import_genotype_text(FTSO).genotype]


def use(genotype: Genotype) -> None:
    """What the small commands do with a genotype that was let in: it must come back, or be refused, whole."""
    assert storage.parse_genotype(storage.genotype_json(genotype).encode(), "again") == genotype
    steps: list[Callable[[], object]] = [
        lambda: edit.keep_strongest(genotype),
        lambda: network_cost(genotype, NetworkShape(channels=16, cells=5, classes=10), (32, 32)),
        lambda: network_cost(genotype, DATA_SETS["cifar10"].shape, (32, 32)),
        lambda: diagram.dot(genotype),
        *(lambda name=name: formats.export_genotype_text(genotype, name) for name in formats.FORMATS),
    ]
    for step in steps:
        try:
            step()
        except FtsoError as error:
            assert "\n" not in str(error)


def genotype_bytes(folder: Path) -> tuple[st.SearchStrategy[bytes], Read]:
    seeds = [storage.genotype_json(each).encode() for each in cells()]
    return damaged(seeds), lambda content, _: use(storage.parse_genotype(content, "file"))


def genotype_values(folder: Path) -> tuple[st.SearchStrategy[bytes], Read]:
    seeds = [storage.genotype_json(each).encode() for each in (*cells(), searched())]
    return exchanged(seeds), lambda content, _: use(storage.parse_genotype(content, "file"))


def searched() -> Genotype:
    """A genotype at stage searched, with an ensemble."""
    text = storage.genotype_json(formats.import_genotype_text(FTSO).genotype)
    content = json.loads(text)
    kind = next(iter(content["cells"]))
    for number, edge in enumerate(content["cells"][kind]["edges"]):
        edge |= {"beta": number / 7, "scores": [0.1, number / 9], "z": 1.5, "alpha": {"none": 0.5, "skip_connect": 0.1}}
    agreement = {"agreement": {kind: {"found": 0.5, "chance": 0.4}}}
    content |= {"stage": "searched", "ensemble": {"rank": "gradient", "seeds": [0, 1], **agreement}}
    return storage.parse_genotype(json.dumps(content).encode(), "file")


# Formats of other tools


def imported(content: bytes, folder: Path) -> object:
    """Reads a text as `ftso import` does, as what it says it is and as every format."""
    decoded = content.decode(errors="replace")
    for name in (None, *formats.FORMATS):
        for dialect in formats.DIALECTS if name in (None, "darts") else ("darts",):
            try:
                use(formats.import_genotype_text(decoded, name, dialect=dialect).genotype)
            except FtsoError as error:
                assert "\n" not in str(error)
    return formats.import_genotype_text(decoded)


def written(*names: str) -> list[bytes]:
    """Good texts of these formats."""
    return [
        formats.export_genotype_text(library.load_genotype(cell), name)[0].encode()
        for name in names
        for cell in ("pdarts", "darts_v2")
    ]


LOG = """
PC_DARTS = Genotype(normal=[('sep_conv_3x3', 1), ('skip_connect', 0)], normal_concat=range(2, 3),
    reduce=[('max_pool_3x3', 0, 0.5), ('none', 1, 0.25)], reduce_concat=[2])  # a comment
2020-01-01 INFO genotype = Genotype(normal=[[('none', 0), ('none', 1)]], normal_concat=[2], reduce=[], reduce_concat=())
"""


def darts_text(folder: Path) -> tuple[st.SearchStrategy[bytes], Read]:
    return damaged([*written("darts"), LOG.encode()]), imported


def nats_text(folder: Path) -> tuple[st.SearchStrategy[bytes], Read]:
    return damaged(
        [FTSO.encode(), b"Structure(4 nodes with |none~0|+|none~0|none~1|+|none~0|none~1|none~2|)"]
    ), imported


def other_text(folder: Path) -> tuple[st.SearchStrategy[bytes], Read]:
    dictionaries = written("edges", "nni", "node-link")
    return damaged([*dictionaries, *written("naslib")]) | exchanged(dictionaries), imported


# Tables


def table(folder: Path) -> tuple[st.SearchStrategy[bytes], Read]:
    whole, start = tables.text(), "\n".join(tables.lines()[:40]).encode()
    seeds = [start] * 20 + [whole]
    # A number turned into no number, and a cell twice, at any place.
    last = whole.rstrip().rsplit(b"\n", 1)[1]
    ends = [whole + last + b"\n", whole.replace(last, last[1:]), whole.replace(b".", b"e9", 3), whole + b"\n\n"]
    return damaged([*seeds, *ends]), lambda content, _: text.read_text_table(folder / "table.csv", content)


def packed_table(folder: Path) -> tuple[st.SearchStrategy[bytes], Read]:
    packed = gzip.compress("\n".join(tables.lines()[:400]).encode(), mtime=0)
    bomb = gzip.compress(b"0" * 200_000_000, mtime=0)
    two = packed + gzip.compress(b"x,y\n" * 10, mtime=0)
    seeds = [packed] * 30 + [two] * 10 + [bomb]
    return damaged(seeds), lambda content, _: text.read_text_table(folder / "table.csv.gz", content)


def kept_table(folder: Path) -> tuple[st.SearchStrategy[bytes], Read]:
    """The cache of tables: what is damaged is never taken for what was kept."""
    path = folder / "table.nats"
    found = text.read_text_table(path, tables.text())
    cache.save_table(found, path)
    whole = path.read_bytes()
    half = len(whole) // 2

    def read(content: bytes, _: Path) -> None:
        path.write_bytes(content)
        if (again := cache.load_table(path)) is None:
            raise FtsoError("not taken")
        assert again == found

    begin = damaged([whole[:3000], whole[:80]]).map(lambda start: start + whole[3000:])
    return begin | damaged([whole[half : half + 100]]).map(lambda part: whole[:half] + part + whole[half + 100 :]), read


# Predictors


def predictor(folder: Path) -> tuple[st.SearchStrategy[bytes], Read]:
    """A predictor that is let in gives a finite accuracy."""
    path = folder / "predictor.json"

    def read(content: bytes, _: Path) -> None:
        path.write_bytes(content)
        assert math.isfinite(read_predictor(path).predict(library.load_genotype("darts_v2")).accuracy)

    return damaged([BUILT_IN.read_bytes()]) | exchanged([BUILT_IN.read_bytes()]), read


def trained_table(folder: Path) -> tuple[st.SearchStrategy[bytes], Read]:
    """Cells that are let in have accuracies of a percentage, and can be fitted to."""
    path = folder / "results.csv"

    def read(content: bytes, _: Path) -> None:
        path.write_bytes(content)
        cells = trained_cells([path])
        assert all(0 <= accuracy <= 100 for accuracy in cells.accuracies)
        fit_cells(cells)

    strings = "\n".join(["genotype,accuracy", *(f"{FTSO},{number}" for number in range(9))])
    return damaged([trained.table(trained.planted(12)).encode(), strings.encode()]), read


# Settings


def config(folder: Path) -> tuple[st.SearchStrategy[bytes], Read]:
    seed = {
        "cell": "darts_v2",
        "data": "digits",
        "recipe": {"name": "quick", "epochs": 2, "rate": 0.1, "stem": "cifar", "schedule": "linear", "cutout": 0.2},
        "seed": 1,
        "image_size": [8, 8],
        "device": "cpu",
        "precision": "float32",
        "compile": False,
        "save_every": 0.5,
        "classes": ["a", "b"],
        "mean": [0.5],
        "versions": {"torch": "2"},
    }
    seeds = [json.dumps(seed).encode(), b'{"recipe": "cifar", "data": "photos/"}']
    path = folder / "settings.json"

    def read(content: bytes, _: Path) -> None:
        path.write_bytes(content)
        request = read_config(path)
        request.settings(None, {})
        assert request.image_size is None or min(request.image_size) > 0

    return damaged(seeds) | exchanged(seeds), read


STUDY = b"""
title = "a study"
data = "digits"
image-size = 16
seeds = "0-2"
cell = "darts_v2"
search-topology.channels = 8
assign-ops.op = "sep_conv_3x3"
train = { channels = 8, cells = 5, epochs = 1, batch-size = 128, auxiliary = 0.0 }

[grid]
search-topology.iters = [1, 10, 100]
train.rate = [0.1, 0.2]

[[settings]]
name = "with operator search"
search-ops.iters = 50
paper = 2.5

[figure]
kind = "lines"
x = "search-topology.iters"

[full]
seeds = [0, 5]
train.epochs = 600
"""


def study(folder: Path) -> tuple[st.SearchStrategy[bytes], Read]:
    many = b"".join(b"\nsearch-topology.warmup = [%s]" % b",".join([b"0.5"] * 500) for _ in range(1))
    large = STUDY.replace(b"train.rate = [0.1, 0.2]", b"train.rate = [" + b"0.1, " * 5000 + b"]" + many)
    path = folder / "study.toml"

    def read(content: bytes, _: Path) -> None:
        path.write_bytes(content)
        for full in (False, True):
            plan(read_study(path, full=full))

    return damaged([STUDY] * 20 + [large]), read


TEXTS = {
    "genotype, bytes": Target(make=genotype_bytes, share=3),
    "genotype, values": Target(make=genotype_values, share=3),
    "DARTS text": Target(make=darts_text, share=3),
    "NATS string": Target(make=nats_text, share=2),
    "other formats": Target(make=other_text, share=2),
    "NATS table": Target(make=table, quick=20, share=0.5),
    "NATS table, gzip": Target(make=packed_table, quick=20, share=0.5),
    "NATS table, cache": Target(make=kept_table, share=0.5),
    "predictor": Target(make=predictor, share=2),
    "trained cells": Target(make=trained_table, quick=20),
    "--config": Target(make=config, share=3),
    "study file": Target(make=study, share=2),
}
