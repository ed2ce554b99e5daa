"""The folded super-net against the general one: same parameters in, same results, gradients and statistics out."""

from statistics import median

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from ftso_cli.errors import SettingsError
from ftso_cli.nn.folded import FoldedSuperNet
from ftso_cli.nn.supernet import SuperNet, complete_wiring
from ftso_cli.spaces import DARTS
from ftso_cli.spaces.darts import NetworkShape

SKIP = ("skip_connect",)
TOLERANCE = 1e-9


def pair(shape: NetworkShape, nodes: int, partial: int, dtype: torch.dtype, spread: float) -> tuple[SuperNet, SuperNet]:
    """A general and a folded super-net with the same parameters, and β drawn with the given standard deviation."""
    wirings = dict.fromkeys(DARTS.kinds, complete_wiring(nodes))
    torch.manual_seed(0)
    general = SuperNet(wirings, DARTS, SKIP, shape, partial=partial).to(dtype)
    for beta in general.beta.values():
        torch.nn.init.normal_(beta, std=spread)
    folded = FoldedSuperNet(wirings, DARTS, SKIP, shape, partial=partial).to(dtype)
    folded.load_state_dict(general.state_dict())
    return general, folded


def assert_close(expected: Tensor, found: Tensor, name: str) -> None:
    """Equal to rounding, relative to the norm of the tensor."""
    error = (expected - found).norm() / expected.norm().clamp_min(1e-6)
    assert error < TOLERANCE, (name, float(error))


def gradients(net: SuperNet, images: Tensor, labels: Tensor, parameters: list[torch.nn.Parameter]) -> list[Tensor]:
    loss = functional.cross_entropy(net(images), labels)
    return list(torch.autograd.grad(loss, parameters, allow_unused=True, materialize_grads=True))


def assert_equal_nets(
    shape: NetworkShape, nodes: int, partial: int, size: tuple[int, int], batch: int, spread: float
) -> None:
    general, folded = pair(shape, nodes, partial, torch.float64, spread)
    images = torch.randn(batch, shape.image_channels, *size, dtype=torch.float64)
    labels = torch.randint(shape.classes, (batch,))
    for part in ("architecture", "weights"):
        expected = gradients(general, images, labels, getattr(general, part)())
        found = gradients(folded, images, labels, getattr(folded, part)())
        whole = torch.cat([gradient.flatten() for gradient in expected])
        assert_close(whole, torch.cat([gradient.flatten() for gradient in found]), part)
    state = folded.state_dict()
    for name, buffer in general.named_buffers():
        assert_close(buffer.double(), state[name].double(), name)
    assert_close(general.eval()(images), folded.eval()(images), "evaluation")


@given(
    channels=st.sampled_from([4, 8, 16]),
    cells=st.integers(1, 8),
    nodes=st.integers(1, 6),
    partial=st.sampled_from([1, 2, 4]),
    size=st.tuples(st.integers(5, 12), st.integers(5, 12)),
    batch=st.integers(2, 5),
    spread=st.sampled_from([1e-3, 1.0, 5.0]),
)
@settings(max_examples=12, deadline=None)
def test_in_double_precision_everything_is_equal_to_rounding(
    channels: int, cells: int, nodes: int, partial: int, size: tuple[int, int], batch: int, spread: float
) -> None:
    shape = NetworkShape(channels=channels, cells=cells, classes=3)
    assert_equal_nets(shape, nodes, partial, size, batch, spread)


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (1, 6)])
def test_maps_of_one_pixel_are_halved_as_in_the_general_one(size: tuple[int, int]) -> None:
    assert_equal_nets(NetworkShape(channels=8, cells=6, classes=3), 3, 2, size, 5, 1.0)


@pytest.mark.parametrize("partial", [1, 2, 4])
@pytest.mark.parametrize(("size", "image_channels"), [((16, 16), 3), ((8, 8), 1), ((9, 7), 3)])
def test_in_single_precision_gradients_are_equal_to_rounding(
    partial: int, size: tuple[int, int], image_channels: int
) -> None:
    """The median of five batches: where rounding turns a ReLU or a maximum over, gradients jump, in either net."""
    shape = NetworkShape(channels=8, cells=5, image_channels=image_channels)
    nets = pair(shape, 4, partial, torch.float32, 0.3)
    errors: dict[str, list[float]] = {"architecture": [], "weights": []}
    for _ in range(5):
        images, labels = torch.randn(8, image_channels, *size), torch.randint(10, (8,))
        both = [gradients(net, images, labels, net.architecture() + net.weights()) for net in nets]
        count = len(nets[0].architecture())
        for part, of_part in (("architecture", slice(count)), ("weights", slice(count, None))):
            expected, found = (torch.cat([gradient.flatten() for gradient in each[of_part]]) for each in both)
            errors[part].append(float((expected - found).norm() / expected.norm()))
    assert all(median(each) < 1e-4 for each in errors.values()), errors


def test_gradients_can_be_differentiated_again() -> None:
    shape = NetworkShape(channels=4, cells=3, classes=3)
    images, labels = torch.randn(3, 3, 6, 6, dtype=torch.float64), torch.tensor([0, 1, 2])
    products = []
    for net in pair(shape, 3, 2, torch.float64, 0.5):
        first = torch.autograd.grad(
            functional.cross_entropy(net(images), labels), net.architecture(), create_graph=True
        )
        product = sum((gradient * torch.linspace(-1, 1, gradient.numel())).sum() for gradient in first)
        products.append(torch.cat([hessian.flatten() for hessian in torch.autograd.grad(product, net.architecture())]))
    assert products[0].norm() > 0
    assert_close(products[0], products[1], "hessian-vector product")


def test_the_same_batch_gives_the_same_bits() -> None:
    _, folded = pair(NetworkShape(channels=16, cells=5), 4, 4, torch.float32, 1e-3)
    images, labels = torch.randn(32, 3, 16, 16), torch.randint(10, (32,))
    runs = [gradients(folded, images, labels, folded.architecture() + folded.weights()) for _ in range(3)]
    assert all(torch.equal(a, b) for run in runs[1:] for a, b in zip(runs[0], run, strict=True))


def test_only_skip_connections_fold() -> None:
    wirings = dict.fromkeys(DARTS.kinds, complete_wiring(2))
    with pytest.raises(SettingsError, match="only a super-net of skip_connect alone"):
        FoldedSuperNet(wirings, DARTS, ("avg_pool_3x3",), NetworkShape(channels=4, cells=3))
