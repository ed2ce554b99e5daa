"""The shared super-net against the general one in double precision: outputs, gradients, curvature, statistics."""

import pytest
import torch

from ftso_cli.nn.device import seeded
from ftso_cli.nn.mixed import SharedSuperNet
from ftso_cli.nn.supernet import SuperNet, Wiring, complete_wiring
from ftso_cli.spaces import DARTS, NATS
from ftso_cli.spaces.darts import NetworkShape

PRUNED = Wiring(edges=((0, 2), (1, 2), (1, 3), (2, 3), (0, 4), (2, 4)), concat=(2, 3, 4))
SMALL = NetworkShape(channels=8, cells=3, classes=3)


def pair(space=DARTS, wiring: Wiring = PRUNED, partial: int = 4, **options: bool) -> list[SuperNet]:
    nets = []
    for make in (SuperNet, SharedSuperNet):
        with seeded(0):
            net = make(dict.fromkeys(space.kinds, wiring), space, space.candidates, SMALL, partial=partial, **options)
            for parameter in net.architecture():
                torch.nn.init.normal_(parameter)
        nets.append(net.double().train())
    return nets


@pytest.mark.parametrize("size", [8, 9])
@pytest.mark.parametrize(
    ("space", "wiring", "partial", "weigh_edges"),
    [
        (DARTS, PRUNED, 4, True),
        (DARTS, complete_wiring(3), 1, False),
        (NATS, Wiring(edges=complete_wiring(3, 1).edges, concat=(3,)), 1, True),
    ],
)
def test_it_equals_the_general_super_net(space, wiring: Wiring, partial: int, weigh_edges: bool, size: int) -> None:
    general, shared = pair(space, wiring, partial, weigh_edges=weigh_edges)
    images = torch.randn(6, 3, size, size, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    outputs, gradients, products = [], [], []
    for net in (general, shared):
        output = net(images)
        outputs.append(output)
        parameters = list(net.parameters())
        loss = output.square().mean()
        first = torch.autograd.grad(loss, parameters, create_graph=True, materialize_grads=True)
        gradients.append([gradient.detach() for gradient in first])
        architecture = net.architecture()
        product = sum((gradient * gradient.detach()).sum() for gradient in first[-len(architecture) :])
        products.append(torch.autograd.grad(product, architecture, allow_unused=True))
    torch.testing.assert_close(*outputs, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(*gradients, rtol=1e-7, atol=1e-9)
    torch.testing.assert_close(*products, rtol=1e-6, atol=1e-8)


def test_running_statistics_behind_convolutions_move_as_usual() -> None:
    general, shared = pair()
    images = torch.randn(6, 3, 8, 8, dtype=torch.float64)
    for net in (general, shared):
        net(images)
    behind_pools = {
        f"{edge}.candidates.{DARTS.candidates.index(op)}."
        for op in ("max_pool_3x3", "avg_pool_3x3")
        for edge in (f"cells.{cell}.edges.{at}" for cell in range(3) for at in range(6))
    }
    compared, found = 0, shared.state_dict()
    for name, value in general.state_dict().items():
        if not any(name.startswith(pool) for pool in behind_pools):
            torch.testing.assert_close(value, found[name], rtol=1e-9, atol=1e-12)
            compared += name.endswith("running_var")
    assert compared > 50


def test_both_have_the_same_parameters_by_name() -> None:
    general, shared = pair()
    assert {name: value.shape for name, value in general.state_dict().items()} == {
        name: value.shape for name, value in shared.state_dict().items()
    }
