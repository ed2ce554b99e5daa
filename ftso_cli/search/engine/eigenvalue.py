"""DARTS-ES: how sharply curved the held-out loss is in the architecture, and when to stop because of it.

Zela et al., Understanding and Robustifying Differentiable Architecture Search, 2020: the dominant eigenvalue of
∇²α L_val rises before a search collapses. Section 5.1 stops where λ(i - k) / λ(i) < 0.75 for λ smoothed over k = 5
epochs around i, and returns the cell of epoch i - k. Here β belongs to the architecture too (ours).
"""

import math
from collections.abc import Callable, Sequence
from statistics import fmean

import torch
from torch import Tensor

from ftso_cli.errors import TrainingError
from ftso_cli.nn.distributed import ALONE, Group

WINDOW = 5
RATIO = 0.75

STEPS = 40
"""Products with the Hessian at most; a search has some 250 parameters of the architecture."""

TOLERANCE = 1e-4
"""How far the eigenvalue may be off, relative to itself."""


def dominant_eigenvalue(
    loss: Tensor, parameters: Sequence[Tensor], *, steps: int = STEPS, group: Group = ALONE
) -> float:
    """The largest eigenvalue of the Hessian of `loss` in the parameters, by exact products of it with vectors.

    The loss is the mean over the processes of the group, of which each gives its own.

    Lanczos' method with full reorthogonalisation, from a fixed start; it ends where the residual promises `TOLERANCE`,
    after `steps` products, or where it has the whole space. 0 where the loss doesn't depend on the parameters.
    Raises `TrainingError` where a product is not finite.
    """
    gradients = torch.autograd.grad(loss, parameters, create_graph=True, materialize_grads=True)
    if not any(gradient.requires_grad for gradient in gradients):
        return 0.0
    gradient = _flat(gradients)

    def product(v: Tensor) -> Tensor:
        own = torch.autograd.grad(gradient, parameters, v.to(gradient), retain_graph=True, materialize_grads=True)
        return group.mean(_flat(own)).double()

    return _largest(product, len(gradient), steps, gradient.device)


def _largest(product: Callable[[Tensor], Tensor], size: int, steps: int, device: torch.device) -> float:
    """The largest eigenvalue of the symmetric matrix of this size that `product` multiplies with."""
    start = torch.randn(size, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).to(device)
    basis = [start / start.norm()]
    diagonal: list[float] = []
    beside: list[float] = []
    while True:
        image = product(basis[-1])
        diagonal.append(float(image @ basis[-1]))
        # Twice: once leaves a rest of rounding, which the next steps would blow up.
        for _ in range(2):
            for vector in basis:
                image = image - (image @ vector) * vector
        rest = float(image.norm())
        if not math.isfinite(rest):
            raise TrainingError("the held-out loss has no finite curvature in α and β; lower --weight-rate")
        values, vectors = torch.linalg.eigh(_tridiagonal(diagonal, beside))
        largest, scale = float(values[-1]), float(values.abs().max())
        found = rest * abs(float(vectors[-1, -1])) <= TOLERANCE * abs(largest)
        if found or rest <= 1e-12 * scale or len(basis) in (steps, size):
            return largest
        beside.append(rest)
        basis.append(image / rest)


def _tridiagonal(diagonal: Sequence[float], beside: Sequence[float]) -> Tensor:
    matrix = torch.diag(torch.tensor(diagonal, dtype=torch.float64))
    for at, value in enumerate(beside):
        matrix[at, at + 1] = matrix[at + 1, at] = value
    return matrix


def _flat(parts: Sequence[Tensor]) -> Tensor:
    return torch.cat([part.flatten() for part in parts])


def jump(values: Sequence[float], window: int = WINDOW, ratio: float = RATIO) -> int | None:
    """The place of the value before a jump that shows at the last of `values`, or None.

    The means of the window around the last place that has a whole one, and of the window as far before it, are
    compared. So a jump can show from the 10th value on.
    """
    if len(values) < 2 * window:
        return None
    before, now = fmean(values[-2 * window : -window]), fmean(values[-window:])
    jumped = now > 0 and before < ratio * now
    return len(values) - 1 - window // 2 - window if jumped else None
