"""The request of `ftso search-topology`."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, asdict, fields, replace
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

from ftso_cli.settings.asktell import BY_DARTS, BY_EVALUATION, BY_EVOLUTION, EVALUATING, AskTellSettings, OfOneDecision
from ftso_cli.settings.limits import Limited
from ftso_cli.settings.methods import RECIPES, ByRecipe, by_evaluation, on_choices
from ftso_cli.settings.options import Option, OptionError, RequestKind, part_of, refuse, refuse_others, settings
from ftso_cli.settings.searches import (
    OF_STAGES,
    PRESETS,
    RACE,
    TOPOLOGY,
    Method,
    Operators,
    RaceSettings,
    TopologySettings,
    check_length,
    check_operators,
    checked,
    evaluates_cells,
    in_other_spaces,
    in_space,
)
from ftso_cli.settings.shared import HISTORY, OnImages, Recorded, Seeded, Written
from ftso_cli.settings.values import chosen, parse_budget, seeds_of
from ftso_cli.spaces import DARTS, SPACES, operator


def _listed(value: Any) -> Any:
    """Return seeds as they are kept: a text, a number, or a tuple of any iterable."""
    return tuple(value) if isinstance(value, Iterable) and not isinstance(value, str) else value


OF_THE_PAPER = {"weighs_edges", "partial", *OF_STAGES}
"""Settings of a method that the search for the wiring has of its own: its edges have a β, and there are no stages."""

BY_BETA = RequestKind(
    called="a search by gradient",
    by="{rank=beta}",
    options={field.name for field in fields(TopologySettings)}
    | {*("preset", "recipe", "op", "seeds", "workers", "seed", "data", "image_size", "device", "output"), *HISTORY},
)
BY_RACE = RequestKind(
    called="a race",
    by="{rank=race}",
    options={field.name for field in fields(RaceSettings) if field.name != "steps"}
    | {*("op", "rank", "space", "budget", "workers", "resume", "data", "image_size", "device", "seed", "output")},
)
BY_CELLS = RequestKind(called=EVALUATING, by=BY_EVOLUTION, options=BY_EVALUATION | {"op"})


@settings
class SearchTopology(ByRecipe, OnImages, Written, TopologySettings, OfOneDecision, Limited, Recorded, Seeded):
    """A search of how the nodes of a cell are wired."""

    _: KW_ONLY
    preset: Annotated[
        Literal["paper", "stable"],
        Option(help="Settings to start from: the paper's, or an ensemble whose wiring repeats itself."),
    ] = "paper"
    op: Annotated[
        Operators | None,
        Option(
            help="The operator on every edge; several (repeated, or a,b,c, or 3op, 4op) are weighed.",
            metavar="OP",
            shown=f"{','.join(TOPOLOGY.ops)}; {RACE.op} in a race",
        ),
    ] = None
    method: Annotated[
        Method | None,
        Option(
            help="How β is searched: relaxation and steps of another method than the paper's; or the searches that "
            "evaluate whole wirings.",
            short="-m",
            shown="",
        ),
    ] = None
    seeds: Annotated[
        Annotated[str | int | Sequence[int] | None, BeforeValidator(_listed)],
        Option(
            help="Search from many seeds, as in 0-15 or 3,5,8, and say how far they agree; instead of --seed.",
            metavar="SEEDS",
            shown=f"none; {PRESETS['stable']['seeds']} in the preset stable",
        ),
    ] = None
    workers: Annotated[
        int | None,
        Option(help="Seeds, or wirings, trained at the same time.", least=1, shown="one a core; 1 on a GPU"),
    ] = None

    @classmethod
    def defaults(cls, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return those of the preset, in the space, by the recipe; a length that is given takes the other's place."""
        method = given.get("method")
        if given.get("rank") == "race" or evaluates_cells(method):
            return {}
        own = {
            **chosen("preset", given.get("preset", "paper"), PRESETS),
            **in_space(given.get("space", DARTS.name)),
            **{name: value for name, value in on_choices(method).items() if name not in OF_THE_PAPER},
            **chosen("recipe", given.get("recipe", "cifar"), RECIPES),
        }
        if "epochs" in given:
            own.pop("iters", None)
        if given.get("op"):
            own["ops"] = given["op"]
        return own

    @classmethod
    def variants(cls) -> Mapping[str, Mapping[str, Any]]:
        """Return the defaults of the spaces, of a race and of the recipe for ImageNet."""
        return in_other_spaces() | {"in a race": asdict(RACE), "with imagenet": RECIPES["imagenet"]}

    def check(self) -> None:
        """Raise `OptionError` for options that have no meaning together."""
        check_length(self)
        if self.seeds is not None:
            seeds_of(self.seeds)
        if self.evaluates:
            self._check_evaluation()
            return
        if self.method == "p-darts":
            raise OptionError("method", "p-darts drops operators in stages, and a wiring has none: give another")
        if self.method is not None and self.rank != "beta":
            raise OptionError("method", "moves β, by which nothing is ranked here: give {rank=beta}")
        if self.rank == "race":
            self._check_race()
            return
        refuse_others(self, BY_BETA.options, BY_BETA.called, [BY_RACE, BY_CELLS])
        if self.seeds is not None and "seed" in self.given:
            raise OptionError("seed", "is for a search from one seed; name the others with {seeds}")
        if self.seeds is not None or self.rank != "beta":
            refuse(self, self._without_history, "is for a search from one {seed}, ranked by β")
        check_operators(self.ops, self.space)
        checked(self, "op")

    def _check_race(self) -> None:
        if self.space != DARTS.name:
            raise OptionError(
                "rank", f"{self.space} cells keep all edges, so there is nothing to race: search operators"
            )
        refuse_others(self, BY_RACE.options, BY_RACE.called, [BY_BETA, BY_CELLS])
        self.race  # noqa: B018 - raises where an operator or a budget can't be

    def _check_evaluation(self) -> None:
        if SPACES[self.space].keeps_all:
            raise OptionError(
                "method", f"{self.space} cells keep all edges, so there is no wiring to choose: search operators"
            )
        gradient = replace(BY_BETA, by=BY_DARTS)
        refuse_others(self, BY_CELLS.options, f"{{method={self.method}}}", [gradient, BY_RACE])
        self.check_limits()
        self.evaluated  # noqa: B018 - raises where an operator or a budget can't be

    @property
    def evaluated(self) -> AskTellSettings:
        """The settings of a search by evaluation; raises `OptionError` for several operators."""
        if self.op is not None and len(self.op) != 1:
            raise OptionError("op", "a wiring is evaluated with one operator on every edge: give one, or leave it out")
        op = self.op[0] if self.op else SPACES[self.space].default_operator
        return by_evaluation(self, str(self.method), ops=(operator(op, SPACES[self.space].derivable).name,))

    @property
    def _without_history(self) -> set[str]:
        return {name for name in self.__dataclass_fields__ if name not in HISTORY or name == "resume"}

    @property
    def settings(self) -> TopologySettings:
        """The settings of the search, where it is no race."""
        found: TopologySettings = part_of(TopologySettings, self)
        return found

    @property
    def race(self) -> RaceSettings:
        """The settings of the race; raises `OptionError` for several operators, or a budget that is none."""
        if self.op is not None and len(self.op) != 1:
            raise OptionError("op", "a race has one operator on every edge: give one, or leave it out")
        names = {field.name for field in fields(RaceSettings)} & self.given - {"op"}
        own = {name: getattr(self, name) for name in names}
        length = {} if self.budget is None else parse_budget(self.budget)
        if length.get("seconds", 1) < 1:
            raise OptionError(
                "budget", f"of a race is a second at least, not {self.budget}; give more, as in {{budget=5m}}"
            )
        return RaceSettings(**own, **length, op=self.op[0] if self.op else RACE.op)

    @property
    def members(self) -> tuple[int, ...] | None:
        """The seeds of an ensemble, None for a search from one."""
        return None if self.seeds is None else seeds_of(self.seeds)

    @property
    def keeps_history(self) -> bool:
        """True where the search keeps losses, α and β over time, and can be resumed."""
        return self.evaluates or (self.rank == "beta" and self.seeds is None)

    @property
    def takes_seed(self) -> bool:
        """True where the result depends on `seed`."""
        return self.seeds is None
