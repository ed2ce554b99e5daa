"""The history of a genotype as commands that do the same again."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from shlex import quote
from typing import Any

from ftso_cli.genotype import Genotype, Step
from ftso_cli.report.trained import Training
from ftso_cli.training.recipes import RECIPES, Recipe

_SEARCH = ("ops", "iters", "epochs", "channels", "cells", "batch_size", "weight_rate", "arch_rate", "warmup")
_SHARES = ("weight_share", "arch_share")
_SHORT = ("channels", "cells", "batch_size", "weight_rate")

OPTIONS: Mapping[str, tuple[str, ...]] = {
    "search-topology": ("space", "rank", "nodes", *_SEARCH, "partial", *_SHARES, "engine"),
    "race": ("rank", "op", "nodes", *_SHORT),
    "search-ops": (*_SEARCH, "partial", *_SHARES),
    "capacity": ("strategy", "ops", *_SHORT, "score", "slack", "steps", "inits"),
    "search": ("method", "space", "nodes", *_SEARCH, "samples", *_SHARES),
    "prune": ("keep", "at"),
    "assign-ops": ("op", "map", "seed"),
    "import": ("format", "dialect", "pick"),
}
"""The settings in a step's record that are options of its command; the others can't be asked for otherwise."""

_STOPPED = "stopped at iteration"
"""How the note of a search begins that --early-stop ended."""


def commands(genotype: Genotype, file: str) -> tuple[str, ...]:
    """A command for each step of the history, which write a file beside `file` in turn: nothing is written over."""
    again = str(Path(file).with_name(f"{Path(file).stem}-again.json"))
    return tuple(_command(genotype, step, again) for step in genotype.history)


def train_command(training: Training) -> str:
    """The command that trains the same again."""
    config = training.config
    name = min(RECIPES, key=lambda name: len(_overruled(config.recipe, RECIPES[name])))
    options = {"data": config.data, "recipe": name, **_overruled(config.recipe, RECIPES[name])}
    if config.image_size[0] == config.image_size[1]:
        options["image_size"] = config.image_size[0]
    options |= {"seed": config.seed, "precision": config.precision}
    flags = [" --compile"] if config.compile else []
    flags += [" --no-flip"] if config.flip is False and config.data != "digits" else []
    cell = quote(str(training.folder / "genotype.json"))
    return f"ftso train {cell}" + "".join(_option(name, value) for name, value in options.items()) + "".join(flags)


def _overruled(recipe: Recipe, base: Recipe) -> dict[str, Any]:
    """The values in which a recipe differs from another."""
    names = [field.name for field in fields(Recipe)]
    return {name: getattr(recipe, name) for name in names if getattr(recipe, name) != getattr(base, name)}


def _command(genotype: Genotype, step: Step, file: str) -> str:
    settings = dict(step.settings)
    edits = step.command in ("prune", "assign-ops", "search-ops")
    start = settings.get("wiring") or (file if edits else None)
    words = ["ftso", step.command] + ([] if start is None else [quote(str(start))])
    if step.command == "import":
        words.append("TEXT")
    output = "" if start == file else f" -o {quote(file)}"
    return " ".join(words) + "".join(_option(*pair) for pair in _options(genotype, step, settings)) + output


def _options(genotype: Genotype, step: Step, settings: Mapping[str, Any]) -> list[tuple[str, Any]]:
    kind = step.command
    if settings.get("rank") == "race":
        kind = "race"
    elif settings.get("strategy") == "capacity":
        kind = "capacity"
    given: list[tuple[str, Any]] = [("data", step.data)] if step.data is not None else []
    given += [(name, settings[name]) for name in OPTIONS.get(kind, ()) if _can_be_given(name, settings.get(name))]
    if kind == "race":
        given.append(("budget", settings["steps"] if "steps" in settings else f"{settings.get('seconds')}s"))
    if settings.get("stem") == "imagenet":
        given.append(("recipe", "imagenet"))
    size = settings.get("image_size")
    if isinstance(size, list) and len(size) == 2 and size[0] == size[1]:
        given.append(("image_size", size[0]))
    if any(note.startswith(_STOPPED) for note in step.notes):
        given.append(("early_stop", "eigenvalue"))
    if step.seed is not None:
        given.append(("seed", step.seed))
    elif kind == "search-topology" and genotype.ensemble is not None:
        given.append(("seeds", _ranges(genotype.ensemble.seeds)))
    return [("op" if kind == "search-topology" and name == "ops" else name, value) for name, value in given]


def _can_be_given(name: str, value: Any) -> bool:
    """Whether an option has this value; the engine that shares work between edges is the default and has no name."""
    return value is not None and not (name == "engine" and value == "shared")


def _option(name: str, value: Any) -> str:
    text = ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return f" --{name.replace('_', '-')} {quote(text)}"


def _ranges(seeds: Sequence[int]) -> str:
    """Seeds as --seeds takes them: 0-15, or 3,5,8."""
    if len(seeds) > 1 and list(seeds) == list(range(seeds[0], seeds[0] + len(seeds))):
        return f"{seeds[0]}-{seeds[-1]}"
    return ",".join(map(str, seeds))
