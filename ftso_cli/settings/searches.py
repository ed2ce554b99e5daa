"""The settings of a search, with where each default comes from. No torch here: the command line reads them for --help.

Sources: Table 4 of the FTSO paper for widths, depths and rates; where it is silent (batch, momentum, decay, clipping),
the CIFAR-10 search of DARTS (Liu et al., 2019, appendix A.1), which the paper says it follows.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar, Literal, get_args

from ftso_cli.bounds import check_bounds
from ftso_cli.errors import SettingsError, unknown
from ftso_cli.genotype.schema import Rank
from ftso_cli.spaces import DARTS, NATS, operator
from ftso_cli.spaces.darts import Stem
from ftso_cli.spaces.operators import FOLDABLE

MOST_NODES = 32
"""Of a cell besides its inputs; a genotype file has no room for more than twice as many."""


def check_nodes(nodes: int) -> None:
    """Raises `SettingsError` for more nodes than a cell may have."""
    if nodes > MOST_NODES:
        raise SettingsError(f"nodes must be at most {MOST_NODES}, not {nodes}")


@dataclass(frozen=True, kw_only=True)
class SearchSettings:
    """Everything that decides a search but the data and the seed.

    `iters` wins over `epochs`. An iteration is one step on β (and α) and one on the weights.
    """

    ops: tuple[str, ...] = ("skip_connect",)
    """Section 3: skip connections only."""
    iters: int | None = None
    epochs: int = 1
    """Algorithm 1, line 3: one epoch, that is one pass over the half of the images that trains the weights."""
    channels: int = 16
    """Table 4."""
    cells: int = 8
    """Table 4: 6 + 2."""
    partial: int = 4
    """Table 4: 25 % of the channels pass through the operators."""
    stem: Stem = "cifar"
    """Table 4 has an ImageNet search too, whose stem is that of the ImageNet networks."""
    weight_share: float = 0.5
    """Appendix A.1: half of the training images move the weights."""
    arch_share: float = 0.5
    """Appendix A.1: the other half moves α and β."""
    batch_size: int = 64
    """DARTS; the paper doesn't say."""
    weight_rate: float = 0.025
    """Table 4: cosine from 0.025 to 0 over the epochs, stepped after each epoch."""
    weight_rate_end: float = 0.0
    """Table 4: where the cosine ends."""
    momentum: float = 0.9
    """DARTS."""
    weight_decay: float = 3e-4
    """DARTS."""
    clip: float = 5.0
    """DARTS: largest norm of the weights' gradient."""
    arch_rate: float = 6e-4
    """Table 4."""
    arch_momenta: tuple[float, float] = (0.5, 0.999)
    """DARTS: Adam's two moments for α and β."""
    arch_decay: float = 1e-3
    """DARTS."""
    warmup: float = 0.0
    """The share of the iterations in which only weights learn; the paper has none."""

    def __post_init__(self) -> None:
        check_bounds(self, _LEAST)
        if self.warmup >= 1:
            raise SettingsError(
                f"a warm-up of {self.warmup:g} of the search leaves nothing to search in; give less than 1"
            )
        if not self.ops:
            raise SettingsError("a search needs at least one operator")
        if len(set(self.ops)) < len(self.ops):
            raise SettingsError(f"an operator is listed twice: {', '.join(self.ops)}")

    def recorded(self) -> dict[str, Any]:
        """The settings as the genotype's history keeps them."""
        kept = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}
        return {name: value for name, value in kept.items() if value is not None and not self._overruled(name)}

    def _overruled(self, name: str) -> bool:
        return name == "epochs" and self.iters is not None

    @property
    def takes_all_images(self) -> bool:
        """Whether an epoch reads every training image."""
        return self.iters is None and self.weight_share + self.arch_share > 1 - 1e-9


Engine = Literal["auto", "general", "folded"]


@dataclass(frozen=True, kw_only=True)
class TopologySettings(SearchSettings):
    """A search for the topology also decides how many nodes a cell has."""

    space: str = DARTS.name
    nodes: int = DARTS.nodes
    """Appendix A.1."""
    engine: Engine = "auto"
    """How the super-net is evaluated, with equal results to rounding: auto takes the folded one where it applies."""

    rank: Rank = "beta"
    """What edges are ranked by. beta: β at the end, as in the paper. gradient, ours: the mean of minus the gradient on
    β over all iterations, with β held at 0 so that no edge gets ahead by its first steps."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_bounds(self, {"nodes": 1})
        check_nodes(self.nodes)
        if self.engine not in get_args(Engine):
            raise SettingsError(unknown("engine", self.engine, get_args(Engine)))
        if self.rank not in get_args(Rank):
            raise SettingsError(unknown("rank", self.rank, (*get_args(Rank), "race")))

    def recorded(self) -> dict[str, Any]:
        """The settings as the genotype's history keeps them, with the engine that was taken."""
        return super().recorded() | {"engine": self.taken}

    @property
    def taken(self) -> str:
        """The engine that `engine` means: general evaluates edge by edge, shared what edges have in common once."""
        return "folded" if self.folded else "general" if self.engine == "general" else "shared"

    @property
    def folded(self) -> bool:
        """Whether the folded super-net is used: skip connections alone are linear on the channels."""
        return self.engine == "folded" or (self.engine == "auto" and self.space == DARTS.name and self.ops == FOLDABLE)


Method = Literal["darts-1st", "darts-2nd", "pc-darts", "random"]


@dataclass(frozen=True, kw_only=True)
class JointSettings(SearchSettings):
    """A search for wiring and operators at once; `recipes.METHODS` has the published ones."""

    method: Method = "darts-1st"
    space: str = DARTS.name
    nodes: int = DARTS.nodes
    """DARTS."""
    samples: int = 24
    """Random search: how many cells are tried. DARTS: the best of 24."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_bounds(self, {"nodes": 1, "samples": 1})
        check_nodes(self.nodes)

    @property
    def weighs_edges(self) -> bool:
        """Whether edges have a β; in DARTS a node adds up its edges as they are."""
        return self.method == "pc-darts"

    def recorded(self) -> dict[str, Any]:
        """The settings as the genotype's history keeps them."""
        kept = super().recorded()
        return kept if self.method == "random" else {name: value for name, value in kept.items() if name != "samples"}


@dataclass(frozen=True, kw_only=True)
class ShortTraining:
    """How a small network is trained for a few steps, to see how fast it does."""

    stem: ClassVar[Stem] = "cifar"
    """That of small images."""
    channels: int = 8
    cells: int = 5
    side: int = 16
    """Larger images are averaged to this side."""
    batch_size: int = 64
    weight_rate: float = 0.05
    momentum: float = 0.9
    weight_decay: float = 3e-4
    clip: float = 5.0


@dataclass(frozen=True, kw_only=True)
class RaceSettings(ShortTraining):
    """A race among wirings (ours): what decides it but the data and the seed.

    Rates and sizes are chosen so that a few dozen steps already tell wirings apart; `docs/topology.md` has the study.
    """

    op: str = DARTS.usual
    """What every edge gets: a wiring is worth what it does with the operator that it will have."""
    nodes: int = DARTS.nodes
    """Appendix A.1 of the paper."""
    draws: int = 16
    """Wirings drawn at random; as many mutations of the best of them follow."""
    steps: int | None = None
    """Training steps in all. None: as many as fit in `seconds`."""
    seconds: float = 300.0
    """The budget where `steps` gives none."""

    def __post_init__(self) -> None:
        operator(self.op, tuple(name for name in DARTS.operators if name not in DARTS.never_derived))
        check_bounds(self, LEAST_OF_A_SHORT_TRAINING | _LEAST_OF_A_RACE)
        check_nodes(self.nodes)

    def recorded(self) -> dict[str, Any]:
        """The settings as the genotype's history keeps them."""
        left_out = "steps" if self.steps is None else "seconds"
        return {"rank": "race"} | {name: value for name, value in asdict(self).items() if name != left_out}

    @property
    def takes_all_images(self) -> bool:
        """Batches are drawn from all training images, but most races need many of them."""
        return True


LEAST_OF_A_SHORT_TRAINING = {
    "channels": 1,
    "cells": 1,
    "side": 8,
    "batch_size": 2,
    "weight_rate": 0.0,
    "momentum": 0.0,
    "weight_decay": 0.0,
    "clip": 0.0,
}

_LEAST_OF_A_RACE = {"nodes": 2, "draws": 4, "steps": 1, "seconds": 1.0}

_LEAST = {
    "iters": 1,
    "epochs": 1,
    "channels": 1,
    "cells": 1,
    "partial": 1,
    "batch_size": 2,
    "weight_rate": 0.0,
    "momentum": 0.0,
    "weight_decay": 0.0,
    "clip": 0.0,
    "arch_rate": 0.0,
    "arch_decay": 0.0,
    "warmup": 0.0,
    "weight_rate_end": 0.0,
}

TOPOLOGY = TopologySettings()
"""The paper's topology search on CIFAR-10."""

PRESETS = {
    "paper": TOPOLOGY,
    "stable": replace(TOPOLOGY, rank="gradient", channels=8, cells=5, iters=15, warmup=2 / 3),
}
"""Settings to start from. stable, ours: the gradients of iterations 11 to 15 of a small super-net, where many seeds
agree most for their time (docs/topology.md)."""

SPACE_CHANGES: Mapping[str, Mapping[str, Any]] = {
    DARTS.name: {},
    NATS.name: {"space": NATS.name, "nodes": NATS.nodes, "partial": 1, "cells": 3},
}
"""What a search of wiring has instead in a space. nats: all channels, as the benchmark's super-net has it, and a cell a
stage, so that an epoch of CIFAR-10 takes about a minute on two cores."""

STABLE_SEEDS = tuple(range(128))
"""The ensemble of the preset stable."""

RACE = RaceSettings()
"""A race of five minutes."""

OPERATORS = SearchSettings(ops=DARTS.candidates, epochs=50)
"""The paper's operator search on CIFAR-10: all eight candidates of section 4, 50 epochs (Table 3)."""
