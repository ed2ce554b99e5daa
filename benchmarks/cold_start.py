"""Cold start: `ftso search-topology --iters 1` on a cached set as a whole process, against importing torch.

    python benchmarks/cold_start.py [--data DATA] [--runs 9]

Without --data it makes a folder of 50,000 random images of 32x32 pixels. The images are decoded once into a cache of
the benchmark's own. Each round then runs, one after another, `python -c "import torch"`, the search of one iteration,
and one of some more, whose additional seconds tell what an iteration takes in a process that runs. What counts are
medians of the rounds. The bound is 2.0 times import and iteration. A table goes to stderr, one JSON line to stdout.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from ftso_cli.data import open_images

BOUND = 2.0
CLASSES = 10
IMAGES = 50_000
MORE = 5
"""Iterations that the longer search has beside the first."""


def main() -> None:
    """Fills the cache, runs the rounds and prints what they took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="a set of --data of ftso (default: random images)")
    parser.add_argument("--runs", type=int, default=9, help="rounds (default 9)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["FTSO_CACHE"] = str(folder / "cache")
        data = options.data or random_images(folder / "images")
        decoded, cached = seconds_to_load(data), seconds_to_load(data)
        rounds = [one_round(data, folder) for _ in range(options.runs + 1)]
    # The first round fills the disk cache, and the byte code where Python may write it.
    taken = {part: median(each[part] for each in rounds[1:]) for part in rounds[0]}
    ratio = taken["process"] / (taken["import torch"] + taken["iteration"])
    for part, seconds in taken.items():
        print(f"{part:<22}{seconds:7.3f} s", file=sys.stderr)
    print(f"process / (import torch + iteration) {ratio:.2f}, bound {BOUND}", file=sys.stderr)
    print(f"all images read: {decoded:.2f} s decoded, {cached:.2f} s from the cache", file=sys.stderr)
    result = {
        "runs": options.runs,
        "images": len(open_images(data).train) if options.data else IMAGES,
        "seconds": {part: round(seconds, 4) for part, seconds in taken.items()},
        "decode_all_seconds": round(decoded, 3),
        "read_cached_seconds": round(cached, 3),
        "bound": BOUND,
        "ratio": round(ratio, 3),
    }
    print(json.dumps(result))


def random_images(folder: Path) -> str:
    """Writes the images in ten classes, with a few for testing beside them, as PPM files."""
    source = random.Random(0)
    for part, count in (("train", IMAGES // CLASSES), ("test", 10)):
        for label in range(CLASSES):
            place = folder / part / str(label)
            place.mkdir(parents=True)
            for index in range(count):
                (place / f"{index}.ppm").write_bytes(b"P6 32 32 255\n" + source.randbytes(3 * 32 * 32))
    # Files are not cached in the first two seconds after they were written.
    time.sleep(2)
    return str(folder)


def seconds_to_load(data: str) -> float:
    """Seconds to open the set and have all training images in memory."""
    started = time.perf_counter()
    open_images(data).train.load_all()
    return time.perf_counter() - started


def one_round(data: str, folder: Path) -> dict[str, float]:
    """Seconds of importing torch, of the search as a process, of its phases, and of one more iteration."""
    imported, _ = timed(["-c", "import torch"])
    search = ["-m", "ftso_cli", "search-topology", "--data", data, "-o", str(folder / "cell.json"), "--json", "--iters"]
    process, said = timed([*search, "1"])
    phases: dict[str, float] = json.loads(said)["seconds"]
    _, more = timed([*search, str(1 + MORE)])
    iteration = (json.loads(more)["seconds"]["search"] - phases["search"]) / MORE
    return {"import torch": imported, "iteration": iteration, "process": process} | {
        f"of that, {phase}": seconds for phase, seconds in phases.items()
    }


def timed(arguments: list[str]) -> tuple[float, str]:
    """Seconds of a Python process, which must succeed, and what it prints."""
    started = time.perf_counter()
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True)
    seconds = time.perf_counter() - started
    if done.returncode:
        raise SystemExit(f"{' '.join(arguments)} failed: {done.stderr}")
    return seconds, done.stdout


if __name__ == "__main__":
    main()
