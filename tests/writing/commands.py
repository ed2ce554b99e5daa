"""Every command that writes, at its smallest, and whether what it has written is whole."""

import csv
import io
import json
import os
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from ftso_cli.benchmarks import cache
from ftso_cli.data.files.folders import SETTLED
from ftso_cli.genotype import Genotype, storage
from ftso_cli.nn.checkpoint import read_tensors
from tests.benchmarks import tables
from tests.forks import Trial, forks
from tests.images import write_folder
from tests.nats import uniform
from tests.studies.studies import looked_up

OUT = "out"
"""The folder that is written to, in the one that a command runs in."""

SEARCH = "--channels 4 --cells 2 --batch-size 64 --save-every 0"
TRAIN = "--channels 4 --cells 2 --batch-size 256 --auxiliary 0 --save-every 0"


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command, with `{out}` for the folder that it writes to; `old` are files that lie there from before."""

    args: str
    products: tuple[str, ...]
    old: dict[str, str] = field(default_factory=dict)
    """By their name in the folder, files of the work place."""
    resume: str = ""
    """The file that says that there is something to go on from with --resume."""
    once: bool = False
    """Whether the command can't be given again, once it has changed what it began with."""
    cached: bool = False
    """Whether the cache lies in the folder, too."""

    def trial(self, folder: Path, out: str = OUT, **happens: Any) -> Trial:
        """This command in `folder`."""
        args = self.args
        if self.resume and (folder / out / self.resume).exists():
            args = "train --resume {out}/run" if args.startswith("train") else f"{args} --resume"
        cache = folder / out / "cache" if self.cached else folder / "cache"
        return Trial(
            args=[word.format(out=out) for word in args.split()],
            folder=str(folder),
            env={"FTSO_CACHE": str(cache)},
            **happens,
        )


IN_PLACE = {"cell.json": "searched.json"}
PRUNED = {"cell.json": "pruned.json"}
TWO = "--ops skip_connect,max_pool_3x3"

COMMANDS = {
    "prune": Command(args="prune {out}/cell.json", products=("cell.json",), old=IN_PLACE),
    "assign-ops": Command(args="assign-ops {out}/cell.json", products=("cell.json",), old=IN_PLACE),
    "import": Command(args="import darts.txt -o {out}/cell.json", products=("cell.json",), old=IN_PLACE),
    "export": Command(
        args="export complete.json -o {out}/cell.txt", products=("cell.txt",), old={"cell.txt": "darts.txt"}
    ),
    "export RUN": Command(
        args="export run -f safetensors -o {out}/network.safetensors",
        products=("network.safetensors",),
        old={"network.safetensors": "run/weights.safetensors"},
    ),
    "draw": Command(
        args="draw complete.json searched.json --out-dir {out}/pictures",
        products=("pictures/complete.svg", "pictures/searched.svg"),
    ),
    "draw png": Command(args="draw complete.json -o {out}/cell.png", products=("cell.png",)),
    "report": Command(args="report complete.json -o {out}/report.html", products=("report.html",)),
    "evaluate": Command(args="evaluate run --confusion {out}/confusion.png", products=("confusion.png",)),
    "search-topology": Command(
        args="search-topology --iters 3 --every 1 --run {out}/history -o {out}/cell.json " + SEARCH,
        products=("cell.json", "history/metrics.csv", "history/betas.csv"),
        old=IN_PLACE,
        resume="history/checkpoint.safetensors",
    ),
    "race": Command(
        args="search-topology --rank race --budget 272 --workers 1 --channels 4 --cells 2 -b 8 -o {out}/cell.json",
        products=("cell.json",),
        resume="cell.race.json",
    ),
    "search-topology from seeds": Command(
        args="search-topology --iters 2 --seeds 0-2 --workers 1 --channels 4 --cells 2 -b 64 -o {out}/cell.json",
        products=("cell.json",),
        resume="cell.seeds",
    ),
    "search-ops": Command(
        args=f"search-ops {{out}}/cell.json --iters 3 --every 1 {TWO} {SEARCH}",
        products=("cell.json", "cell.search-ops/alphas.csv"),
        old=PRUNED,
        resume="cell.search-ops/checkpoint.safetensors",
        once=True,
    ),
    "search-ops by capacity": Command(
        args=f"search-ops {{out}}/cell.json --strategy capacity --channels 4 --cells 2 --steps 2 --slack 0 {TWO}",
        products=("cell.json", "cell.search-ops/evaluations.csv"),
        old=PRUNED,
        resume="cell.search-ops/checkpoint.safetensors",
        once=True,
    ),
    "search": Command(
        args="search -m random --budget 2 --iters 4 --every 1 -o {out}/cell.json " + SEARCH,
        products=("cell.json", "cell.search/metrics.csv"),
        resume="cell.search/checkpoint.safetensors",
    ),
    "train": Command(
        args="train complete.json --epochs 2 -o {out}/run " + TRAIN,
        products=(
            "run/weights.safetensors",
            "run/metrics.csv",
            "run/metrics.png",
            "run/result.json",
            "run/answers.csv",
        ),
        resume="run/config.json",
    ),
    "sweep results": Command(
        args="sweep results study --csv {out}/trials.csv --markdown {out}/table.md --figure {out}/figure.svg",
        products=("trials.csv", "table.md", "figure.svg"),
    ),
    "nats-table2": Command(
        args="nats-table2 -t table.csv -m assign-ops -m darts-1st --seeds 0-1 --iters 2 -o {out}/ledger.json",
        products=("ledger.json",),
    ),
    "cache of images": Command(
        args="search-topology -d photos --epochs 1 --channels 4 --cells 2 -b 16 -o {out}/cell.json",
        products=("cell.json", "cache/images/*"),
        resume="cell.search-topology/checkpoint.safetensors",
        cached=True,
    ),
    "cache of tables": Command(args="query nats.json --table table.csv", products=("cache/tables/*",), cached=True),
}


def make_place(folder: Path, searched: Genotype, *, with_study: bool) -> None:
    """Fills a folder with all that the commands read: cells, a trained network, a table, images, perhaps a study."""
    cells = {"searched.json": searched, "nats.json": uniform("skip_connect")}
    for name, cell in cells.items():
        storage.write_genotype(cell, folder / name)
    (folder / "table.csv").write_bytes(tables.text())
    write_folder(folder / "photos")
    (folder / "inputs").mkdir()
    looked_up(folder / "inputs", "0")
    made = [
        "prune searched.json -o pruned.json",
        "assign-ops pruned.json --op max_pool_3x3 -o complete.json",
        "export complete.json -o darts.txt",
        "train complete.json --epochs 1 -o run " + TRAIN,
        *(["sweep inputs/drawn.toml -o study"] if with_study else []),
    ]
    for args in made:
        done = forks().run(Trial(args=args.split(), folder=str(folder), env={"FTSO_CACHE": str(folder / "cache")}))
        assert done.status == 0, done.err
    _wait_until_settled(folder / "photos")


def _wait_until_settled(folder: Path) -> None:
    """Images that have just changed are not cached."""
    changed = max(path.stat().st_ctime_ns for path in _below(folder))
    time.sleep(max(0, changed + SETTLED - time.time_ns()) / 1e9)


def laid_out(command: Command, place: Path, folder: Path, out: str = OUT) -> None:
    """Makes `folder` one to run the command in: what it reads, as links, and what it finds where it writes."""
    folder.mkdir(exist_ok=True)
    (folder / out).mkdir(exist_ok=True)
    for path in place.iterdir():
        (folder / path.name).symlink_to(path)
    for name, source in command.old.items():
        shutil.copy(place / source, folder / out / name)


def files_in(folder: Path) -> dict[str, bytes]:
    """All files below a folder, by their path in it; those that only writers see are left out."""
    found = {str(path.relative_to(folder)): path for path in _below(folder)}
    return {name: path.read_bytes() for name, path in found.items() if not path.name.startswith(".ftso")}


def _below(folder: Path) -> list[Path]:
    """All files below a folder, also behind links."""
    return [Path(root) / name for root, _, names in os.walk(folder, followlinks=True) for name in names]


def leftovers(folder: Path) -> list[str]:
    """Temporary files and locks below a folder."""
    return [path.name for path in _below(folder) if path.name.startswith(".ftso")]


def check_whole(folder: Path, before: dict[str, bytes]) -> None:
    """Fails where a file is neither as it was before nor whole, or is gone."""
    now = files_in(folder)
    assert before.keys() <= now.keys()
    for name, content in now.items():
        if content != before.get(name):
            _check(folder / name, content)


def _check(path: Path, content: bytes) -> None:
    if path.suffix in (".svg", ".html", ".dot"):
        assert content.rstrip().endswith({".svg": b"</svg>", ".html": b"</html>", ".dot": b"}"}[path.suffix])
    elif path.suffix == ".png":
        Image.open(io.BytesIO(content)).load()
    elif path.suffix == ".safetensors":
        assert read_tensors(path)[0]
    elif path.suffix == ".csv":
        assert content.endswith(b"\n") and len({len(row) for row in csv.reader(content.decode().splitlines())}) == 1
    elif path.suffix == ".json":
        if "format" in json.loads(content) and "cells" in json.loads(content):
            storage.parse_genotype(content, path.name)
    elif path.suffix == ".nats":
        assert cache.load_table(path) is not None
    else:
        assert path.suffix in (".txt", ".md", ".TAG") and content.endswith(b"\n")


def same(found: bytes, expected: bytes, name: str) -> bool:
    """Whether two products are equal but for times, and the history of a cell that was edited twice."""
    if name.endswith(".json") and b'"space"' in expected:
        return storage.parse_genotype(found, name).cells == storage.parse_genotype(expected, name).cells
    if name == "run/metrics.csv":
        ours, theirs = (list(csv.DictReader(text.decode().splitlines())) for text in (found, expected))
        return [row | {"seconds": ""} for row in ours] == [row | {"seconds": ""} for row in theirs]
    # The seconds of a training are in its curves, those of a search in its ledger; a page says when it was made.
    return name.endswith((".png", ".html", "ledger.json")) or found == expected
