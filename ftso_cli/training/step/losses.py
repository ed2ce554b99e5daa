"""The loss of a training."""

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True, kw_only=True)
class Loss:
    """The mean cross-entropy of a batch, with label smoothing, each image weighed by its class where there are weights.

    `weights` (classes,) have mean 1 over the training images, so the mean of a batch is by its images.
    """

    smoothing: float
    weights: Tensor | None = None

    def __call__(
        self, logits: Tensor, labels: Tensor, others: Tensor | None = None, share: Tensor | None = None
    ) -> Tensor:
        """Return the loss of logits (n, classes) against labels (n,), or against those of a mixture.

        A mixture has a `share` of the image of `labels` and the rest of that of `others`: the loss is the sum of both,
        weighed so (Zhang et al., 2018, as in their code).
        """
        loss = self._of(logits, labels)
        return loss if others is None or share is None else share * loss + (1 - share) * self._of(logits, others)

    def _of(self, logits: Tensor, labels: Tensor) -> Tensor:
        if self.weights is None:
            return functional.cross_entropy(logits, labels, label_smoothing=self.smoothing)
        each = functional.cross_entropy(logits, labels, label_smoothing=self.smoothing, reduction="none")
        return (each * self.weights[labels]).mean()
