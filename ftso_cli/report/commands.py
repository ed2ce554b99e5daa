"""The history of a genotype as commands that do the same again, in the folder of its file.

Whoever wrote the file chose what stands in its history: only commands of ftso are shown, and no value becomes an option
or a second command. A page is sent to others, so a path is no absolute one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ftso_cli import shell
from ftso_cli.files import RUN_GENOTYPE
from ftso_cli.genotype import Genotype, Step
from ftso_cli.report.run.trained import TrainedRun
from ftso_cli.settings.options import options, present_names
from ftso_cli.settings.recipes import AUTO, RECIPES, Recipe
from ftso_cli.settings.requests.edits import AssignRequest, PruneRequest
from ftso_cli.settings.requests.search import SearchBaseline
from ftso_cli.settings.requests.search_ops import SearchOperators
from ftso_cli.settings.requests.search_topology import SearchTopology
from ftso_cli.settings.requests.train import CHOSEN
from ftso_cli.texts import last_name

MODELS: Mapping[str, Any] = {
    "search-topology": SearchTopology,
    "race": SearchTopology,
    "search-ops": SearchOperators,
    "capacity": SearchOperators,
    "search": SearchBaseline,
    "prune": PruneRequest,
    "assign-ops": AssignRequest,
}
"""The options of the commands that write steps. Of a step's record, what is no option can't be asked for otherwise."""

OF_IMPORT = ("format", "dialect", "pick")

VERBS = ("search-topology", "search-ops", "search", "prune", "assign-ops", "import")
"""The commands that write steps."""

_STOPPED = "stopped at iteration"
"""The start of the note of a search that --early-stop ended."""


def commands(genotype: Genotype, file: str) -> tuple[str, ...]:
    """A command for each step of the history, "" for one that is none of ftso's.

    They write a file beside `file` in turn: nothing is written over.
    """
    again = str(Path(last_name(file)).with_name(f"{Path(file).stem}-again.json"))
    return tuple(_command(genotype, step, again) if step.command in VERBS else "" for step in genotype.history)


def train_command(training: TrainedRun) -> str:
    """The command that trains the same again."""
    config = training.config
    name = min(RECIPES, key=lambda name: len(_overruled(config.recipe, name)))
    options = {"data": last_name(config.data), "recipe": name, **_overruled(config.recipe, name)}
    height, width = config.image_size
    options["image_size"] = height if height == width else f"{height}x{width}"
    options |= {"resize": config.resize} if config.resize != "crop" else {}
    options |= {"from": last_name(config.start.run)} if config.start is not None else {}
    options |= {"nested": True} if config.nested else {}
    options |= {"fold": "/".join(map(str, config.fold))} if config.fold is not None else {}
    options |= {"seed": config.seed, "precision": config.precision}
    cell = Path(last_name(str(training.folder))) / RUN_GENOTYPE
    mirrored = False if config.flip is False and config.data != "digits" else None
    return shell.command_line("train", cell, **options, compile=config.compile or None, flip=mirrored)


def _overruled(recipe: Recipe, name: str) -> dict[str, Any]:
    """The values in which a recipe differs from the one called `name`, or that auto would choose anew.

    With an augmentation comes its cutout.
    """
    values, base = asdict(recipe), RECIPES[name]
    differing = {option for option, value in values.items() if value != getattr(base, option)}
    if "augmentation" in differing:
        differing.add("cutout")
    if name == AUTO:
        differing |= {*CHOSEN, "balance", "keep"}
    return {option: value for option, value in values.items() if option in differing}


def _command(genotype: Genotype, step: Step, file: str) -> str:
    settings = present_names(step.settings)
    edits = step.command in ("prune", "assign-ops", "search-ops")
    start = settings.get("wiring") or (file if edits else None)
    arguments = [] if start is None else [last_name(str(start))]
    words = [shell.command_line(step.command, *arguments, *["TEXT"] * (step.command == "import"))]
    words += [shell.option(name, value) for name, value in _options(genotype, step, settings)]
    return " ".join(words if start == file else [*words, f"-o {shell.argument(file)}"])


def _options(genotype: Genotype, step: Step, settings: Mapping[str, Any]) -> list[tuple[str, Any]]:
    kind = step.command
    if settings.get("rank") == "race":
        kind = "race"
    elif settings.get("strategy") == "capacity":
        kind = "capacity"
    given: list[tuple[str, Any]] = [("data", last_name(step.data))] if step.data is not None else []
    given += [(name, settings[name]) for name in _names(kind) if _can_be_given(name, settings.get(name))]
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


def _names(kind: str) -> list[str]:
    """The names that the options of a command have in a record."""
    if kind == "import":
        return list(OF_IMPORT)
    # The steps of a race are its budget; a short training has an option of this name.
    names = [name for name, _ in options(MODELS[kind]) if (kind, name) != ("race", "steps")]
    return ["ops" if name == "op" and kind == "search-topology" else name for name in names]


def _can_be_given(name: str, value: Any) -> bool:
    """Return True where an option takes this value; the shared engine is the default and has no name."""
    return value is not None and name != "image_size" and not (name == "engine" and value == "shared")


def _ranges(seeds: Sequence[int]) -> str:
    """Seeds as --seeds takes them: 0-15, or 3,5,8."""
    if len(seeds) > 1 and list(seeds) == list(range(seeds[0], seeds[0] + len(seeds))):
        return f"{seeds[0]}-{seeds[-1]}"
    return ",".join(map(str, seeds))
