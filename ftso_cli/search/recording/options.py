"""What to keep of a search that `recorder` runs. No torch here."""

from dataclasses import dataclass
from pathlib import Path

from ftso_cli.bounds import check_bounds

CHECKPOINT = "checkpoint.safetensors"
"""What a search goes on from, in its run folder."""


def has_checkpoint(folder: Path) -> bool:
    """Whether a search can go on in this run folder; a kill between two renames leaves the one before alone."""
    last = folder / CHECKPOINT
    return any(file.exists() for file in (last, last.with_stem(f"{last.stem}-before")))


@dataclass(frozen=True, kw_only=True)
class Recording:
    """What to keep of a search, and where; raises `SettingsError` for a number that can't be."""

    folder: Path | None = None
    every: int | None = None
    """Iterations between records; None: an epoch."""
    track: bool = False
    early_stop: bool = False
    """Whether it ends where the dominant eigenvalue jumps, with the cell from before."""
    save_minutes: float = 10.0
    """Longest time between checkpoints."""

    def __post_init__(self) -> None:
        check_bounds(self, {"every": 1, "save_minutes": 0})

    @property
    def tracks(self) -> bool:
        """Whether the dominant eigenvalue is worked out at every record."""
        return self.track or self.early_stop
