"""`ftso train --data FOLDER --time TIME` against torchvision's ResNet-18 from scratch: same images, time and threads.

ftso lays test images aside, and its run names them; the ResNet trains on all others, with random resized crops and
flips, SGD with Nesterov momentum and a cosine rate over the whole time, and is tested on the centre of the same
images. Both take wall-clock time, one after the other, on a machine that does nothing else. Rows go to stderr, one
JSON line to stdout.

    python benchmarks/against_resnet18.py photos/ leaves/ --time 600
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import mean

import torch
from PIL import Image, ImageOps
from torch import Tensor
from torch.nn import functional
from torchvision import models
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as kernels

BATCH = 64

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def by_ftso(folder: Path, seconds: float, run: Path, more: list[str]) -> dict[str, object]:
    """Train by the command, in a process of its own."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "ftso_cli", "train", "--data", str(folder), "--time", f"{seconds:g}s"]
    subprocess.run([*command, "-o", str(run), *more], check=True, stdout=subprocess.DEVNULL)
    taken = time.perf_counter() - started
    result, config = (json.loads((run / name).read_text()) for name in ("result.json", "config.json"))
    recipe = {
        name: config["recipe"][name]
        for name in ("stem", "reduction", "channels", "cells", "batch_size", "augmentation")
    }
    scores = {"accuracy": result["test_accuracy"], **recalls(confusion_of(run, config["classes"]))}
    return {"network": "ftso", **scores, "seconds": round(taken, 1), "image_size": config["image_size"], **recipe}


def confusion_of(run: Path, classes: list[str]) -> Tensor:
    """The confusion of a run's test images, from its answers."""
    import csv

    found = torch.zeros(len(classes), len(classes), dtype=torch.int64)
    with (run / "answers.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            found[classes.index(row["truth"]), classes.index(row["answer"])] += 1
    return found


def recalls(confusion: Tensor) -> dict[str, object]:
    """The mean and the smallest recall, and how many classes are never answered."""
    counts = confusion.sum(1)
    each = (confusion.diagonal() / counts.clamp(min=1))[counts > 0]
    never = int(((confusion.diagonal() == 0) & (counts > 0)).sum())
    return {"balanced": round(float(each.mean()), 4), "worst_class": round(float(each.min()), 4), "never": never}


def by_resnet(folder: Path, record: dict[str, object], seconds: float, side: int, seed: int) -> dict[str, object]:
    """Train torchvision's ResNet-18 on the training and validation images of a run, and test it on its test images."""
    started = time.perf_counter()
    torch.manual_seed(seed)
    parts = {"train": [*record["train"], *record.get("val", {})], "test": [*record["test"]]}
    classes = sorted({name.split("/")[-2] for name in parts["train"]})
    images = {part: torch.stack([read(folder / name, side) for name in names]) for part, names in parts.items()}
    labels = {part: torch.tensor([classes.index(n.split("/")[-2]) for n in names]) for part, names in parts.items()}
    network = models.resnet18(num_classes=len(classes)).to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(network.parameters(), 0.05, 0.9, weight_decay=5e-4, nesterov=True)
    augment = v2.Compose([v2.RandomResizedCrop(side, (0.35, 1.0), antialias=True), v2.RandomHorizontalFlip()])
    count, order, steps = len(labels["train"]), torch.empty(0, dtype=torch.int64), 0
    while (share := (time.perf_counter() - started) / seconds) < 0.98:
        for group in optimizer.param_groups:
            group["lr"] = 0.05 * 0.5 * (1 + torch.cos(torch.tensor(torch.pi * share)).item())
        if len(order) < min(BATCH, count):
            order = torch.randperm(count)
        chosen, order = order[:BATCH], order[BATCH:]
        batch = normalised(torch.stack([augment(images["train"][at]) for at in chosen]))
        loss = functional.cross_entropy(network(batch), labels["train"][chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        steps += 1
    confusion = tested(network.eval(), images["test"], labels["test"], len(classes))
    accuracy = int(confusion.diagonal().sum()) / int(confusion.sum())
    taken, epochs = time.perf_counter() - started, steps * BATCH / count
    about = {"seconds": round(taken, 1), "image_size": side, "epochs": round(epochs, 1)}
    return {"network": "resnet18", "accuracy": round(accuracy, 4), **recalls(confusion), **about}


def read(path: Path, side: int) -> Tensor:
    """The image of a file, upright, on white, its centre as a square of `side` pixels, (3, side, side) uint8."""
    with Image.open(path) as image:
        upright = ImageOps.exif_transpose(image).convert("RGBA")
    white = Image.alpha_composite(Image.new("RGBA", upright.size, "white"), upright).convert("RGB")
    return kernels.pil_to_tensor(ImageOps.fit(white, (side, side), Image.Resampling.BILINEAR))


def normalised(images: Tensor) -> Tensor:
    """Pixels as floating-point numbers of mean 0 and standard deviation 1, channels last."""
    scaled = kernels.normalize(images.float() / 255, MEAN, STD)
    return scaled.contiguous(memory_format=torch.channels_last)


@torch.inference_mode()
def tested(network: torch.nn.Module, images: Tensor, labels: Tensor, classes: int) -> Tensor:
    """The test images by class (row) and answer (column)."""
    found = torch.zeros(classes, classes, dtype=torch.int64)
    for some, truth in zip(images.split(100), labels.split(100), strict=True):
        for true, answer in zip(truth, network(normalised(some)).argmax(1), strict=True):
            found[true, answer] += 1
    return found


def main() -> None:
    """Trains both on every folder, prints rows as they come and the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, help="folders of images in class folders")
    parser.add_argument("--time", type=float, default=600, help="seconds of each training (default: %(default)s)")
    parser.add_argument("--image-size", type=int, default=64, help="of the ResNet (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    options, more = parser.parse_known_args()
    rows = []
    for folder in options.folders:
        with tempfile.TemporaryDirectory() as kept:
            run = Path(kept, "run")
            ours = by_ftso(folder, options.time, run, [*more, "--seed", str(options.seed)])
            record = json.loads((run / "images.json").read_text())
        theirs = by_resnet(folder, record, options.time, options.image_size, options.seed)
        for row in (ours, theirs):
            rows.append({"folder": folder.name, **row})
            print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    means = {name: round(mean(r["accuracy"] for r in rows if r["network"] == name), 4) for name in ("ftso", "resnet18")}
    print(json.dumps({"seconds": options.time, "threads": torch.get_num_threads(), "means": means, "runs": rows}))


if __name__ == "__main__":
    main()
