"""The published cells that come with ftso, by name; and one way to read a genotype by file or by name."""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from ftso_cli.errors import GenotypeError, short
from ftso_cli.genotype.schema import Genotype
from ftso_cli.genotype.storage import read

PACKAGE = Path(__file__).parent.parent


def folder() -> Path:
    """Where the genotype files are: inside an installed package, beside it in a checkout."""
    installed = PACKAGE / "genotypes"
    return installed if installed.is_dir() else PACKAGE.parent / "genotypes"


@cache
def files() -> Mapping[str, Path]:
    """Every published cell's file by its name."""
    return {path.stem: path for path in sorted(folder().glob("*.json"))}


def is_name(reference: str) -> bool:
    """Whether `reference` means a published cell: it names one, and no file of that name is here."""
    return not Path(reference).exists() and _simple(reference) in {_simple(name) for name in files()}


def load(reference: str) -> Genotype:
    """The genotype that `reference` means: a file, `-` for standard input, or the name of a published cell.

    A file comes before a published cell of the same name. Case, - and _ in names don't matter.
    """
    if reference == "-" or Path(reference).exists():
        return read(Path(reference))
    for name, path in files().items():
        if _simple(name) == _simple(reference):
            return read(path)
    raise GenotypeError(
        f"{short(reference)}: no such file and no published cell of that name (ftso genotypes lists them)"
    )


def _simple(name: str) -> str:
    return re.sub(r"[^a-z0-9.]", "", name.lower())
