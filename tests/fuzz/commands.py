"""Hostile inputs through whole commands, a process each: `python -m tests.fuzz.commands --commands 50000`.

Each ends with status 0, 1, 2 or 130, without a traceback or "a fault in ftso"; writes, deletes and starts nothing that
is not its own; takes at most 2 s of processor time and 500 MB, but for commands that train. A JSON line comes last. A
command that breaks a rule is printed with what was done to its files; `--stop` ends there and keeps them.
"""

import argparse
import json
import os
import platform
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from tests.conftest import searched_genotype
from tests.forks import BROKEN, Ended, Trial, forks, signalled
from tests.fuzz.corpus import BARE, KINDS, RACE, RESUME, Case
from tests.fuzz.oracle import BYTES, SECONDS
from tests.images import write_folder
from tests.nats import uniform

STATUSES = (0, 1, 2, 130)

TRAINING = ("train", "search-topology", "evaluate", "latency")
"""Commands whose time is that of what they train or run."""


def guarded(args: Sequence[str], folder: Path) -> Ended:
    """Runs `ftso ARGS` in a folder, which holds all that is the user's own."""
    own = {"HOME": str(folder), "TMPDIR": str(folder), "FTSO_CACHE": f"{folder}/cache", "MPLCONFIGDIR": str(folder)}
    return forks().run(Trial(args=args, folder=str(folder), env=own, guarded=True))


def make_place(place: Path) -> None:
    """Fills a folder with what the commands read."""
    from ftso_cli.genotype import storage
    from tests.benchmarks import tables
    from tests.studies.studies import looked_up

    storage.write_genotype(searched_genotype(), place / "searched.json")
    storage.write_genotype(uniform("skip_connect"), place / "nats.json")
    (place / "table.csv").write_bytes(tables.text())
    write_folder(place / "photos", train=6, test=2)
    photos = sorted((place / "photos").rglob("*.png"))
    rows = [f"{photo.relative_to(place)},{photo.parent.name},{at // 2}" for at, photo in enumerate(photos)]
    (place / "labels.csv").write_text("\n".join(["path,label,group", *rows, ""]))
    shutil.copy(place / "photos" / "test" / "red" / "000.png", place / "image.png")
    inputs = place / "inputs"
    inputs.mkdir()
    shutil.move(looked_up(inputs, "0-1"), place / "study.toml")
    small = "--channels 4 --cells 2 --batch-size 8 --workers 1"
    commands = [
        "prune searched.json -o pruned.json",
        "assign-ops pruned.json --op max_pool_3x3 -o complete.json",
        "export darts_v2 -f node-link -o text.graph.json",
        "export darts_v2 -f darts -o text.py",
        "export darts_v2 -f edges -o text.json",
        "export darts_v2 -f nni -o text.nni.json",
        "export nats.json -f nats -o text.nats",
        f"search-topology --data photos --seeds 0-3 --iters 1 {small} -o many.json",
        "train complete.json --data photos --epochs 2 --channels 2 --cells 2 --batch-size 8 --auxiliary 0 -o run",
        "latency run --runs 1",
        RESUME.removesuffix(" --resume"),
        "sweep study.toml -o study -w 1",
    ]
    for command in commands:
        ended = guarded(command.split(), place)
        assert ended.status == 0, (command, ended)
    from ftso_cli.genotype import library

    shutil.copy(library.files()["darts_v2"], place / "published.json")
    # A race and a search that were stopped, so that there is something to go on from.
    for command, kept in ((RACE, "raced.race.json"), (RESUME, "found.search-topology/checkpoint.safetensors")):
        stopped(command.removesuffix(" --resume").split(), place, kept)
    search = place / "whole"
    search.mkdir()
    shutil.move(place / "found.search-topology", search)
    shutil.copytree(search / "found.search-topology", place / "found.search-topology")


def stopped(args: list[str], place: Path, kept: str) -> None:
    """Runs a command that ends itself where it is to replace a file once more."""
    if "race" not in kept:
        shutil.rmtree(place / "found.search-topology")
    path = (place / kept).with_name("checkpoint-before.safetensors") if "checkpoint" in kept else place / kept
    done = signalled(args, path, 2 if "race" in kept else 1, cwd=place)
    assert (place / kept).exists(), done.stderr.decode()


def problem(case: Case, ended: Ended, folder: Path, *, timed: bool = True) -> str:
    """The rule that a command has broken; "" where it has broken none."""
    if ended.status == BROKEN:
        return ended.err[ended.err.index("BROKEN") :][:300]
    if ended.status not in STATUSES:
        return f"status {ended.status}"
    if "Traceback" in ended.err or "a fault in ftso" in ended.err:
        return "a fault"
    errors = [line for line in ended.err.splitlines() if line.startswith("error: ")]
    if ended.status in (1, 2) and not errors and case.args[0] not in ("predict", "evaluate", "sweep"):
        return "no line that says what is wrong"
    if BARE.search(ended.err) or ("-" not in case.args and BARE.search(ended.out)):
        return "control characters for the terminal"
    if any(path.name.startswith("PWNED") for path in folder.rglob("*")):
        return "something was run"
    if timed and case.args[0] not in TRAINING and ended.processor > SECONDS:
        return f"takes {ended.processor} s"
    if timed and case.args[0] not in TRAINING and ended.bytes > BYTES:
        return f"takes {ended.bytes / 1e6:.0f} MB"
    return ""


@dataclass
class Tally:
    """What came of many commands."""

    statuses: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    largest: int = 0
    broken: list[dict[str, Any]] = field(default_factory=list)

    def __add__(self, other: "Tally") -> "Tally":
        """Both together."""
        return Tally(
            statuses=self.statuses + other.statuses,
            kinds=self.kinds + other.kinds,
            slowest=max(self.slowest, other.slowest),
            largest=max(self.largest, other.largest),
            broken=self.broken + other.broken,
        )

    def add(self, kind: str, case: Case, ended: Ended) -> None:
        """Counts a command."""
        self.statuses[str(ended.status)] += 1
        self.kinds[kind] += 1
        if case.args[0] not in TRAINING:
            self.slowest, self.largest = max(self.slowest, ended.processor), max(self.largest, ended.bytes)


def attack(
    own: Path, numbers: range, seed: int, kinds: Sequence[str] = (), *, stop: bool = False, timed: bool = True
) -> Tally:
    """Tries the commands of these numbers in the folder `own`, and prints each that breaks a rule."""
    tally = Tally()
    place, folder = own / "place", own / "trial"
    place.mkdir()
    make_place(place)
    names = list(kinds or KINDS)
    for number in numbers:
        draw = random.Random(f"{seed} {number}")
        kind = draw.choices(names, [KINDS[name][1] for name in names])[0]
        folder.mkdir()
        case = KINDS[kind][0](draw, place, folder)
        ended = guarded(case.args, folder)
        tally.add(kind, case, ended)
        if said := problem(case, ended, folder, timed=timed):
            told = {"number": number, "kind": kind, "args": list(case.args), "told": case.told, "broken": said}
            tally.broken.append(told)
            print(json.dumps(told | {"err": ended.err[-600:]}), flush=True)
            if stop:
                shutil.copytree(folder, f"broken-{seed}-{number}", symlinks=True)
                break
        shutil.rmtree(folder)
        if tally.kinds.total() % 1000 == 0:
            print(f"up to {number}: {len(tally.broken)} broken", file=sys.stderr, flush=True)
    return tally


def main() -> int:
    """Tries the commands and prints what broke a rule, and a summary."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--commands", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", action="append", choices=KINDS, help="this kind (repeated)")
    parser.add_argument("--stop", action="store_true", help="at the first that breaks a rule, and keep its files")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="at a time (default: one a core)")
    asked = parser.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as own, ProcessPoolExecutor(asked.jobs, get_context("spawn")) as pool:
        parts = []
        for job in range(asked.jobs):
            (folder := Path(own) / str(job)).mkdir()
            numbers = range(job, asked.commands, asked.jobs)
            parts.append(pool.submit(attack, folder, numbers, asked.seed, asked.only or (), stop=asked.stop))
        tally = sum((part.result() for part in parts), Tally())
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    facts = {"commands": tally.kinds.total(), "broken": len(tally.broken), "statuses": tally.statuses}
    facts |= {"kinds": tally.kinds, "machine": machine, "seed": asked.seed, "slowest_s": tally.slowest}
    print(json.dumps(facts | {"largest_MB": tally.largest // 10**6, "seconds": round(time.monotonic() - started)}))
    return 1 if tally.broken else 0


if __name__ == "__main__":
    sys.exit(main())
