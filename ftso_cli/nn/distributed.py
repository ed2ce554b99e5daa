"""Several processes that train one network, as `torchrun` starts them: gloo between CPUs, nccl between GPUs.

Everything is as in one process with the same batch: each takes its share of every batch, batch norm is over the whole
batch (`synchronised`), and gradients are averaged.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, distributed, nn

from ftso_cli.errors import TrainingError
from ftso_cli.processes import ProcessRank, process_rank


class Group(ProcessRank):
    """The processes that work together, and what they do together."""

    def device(self, device: torch.device) -> torch.device:
        """The device of this process where the training runs on `device`."""
        return torch.device("cuda", self.local_rank) if self.size > 1 and device.type == "cuda" else device

    def total(self, values: Tensor) -> Tensor:
        """The sum over all processes of a tensor on the CPU."""
        if self.size > 1:
            distributed.all_reduce(values)
        return values

    def any(self, here: bool) -> bool:
        """Return True where any of the processes says so."""
        return here if self.size == 1 else bool(self.total(torch.tensor(int(here))))

    def mean(self, values: Tensor) -> Tensor:
        """The mean over all processes of a tensor."""
        if self.size == 1:
            return values
        total = values.clone()
        distributed.all_reduce(total)
        return total / self.size

    def means(self, loss: Tensor, gradients: Sequence[Tensor | None]) -> tuple[Tensor, list[Tensor | None]]:
        """Loss and gradients as of the batches of all processes; what is None is None in all of them."""
        if self.size == 1:
            return loss, list(gradients)
        known = [loss, *(gradient for gradient in gradients if gradient is not None)]
        side_by_side = self.mean(torch.cat([value.flatten() for value in known]))
        mean, *rest = torch.split(side_by_side, [value.numel() for value in known])
        parts = iter(rest)
        return mean, [None if gradient is None else next(parts).view(gradient.shape) for gradient in gradients]

    def broadcast_text(self, text: str = "") -> str:
        """Return the text of the first process to all of them; they wait for it."""
        if self.size == 1:
            return text
        length = self.total(torch.tensor(len(text.encode()) if self.first else 0))
        if not length:
            return ""
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
    def together(self, advice: Callable[[], str]) -> Iterator[None]:
        """Inside, the end of another process is a `TrainingError` here, which says what to do: the advice."""
        try:
            yield
        except RuntimeError as error:
            if self.size == 1 or not _is_of_others(error):
                raise
            raise TrainingError(f"another process has ended; {advice()}") from None


ALONE = Group()


def _is_of_others(error: RuntimeError) -> bool:
    """Return True for an error of the connection to other processes: gloo raises nothing more special."""
    return isinstance(error, distributed.DistError) or any(word in str(error).lower() for word in ("gloo", "peer"))


@contextmanager
def launched() -> Iterator[Group]:
    """The processes that `torchrun` has started, connected inside; this process alone where it hasn't."""
    own = process_rank()
    if own.size == 1:
        yield ALONE
        return
    group = Group(own.rank, own.size, own.local_rank)
    if torch.cuda.is_available():
        torch.cuda.set_device(group.local_rank)
    distributed.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
    yield group
    # Not after an error: the others learn of the end of this process once it has said why.
    distributed.destroy_process_group()
