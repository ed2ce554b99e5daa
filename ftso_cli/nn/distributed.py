"""Several processes that train one network, as `torchrun` starts them: gloo between CPUs, nccl between GPUs.

Everything is as in one process with the same batch: each takes its share of every batch, batch norm is over the whole
batch, and gradients are averaged.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed, nn

from ftso_cli.errors import TrainingError


@dataclass(frozen=True)
class Group:
    """The processes of a training, and which of them this one is; one process alone by default."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    """The number of this process among those of its machine, and of its GPU."""

    @property
    def first(self) -> bool:
        """Whether this process writes the files and talks to the user."""
        return self.rank == 0

    def device(self, device: torch.device) -> torch.device:
        """The device of this process where the training runs on `device`."""
        return torch.device("cuda", self.local_rank) if self.size > 1 and device.type == "cuda" else device

    def total(self, values: Tensor) -> Tensor:
        """The sum over all processes of a tensor on the CPU."""
        if self.size > 1:
            distributed.all_reduce(values)
        return values

    def told(self, text: str = "") -> str:
        """What the first process says, to all; they wait for it."""
        if self.size == 1:
            return text
        length = self.total(torch.tensor(len(text.encode()) if self.first else 0))
        content = torch.zeros(int(length), dtype=torch.uint8)
        if self.first:
            content += torch.tensor(list(text.encode()), dtype=torch.uint8)
        return bytes(self.total(content).tolist()).decode()

    def parallel(self, network: nn.Module, *, spared: bool) -> nn.Module:
        """The network as all processes train it; `spared` where some parameters have no part in the loss."""
        if self.size == 1:
            return network
        on = next(network.parameters()).device
        ids = [on] if on.type == "cuda" else None
        return nn.parallel.DistributedDataParallel(network, device_ids=ids, find_unused_parameters=spared)

    @contextmanager
    def together(self, advice: str) -> Iterator[None]:
        """Inside, the end of another process is a `TrainingError` here, which says what to do."""
        try:
            yield
        except RuntimeError as error:
            if self.size == 1 or not _is_of_others(error):
                raise
            raise TrainingError(f"another process of the training has ended; {advice}") from None


def _is_of_others(error: RuntimeError) -> bool:
    """Whether an error is that of the connection to the other processes: gloo raises nothing more special."""
    return isinstance(error, distributed.DistError) or any(word in str(error).lower() for word in ("gloo", "peer"))


@contextmanager
def launched(environment: Mapping[str, str] = os.environ) -> Iterator[Group]:
    """The processes that `torchrun` has started, connected inside; this process alone where it hasn't."""
    size = int(environment.get("WORLD_SIZE", "1"))
    if size == 1 or "RANK" not in environment:
        yield Group()
        return
    group = Group(int(environment["RANK"]), size, int(environment.get("LOCAL_RANK", "0")))
    if torch.cuda.is_available():
        torch.cuda.set_device(group.local_rank)
    distributed.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield group
    finally:
        distributed.destroy_process_group()


Net = TypeVar("Net", bound=nn.Module)


def synchronised(network: Net, group: Group, device: torch.device) -> Net:
    """The network with batch norm over the batches of all processes; in one process as it is."""
    if group.size == 1:
        return network
    if device.type == "cuda":
        converted: Net = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
        return converted
    for parent in list(network.modules()):
        for name, norm in parent.named_children():
            if type(norm) is nn.BatchNorm2d:
                setattr(parent, name, SynchronisedNorm.of(norm))
    return network


class _Total(torch.autograd.Function):
    """The sum over all processes; what each loses by its part of the sum is the sum of what all of them lose."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        total = values.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        total = gradient.clone()
        distributed.all_reduce(total)
        return total


class SynchronisedNorm(nn.BatchNorm2d):
    """Batch norm over the batches of all processes, also on a CPU, where PyTorch's own refuses to work."""

    @classmethod
    def of(cls, norm: nn.BatchNorm2d) -> "SynchronisedNorm":
        """The same layer, with the same parameters and buffers."""
        new = cls(norm.num_features, norm.eps, norm.momentum, norm.affine, norm.track_running_stats)
        for name, parameter in norm.named_parameters():
            setattr(new, name, parameter)
        for name, buffer in norm.named_buffers():
            setattr(new, name, buffer)
        return new

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        if not self.training:
            return super().forward(x)
        count = x.numel() // x.shape[1] * distributed.get_world_size()
        sums = torch.stack([x.sum((0, 2, 3), dtype=torch.float64), (x * x).sum((0, 2, 3), dtype=torch.float64)])
        sums = _Total.apply(sums)
        mean = sums[0] / count
        variance = sums[1] / count - mean.square()
        self._remember(mean, variance * count / max(count - 1, 1))
        scale, shift = (value.to(x.dtype).view(-1, 1, 1) for value in (self._scale(variance), mean))
        normal = (x - shift) * scale
        return normal if self.bias is None else normal + self.bias.view(-1, 1, 1)

    def _scale(self, variance: Tensor) -> Tensor:
        inverse = (variance + self.eps).rsqrt()
        return inverse if self.weight is None else inverse * self.weight

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        """Moves the running statistics, whose variance is the unbiased one."""
        assert self.running_mean is not None and self.running_var is not None and self.num_batches_tracked is not None
        momentum: Any = self.momentum
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), momentum)
        self.running_var.lerp_(variance.to(self.running_var.dtype), momentum)
        self.num_batches_tracked += 1
