"""The request of `ftso search`."""

from collections.abc import Mapping
from dataclasses import KW_ONLY, asdict, fields
from typing import Annotated, Any

from ftso_cli.settings.asktell import BY_DARTS, BY_EVOLUTION, EVALUATING, AskTellSettings
from ftso_cli.settings.methods import METHODS, RECIPES, ByRecipe
from ftso_cli.settings.options import Option, OptionError, RequestKind, part_of, refuse_others, settings
from ftso_cli.settings.searches import (
    GradientSettings,
    JointSettings,
    Method,
    Operators,
    check_length,
    check_operators,
    checked,
    in_other_spaces,
    in_space,
)
from ftso_cli.settings.shared import HISTORY, OF_SUPERNETS, OnImages, Recorded, Seeded, Written
from ftso_cli.settings.values import chosen
from ftso_cli.spaces import DARTS, SPACES

COMMON = {"data", "image_size", "device", "seed", "output", *HISTORY}
"""The options that every method has."""

BY_GRADIENT = RequestKind(
    called="a search by gradient",
    by=BY_DARTS,
    options={field.name for field in fields(GradientSettings)} | {*COMMON, "recipe"},
)
BY_CELLS = RequestKind(
    called=EVALUATING,
    by=BY_EVOLUTION,
    options={field.name for field in fields(AskTellSettings)} | COMMON - {*OF_SUPERNETS} | {"iters"},
)


@settings
class Searched(GradientSettings, AskTellSettings):
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
        kind = type(METHODS[self.method])
        for name in ("track", "early_stop"):
            if kind is AskTellSettings and getattr(self, name) is not None:
                raise OptionError(name, f"a {self.method} search has no α and β along which a loss could curve")
        own, other = (BY_CELLS, BY_GRADIENT) if kind is AskTellSettings else (BY_GRADIENT, BY_CELLS)
        refuse_others(self, own.options, f"{{method={self.method}}}", [other])
        self.check_limits()
        check_operators(self.ops, self.space)
        settings = self.settings
        if isinstance(settings, JointSettings):
            checked(settings)

    @property
    def settings(self) -> JointSettings | AskTellSettings:
        """The settings of the search, of the class that its method has."""
        kind = type(METHODS[self.method])
        own = self._shared_steps if kind is AskTellSettings and self.iters is not None else {}
        found: JointSettings | AskTellSettings = part_of(kind, self, **own)
        return found

    @property
    def _shared_steps(self) -> dict[str, int]:
        """The cells and their steps where `iters` are the training steps of all cells together."""
        evaluations = part_of(AskTellSettings, self).evaluations
        if evaluations is None or "steps" in self.given:
            raise OptionError(
                "iters",
                "are the steps of all cells together: give a number of these, as in {budget=24}, or {steps} instead",
            )
        iters = self.iters or 0
        cells = max(1, min(evaluations, iters // 2))
        return {"budget": cells, "steps": max(2, iters // cells)}

    @property
    def keeps_history(self) -> bool:
        """True where the search keeps losses, α and β over time, and can be resumed."""
        return True

    @property
    def takes_seed(self) -> bool:
        """True where the result depends on `seed`."""
        return True
