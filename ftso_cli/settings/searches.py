"""The settings of a search, with where each default comes from. No torch here: the command line reads them for --help.

Sources: Table 4 of the FTSO paper for widths, depths and rates; where it is silent (batch, momentum, decay, clipping),
the CIFAR-10 search of DARTS (Liu et al., 2019, appendix A.1), which the paper says it follows.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, asdict
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import BeforeValidator

from ftso_cli.errors import SettingsError, short
from ftso_cli.genotype.schema import Rank
from ftso_cli.settings.limits import Limited
from ftso_cli.settings.options import Bounds, Option, OptionError, Settings, settings
from ftso_cli.settings.values import chosen, parse_list, parse_operators
from ftso_cli.spaces import DARTS, SPACES, operator
from ftso_cli.spaces.darts import Stem
from ftso_cli.spaces.operators import FOLDABLE

MOST_NODES = 32
"""The most nodes of a cell besides its inputs; a genotype file has room for at most twice as many."""

SUPER_NET = "Super-net and steps"
"""A panel of help."""

SpaceName = Annotated[
    str, Option(help="The search space: what a cell looks like, and its operators.", choices=lambda: SPACES)
]

Operators = Annotated[Sequence[str], BeforeValidator(lambda value: parse_operators(value))]
"""Operators as a text with commas, or several; a tuple once it is read."""


@settings
class Descent(Settings):
    """The size of a network and its steps of SGD: what searches by gradient and short trainings have in common."""

    _: KW_ONLY
    channels: Annotated[int, Option(help="Channels of the first cells.", least=1, panel=SUPER_NET)] = 16
    """Table 4."""
    cells: Annotated[int, Option(help="Cells of the network that is trained.", least=1, panel=SUPER_NET)] = 8
    """Table 4: 6 + 2."""
    batch_size: Annotated[int, Option(help="Images a step.", least=2, short="-b", panel=SUPER_NET)] = 64
    """DARTS; the paper doesn't say."""
    weight_lr: Annotated[
        float,
        Option(
            help="Learning rate of the weights; falls along a cosine over the epochs.",
            least=0,
            metavar="RATE",
            panel=SUPER_NET,
        ),
    ] = 0.025
    """Table 4: cosine from 0.025 to 0 over the epochs, stepped after each epoch."""
    momentum: Annotated[float, Bounds(least=0)] = 0.9
    """DARTS."""
    weight_decay: Annotated[float, Bounds(least=0)] = 3e-4
    """DARTS."""
    clip: Annotated[float, Bounds(least=0)] = 5.0
    """DARTS: largest norm of the weights' gradient."""


ByGradient = Literal["darts-1st", "darts-2nd", "pc-darts", "snas", "gdas", "drnas", "proxylessnas", "p-darts"]
"""The methods that follow the gradient of a relaxed choice; their settings are `GradientSettings`."""

AskTell = Literal["random", "local-search", "evolution", "reinforce", "pnas", "halving"]
"""The methods that propose cells and are told what each is worth; their settings are `AskTellSettings`."""

Method = Literal[ByGradient, AskTell]


def evaluates_cells(method: Any) -> bool:
    """Return True for a method that evaluates whole cells; False for None, and for a name of none."""
    return method in get_args(AskTell)


PENALTIES = ("macs", "params", "latency", "entropy", "kl")
"""The penalties of a search by gradient; `search.penalties` has the equations."""


def penalties(value: Any) -> dict[str, float]:
    """Return the weight of each penalty of `macs=0.1,entropy=0.05`; raises `ValueError` for another text."""
    found = {}
    for part in parse_list(value):
        name, _, weight = part.partition("=")
        if name not in PENALTIES or not re.fullmatch(r"\d{1,9}(\.\d{1,9})?(e-?\d)?", weight):
            raise ValueError(f"{short(part)} is no penalty; write macs=0.1, with one of {', '.join(PENALTIES)}")
        found[name] = float(weight)
    return found


def _penalty(value: Any) -> Any:
    """Return the text of penalties that can be read, of a text or a mapping; raises `OptionError` for another."""
    text = ",".join(f"{name}={weight:g}" for name, weight in value.items()) if isinstance(value, Mapping) else value
    try:
        penalties(text)
    except ValueError as error:
        raise OptionError("penalty", str(error)) from None
    return text


Relaxation = Literal["softmax", "gumbel", "hard-gumbel", "dirichlet", "gates"]
"""The ways to turn α into weights of candidates, and β into those of edges; `search.relaxations` has the equations."""


@settings
class SearchSettings(Descent):
    """Everything that decides a search but the data and the seed.

    `iters` wins over `epochs`. An iteration is one step on β (and α) and one on the weights.
    """

    _: KW_ONLY
    ops: Operators = ("skip_connect",)
    """Section 3: skip connections only."""
    iters: Annotated[
        int | None, Option(help="Iterations, instead of epochs.", least=1, short="-i", shown="", panel=SUPER_NET)
    ] = None
    epochs: Annotated[int, Option(help="Passes over the images.", least=1, short="-e", panel=SUPER_NET)] = 1
    """Algorithm 1, line 3: one epoch, that is one pass over the half of the images that trains the weights."""
    partial: Annotated[
        int,
        Option(
            help="One in so many channels passes through the operators (PC-DARTS); 1 is DARTS.",
            least=1,
            panel=SUPER_NET,
        ),
    ] = 4
    """Table 4: 25 % of the channels pass through the operators."""
    stem: Stem = "cifar"
    """Table 4 has an ImageNet search too, whose stem is that of the ImageNet networks."""
    weight_share: Annotated[
        float, Option(help="Share of the training images that moves the weights.", least=0, panel=SUPER_NET)
    ] = 0.5
    """Appendix A.1: half of the training images move the weights."""
    arch_share: Annotated[float, Option(help="Share of them that moves α and β.", least=0, panel=SUPER_NET)] = 0.5
    """Appendix A.1: the other half moves α and β."""
    weight_lr_end: Annotated[float, Bounds(least=0)] = 0.0
    """Table 4: where the cosine ends."""
    arch_lr: Annotated[float, Option(help="Learning rate of α and β.", least=0, metavar="RATE", panel=SUPER_NET)] = 6e-4
    """Table 4."""
    arch_momenta: tuple[float, float] = (0.5, 0.999)
    """DARTS: Adam's two moments for α and β."""
    arch_decay: Annotated[float, Bounds(least=0)] = 1e-3
    """DARTS."""
    warmup: Annotated[
        float,
        Option(
            help="Share of the search, 0 to 1, in which only weights learn and α and β are held.",
            least=0,
            panel=SUPER_NET,
        ),
    ] = 0.0
    """The share of the iterations in which only weights learn; the paper has none."""
    penalty: Annotated[
        Annotated[str | None, BeforeValidator(_penalty)],
        Option(
            help=f"What the held-out loss adds for α, by weight, as in macs=0.1: {', '.join(PENALTIES)}.",
            metavar="NAME=WEIGHT",
            shown="",
            panel=SUPER_NET,
        ),
    ] = None
    """The paper has none."""
    relaxation: Relaxation = "softmax"
    """DARTS."""
    temperature: tuple[float, float] = (1.0, 1.0)
    """The temperature of Gumbel noise, at the start and at the end."""
    order: Literal[1, 2] = 1
    """2: the step on α and β looks one step on the weights ahead (DARTS, section 2.3)."""
    weighs_edges: bool = True
    """True where edges have a β (PC-DARTS); in DARTS a node adds up its edges as they are."""
    added_cells: tuple[int, ...] = ()
    """In a search of stages (P-DARTS): the cells of each besides `cells`."""
    kept: tuple[float, ...] = ()
    """The share of the candidates that each stage has."""
    skip_dropout: tuple[float, ...] = ()
    """The dropout behind identities at the start of each stage."""
    most_skips: int | None = None
    """The most skip connections of a cell of stride 1."""

    def __post_init__(self) -> None:
        """Raise `SettingsError` for values with which nothing is searched."""
        if self.warmup >= 1:
            raise SettingsError(
                f"a warm-up of {self.warmup:g} of the search leaves nothing to search in; give less than 1"
            )
        if not self.ops:
            raise SettingsError("a search needs at least one operator")
        if len(set(self.ops)) < len(self.ops):
            raise SettingsError(f"an operator is listed twice: {', '.join(self.ops)}")

    @property
    def searches(self) -> bool:
        """True where α and β are updated by their learning rate."""
        return True

    def recorded(self) -> dict[str, Any]:
        """Return the settings as the genotype's history keeps them."""
        kept = {name: value for name, value in self.decisive().items() if not self._overruled(name)}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in kept.items()}

    def _overruled(self, name: str) -> bool:
        return name in BY_METHOD or (name == "epochs" and self.iters is not None)

    @property
    def takes_all_images(self) -> bool:
        """True where an epoch reads every training image."""
        return self.iters is None and self.weight_share + self.arch_share > 1 - 1e-9


OF_STAGES = ("added_cells", "kept", "skip_dropout", "most_skips")

BY_METHOD = ("relaxation", "temperature", "order", "weighs_edges", *OF_STAGES)
"""The settings that a method's name decides, so that no history repeats them."""


TOO_FEW = "there are fewer than two operators to choose from, none not counted; list them with --ops"
"""The refusal of a search for operators without a choice."""


def check_operators(ops: Sequence[str], space: str) -> None:
    """Raise `SpaceError` for an operator that the space lacks."""
    for op in ops:
        operator(op, SPACES[space].operators)


def check_length(search: SearchSettings) -> None:
    """Raise `OptionError` where two lengths are given."""
    if {"iters", "epochs"} <= search.given:
        raise OptionError("iters", "give {iters} or {epochs}, not both")


def checked(search: SearchSettings, ops: str = "ops") -> None:
    """Raise `SettingsError` for values with which α and β stay as they were drawn, and penalties without an α.

    `ops` is the option that lists the operators.
    """
    if search.penalty and len(search.ops) < 2:
        raise OptionError("penalty", f"weighs operators, and there is one: list several, as in {{{ops}=3op}}")
    if "kl" in penalties(search.penalty) and search.relaxation != "dirichlet":
        raise OptionError("penalty", "kl is of Dirichlet distributions: give {method=drnas}")
    if search.penalty and not search.searches:
        raise OptionError("penalty", "moves α and β, which are held at 0: give {rank=beta}")
    if search.searches and search.arch_lr == 0:
        raise OptionError("arch_lr", "must be above 0, not 0: α and β would stay as they were drawn")
    if search.iters is not None and search.warmup and round(search.warmup * search.iters) >= search.iters:
        text = f"{search.warmup:g} of the search takes all {search.iters} iterations: give more {{iters}}, or less"
        raise OptionError("warmup", text)


Engine = Literal["auto", "general", "folded"]

Nodes = Annotated[
    int,
    Option(
        help="Nodes of a cell besides its inputs.",
        least=1,
        most=MOST_NODES,
        panel=SUPER_NET,
    ),
]


@settings
class OfCells(Settings):
    """A search for the wiring of cells, or for wiring and operators."""

    _: KW_ONLY
    space: SpaceName = DARTS.name
    nodes: Nodes = DARTS.nodes
    """DARTS; the paper, appendix A.1."""


@settings
class TopologySettings(SearchSettings, OfCells):
    """A search for the topology also decides how many nodes a cell has."""

    _: KW_ONLY
    engine: Annotated[
        Engine,
        Option(
            help="How skip connections are evaluated: folded is faster, equal to rounding; auto takes it.",
            panel=SUPER_NET,
        ),
    ] = "auto"
    """The evaluation of the super-net, with equal results to rounding: auto takes the folded one where it applies."""
    rank: Annotated[
        Literal[Rank, "race"],
        Option(
            help="What ranks the edges: β at the end (the paper), its mean gradient while β stays 0, "
            "or a race of whole wirings.",
            shown="beta; gradient in the preset stable",
        ),
    ] = "beta"
    """The score that ranks edges. beta: β at the end (the paper). gradient, ours: the mean of minus the gradient on
    β over all iterations, with β held at 0 so that no edge gets ahead by its first steps. A race has `RaceSettings`."""
    method: Method | None = None
    """None: the paper's, which is that of DARTS in first order."""

    @property
    def searches(self) -> bool:
        """True where α and β are updated by their learning rate."""
        return self.rank == "beta"

    def recorded(self) -> dict[str, Any]:
        """Return the settings as the genotype's history keeps them, with the engine that was taken."""
        return super().recorded() | {"engine": self.taken}

    @property
    def taken(self) -> str:
        """The engine that `engine` means: general evaluates edge by edge, shared what edges have in common once."""
        return "folded" if self.folded else "general" if self.engine == "general" else "shared"

    @property
    def folded(self) -> bool:
        """True where the folded super-net is used: skip connections alone are linear on the channels."""
        return self.engine == "folded" or (self.engine == "auto" and self.space == DARTS.name and self.ops == FOLDABLE)


@settings
class OperatorSettings(SearchSettings, Limited):
    """A search for the operators of a wiring that is decided."""

    _: KW_ONLY
    method: Method | None = None
    """None: the paper's, which is PC-DARTS without a warm-up."""


@settings
class JointSettings(SearchSettings, OfCells):
    """A search for wiring and operators at once; `methods.METHODS` has the published ones."""

    _: KW_ONLY
    method: Method


@settings
class GradientSettings(JointSettings, Limited):
    """A search along the gradient on α, and on β where edges are weighed."""

    _: KW_ONLY
    weighs_edges: bool = False
    """DARTS."""


@settings
class ShortTraining(Descent):
    """The short training of a small network, which shows how fast it learns."""

    stem: ClassVar[Stem] = "cifar"
    """The stem of small images."""
    _: KW_ONLY
    side: Annotated[int, Bounds(least=8)] = 16
    """Larger images are averaged to this side."""

    @classmethod
    def defaults(cls, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return small networks, and a rate at which a few dozen steps already tell them apart."""
        return {"channels": 8, "cells": 5, "weight_lr": 0.05}


@settings
class RaceSettings(ShortTraining):
    """A race among wirings (ours): what decides it but the data and the seed.

    Rates and sizes are chosen so that a few dozen steps already tell wirings apart; `docs/topology.md` has the study.
    """

    _: KW_ONLY
    op: str = DARTS.default_operator
    """The operator of every edge: a wiring is judged with the operator that it will have."""
    nodes: Annotated[int, Bounds(least=2, most=MOST_NODES)] = DARTS.nodes
    """Appendix A.1 of the paper."""
    draws: Annotated[int, Bounds(least=4)] = 16
    """Wirings drawn at random; as many mutations of the best of them follow."""
    steps: Annotated[int | None, Bounds(least=1)] = None
    """Training steps in all. None: as many as fit in `seconds`."""
    seconds: Annotated[float, Bounds(least=1)] = 300.0
    """The budget where `steps` gives none."""

    def __post_init__(self) -> None:
        """Raise `SpaceError` for an operator that a found cell may not carry."""
        operator(self.op, DARTS.derivable)

    def recorded(self) -> dict[str, Any]:
        """Return the settings as the genotype's history keeps them."""
        left_out = "steps" if self.steps is None else "seconds"
        return {"rank": "race"} | {name: value for name, value in asdict(self).items() if name != left_out}

    @property
    def takes_all_images(self) -> bool:
        """Batches are drawn from all training images, but most races need many of them."""
        return True


TOPOLOGY = TopologySettings()
"""The paper's topology search on CIFAR-10."""

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "paper": {},
    "stable": {"rank": "gradient", "channels": 8, "cells": 5, "iters": 15, "warmup": 2 / 3, "seeds": "0-127"},
}
"""The settings of presets. stable, ours: the gradients of iterations 11 to 15 of a small
super-net, from 128 seeds, where many seeds agree most for their time (docs/topology.md)."""


def in_space(name: Any) -> Mapping[str, Any]:
    """Return the defaults of a search in a space; raises `SettingsError` where there is none of that name."""
    space = chosen("space", name, SPACES)
    return {"nodes": space.nodes, **space.search}


def in_other_spaces() -> dict[str, Mapping[str, Any]]:
    """Return the defaults of the spaces other than darts by where they hold, as in `in nats`."""
    return {f"in {name}": in_space(name) for name in SPACES if name != DARTS.name}


RACE = RaceSettings()
"""A race of five minutes."""

OPERATORS = OperatorSettings(ops=DARTS.candidates, epochs=50)
"""The paper's operator search on CIFAR-10: all eight candidates of section 4, 50 epochs (Table 3)."""
