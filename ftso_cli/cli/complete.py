"""Shell completion of values, once `ftso --install-completion` has run.

Where nothing here begins like the word, the shell goes on with files and folders as it does for any program.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from glob import escape, glob

Complete = Callable[[str], list[str]]
"""From what is typed so far to what it may become."""


def complete_cells(incomplete: str) -> list[str]:
    """Published cells by name, and genotype files."""
    from ftso_cli.genotype import library

    return [*_beginning(library.files(), incomplete), *_files(incomplete)]


def complete_data_sets(incomplete: str) -> list[str]:
    """Sets by name."""
    from ftso_cli.settings.shared import DATA_SETS

    return _beginning(DATA_SETS, incomplete)


def complete_operators(incomplete: str) -> list[str]:
    """Operators; the last of several with commas between."""
    from ftso_cli.spaces import OPERATORS

    *before, last = incomplete.split(",")
    return [",".join([*before, name]) for name in _beginning(OPERATORS, last)]


def complete_scores(incomplete: str) -> list[str]:
    """Return the names of scores; the last of several with commas between."""
    from ftso_cli.settings.evaluation import EVALUATOR_NAMES

    *before, last = incomplete.split(",")
    return [",".join([*before, name]) for name in _beginning(EVALUATOR_NAMES, last)]


def complete_recipes(incomplete: str) -> list[str]:
    """The recipes of a training."""
    from ftso_cli.settings.recipes import RECIPES

    return _beginning(RECIPES, incomplete)


COMPLETIONS: Mapping[str, Complete] = {
    "cell": complete_cells,
    "cells": complete_cells,
    "data": complete_data_sets,
    "evaluate": complete_scores,
    "name": complete_cells,
    "op": complete_operators,
    "ops": complete_operators,
    "recipe": complete_recipes,
    "sources": complete_cells,
}
"""By the name of an option whose value is a text."""


def _beginning(names: Iterable[str], incomplete: str) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]


def _files(incomplete: str) -> list[str]:
    """Genotype files that begin like this; none that would be taken for an option."""
    found = sorted(path for path in glob(escape(incomplete) + "*.json") if os.path.isfile(path))
    return [f"./{path}" if path.startswith("-") else path for path in found]
