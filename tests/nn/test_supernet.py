"""The general super-net against the published sizes, and against PC-DARTS' equations written out by hand."""

import pytest
import torch
from torch.nn import functional

from ftso_cli.costs.supernet import supernet_cost
from ftso_cli.errors import SettingsError
from ftso_cli.nn.supernet import MixedEdge, SuperNet, Wiring, complete_wiring, shuffle
from ftso_cli.spaces import DARTS
from ftso_cli.spaces.darts import SEARCH, NetworkShape
from tests import counting

ALL = DARTS.candidates
OP3 = ("max_pool_3x3", "skip_connect", "none")
SMALL = NetworkShape(channels=8, cells=3, classes=3)


def supernet(
    ops: tuple[str, ...] = ("skip_connect",), shape: NetworkShape = SEARCH, partial: int = 4, nodes: int = 4
) -> SuperNet:
    return SuperNet(dict.fromkeys(DARTS.kinds, complete_wiring(nodes)), DARTS, ops, shape, partial=partial)


@pytest.mark.parametrize(
    ("ops", "partial", "weights", "macs"),
    [
        (OP3, 1, 140_410, 24_660_480),
        ((*OP3, "sep_conv_3x3"), 1, 665_466, 100_928_000),
        (("max_pool_3x3",), 1, 99_450, 20_466_176),
        (("sep_conv_3x3",), 1, 624_506, 96_733_696),
        (ALL, 4, 299_578, 56_596_992),
        (("skip_connect",), 4, 102_010, 20_728_320),
        (("max_pool_3x3",), 4, 99_450, 20_466_176),
        (("sep_conv_3x3",), 4, 147_386, 28_523_008),
        (ALL, 1, 1_930_618, 300_255_744),
        (("skip_connect",), 1, 140_410, 24_660_480),
    ],
)
def test_super_nets_have_the_weights_and_macs_of_darts_and_pc_darts(
    ops: tuple[str, ...], partial: int, weights: int, macs: int
) -> None:
    net = supernet(ops, partial=partial).eval()
    assert sum(parameter.numel() for parameter in net.weights()) == weights
    assert counting.macs(net, torch.zeros(1, 3, 32, 32)) == macs


@pytest.mark.parametrize("size", [(8, 8), (9, 7)])
@pytest.mark.parametrize("partial", [1, 2, 4])
@pytest.mark.parametrize("nodes", [1, 3, 6])
def test_the_calculator_equals_a_count_over_the_built_super_net(
    size: tuple[int, int], partial: int, nodes: int
) -> None:
    net = supernet(("none", "skip_connect", "sep_conv_3x3", "avg_pool_3x3"), SMALL, partial, nodes).eval()
    cost = supernet_cost(net.ops, nodes=nodes, partial=partial, shape=SMALL, image_size=size)
    assert sum(parameter.numel() for parameter in net.weights()) == cost.weights
    assert sum(parameter.numel() for parameter in net.architecture()) == cost.alphas + cost.betas
    assert counting.macs(net, torch.zeros(1, 3, *size)) == cost.macs


def test_one_candidate_needs_no_alpha() -> None:
    assert not supernet().alpha
    assert len(supernet().architecture()) == 2


def test_without_weights_on_edges_a_node_adds_them_up_and_darts_has_its_224_parameters() -> None:
    wirings = dict.fromkeys(DARTS.kinds, complete_wiring(4))
    net = SuperNet(wirings, DARTS, ALL, SEARCH, partial=1, weigh_edges=False)
    assert sum(parameter.numel() for parameter in net.architecture()) == 224
    assert net.edge_weights("normal").tolist() == [1.0] * 14
    assert sum(parameter.numel() for parameter in supernet(ALL).architecture()) == 252


def test_every_architecture_parameter_is_in_the_state() -> None:
    assert {"alpha.normal", "alpha.reduce", "beta.normal", "beta.reduce"} <= set(supernet(ALL, SMALL).state_dict())


def test_a_mixed_edge_is_the_weighted_sum_on_the_first_channels_and_shuffles_the_rest_in() -> None:
    edge = MixedEdge(("skip_connect", "avg_pool_3x3"), 8, 1, partial=4)
    x = torch.randn(4, 8, 5, 5)
    active = x[:, :2]
    pooled = functional.batch_norm(
        functional.avg_pool2d(active, 3, 1, 1, count_include_pad=False), None, None, training=True
    )
    mixed = torch.cat([0.3 * active + 0.7 * pooled, x[:, 2:]], 1)
    expected = mixed[:, [0, 2, 4, 6, 1, 3, 5, 7]]
    torch.testing.assert_close(edge(x, torch.tensor([0.3, 0.7])), expected)


@pytest.mark.parametrize("size", [6, 7])
def test_at_stride_two_the_other_channels_are_max_pooled(size: int) -> None:
    edge = MixedEdge(("max_pool_3x3",), 4, 2, partial=2).eval()
    x = torch.randn(1, 4, size, size)
    out = edge(x, torch.ones(1))
    assert out.shape[2:] == ((size + 1) // 2, (size + 1) // 2)
    assert out[0, 1, 1, 1] == x[0, 2, 2:4, 2:4].max()


def test_the_shuffle_is_a_permutation_of_channels() -> None:
    x = torch.arange(12.0).reshape(1, 12, 1, 1)
    assert shuffle(x, 3).flatten().tolist() == [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11]


def test_a_node_is_the_sum_of_its_edges_weighed_by_the_softmax_of_beta() -> None:
    net = supernet(shape=SMALL, nodes=2).eval()
    net.beta["normal"].data = torch.tensor([0.0, 1.0, -1.0, 2.0, 0.5])
    assert net.edge_weights("normal")[:2].tolist() == pytest.approx([0.26894, 0.73106], abs=1e-5)
    assert net.edge_weights("normal")[2:].sum().item() == pytest.approx(1)
    cell = net.cells[0]
    before_last, last = torch.randn(2, 24, 5, 5), torch.randn(2, 24, 5, 5)
    states = [cell.preprocess[0](before_last), cell.preprocess[1](last)]
    weights = net.edge_weights("normal")
    states.append(shuffle(weights[0] * states[0] + weights[1] * states[1], 4))
    states.append(shuffle(weights[2] * states[0] + weights[3] * states[1] + weights[4] * states[2], 4))
    out = cell(before_last, last, net.candidate_weights("normal"), weights)
    torch.testing.assert_close(out, torch.cat(states[2:], 1))


def test_a_wiring_knows_the_edges_of_each_node() -> None:
    wiring = Wiring(edges=((0, 2), (1, 2), (1, 4), (2, 5), (2, 5)), concat=(2, 4, 5))
    assert wiring.nodes == ((2, slice(0, 2)), (4, slice(2, 3)), (5, slice(3, 5)))
    assert [len(complete_wiring(nodes).edges) for nodes in (1, 4, 6)] == [2, 14, 27]


def test_channels_that_cannot_be_split_are_refused() -> None:
    with pytest.raises(SettingsError, match="--channels 10 can't be split into 4 parts"):
        supernet(shape=NetworkShape(channels=10, cells=3))
