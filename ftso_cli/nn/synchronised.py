"""Batch norm over the batches of all processes that train one network; each has as many images as the others."""

from collections.abc import Sequence
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, distributed, nn

from ftso_cli.nn.batch_moments import keep_running
from ftso_cli.processes import ProcessRank

Net = TypeVar("Net", bound=nn.Module)


def synchronised(network: Net, group: ProcessRank, *, native: bool = False) -> Net:
    """The network with batch norm over the batches of all processes; in one process as it is.

    `native` takes PyTorch's own layers on a GPU, which are faster, but can be neither folded nor differentiated twice.
    """
    if group.size == 1:
        return network
    if native and next(network.parameters()).device.type == "cuda":
        converted: Net = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
        return converted
    for norm in network.modules():
        if type(norm) is nn.BatchNorm2d:
            # In place: a folded cell holds the norms of another one.
            norm.__class__ = SynchronisedNorm
    return network


class _Total(torch.autograd.Function):
    """The sum over all processes; what each loses by its part of the sum is the sum of what all of them lose.

    Can be differentiated again.
    """

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        total = values.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return cast(Tensor, _Total.apply(gradients[0]))


def moments_of_all(mean: Tensor, variance: Tensor, count: int) -> tuple[Tensor, Tensor, int]:
    """Mean and biased variance (C) over the batches of all processes, and their count, from those of this one's."""
    own = torch.stack([mean, variance]).double()
    size = distributed.get_world_size()
    mean_of_all, square = _Total.apply(torch.stack([own[0], own[1] + own[0].square()])) / size
    variance_of_all = square - mean_of_all.square()
    return mean_of_all.to(mean.dtype), variance_of_all.to(variance.dtype), count * size


def normalised_over_all(x: Tensor, norms: Sequence[nn.BatchNorm2d]) -> Tensor:
    """Batch norm without weights of (N, C, H, W), in training; its channels are those of the norms side by side."""
    wide = x.to(torch.promote_types(x.dtype, torch.float32))
    variance, mean = torch.var_mean(wide, (0, 2, 3), unbiased=False)
    mean, variance, count = moments_of_all(mean, variance, x.numel() // x.shape[1])
    widths = [norm.num_features for norm in norms]
    for norm, new_mean, new_variance in zip(
        norms, torch.split(mean, widths), torch.split(variance, widths), strict=True
    ):
        keep_running(norm, new_mean, new_variance, count)
    scale = (variance + norms[0].eps).rsqrt()
    return ((wide - mean.view(-1, 1, 1)) * scale.view(-1, 1, 1)).to(x.dtype)


class SynchronisedNorm(nn.BatchNorm2d):
    """Batch norm over the batches of all processes, also on a CPU, where PyTorch's own refuses to work."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        if not self.training:
            return super().forward(x)
        normal = normalised_over_all(x, [self])
        if not self.affine:
            return normal
        return torch.addcmul(self.bias.view(-1, 1, 1), normal, self.weight.view(-1, 1, 1))
