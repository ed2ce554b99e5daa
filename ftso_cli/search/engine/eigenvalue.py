"""DARTS-ES: how sharply curved the held-out loss is in the architecture, and when to stop because of it.

Zela et al., Understanding and Robustifying Differentiable Architecture Search, 2020: the dominant eigenvalue of
∇²α L_val rises before a search collapses. Section 5.1 stops where λ(i - k) / λ(i) < 0.75 for λ smoothed over k = 5
epochs around i, and returns the cell of epoch i - k. Here β belongs to the architecture too (ours).
"""

from collections.abc import Callable, Sequence
from statistics import fmean
from typing import Any

import torch
from torch import Tensor

from ftso_cli.errors import TrainingError
from ftso_cli.nn.distributed import ALONE, Group

WINDOW = 5
RATIO = 0.75

TOLERANCE = 1e-4
"""The relative error that the eigenvalue may have."""


def dominant_eigenvalue(loss: Tensor, parameters: Sequence[Tensor], *, group: Group = ALONE) -> float:
    """The largest eigenvalue of the Hessian of `loss` in the parameters, by exact products of it with vectors.

    The loss is the mean over the processes of the group, of which each gives its own. ARPACK's Lanczos method (scipy)
    starts from a fixed vector. 0 where the loss doesn't depend on the parameters.
    Raises `TrainingError` where a product is not finite.
    """
    gradients = torch.autograd.grad(loss, parameters, create_graph=True, materialize_grads=True)
    if not any(gradient.requires_grad for gradient in gradients):
        return 0.0
    gradient = _flat(gradients)

    def product(v: Tensor) -> Tensor:
        own = torch.autograd.grad(gradient, parameters, v.to(gradient), retain_graph=True, materialize_grads=True)
        return group.mean(_flat(own)).double()

    return _largest(product, len(gradient), gradient.device)


def _largest(product: Callable[[Tensor], Tensor], size: int, device: torch.device) -> float:
    """The largest eigenvalue of the symmetric matrix of this size that `product` multiplies with."""
    # Imported here because few searches follow the curvature.
    import numpy as np
    from scipy.sparse.linalg import LinearOperator, eigsh

    def times(vector: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
        image = product(torch.as_tensor(vector.ravel().copy(), device=device)).cpu().numpy()
        if not np.isfinite(image).all():
            raise TrainingError("the held-out loss has no finite curvature in α and β; lower --weight-lr")
        return image

    matrix = LinearOperator((size, size), matvec=times, dtype=np.float64)
    if size < 3:  # ARPACK finds fewer eigenvalues than a matrix has rows.
        return float(np.linalg.eigvalsh(matrix @ np.eye(size))[-1])
    start = torch.randn(size, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).numpy()
    if not times(start).any():  # Nor does it take a matrix of zeros.
        return 0.0
    return float(eigsh(matrix, k=1, which="LA", v0=start, tol=TOLERANCE, return_eigenvectors=False)[0])


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
