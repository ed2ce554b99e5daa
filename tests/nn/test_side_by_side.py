"""Weight gradients with maps side by side, against PyTorch's own and double precision."""

from contextlib import nullcontext

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from ftso_cli.genotype import library
from ftso_cli.nn.merged import MergedNetwork, backward_mode, side_by_side
from ftso_cli.nn.merged.side_by_side import SideBySide
from ftso_cli.nn.network import Network
from ftso_cli.spaces.darts import NetworkShape


def gradients(x: Tensor, convolution: nn.Conv2d) -> tuple[Tensor, Tensor]:
    """The gradients of a map and of the weights, by those of random numbers behind a convolution."""
    x = x.clone().requires_grad_()
    output = convolution(x)
    g = torch.randn(output.shape, generator=torch.Generator().manual_seed(1)).to(output.dtype)
    return torch.autograd.grad(output, (x, convolution.weight), g.contiguous(memory_format=torch.channels_last))


# Not 1x1 at a stride: PyTorch's own gradients of some of them write past their memory.
@given(
    st.integers(1, 33),
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
    st.tuples(st.integers(2, 5), st.integers(2, 5)),
    st.integers(1, 3),
    st.integers(0, 2),
    st.integers(1, 2),
)
@settings(max_examples=60, deadline=None)
def test_any_convolution_has_the_gradients_of_double_precision(
    count: int, size: tuple[int, int], kernel: tuple[int, int], stride: int, padding: int, dilation: int
) -> None:
    assume(all(side + 2 * padding > dilation * (part - 1) for side, part in zip(size, kernel, strict=True)))
    torch.manual_seed(0)
    convolution = nn.Conv2d(130, 128, kernel, stride, padding, dilation, bias=False).bfloat16()
    x = torch.randn(count, 130, *size).bfloat16().contiguous(memory_format=torch.channels_last)
    with SideBySide():
        found = gradients(x, convolution)
    for one, exact in zip(found, gradients(x.double(), convolution.double()), strict=True):
        torch.testing.assert_close(one.double(), exact, rtol=0, atol=0.01 * float(exact.abs().max()) + 1e-6)


@pytest.mark.parametrize(
    ("count", "size", "stride", "expected"),
    [
        (128, 8, 1, (8, 9, 9)),
        (128, 4, 1, (16, 5, 5)),
        (12, 4, 1, (4, 5, 5)),
        (128, 16, 2, (8, 18, 9)),
        (128, 7, 2, (32, 8, 4)),
        (127, 4, 1, None),
        (128, 16, 1, None),
    ],
)
def test_as_many_images_lie_side_by_side_as_make_a_row(
    count: int, size: int, stride: int, expected: tuple[int, int, int] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[object] = []
    packing_of = side_by_side._Packing.of

    def noted(asked: side_by_side._Arguments) -> side_by_side._Packing | None:
        found.append(packing_of(asked))
        return packing_of(asked)

    monkeypatch.setattr(side_by_side._Packing, "of", noted)
    convolution = nn.Conv2d(128, 128, 3, stride, 1, bias=False).bfloat16()
    with SideBySide():
        gradients(torch.randn(count, 128, size, size).bfloat16(), convolution)
    assert found == [expected]


def test_a_wide_network_has_the_same_gradients_and_a_narrow_one_has_nothing_for_it() -> None:
    shape = NetworkShape(channels=64, cells=3, classes=5, stem="pooled", reduction="pooled")
    torch.manual_seed(0)
    network = MergedNetwork(library.load_genotype("ftso_single"), shape).to(memory_format=torch.channels_last).train()
    images = torch.randn(8, 3, 32, 32).contiguous(memory_format=torch.channels_last)
    found = []
    for mode in (nullcontext(), backward_mode(network, bfloat16=True)):
        network.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            loss = functional.cross_entropy(network(images)[0], torch.arange(8) % 5)
        with mode:
            loss.backward()
        found.append([parameter.grad for parameter in network.parameters()])
    assert isinstance(mode, SideBySide)
    changed = 0
    for one, other in zip(*found, strict=True):
        assert one is not None and other is not None
        torch.testing.assert_close(one, other, rtol=0, atol=0.01 * float(one.abs().max()))
        changed += not one.equal(other)
    assert 1 <= changed <= 4
    assert not isinstance(backward_mode(network, bfloat16=False), SideBySide)
    for other in (Network(network.genotype, shape), MergedNetwork(network.genotype, NetworkShape(channels=8, cells=3))):
        assert not isinstance(backward_mode(other, bfloat16=True), SideBySide)
