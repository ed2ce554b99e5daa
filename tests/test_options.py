"""An option is declared once: commands and Python functions have the same, and no part of the package repeats them."""

import ast
import inspect
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from importlib import import_module
from typing import Any, get_args

import pytest

import ftso_cli
from ftso_cli.api.library import COLUMNS
from ftso_cli.cli.app import COMMANDS
from ftso_cli.settings.options import FORMER_NAMES, options
from ftso_cli.settings.requests.library import ColumnName
from tests.test_structure import PACKAGE, parsed

CALLS: Mapping[str, Callable[..., Any]] = {
    call: function for name, entry in COMMANDS.items() for call, function in entry.functions(name).items()
}
"""The function behind every command, by what is typed."""

FUNCTIONS: Mapping[str, tuple[str, ...]] = {
    "assign-ops": ("assign_operators",),
    "cost": ("cost", "formulas"),
    "doctor": ("examine",),
    "import": ("import_genotype",),
    "report": ("write_report",),
    "score": ("score", "fit_predictor"),
    "search": ("search_baseline",),
    "search-ops": ("search_operators",),
    "sweep results": ("study_results",),
    "sweep run": ("run_study",),
    "sweep status": ("study_status",),
}
"""The Python functions of commands that are not called as these."""

COMMAND_ONLY: Mapping[str, set[str]] = {
    # Python draws one cell at a time, wherever it likes to.
    "draw": {"cells", "out_dir", "terminal"},
    # How a result is printed; a comprehension over `formulas`; `ftso_cli.latency` measures.
    "cost": {"by_stage", "sweep", "latency"},
    # `ftso_cli.read` gives one cell, `Genotype.model_json_schema` the schema.
    "genotypes": {"action", "name", "schema"},
    # `ftso_cli.studies.presets.names` lists them.
    "sweep run": {"presets"},
}
"""The options that a command has beside its Python function."""

PYTHON_ONLY: Mapping[str, set[str]] = {"draw": {"cell"}}


@pytest.mark.parametrize("call", CALLS)
def test_a_command_has_the_options_of_its_python_function(call: str) -> None:
    model = CALLS[call].model  # type: ignore[attr-defined]
    names = FUNCTIONS.get(call, (call.replace("-", "_"),))
    parameters = {name for each in names for name in inspect.signature(getattr(ftso_cli, each)).parameters}
    declared = {name for name, _ in options(model)}
    # Hyper-parameters that have no flag, and the progress that Python is told of.
    undeclared = {field.name for field in fields(model)} - declared
    assert declared - COMMAND_ONLY.get(call, set()) == parameters - undeclared - PYTHON_ONLY.get(call, set())


@pytest.mark.parametrize("call", CALLS)
def test_a_command_has_no_parameter_but_its_options_and_json(call: str) -> None:
    declared = [name for name, _ in options(CALLS[call].model)]  # type: ignore[attr-defined]
    declared += [former for former, name in FORMER_NAMES.items() if name in declared]
    assert sorted(inspect.signature(CALLS[call]).parameters) == sorted(["context", *declared, "as_json"])


def test_every_function_of_the_package_is_documented_by_its_keywords() -> None:
    for name in ftso_cli.__all__:
        function = getattr(ftso_cli, name)
        if inspect.isfunction(function):
            assert inspect.getdoc(function)
            assert "args" not in inspect.signature(function).parameters


# Statements

PARTS = ("settings", "api", "cli", "studies")

HANDED_ON: Mapping[str, str] = {
    "cell": "a genotype by name or content, an edge's cell, a network's",
    "cells": "several genotypes; the number of cells of a network",
    "classes": "the classes of images, told by a network; their number in a cost",
    "config": "the settings of a training; the file that they are read from",
    "csv": "a row for each trial of a study, for each image that is told; handed on",
    "data": "images to search and train on; to test on; those of a study",
    "device": "a name, and the torch.device that it means",
    "epochs": "those of a search, of a training, and the last of a row of metrics",
    "figure": "a picture of a study, and how it is drawn",
    "flip": "asked for, in a config file, and what a set of images allows",
    "folder": "that of a study, and of everything else",
    "format": "of a picture, of a genotype to be read, to be written",
    "full": "a study's size; a super-net with all its operators",
    "image_channels": "of a cost, in a config file, of the network for a set of images",
    "image_size": "a side, a height and width, in a config file, in a study file, in a cost",
    "images": "files to predict, and sets of images",
    "keep": "edges of a node, and whether a history is kept",
    "method": "of a search at once, and the rows of Table 2",
    "name": "of a cell, and of everything else",
    "nodes": "of a search, of a race, of a method",
    "op": "of a search, of a race, of an assignment",
    "ops": "candidates, with other defaults in every search",
    "operations": "asked for, and measured ones of a table",
    "output": "a genotype, a run folder, a page, a picture, a ledger, a study",
    "rank": "what edges are ranked by; the rank of a column in a table",
    "recipe": "of a search, of a training, in a config file",
    "resume": "a switch of searches, a folder of a training; handed on to ensembles and races",
    "run": "a history to write, to read, a trained network",
    "runs": "batches that are timed; searches of a row",
    "score": "a training-free score, a test of a network, a row of a table",
    "search": "of a training, for better operators; a search that is carried out",
    "save_every": "of searches, of a training, in a config file",
    "seed": "of one search, one training, one trial",
    "seeds": "of an ensemble, of a study, of Table 2",
    "setting": "the network of a cost; a row of a study",
    "space": "a name, and what it means",
    "start": "a run whose network is trained on, its weights, when a wiring was searched",
    "steps": "of a race, of a short training, of a capacity search",
    "stem": "of a search, of a race, of a recipe",
    "batch_size": "of searches, of a recipe, of a measurement",
    "channels": "of searches, of a recipe, of a cost",
    "storage": "the database of a study, and of a report on one",
    "study": "a file or preset, and the study that it holds",
    "table": "a file, and the table that is read from it",
    "title": "of a page, a picture, a progress bar, a study",
    "trust_pickle": "the user's word, handed on to the processes of a study",
    "width": "of a feature map, of a terminal, of a figure",
    "workers": "of an ensemble, of a race, of a study",
}
"""Names that stand for several things, or whose value is handed on as what it means."""


def statements() -> Counter[str]:
    """How often each option is stated: as a field, or as a parameter, with its type."""
    names = {name for function in CALLS.values() for name, _ in options(function.model)}  # type: ignore[attr-defined]
    found: Counter[str] = Counter()
    for path in (path for part in PARTS for path in (PACKAGE / part).rglob("*.py")):
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.ClassDef):
                targets = [each.target for each in node.body if isinstance(each, ast.AnnAssign)]
                found.update(target.id for target in targets if isinstance(target, ast.Name) and target.id in names)
            if isinstance(node, ast.FunctionDef):
                found.update(each.arg for each in (*node.args.args, *node.args.kwonlyargs) if each.arg in names)
    return found


def test_an_option_is_stated_at_most_twice() -> None:
    assert {name: count for name, count in statements().items() if count > 2 and name not in HANDED_ON} == {}


def test_the_same_option_is_declared_by_at_most_two_classes_of_settings() -> None:
    declared: dict[tuple[str, str], set[str]] = {}
    for module in (
        import_module(f"ftso_cli.settings.{path.stem}") for path in (PACKAGE / "settings").glob("[a-z]*.py")
    ):
        for model in (each for each in vars(module).values() if isinstance(each, type) and is_dataclass(each)):
            own = vars(model).get("__annotations__", {})
            for name, option in options(model):
                if name in own:
                    declared.setdefault((name, option.help), set()).add(model.__qualname__)
    assert {name: models for (name, _), models in declared.items() if len(models) > 2} == {}


def test_only_names_that_are_stated_more_than_twice_are_excused() -> None:
    found = statements()
    assert sorted(name for name in HANDED_ON if found[name] <= 2) == []


def test_every_option_is_stated_in_the_settings() -> None:
    declared: Counter[str] = Counter()
    for path in (PACKAGE / "settings").rglob("*.py"):
        classes = [node for node in ast.walk(parsed(path)) if isinstance(node, ast.ClassDef)]
        fields_ = [each.target for node in classes for each in node.body if isinstance(each, ast.AnnAssign)]
        declared.update(target.id for target in fields_ if isinstance(target, ast.Name))
    names = {name for function in CALLS.values() for name, _ in options(function.model)}  # type: ignore[attr-defined]
    assert names - set(declared) == set()


def test_the_columns_to_sort_by_are_those_of_the_table() -> None:
    assert get_args(ColumnName) == tuple(COLUMNS)
