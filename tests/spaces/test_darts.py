"""The skeleton of DARTS networks, against published sizes of whole networks."""

from dataclasses import replace
from typing import get_args

import pytest

from ftso_cli.errors import SpaceError
from ftso_cli.spaces import operator
from ftso_cli.spaces.darts import CIFAR, IMAGENET, SEARCH, NetworkShape, Stem, darts_skeleton, reductions, stem_stride
from ftso_cli.spaces.layers import AuxiliaryPool, BatchNorm, Conv, FactorizedReduce, Linear
from ftso_cli.spaces.skeleton import Skeleton
from tests.spaces.test_operators import parameters

CONCAT = {"normal": 4, "reduce": 4}


def all_parameters(skeleton: Skeleton, op: str, edges: int = 8) -> int:
    """The parameters of a network whose cells have `edges` edges, each a separable or dilated convolution.

    These cost the same at both strides, so it doesn't matter where the edges run.
    """
    total = sum(parameters(stem) for stem in skeleton.stems) + parameters(skeleton.classifier)
    for stage in skeleton.cells:
        total += sum(parameters(layers) for layers in stage.preprocess)
        total += edges * parameters(operator(op).layers(stage.channels, 1))
    return total + (parameters(skeleton.auxiliary.layers) if skeleton.auxiliary else 0)


@pytest.mark.parametrize(
    ("shape", "auxiliary", "expected"),
    [(CIFAR, False, 4_701_718), (CIFAR, True, 5_178_144), (IMAGENET, False, 6_548_320), (IMAGENET, True, 7_809_096)],
)
def test_networks_of_separable_convolutions_have_their_known_size(
    shape: NetworkShape, auxiliary: bool, expected: int
) -> None:
    """The default of FTSO, sep_conv_3x3 on every edge, costs the same for every wiring."""
    assert all_parameters(darts_skeleton(shape, CONCAT, auxiliary=auxiliary), "sep_conv_3x3") == expected


def test_the_super_net_of_darts_has_its_known_size_without_its_edges() -> None:
    """1,930,618 weights, of which 1,831,168 inside edges, by the published code."""
    skeleton = darts_skeleton(SEARCH, CONCAT, search=True)
    assert all_parameters(skeleton, "none") == 1_930_618 - 1_831_168


@pytest.mark.parametrize(
    ("cells", "expected"),
    [(20, {6, 13}), (14, {4, 9}), (8, {2, 5}), (3, {1, 2}), (2, {0, 1}), (1, {0})],
)
def test_reductions_stand_at_one_and_two_thirds(cells: int, expected: set[int]) -> None:
    assert reductions(cells) == expected
    stages = darts_skeleton(NetworkShape(cells=cells), CONCAT).cells
    assert {stage.index for stage in stages if stage.kind == "reduce"} == expected
    assert [stage.index for stage in stages] == list(range(cells))


def test_channels_double_at_every_reduction() -> None:
    stages = darts_skeleton(CIFAR, {"normal": 3, "reduce": 5}).cells
    assert [stage.channels for stage in stages] == [36] * 6 + [72] * 7 + [144] * 7
    assert [stage.outputs for stage in stages][4:8] == [108, 108, 360, 216]


@pytest.mark.parametrize("shape", [CIFAR, IMAGENET, SEARCH, NetworkShape(cells=1), NetworkShape(cells=2)])
def test_every_cell_reads_what_the_two_before_it_give(shape: NetworkShape) -> None:
    skeleton = darts_skeleton(shape, {"normal": 4, "reduce": 3})
    widths = [_channels(stem[-1]) for stem in skeleton.stems]
    widths = widths * 2 if len(widths) == 1 else widths
    halves = [False, len(skeleton.stems) == 2]
    for stage in skeleton.cells:
        for layers, width in zip(stage.preprocess, widths[-2:], strict=True):
            assert isinstance(layers[1], Conv | FactorizedReduce)
            assert (layers[1].inputs, layers[1].outputs) == (width, stage.channels)
        # The output of cell k-2 is larger where cell k-1 has halved the size.
        assert isinstance(stage.preprocess[0][1], FactorizedReduce) == halves[-1]
        assert isinstance(stage.preprocess[1][1], Conv)
        widths.append(stage.outputs)
        halves.append(stage.kind == "reduce")
    assert skeleton.classifier[-1] == Linear(widths[-1], shape.classes)


def _channels(layer: object) -> int:
    assert isinstance(layer, BatchNorm)
    return layer.channels


def test_the_cifar_stem_is_three_times_as_wide_and_the_imagenet_stem_quarters_the_size() -> None:
    assert darts_skeleton(CIFAR, CONCAT).stems == ((Conv(3, 108, (3, 3)), BatchNorm(108)),)
    first, second = darts_skeleton(IMAGENET, CONCAT).stems
    strides = [layer.stride for stem in (first, second) for layer in stem if isinstance(layer, Conv)]
    assert strides == [(2, 2)] * 3
    assert first[0] == Conv(3, 24, (3, 3), (2, 2))


def test_the_imagenet_stem_of_a_search_is_48_channels_wide_as_in_pc_darts() -> None:
    skeleton = darts_skeleton(replace(SEARCH, stem="imagenet"), CONCAT, search=True)
    convolutions = [layer for stem in skeleton.stems for layer in stem if isinstance(layer, Conv)]
    assert [(layer.inputs, layer.outputs) for layer in convolutions] == [(3, 24), (24, 48), (48, 48)]
    before_last, last = skeleton.cells[0].preprocess
    assert (before_last[1], last[1]) == (FactorizedReduce(48, 16), Conv(48, 16))


def test_grey_images_and_other_class_counts_change_the_two_ends_only() -> None:
    grey = darts_skeleton(NetworkShape(image_channels=1, classes=7), CONCAT)
    colour = darts_skeleton(CIFAR, CONCAT)
    assert grey.cells == colour.cells
    assert grey.stems[0][0] == Conv(1, 108, (3, 3))
    assert grey.classifier[-1] == Linear(576, 7)


def test_in_a_super_net_only_norms_inside_cells_lose_their_weights() -> None:
    skeleton = darts_skeleton(SEARCH, CONCAT, search=True)
    assert skeleton.stems[0][-1] == BatchNorm(48)
    norms = [layers[-1] for stage in skeleton.cells for layers in stage.preprocess]
    assert all(isinstance(norm, BatchNorm) and not norm.affine for norm in norms)


@pytest.mark.parametrize(("shape", "stride", "norms"), [(CIFAR, 3, 2), (IMAGENET, 2, 1)])
def test_the_auxiliary_head_stands_behind_the_second_reduction(shape: NetworkShape, stride: int, norms: int) -> None:
    head = darts_skeleton(shape, CONCAT, auxiliary=True).auxiliary
    assert head is not None
    assert head.after == max(reductions(shape.cells))
    assert AuxiliaryPool(stride) in head.layers
    assert sum(isinstance(layer, BatchNorm) for layer in head.layers) == norms
    assert head.layers[-1] == Linear(768, shape.classes)
    assert darts_skeleton(shape, CONCAT).auxiliary is None


@pytest.mark.parametrize("name", ["channels", "cells", "classes", "image_channels"])
@pytest.mark.parametrize("value", [0, -3])
def test_shapes_below_1_are_refused(name: str, value: int) -> None:
    with pytest.raises(SpaceError, match=f"^{name} must be at least 1, not {value}$"):
        NetworkShape(**{name: value})  # type: ignore[arg-type]


def test_stems_bring_images_to_the_part_of_their_size_that_they_are_called_by() -> None:
    strides = {"cifar": 1, "half": 2, "quarter": 4, "pooled": 2, "pooled-quarter": 4, "imagenet": 8}
    assert {stem: stem_stride(stem) for stem in get_args(Stem)} == strides


@pytest.mark.parametrize("stem", ["pooled", "quarter", "pooled-quarter", "imagenet"])
def test_stems_whose_first_layer_is_half_as_wide_have_an_even_width(stem: Stem) -> None:
    with pytest.raises(SpaceError, match=rf"^the stem {stem} needs an even number of channels, not 47$"):
        NetworkShape(channels=47, stem=stem)
    NetworkShape(channels=47)
