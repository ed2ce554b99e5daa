"""The published cells that come with ftso, by name; and one way to read a genotype by file or by name."""

import json
import os
import re
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from pathlib import Path

from pydantic import TypeAdapter

from ftso_cli.errors import GenotypeError, short
from ftso_cli.files import RUN_GENOTYPE
from ftso_cli.genotype.schema import About, Genotype
from ftso_cli.genotype.storage import read_genotype

PACKAGE = Path(__file__).parent.parent

SHORTEST = 3
"""Letters; what is shorter is no method's name that several published cells begin with."""


def folder() -> Path:
    """Return the folder of the genotype files: inside an installed package, beside it in a checkout."""
    installed = PACKAGE / "genotypes"
    return installed if installed.is_dir() else PACKAGE.parent / "genotypes"


@cache
def files() -> Mapping[str, Path]:
    """Every published cell's file by its name."""
    return {path.stem: path for path in sorted(folder().glob("*.json"))}


@cache
def aliases() -> Mapping[str, str]:
    """The name of the published cell that each alias means; reads every file."""
    return {alias: name for name, path in files().items() for alias in _aliases(path)}


def _aliases(path: Path) -> list[str]:
    return list(json.loads(path.read_bytes())["about"].get("aliases", ()))


def without_cell() -> list[About]:
    """Return the published networks whose cells nobody has printed as text, the FTSO paper's among them."""
    content = (folder() / "published" / "without_cell.json").read_bytes()
    return TypeAdapter(list[About]).validate_json(content)


def without_cell_called(reference: str) -> About | None:
    """Return the published network that `reference` means if its cell is not printed; else None."""
    return next((about for about in without_cell() if simple(about.name) == simple(reference)), None)


def simple(name: str) -> str:
    """The name without what people spell differently. The method called DARTS- is not DARTS."""
    name = re.sub(r"-$", "minus", name.strip().lower())
    return re.sub(r"[^a-z0-9.]", "", name)


def published_name(reference: str) -> str | None:
    """The name of the published cell that `reference` means, or None. Case, `-`, `_` and blanks don't matter."""
    wanted = simple(reference)
    for name in files():
        if simple(name) == wanted:
            return name
    # Only now, as aliases stand inside the files.
    return next((name for alias, name in aliases().items() if simple(alias) == wanted), None)


def is_name(reference: str) -> bool:
    """Return True where `reference` names a published cell, and no file of that name is here."""
    return not _is_file(reference) and published_name(reference) is not None


def load_genotype(reference: str) -> Genotype:
    """The genotype that `reference` means: a file, `-` for standard input, or the name or alias of a published cell.

    A file comes before a published cell of the same name. Raises what `storage.read` raises, and `GenotypeError`
    for a name that nothing has.
    """
    if reference == "-" or _is_file(reference):
        return read_genotype(Path(reference))
    name = published_name(reference)
    if name is not None:
        return read_genotype(files()[name])
    if os.path.isdir(reference):
        inside = Path(reference, RUN_GENOTYPE)
        hint = f"; its cell is {inside}" if _is_file(str(inside)) else ""
        raise GenotypeError(f"{short(reference)}: is a folder, not a genotype file{hint}")
    raise GenotypeError(_nothing_of_that_name(reference))


def _is_file(reference: str) -> bool:
    """Return True where `reference` can be read: a file or a pipe, not a folder."""
    # Not the methods of Path, which raise for a name that is too long to be one.
    return os.path.exists(reference) and not os.path.isdir(reference)


def _nothing_of_that_name(reference: str) -> str:
    if without_cell_called(reference) is not None:
        return f"{short(reference)}: published as figures only, nobody printed the cell; see ftso genotypes"
    family = [name for name in files() if simple(name).startswith(simple(reference))]
    if len(family) > 1 and len(simple(reference)) >= SHORTEST:
        return f"{short(reference)}: no such file, and several published cells: {', '.join(family)}; name one of them"
    spellings = {simple(name): name for name in (*aliases(), *files())}
    near = get_close_matches(simple(reference), spellings, n=1, cutoff=0.7)
    guess = f", did you mean {spellings[near[0]]}?" if near else ";"
    return f"{short(reference)}: no such file and no published cell of that name{guess} ftso genotypes lists all"
