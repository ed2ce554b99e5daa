"""What the history of a genotype keeps of a command: settings, versions, seconds by phase."""

import platform
import time
from datetime import UTC, datetime

from pydantic import JsonValue

from ftso_cli import __version__
from ftso_cli.genotype import Genotype, Step, Times


class Stopwatch:
    """Seconds by phase: `lap` ends a phase. The first starts at `since`, or now."""

    def __init__(self, since: float | None = None) -> None:
        self.started = datetime.now(UTC)
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter() if since is None else since

    def lap(self, phase: str) -> float:
        """Ends the phase and gives its seconds."""
        now = time.perf_counter()
        self.seconds[phase] = round(now - self._last, 4)
        self._last = now
        return self.seconds[phase]

    def times(self) -> Times:
        """The phases so far, as the genotype stores them."""
        return Times(started=self.started.isoformat(timespec="seconds"), seconds=dict(self.seconds))


def edited(genotype: Genotype, command: str, watch: Stopwatch, **settings: JsonValue) -> Genotype:
    """The genotype with an editing command added to its history."""
    known: dict[str, JsonValue] = {name: value for name, value in settings.items() if value is not None}
    watch.lap("edit")
    return genotype.with_step(Step(command=command, settings=known, versions={"ftso": __version__}), watch.times())


def versions() -> dict[str, str]:
    """The versions that a search or a training depends on. Imports torch."""
    import torch

    return {"ftso": __version__, "torch": torch.__version__, "python": platform.python_version()}
