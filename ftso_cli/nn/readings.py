"""Numbers that a device computes, read without making it wait at every step."""

import time
from functools import cached_property

import torch
from torch import Tensor

INTERVAL = 0.25
"""Seconds between two looks at the numbers of a device: a few times a second."""


class Reading:
    """A number that a device may still be computing; whoever asks for it waits."""

    def __init__(self, value: Tensor | float) -> None:
        self._value = value

    @cached_property
    def number(self) -> float:
        """The number."""
        return float(self._value)


class Throttle:
    """A limit on reads from a device: one every `INTERVAL` seconds; none on a CPU."""

    def __init__(self, device: torch.device) -> None:
        self._interval = 0.0 if device.type == "cpu" else INTERVAL
        self._last = time.monotonic()

    def due(self) -> bool:
        """Return True where a read is due, and start the next interval."""
        now = time.monotonic()
        if now - self._last < self._interval:
            return False
        self._last = now
        return True
