"""The DARTS space: two kinds of cell, two inputs each, stacked with two reductions.

Liu et al., DARTS, 2019; the FTSO paper uses it with four nodes, section 4 and Table 4. Cells at one and two thirds
of the depth are reduction cells; they halve the size and double the channels.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from ftso_cli.errors import SpaceError
from ftso_cli.spaces.layers import (
    AuxiliaryPool,
    BatchNorm,
    Conv,
    FactorizedReduce,
    GlobalPool,
    Layers,
    Linear,
    Pool,
    Relu,
    for_search,
)
from ftso_cli.spaces.skeleton import AuxiliaryHead, CellStage, Skeleton

Stem = Literal["cifar", "half", "pooled", "quarter", "pooled-quarter", "imagenet"]
"""The layers before the cells. `cifar` keeps the size of the images, `imagenet` brings it to an eighth, as published.
The others are ours: `half` and `quarter` save time for wider cells by strides, `pooled` and `pooled-quarter` by a max
pooling behind two convolutions, the second of them at full and at half size."""

Reduction = Literal["residual", "pooled"]
"""The layers that halve the size between stages of a nats network: a residual block, as published, or a convolution and
a max pooling. The darts space has reduction cells."""

STEM_MULTIPLIER = 3
"""The CIFAR stem, and the ImageNet stem of a search, has three times the channels of the first cell's nodes (DARTS and
PC-DARTS, `stem_multiplier`)."""


@dataclass(frozen=True, kw_only=True)
class NetworkShape:
    """The size of one network of a genotype: width, depth, input and classes.

    The defaults are the CIFAR-10 evaluation network of DARTS and of the paper (Table 4).
    """

    channels: int = 36
    cells: int = 20
    classes: int = 10
    image_channels: int = 3
    stem: Stem = "cifar"
    reduction: Reduction = "residual"

    def __post_init__(self) -> None:
        for name in ("channels", "cells", "classes", "image_channels"):
            if getattr(self, name) < 1:
                raise SpaceError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.channels % self.step:
            raise SpaceError(f"the stem {self.stem} needs an even number of channels, not {self.channels}")

    @property
    def step(self) -> int:
        """The widths that the stem can have are multiples of this: 2 where its first layer has half of them."""
        return 2 if self.stem not in ("cifar", "half") else 1


CIFAR = NetworkShape()
"""18 normal and 2 reduction cells, 36 channels (Table 4)."""

IMAGENET = NetworkShape(channels=48, cells=14, classes=1000, stem="imagenet")
"""12 normal and 2 reduction cells, 48 channels (Table 4)."""

IMAGENET_PIXELS = 224
"""Side of the images of the ImageNet networks (DARTS, appendix A.3)."""


class Evaluation(NamedTuple):
    """A network that cells of a space are counted in: its shape, and the side of its images in pixels."""

    shape: NetworkShape
    pixels: int


EVALUATIONS: Mapping[str, Evaluation] = {
    "cifar": Evaluation(CIFAR, 32),
    "cifar100": Evaluation(replace(CIFAR, classes=100), 32),
    "imagenet": Evaluation(IMAGENET, IMAGENET_PIXELS),
}
"""The networks of the paper, by setting."""

SEARCH = NetworkShape(channels=16, cells=8)
"""The super-net of the paper's search: 6 + 2 cells, 16 channels (Table 4)."""


def reductions(cells: int) -> set[int]:
    """The indices of the reduction cells in a network of `cells` cells."""
    return {cells // 3, 2 * cells // 3}


def darts_skeleton(
    shape: NetworkShape, concat: Mapping[str, int], *, search: bool = False, auxiliary: bool = False
) -> Skeleton:
    """The skeleton of a network of `shape` whose cells of each kind concatenate `concat[kind]` nodes.

    With `search`, batch norms inside cells have no weights, and the ImageNet stem is `STEM_MULTIPLIER` times as wide,
    as in the published search of PC-DARTS. The stem's batch norms keep their weights, as in DARTS.
    """
    if shape.reduction != "residual":
        raise SpaceError(f"the darts space has reduction cells: give --reduction residual, not {shape.reduction}")
    before_last = last = _stem_width(shape, search)
    stems = stems_of(shape, last)
    stages: list[CellStage] = []
    channels, halved = shape.channels, len(stems) == 2
    for index in range(shape.cells):
        reduces = index in reductions(shape.cells)
        channels = channels * 2 if reduces else channels
        kind = "reduce" if reduces else "normal"
        preprocess = (_preprocess(before_last, channels, halved), _preprocess(last, channels, False))
        if search:
            preprocess = (for_search(preprocess[0]), for_search(preprocess[1]))
        outputs = concat[kind] * channels
        stages.append(CellStage(index=index, kind=kind, channels=channels, preprocess=preprocess, outputs=outputs))
        before_last, last, halved = last, outputs, reduces
    head = _auxiliary(shape, stages[2 * shape.cells // 3]) if auxiliary else None
    classifier = (GlobalPool(), Linear(last, shape.classes))
    return Skeleton(stems=stems, cells=tuple(stages), auxiliary=head, classifier=classifier)


def _stem_width(shape: NetworkShape, search: bool) -> int:
    return shape.channels * (STEM_MULTIPLIER if shape.stem == "cifar" or search else 1)


def stems_of(shape: NetworkShape, width: int) -> tuple[Layers, ...]:
    """Return the stems of a network, each of which has so many channels in the end."""
    image = shape.image_channels
    if shape.stem == "cifar":
        return ((Conv(image, width, (3, 3)), BatchNorm(width)),)
    if shape.stem == "half":
        return ((Conv(image, width, (3, 3), (2, 2)), BatchNorm(width)),)
    half = width // 2
    if shape.stem in ("pooled", "pooled-quarter"):
        stride = (1, 1) if shape.stem == "pooled" else (2, 2)
        return ((Conv(image, half, (3, 3), stride), BatchNorm(half), *pooled_convolution(half, width)),)
    first = (
        Conv(image, half, (3, 3), (2, 2)),
        BatchNorm(half),
        Relu(),
        Conv(half, width, (3, 3), (2, 2)),
        BatchNorm(width),
    )
    if shape.stem == "quarter":
        return (first,)
    return first, (Relu(), Conv(width, width, (3, 3), (2, 2)), BatchNorm(width))


def stem_stride(stem: Stem) -> int:
    """Return the side of an image for that of the map behind a stem: 2 where it is halved."""
    layers = [layer for part in stems_of(NetworkShape(channels=2, stem=stem), 2) for layer in part]
    convolutions = math.prod(layer.stride[0] for layer in layers if isinstance(layer, Conv))
    return convolutions * math.prod(layer.stride for layer in layers if isinstance(layer, Pool))


def pooled_convolution(inputs: int, outputs: int) -> Layers:
    """Return a 3x3 convolution and a max pooling that halves the size."""
    return (
        Relu(),
        Conv(inputs, outputs, (3, 3)),
        Pool("max", outputs, stride=2, kernel=2),
        BatchNorm(outputs),
    )


def _preprocess(inputs: int, outputs: int, halve: bool) -> Layers:
    """Brings a cell's input to the width of its nodes, and to half the size where the cell between has halved."""
    reduce = FactorizedReduce(inputs, outputs) if halve else Conv(inputs, outputs)
    return (Relu(), reduce, BatchNorm(outputs))


def _auxiliary(shape: NetworkShape, stage: CellStage) -> AuxiliaryHead:
    """The head behind the second reduction. The ImageNet head has no second batch norm, as in the published code."""
    imagenet = shape.stem == "imagenet"
    layers: Layers = (
        Relu(),
        AuxiliaryPool(2 if imagenet else 3),
        Conv(stage.outputs, 128),
        BatchNorm(128),
        Relu(),
        Conv(128, 768, (2, 2), padded=False),
        *(() if imagenet else (BatchNorm(768),)),
        Relu(),
        Linear(768, shape.classes),
    )
    return AuxiliaryHead(after=stage.index, layers=layers)
