"""The cost and output shape of each layer: the arithmetic under every other count.

MACs are the multiply-accumulates of convolutions and linear layers for one image. What other conventions add to
them (batch norm, ReLU, bias) is counted beside them, see `ftso_cli.costs.conventions`.
"""

from dataclasses import dataclass
from functools import lru_cache

from ftso_cli.errors import SpaceError
from ftso_cli.spaces.layers import (
    AuxiliaryPool,
    BatchNorm,
    Conv,
    FactorizedReduce,
    GlobalPool,
    Identity,
    Layer,
    Layers,
    Linear,
    Pool,
    Relu,
    Shape,
    Sum,
    Zero,
)


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Trainable parameters and, for one image, MACs and the outputs of batch norms, ReLUs and layers with a bias."""

    params: int = 0
    macs: int = 0
    bn_outputs: int = 0
    relu_outputs: int = 0
    bias_outputs: int = 0

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(
            params=self.params + other.params,
            macs=self.macs + other.macs,
            bn_outputs=self.bn_outputs + other.bn_outputs,
            relu_outputs=self.relu_outputs + other.relu_outputs,
            bias_outputs=self.bias_outputs + other.bias_outputs,
        )

    def __mul__(self, times: int) -> "Cost":
        return Cost(
            params=self.params * times,
            macs=self.macs * times,
            bn_outputs=self.bn_outputs * times,
            relu_outputs=self.relu_outputs * times,
            bias_outputs=self.bias_outputs * times,
        )


@lru_cache(maxsize=4096)
def layers_cost(layers: Layers, shape: Shape) -> tuple[Cost, Shape]:
    """The cost of `layers` one after the other on an input of `shape`, and the shape that comes out.

    Raises `SpaceError` where a layer doesn't fit what comes in.
    """
    total = Cost()
    for layer in layers:
        total += layer_cost(layer, shape)
        shape = layer_output(layer, shape)
    return total, shape


def layer_cost(layer: Layer, shape: Shape) -> Cost:
    """The cost of one layer on an input of `shape`; raises `SpaceError` where the layer doesn't fit it."""
    pixels = _pixels(layer_output(layer, shape))
    match layer:
        case Conv(inputs=inputs, outputs=outputs, kernel=(height, width), groups=groups):
            weights = height * width * (inputs // groups) * outputs
            return Cost(params=weights, macs=weights * pixels)
        case FactorizedReduce(inputs=inputs, outputs=outputs):
            # Two 1x1 convolutions of outputs // 2 and outputs - outputs // 2 channels, on a quarter of the pixels each.
            return Cost(params=inputs * outputs, macs=inputs * outputs * pixels)
        case Linear(inputs=inputs, outputs=outputs):
            return Cost(params=inputs * outputs + outputs, macs=inputs * outputs, bias_outputs=outputs)
        case BatchNorm(channels=channels, affine=affine):
            return Cost(params=2 * channels if affine else 0, bn_outputs=channels * pixels)
        case Relu():
            return Cost(relu_outputs=shape.channels * pixels)
        case Sum(branches):
            return sum((layers_cost(branch, shape)[0] for branch in branches), Cost())
        case _:
            return Cost()


def layer_output(layer: Layer, shape: Shape) -> Shape:
    """The shape that one layer makes of `shape`; raises `SpaceError` where the layer doesn't fit it."""
    channels, height, width = shape
    match layer:
        case Conv(inputs=inputs, outputs=outputs):
            _require(layer, inputs, channels)
            return Shape(outputs, _sweep(layer, height, 0), _sweep(layer, width, 1))
        case FactorizedReduce(inputs=inputs, outputs=outputs):
            _require(layer, inputs, channels)
            return Shape(outputs, _strided(height, 2), _strided(width, 2))
        case Linear(inputs=inputs, outputs=outputs):
            _require(layer, inputs, channels * height * width)
            return Shape(outputs, 1, 1)
        case BatchNorm(channels=inputs):
            _require(layer, inputs, channels)
            return shape
        case Pool(channels=inputs, stride=stride):
            _require(layer, inputs, channels)
            return Shape(channels, _strided(height, stride), _strided(width, stride))
        case Zero(stride=stride):
            return Shape(channels, _strided(height, stride), _strided(width, stride))
        case AuxiliaryPool():
            return Shape(channels, 2, 2)
        case GlobalPool():
            return Shape(channels, 1, 1)
        case Relu() | Identity():
            return shape
        case Sum(branches):
            return _common_shape([layers_cost(branch, shape)[1] for branch in branches])


def _common_shape(shapes: list[Shape]) -> Shape:
    if len(set(shapes)) > 1:
        sizes = " and ".join("x".join(map(str, shape)) for shape in shapes)
        raise SpaceError(f"branches of {sizes} can't be added up")
    return shapes[0]


def _pixels(shape: Shape) -> int:
    return shape.height * shape.width


def _strided(size: int, stride: int) -> int:
    """Every `stride`-th of `size` positions, the first included: size / stride, rounded up."""
    return -(-size // stride)


def _sweep(conv: Conv, size: int, axis: int) -> int:
    """The positions a kernel takes along one axis of `size` pixels and their padding."""
    reach = conv.dilation * (conv.kernel[axis] - 1)
    positions = (size + 2 * conv.padding[axis] - reach - 1) // conv.stride[axis] + 1
    if positions < 1:
        raise SpaceError(f"a kernel of {conv.kernel[axis]} doesn't fit {size} pixels without padding")
    return positions


def _require(layer: Layer, inputs: int, given: int) -> None:
    if inputs != given:
        raise SpaceError(f"{type(layer).__name__} of {inputs} inputs meets {given}")
