"""The skeleton of NATS-Bench networks, against the sizes that the benchmark's records give."""

from dataclasses import replace

import pytest

from ftso_cli.errors import SpaceError
from ftso_cli.spaces import NATS, SPACES
from ftso_cli.spaces.darts import IMAGENET, NetworkShape
from ftso_cli.spaces.layers import Conv, Identity, Pool, Sum
from ftso_cli.spaces.nats import CIFAR10, DATA_SETS, EDGES, nats_skeleton
from tests.spaces.test_operators import parameters as layer_parameters

ONE = {"cell": 1}


def parameters(shape: NetworkShape) -> int:
    """The parameters of a network without those on the edges of its cells."""
    skeleton = nats_skeleton(shape, ONE)
    around = layer_parameters(skeleton.stems[0]) + layer_parameters(skeleton.classifier)
    blocks = [layer for stage in skeleton.cells for layer in stage.preprocess[0] if isinstance(layer, Sum)]
    return around + sum(layer_parameters(branch) for block in blocks for branch in block.branches)


def test_networks_without_convolutions_in_their_cells_have_their_known_sizes() -> None:
    assert [parameters(one.shape) for one in DATA_SETS.values()] == [73_306, 79_156, 80_456]


def test_three_stages_of_five_cells_with_a_residual_block_between_them() -> None:
    stages = nats_skeleton(CIFAR10, ONE).cells
    assert [stage.channels for stage in stages] == [16] * 5 + [32] * 5 + [64] * 5
    assert [stage.index for stage in stages if stage.preprocess != ((Identity(),),)] == [5, 10]
    assert all(NATS.stride(stage.kind, source) == 1 for stage in stages for source in range(3))


def test_a_cell_reads_the_cell_before_it_and_no_other() -> None:
    assert nats_skeleton(CIFAR10, ONE).cells[7].read("k-2", "k-1") == ("k-1",)
    assert SPACES["darts"].skeleton(CIFAR10, {"normal": 4, "reduce": 4}).cells[7].read("k-2", "k-1") == ("k-2", "k-1")


def test_every_node_reads_every_earlier_one_and_no_edge_is_pruned() -> None:
    assert sorted(EDGES) == [(source, target) for source in range(4) for target in range(source + 1, 4)]
    assert NATS.keep == max(sum(target == node for _, target in EDGES) for node in range(4))


def test_there_is_neither_an_auxiliary_head_nor_an_imagenet_stem() -> None:
    assert nats_skeleton(CIFAR10, ONE, auxiliary=True).auxiliary is None
    with pytest.raises(
        SpaceError, match="the nats space has no imagenet stem; it has cifar, half, pooled, quarter, pooled-quarter"
    ):
        nats_skeleton(IMAGENET, ONE)


def test_width_depth_and_classes_can_be_others() -> None:
    skeleton = nats_skeleton(replace(CIFAR10, channels=4, cells=3, classes=7, image_channels=1), ONE)
    assert [stage.channels for stage in skeleton.cells] == [4, 8, 16]
    assert skeleton.classifier[-1].outputs == 7  # type: ignore[union-attr]


def test_beside_the_convolutions_of_a_residual_block_2x2_means_go_through_a_1x1_convolution() -> None:
    (block,) = nats_skeleton(CIFAR10, ONE).cells[5].preprocess[0]
    assert isinstance(block, Sum)
    assert block.branches[1] == (Pool("avg", 16, stride=2, kernel=2), Conv(16, 32))
