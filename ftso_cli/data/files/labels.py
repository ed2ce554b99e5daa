"""A data set as a table of files and their labels: `path,label`, and where it says so `split` and `group`.

Paths are relative to the folder of the table and stay in it. Images of one group come into one part.
"""

import csv
import io
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

import torch

from ftso_cli.data.files.decode import printable_path
from ftso_cli.data.files.folders import Parts, folder_data, with_parts
from ftso_cli.data.files.frames import ImageOptions
from ftso_cli.data.files.layout import PARTS
from ftso_cli.data.files.listing import Files, spelled
from ftso_cli.data.files.skipped_files import SkippedFiles, list_names, with_count
from ftso_cli.data.sources import ImageData
from ftso_cli.errors import DataError, short
from ftso_cli.files import read_bytes

SUFFIXES = (".csv", ".tsv")

DELIMITERS = ",;\t"

NEEDED = ("path", "label")

COLUMNS = (*NEEDED, "split", "group")

LIMIT = 200_000_000
"""Bytes of a table."""

LONGEST = 255
"""Characters of a label, as many as a class folder can have; and of a group."""

LONGEST_PATH = 4000

PART_OF = {name: part for part, names in PARTS.items() for name in names}


@dataclass(frozen=True, kw_only=True)
class LabelRow:
    """A line of a table: a file below its folder, with its label; `part` and `group` may be empty."""

    line: int
    name: str
    label: str
    part: str
    group: str


@dataclass(frozen=True, kw_only=True)
class LabelTable:
    """The rows of a table whose files are there, each file once, and what was passed over."""

    data: str
    folder: Path
    rows: Sequence[LabelRow]
    skipped: SkippedFiles
    remarks: list[str] = field(default_factory=list)

    @property
    def classes(self) -> tuple[str, ...]:
        """The labels, sorted."""
        return tuple(sorted({row.label for row in self.rows}))

    def parts(self) -> dict[str, list[LabelRow]]:
        """The rows by part; all are for training where the table doesn't say."""
        found: dict[str, list[LabelRow]] = {}
        for row in self.rows:
            found.setdefault(row.part or "train", []).append(row)
        return found

    def files(self, rows: Sequence[LabelRow], classes: Sequence[str]) -> Files:
        """The files of rows, sorted by class and name, with the labels of `classes`."""
        label_of = {spelled(name): label for label, name in enumerate(classes)}
        if unknown := [row for row in rows if row.label not in label_of]:
            row = unknown[0]
            raise _wrong(self.data, row.line, f"label {short(row.label)} is not among {list_names(classes)}")
        ordered = sorted((label_of[row.label], row.name) for row in rows)
        labels = torch.tensor([label for label, _ in ordered], dtype=torch.int64)
        return [str(self.folder / name) for _, name in ordered], labels


def is_table(data: str) -> bool:
    """Return True where `data` is called as a table, and is no folder."""
    return data.lower().endswith(SUFFIXES) and not os.path.isdir(os.path.expanduser(data))


def folder_of(data: str) -> Path:
    """The folder that the paths of a table are relative to."""
    return Path(os.path.expanduser(data)).parent


def open_table(data: str, wanted: ImageOptions, validation: float = 0.0) -> ImageData:
    """The data set of the table `data`, laid aside for testing and `validation` as that of a folder is.

    Raises `DataError` for a table that can't be read, contradicts itself, or has no training images of a class.
    """
    table = read_labels(data)
    rows = table.parts()
    if "train" not in rows:
        raise DataError(f"{printable_path(data)}: has no image whose split is train")
    classes = table.classes
    if len(classes) < 2:
        raise DataError(
            f"{printable_path(data)}: has one label, {short(classes[0])}; a network tells two or more apart"
        )
    trained = {row.label for row in rows["train"]}
    if lacking := [name for name in classes if name not in trained]:
        raise DataError(f"{printable_path(data)}: no image of {list_names(lacking)} has the split train")
    files = {part: table.files(of_part, classes) for part, of_part in rows.items()}
    groups = {str(table.folder / row.name): row.group for row in table.rows if row.group}
    come_from = {part: f"those of split {part} in {printable_path(data)}" for part in files}
    parts = with_parts(data, files, come_from, wanted, validation, groups)
    images = folder_data(data, table.folder, classes, wanted, parts, skipped=table.skipped)
    return replace(images, remarks=(*images.remarks, *table.remarks, *_torn(table)))


def open_test_table(data: str, classes: tuple[str, ...], wanted: ImageOptions) -> ImageData:
    """The images of a table for testing a network of these classes: its test part, or validation part, or all of it.

    Raises `DataError` for a label that the network doesn't know.
    """
    table = read_labels(data)
    rows = table.parts()
    part = next((part for part in ("test", "val", "train") if part in rows), "train")
    files = table.files(rows[part], classes)
    parts = Parts(files={"train": files, "test": files}, come_from={"test": printable_path(data)})
    images = folder_data(data, table.folder, classes, wanted, parts, skipped=table.skipped)
    return replace(images, remarks=(*images.remarks, *table.remarks))


def _torn(table: LabelTable) -> Iterator[str]:
    """A remark where the table itself has put images of one group into two parts."""
    parts: dict[str, set[str]] = {}
    for row in table.rows:
        if row.group and row.part:
            parts.setdefault(row.group, set()).add(row.part)
    if torn := [group for group, among in parts.items() if len(among) > 1]:
        groups = f"{with_count(len(torn), 'group')} with images in several splits: {list_names(torn)}"
        yield f"{printable_path(table.data)}: {groups}"


def read_labels(data: str) -> LabelTable:
    """The table in the file `data`; raises `DataError` where it has no header, no rows, or contradicts itself."""
    place = Path(os.path.expanduser(data))
    if not os.path.isfile(place):
        raise DataError(f"{printable_path(data)}: {'is no file' if os.path.exists(place) else 'no such file'}")
    lines, header = _lines(data, read_bytes(place, limit=LIMIT))
    skipped = SkippedFiles()
    skipped.beside.extend(f"column {short(name)}" for name in header if name not in COLUMNS)
    known: dict[str, LabelRow] = {}
    rows: dict[str, LabelRow] = {}
    repeated = 0
    for line, fields in lines:
        row = _row(data, line, dict(zip(header, fields, strict=True)), place.parent)
        if (before := known.setdefault(row.name, row)) is not row:
            _check_same(data, before, row)
            repeated += 1
        elif os.path.isfile(path := place.parent / row.name):
            rows[row.name] = row
        else:
            skipped.broken[str(path)] = f"{printable_path(str(path))}: no such file, line {row.line} of the table"
    remarks = [f"{printable_path(data)}: {with_count(repeated, 'row')} that repeat another"] if repeated else []
    if not rows:
        raise DataError(f"{printable_path(data)}: {_none(known)}")
    split = [row for row in rows.values() if row.part]
    if split and len(split) < len(rows):
        bare = next(row for row in rows.values() if not row.part)
        raise _wrong(data, bare.line, "the split is empty, and other rows have one; give train, val or test")
    return LabelTable(data=data, folder=place.parent, rows=tuple(rows.values()), skipped=skipped, remarks=remarks)


def _none(known: Mapping[str, LabelRow]) -> str:
    if not known:
        return "has no rows; give one an image: path,label"
    files = with_count(len(known), "file")
    return f"none of its {files} is there, as {short(next(iter(known)))}; paths are relative to it"


def _lines(data: str, content: bytes) -> tuple[Iterator[tuple[int, list[str]]], list[str]]:
    """The lines below the header by their number, without empty ones, and the names of the columns."""
    try:
        text = content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError:
        raise DataError(f"{printable_path(data)}: is not UTF-8; save it as CSV in UTF-8") from None
    head = text.lstrip("\n").partition("\n")[0]
    for delimiter in DELIMITERS:
        header = [name.strip().lower() for name in _header(head, delimiter)]
        if set(NEEDED) <= set(header):
            break
    else:
        raise DataError(
            f"{printable_path(data)}: its first line has no columns path and label, but {short(head.strip())}"
        )
    if twice := [name for name in COLUMNS if header.count(name) > 1]:
        raise DataError(f"{printable_path(data)}: has two columns {twice[0]}")
    return _read(data, text, delimiter, len(header)), header


def _header(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return []


def _read(data: str, text: str, delimiter: str, width: int) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text), delimiter=delimiter, strict=True)
    headed = False
    try:
        for fields in reader:
            if not any(map(str.strip, fields)):
                continue
            if headed and len(fields) != width:
                raise _wrong(data, reader.line_num, f"{with_count(len(fields), 'field')}, and the header has {width}")
            if headed:
                yield reader.line_num, fields
            headed = True
    except csv.Error as error:
        raise _wrong(data, reader.line_num, str(error)) from None


def _row(data: str, line: int, fields: Mapping[str, str], folder: Path) -> LabelRow:
    values = {name: fields.get(name, "").strip() for name in COLUMNS}
    for name, value in values.items():
        if name in NEEDED and not value:
            raise _wrong(data, line, f"the {name} is empty")
        most = LONGEST_PATH if name == "path" else LONGEST
        if len(value) > most or (name != "path" and not value.isprintable()):
            raise _wrong(data, line, f"the {name} {short(value)} is longer than {most} characters, or not printable")
    part = PART_OF.get(values["split"].lower(), "")
    if values["split"] and not part:
        raise _wrong(data, line, f"split is {short(values['split'])}; give train, val or test")
    name = _below(data, line, values["path"], folder)
    return LabelRow(line=line, name=name, label=spelled(values["label"]), part=part, group=values["group"])


def _below(data: str, line: int, text: str, folder: Path) -> str:
    """A path of a table with slashes, below its folder; backslashes are those of Windows where no file has them."""
    if "\\" in text and not os.path.lexists(folder / text):
        text = text.replace("\\", "/")
    path = PurePosixPath(text)
    if path.is_absolute() or ".." in path.parts or not path.parts or "\0" in text or text[1:3] == ":/":
        raise _wrong(data, line, f"{short(text)} leads out of the folder of the table; give a path below it")
    return str(path)


def _check_same(data: str, before: LabelRow, row: LabelRow) -> None:
    """Raise `DataError` where two rows tell differently of one file."""
    for what in ("label", "part", "group"):
        first, second = getattr(before, what), getattr(row, what)
        if first != second:
            name = "split" if what == "part" else what
            raise DataError(
                f"{printable_path(data)}: {short(row.name)} has {name} {short(first)} in line {before.line} and "
                f"{short(second)} in line {row.line}"
            )


def _wrong(data: str, line: int, text: str) -> DataError:
    return DataError(f"{printable_path(data)}, line {line}: {text}")
