"""The options of what `recorder` keeps of a search. No torch here."""

from dataclasses import dataclass
from pathlib import Path

from ftso_cli.bounds import check_bounds

CHECKPOINT = "checkpoint.safetensors"
"""The file in the run folder from which a search resumes."""


SUPERNET = "supernet.safetensors"
"""The last checkpoint of a search that is done, where its weights are kept."""


def has_checkpoint(folder: Path) -> bool:
    """Return True where a search can resume in this run folder; a kill between two renames leaves the one before."""
    last = folder / CHECKPOINT
    return any(file.exists() for file in (last, last.with_stem(f"{last.stem}-before")))


@dataclass(frozen=True, kw_only=True)
class Recording:
    """The records to keep of a search, and where; raises `SettingsError` for a number that can't be."""

    folder: Path | None = None
    every: int | None = None
    """Iterations between records; None: an epoch."""
    track: bool = False
    early_stop: bool = False
    """True where the search ends when the dominant eigenvalue jumps, with the cell from before."""
    save_minutes: float = 10.0
    """Longest time between checkpoints."""
    keep_weights: bool = False
    """True where the last checkpoint stays when the search is done."""

    def __post_init__(self) -> None:
        check_bounds(self, {"every": 1, "save_minutes": 0})

    @property
    def tracks(self) -> bool:
        """True where the dominant eigenvalue is computed at every record."""
        return self.track or self.early_stop
