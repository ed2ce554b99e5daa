"""The dominant eigenvalue against the whole Hessian, on every kind of super-net; and the published rule to stop."""

import pytest
import torch

from ftso_cli.errors import TrainingError
from ftso_cli.nn.folded import FoldedSuperNet
from ftso_cli.search.engine.bilevel import Bilevel
from ftso_cli.search.engine.eigenvalue import dominant_eigenvalue, jump
from tests.search.searches import search


def hessian(loss: torch.Tensor, parameters: list[torch.Tensor]) -> torch.Tensor:
    """The whole matrix, a row at a time."""
    gradients = torch.autograd.grad(loss, parameters, create_graph=True)
    entries = torch.cat([gradient.flatten() for gradient in gradients])
    rows = [torch.autograd.grad(entry, parameters, retain_graph=True, allow_unused=True) for entry in entries]
    return torch.stack(
        [
            torch.cat(
                [
                    torch.zeros_like(parameter).flatten() if part is None else part.flatten()
                    for part, parameter in zip(row, parameters, strict=True)
                ]
            )
            for row in rows
        ]
    )


@pytest.mark.parametrize("name", ["topology", "topology, 4 operators", "operators", "darts-1st", "pc-darts"])
def test_it_is_the_largest_eigenvalue_of_the_whole_hessian(name: str) -> None:
    engine = search(name).engine
    assert isinstance(engine, Bilevel)
    assert isinstance(engine.net, FoldedSuperNet) == (name == "topology")
    net = engine.net.double()
    generator = torch.Generator().manual_seed(0)
    for parameter in net.architecture():
        parameter.data.copy_(torch.randn(parameter.shape, generator=generator))
    images, labels = next(engine.arch_batches)
    loss = torch.nn.functional.cross_entropy(net(images.double()), labels)
    parameters = net.architecture()
    whole = hessian(loss, parameters)
    torch.testing.assert_close(whole, whole.t(), rtol=1e-5, atol=1e-9)
    values = torch.linalg.eigvalsh(whole)
    assert values[-1] > 0
    assert dominant_eigenvalue(loss, parameters) == pytest.approx(float(values[-1]), rel=1e-4)


def test_a_small_matrix_is_found_exactly_also_where_all_eigenvalues_are_negative() -> None:
    x = torch.randn(4, dtype=torch.float64, requires_grad=True)
    matrix = torch.diag(torch.tensor([-5.0, -3.0, -2.0, -1.0], dtype=torch.float64))
    assert dominant_eigenvalue(x @ matrix @ x / 2, [x]) == pytest.approx(-1.0)


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_a_loss_that_is_linear_has_the_eigenvalue_0_in_any_number_of_parameters(size: int) -> None:
    x = torch.ones(size, requires_grad=True)
    assert dominant_eigenvalue((x + 0 * x.square()).sum(), [x]) == pytest.approx(0.0)


def test_a_loss_that_does_not_curve_has_the_eigenvalue_0() -> None:
    x, y = torch.ones(3, requires_grad=True), torch.ones(2, requires_grad=True)
    assert dominant_eigenvalue((2 * x).sum(), [x, y]) == 0.0


def test_a_loss_without_a_finite_curvature_is_told() -> None:
    x = torch.zeros(2, requires_grad=True)
    with pytest.raises(TrainingError, match="no finite curvature"):
        dominant_eigenvalue(x.abs().pow(1.5).sum(), [x])


def test_a_jump_shows_once_both_windows_are_whole_and_names_the_place_before_it() -> None:
    flat, high = [1.0] * 8, [2.0] * 5
    assert jump(flat + high[:1]) is None
    # Means of the last five: 1, 1.2, 1.4 of which 1 / 1.4 < 0.75.
    assert jump([*flat, *high[:1], 1.0]) is None
    assert jump([*flat, *high[:2]]) == len(flat) + 2 - 8
    assert jump(flat[:4] + high) is None


def test_values_that_fall_or_lie_below_0_are_no_jump() -> None:
    assert jump([float(value) for value in range(20, 0, -1)]) is None
    assert jump([-3.0] * 5 + [-1.0] * 5) is None
