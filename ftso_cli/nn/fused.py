"""The evaluation network with the layers of its edges fused: faster to train on a CPU, with the same weights.

`EvaluationCell` goes edge by edge and layer by layer, and is the reference. Here the edges that leave a node run
together as soon as the node is known, and what can be fused goes through `fused_layers`; everything else runs as the
reference does. Parameters have the same names, so checkpoints and weights go either way.
"""

from collections.abc import Sequence
from functools import cached_property

import torch
from torch import Tensor, nn

from ftso_cli.nn.fused_layers import Scaled, Step, add_up, convolve, normalise
from ftso_cli.nn.network import EvaluationCell, Network

WORTH_FUSING = {"pixels": 32, "channels": 16}
"""The least side of an image and width of the first cells; below, starting the operations takes longer than what
fusing saves."""


class FusedCell(EvaluationCell):
    """A cell whose edges run together by the node that they leave, while it trains in single or double precision."""

    def forward(self, before_last: Tensor, last: Tensor, masks: Tensor | None = None) -> Tensor:
        """The outputs of cells k-2 and k-1 to the output of this cell, (N, nodes in concat · C, H, W)."""
        if not _applies(self, last):
            return super().forward(before_last, last, masks)
        inputs = self.stage.read(before_last, last)
        states = {node: _alone(layers, x) for node, (layers, x) in enumerate(zip(self.preprocess, inputs, strict=True))}
        outputs = {at: output for node, state in states.items() for at, output in self._leaving(node, state).items()}
        for node in sorted({edge.target for edge in self.edges}):
            into = [at for at, edge in enumerate(self.edges) if edge.target == node]
            dropped = [masks[self.drops[at]] if masks is not None and at in self.drops else None for at in into]
            states[node] = add_up([outputs[at] for at in into], dropped)
            outputs |= self._leaving(node, states[node])
        return torch.cat([states[node] for node in self.concat], dim=1)

    def _leaving(self, node: int, state: Tensor) -> dict[int, Scaled]:
        """The outputs of all edges that leave a node, by the position of the edge."""
        leaving = [at for at, edge in enumerate(self.edges) if edge.source == node]
        chains = {at: self._chains[at] for at in leaving if self._chains[at]}
        outputs = {at: _unfused(self.operators[at], state) for at in leaving if at not in chains}
        # Edges into a node that nobody reads must not get a gradient of zero, which weight decay would act on.
        for group in (set(chains) & self._read, set(chains) - self._read):
            firsts = convolve(Scaled(state), [chains[at][0] for at in sorted(group)]) if group else []
            for at, first in zip(sorted(group), firsts, strict=True):
                outputs[at] = _chain(first, chains[at][1:])
        return outputs

    @cached_property
    def _chains(self) -> list[list[Step]]:
        """The fused steps of each operator; none of one that has other layers too."""
        return [steps_of(operator) for operator in self.operators]

    @cached_property
    def _read(self) -> set[int]:
        """The positions of the edges that the output of the cell depends on."""
        nodes = set(self.concat)
        for edge in reversed(self.edges):
            if edge.target in nodes:
                nodes.add(edge.source)
        return {at for at, edge in enumerate(self.edges) if edge.target in nodes}


class FusedNetwork(Network):
    """`Network` with fused cells and stems."""

    cell = FusedCell

    def _stem(self, stem: nn.Module, x: Tensor) -> Tensor:
        return _alone(stem, x) if _applies(stem, x) else super()._stem(stem, x)


def network_class(device: torch.device, image_size: tuple[int, int], channels: int) -> type[Network]:
    """The faster of both on a device, for images of (height, width) pixels and the channels of the first cells.

    `docs/performance.md` has the figures.

    GPUs have kernels of their own, which fusing in Python would only slow down, and so are small maps on a CPU.
    """
    large = min(image_size) >= WORTH_FUSING["pixels"] and channels >= WORTH_FUSING["channels"]
    return FusedNetwork if device.type == "cpu" and large else Network


def steps_of(operator: nn.Module) -> list[Step]:
    """The fused steps that make up an operator; none where it has other layers too."""
    layers = list(operator) if isinstance(operator, nn.Sequential) else []
    steps = []
    while layers:
        match layers:
            case [nn.ReLU(), nn.Conv2d() as depthwise, nn.Conv2d() as pointwise, nn.BatchNorm2d() as norm, *layers]:
                steps.append(Step(depthwise, pointwise, norm))
            case [nn.ReLU(), nn.Conv2d() as pointwise, nn.BatchNorm2d() as norm, *layers]:
                steps.append(Step(None, pointwise, norm))
            case _:
                return []
    return steps if all(step.is_fusable for step in steps) else []


def _applies(module: nn.Module, x: Tensor) -> bool:
    """Fused layers are for training on a CPU, without autocast, with batch norm that takes the batch's statistics."""
    norms = (layer for layer in module.modules() if isinstance(layer, nn.modules.batchnorm._BatchNorm))
    plain = all(type(norm) is nn.BatchNorm2d and norm.training and norm.affine for norm in norms)
    return module.training and plain and x.device.type == "cpu" and not torch.is_autocast_enabled("cpu")


def _alone(operator: nn.Module, x: Tensor) -> Tensor:
    """The output of an operator that shares its input with no other."""
    steps = steps_of(operator)
    return add_up([_chain(Scaled(x), steps) if steps else _unfused(operator, x)], [None])


def _chain(x: Scaled, steps: Sequence[Step]) -> Scaled:
    for step in steps:
        (x,) = convolve(x, [step])
    return x


def _unfused(operator: nn.Module, x: Tensor) -> Scaled:
    """The operator layer by layer, but for a batch norm at its end."""
    if isinstance(operator, nn.Sequential) and isinstance(operator[-1], nn.BatchNorm2d):
        return normalise(operator[:-1](x), operator[-1])
    return Scaled(operator(x))
