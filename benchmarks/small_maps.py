"""Training in bfloat16 with the maps of several images side by side where weight gradients ask for it, and without.

Gradients of 3x3 convolutions, and whole steps of networks as `train` plans them, both ways in turns, batch 128. Medians
of processor time on one thread. A table goes to stderr, one JSON line to stdout.

    OMP_NUM_THREADS=1 python benchmarks/small_maps.py --repeats 15
"""

import argparse
import json
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from against_resnets import in_turns
from torch.nn import functional

from ftso_cli.genotype import library
from ftso_cli.nn.merged import MergedNetwork, backward_mode
from ftso_cli.nn.merged.side_by_side import SideBySide
from ftso_cli.spaces.darts import NetworkShape

CONVOLUTIONS = ((128, 128, 8), (128, 256, 8), (128, 128, 4), (256, 256, 4), (256, 256, 2))
"""Channels before and behind a convolution, and pixels in a row."""

WIDTHS = (64, 96, 128)

BATCH = 128

Work = Callable[[Callable[[], AbstractContextManager[object]]], object]


def gradients(before: int, behind: int, side: int) -> Work:
    """The gradients of one convolution."""
    x, g = (
        torch.randn(BATCH, channels, side, side).bfloat16().to(memory_format=torch.channels_last)
        for channels in (before, behind)
    )
    weight = torch.randn(behind, before, 3, 3).bfloat16().to(memory_format=torch.channels_last)

    def work(mode: Callable[[], AbstractContextManager[object]]) -> None:
        with mode():
            torch.ops.aten.convolution_backward(
                g, x, weight, None, (1, 1), (1, 1), (1, 1), False, (0, 0), 1, (True, True, False)
            )

    return work


def step(network: MergedNetwork) -> Work:
    """A step of a network, without the update of its weights."""
    network.to(memory_format=torch.channels_last).train()
    images = torch.randn(BATCH, 3, 32, 32).to(memory_format=torch.channels_last)
    labels = torch.randint(10, (BATCH,))

    def work(mode: Callable[[], AbstractContextManager[object]]) -> None:
        with torch.autocast("cpu", torch.bfloat16):
            loss = functional.cross_entropy(network(images)[0], labels)
        with mode():
            loss.backward()

    return work


def measured(work: Work, mode: Callable[[], AbstractContextManager[object]], repeats: int) -> dict[str, float]:
    """Milliseconds without and with, and their ratio."""
    works = {"plain": lambda: work(nullcontext), "side_by_side": lambda: work(mode)}
    found = {name: round(1000 * seconds, 2) for name, seconds in in_turns(works, repeats, 1).items()}
    return {**found, "ratio": round(found["plain"] / found["side_by_side"], 2)}


def main() -> None:
    """Measures, prints a table and the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=15, help="turns that count (default: %(default)s)")
    options = parser.parse_args()
    torch.manual_seed(0)
    rows: dict[str, dict[str, float]] = {}
    for before, behind, side in CONVOLUTIONS:
        work = gradients(before, behind, side)
        rows[f"{before} to {behind} channels, {side}x{side}"] = measured(work, SideBySide, options.repeats)
    for width in WIDTHS:
        shape = NetworkShape(channels=width, cells=3, stem="pooled", reduction="pooled")
        network = MergedNetwork(library.load_genotype("ftso_single"), shape, auxiliary=False)
        found = measured(step(network), lambda: backward_mode(network, bfloat16=True), options.repeats)  # noqa: B023
        rows[f"ftso_single, {width} channels"] = found
    for name, row in rows.items():
        print(f"{name:30} {row['plain']:8} ms {row['side_by_side']:8} ms {row['ratio']:6}", file=sys.stderr)
    print(json.dumps({"threads": torch.get_num_threads(), "ms": rows}))


if __name__ == "__main__":
    main()
