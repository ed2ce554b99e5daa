"""Options, each declared once: as a field of a settings class. Commands, studies and help are derived from it.

    @settings
    class Training:
        epochs: Annotated[int, Option("Passes over the images.", least=1, short="-e")] = 12

`Training(epochs=0)` raises `SettingsError`; `ftso` has `--epochs N`, `-e N`; a study file has `epochs = N`. What the
caller gave is kept in `given`, for defaults that depend on other options.
"""

import dataclasses
import functools
import inspect
import math
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import (
    Any,
    TypeVar,
    Union,
    dataclass_transform,
    get_args,
    get_origin,
    get_type_hints,
)

from annotated_types import Ge, GroupedMetadata, Le, Lt
from pydantic import AliasChoices, AliasGenerator, ConfigDict, ValidationError
from pydantic.dataclasses import dataclass as validated

from ftso_cli.errors import SettingsError, short, unknown

Spell = Callable[[str, str | None], str]
"""Write an option, and its value where there is one, as its reader does: `--rank race` or `rank="race"`."""

FORMER_NAMES: Mapping[str, str] = {
    "weight_rate": "weight_lr",
    "weight_rate_end": "weight_lr_end",
    "arch_rate": "arch_lr",
    "samples": "budget",
    "save_minutes": "save_every",
}
"""The present names of options by those of earlier versions, which calls, command lines and files may have."""

CONFIG = ConfigDict(extra="forbid", strict=True, arbitrary_types_allowed=True, allow_inf_nan=False)


@dataclass(frozen=True)
class Bounds(GroupedMetadata):
    """The least and the most that a number may be, both included; `below` is excluded."""

    least: float | None = dataclasses.field(default=None, kw_only=True)
    most: float | None = dataclasses.field(default=None, kw_only=True)
    below: float | None = dataclasses.field(default=None, kw_only=True)

    def __iter__(self) -> Iterator[Any]:
        """The constraints that pydantic checks."""
        for bound, kind in ((self.least, Ge), (self.most, Le), (self.below, Lt)):
            if bound is not None:
                yield kind(bound)


@dataclass(frozen=True)
class Option(Bounds):
    """The facts that make a field an option: its help text, and flags, metavar and default that are not derived.

    `shown` is the default in help texts where it depends on other options, `spelled` the flags where they are not the
    name of the field, `choices` gives the values where these can be added to. An `argument` has no flag.
    A `written` number is a text on the command line, which the field reads, as in `600M`.
    """

    help: str = ""
    short: str | None = None
    spelled: str | None = None
    metavar: str | None = None
    shown: str | None = None
    choices: Callable[[], Iterable[str]] | None = None
    argument: bool = False
    panel: str | None = None
    in_studies: bool = True
    written: bool = False

    def flag(self, name: str) -> str:
        """The long flag of the field called `name`."""
        return (self.spelled or f"--{name.replace('_', '-')}").split("/")[0]


class OptionError(SettingsError):
    """An option that can't be given, or not with others. The text writes options as `{rank}` or `{rank=race}`.

    Its message is for Python; `spelled` writes it for another reader.
    """

    def __init__(self, option: str, text: str) -> None:
        self.option, self.text = option, text
        super().__init__(f"{option}: {self.spelled(as_keyword)}")

    def spelled(self, spell: Spell) -> str:
        """The text with every option in it as `spell` writes it."""
        return re.sub(r"\{(\w+)(?:=([^}]+))?\}", lambda match: spell(match[1], match[2]), self.text)


def as_keyword(name: str, value: str | None) -> str:
    """An option as Python writes it."""
    return name if value is None else f"{name}={value!r}".replace("'", '"')


Class = TypeVar("Class", bound=type)


class Settings:
    """A class of settings: validated, frozen, with `given`, the names of the fields that the caller gave."""

    given: frozenset[str]

    @classmethod
    def defaults(cls, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the defaults that differ from those of the fields, or that depend on what is `given`."""
        return {}

    @classmethod
    def variants(cls) -> Mapping[str, Mapping[str, Any]]:
        """Return tables of defaults by where they hold, as in `in nats`, for help; "" is where nothing is chosen."""
        return {}

    def check(self) -> None:
        """Raise `OptionError` where an option has no meaning beside others."""

    def decisive(self) -> dict[str, Any]:
        """Return the values that history keeps: all but None, and those that decide nothing beside the others."""
        own: Any = self
        return {name: value for name, value in dataclasses.asdict(own).items() if value is not None}

    def asked(self, *names: str) -> list[str]:
        """Return those of the fields that are given, but for choices that are as they are by default."""
        return [name for name in names if name in self.given and not self._is_usual(name)]

    def _is_usual(self, name: str) -> bool:
        value = getattr(self, name)
        return isinstance(value, str | bool | None) and value == default_of(type(self), name)


@dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field,))
def settings(cls: Class) -> Class:
    """Make a class of settings of annotated fields. Values are checked by type and bounds when one is made.

    Raises `SettingsError` for a value that can't be, and for a name that is no field.
    """
    made: Any = validated(frozen=True, config=CONFIG)(cls)
    # Only the outermost class of an instance fills in defaults.
    validate = made.__init__

    @functools.wraps(validate)
    def init(self: Any, *args: Any, **given: Any) -> None:
        given = _named(made, args, given)
        try:
            validate(self, **{**made.defaults(given), **given})
        except ValidationError as error:
            raise SettingsError(problem(error)) from None
        except (TypeError, AttributeError) as error:
            # Of what reads a text, a list or a name, and was given something else.
            raise SettingsError(f"an option has a value of another type: {error}") from None
        object.__setattr__(self, "given", frozenset(given))
        self.check()

    init.__signature__ = inspect.signature(validate)  # type: ignore[attr-defined]
    made.__init__ = init
    result: Class = made
    return result


def _named(model: Any, args: Sequence[Any], keywords: Mapping[str, Any]) -> dict[str, Any]:
    """Return all arguments by the present names of their fields, as Python counts them; an unknown one raises."""
    names = [field.name for field in dataclasses.fields(model) if not field.kw_only]
    if len(args) > len(names):
        raise TypeError(f"{model.__name__} takes at most {len(names)} positional arguments, not {len(args)}")
    fields = model.__dataclass_fields__
    present = ((FORMER_NAMES.get(name, name), name, value) for name, value in keywords.items())
    given = {now if now in fields else name: value for now, name, value in present}
    for name, value in zip(names, args, strict=False):
        if name in given:
            raise TypeError(f"{name} is given twice, by its place and by its name")
        given[name] = value
    for name in given:
        if name not in fields:
            known = [name for name, _ in options(model)] or list(fields)
            raise SettingsError(unknown("option", name, known))
    return given


def present_names(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return options by their present names, of those that any version has written."""
    return {FORMER_NAMES.get(name, name): value for name, value in values.items()}


def _as_in_files(name: str) -> str | AliasChoices:
    former = [other for other, present in FORMER_NAMES.items() if present == name]
    return AliasChoices(name, *former) if former else name


FILE_CONFIG = ConfigDict(alias_generator=AliasGenerator(validation_alias=_as_in_files))
"""For the models of files whose keys are options: these may have former names."""


def problem(error: ValidationError) -> str:
    """Return the first thing that is wrong, as in `channels must be at least 1, not 0`."""
    first = error.errors()[0]
    name, value, context = str(first["loc"][0]), first["input"], first.get("ctx", {})
    words = name.replace("_", " ")
    match first["type"]:
        case "greater_than_equal":
            return f"{words} must be at least {_number(context['ge'])}, not {short(value)}"
        case "less_than_equal":
            return f"{words} must be at most {_number(context['le'])}, not {short(value)}"
        case "less_than":
            return f"{words} must be below {_number(context['lt'])}, not {short(value)}"
        case "finite_number":
            return f"{words} must be finite, not {short(value)}"
        case "literal_error":
            return unknown(words, str(value), re.findall(r"'([^']*)'", context["expected"]))
        case "missing" | "missing_argument":
            return f"{words} is missing"
        case _:
            reason = first["msg"].removeprefix("Value error, ")
            return f"{words} can't be {short(value)}: {reason[0].lower()}{reason[1:]}"


def _number(value: float) -> float:
    """Return a bound as people write it: 0, not 0.0."""
    return int(value) if value == int(value) else value


@functools.cache
def _hints(model: Any, marks: bool) -> dict[str, Any]:
    """Return the types of the fields, with their marks or without; each option of a command asks for them."""
    return get_type_hints(model, include_extras=marks)


def options(model: Any) -> tuple[tuple[str, Option], ...]:
    """Return the options of a settings class by name: its own first, then those of its base classes in their order."""
    hints = _hints(model, True)
    found: dict[str, Option] = {}
    for base in model.__mro__:
        for name in vars(base).get("__annotations__", {}):
            marks = [mark for mark in get_args(hints.get(name))[1:] if isinstance(mark, Option)]
            if marks:
                found.setdefault(name, marks[0])
    return tuple(found.items())


def type_of(model: Any, name: str) -> Any:
    """Return the type of a field, without its marks and without None."""
    hint = _hints(model, False).get(name)
    if get_origin(hint) in (Union, UnionType):
        parts = tuple(part for part in get_args(hint) if part is not NoneType)
        return parts[0] if len(parts) == 1 else Union[parts]  # noqa: UP007
    return hint


def default_of(model: type, name: str) -> Any:
    """Return the default of a field, `dataclasses.MISSING` where it has to be given."""
    field: dataclasses.Field[Any] = model.__dataclass_fields__[name]  # type: ignore[attr-defined]
    default = field.default
    return getattr(default, "default", default)


def part_of(model: type[Any], request: Any, **others: Any) -> Any:
    """Return an instance of `model` with the values that `request` has for its fields, and `others` instead."""
    return model(**{field.name: getattr(request, field.name) for field in dataclasses.fields(model)} | others)


def refuse(request: Settings, allowed: Collection[str], why: str) -> None:
    """Raise `OptionError` for the first option that is asked for and not `allowed`."""
    model: Any = type(request)
    for name in request.asked(*(name for name, _ in options(model))):
        if name not in allowed:
            raise OptionError(name, why)


@dataclass(frozen=True, kw_only=True)
class RequestKind:
    """A kind of request: how it is called, what makes a request one, as in `{rank=race}`, and the options it has."""

    called: str
    by: str
    options: Collection[str]


def refuse_others(request: Settings, own: Collection[str], this: str, others: Sequence[RequestKind]) -> None:
    """Raise `OptionError` for the first option that is asked for and not `own`: whose it is, and how to get that."""
    for name in request.asked(*(name for name, _ in options(type(request)))):
        if name not in own:
            found = [other for other in others if name in other.options]
            whose = " or ".join(other.called for other in found) or "other searches"
            by = [other.by for other in found if not other.by.startswith(f"{{{name}=")]
            instead = f", or give {by[0]}" if by else ""
            raise OptionError(name, f"is for {whose}, not for {this}: leave it out{instead}")


def format_default(value: Any) -> str:
    """Return a default as help writes it."""
    if isinstance(value, float):
        return f"{value:g}" if math.isfinite(value) else str(value)
    return ",".join(value) if isinstance(value, tuple) else str(value)
