"""Start-up: `ftso` commands as whole processes, against `python -c "import typer, pydantic, networkx"`.

    python benchmarks/startup.py [--runs 9]

Each round runs every command once, so that a busy machine slows all alike; what counts are medians of the rounds.
The bound is 1.5 times the imports alone. A table goes to stderr, one JSON line to stdout.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ftso_cli.cli.app import COMMANDS
from ftso_cli.genotype import FORMAT, Cell, Edge, Genotype, storage

BOUND = 1.5
BASE = "import typer, pydantic, networkx"


def main() -> None:
    """Runs the rounds and prints what they took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=9, help="rounds (default 9)")
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as folder:
        commands = prepared(Path(folder))
        seconds: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(runs + 1):
            for name, command in commands.items():
                seconds[name].append(timed(command, Path(folder)))
    # The first round fills the disk cache, and the byte code where Python may write it.
    medians = {name: statistics.median(values[1:]) for name, values in seconds.items()}
    ratios = {name: median / medians["base"] for name, median in medians.items() if name != "base"}
    for name, median in medians.items():
        ratio = median / medians["base"]
        print(
            f"{name:<22} {median:6.3f} s  {ratio:5.2f}x  {'' if ratio <= BOUND else 'above the bound'}", file=sys.stderr
        )
    result = {
        "runs": runs,
        "base_seconds": round(medians["base"], 4),
        "bound": BOUND,
        "ratios": {name: round(ratio, 3) for name, ratio in ratios.items()},
        "worst": round(max(ratios.values()), 3),
    }
    print(json.dumps(result))


def prepared(folder: Path) -> dict[str, list[str]]:
    """The commands to time, by name, with the files that they read."""
    searched = cell_file(folder / "searched.json", "searched")
    complete = cell_file(folder / "complete.json", "complete")
    ftso = [shutil.which("ftso", path=str(Path(sys.executable).parent)) or "ftso"]
    timed_commands = {
        "--help": ["--help"],
        "prune": ["prune", searched, "-o", "pruned.json"],
        "assign-ops": ["assign-ops", searched, "-o", "assigned.json"],
        "draw, terminal": ["draw", complete],
        "draw -o svg": ["draw", complete, "-o", "cell.svg"],
        "cost": ["cost", complete],
        "cost, formulas": ["cost", "--n", "7", "--p", "8"],
        "genotypes": ["genotypes"],
        "export": ["export", complete],
    }
    base = {"base": [sys.executable, "-c", BASE]}
    known = {name: args for name, args in timed_commands.items() if args[0] in {"--help", *COMMANDS}}
    return base | {name: ftso + args for name, args in known.items()}


def cell_file(path: Path, stage: str) -> str:
    """Writes a genotype of four nodes a cell, with every edge or with two a node."""
    edges = tuple(
        Edge(source=source, target=node, op="skip_connect", beta=1e-3 * source)
        for node in range(2, 6)
        for source in range(node)
        if stage == "searched" or source < 2
    )
    cells = {kind: Cell(edges=edges, concat=(2, 3, 4, 5)) for kind in ("normal", "reduce")}
    storage.write_genotype(
        Genotype.model_validate({"format": FORMAT, "space": "darts", "stage": stage, "cells": cells}), path
    )
    return str(path)


def timed(command: list[str], folder: Path) -> float:
    """Seconds of one run, which must succeed."""
    started = time.perf_counter()
    done = subprocess.run(command, cwd=folder, capture_output=True)
    seconds = time.perf_counter() - started
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed: {done.stderr.decode()}")
    return seconds


if __name__ == "__main__":
    main()
