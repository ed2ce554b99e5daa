"""What a GPU makes of ftso: searches, trainings, waiting for images, and how far that is from the card's limits.

    python benchmarks/gpu.py --record benchmarks/records/gpu.jsonl
    python benchmarks/gpu.py --device cpu --small

search     seconds of an iteration (a step on β, a step on the weights, images included) of the paper's super-net:
           folded and edge by edge, as graphs as `ftso search-topology` runs them and kernel by kernel, against the
           eight operators edge by edge, NCHW, kernel by kernel, as the published code has them
epoch      seconds of an epoch of it on 50,000 images in memory; the paper: 18 s, and 0.68 s an iteration (2080 Ti)
train      images a second and peak memory of the CIFAR evaluation network (20 cells, 36 channels, batch 96): plain
           PyTorch (NCHW, float32, kernel by kernel), what `ftso train` runs, and the same compiled
waiting    the share of a step that goes when the same batch is used again and again
limits     the time that the operations of a step, as they are, would take at the rate of a measured matrix product,
           and the time that their bytes, read and written once an operation, would take at that of a measured copy

A table goes to stderr, one JSON line to stdout. Images are random: nothing here depends on what they show.
"""

import argparse
import json
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from ftso_cli.data import ImageData
from ftso_cli.data.sources import ArraySource
from ftso_cli.genotype import library
from ftso_cli.nn.device import choose_device
from ftso_cli.nn.network import Network
from ftso_cli.search.engine.bilevel import Bilevel
from ftso_cli.search.phases import topology_member
from ftso_cli.settings.recipes import RECIPES
from ftso_cli.settings.searches import TopologySettings
from ftso_cli.spaces import DARTS
from ftso_cli.training.loop import Trainer
from ftso_cli.training.run import Config, Run

ENGINES: dict[str, tuple[dict[str, Any], bool]] = {
    "folded": ({}, True),
    "folded, kernel by kernel": ({}, False),
    "edge by edge": ({"engine": "general"}, True),
    "edge by edge, kernel by kernel": ({"engine": "general"}, False),
    "eight operators": ({"engine": "general", "ops": DARTS.candidates}, False),
}
TRAININGS = {
    "ftso": ({"precision": "bfloat16"}, True),
    "ftso, kernel by kernel": ({"precision": "bfloat16"}, False),
    "ftso, float32": ({}, True),
    "ftso, compiled": ({"precision": "bfloat16", "compile": True}, True),
}
CELL = "pc_darts_cifar"


def say(text: str) -> None:
    """A line for people."""
    print(text, file=sys.stderr, flush=True)


def finish(device: torch.device) -> None:
    """Waits for the device."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def random_images(count: int, side: int) -> ImageData:
    """Images that show nothing, with ten classes."""
    random = torch.Generator().manual_seed(0)
    pixels = torch.randint(256, (count, 3, side, side), dtype=torch.uint8, generator=random)
    source = ArraySource(pixels, torch.arange(count) % 10)
    known = {"classes": tuple("abcdefghij"), "channels": 3, "image_size": (side, side), "train": source, "test": source}
    return ImageData(name="random", flip=True, mean=(0.5,) * 3, std=(0.25,) * 3, **known)


@contextmanager
def peak(device: torch.device):
    """Inside, memory is watched; gives a dictionary that has the peak in MB afterwards."""
    found: dict[str, int | None] = {"peak_mb": None}
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    yield found
    if device.type == "cuda":
        found["peak_mb"] = torch.cuda.max_memory_allocated(device) >> 20


def seconds(step: Callable[[], object], device: torch.device, *, steps: int, rounds: int) -> float:
    """The median over the rounds of the mean seconds of a step."""
    taken = []
    for _ in range(rounds):
        finish(device)
        started = time.perf_counter()
        for _ in range(steps):
            step()
        finish(device)
        taken.append((time.perf_counter() - started) / steps)
    return median(taken)


def search_of(data: ImageData, options: argparse.Namespace, batch_size: int, **changes: Any) -> Bilevel:
    """A topology search with the paper's super-net, ready to run."""
    size = {"channels": 4, "cells": 3} if options.small else {}
    settings = TopologySettings(batch_size=batch_size, epochs=10_000, **size, **changes)
    return topology_member(data, settings, seed=0, device=options.on)


def searches(data: ImageData, options: argparse.Namespace) -> dict[str, Any]:
    """Seconds of an iteration of every engine, by the size of a batch."""
    found: dict[str, Any] = {}
    for batch_size in options.batches:
        taken: dict[str, Any] = {}
        for name, (changes, graphs) in ENGINES.items():
            with peak(options.on) as memory:
                engine = search_of(data, options, batch_size, **changes)
                engine.graphs = graphs
                for _ in range(5 if graphs else 2):
                    engine.step()
                fast = name in ("folded", "edge by edge")
                taken[name] = seconds(engine.step, options.on, steps=20 if fast and not options.small else 2, rounds=3)
            del engine
            say(f"search, batch {batch_size}, {name:<32}{1000 * taken[name]:9.2f} ms  {memory['peak_mb']} MB")
            found.setdefault("peak_mb", {})[f"{name}, batch {batch_size}"] = memory["peak_mb"]
        ratio = taken["eight operators"] / taken["folded"]
        found[str(batch_size)] = {**taken, "times_faster_than_eight_operators": round(ratio, 1)}
        say(f"search, batch {batch_size}: {ratio:.1f} times as fast as eight operators")
    return found


def epochs(data: ImageData, options: argparse.Namespace) -> dict[str, Any]:
    """Seconds of the first epoch, in which graphs are recorded and images copied, and of the second."""
    found = {}
    for batch_size in options.batches[:2]:
        engine, taken = search_of(data, options, batch_size), []
        steps = min(engine.weight_batches.steps_per_epoch, 3 if options.small else 10**9)
        for _ in range(2):
            finish(options.on)
            started = time.perf_counter()
            for _ in range(steps):
                engine.step()
            finish(options.on)
            taken.append(time.perf_counter() - started)
        found[str(batch_size)] = {"iterations": steps, "first": taken[0], "second": taken[1]}
        say(f"an epoch of search, batch {batch_size}: {steps} iterations, {taken[0]:.2f} s, then {taken[1]:.2f} s")
    return found


def trainer(folder: Path, data: ImageData, options: argparse.Namespace, **changes: Any) -> Trainer:
    """The CIFAR evaluation network, ready to train for three epochs."""
    size = {"channels": 4, "cells": 3, "batch_size": 8} if options.small else {}
    recipe = replace(RECIPES["cifar"], epochs=3, **size)
    config = Config(
        data="random",
        image_size=data.image_size,
        image_channels=3,
        classes=data.classes,
        mean=data.mean,
        std=data.std,
        recipe=recipe,
        seed=0,
        device=str(options.on),
        versions={},
        **changes,
    )
    run = Run(folder)
    run.create(library.load_genotype(CELL), config)
    return Trainer(run.genotype(), config, data, run)


class Same:
    """The same batch again and again."""

    def __init__(self, batches: Any) -> None:
        self.steps_per_epoch, self._state = batches.steps_per_epoch, batches.state()
        self._batch = next(batches)

    def __next__(self) -> tuple[Tensor, Tensor]:
        return self._batch

    def state(self) -> dict[str, Any]:
        """As it was."""
        return self._state


def trained(data: ImageData, options: argparse.Namespace, name: str, same: bool = False) -> dict[str, Any]:
    """Images a second in the last epoch of a training, its peak memory, and what starting took."""
    changes, graphs = TRAININGS[name]
    with TemporaryDirectory() as folder, peak(options.on) as memory:
        made = trainer(Path(folder) / "run", data, options, **changes)
        made.graphs = graphs
        if same:
            made.batches = Same(made.batches)
        made.train(lambda progress: None, lambda row: None)
        first, last = made.rows[0]["seconds"], made.rows[-1]["seconds"]
        images = made.batches.steps_per_epoch * made.config.recipe.batch_size
    return {"images_a_second": images / last, "start_seconds": first - last, **memory}


def plain(data: ImageData, options: argparse.Namespace) -> dict[str, Any]:
    """Images a second and peak memory of a training as one writes it: NCHW, float32, a loss read every step."""
    with TemporaryDirectory() as folder, peak(options.on) as memory:
        ours = trainer(Path(folder) / "run", data, options)
        recipe, batches, shape = ours.config.recipe, ours.batches, ours.config.shape
        del ours
        network = Network(library.load_genotype(CELL), shape).to(options.on).train()
        network.drop_path.rate = recipe.drop_path / 3
        network.drop_path.generator = torch.Generator(options.on).manual_seed(0)
        decent = torch.optim.SGD(network.parameters(), recipe.rate, recipe.momentum, weight_decay=recipe.weight_decay)

        def step() -> float:
            images, labels = next(batches)
            logits, auxiliary = network(images.contiguous())
            loss = functional.cross_entropy(logits, labels)
            loss = loss + recipe.auxiliary * functional.cross_entropy(auxiliary, labels)
            decent.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), recipe.clip)
            decent.step()
            return loss.item()

        step()
        taken = seconds(step, options.on, steps=2 if options.small else 10, rounds=3)
    return {"images_a_second": recipe.batch_size / taken, **memory}


def trainings(data: ImageData, options: argparse.Namespace) -> dict[str, Any]:
    """Every way of training against the plain one, and the share of the time that goes into images."""
    found: dict[str, Any] = {"plain": plain(data, options)}
    for name, (changes, _) in TRAININGS.items():
        if not changes.get("compile") or options.compile:
            found[name] = trained(data, options, name)
    for name, each in found.items():
        each["times_plain"] = each["images_a_second"] / found["plain"]["images_a_second"]
        say(
            f"train, {name:<24}{each['images_a_second']:9.0f} images/s{each['times_plain']:7.2f}x  {each['peak_mb']} MB"
        )
    again = trained(data, options, "ftso", same=True)["images_a_second"]
    found["waiting"] = max(0.0, 1 - found["ftso"]["images_a_second"] / again)
    say(f"train, waiting for images: {found['waiting']:.1%}")
    return found


class Bytes(TorchDispatchMode):
    """Adds up what operations read and write, views apart."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Runs an operation, and counts."""
        out = func(*args, **(kwargs or {}))
        if not any(each.alias_info and not each.alias_info.is_write for each in func._schema.returns):
            leaves = torch.utils._pytree.tree_leaves([args, kwargs or {}, out])
            self.total += sum(leaf.nbytes for leaf in leaves if isinstance(leaf, Tensor))
        return out


def counted(step: Callable[[], object]) -> dict[str, float]:
    """Operations and bytes of a step, kernel by kernel."""
    with FlopCounterMode(display=False) as operations, Bytes() as moved:
        step()
    return {"gflop": operations.get_total_flops() / 1e9, "gbyte": moved.total / 1e9}


def rates(device: torch.device, small: bool) -> dict[str, float]:
    """What the device reaches: bytes a second of a large copy, operations a second of large products."""
    source = torch.randn(1 << (20 if small else 28), device=device)
    target = torch.empty_like(source)
    copied = seconds(lambda: target.copy_(source), device, steps=10, rounds=3)
    found = {"copy_gb_s": 2 * source.nbytes / copied / 1e9}
    side = 256 if small else 8192
    for name, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16)):
        a = torch.randn(side, side, device=device).to(dtype)
        a @ a
        found[f"{name}_gflop_s"] = 2 * side**3 / seconds(lambda a=a: a @ a, device, steps=5, rounds=3) / 1e9
    return found


def limits(data: ImageData, options: argparse.Namespace, measured: dict[str, Any]) -> dict[str, Any]:
    """How far an iteration of search and a step of training are from what the card could do."""
    reached = rates(options.on, options.small)
    batch_size = options.batches[min(1, len(options.batches) - 1)]
    engine = search_of(data, options, batch_size)
    engine.graphs = False
    engine.step()
    steps = {"search": (counted(engine.step), measured["search"][str(batch_size)]["folded"], "float32")}
    with TemporaryDirectory() as folder:
        made = trainer(Path(folder) / "run", data, options, precision="bfloat16")
        made.graphs = False
        work: list[dict[str, float]] = []
        update = made._made_step()
        made._forward = made.network.train()
        images, labels = next(made.batches)
        update(images.contiguous(memory_format=torch.channels_last), labels)
        work.append(counted(lambda: update(images.contiguous(memory_format=torch.channels_last), labels)))
        taken = made.config.recipe.batch_size / measured["train"]["ftso"]["images_a_second"]
        steps["train"] = work[0], taken, "bfloat16"
    found: dict[str, Any] = {"rates": reached}
    for name, (work_of, taken, dtype) in steps.items():
        arithmetic = work_of["gflop"] / reached[f"{dtype}_gflop_s"]
        memory = work_of["gbyte"] / reached["copy_gb_s"]
        found[name] = {
            **work_of,
            "seconds": taken,
            "arithmetic_seconds": arithmetic,
            "memory_seconds": memory,
            "times_the_larger": taken / max(arithmetic, memory),
        }
        say(
            f"{name}: {1000 * taken:.2f} ms; {work_of['gflop']:.1f} GFLOP take {1000 * arithmetic:.2f} ms, "
            f"{work_of['gbyte']:.2f} GB take {1000 * memory:.2f} ms"
        )
    return found


def card(device: torch.device) -> dict[str, Any]:
    """The card as it was found: nothing is set."""
    about = {"torch": torch.__version__, "python": platform.python_version(), "device": device.type}
    if device.type != "cuda":
        return about
    asked = "name,driver_version,clocks.sm,clocks.mem,clocks.max.sm,power.limit"
    command = ["nvidia-smi", f"--query-gpu={asked}", "--format=csv,noheader", f"--id={device.index or 0}"]
    line = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    return about | dict(zip(asked.split(","), line.split(", "), strict=True))


def main() -> None:
    """Measures, prints a table and the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--small", action="store_true", help="sizes at which a CPU is done in a minute")
    parser.add_argument("--no-compile", dest="compile", action="store_false", help="leave the compiled training out")
    parser.add_argument("--record", type=Path, help="a file to add the JSON line to")
    options = parser.parse_args()
    options.on = choose_device(options.device)
    options.batches = (8, 16) if options.small else (64, 256, 1024)
    options.compile = options.compile and not options.small
    side = 16 if options.small else 32
    data = random_images(256 if options.small else 50_000, side)
    few = random_images(24 if options.small else 96 * 60, side)
    found: dict[str, Any] = {"card": card(options.on), "small": options.small}
    found["search"] = searches(data, options)
    found["epoch"] = epochs(data, options)
    found["train"] = trainings(few, options)
    found["limits"] = limits(data, options, found)
    found["card_afterwards"] = card(options.on)
    line = json.dumps(found)
    if options.record:
        with options.record.open("a") as file:
            file.write(line + "\n")
    print(line)


if __name__ == "__main__":
    main()
