"""Operators as data, against the closed forms of their costs and the rules of convolution sizes."""

from dataclasses import replace

import pytest

from ftso_cli.errors import SpaceError
from ftso_cli.spaces import DARTS, NATS, OPERATORS, SPACES, operator, space
from ftso_cli.spaces.layers import BatchNorm, Conv, FactorizedReduce, Identity, Layer, Layers, Linear, Pool, Zero
from ftso_cli.spaces.layers import for_search as searched


def parameters(layers: Layers) -> int:
    """The parameters of a list of layers, counted from what each layer is."""
    return sum(_parameters(layer) for layer in layers)


def _parameters(layer: Layer) -> int:
    match layer:
        case Conv(inputs, outputs, (height, width), groups=groups):
            return inputs // groups * outputs * height * width
        case FactorizedReduce(inputs, outputs):
            return inputs * outputs
        case BatchNorm(channels, affine):
            return 2 * channels if affine else 0
        case Linear(inputs, outputs):
            return inputs * outputs + outputs
    return 0


def size_behind(layer: Layer, size: int) -> int:
    """The height of what leaves a layer, by the rule of every convolution and pooling."""
    match layer:
        case Conv(kernel=(kernel, _), stride=(stride, _), dilation=dilation, padding=(padding, _)):
            return (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
        case Pool(stride=stride, kernel=kernel):
            return (size + 2 * 1 - kernel) // stride + 1
        case FactorizedReduce():
            return (size + 1) // 2
        case Zero(stride=stride):
            return (size + stride - 1) // stride
    return size


C = 12
"""Channels."""

CLOSED_FORMS = {
    "none": (0, 0),
    "max_pool_3x3": (0, 0),
    "avg_pool_3x3": (0, 0),
    "skip_connect": (0, C * C + 2 * C),
    "sep_conv_3x3": (2 * (9 * C + C * C + 2 * C),) * 2,
    "sep_conv_5x5": (2 * (25 * C + C * C + 2 * C),) * 2,
    "sep_conv_7x7": (2 * (49 * C + C * C + 2 * C),) * 2,
    "dil_conv_3x3": (9 * C + C * C + 2 * C,) * 2,
    "dil_conv_5x5": (25 * C + C * C + 2 * C,) * 2,
    "conv_7x1_1x7": (2 * 7 * C * C + 2 * C,) * 2,
    "conv_3x1_1x3": (2 * 3 * C * C + 2 * C,) * 2,
    "conv_1x1": (C * C + 2 * C,) * 2,
    "conv_3x3": (9 * C * C + 2 * C,) * 2,
    "nor_conv_1x1": (C * C + 2 * C,) * 2,
    "nor_conv_3x3": (9 * C * C + 2 * C,) * 2,
}
"""Parameters at stride 1 and at stride 2."""


def test_every_operator_has_a_closed_form_here() -> None:
    assert set(CLOSED_FORMS) == set(OPERATORS)


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize("stride", [1, 2])
def test_the_layers_of_an_operator_have_the_parameters_of_its_closed_form(name: str, stride: int) -> None:
    assert parameters(operator(name).layers(C, stride)) == CLOSED_FORMS[name][stride - 1]


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [1, 2, 7, 8, 9, 32])
def test_an_operator_keeps_the_size_or_halves_it_rounding_up(name: str, stride: int, size: int) -> None:
    height = width = size
    for layer in operator(name).layers(C, stride):
        # Row and column convolutions stride one axis each: the other is the same layer turned.
        turned = layer
        if isinstance(layer, Conv):
            turned = replace(layer, kernel=layer.kernel[::-1], stride=layer.stride[::-1])
        height, width = size_behind(layer, height), size_behind(turned, width)
    assert (height, width) == ((size + stride - 1) // stride,) * 2


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize("stride", [1, 2])
def test_channels_go_through_the_layers_of_an_operator_without_a_gap(name: str, stride: int) -> None:
    channels = C
    for layer in operator(name).layers(C, stride):
        match layer:
            case Conv(inputs, outputs) | FactorizedReduce(inputs, outputs):
                assert inputs == channels
                channels = outputs
            case BatchNorm(width) | Pool(channels=width):
                assert width == channels
    assert channels == C


def test_a_skip_is_the_identity_at_stride_1_and_has_weights_at_stride_2() -> None:
    assert operator("skip_connect").layers(C, 1) == (Identity(),)
    assert FactorizedReduce(C, C) in operator("skip_connect").layers(C, 2)


def test_only_the_first_half_of_a_separable_convolution_strides() -> None:
    strides = [layer.stride for layer in operator("sep_conv_5x5").layers(C, 2) if isinstance(layer, Conv)]
    assert strides == [(2, 2), (1, 1), (1, 1), (1, 1)]


def test_row_and_column_convolutions_stride_the_width_then_the_height() -> None:
    convolutions = [layer for layer in operator("conv_7x1_1x7").layers(C, 2) if isinstance(layer, Conv)]
    assert [(layer.kernel, layer.stride) for layer in convolutions] == [((1, 7), (1, 2)), ((7, 1), (2, 1))]
    assert [layer.padding for layer in convolutions] == [(0, 3), (3, 0)]


def test_padding_follows_kernel_and_dilation() -> None:
    assert Conv(1, 1, (3, 3)).padding == (1, 1)
    assert Conv(1, 1, (5, 5), dilation=2).padding == (4, 4)
    assert Conv(1, 1, (1, 7)).padding == (0, 3)
    assert Conv(1, 1, (2, 2), padded=False).padding == (0, 0)


def test_in_a_super_net_batch_norms_have_no_weights_and_stand_behind_pools() -> None:
    assert searched(operator("max_pool_3x3").layers(C, 2)) == (Pool("max", C, 2), BatchNorm(C, affine=False))
    for name in OPERATORS:
        layers = operator(name).layers(C, 2)
        norms = [layer for layer in searched(layers) if isinstance(layer, BatchNorm)]
        assert not any(norm.affine for norm in norms)
        assert parameters(searched(layers)) == parameters(
            tuple(layer for layer in layers if not isinstance(layer, BatchNorm))
        )


# Names


def test_an_operators_name_is_its_key_and_labels_of_a_space_differ() -> None:
    assert all(name == entry.name for name, entry in OPERATORS.items())
    for one in SPACES.values():
        assert len({OPERATORS[name].label for name in one.operators}) == len(one.operators)


def test_plain_convolutions_are_the_same_in_both_spaces() -> None:
    for name in ("conv_1x1", "conv_3x3"):
        assert name in DARTS.operators and name not in DARTS.candidates
        assert operator(name).layers(C, 2) == operator(f"nor_{name}").layers(C, 2)


def test_the_candidates_are_the_eight_of_darts() -> None:
    assert DARTS.candidates == (
        "none",
        "max_pool_3x3",
        "avg_pool_3x3",
        "skip_connect",
        "sep_conv_3x3",
        "sep_conv_5x5",
        "dil_conv_3x3",
        "dil_conv_5x5",
    )
    assert DARTS.never_derived == {"none"}


def test_an_unknown_operator_is_refused_with_the_nearest_of_the_valid_ones() -> None:
    with pytest.raises(SpaceError, match=r"^unknown operator 'sep_conv3x3', did you mean sep_conv_3x3\? Known: none, "):
        operator("sep_conv3x3")
    with pytest.raises(SpaceError, match=r"^unknown operator 'none'\. Known: skip_connect$"):
        operator("none", ("skip_connect",))


def test_an_unknown_space_is_refused_with_the_known_ones() -> None:
    assert space("darts") is DARTS
    with pytest.raises(SpaceError, match=r"^unknown search space 'dart', did you mean darts\? Known: "):
        space("dart")


def test_a_space_offers_only_operators_that_it_knows() -> None:
    for one in SPACES.values():
        assert set(one.candidates) <= set(one.operators) <= set(OPERATORS)
        assert one.never_derived <= set(one.candidates)
        assert one.default_operator in set(one.operators) - one.never_derived


def test_each_space_has_the_operators_of_its_source() -> None:
    assert NATS.operators == ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
    assert set(OPERATORS) - set(DARTS.operators) == {"nor_conv_1x1", "nor_conv_3x3"}


def test_edges_from_an_input_of_a_reduction_cell_have_stride_2_and_no_others() -> None:
    assert [DARTS.stride("reduce", node) for node in (0, 1, 2, 9)] == [2, 2, 1, 1]
    assert [DARTS.stride("normal", node) for node in (0, 1, 2, 9)] == [1, 1, 1, 1]


@pytest.mark.parametrize("stride", [1, 2])
def test_dilated_convolutions_leave_one_pixel_out_between_two_and_no_others_do(stride: int) -> None:
    dilations = {
        name: {
            layer.dilation for layer in known.layers(C, stride) if isinstance(layer, Conv) and layer.kernel != (1, 1)
        }
        for name, known in OPERATORS.items()
    }
    assert {name for name, found in dilations.items() if found == {2}} == {"dil_conv_3x3", "dil_conv_5x5"}
    assert all(found <= {1} for name, found in dilations.items() if not name.startswith("dil"))
