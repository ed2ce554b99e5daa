"""Show functions made by `ftso_cli.api.verbs.verb` as they are called: positional arguments, then the options."""

import importlib
import inspect
from typing import Any

import griffe


class VerbSignatures(griffe.Extension):
    """Give a function with the decorator `verb` the arguments of its settings, in place of its request."""

    def on_function(self, *, func: griffe.Function, **_: Any) -> None:
        """Replace the parameters."""
        if not any(str(decorator.value).startswith("verb(") for decorator in func.decorators):
            return
        real = inspect.signature(getattr(importlib.import_module(func.module.path), func.name)).parameters.values()
        shown = [
            griffe.Parameter(
                parameter.name,
                kind=griffe.ParameterKind.positional_or_keyword,
                default=None if parameter.default is parameter.empty else repr(parameter.default),
            )
            for parameter in real
            if parameter.kind is parameter.POSITIONAL_OR_KEYWORD
        ]
        shown.append(griffe.Parameter("options", kind=griffe.ParameterKind.var_keyword))
        func.parameters = griffe.Parameters(*shown)
