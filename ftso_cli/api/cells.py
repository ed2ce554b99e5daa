"""Reading and writing cells, errors that name them, and files that a verb writes to."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ftso_cli import locks, processes, shell
from ftso_cli.errors import FileError, GenotypeError, RunError
from ftso_cli.files import RUN_GENOTYPE
from ftso_cli.genotype import Genotype, library, storage
from ftso_cli.settings.shared import CellLike, run_of

UNNAMED = "the genotype"
"""The name, in errors, of a genotype that is in no file and not published."""


def read(cell: CellLike) -> Genotype:
    """Return the genotype in a file, or the published cell of that name; a genotype is returned as it is.

    Raises `FileError` where it can't be read and `GenotypeError` where it is not valid or there is none.
    """
    return cell if isinstance(cell, Genotype) else library.load_genotype(os.fspath(cell))


def run_folder(cell: CellLike) -> Path | None:
    """Return the run folder of a training that a cell is named by, None for what names a cell otherwise.

    Raises `RunError` for a folder that is none, with the runs in it.
    """
    if (run := run_of(cell)) is None and not isinstance(cell, Genotype) and os.path.isdir(cell):
        from ftso_cli.training.run import runs_inside

        inside = runs_inside(Path(cell), lambda path: run_of(path) is not None)
        instead = "; ftso train makes one; a genotype file or a published name will do too"
        raise RunError(f"{os.fspath(cell)}: is a folder, and no run folder{inside or instead}")
    return run


def read_trained(cell: CellLike) -> Genotype:
    """Return the genotype of a run folder, and otherwise what `read` returns; raises `RunError` for other folders."""
    run = run_folder(cell)
    return read(cell if run is None else run / RUN_GENOTYPE)


def write(genotype: Genotype, file: str | os.PathLike[str]) -> None:
    """Write a genotype file, whole or not at all; raises `FileError` where it can't be written."""
    storage.write_genotype(genotype, Path(file))


def reference_name(cell: CellLike) -> str:
    """Return the name of the cell in an error."""
    if isinstance(cell, Genotype):
        return cell.about.name if cell.about else UNNAMED
    return os.fspath(cell)


def reference_names(cells: Sequence[CellLike]) -> tuple[str, ...]:
    """Return how to call several cells in results and errors; genotypes without a name are numbered."""
    names = map(reference_name, cells)
    return tuple(f"cell {number}" if name == UNNAMED else name for number, name in enumerate(names, 1))


@contextmanager
def error_context(name: str) -> Iterator[None]:
    """Puts the name of the file before a complaint about the genotype in it, and in the commands it proposes."""
    try:
        yield
    except GenotypeError as error:
        text, run, proposed = str(error).partition("; run: ")
        named = proposed if name == UNNAMED else proposed.replace(shell.FILE, shell.argument(name), 1)
        raise GenotypeError(f"{name}: {text}{run}{named}") from None


@contextmanager
def locked_output(output: str | os.PathLike[str] | None) -> Iterator[None]:
    """Keep other commands from writing a genotype to `output` meanwhile; raises `BusyError` where another does.

    Of processes that work together the first holds it.
    """
    mine = output is not None and str(output) != "-" and processes.process_rank().first
    with locks.locked(Path(output) if output is not None and mine else None):
        yield


def check_writable(path: Path) -> None:
    """Raise `FileError` where a result could not be written, so that no long work is done for nothing."""
    folder = Path(os.path.realpath(path)).parent
    if path.is_dir():
        raise FileError(f"{path}: is a folder; give a file name, as in -o {shell.argument(path / 'cell.json')}")
    if not folder.is_dir():
        raise FileError(f"{path}: there is no folder {folder.name}; make it first")
    if not os.access(folder, os.W_OK):
        raise FileError(f"{path}: can't be written, the folder is read-only")
