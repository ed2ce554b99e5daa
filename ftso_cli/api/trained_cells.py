"""Trained cells with their accuracies, from CSV tables and from run folders of trainings.

A table has a row a cell. The cell stands in a column `genotype`, in any format that `ftso import` reads, or in a column
for each kind of cell of its space, with a node as `op~source,op~source` and `|` between nodes. The accuracy stands in
the one column whose name ends in `accuracy`, or in the one that is named.
"""

import csv
import io
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ftso_cli.errors import GenotypeError, RunError, SettingsError, TableError, short
from ftso_cli.files import read_bytes
from ftso_cli.genotype import Genotype, formats, storage
from ftso_cli.genotype.formats.plain import Plain
from ftso_cli.search.evaluators.predictor.fitting import TrainedCells
from ftso_cli.settings.shared import run_of
from ftso_cli.spaces import SPACES, Space
from ftso_cli.training.run import Run, TestResult

SIZE_LIMIT = 64_000_000
"""Bytes of a table."""

MOST_ROWS = 100_000

GENOTYPE = "genotype"

ACCURACY = "accuracy"
"""The end of the name of the column of accuracies."""

OF_STUDY = "stages/train-*/run"
"""The run folders of a study, in its own."""

TEST_ACCURACY = "test_accuracy"
"""The name of a run's accuracy."""


def trained_cells(sources: Sequence[Path], named: str | None = None) -> TrainedCells:
    """Read tables and run folders; `named` is the column of a table that has the accuracy.

    Raises `TableError` with the line that is wrong, `RunError` for a folder without finished trainings, and
    `SettingsError` where the cells are of several spaces.
    """
    folders = [path for path in sources if path.is_dir()]
    parts = [_of_table(path, named) for path in sources if path not in folders]
    if folders:
        parts.append(_of_runs([run for folder in folders for run in _finished_runs(folder)]))
    cells = TrainedCells(
        genotypes=[genotype for part in parts for genotype in part.genotypes],
        accuracies=[accuracy for part in parts for accuracy in part.accuracies],
        target=parts[0].target,
    )
    if len(found := {genotype.space for genotype in cells.genotypes}) > 1:
        raise SettingsError(f"the cells are of several spaces ({', '.join(sorted(found))}); fit one predictor to each")
    return cells


def _in_percent(accuracies: Sequence[float]) -> list[float]:
    """Return accuracies of which none is above 1 as percentages."""
    return [100 * accuracy for accuracy in accuracies] if max(accuracies) <= 1 else list(accuracies)


FinishedRun = tuple[Run, TestResult]


def _finished_runs(folder: Path) -> list[FinishedRun]:
    """The finished trainings of a run folder, of the run folders in a folder, or of a study."""
    places = (folder, *sorted(folder.iterdir()), *sorted(folder.glob(OF_STUDY)))
    runs = [Run(path) for path in places if run_of(path) is not None]
    finished = [(run, result) for run in runs if (result := run.result()) is not None]
    if not finished:
        raise RunError(f"{folder}: holds no finished training; ftso train makes one, or give a CSV table")
    return finished


def _of_runs(finished: Sequence[FinishedRun]) -> TrainedCells:
    """The cells of trainings of one kind, each run once; raises `RunError` where their accuracies can't be compared."""
    finished = list({run.folder.resolve(): (run, result) for run, result in finished}.values())
    first, _ = finished[0]
    for run, _ in finished[1:]:
        if (one := _conditions(run)) != (other := _conditions(first)):
            what = next(name for name in one if one[name] != other[name])
            raise RunError(f"{run.folder} and {first.folder} were trained with different {what}, and can't be compared")
    return TrainedCells(
        genotypes=[run.genotype() for run, _ in finished],
        accuracies=[100 * result.test_accuracy for _, result in finished],
        target=TEST_ACCURACY,
    )


def _conditions(run: Run) -> Mapping[str, object]:
    """Everything that decides the accuracy of a run but the cell and the seed."""
    config = run.config()
    return {
        "images": (os.path.basename(config.data), config.image_size),
        "recipe": config.recipe,
        "start": config.start,
    }


def _of_table(path: Path, named: str | None) -> TrainedCells:
    try:
        text = read_bytes(path, limit=SIZE_LIMIT).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise TableError(f"{path}: is not UTF-8; save it as CSV in UTF-8") from None
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [name.strip() for name in next(lines, [])]
        columns, column = _cell_columns(header), _accuracy_column(header, named)
        rows = list(_rows(lines, header, columns, column))
    except csv.Error as error:
        raise TableError(f"{path}: line {lines.line_num}: is no CSV ({error})") from None
    except TableError as error:
        raise TableError(f"{path}: line {lines.line_num or 1}: {error}") from None
    if not rows:
        raise TableError(f"{path}: has no rows; give one for each trained cell")
    genotypes, accuracies = zip(*rows, strict=True)
    return TrainedCells(genotypes=genotypes, accuracies=_in_percent(accuracies), target=column)


def _cell_columns(header: Sequence[str]) -> Sequence[str]:
    """The columns that a cell stands in."""
    choices = [[GENOTYPE], *([*space.kinds] for space in SPACES.values())]
    for names in choices:
        if all(header.count(name) == 1 for name in names):
            return names
    wanted = ", or ".join(" and ".join(names) for names in choices)
    raise TableError(f"has no columns with cells: {wanted}; its columns are {short(', '.join(header))}")


def _accuracy_column(header: Sequence[str], named: str | None) -> str:
    """The column of accuracies."""
    found = [name for name in header if (name == named if named else name.lower().endswith(ACCURACY))]
    if len(found) == 1:
        return found[0]
    if named:
        raise TableError(f"has {len(found) or 'no'} columns {short(named)}; its columns are {short(', '.join(header))}")
    raise TableError(f"has {len(found) or 'no'} columns whose name ends in {ACCURACY}; name one as the target")


def _rows(
    lines: Iterator[list[str]], header: Sequence[str], columns: Sequence[str], column: str
) -> Iterator[tuple[Genotype, float]]:
    for number, fields in enumerate(lines):
        if not any(fields):
            continue
        if len(fields) != len(header):
            raise TableError(f"has {len(fields)} fields, and the header {len(header)}")
        if number >= MOST_ROWS:
            raise TableError(f"more than {MOST_ROWS:,} rows")
        values = dict(zip(header, fields, strict=True))
        try:
            genotype = _genotype({name: values[name] for name in columns})
        except GenotypeError as error:
            raise TableError(str(error)) from None
        yield genotype, _accuracy(column, values[column])


def _accuracy(column: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 0 <= value <= 100:
        raise TableError(f"{short(column)} is {short(text)}, and an accuracy is a number from 0 to 100")
    return value


def _genotype(texts: Mapping[str, str]) -> Genotype:
    """The cell of a row, from the texts of its columns."""
    if GENOTYPE in texts:
        text = texts[GENOTYPE].strip()
        return (
            storage.parse_genotype(text.encode(), GENOTYPE)
            if '"format"' in text
            else formats.import_genotype_text(text).genotype
        )
    space = next(space for space in SPACES.values() if set(space.kinds) == set(texts))
    if len(texts) == 1 and (only := next(iter(texts.values()))).lstrip().startswith("|"):
        return formats.import_genotype_text(only).genotype
    plain = Plain(space=space)
    for kind, text in texts.items():
        plain.edges[kind] = list(_edges(text, space))
        plain.concat[kind] = sorted({target for _, _, target in plain.edges[kind]})
    return plain.genotype()


def _edges(text: str, space: Space) -> Iterator[tuple[str, int, int]]:
    """The edges (operator, source, target) of a cell that is written node by node."""
    for node, inputs in enumerate(text.split("|"), space.inputs):
        for entry in inputs.split(","):
            op, _, source = entry.strip().partition("~")
            if not (source.isascii() and source.isdigit() and len(source) <= 2):
                raise GenotypeError(f"an edge is written op~source, not {short(entry)}")
            yield op, int(source), node
