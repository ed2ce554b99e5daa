"""ftso's networks of plain convolutions against small networks that people write by hand, on one thread.

`speed`: images a second in training, in both precisions, and milliseconds an image in use, in torch and exported in
onnxruntime, batch norm folded in all, against the ResNet of the same parameters; the two take turns in one process.
`accuracy`: test accuracy after the same processor time, the same images, augmentation, recipe and precision for all,
paired seeds. Time that tests take doesn't count. Networks are `resnet8`, `resnet20` (He et al., 2016, section 4.2),
`mobilenet_v3_small` and `shufflenet_v2_x0_5` of torchvision with a stem for small images, and
CELL:CHANNELS:CELLS[:STEM[:REDUCTION]] for ftso's. A table goes to stderr, one JSON line to stdout. With `--records`, a
run that was cut off goes on where they end.

    OMP_NUM_THREADS=1 python benchmarks/against_resnets.py speed
    OMP_NUM_THREADS=1 python benchmarks/against_resnets.py accuracy --data DIR --time 300 --seeds 0 1 2
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Hashable, Iterator
from itertools import pairwise
from pathlib import Path
from statistics import mean, median
from typing import get_args

import torch
from records import Record, read
from torch import Tensor, nn
from torch.nn import functional

from ftso_cli.data import Augmentation, Batches, ImageData, eval_batches, open_images
from ftso_cli.genotype import library
from ftso_cli.nn.blocks import in_blocks
from ftso_cli.nn.folding import fold_batch_norm
from ftso_cli.nn.latency import LatencyTable
from ftso_cli.nn.merged import MergedNetwork, backward_mode, deployed
from ftso_cli.settings.config_file import Precision
from ftso_cli.spaces.darts import NetworkShape
from ftso_cli.training.use.export import silenced
from ftso_cli.training.use.exported import onnx_session

PAIRS = {"resnet8": "ftso_single:16:3:pooled:pooled", "resnet20": "ftso_single:30:3:pooled:pooled"}
"""The network of ftso with the parameters of each ResNet, within 5 %."""

RECIPES = {
    "plain": {"rate": 0.1, "weight_decay": 5e-4, "smoothing": 0.0, "warm_up": 0.0},
    "ftso": {"rate": 0.2, "weight_decay": 5e-4, "smoothing": 0.1, "warm_up": 0.1},
}
"""SGD with Nesterov momentum of 0.9 and a cosine rate over the whole time, batches of 128."""

BATCH = 128

PRECISIONS: tuple[Precision, ...] = get_args(Precision)


class Block(nn.Module):
    """Two 3x3 convolutions and a shortcut without weights, which pads channels with zeros (option A)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.stride, self.more = 1 if inputs == outputs else 2, outputs - inputs
        self.layers = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, self.stride, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, outputs, H / stride, W / stride)."""
        shortcut = x
        if self.more:
            shortcut = functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 0, self.more))
        return functional.relu(self.layers(x) + shortcut, inplace=True)


def resnet(blocks: int, channels: int, classes: int) -> nn.Module:
    """The ResNet for CIFAR with three stages of 16, 32 and 64 channels."""
    widths = [16] + [16] * blocks + [32] * blocks + [64] * blocks
    return nn.Sequential(
        nn.Conv2d(channels, 16, 3, 1, 1, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(inplace=True),
        *(Block(*pair) for pair in pairwise(widths)),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(64, classes),
    )


def build(name: str, channels: int = 3, classes: int = 10) -> nn.Module:
    """A network by its name on the command line, channels last."""
    if name.startswith("resnet"):
        network = resnet((int(name.removeprefix("resnet")) - 2) // 6, channels, classes)
    elif ":" in name:
        cell, width, cells, *kinds = name.split(":")
        sizes = {"channels": int(width), "cells": int(cells), **dict(zip(("stem", "reduction"), kinds, strict=False))}
        shape = NetworkShape(classes=classes, image_channels=channels, **sizes)
        network = MergedNetwork(library.load_genotype(cell), shape, auxiliary=False)
    else:
        from torchvision import models

        network = models.get_model(name, num_classes=classes)
        first = next(module for module in network.modules() if isinstance(module, nn.Conv2d))
        first.stride = (1, 1)
        if channels != 3:
            first.weight = nn.Parameter(first.weight[:, :channels].clone())
            first.in_channels = channels
        if hasattr(network, "maxpool"):
            network.maxpool = nn.Identity()
    return network.to(memory_format=torch.channels_last)


def logits_of(output: Tensor | tuple[Tensor, Tensor | None]) -> Tensor:
    """The logits, of networks with and without an auxiliary head."""
    return output if isinstance(output, Tensor) else output[0]


def optimizer_of(network: nn.Module, recipe: dict[str, float]) -> torch.optim.SGD:
    """SGD as both recipes take it."""
    return torch.optim.SGD(
        network.parameters(), recipe["rate"], 0.9, weight_decay=recipe["weight_decay"], nesterov=True, fused=True
    )


def loss_of(network: nn.Module, images: Tensor, labels: Tensor, precision: Precision, smoothing: float = 0) -> Tensor:
    """The mean loss of a batch, from a network in training."""
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
        return functional.cross_entropy(logits_of(network(images)), labels, label_smoothing=smoothing)


def update(network: nn.Module, loss: Tensor, optimizer: torch.optim.Optimizer, precision: Precision) -> None:
    """Updates the weights by the gradients of a loss, which ftso computes as in its trainings."""
    optimizer.zero_grad()
    with backward_mode(network, bfloat16=precision == "bfloat16"):
        loss.backward()
    optimizer.step()


# Speed


def training_step(network: nn.Module, precision: Precision) -> Callable[[], object]:
    """One step on random images."""
    images = torch.randn(BATCH, 3, 32, 32).contiguous(memory_format=torch.channels_last)
    labels = torch.randint(10, (BATCH,))
    optimizer = optimizer_of(network.train(), RECIPES["plain"])

    def step() -> None:
        update(network, loss_of(network, images, labels, precision), optimizer, precision)

    return step


class Used(nn.Module):
    """A network in use, batch norm folded; ftso's merged too, and for `onnx` in blocks, as `ftso export` does."""

    def __init__(self, network: nn.Module, *, onnx: bool = False) -> None:
        super().__init__()
        if isinstance(network, MergedNetwork):
            self.used: nn.Module = deployed(in_blocks(network) if onnx else network)
        else:
            self.used = fold_batch_norm(network)
        self.eval().to(memory_format=torch.channels_last)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) to (N, classes)."""
        return logits_of(self.used(images))


def onnx_answers(network: nn.Module, batch: int) -> Callable[[], object]:
    """One batch in onnxruntime."""
    sizes = ({0: torch.export.Dim("batch")},)
    with silenced():
        program = torch.onnx.export(
            Used(network, onnx=True), (torch.rand(2, 3, 32, 32),), dynamo=True, dynamic_shapes=sizes, verbose=False
        )
    assert program is not None
    session = onnx_session(program.model_proto.SerializeToString())
    images = {session.get_inputs()[0].name: torch.randn(batch, 3, 32, 32).numpy()}
    return lambda: session.run(None, images)


def answers(network: nn.Module, batch: int) -> Callable[[], object]:
    """One batch in torch."""
    used = Used(network)
    images = torch.randn(batch, 3, 32, 32).contiguous(memory_format=torch.channels_last)

    def answer() -> None:
        with torch.inference_mode():
            used(images)

    return answer


def in_turns(works: dict[str, Callable[[], object]], repeats: int, times: int) -> dict[str, float]:
    """The median processor seconds of each work, in turns."""
    taken: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(repeats + 1):
        for name, work in works.items():
            started = time.process_time()
            for _ in range(times):
                work()
            if turn:
                taken[name].append((time.process_time() - started) / times)
    return {name: median(values) for name, values in taken.items()}


def speed(pairs: dict[str, str], repeats: int) -> list[dict[str, object]]:
    """Both networks of every pair: parameters, images a second in training, milliseconds an image in use."""
    uses = {
        f"{way}, batch {batch}": (use, batch, times)
        for way, use in (("torch", answers), ("onnxruntime", onnx_answers))
        for batch, times in ((1, 20), (64, 2))
    }
    rows: list[dict[str, object]] = []
    for pair in pairs.items():
        torch.manual_seed(0)
        networks = {name: build(name) for name in pair}
        found = {
            precision: in_turns({name: training_step(each, precision) for name, each in networks.items()}, repeats, 1)
            for precision in PRECISIONS
        }
        for part, (use, batch, times) in uses.items():
            works = {name: use(each, batch) for name, each in networks.items()}
            found[part] = in_turns(works, repeats, times)
        for name, network in networks.items():
            rows.append(
                {
                    "network": name,
                    "parameters": sum(parameter.numel() for parameter in network.parameters()),
                    "images_a_second": {
                        precision: round(BATCH / found[precision][name], 1) for precision in PRECISIONS
                    },
                    "ms": {part: round(1000 * found[part][name] / batch, 4) for part, (_, batch, _) in uses.items()},
                    "ratios": {part: round(values[pair[0]] / values[name], 2) for part, values in found.items()},
                }
            )
            print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    return rows


# Accuracy


def rate_at(share: float, recipe: dict[str, float]) -> float:
    """The learning rate when a share of the time has gone by."""
    warm = recipe["warm_up"]
    if share < warm:
        return recipe["rate"] * (0.05 + 0.95 * share / warm)
    at = torch.tensor((share - warm) / (1 - warm) * torch.pi)
    return recipe["rate"] * 0.5 * (1 + float(torch.cos(at)))


def train(
    name: str, data: ImageData, seed: int, seconds: float, recipe: dict[str, float], precision: Precision
) -> Record:
    """Trains a network for so many seconds of the processor and tests it."""
    torch.manual_seed(seed)
    network = build(name, data.channels, len(data.classes)).train()
    optimizer = optimizer_of(network, recipe)
    augment = Augmentation(padding=4, flip=data.flip)
    count = len(data.train)
    batches = Batches(data.train, torch.arange(count), BATCH, seed, normalise=data.normalise, augment=augment)
    steps, started = 0, time.process_time()
    while (share := (time.process_time() - started) / seconds) < 1:
        for group in optimizer.param_groups:
            group["lr"] = rate_at(share, recipe)
        images, labels = next(batches)
        images = images.contiguous(memory_format=torch.channels_last)
        loss = loss_of(network, images, labels, precision, recipe["smoothing"])
        update(network, loss, optimizer, precision)
        steps += 1
    return {
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "images_a_second": round(steps * BATCH / seconds, 1),
        "accuracy": round(100 * accuracy(network, data), 2),
    }


@torch.inference_mode()
def accuracy(network: nn.Module, data: ImageData) -> float:
    """The share of test images that are answered right."""
    right = 0
    network.eval()
    for images, labels in eval_batches(data.test, None, 250, normalise=data.normalise):
        right += int((logits_of(network(images)).argmax(1) == labels).sum())
    return right / len(data.test)


def accuracies(options: argparse.Namespace) -> Iterator[Record]:
    """Every network with every seed, seed by seed, so that an unfinished run has pairs; recorded ones are not run."""
    machine = LatencyTable(torch.device("cpu")).about["device"]
    about = {"machine": machine, "data": Path(options.data).name, "seconds": options.time, "recipe": options.recipe,
             "precision": options.precision}  # fmt: skip
    recorded = {key_of(row): row for row in read(options.records)} if options.records else {}
    data: ImageData | None = None
    for seed in options.seeds:
        for name in options.networks:
            row = about | {"network": name, "seed": seed}
            if key_of(row) not in recorded:
                data = data or open_images(options.data)
                recorded[key_of(row)] = row | train(
                    name, data, seed, options.time, RECIPES[options.recipe], options.precision
                )
                if options.records:
                    with options.records.open("a") as records:
                        records.write(json.dumps(recorded[key_of(row)]) + "\n")
            print(json.dumps(recorded[key_of(row)]), file=sys.stderr, flush=True)
            yield recorded[key_of(row)]


def key_of(row: Record) -> Hashable:
    """What decides the result of a training."""
    return tuple(row[name] for name in ("machine", "data", "seconds", "recipe", "precision", "network", "seed"))


def main() -> None:
    """Measures, prints rows as they come and the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=["speed", "accuracy"])
    parser.add_argument("--networks", nargs="+", default=[*PAIRS, *PAIRS.values()], help="(default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=9, help="turns of `speed` (default: %(default)s)")
    parser.add_argument("--data", default="cifar10", help="a named set or a folder of images (default: %(default)s)")
    parser.add_argument("--time", type=float, default=300, help="processor seconds of a training")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--recipe", choices=RECIPES, default="plain")
    parser.add_argument("--precision", choices=PRECISIONS, default="float32", help="of `accuracy`")
    parser.add_argument("--records", type=Path, help="a file of trainings, which are not run again")
    options = parser.parse_args()
    about = {"part": options.part, "threads": torch.get_num_threads()}
    if options.part == "speed":
        names = options.networks
        pairs = dict(zip(names[: len(names) // 2], names[len(names) // 2 :], strict=True))
        print(json.dumps({**about, "networks": speed(pairs, options.repeats)}))
        return
    rows = list(accuracies(options))
    means = {name: round(mean(r["accuracy"] for r in rows if r["network"] == name), 2) for name in options.networks}
    print(json.dumps({**about, "data": options.data, "seconds": options.time, "recipe": options.recipe,
                      "means": means, "runs": rows}))  # fmt: skip


if __name__ == "__main__":
    main()
