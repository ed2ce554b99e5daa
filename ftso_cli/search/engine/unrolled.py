"""Second-order DARTS: α and β learn how the held-out loss will be after the next step on the weights.

Liu et al., DARTS, 2019, section 2.3, equations 6 to 8; with ξ the rate of the weights and w' = w - ξ ∇w L_train(w, α):

    ∇α L_val(w', α) - ξ ∇²αw L_train(w, α) · v,    v = ∇w' L_val(w', α)
    ∇²αw L_train(w, α) · v ≈ (∇α L_train(w + εv, α) - ∇α L_train(w - εv, α)) / 2ε,    ε = 0.01 / |v|

The step to w' has the momentum and the weight decay of the real one, as in the published code.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ftso_cli.search.engine.bilevel import Batch, Bilevel

REACH = 0.01
"""ε · |v|: how far the weights are moved to either side (DARTS, section 2.3, footnote)."""


class Unrolled(Bilevel):
    """`Bilevel` whose steps on the architecture look one step on the weights ahead."""

    reach = REACH

    def architecture_gradients(self, training: Batch, held_out: Batch) -> tuple[Tensor, list[Tensor]]:
        """Equation 7, for the training batch that the weights' step takes next: the held-out loss at w' and gradients.

        The weights are as before afterwards.
        """
        architecture, weights = self.net.architecture(), self.net.weights()
        ahead = self.weight_steps.ahead(self.gradients(training, weights)[1])
        with _moved(weights, ahead):
            loss, found = self.gradients(held_out, [*architecture, *weights])
        filled = _filled([*architecture, *weights], found)
        direct, slopes = filled[: len(architecture)], filled[len(architecture) :]
        second = self._second_order(training, slopes)
        return loss, [first - self.weight_steps.rate * other for first, other in zip(direct, second, strict=True)]

    def _second_order(self, training: Batch, v: Sequence[Tensor]) -> list[Tensor]:
        """∇²αw L_train · v by a central difference of gradients, which divides by 2ε; 0 where v is 0."""
        weights = self.net.weights()
        norm = torch.sqrt(sum((part.square().sum() for part in v), start=v[0].new_zeros(())))
        # On the device, where a number that Python looks at would have to be waited for.
        epsilon = torch.where(norm == 0, 1.0, self.reach / norm)
        sides = []
        for sign in (1, -1):
            moved = [weight.detach() + sign * epsilon * part for weight, part in zip(weights, v, strict=True)]
            with _moved(weights, moved):
                sides.append(self._on_architecture(training))
        return [(above - below) / (2 * epsilon) for above, below in zip(*sides, strict=True)]

    def _on_architecture(self, training: Batch) -> list[Tensor]:
        architecture = self.net.architecture()
        return _filled(architecture, self.gradients(training, architecture)[1])


def _filled(parameters: Sequence[nn.Parameter], gradients: Sequence[Tensor | None]) -> list[Tensor]:
    """The gradients, zeros for those that the loss doesn't depend on."""
    pairs = zip(parameters, gradients, strict=True)
    return [torch.zeros_like(parameter) if gradient is None else gradient for parameter, gradient in pairs]


@contextmanager
def _moved(parameters: Sequence[nn.Parameter], values: Sequence[Tensor]) -> Iterator[None]:
    """Inside, the parameters have these values; afterwards they are what they were, to the last bit."""
    before = [parameter.detach().clone() for parameter in parameters]
    try:
        _assign(parameters, values)
        yield
    finally:
        _assign(parameters, before)


@torch.no_grad()
def _assign(parameters: Sequence[nn.Parameter], values: Sequence[Tensor]) -> None:
    for parameter, value in zip(parameters, values, strict=True):
        parameter.copy_(value)
