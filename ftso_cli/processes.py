"""Rank and world size of this process under `torchrun`. Communication is in nn.distributed."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from ftso_cli.errors import SettingsError, short

MOST = 100_000
"""Processes that work together."""


@dataclass(frozen=True)
class ProcessRank:
    """The number of a process among those that work together; one process alone by default."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    """Its number among those of its machine, and of its GPU."""

    @property
    def first(self) -> bool:
        """True where this process writes the files and talks to the user."""
        return self.rank == 0

    @property
    def share(self) -> tuple[int, int]:
        """(k, n) for process k of n, as batches are shared: every n-th image from the k-th on."""
        return self.rank, self.size


def process_rank(environment: Mapping[str, str] = os.environ) -> ProcessRank:
    """The place of this process, as `torchrun` tells it; alone where it wasn't started by that.

    Raises `SettingsError` where the environment has numbers that `torchrun` never sets.
    """
    size = _number(environment, "WORLD_SIZE", 1, MOST)
    if size == 1 or "RANK" not in environment:
        return ProcessRank()
    return ProcessRank(_number(environment, "RANK", 0, size - 1), size, _number(environment, "LOCAL_RANK", 0, size - 1))


def _number(environment: Mapping[str, str], name: str, least: int, most: int) -> int:
    text = environment.get(name, str(least))
    if not (text.isascii() and text.isdigit() and least <= int(text[:9]) <= most):
        raise SettingsError(f"{name} is {short(text)}, not a number from {least} to {most}: unset it, or use torchrun")
    return int(text)


def check_alone(what: str) -> None:
    """Raises `SettingsError` where `torchrun` has started several processes for what is done in one."""
    if process_rank().size > 1:
        raise SettingsError(f"{what}; start it without torchrun")
