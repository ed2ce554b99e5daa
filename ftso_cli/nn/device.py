"""The device to compute on, and random numbers that leave no trace."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from ftso_cli.errors import SettingsError


def choose_device(name: str) -> torch.device:
    """The device called `name`; `auto` is a GPU where there is one. Raises `SettingsError` where it isn't here."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError):
        raise SettingsError(f"device {name!r} is not available here; use --device cpu or --device auto") from None
    return device


def has_fast_bfloat16(device: torch.device) -> bool:
    """Whether autocast to bfloat16 makes training faster. On the CPUs that were tried it doesn't."""
    return device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Inside, torch's own generator, which draws initial weights, starts at `seed`; afterwards it is as before."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield
