"""The commands that a trial is made of, and how their options are checked before anything runs."""

from collections.abc import Mapping
from typing import Any

from ftso_cli.errors import SettingsError, SpaceError, unknown
from ftso_cli.settings.options import OptionError, options
from ftso_cli.settings.recipes import AUTO
from ftso_cli.settings.requests.edits import AssignRequest, PruneRequest
from ftso_cli.settings.requests.search import SearchBaseline
from ftso_cli.settings.requests.search_ops import SearchOperators
from ftso_cli.settings.requests.search_topology import SearchTopology
from ftso_cli.settings.requests.tables import QueryRequest
from ftso_cli.settings.requests.train import TrainRequest
from ftso_cli.spaces import OPERATORS, operator
from ftso_cli.spaces.nats import DATA_SETS

Options = Mapping[str, Any]

STAGES: Mapping[str, Any] = {
    "search": SearchBaseline,
    "search-topology": SearchTopology,
    "prune": PruneRequest,
    "assign-ops": AssignRequest,
    "search-ops": SearchOperators,
    "train": TrainRequest,
    "query": QueryRequest,
}
"""The settings of each command, in the order in which a trial runs them."""

EARLIER = STAGES.keys() - {"train", "query"}
"""The stages that find a cell, or change it."""

COMMON = ("data", "image_size", "device", "seed")
"""Options that stages have from the study, where they don't have their own."""

OF = "of"
"""An option of `query` in studies alone: which data set of the table is the trial's accuracy."""

RETIRED = ("trust_pickle",)
"""Options that a study file may not give any more: kept studies that have them are read, and do without."""

UNDECIDING = ("device", "workers", "save_every", "tensorboard")
"""Options that leave the result of a stage as it is: with others, its work is the same."""

ALTERNATIVES = (("cell", "search", "search-topology"), ("assign-ops", "search-ops"), ("train", "query"))
"""Groups of which a trial has one member: a setting that names one replaces the study's other."""

EITHER = ("iters", "epochs")
"""A setting that gives one of these takes the place of the study's other, too."""


def known(name: str) -> tuple[str, ...]:
    """Return the options that a study may give to a stage; those it may have from the study come last."""
    found = [option for option, declared in options(STAGES[name]) if declared.in_studies and not declared.argument]
    own = [option for option in found if option not in COMMON] + ([OF, *RETIRED] if name == "query" else [])
    return (*own, *(option for option in COMMON if option in found))


def shared(name: str) -> tuple[str, ...]:
    """Return which options of `COMMON` a stage has."""
    return tuple(option for option in known(name) if option in COMMON)


def chooses_network(pipeline: Options) -> bool:
    """Return whether a trial is a training alone that chooses its network."""
    train = pipeline.get("train")
    return isinstance(train, dict) and train.get("recipe", AUTO) == AUTO and not pipeline.keys() & EARLIER


def check(name: str, given: Options, *, cell: bool = True) -> None:
    """Check the options of a stage as its command does; raises `SettingsError`, in the words of a study."""
    try:
        for option in given:
            if option not in known(name):
                raise SettingsError(unknown("option", dashed(option), map(dashed, known(name))))
        request_of(name, given, cell=cell)
        _check_more(name, given)
    except OptionError as error:
        raise SettingsError(f"{name}: {dashed(error.option)}: {error.spelled(_as_written)}") from None
    except (SettingsError, SpaceError) as error:
        raise SettingsError(f"{name}: {error}") from None


def request_of(name: str, given: Options, *, cell: bool = True) -> Any:
    """Return the request of a stage, whose cell is another stage's affair, or with `cell` False its own."""
    values = {option: tuple(value) if isinstance(value, list) else value for option, value in given.items()}
    model = STAGES[name]
    of_other = {"cell": "cell.json"} if cell and "cell" in dict(options(model)) else {}
    return model(**of_other, **{option: value for option, value in values.items() if option not in (OF, *RETIRED)})


def _check_more(name: str, given: Options) -> None:
    """Check what a command finds out when it has read its cell or its table."""
    if name == "query" and given.get(OF, "cifar10") not in tuple(DATA_SETS):  # of a file: it may be a list
        raise SettingsError(unknown("data set of the table", str(given[OF]), DATA_SETS))
    if name == "assign-ops" and given.get("op") not in (None, "random"):
        operator(given["op"], tuple(OPERATORS))


def _as_written(option: str, value: str | None) -> str:
    return dashed(option) if value is None else f"{dashed(option)} = '{value}'"


def dashed(option: str) -> str:
    """Return an option as the command line writes it, without its dashes in front."""
    return option.replace("_", "-")


def keeps_history(name: str, given: Options) -> bool:
    """Return whether a stage keeps losses, α and β over time, and can be taken up in the middle."""
    return bool(getattr(request_of(name, given), "keeps_history", False))


def takes_seed(name: str, given: Options, *, cell: bool = True) -> bool:
    """Return whether the seed of a trial decides anything of a stage: an ensemble has seeds of its own."""
    return bool(getattr(request_of(name, given, cell=cell), "takes_seed", False))


def flags(name: str, given: Options) -> list[str]:
    """Return the options of a stage as words of its command line."""
    declared = dict(options(STAGES[name]))
    words = []
    for option, value in given.items():
        if option in (OF, *RETIRED):
            continue
        on, _, off = (declared[option].spelled or declared[option].flag(option)).partition("/")
        if isinstance(value, bool):
            words += [on] if value else [off] if off else []
        else:
            words += [on, ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)]
    return words
