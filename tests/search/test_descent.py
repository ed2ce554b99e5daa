"""The steps of SGD and Adam, against the optimizers of torch."""

import subprocess
import sys

import pytest
import torch
from torch import nn

from ftso_cli.search.engine.descent import SGD, Adam


def parameters() -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(0)
    return [nn.Parameter(torch.randn(shape, generator=generator)) for shape in ((3, 4), (5,), (2,), ())]


def walk(parameters: list[nn.Parameter], steps) -> list[torch.Tensor]:
    """Where the parameters are after five steps, in which some have no gradient now and then or ever."""
    generator = torch.Generator().manual_seed(1)
    for step in range(5):
        for at, parameter in enumerate(parameters):
            gradient = torch.randn(parameter.shape, generator=generator)
            parameter.grad = None if at == 1 or (at == 2 and step % 2 == 0) else gradient
        steps.step()
    return [parameter.detach() for parameter in parameters]


def test_sgd_is_that_of_torch() -> None:
    ours, theirs = parameters(), parameters()
    found = walk(ours, SGD(ours, rate=0.1, momentum=0.9, decay=3e-4))
    expected = walk(theirs, torch.optim.SGD(theirs, lr=0.1, momentum=0.9, weight_decay=3e-4))
    assert all(map(torch.equal, found, expected))
    assert not torch.equal(found[0], parameters()[0])


def test_adam_is_that_of_torch() -> None:
    ours, theirs = parameters(), parameters()
    found = walk(ours, Adam(ours, rate=6e-4, momenta=(0.5, 0.999), decay=1e-3))
    expected = walk(theirs, torch.optim.Adam(theirs, lr=6e-4, betas=(0.5, 0.999), weight_decay=1e-3))
    assert all(map(torch.equal, found, expected))
    assert not torch.equal(found[0], parameters()[0])


@pytest.mark.parametrize("steps", [-1.0, 0.0, 1.5, float("nan"), [1.0]])
def test_adam_refuses_a_count_of_steps_that_none_has(steps: object) -> None:
    ours = parameters()
    adam = Adam(ours, rate=6e-4, momenta=(0.5, 0.999), decay=1e-3)
    walk(ours, adam)
    state = adam.state()
    adam.restore(state)
    with pytest.raises(ValueError, match="steps of an optimizer"):
        adam.restore(state | {"0.2": torch.tensor(steps)})


def test_a_changed_rate_counts_from_the_next_step_on() -> None:
    ours, theirs = parameters(), parameters()
    sgd, reference = SGD(ours, rate=0.1, momentum=0.9, decay=0), torch.optim.SGD(theirs, lr=0.1, momentum=0.9)
    walk(ours, sgd), walk(theirs, reference)
    sgd.rate = reference.param_groups[0]["lr"] = 0.01
    assert all(map(torch.equal, walk(ours, sgd), walk(theirs, reference)))


def test_a_step_leaves_the_compiler_of_torch_alone() -> None:
    code = """
import sys, torch
from ftso_cli.search.engine.descent import SGD, Adam
parameter = torch.nn.Parameter(torch.ones(2))
parameter.grad = torch.ones(2)
SGD([parameter], rate=1, momentum=0, decay=0).step()
Adam([parameter], rate=1, momenta=(0.5, 0.9), decay=0).step()
print("torch._dynamo" in sys.modules)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False"]
