"""Each layer against a count by hand, and every operator against the closed forms of the literature."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftso_cli.costs.layers import Cost, layer_cost, layer_output, layers_cost
from ftso_cli.errors import SpaceError
from ftso_cli.spaces import OPERATORS, operator
from ftso_cli.spaces.layers import (
    AuxiliaryPool,
    BatchNorm,
    Conv,
    FactorizedReduce,
    GlobalPool,
    Identity,
    Layer,
    Linear,
    Pool,
    Relu,
    Shape,
    Sum,
    Zero,
    for_search,
)

SIZES = st.integers(1, 65)
CHANNELS = st.integers(1, 300)
SHAPE = Shape(4, 7, 5)

BY_HAND: list[tuple[Layer, Cost, Shape]] = [
    (Relu(), Cost(relu_outputs=140), SHAPE),
    (Identity(), Cost(), SHAPE),
    (BatchNorm(4), Cost(params=8, bn_outputs=140), SHAPE),
    (BatchNorm(4, affine=False), Cost(bn_outputs=140), SHAPE),
    (Pool("max", 4), Cost(), SHAPE),
    (Pool("avg", 4, 2), Cost(), Shape(4, 4, 3)),
    (Zero(), Cost(), SHAPE),
    (Zero(2), Cost(), Shape(4, 4, 3)),
    (GlobalPool(), Cost(), Shape(4, 1, 1)),
    (AuxiliaryPool(3), Cost(), Shape(4, 2, 2)),
    (AuxiliaryPool(2), Cost(), Shape(4, 2, 2)),
    (Linear(140, 10), Cost(params=1410, macs=1400, bias_outputs=10), Shape(10, 1, 1)),
    # 4·6 weights, each used at 35 pixels.
    (Conv(4, 6), Cost(params=24, macs=840), Shape(6, 7, 5)),
    # 9·4·6 weights at 4·3 pixels.
    (Conv(4, 6, (3, 3), (2, 2)), Cost(params=216, macs=2592), Shape(6, 4, 3)),
    # Depthwise: 25 weights a channel.
    (Conv(4, 4, (5, 5), (2, 2), 2, groups=4), Cost(params=100, macs=1200), Shape(4, 4, 3)),
    # 1x7 strides along the width only: 7·4·4 weights at 7·3 pixels.
    (Conv(4, 4, (1, 7), (1, 2)), Cost(params=112, macs=2352), Shape(4, 7, 3)),
    # 2x2 without padding: 4·4·3 weights at 6·4 pixels.
    (Conv(4, 3, (2, 2), padded=False), Cost(params=48, macs=1152), Shape(3, 6, 4)),
    # 2 and 3 of the 5 outputs, 4 inputs each, at 4·3 pixels.
    (FactorizedReduce(4, 5), Cost(params=20, macs=240), Shape(5, 4, 3)),
    # 4·6 weights at 7·5 pixels behind 4·35 ReLUs, and beside them the same without.
    (Sum(((Relu(), Conv(4, 6)), (Conv(4, 6),))), Cost(params=48, macs=1680, relu_outputs=140), Shape(6, 7, 5)),
]


@pytest.mark.parametrize(("layer", "cost", "output"), BY_HAND, ids=lambda value: type(value).__name__)
def test_a_layer_costs_what_a_count_by_hand_gives(layer: Layer, cost: Cost, output: Shape) -> None:
    assert layer_cost(layer, SHAPE) == cost
    assert layer_output(layer, SHAPE) == output


def test_every_kind_of_layer_is_counted_by_hand() -> None:
    assert {type(layer) for layer, _, _ in BY_HAND} == set(Layer.__args__)


def test_a_2x2_convolution_without_padding_makes_one_pixel_of_four() -> None:
    assert layer_output(Conv(128, 768, (2, 2), padded=False), Shape(128, 2, 2)) == Shape(768, 1, 1)


@given(CHANNELS, SIZES, SIZES, st.sampled_from([1, 3, 5, 7]), st.sampled_from([1, 2]))
def test_padded_layers_of_stride_2_halve_odd_sizes_upwards(
    channels: int, height: int, width: int, kernel: int, dilation: int
) -> None:
    half = Shape(channels, math.ceil(height / 2), math.ceil(width / 2))
    conv = Conv(channels, channels, (kernel, kernel), (2, 2), dilation)
    pools = Pool("max", channels, 2), Pool("avg", channels, 2, kernel=2)
    for layer in (conv, *pools, FactorizedReduce(channels, channels), Zero(2)):
        assert layer_output(layer, Shape(channels, height, width)) == half


@pytest.mark.parametrize(
    ("layer", "complaint"),
    [
        (Conv(3, 6), "Conv of 3 inputs meets 4"),
        (BatchNorm(5), "BatchNorm of 5 inputs meets 4"),
        (Pool("max", 8), "Pool of 8 inputs meets 4"),
        (FactorizedReduce(8, 8), "FactorizedReduce of 8 inputs meets 4"),
        (Linear(4, 10), "Linear of 4 inputs meets 140"),
        (Conv(4, 4, (9, 9), padded=False), "a kernel of 9 doesn't fit 7 pixels without padding"),
        (Sum(((Conv(4, 6),), (Zero(2),))), "branches of 6x7x5 and 4x4x3 can't be added up"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_layer_that_does_not_fit_its_input_is_refused(layer: Layer, complaint: str) -> None:
    with pytest.raises(SpaceError, match=complaint):
        layer_cost(layer, SHAPE)


def closed_form(op: str, channels: int, stride: int, height: int, width: int) -> tuple[int, int]:
    """Parameters and MACs of an operator, written down from the papers' definitions and not from its layers."""
    rows, columns = math.ceil(height / stride), math.ceil(width / stride)
    pixels, kind = rows * columns, op.rsplit("_", 1)[0]
    kernel = int(op[-1]) if op[-1].isdigit() else 0
    depthwise_separable = kernel**2 * channels + channels**2
    match kind:
        case "sep_conv":
            return 2 * (depthwise_separable + 2 * channels), 2 * depthwise_separable * pixels
        case "dil_conv":
            return depthwise_separable + 2 * channels, depthwise_separable * pixels
        case "conv_7x1" | "conv_3x1":
            steps = height * columns + rows * columns
            return 2 * kernel * channels**2 + 2 * channels, kernel * channels**2 * steps
        case "nor_conv" | "conv":
            return kernel**2 * channels**2 + 2 * channels, kernel**2 * channels**2 * pixels
        case "skip" if stride == 2:
            return channels**2 + 2 * channels, channels**2 * pixels
    return 0, 0


@given(st.sampled_from(sorted(OPERATORS)), CHANNELS, st.sampled_from([1, 2]), SIZES, SIZES)
def test_every_operator_agrees_with_its_closed_form(
    op: str, channels: int, stride: int, height: int, width: int
) -> None:
    cost, output = layers_cost(operator(op).layers(channels, stride), Shape(channels, height, width))
    assert (cost.params, cost.macs) == closed_form(op, channels, stride, height, width)
    assert output == Shape(channels, math.ceil(height / stride), math.ceil(width / stride))


def test_in_a_super_net_an_operator_loses_the_weights_of_its_batch_norms_only() -> None:
    layers = operator("sep_conv_3x3").layers(16, 1)
    cost, _ = layers_cost(layers, Shape(16, 8, 8))
    searched, _ = layers_cost(for_search(layers), Shape(16, 8, 8))
    assert cost.params - searched.params == 2 * 2 * 16
    assert (searched.macs, searched.bn_outputs) == (cost.macs, cost.bn_outputs)


@given(st.integers(0, 50))
def test_costs_add_up(times: int) -> None:
    one = Cost(params=2, macs=3, bn_outputs=5, relu_outputs=7, bias_outputs=11)
    assert one * times == sum([one] * times, Cost())
