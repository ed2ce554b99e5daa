"""Training steps and answers of a found network: plain, channels-last and merged, against what the machine could do.

Plain is edge by edge, NCHW, with an optimizer that goes from tensor to tensor; channels-last has the order of pixels
that CPUs like better; merged is what `ftso train` runs on a CPU. They take turns in one process. The
limit is the time that the multiply-adds of a forward and a backward pass would take at the rate of a large matrix
product. For each kind of operation of the merged step there are its time, that limit, and the time that its tensors
would take to be copied. A table goes to stderr, one JSON line to stdout.

    python benchmarks/training_step.py --repeats 9
    python benchmarks/training_step.py --losses 50
"""

import argparse
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from statistics import median
from typing import Any

import torch
from torch.nn import functional
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ftso_cli.costs.network import network_cost
from ftso_cli.genotype import library
from ftso_cli.nn.device import peak_memory, seeded
from ftso_cli.nn.merged import MergedNetwork, deployed
from ftso_cli.nn.network import Network
from ftso_cli.spaces.darts import NetworkShape

SHAPE = NetworkShape(channels=16, cells=8)
SIZE = (32, 32)
ENGINES = {
    "plain": (Network, torch.contiguous_format, False),
    "channels-last": (Network, torch.channels_last, True),
    "merged": (MergedNetwork, torch.channels_last, True),
}
PARTS = {
    "1x1 convolutions": ("mm", "addmm"),
    "other convolutions": ("convolution",),
    "batch norm": ("native_batch_norm", "batch_norm", "sum", "addcmul"),
    "ReLU": ("clamp_min", "threshold"),
}

Step = Callable[[], float]


def build(engine: str, cell: str, batch_size: int) -> Step:
    """A function that takes one training step on random images, the same for all engines, and gives the loss."""
    kind, order, grouped = ENGINES[engine]
    with seeded(0):
        network = kind(library.load_genotype(cell), SHAPE).to(memory_format=order).train()
        optimizer = torch.optim.SGD(
            network.parameters(), 0.025, 0.9, weight_decay=3e-4, fused=grouped, foreach=None if grouped else False
        )
        batches = torch.randn(8, batch_size, SHAPE.image_channels, *SIZE)
        labels = torch.randint(SHAPE.classes, (8, batch_size))
    taken = 0

    def step() -> float:
        nonlocal taken
        images, targets = batches[taken % 8].contiguous(memory_format=order), labels[taken % 8]
        taken += 1
        logits, auxiliary = network(images)
        loss = functional.cross_entropy(logits, targets) + 0.4 * functional.cross_entropy(auxiliary, targets)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0, foreach=grouped)
        optimizer.step()
        return loss.item()

    return step


def seconds(steps: dict[str, Step], repeats: int, clock: Callable[[], float]) -> dict[str, float]:
    """The median seconds of a step of every engine, in turns."""
    taken: dict[str, list[float]] = {engine: [] for engine in steps}
    for turn in range(repeats + 1):
        for engine, step in steps.items():
            started = clock()
            step()
            if turn:
                taken[engine].append(clock() - started)
    return {engine: median(values) for engine, values in taken.items()}


def answers(cell: str, batch_size: int) -> dict[str, Step]:
    """Functions that answer one batch with the plain network, NCHW, and with the deployed one."""
    with seeded(0):
        network = Network(library.load_genotype(cell), SHAPE, auxiliary=False).eval()
        images = torch.randn(batch_size, SHAPE.image_channels, *SIZE)
    used = {"plain": network, "deployed": deployed(network)}
    ordered = {"plain": images, "deployed": images.contiguous(memory_format=torch.channels_last)}

    def answering(engine: str) -> Step:
        def answer() -> float:
            with torch.inference_mode():
                return float(used[engine](ordered[engine])[0].sum())

        return answer

    return {engine: answering(engine) for engine in used}


def part_of(operation: str) -> str:
    """The kind of an operation, as in `aten::mm`."""
    name = operation.partition("::")[2]
    if "mkldnn_convolution" in name:
        return "other convolutions"
    return next((part for part, names in PARTS.items() if name.startswith(names)), "the rest")


def shares(step: Step) -> dict[str, float]:
    """Shares of a step's time, by kind of operation."""
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        step()
    spent: Counter[str] = Counter()
    for event in profiled.key_averages():
        spent[part_of(event.key)] += event.self_cpu_time_total
    return {part: time_spent / spent.total() for part, time_spent in spent.most_common()}


class Demand(TorchDispatchMode):
    """Counts multiply-adds, and the bytes that are read and written, by kind of operation; views cost nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.macs: Counter[str] = Counter()
        self.bytes: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Counts one operation."""
        result = func(*args, **(kwargs or {}))
        part = part_of(func.name())
        if not func.is_view:
            tensors = [each for each in tree_leaves((args, kwargs, result)) if isinstance(each, torch.Tensor)]
            self.bytes[part] += sum(each.numel() * each.element_size() for each in tensors)
        name = func.name().removeprefix("aten::")
        if name == "convolution":
            self.macs[part] += result.numel() * args[1][0].numel()
        elif name == "convolution_backward":
            self.macs[part] += args[0].numel() * args[2][0].numel() * sum(args[10][:2])
        elif name in ("mm", "addmm"):
            left, right = args[-2:]
            self.macs[part] += left.shape[0] * left.shape[1] * right.shape[1]
        return result


def parts(step: Step, taken: float, rates: tuple[float, float]) -> dict[str, dict[str, float]]:
    """Milliseconds of each kind of operation in a step of `taken` seconds, next to the limits of arithmetic and memory.

    `rates` are multiply-adds and bytes a second.
    """
    found = shares(step)
    with Demand() as demand:
        step()
    return {
        part: {
            "ms": round(1e3 * share * taken, 1),
            "arithmetic_ms": round(1e3 * demand.macs[part] / rates[0], 1),
            "memory_ms": round(1e3 * demand.bytes[part] / rates[1], 1),
        }
        for part, share in found.items()
    }


def best(work: Callable[[], object], clock: Callable[[], float]) -> float:
    """The least seconds of some work in 20 turns."""
    taken = []
    for _ in range(20):
        started = clock()
        work()
        taken.append(clock() - started)
    return min(taken)


def machine_rates(clock: Callable[[], float]) -> tuple[float, float]:
    """Multiply-adds a second of a large matrix product, and bytes a second of a large copy, read and written."""
    matrix, out = torch.randn(1024, 1024), torch.empty(1024, 1024)
    large, copy = torch.randn(2**24), torch.empty(2**24)
    product, copying = best(lambda: torch.mm(matrix, matrix, out=out), clock), best(lambda: copy.copy_(large), clock)
    return 1024**3 / product, 2 * large.numel() * large.element_size() / copying


def limit(cell: str, batch_size: int, rate: float) -> float:
    """Seconds of a step if all its multiply-adds, three for each of a forward pass, ran like a large matrix product."""
    cost = network_cost(library.load_genotype(cell), SHAPE, SIZE)
    return 3 * batch_size * (cost.macs + cost.auxiliary_macs) / rate


def peak(engine: str, batch_size: int) -> int:
    """Peak memory in MB of a process of its own that takes two steps (Linux only)."""
    command = [sys.executable, __file__, "--batch-size", str(batch_size), "--peak-of", engine]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def drift(steps: dict[str, Step], count: int) -> dict[str, float]:
    """The largest relative difference of each engine's losses from the plain ones, over so many steps."""
    losses = {engine: [step() for _ in range(count)] for engine, step in steps.items()}
    plain = losses.pop("plain")
    return {engine: max(abs(a - b) / a for a, b in zip(plain, other, strict=True)) for engine, other in losses.items()}


def main() -> None:
    """Measures, prints a table and the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cell", default="ftso_wide_sep3", help="a published cell (default: %(default)s)")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--losses", type=int, metavar="STEPS", help="compare losses instead of times")
    parser.add_argument(
        "--cpu-time", action="store_true", help="seconds of the processor; for a busy machine, 1 thread"
    )
    parser.add_argument("--peak-of", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peak_of:
        step = build(options.peak_of, options.cell, options.batch_size)
        step(), step()
        print(peak_memory(torch.device("cpu")))
        return
    steps = {engine: build(engine, options.cell, options.batch_size) for engine in ENGINES}
    about = {"cell": options.cell, "batch_size": options.batch_size, "threads": torch.get_num_threads()}
    if options.losses:
        print(json.dumps({**about, "steps": options.losses, "largest_difference": drift(steps, options.losses)}))
        return
    clock = time.process_time if options.cpu_time else time.perf_counter
    taken = seconds(steps, options.repeats, clock)
    used = seconds(answers(options.cell, options.batch_size), options.repeats, clock)
    print(f"in use: plain {used['plain']:.3f} s, deployed {used['deployed']:.3f} s", file=sys.stderr)
    memory = {engine: peak(engine, options.batch_size) for engine in ENGINES}
    rates = machine_rates(clock)
    least = limit(options.cell, options.batch_size, rates[0])
    for engine, value in taken.items():
        times, rate = taken["plain"] / value, options.batch_size / value
        print(
            f"{engine:<14}{value:8.3f} s{rate:8.0f} images/s{times:7.2f}x{value / least:7.1f} limits", file=sys.stderr
        )
    operations = parts(steps["merged"], taken["merged"], rates)
    for part, row in operations.items():
        figures = f"{row['ms']:8.1f} ms, arithmetic {row['arithmetic_ms']:6.1f}, memory {row['memory_ms']:6.1f}"
        print(f"  merged, {part:<20}{figures}", file=sys.stderr)
    found = {
        "seconds": taken,
        "ratio": taken["plain"] / taken["merged"],
        "in_use_seconds": used,
        "in_use_ratio": used["plain"] / used["deployed"],
        "limit_seconds": least,
        "parts": operations,
        "peak_mb": memory,
    }
    print(json.dumps(about | found))


if __name__ == "__main__":
    main()
