"""Operators that could join the darts space, against conv_3x3: time of a training step and of one image in use.

The kinds take turns on random maps, channels last, at widths and sizes of networks that `train` chooses. Medians of
processor time on one thread. A table goes to stderr, one JSON line to stdout.

    OMP_NUM_THREADS=1 python benchmarks/candidates.py --repeats 12
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

MAPS = ((24, 16), (48, 8), (96, 4), (64, 16))
"""Channels, and height and width, of the maps."""

BATCH, IMAGES = 128, 10


def layers(before: int, after: int, kernel: int, groups: int = 1, relu: bool = False) -> list[nn.Module]:
    """A convolution that keeps the size of its map, and its batch norm."""
    convolution = nn.Conv2d(before, after, kernel, padding=kernel // 2, groups=groups, bias=False)
    return [convolution, nn.BatchNorm2d(after), *([nn.ReLU()] if relu else [])]


def inverted(channels: int, factor: int) -> nn.Module:
    """An inverted bottleneck (Sandler et al., 2018): wider, a depthwise convolution, and back."""
    wide = factor * channels
    parts = layers(channels, wide, 1, relu=True), layers(wide, wide, 3, wide, relu=True), layers(wide, channels, 1)
    return nn.Sequential(*(layer for part in parts for layer in part))


KINDS: dict[str, Callable[[int], nn.Module]] = {
    "conv_3x3": lambda channels: nn.Sequential(*layers(channels, channels, 3)),
    "conv_1x1": lambda channels: nn.Sequential(*layers(channels, channels, 1)),
    "2 groups": lambda channels: nn.Sequential(*layers(channels, channels, 3, 2)),
    "4 groups": lambda channels: nn.Sequential(*layers(channels, channels, 3, 4)),
    "8 groups": lambda channels: nn.Sequential(*layers(channels, channels, 3, 8)),
    "depthwise, 1x1": lambda channels: nn.Sequential(
        *layers(channels, channels, 3, channels, relu=True), *layers(channels, channels, 1)
    ),
    "inverted, twice as wide": lambda channels: inverted(channels, 2),
    "inverted, 4 times": lambda channels: inverted(channels, 4),
}


def training(module: nn.Module, maps: Tensor) -> float:
    """Seconds of a step forward and back."""
    inputs = maps.clone().requires_grad_()
    started = time.process_time()
    module.train()(inputs).sum().backward()
    return time.process_time() - started


def use(module: nn.Module, maps: Tensor) -> float:
    """Seconds of one image in use."""
    module.eval()
    with torch.inference_mode():
        started = time.process_time()
        for image in maps[:IMAGES].split(1):
            module(image)
    return (time.process_time() - started) / IMAGES


def ratios(channels: int, side: int, repeats: int) -> dict[str, dict[str, float]]:
    """The times of each kind, and how many times those of conv_3x3 they are."""
    torch.manual_seed(0)
    maps = torch.randn(BATCH, channels, side, side).to(memory_format=torch.channels_last)
    modules = {name: build(channels).to(memory_format=torch.channels_last) for name, build in KINDS.items()}
    taken: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in modules}
    for turn in range(repeats + 1):
        for name, module in modules.items():
            times = training(module, maps), use(module, maps)
            if turn:  # the first warms up
                for kept, seconds in zip(taken[name], times, strict=True):
                    kept.append(seconds)
    medians = {name: [statistics.median(each) for each in times] for name, times in taken.items()}
    trained, used = medians["conv_3x3"]
    return {
        name: {"training_ms": round(1e3 * one, 1), "training": round(one / trained, 2),
               "use_us": round(1e6 * other), "use": round(other / used, 2)}
        for name, (one, other) in medians.items()
    }  # fmt: skip


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=12)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    found = {}
    for channels, side in MAPS:
        where = f"{channels} channels, {side}x{side}"
        found[where] = ratios(channels, side, asked.repeats)
        print(where, file=sys.stderr)
        for name, row in found[where].items():
            figures = f"training {row['training_ms']:6} ms {row['training']:5.2f}x"
            print(f"  {name:<24} {figures}   use {row['use_us']:5.0f} us {row['use']:5.2f}x", file=sys.stderr)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
