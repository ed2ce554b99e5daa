"""Which of the processes that `torchrun` has started this one is. What they do together is in nn.distributed."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from ftso_cli.errors import SettingsError


@dataclass(frozen=True)
class Place:
    """The number of a process among those that work together; one process alone by default."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    """Its number among those of its machine, and of its GPU."""

    @property
    def first(self) -> bool:
        """Whether this process writes the files and talks to the user."""
        return self.rank == 0

    @property
    def share(self) -> tuple[int, int]:
        """(k, n) for process k of n, as batches are shared: every n-th image from the k-th on."""
        return self.rank, self.size


def place(environment: Mapping[str, str] = os.environ) -> Place:
    """The place of this process, as `torchrun` tells it; alone where it wasn't started by that."""
    size = int(environment.get("WORLD_SIZE", "1"))
    if size == 1 or "RANK" not in environment:
        return Place()
    return Place(int(environment["RANK"]), size, int(environment.get("LOCAL_RANK", "0")))


def check_alone(what: str) -> None:
    """Raises `SettingsError` where `torchrun` has started several processes for what is done in one."""
    if place().size > 1:
        raise SettingsError(f"{what}; start it without torchrun")
