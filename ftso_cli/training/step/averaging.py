"""The moving average of a network's weights: steadier than the last ones, and often more accurate."""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


def warm_decay(decay: float, steps: int) -> float:
    """Return the decay of the average after `steps` steps: min(decay, (1 + steps) / (10 + steps)).

    The rising part averages about the last tenth of a training: a short one does not keep its first weights.
    """
    return min(decay, (1 + steps) / (10 + steps))


def averaged_copy(network: nn.Module, decay: float) -> AveragedModel:
    """Return a copy of a network that `update_parameters(network)` moves towards it, after every step.

    Means and variances of batch norms are averaged as weights are: they belong to networks of the same steps, and
    computing them anew would take another pass over the images before each validation.
    """

    def move(averages: Sequence[Tensor], values: Sequence[Tensor], _: object) -> None:
        if not averages[0].is_floating_point():
            return  # How many batches a batch norm has seen, which nothing reads.
        # The count of the average is on the CPU: a GPU is not waited for.
        get_ema_multi_avg_fn(warm_decay(decay, int(average.n_averaged)))(averages, values, 0)  # type: ignore[no-untyped-call]

    average = AveragedModel(network, multi_avg_fn=move, use_buffers=True)
    average.requires_grad_(False)
    return average
