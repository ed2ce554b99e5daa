"""The moments of a batch and the running statistics of a batch norm, for layers that fold or fuse the norm itself."""

from math import gcd

import torch
from torch import Tensor, nn


def moments(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and biased variance of each column of (R, C), on a CPU in two passes; 0 where there are no rows."""
    if not len(rows):
        return rows.new_zeros(rows.shape[1]), rows.new_zeros(rows.shape[1])
    if rows.device.type != "cpu":
        variance, mean = torch.var_mean(rows, 0, unbiased=False)
        return mean, variance
    channels = rows.shape[1]
    # Where channels are few, several rows are read as one, which fills the processor's vectors.
    fold = gcd(len(rows), max(1, 64 // channels))
    mean, variance = torch.batch_norm_update_stats(rows.reshape(-1, fold * channels), None, None, 0.0)
    if fold > 1:
        means = mean.view(fold, channels)
        mean = means.mean(0)
        variance = variance.view(fold, channels).mean(0) + (means - mean).square_().mean(0)
    return mean, variance


@torch.no_grad()
def keep_running(norm: nn.BatchNorm2d, mean: Tensor, variance: Tensor, count: int) -> None:
    """Moves the running statistics as `nn.BatchNorm2d` does: of the biased variance of `count` pixels, the unbiased."""
    if norm.running_mean is None or norm.running_var is None or norm.num_batches_tracked is None:
        return
    norm.num_batches_tracked.add_(1)
    share = 1 / norm.num_batches_tracked.item() if norm.momentum is None else norm.momentum
    norm.running_mean.lerp_(mean, share)
    norm.running_var.lerp_(variance * (count / max(count - 1, 1)), share)
