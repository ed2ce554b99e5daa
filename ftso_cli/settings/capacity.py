"""The settings of the search for operators by capacity, then trainability. No torch here."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from ftso_cli.bounds import check_bounds
from ftso_cli.errors import SettingsError
from ftso_cli.settings.searches import LEAST_OF_A_SHORT_TRAINING, ShortTraining

Score = Literal["synflow", "naswot", "zico"]
"""A measure of an untrained network, see `search.scores`."""


@dataclass(frozen=True, kw_only=True)
class CapacitySettings(ShortTraining):
    """What decides the search but the data and the seed; `docs/nats.md` says how the result depends on each."""

    ops: tuple[str, ...]
    """The operators to choose from."""
    cells: int = 15
    """The benchmark's five cells a stage: what a residual connection is worth shows in deep networks."""
    batch_size: int = 32
    weight_rate: float = 0.1
    score: Score = "synflow"
    slack: float = 1.0
    """How much less than the best score a cell may have to be raced; synflow is in nats."""
    steps: int = 20
    """Training steps of a run; the losses of the second half count."""
    inits: int = 3
    """Runs of each cell."""
    images: int = 32
    """Images of a batch that naswot and zico look at."""

    def __post_init__(self) -> None:
        if len(set(self.ops)) < 2:
            raise SettingsError("a search for operators needs two or more to choose from; list them with --ops")
        check_bounds(self, LEAST_OF_A_SHORT_TRAINING | _LEAST)

    def recorded(self) -> dict[str, Any]:
        """The settings as the genotype's history keeps them."""
        return {"strategy": "capacity"} | asdict(self) | {"ops": list(self.ops)}

    @property
    def takes_all_images(self) -> bool:
        """A few hundred batches are read, not every image."""
        return False


_LEAST = {"slack": 0.0, "steps": 2, "inits": 1, "images": 2}
