"""What cells and data may be given as, and errors that name the cell."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ftso_cli import shell
from ftso_cli.errors import GenotypeError
from ftso_cli.genotype import Genotype, library, storage

CellLike = Genotype | str | os.PathLike[str]
"""A genotype, the path of its file, or the name of a published cell."""

Data = str | os.PathLike[str]
"""The name of a data set, or a folder of images in class folders."""

DEFAULT_DATA = "digits"
"""The data set that needs no download."""


UNNAMED = "the genotype"
"""How a genotype that is in no file, and was not published, is called in an error."""


def read(cell: CellLike) -> Genotype:
    """The genotype in a file, or the published cell of that name; a genotype is given back as it is.

    Raises `FileError` where it can't be read and `GenotypeError` where it is not valid or there is none.
    """
    return cell if isinstance(cell, Genotype) else library.load(os.fspath(cell))


def write(genotype: Genotype, file: str | os.PathLike[str]) -> None:
    """Writes the genotype file, whole or not at all; raises `FileError` where it can't be written."""
    storage.write(genotype, Path(file))


def name_of(cell: CellLike) -> str:
    """How to call the cell in an error."""
    if isinstance(cell, Genotype):
        return cell.about.name if cell.about else UNNAMED
    return os.fspath(cell)


@contextmanager
def about_file(name: str) -> Iterator[None]:
    """Puts the name of the file before a complaint about the genotype in it, and in the commands it proposes."""
    try:
        yield
    except GenotypeError as error:
        text, run, proposed = str(error).partition("; run: ")
        named = proposed if name == UNNAMED else proposed.replace(shell.FILE, shell.argument(name), 1)
        raise GenotypeError(f"{name}: {text}{run}{named}") from None
