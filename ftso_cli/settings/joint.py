"""The request of `ftso search`."""

from collections.abc import Mapping
from dataclasses import KW_ONLY, asdict
from typing import Annotated, Any

from ftso_cli.settings.methods import METHODS, RECIPES, ByRecipe
from ftso_cli.settings.options import Option, OptionError, part_of, settings
from ftso_cli.settings.searches import (
    GradientSettings,
    JointSettings,
    Method,
    Operators,
    RandomSettings,
    check_length,
    check_operators,
    checked,
    in_other_spaces,
    in_space,
)
from ftso_cli.settings.shared import OnImages, Recorded, Seeded, Written
from ftso_cli.settings.values import chosen
from ftso_cli.spaces import DARTS, SPACES


@settings
class Searched(GradientSettings, RandomSettings):
    """The method of a search, which is its first argument in Python, and the settings that any method has."""

    method: Annotated[Method, Option(help="How to search.", short="-m", shown="")]


@settings
class SearchBaseline(ByRecipe, OnImages, Written, Searched, Recorded, Seeded):
    """A search for wiring and operators at once."""

    _: KW_ONLY
    ops: Annotated[
        Operators,
        Option(help="The candidates (repeated, or a,b,c, or 3op, 4op).", metavar="OP", shown="all of the space"),
    ] = DARTS.candidates

    @classmethod
    def defaults(cls, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the published settings of the method, in the space, by the recipe."""
        if "method" not in given:
            raise OptionError("method", f"say how to search: {', '.join(METHODS)}")
        published = asdict(chosen("method", given["method"], dict(METHODS.items())))
        name = given.get("space", DARTS.name)
        # How many channels pass the operators is the method's own affair.
        changes = {key: value for key, value in in_space(name).items() if key != "partial"}
        recipe = chosen("recipe", given.get("recipe", "cifar"), RECIPES)
        return published | changes | {"ops": SPACES[name].candidates} | dict(recipe)

    @classmethod
    def variants(cls) -> Mapping[str, Mapping[str, Any]]:
        """Return the defaults of the methods, of the spaces and of the recipe for ImageNet."""
        methods = {"": asdict(METHODS["darts-1st"]), "for pc-darts": asdict(METHODS["pc-darts"])}
        spaces = {label: {**table, "partial": None} for label, table in in_other_spaces().items()}
        return methods | spaces | {"with imagenet": RECIPES["imagenet"]}

    def check(self) -> None:
        """Raise `OptionError` for options that have no meaning together."""
        check_length(self)
        for name in ("track", "early_stop"):
            if not self.settings.searches and getattr(self, name) is not None:
                raise OptionError(name, f"a {self.method} search has no α and β along which a loss could curve")
        check_operators(self.ops, self.space)
        checked(self.settings)

    @property
    def settings(self) -> JointSettings:
        """The settings of the search, of the class that its method has."""
        found: JointSettings = part_of(type(METHODS[self.method]), self)
        return found

    @property
    def keeps_history(self) -> bool:
        """Whether the search keeps losses, α and β over time, and can be taken up in the middle."""
        return True

    @property
    def takes_seed(self) -> bool:
        """Whether `seed` decides anything of the result."""
        return True
