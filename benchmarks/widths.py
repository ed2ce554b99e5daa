"""Which width should a short training have? Channels against epochs at equal work, on two small sets of photos.

uneven  420 cats, 300 dogs, 160 trucks, 40 frogs of CIFAR-10, in several sizes, shapes and formats
ten     400 of each class of CIFAR-10

Both are tested on 400 images of each class. A row is the network of `ftso train` with so many channels, for the epochs
that some 100 seconds of one processor allow. One JSON line comes last.

    python benchmarks/widths.py --cifar10 DIR --seeds 0 1
"""

import argparse
import json
import random
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from statistics import mean

from commands import ftso
from folders import made, save

EPOCHS: Mapping[str, Mapping[int, int]] = {
    "uneven": {8: 147, 16: 90, 24: 62, 48: 30},
    "ten": {16: 52, 24: 30, 32: 26, 48: 14},
}
"""The epochs of each width."""

UNEVEN = {"cat": 420, "dog": 300, "truck": 160, "frog": 40}
TESTS = 400


def write_uneven(cifar: Path, out: Path) -> None:
    """Make the set with classes of unequal size."""
    draws = random.Random(6)
    for part, counts in (("train", UNEVEN), ("test", dict.fromkeys(UNEVEN, TESTS))):
        for name, count in counts.items():
            for at, file in enumerate(shuffled(cifar / part / name, draws)[:count]):
                side = draws.choice([48, 64, 96, 200])
                size = side, int(side * draws.choice([1, 0.75, 1.33]))
                save(file, made(out / part / name) / f"{at}.{draws.choice(['jpg', 'png', 'webp'])}", size)


def write_ten(cifar: Path, out: Path) -> None:
    """Make the set with classes of equal size."""
    draws = random.Random(8)
    for part in ("train", "test"):
        for own in sorted((cifar / part).iterdir()):
            for file in shuffled(own, draws)[:TESTS]:
                shutil.copy(file, made(out / part / own.name) / file.name)


def shuffled(folder: Path, draws: random.Random) -> list[Path]:
    """Return the files of a folder in a random order."""
    files = sorted(folder.iterdir())
    draws.shuffle(files)
    return files


def accuracy(data: Path, channels: int, epochs: int, seed: int) -> float:
    """Train a network, and return its test accuracy in percent."""
    with tempfile.TemporaryDirectory() as folder:
        options = ["--channels", str(channels), "--epochs", str(epochs), "--seed", str(seed)]
        facts = ftso("train", "--data", str(data), *options, "-o", f"{folder}/run")
    return 100 * float(facts["test_accuracy"])


def main() -> None:
    """Make the sets, train every network with every seed, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cifar10", type=Path, required=True, help="its images as train/CLASS/* and test/CLASS/*")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    asked = parser.parse_args()
    found: dict[str, dict[int, list[float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, write in (("uneven", write_uneven), ("ten", write_ten)):
            write(asked.cifar10, Path(folder, name))
            found[name] = {channels: [] for channels in EPOCHS[name]}
            for seed in asked.seeds:
                for channels, epochs in EPOCHS[name].items():
                    found[name][channels].append(accuracy(Path(folder, name), channels, epochs, seed))
                    row = [f"{each:.2f}" for each in found[name][channels]]
                    print(f"{name:<8}{channels:>4} channels {epochs:>4} epochs  {' '.join(row)}", file=sys.stderr)
    means = {name: {channels: mean(own) for channels, own in rows.items()} for name, rows in found.items()}
    print(json.dumps({"seeds": asked.seeds, "test_accuracy": found, "mean": means}))


if __name__ == "__main__":
    main()
