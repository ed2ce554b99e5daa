"""Relaxations: how a search by gradient turns α into the weights of candidates, and β into those of edges.

A relaxation is a function of α (rows, candidates), the progress of the search from 0 to 1 and a generator. With p =
softmax(α) of a row, g of independent Gumbel noise, and τ a temperature that falls along a line:

softmax       w = p                                              DARTS, Liu et al., 2019, equation 2
gumbel        w = softmax((log p + g) / τ)                       SNAS, Xie et al., 2019, equation 5
hard-gumbel   w = one-hot of the largest, ∂w = ∂softmax(...)     GDAS, Dong and Yang, 2019, equations 4 to 6
dirichlet     w ~ Dirichlet(elu(α) + 1)                          DrNAS, Chen et al., 2021, equation 3
gates         w = one-hot ~ p, ∂w of two paths                   ProxylessNAS, Cai et al., 2019, equations 3 and 4

The mean of gumbel's one-hot, of hard-gumbel and of gates is p, so all are read off as DARTS is. Noise is drawn on the
CPU, so that every device has the same.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

import torch
from torch import Generator, Tensor
from torch.nn import functional


class Weights(NamedTuple):
    """Weights (rows, candidates), and a mask of those that take part; None: all.

    What takes no part weighs 0, without a gradient, and needn't be computed.
    """

    values: Tensor
    computed: Tensor | None = None


class Relaxation(Protocol):
    """Turns α (rows, candidates) into weights; -inf in α stands for a candidate that is gone."""

    def __call__(self, alpha: Tensor, progress: float, generator: Generator) -> Weights:
        """Return the weights; what is random is drawn by the generator."""


def softmax(alpha: Tensor, progress: float, generator: Generator) -> Weights:
    """Return p = softmax(α) (DARTS, equation 2)."""
    return Weights(alpha.softmax(1))


class GumbelSoftmax:
    """softmax((log p + g) / τ), a sample of the concrete distribution (SNAS, equation 5).

    As τ falls to 0 it becomes a one-hot with the probabilities p. `temperature` is τ at the start and at the end.
    """

    def __init__(self, temperature: tuple[float, float]) -> None:
        self.start, self.end = temperature

    def __call__(self, alpha: Tensor, progress: float, generator: Generator) -> Weights:
        """Return a sample; its gradient is pathwise."""
        return Weights(self.sample(alpha, progress, generator))

    def sample(self, alpha: Tensor, progress: float, generator: Generator) -> Tensor:
        """Return a sample at the temperature of this moment."""
        temperature = self.start + (self.end - self.start) * progress
        return ((alpha.log_softmax(1) + gumbel(alpha, generator)) / temperature).softmax(1)


class HardGumbel(GumbelSoftmax):
    """The one-hot of the largest of a Gumbel-softmax, with the gradient of the latter (GDAS, equations 4 to 6).

    Only what is drawn is computed, and only its weight has a gradient: by the softmax, one on every α of the row.
    Published code also adds the weights of the other candidates, 0, to the output, as if these gave ones; the paper
    doesn't.
    """

    def __call__(self, alpha: Tensor, progress: float, generator: Generator) -> Weights:
        """Return a one-hot, drawn with the probabilities p."""
        soft = self.sample(alpha, progress, generator)
        drawn = _one_hot(soft.argmax(1), soft)
        return Weights(_straight_through(drawn, soft, drawn.bool()), drawn.bool())


class _Dirichlet(torch.autograd.Function):
    """A sample of Dirichlet distributions (rows, candidates) with the pathwise gradient on their concentrations."""

    @staticmethod
    def forward(ctx: Any, concentration: Tensor, generator: Generator) -> Tensor:
        """The sample."""
        sample = torch._sample_dirichlet(concentration.cpu(), generator).to(concentration.device)
        ctx.save_for_backward(sample, concentration)
        return sample

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        """The implicit derivative of the sample (Jankowiak and Obermeyer, 2018), as in `torch.distributions`."""
        sample, concentration = ctx.saved_tensors
        (gradient,) = gradients
        total = concentration.sum(1, keepdim=True).expand_as(concentration)
        slope = torch._dirichlet_grad(sample, concentration, total)
        return slope * (gradient - (sample * gradient).sum(1, keepdim=True)), None


def dirichlet(alpha: Tensor, progress: float, generator: Generator) -> Weights:
    """Return a sample of Dirichlet(elu(α) + 1) (DrNAS, equation 3)."""
    values: Tensor = _Dirichlet.apply(concentration(alpha), generator)
    return Weights(values)


def concentration(alpha: Tensor) -> Tensor:
    """Return elu(α) + 1, the concentrations of the Dirichlet distributions of DrNAS."""
    return functional.elu(alpha) + 1


def gates(alpha: Tensor, progress: float, generator: Generator) -> Weights:
    """Return a one-hot, drawn with the probabilities p (ProxylessNAS, equation 3).

    Where α learns, two paths are drawn without replacement and one of them by their share, and both are computed:

        ∂L/∂α_i = Σ_j ∂L/∂g_j p'_j (δ_ij - p'_i),    p' = softmax(α) over the two     (equation 4, section 3.2)
    """
    noisy = alpha.detach() + gumbel(alpha, generator)
    if not alpha.requires_grad:
        active = _one_hot(noisy.argmax(1), alpha)
        return Weights(active, active.bool())
    pair = noisy.topk(min(2, alpha.shape[1]), 1).indices
    among = torch.zeros_like(alpha, dtype=torch.bool).scatter(1, pair, True) & ~alpha.isneginf()
    soft = alpha.masked_fill(~among, -math.inf).softmax(1)
    again = alpha.detach().masked_fill(~among, -math.inf) + gumbel(alpha, generator)
    return Weights(_straight_through(_one_hot(again.argmax(1), soft), soft, among), among)


@torch.no_grad()
def keep_other_paths(before: Tensor, after: Tensor) -> None:
    """Shift the α (rows, candidates) that a step has moved, so that the others keep their share of softmax(α).

    ProxylessNAS, section 3.2. `after` is changed in place.
    """
    moved = before != after
    old, new = (values.masked_fill(~moved, -math.inf).logsumexp(1, keepdim=True) for values in (before, after))
    after -= torch.where(moved, new - old, 0.0)


def gumbel(like: Tensor, generator: Generator) -> Tensor:
    """Return standard Gumbel noise of the shape, type and device of a tensor."""
    noise = torch.empty(like.shape, dtype=like.dtype).exponential_(generator=generator)
    return -noise.log().to(like.device)


def _one_hot(places: Tensor, like: Tensor) -> Tensor:
    return torch.zeros_like(like).scatter(1, places[:, None], 1.0).detach()


def _straight_through(values: Tensor, soft: Tensor, among: Tensor) -> Tensor:
    """`values`, with the gradient of `soft` where the mask says so and none elsewhere."""
    return torch.where(among, values + (soft - soft.detach()), torch.zeros_like(soft))


RELAXATIONS: Mapping[str, Callable[[tuple[float, float]], Relaxation]] = {
    "softmax": lambda temperature: softmax,
    "gumbel": GumbelSoftmax,
    "hard-gumbel": HardGumbel,
    "dirichlet": lambda temperature: dirichlet,
    "gates": lambda temperature: gates,
}
"""The relaxations by name; each is made for a temperature at the start and one at the end, which some don't have."""
