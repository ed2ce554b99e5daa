"""The history entry of a command: settings, versions, seconds by phase."""

import platform
import time
from datetime import UTC, datetime
from typing import Any

from pydantic import JsonValue

from ftso_cli import __version__
from ftso_cli.genotype import Genotype, Step, Times


class Stopwatch:
    """Seconds by phase: `lap` ends a phase, the first starts at `since`, or now. And the peak memory in MB."""

    def __init__(self, since: float | None = None) -> None:
        self.started = datetime.now(UTC)
        self.seconds: dict[str, float] = {}
        self.peak_memory: int | None = None
        self._last = time.perf_counter() if since is None else since

    def lap(self, phase: str) -> float:
        """Ends the phase and gives its seconds."""
        now = time.perf_counter()
        self.seconds[phase] = round(now - self._last, 4)
        self._last = now
        return self.seconds[phase]

    def times(self) -> Times:
        """The phases so far, as the genotype stores them."""
        started = self.started.isoformat(timespec="seconds")
        return Times(started=started, seconds=dict(self.seconds), peak_memory_MB=self.peak_memory)

    def facts(self) -> dict[str, Any]:
        """The facts for --json."""
        return {"seconds": self.seconds, "peak_memory_MB": self.peak_memory}

    def __str__(self) -> str:
        phases = "  ".join(f"{phase} {value:.2f}" for phase, value in self.seconds.items())
        memory = "" if self.peak_memory is None else f"; peak memory {self.peak_memory:,} MB"
        return f"{sum(self.seconds.values()):.2f} s: {phases}{memory}"


def edited(genotype: Genotype, command: str, watch: Stopwatch, **settings: JsonValue) -> Genotype:
    """The genotype with an editing command added to its history."""
    known: dict[str, JsonValue] = {name: value for name, value in settings.items() if value is not None}
    watch.lap("edit")
    return genotype.with_step(Step(command=command, settings=known, versions={"ftso": __version__}), watch.times())


def versions() -> dict[str, str]:
    """The versions that a search or a training depends on. Imports torch."""
    import torch

    return {"ftso": __version__, "torch": torch.__version__, "python": platform.python_version()}
