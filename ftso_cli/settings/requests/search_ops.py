"""The request of `ftso search-ops`."""

from collections.abc import Mapping
from dataclasses import KW_ONLY, fields, replace
from typing import Annotated, Any, Literal

from ftso_cli.errors import SettingsError
from ftso_cli.settings.asktell import BY_DARTS, BY_EVALUATION, BY_EVOLUTION, EVALUATING, AskTellSettings, OfOneDecision
from ftso_cli.settings.capacity import ByCapacity, CapacitySettings
from ftso_cli.settings.methods import RECIPES, ByRecipe, by_evaluation, on_choices
from ftso_cli.settings.options import Option, RequestKind, part_of, refuse_others, settings
from ftso_cli.settings.searches import (
    OPERATORS,
    TOO_FEW,
    Method,
    Operators,
    OperatorSettings,
    check_length,
    checked,
    evaluates_cells,
)
from ftso_cli.settings.shared import HISTORY, OF_SUPERNETS, Edited, OnCell, OnImages, Recorded, Seeded
from ftso_cli.settings.values import chosen
from ftso_cli.spaces import DARTS, NATS, SPACES, operator

COMMON = {"cell", "strategy", "data", "image_size", "device", "seed", "output"}
"""The options that every strategy has."""

BY_GRADIENT = RequestKind(
    called="a search by gradient",
    by="{strategy=gradient}",
    options={field.name for field in fields(OperatorSettings)} | {*COMMON, *HISTORY, "recipe"},
)
BY_CAPACITY = RequestKind(
    called="a search by capacity",
    by="{strategy=capacity}",
    options={field.name for field in fields(CapacitySettings)} | {*COMMON, *HISTORY} - {*OF_SUPERNETS},
)
BY_CELLS = RequestKind(called=EVALUATING, by=BY_EVOLUTION, options=BY_EVALUATION | {"cell"})


@settings
class SearchOperators(
    ByRecipe, OperatorSettings, ByCapacity, OfOneDecision, OnImages, OnCell, Edited, Recorded, Seeded
):
    """A search of the operator of every kept edge."""

    _: KW_ONLY
    strategy: Annotated[
        Literal["gradient", "capacity"],
        Option(help="gradient, the paper's; or capacity: a training-free score, then short races."),
    ] = "gradient"
    method: Annotated[
        Method | None,
        Option(
            help="How α is searched: relaxation, steps and channels of another method than the paper's; or the "
            "searches that evaluate cells.",
            short="-m",
            shown="",
        ),
    ] = None
    ops: Annotated[
        Operators,
        Option(help="The candidates (repeated, or a,b,c, or 3op, 4op).", metavar="OP", shown="all of the cell's space"),
    ] = OPERATORS.ops

    @classmethod
    def defaults(cls, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the paper's 50 epochs, or what the recipe has; or those of a search by capacity."""
        if given.get("strategy") == "capacity":
            return CapacitySettings.defaults(given)
        method = given.get("method")
        if evaluates_cells(method):
            return {}
        recipe = chosen("recipe", given.get("recipe", "cifar"), RECIPES)
        return {"epochs": OPERATORS.epochs, **on_choices(method), **recipe}

    @classmethod
    def variants(cls) -> Mapping[str, Mapping[str, Any]]:
        """Return the defaults of a search by capacity, and of the recipe for ImageNet."""
        by_capacity = CapacitySettings.defaults({})
        return {"": cls.defaults({}), "by capacity": by_capacity, "with imagenet": RECIPES["imagenet"]}

    def check(self) -> None:
        """Raise `OptionError` for options that have no meaning together."""
        check_length(self)
        if self.evaluates:
            gradient = replace(BY_GRADIENT, by=BY_DARTS)
            refuse_others(self, BY_CELLS.options, f"{{method={self.method}}}", [gradient, BY_CAPACITY])
            self.check_limits()
            self.evaluated(NATS.name if self.table else DARTS.name)
            return
        own, other = (BY_CAPACITY, BY_GRADIENT) if self.strategy == "capacity" else (BY_GRADIENT, BY_CAPACITY)
        refuse_others(self, own.options, own.called, [other, BY_CELLS])
        self.check_limits()
        for op in self.ops:
            operator(op)
        if self.strategy == "gradient":
            checked(self)
        else:
            self.capacity(DARTS.name)

    def settings(self, space: str) -> OperatorSettings:
        """Return the settings of a search by gradient in a space, all of whose candidates are weighed by default."""
        own = {} if "ops" in self.given else {"ops": SPACES[space].candidates}
        found: OperatorSettings = part_of(OperatorSettings, self, **own)
        return found

    def capacity(self, space: str) -> CapacitySettings:
        """Return the settings of a search by capacity, of all operators that a found cell may carry by default."""
        names = {field.name for field in fields(CapacitySettings)} & self.given
        allowed = tuple(op for op in SPACES[space].candidates if op not in SPACES[space].never_derived)
        return CapacitySettings(**{"ops": allowed} | {name: getattr(self, name) for name in names})

    def evaluated(self, space: str, nodes: int = DARTS.nodes) -> AskTellSettings:
        """Return the settings of a search by evaluation in a space, of all its candidates by default."""
        ops = self.ops if "ops" in self.given else SPACES[space].candidates
        found = by_evaluation(self, str(self.method), ops=tuple(ops), space=space, nodes=nodes)
        if len(found.choices) < 2:
            raise SettingsError(TOO_FEW)
        return found

    @property
    def keeps_history(self) -> bool:
        """True: the search keeps its history over time, and can be resumed."""
        return True

    @property
    def takes_seed(self) -> bool:
        """True where the result depends on `seed`."""
        return True
