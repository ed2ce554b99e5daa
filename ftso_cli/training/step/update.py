"""A step of training: the loss of a batch, its gradients, and an update of the weights."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ftso_cli.nn.merged import backward_mode
from ftso_cli.settings.recipes import Recipe
from ftso_cli.training.step.losses import Loss


@dataclass(frozen=True, kw_only=True)
class WeightUpdate:
    """One update of a network on a batch. `forward` is the network as the device and the processes take it."""

    network: nn.Module
    forward: Callable[[Tensor], tuple[Tensor, Tensor | None]]
    optimizer: torch.optim.Optimizer
    loss: Loss
    recipe: Recipe
    bfloat16: bool = False

    def __call__(self, images: Tensor, labels: Tensor, *mixed: Tensor) -> Tensor:
        """Return (5): the images, right answers, mean loss and whole loss, norm of the gradient.

        The loss is that of the main classifier, the whole loss has the auxiliary one too. An answer is right where it
        is the label of the larger part of a mixture.
        """
        with torch.autocast(images.device.type, torch.bfloat16, enabled=self.bfloat16):
            logits, auxiliary = self.forward(images)
            loss = total = self.loss(logits, labels, *mixed)
            if auxiliary is not None:
                total = loss + self.recipe.auxiliary * self.loss(auxiliary, labels, *mixed)
        self.optimizer.zero_grad(set_to_none=True)
        with backward_mode(self.network, bfloat16=self.bfloat16):
            torch.autograd.backward(total)
        gradients = [weight.grad for weight in self.network.parameters() if weight.grad is not None]
        norm = nn.utils.get_total_norm(gradients)
        if self.recipe.clip:
            nn.utils.clip_grads_with_norm_(self.network.parameters(), self.recipe.clip, norm)
        self.optimizer.step()
        count = loss.new_full((), len(labels))
        right = (logits.argmax(1) == labels).sum()
        return torch.stack([count, right, loss, total, norm]).detach()
