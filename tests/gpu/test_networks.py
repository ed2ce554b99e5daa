"""Every super-net and evaluation network on the device against the same one on the CPU."""

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from ftso_cli.genotype import library
from ftso_cli.nn.device import seeded
from ftso_cli.nn.folded import FoldedSuperNet
from ftso_cli.nn.folding import fold_batch_norm
from ftso_cli.nn.mixed import SharedSuperNet
from ftso_cli.nn.network import Network
from ftso_cli.nn.supernet import SuperNet, complete_wirings
from ftso_cli.spaces import DARTS, NATS
from ftso_cli.spaces.darts import NetworkShape
from tests.gpu.devices import CPU, DEVICE, MARKS, relative_error, tf32
from tests.nats import FTSO, genotype

pytestmark = MARKS

SKIP = ("skip_connect",)
SHAPE = NetworkShape(channels=16, cells=5, classes=5)
SUPER_NETS = {
    "edge by edge, skip connections": (SuperNet, DARTS, SKIP, 4),
    "shared, skip connections": (SharedSuperNet, DARTS, SKIP, 4),
    "folded": (FoldedSuperNet, DARTS, SKIP, 4),
    "folded, all channels": (FoldedSuperNet, DARTS, SKIP, 1),
    "edge by edge, eight operators": (SuperNet, DARTS, DARTS.candidates, 4),
    "shared, eight operators": (SharedSuperNet, DARTS, DARTS.candidates, 4),
    "shared, nats": (SharedSuperNet, NATS, NATS.candidates, 1),
}
BOUNDS = {"float64": 1e-9, "float32": 2e-3, "tf32": 5e-2}


def super_net(name: str) -> SuperNet:
    make, space, ops, partial = SUPER_NETS[name]
    with seeded(0):
        net = make(complete_wirings(space, 3), space, ops, SHAPE, partial=partial)
        for parameter in net.architecture():
            nn.init.normal_(parameter)
    return net.train()


def network(name: str) -> Network:
    cell = genotype(FTSO) if name == "nats" else library.load_genotype(name)
    with seeded(0):
        return Network(cell, SHAPE).train()


def images(size: int = 12) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(1)
    return torch.randn(8, 3, size, size, dtype=torch.float64, generator=random), torch.arange(8) % 5


def loss_of(net: nn.Module, x: Tensor, labels: Tensor) -> Tensor:
    out = net(x)
    if not isinstance(out, tuple):
        return functional.cross_entropy(out, labels)
    logits, auxiliary = out
    loss = functional.cross_entropy(logits, labels)
    return loss if auxiliary is None else loss + 0.4 * functional.cross_entropy(auxiliary, labels)


def results(
    net: nn.Module,
    dtype: torch.dtype,
    device: torch.device,
    size: int = 12,
    memory_format: torch.memory_format = torch.contiguous_format,
) -> dict[str, Tensor]:
    """The loss, the gradient as one vector, and the running statistics afterwards."""
    net = copy.deepcopy(net).to(device=device, dtype=dtype).to(memory_format=memory_format)
    x, labels = images(size)
    loss = loss_of(net, x.to(device=device, dtype=dtype, memory_format=memory_format), labels.to(device))
    found = torch.autograd.grad(loss, list(net.parameters()), materialize_grads=True, allow_unused=True)
    statistics = [buffer.flatten() for name, buffer in net.named_buffers() if "running" in name]
    return {
        "loss": loss.detach()[None],
        "gradients": torch.cat([gradient.flatten() for gradient in found]),
        "statistics": torch.cat(statistics),
    }


@pytest.mark.parametrize("size", [12, 9])
@pytest.mark.parametrize("name", SUPER_NETS)
def test_a_super_net_equals_that_of_the_cpu_in_double_precision(name: str, size: int) -> None:
    net = super_net(name)
    expected, found = (results(net, torch.float64, device, size) for device in (CPU, DEVICE))
    for part, value in expected.items():
        assert relative_error(value, found[part]) < BOUNDS["float64"], part


@pytest.mark.parametrize("mode", ["float32", "tf32"])
@pytest.mark.parametrize("name", SUPER_NETS)
def test_a_super_net_is_near_double_precision_in_single(name: str, mode: str) -> None:
    net = super_net(name)
    expected = results(net, torch.float64, CPU)
    with tf32(mode == "tf32"):
        found = results(net, torch.float32, DEVICE)
    assert relative_error(expected["loss"], found["loss"]) < BOUNDS[mode]
    assert relative_error(expected["statistics"], found["statistics"]) < BOUNDS[mode]
    # Rounding turns a ReLU or a maximum over here and there, and with it a few gradients.
    assert relative_error(expected["gradients"], found["gradients"]) < 10 * BOUNDS[mode]


@pytest.mark.parametrize("name", ["folded", "shared, eight operators", "edge by edge, skip connections"])
def test_gradients_can_be_differentiated_again_on_the_device(name: str) -> None:
    products = []
    for device in (CPU, DEVICE):
        net = super_net(name).to(device=device, dtype=torch.float64)
        x, labels = images()
        loss = loss_of(net, x.to(device), labels.to(device))
        first = torch.autograd.grad(loss, net.architecture(), create_graph=True)
        product = sum((part * torch.linspace(-1, 1, part.numel(), device=device).view_as(part)).sum() for part in first)
        second = torch.autograd.grad(product, net.architecture())
        products.append(torch.cat([part.flatten() for part in second]))
    assert products[0].norm() > 0
    assert relative_error(*products) < 1e-8


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("size", [12, 9, 32])
@pytest.mark.parametrize("name", ["darts_v2", "nasnet_a", "pc_darts_cifar", "ftso_wide_sep3", "nats"])
def test_an_evaluation_network_equals_that_of_the_cpu_in_double_precision(
    name: str, size: int, memory_format: torch.memory_format
) -> None:
    net = network(name)
    expected = results(net, torch.float64, CPU, size)
    found = results(net, torch.float64, DEVICE, size, memory_format)
    for part, value in expected.items():
        assert relative_error(value, found[part]) < BOUNDS["float64"], part


@pytest.mark.parametrize("name", ["darts_v2", "nats"])
def test_a_network_with_batch_norm_folded_in_equals_that_of_the_cpu(name: str) -> None:
    net = network(name).double()
    x, _ = images()
    net(x)  # statistics that are not those of the start
    expected = net.eval()(x)[0]
    with torch.inference_mode():
        found = fold_batch_norm(net).to(DEVICE)(x.to(DEVICE))[0]
    assert relative_error(expected, found) < BOUNDS["float64"]


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("name", ["darts_v2", "ftso_wide_sep3"])
def test_bfloat16_stays_within_its_bounds(name: str, memory_format: torch.memory_format) -> None:
    x, labels = images()
    expected = results(network(name), torch.float64, CPU)
    net = network(name).to(DEVICE).to(memory_format=memory_format)
    x = x.float().to(DEVICE).contiguous(memory_format=memory_format)
    with torch.autocast(DEVICE.type, torch.bfloat16):
        loss = loss_of(net, x, labels.to(DEVICE))
    found = torch.autograd.grad(loss, list(net.parameters()), materialize_grads=True, allow_unused=True)
    gradients = torch.cat([gradient.flatten() for gradient in found])
    assert relative_error(expected["loss"], loss.detach()[None]) < 0.05
    assert torch.cosine_similarity(expected["gradients"], gradients.double().cpu(), 0) > 0.9
