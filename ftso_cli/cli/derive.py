"""Commands made of settings classes: a parameter for every option, with its flags, bounds, default and help."""

import dataclasses
import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import typer

from ftso_cli.cli.complete import COMPLETIONS
from ftso_cli.settings.options import (
    FORMER_NAMES,
    Option,
    OptionError,
    Settings,
    default_of,
    format_default,
    options,
    type_of,
)
from ftso_cli.settings.shared import RUN, Recorded

Request = TypeVar("Request", bound=Settings)
Fill = Callable[[dict[str, Any]], None]

CONTEXT = inspect.Parameter("context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)

JSON = inspect.Parameter(
    "as_json",
    inspect.Parameter.KEYWORD_ONLY,
    default=False,
    annotation=Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")],
)


def as_command(
    model: type[Request], *, fill: Fill | None = None
) -> Callable[[Callable[[Request, bool], None]], Callable[..., None]]:
    """Make a command of a function of a request, and of whether its result is printed as JSON.

    The request is made of the options that the command line gives; `fill` may add to them what a command decides
    otherwise than Python does, such as the name of a file.
    """

    def decorate(function: Callable[[Request, bool], None]) -> Callable[..., None]:
        def run(context: typer.Context, *, as_json: bool, **values: Any) -> None:
            given = {name: _plain(value) for name, value in values.items() if _is_given(context, name)}
            if fill is not None:
                fill(given)
            with speaking_of_flags(model):
                function(model(**given), as_json)

        run.__name__, run.__doc__, run.__module__ = function.__name__, function.__doc__, function.__module__
        parameters = [
            CONTEXT,
            *(_parameter(model, name, option) for name, option in _ordered(model)),
            *_former(model),
            JSON,
        ]
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {each.name: each.annotation for each in parameters}
        run.model = model  # type: ignore[attr-defined]
        return run

    return decorate


def _ordered(model: Any) -> list[tuple[str, Option]]:
    """Return the options as help lists them: arguments in the order of the fields, what is required, the rest."""
    fields = list(model.__dataclass_fields__)

    def place(pair: tuple[str, Option]) -> tuple[bool, bool, bool, int]:
        name, option = pair
        given = default_of(model, name) is not dataclasses.MISSING
        return not option.argument, _panel(model, option) == RUN, given, fields.index(name) if option.argument else 0

    return sorted(options(model), key=place)


@contextmanager
def speaking_of_flags(model: Any) -> Iterator[None]:
    """Raise `typer.BadParameter`, which speaks of flags, where a request or its verb raises `OptionError`."""
    try:
        yield
    except OptionError as error:
        raise wrong_use(model, error) from None


def wrong_use(model: Any, error: OptionError) -> typer.BadParameter:
    """Return the error as the command line tells it."""
    declared = dict(options(model))

    def spell(name: str, value: str | None) -> str:
        option = declared.get(name, Option())
        flag = option.metavar or name if option.argument else option.flag(name)
        return flag if value is None else f"{flag} {value}"

    return typer.BadParameter(error.spelled(spell), param_hint=spell(error.option, None))


def _parameter(model: Any, name: str, option: Option) -> inspect.Parameter:
    """Return the parameter of an option, whose default is for its help alone: what is not given is left out."""
    kind, default = _kind(model, name), default_of(model, name)
    required = default is dataclasses.MISSING
    plain = isinstance(default, kind if isinstance(kind, type) else str) and _shown(model, name) is True
    settings: dict[str, Any] = {"help": option.help, "metavar": option.metavar, "show_default": _shown(model, name)}
    settings |= {"min": option.least, "max": option.most} if kind in (int, float) else {}
    settings |= {"autocompletion": COMPLETIONS.get(name)} if kind in (str, list[str]) else {}
    info: Any
    if option.argument:
        info = typer.Argument(**settings | {"show_default": False})
    else:
        flags = [option.spelled or option.flag(name), *([option.short] if option.short else [])]
        info = typer.Option(*flags, rich_help_panel=_panel(model, option), **settings)
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=inspect.Parameter.empty if required else default if plain or default is False else None,
        annotation=Annotated[kind if required or default is False else kind | None, info],
    )


def _former(model: Any) -> Iterator[inspect.Parameter]:
    """Yield a parameter, which help doesn't list, for each option that has had another flag."""
    declared = dict(options(model))
    for former, name in FORMER_NAMES.items():
        if name in declared:
            kind, hidden = _kind(model, name), typer.Option(Option().flag(former), hidden=True)
            yield inspect.Parameter(
                former, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind | None, hidden]
            )


def _panel(model: Any, option: Option) -> str | None:
    """Return the panel of help that an option stands in; a command without a history has none for it."""
    return None if option.panel == RUN and not issubclass(model, Recorded) else option.panel


def _plain(value: Any) -> Any:
    """Return a value without enums, which are Typer's affair."""
    return [str(getattr(each, "value", each)) for each in value] if isinstance(value, list) else value


def _is_given(context: typer.Context, name: str) -> bool:
    """Return True where the command line gives this parameter."""
    source = context.get_parameter_source(name)
    # By its name: typer has a copy of click's sources of its own.
    return source is not None and source.name == "COMMANDLINE"


def _kind(model: Any, name: str) -> Any:
    """Return the type by which the command line reads an option: texts stay texts, to be read by the request."""
    kind, option = type_of(model, name), dict(options(model))[name]
    if option.choices is not None:
        return Literal[tuple(option.choices())]
    if get_origin(kind) is Literal or (kind in (bool, int, float) and not option.written):
        return kind
    parts = get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
    inner = next((get_args(part)[0] for part in parts if get_origin(part) is Sequence), int)
    if inner is int:
        return str
    # Typer takes several values of an enum, but not of a Literal.
    choices = get_args(inner) if get_origin(inner) is Literal else ()
    return list[StrEnum("Choice", [(each, each) for each in choices])] if choices else list[str]  # type: ignore


def _shown(model: Any, name: str) -> str | bool:
    """Return the default as help shows it: the usual one, and where other options change it."""
    option, default = dict(options(model))[name], default_of(model, name)
    if option.shown is not None:
        return option.shown or False
    if default is dataclasses.MISSING or default is None or default is False:
        return False
    variants = {label: table[name] for label, table in model.variants().items() if table.get(name) is not None}
    usual = variants.pop("", default)
    others = [f"{format_default(value)} {label}" for label, value in variants.items() if value != usual]
    return "; ".join([format_default(usual), *others]) if others or usual != default else True
