"""Turning a class of settings into a function: its fields are the keywords, checked when it is called."""

import functools
import inspect
from collections.abc import Callable
from typing import Any, ParamSpec, Protocol, TypeVar, cast, get_args, get_origin, get_type_hints

P = ParamSpec("P")
Request = TypeVar("Request")
Result = TypeVar("Result")
Taken = TypeVar("Taken", contravariant=True)
Given = TypeVar("Given", covariant=True)


class Verb(Protocol[P, Taken, Given]):
    """A function of keywords, which commands call with a request."""

    def __call__(self, *args: P.args, **keywords: P.kwargs) -> Given:
        """Do what the keywords ask for."""

    def run(self, request: Taken, /) -> Given:
        """Do what a request asks for."""


def verb(model: Callable[P, Request]) -> Callable[[Callable[[Request], Result]], Verb[P, Request, Result]]:
    """Give a function of a request the signature of the request's class.

    `@verb(Pruning) def prune(request)` is called as `prune(cell, keep=3)`; types and defaults are those of the fields.
    Commands have a request already: `prune.run(request)`.
    """

    def decorate(function: Callable[[Request], Result]) -> Verb[P, Request, Result]:
        @functools.wraps(function)
        def call(*args: P.args, **keywords: P.kwargs) -> Result:
            return function(model(*args, **keywords))

        call.__signature__ = _signature(model, function)  # type: ignore[attr-defined]
        call.__annotations__ = {}
        call.run = function  # type: ignore[attr-defined]
        return cast(Verb[P, Request, Result], call)

    return decorate


def _signature(model: Any, function: Callable[..., Any]) -> inspect.Signature:
    """Return the signature of the class, with plain types, that returns what the function does."""
    hints = get_type_hints(model)
    made = inspect.signature(model)
    parameters = [
        parameter.replace(annotation=_plain(hints.get(name, parameter.annotation)))
        for name, parameter in made.parameters.items()
    ]
    return made.replace(parameters=parameters, return_annotation=inspect.signature(function).return_annotation)


def _plain(hint: Any) -> Any:
    """Return a type without what is annotated to it."""
    return get_args(hint)[0] if get_origin(hint) is not None and hasattr(hint, "__metadata__") else hint
