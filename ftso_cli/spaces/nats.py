"""The topology space of NATS-Bench: one kind of cell, one input, stacked in three stages of equal width.

Dong et al., NATS-Bench, 2021, section 3.1 (the space of Dong and Yang, NAS-Bench-201, 2020); the FTSO paper uses it in
section 4.3. Between stages a residual block halves the size and doubles the channels, or as
`NetworkShape.reduction` has it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import get_args

from ftso_cli.errors import SpaceError
from ftso_cli.spaces.darts import Evaluation, NetworkShape, Stem, pooled_convolution, reductions, stems_of
from ftso_cli.spaces.layers import BatchNorm, Conv, GlobalPool, Identity, Layers, Linear, Pool, Relu, Sum
from ftso_cli.spaces.skeleton import CellStage, Skeleton

KIND = "cell"
"""The name of the one kind of cell in a genotype file."""

OUTPUT = 3
"""The last node of a cell, which is its output; node 0 is its input."""

EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
"""The edges (source, target) of a cell, in the order of the benchmark's strings."""

CIFAR10 = NetworkShape(channels=16, cells=15)
"""The network that the benchmark trained: three stages of five cells, of 16, 32 and 64 channels."""


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """One of the benchmark's data sets: the network that was trained on it, and the side of its images in pixels."""

    title: str
    shape: NetworkShape
    pixels: int


DATA_SETS: Mapping[str, DataSet] = {
    "cifar10": DataSet(title="CIFAR-10", shape=CIFAR10, pixels=32),
    "cifar100": DataSet(title="CIFAR-100", shape=replace(CIFAR10, classes=100), pixels=32),
    "imagenet16-120": DataSet(title="ImageNet16-120", shape=replace(CIFAR10, classes=120), pixels=16),
}

EVALUATIONS: Mapping[str, Evaluation] = {
    setting: Evaluation(DATA_SETS[name].shape, DATA_SETS[name].pixels)
    for setting, name in (("cifar", "cifar10"), ("cifar100", "cifar100"), ("imagenet16-120", "imagenet16-120"))
}
"""The networks of the benchmark, by setting."""


def nats_skeleton(
    shape: NetworkShape, concat: Mapping[str, int], *, search: bool = False, auxiliary: bool = False
) -> Skeleton:
    """The skeleton of a network of `shape` whose cells concatenate `concat["cell"]` nodes, one in the benchmark.

    What halves the size, a residual block in the benchmark, is what the first cell of a stage does to its input. The
    space has no auxiliary head, and in a super-net its stem, blocks and classifier are the same: `search` and
    `auxiliary` change nothing.
    Raises `SpaceError` for the ImageNet stem, which the space lacks.
    """
    if shape.stem == "imagenet":
        others = ", ".join(stem for stem in get_args(Stem) if stem != shape.stem)
        raise SpaceError(f"the nats space has no imagenet stem; it has {others}")
    halving = {"residual": residual_block, "pooled": pooled_convolution}[shape.reduction]
    stages: list[CellStage] = []
    channels = last = shape.channels
    for index in range(shape.cells):
        channels = channels * 2 if index in reductions(shape.cells) else channels
        preprocess = halving(last, channels) if index in reductions(shape.cells) else (Identity(),)
        last = concat[KIND] * channels
        stages.append(CellStage(index=index, kind=KIND, channels=channels, preprocess=(preprocess,), outputs=last))
    classifier = (BatchNorm(last), Relu(), GlobalPool(), Linear(last, shape.classes))
    return Skeleton(stems=stems_of(shape, shape.channels), cells=tuple(stages), auxiliary=None, classifier=classifier)


def residual_block(inputs: int, outputs: int) -> Layers:
    """Return two 3x3 convolutions beside a pooled 1x1 convolution without batch norm; nothing follows their sum.

    It halves the size of maps (Dong et al., NATS-Bench, 2021).
    """
    convolutions: Layers = (
        Relu(),
        Conv(inputs, outputs, (3, 3), (2, 2)),
        BatchNorm(outputs),
        Relu(),
        Conv(outputs, outputs, (3, 3)),
        BatchNorm(outputs),
    )
    shortcut: Layers = (Pool("avg", inputs, stride=2, kernel=2), Conv(inputs, outputs))
    return (Sum((convolutions, shortcut)),)
