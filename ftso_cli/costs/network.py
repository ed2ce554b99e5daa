"""Parameters and MACs of the network that a genotype makes, counted on the skeleton that it is built from."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache

from ftso_cli.costs.layers import Cost, layer_output, layers_cost
from ftso_cli.errors import SpaceError
from ftso_cli.genotype import Cell, Genotype
from ftso_cli.genotype.edit import require_complete
from ftso_cli.spaces import SPACES, operator
from ftso_cli.spaces.darts import NetworkShape
from ftso_cli.spaces.layers import Layers, Shape, Zero
from ftso_cli.spaces.skeleton import CellStage, Skeleton

NOTHING = Cost()

AROUND = ("stem", "classifier", "auxiliary")
"""The parts that are no cells, by `StageCost.kind`."""

EdgesCost = Callable[[CellStage, Shape, Shape], Cost]
"""Counts the edges of a cell, given its place, the shape of its inputs and that of its nodes."""

MOBILE_MACS = 600_000_000
"""The "mobile setting" of the ImageNet tables that the paper compares with: by custom at most 600M MACs."""


@dataclass(frozen=True, kw_only=True)
class StageCost:
    """One part of a network: a stem, a cell, the classifier or the auxiliary head.

    `kind` is stem, classifier, auxiliary or that of a cell; `channels` is the width of a cell's nodes, and of the
    output elsewhere; `output` is (C, H, W) of one image. `edges` is what the operators of a cell have of its `cost`.
    """

    name: str
    kind: str
    channels: int
    output: Shape
    cost: Cost
    edges: Cost = NOTHING

    @property
    def in_cell(self) -> bool:
        """True for a cell, False for a part around the cells."""
        return self.kind not in AROUND

    @property
    def params(self) -> int:
        """Trainable parameters."""
        return self.cost.params

    @property
    def macs(self) -> int:
        """MACs of one image."""
        return self.cost.macs


@dataclass(frozen=True, kw_only=True)
class NetworkCost:
    """A network part by part, in the order data takes, and its totals.

    The auxiliary head stands apart: only training has it, so no total but `params_with_auxiliary` includes it. Some
    spaces have none.
    """

    stages: tuple[StageCost, ...]
    auxiliary: StageCost | None

    @property
    def total(self) -> Cost:
        """The cost of all stages, without the auxiliary head."""
        return sum((stage.cost for stage in self.stages), Cost())

    @property
    def params(self) -> int:
        """Trainable parameters of the network as it is used."""
        return self.total.params

    @property
    def params_with_auxiliary(self) -> int:
        """Trainable parameters of the network as it is trained."""
        return self.params + (self.auxiliary.params if self.auxiliary else 0)

    @property
    def macs(self) -> int:
        """MACs of convolutions and linear layers for one image."""
        return self.total.macs

    @property
    def auxiliary_macs(self) -> int:
        """MACs that the auxiliary head adds in training."""
        return self.auxiliary.macs if self.auxiliary else 0

    @property
    def bn_outputs(self) -> int:
        """Numbers that leave batch norms, for one image."""
        return self.total.bn_outputs

    @property
    def relu_outputs(self) -> int:
        """Numbers that leave ReLUs, for one image."""
        return self.total.relu_outputs

    @property
    def bias_outputs(self) -> int:
        """Numbers that leave layers with a bias, for one image."""
        return self.total.bias_outputs


def network_cost(
    genotype: Genotype, shape: NetworkShape, image_size: tuple[int, int], *, auxiliary: bool = True
) -> NetworkCost:
    """Counts the network of `genotype` and `shape` on images of `image_size` (height, width), kept edges only.

    Without `auxiliary` it is trained without an auxiliary head.

    Raises `GenotypeError` where operators are still to be chosen and `SpaceError` for an image without pixels.
    """
    require_complete(genotype, "cost")
    edges = {kind: _count_edges(cell) for kind, cell in genotype.cells.items()}
    space = SPACES[genotype.space]

    @cache
    def of_cell(kind: str, channels: int, inputs: Shape, nodes: Shape) -> Cost:
        total = Cost()
        for (op, source), times in edges[kind].items():
            at = inputs if source < space.inputs else nodes
            total += operator_cost(op, channels, space.stride(kind, source), at) * times
        return total

    def edges_cost(place: CellStage, inputs: Shape, nodes: Shape) -> Cost:
        return of_cell(place.kind, place.channels, inputs, nodes)

    concat = {kind: len(cell.concat) for kind, cell in genotype.cells.items()}
    skeleton = space.skeleton(shape, concat, auxiliary=auxiliary)
    stages = stage_costs(skeleton, image_shape(shape, image_size), edges_cost)
    return NetworkCost(stages=stages, auxiliary=_auxiliary_cost(skeleton, stages))


@lru_cache(maxsize=4096)
def operator_cost(op: str, channels: int, stride: int, inputs: Shape) -> Cost:
    """The cost of one operator; networks of one shape have the same few in different numbers."""
    return layers_cost(operator(op).layers(channels, stride), inputs)[0]


def _count_edges(cell: Cell) -> Counter[tuple[str, int]]:
    """Return how often each operator leaves each node, over kept edges."""
    return Counter((edge.op, edge.source) for edge in cell.kept if edge.op is not None)


def image_shape(shape: NetworkShape, image_size: tuple[int, int]) -> Shape:
    """The shape of one image; raises `SpaceError` for one without pixels."""
    height, width = image_size
    if min(height, width) < 1:
        raise SpaceError(f"the image size must be at least 1x1, not {height}x{width}")
    return Shape(shape.image_channels, height, width)


def stage_costs(skeleton: Skeleton, image: Shape, edges_cost: EdgesCost) -> tuple[StageCost, ...]:
    """Every stage of a skeleton on one image, in order, without the auxiliary head."""
    stages = _stem_costs(skeleton.stems, image)
    before_last, last = stages[0].output, stages[-1].output
    for place in skeleton.cells:
        stages.append(_cell_cost(place, before_last, last, edges_cost))
        before_last, last = last, stages[-1].output
    cost, output = layers_cost(skeleton.classifier, last)
    classifier = StageCost(name="classifier", kind="classifier", channels=output.channels, output=output, cost=cost)
    return (*stages, classifier)


def _stem_costs(stems: tuple[Layers, ...], image: Shape) -> list[StageCost]:
    stages: list[StageCost] = []
    at = image
    for index, layers in enumerate(stems):
        cost, at = layers_cost(layers, at)
        name = f"stem {index}" if len(stems) > 1 else "stem"
        stages.append(StageCost(name=name, kind="stem", channels=at.channels, output=at, cost=cost))
    return stages


def _cell_cost(place: CellStage, before_last: Shape, last: Shape, edges_cost: EdgesCost) -> StageCost:
    preprocess, inputs = NOTHING, last
    for layers, shape in zip(place.preprocess, place.read(before_last, last), strict=True):
        cost, inputs = layers_cost(layers, shape)
        preprocess += cost
    nodes = layer_output(Zero(2 if place.kind == "reduce" else 1), inputs)
    edges = edges_cost(place, inputs, nodes)
    return StageCost(
        name=f"cell {place.index}",
        kind=place.kind,
        channels=place.channels,
        output=nodes._replace(channels=place.outputs),
        cost=preprocess + edges,
        edges=edges,
    )


def _auxiliary_cost(skeleton: Skeleton, stages: tuple[StageCost, ...]) -> StageCost | None:
    if skeleton.auxiliary is None:
        return None
    at = stages[len(skeleton.stems) + skeleton.auxiliary.after].output
    cost, output = layers_cost(skeleton.auxiliary.layers, at)
    return StageCost(name="auxiliary head", kind="auxiliary", channels=output.channels, output=output, cost=cost)
