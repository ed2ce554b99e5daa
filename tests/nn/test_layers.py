import copy

import pytest
import torch
from torch.nn import functional

from ftso_cli.costs.layers import layers_cost
from ftso_cli.nn.device import seeded
from ftso_cli.nn.layers import AuxiliaryPooling, FactorizedReduction, module, sequential
from ftso_cli.spaces import OPERATORS
from ftso_cli.spaces.layers import BatchNorm, Pool, Shape, for_search
from tests import counting


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [(8, 8), (7, 9), (5, 1), (1, 1)])
def test_an_operator_halves_the_size_rounding_up_and_costs_what_the_calculator_says(
    name: str, stride: int, size: tuple[int, int]
) -> None:
    layers = OPERATORS[name].layers(6, stride)
    built = sequential(layers).eval()
    x = torch.randn(1, 6, *size)
    cost, shape = layers_cost(layers, Shape(6, *size))
    assert built(x).shape[1:] == shape
    assert built(x).shape[2:] == tuple(-(-side // stride) for side in size)
    assert (counting.parameters(built), counting.macs(built, x)) == (cost.params, cost.macs)


@pytest.mark.parametrize("name", OPERATORS)
def test_no_operator_changes_what_it_reads(name: str) -> None:
    for stride in (1, 2):
        x = torch.randn(2, 4, 6, 6)
        before = x.clone()
        sequential(OPERATORS[name].layers(4, stride))(x)
        assert torch.equal(x, before)


def test_a_separable_convolution_is_relu_depthwise_pointwise_norm_twice() -> None:
    built = sequential(OPERATORS["sep_conv_5x5"].layers(4, 2)).eval()
    x = torch.randn(2, 4, 9, 9)
    first, second = (tuple(built[at + part].weight for part in (1, 2)) for at in (0, 4))
    y = functional.conv2d(functional.relu(x), first[0], stride=2, padding=2, groups=4)
    y = functional.conv2d(y, first[1]) / (1 + 1e-5) ** 0.5
    y = functional.conv2d(functional.relu(y), second[0], padding=2, groups=4)
    y = functional.conv2d(y, second[1]) / (1 + 1e-5) ** 0.5
    torch.testing.assert_close(built(x), y)


def test_a_factorized_reduce_reads_every_pixel_even_and_odd() -> None:
    reduce = FactorizedReduction(1, 2)
    torch.nn.init.ones_(reduce.even.weight)
    torch.nn.init.ones_(reduce.odd.weight)
    x = torch.arange(16.0).reshape(1, 1, 4, 4)
    even, odd = reduce(x)[0]
    assert even.tolist() == [[0, 2], [8, 10]]
    assert odd.tolist() == [[5, 7], [13, 15]]


def test_a_factorized_reduce_pads_odd_sizes_with_zeros() -> None:
    reduce = FactorizedReduction(1, 2)
    torch.nn.init.ones_(reduce.odd.weight)
    odd = reduce(torch.arange(1.0, 10.0).reshape(1, 1, 3, 3))[0, 1]
    assert odd.tolist() == [[5, 0], [0, 0]]


def test_average_pooling_leaves_the_padding_out_of_its_mean() -> None:
    assert torch.equal(module(Pool("avg", 1))(torch.ones(1, 1, 4, 4)), torch.ones(1, 1, 4, 4))


def test_zero_gives_zeros_of_the_strided_shape_that_carry_no_gradient() -> None:
    x = torch.randn(2, 3, 5, 4, requires_grad=True)
    out = sequential(OPERATORS["none"].layers(3, 2))(x)
    out.sum().backward()
    assert out.shape == (2, 3, 3, 2)
    assert not out.any() and not x.grad.any()


@pytest.mark.parametrize(("size", "stride"), [(8, 3), (7, 2)])
def test_the_auxiliary_pool_is_the_published_one_at_the_published_sizes(size: int, stride: int) -> None:
    x = torch.randn(1, 2, size, size)
    assert torch.equal(AuxiliaryPooling(stride)(x), functional.avg_pool2d(x, 5, stride))


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (4, 4), (6, 9), (16, 16)])
def test_the_auxiliary_pool_gives_two_by_two_at_any_size(size: tuple[int, int]) -> None:
    assert AuxiliaryPooling(3)(torch.randn(1, 2, *size)).shape == (1, 2, 2, 2)


def test_a_super_net_has_norms_without_weights_and_a_norm_behind_each_pool() -> None:
    assert for_search(OPERATORS["avg_pool_3x3"].layers(4, 2)) == (Pool("avg", 4, 2), BatchNorm(4, affine=False))
    assert all(
        not layer.affine
        for name in OPERATORS
        for layer in for_search(OPERATORS[name].layers(4, 2))
        if isinstance(layer, BatchNorm)
    )


@pytest.mark.parametrize("channels", [2, 4, 8, 16])
def test_a_narrow_factorized_reduce_of_large_maps_has_the_gradients_of_double_precision(channels: int) -> None:
    """PyTorch's strided 1x1 convolutions write past their memory here, which ended the process."""
    with seeded(0):
        layer = FactorizedReduction(channels, channels).to(memory_format=torch.channels_last)
        exact = copy.deepcopy(layer).double()
        for _ in range(10):
            images = torch.randn(16, channels, 56, 56).to(memory_format=torch.channels_last).requires_grad_()
            weights = torch.randn(16, channels, 28, 28)
            wide = images.detach().double().requires_grad_()
            (layer(images) * weights).sum().backward()
            (exact(wide) * weights.double()).sum().backward()
            torch.testing.assert_close(images.grad, wide.grad.float(), rtol=1e-4, atol=1e-4)
        for mine, theirs in zip(layer.parameters(), exact.parameters(), strict=True):
            torch.testing.assert_close(mine.grad, theirs.grad.float(), rtol=1e-3, atol=1e-2)
