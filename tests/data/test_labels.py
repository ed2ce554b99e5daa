"""Data sets as tables of files and labels: what they may say, what is refused, what stays together."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from ftso_cli.data import ImageData, open_images, open_tests, record_of
from ftso_cli.data.files.frames import ImageOptions
from ftso_cli.data.record import recorded_data
from ftso_cli.data.sources import ImageSource
from ftso_cli.data.splits import hold_out
from ftso_cli.errors import DataError, FileError, FtsoError
from tests.data.images import write_image


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """20 images in one folder, of which the even ones are cats."""
    for number in range(20):
        write_image(tmp_path / f"photos/{number:02}.png", number)
    return tmp_path


def label(number: int) -> str:
    return "dog" if number % 2 else "cat"


def write(folder: Path, *lines: str, name: str = "labels.csv", encoding: str = "utf-8") -> str:
    (folder / name).write_bytes("\n".join([*lines, ""]).encode(encoding))
    return str(folder / name)


def rows(delimiter: str = ",", more: str = "", count: int = 20) -> list[str]:
    return [delimiter.join([f"photos/{n:02}.png", label(n)]) + more for n in range(count)]


def refusal(data: str, **options: float) -> str:
    with pytest.raises(DataError) as caught:
        open_images(data, **options)
    assert "\n" not in str(caught.value) and "labels.csv" in str(caught.value)
    return str(caught.value)


def named(data: ImageData, source: ImageSource | None) -> dict[str, str]:
    assert source is not None
    pairs = zip(source.paths, source.labels.tolist(), strict=True)
    return {str(Path(path).relative_to(data.root)): data.classes[at] for path, at in pairs}


def test_a_table_is_a_data_set_of_its_files_and_labels(folder: Path) -> None:
    data = open_images(write(folder, "path,label", *rows()))
    assert data.classes == ("cat", "dog") and data.image_size == (8, 8) and not data.skipped and not data.remarks
    assert (len(data.train), len(data.final)) == (16, 4)
    found = named(data, data.train) | named(data, data.final)
    assert found == {f"photos/{n:02}.png": label(n) for n in range(20)}
    assert data.test_from.startswith("a fifth of each class of ") and data.fingerprint.startswith("16 (")
    assert data.train.read(torch.arange(16)).shape == (16, 3, 8, 8)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_delimiters_and_encodings_of_spreadsheets_are_read(folder: Path, delimiter: str, encoding: str) -> None:
    plain = open_images(write(folder, "path,label", *rows()))
    lines = [delimiter.join([" Label ", "PATH"]), "", delimiter * 1]
    lines += [delimiter.join(reversed(row.split(","))) for row in rows()]
    for end in ("\r\n", "\r"):
        (folder / "other.CSV").write_bytes(end.join(lines).encode(encoding))
        other = open_images(str(folder / "other.CSV"))
        assert named(other, other.train) == named(plain, plain.train)


def test_quoted_names_with_delimiters_and_letters_of_all_languages_are_read(folder: Path) -> None:
    write_image(folder / "a, b/größe.png")
    data = open_images(write(folder, "path,label", '"a, b/größe.png",été', "photos\\01.png,été", *rows()[2:]))
    assert data.classes == ("cat", "dog", "été")
    assert {"a, b/größe.png", "photos/01.png"} <= (named(data, data.train) | named(data, data.final)).keys()


def test_splits_are_taken_as_they_are(folder: Path) -> None:
    parts = ["Train"] * 12 + ["validation"] * 4 + ["TEST"] * 4
    lines = [f"{row},{part}" for row, part in zip(rows(), parts, strict=True)]
    data = open_images(write(folder, "path,label,Split", *lines), validation=0.5)
    assert (len(data.train), len(data.val or ()), len(data.final), data.val_share) == (12, 4, 4, 0)
    assert set(named(data, data.final)) == {f"photos/{n:02}.png" for n in range(16, 20)}
    without = open_images(write(folder, "path,label,split", *lines[:16]))
    assert without.val is None and set(named(without, without.final)) == {f"photos/{n:02}.png" for n in range(12, 16)}
    alone = open_images(write(folder, "path,label,split", *lines[:12]), validation=0.2)
    assert len(alone.train) + len(alone.val or ()) + len(alone.final) == 12


def test_groups_stay_together_where_parts_are_laid_aside(folder: Path) -> None:
    group = {f"photos/{n:02}.png": str(n // 4) for n in range(20)}
    lines = [f"{row},{group[row.split(',')[0]]}" for row in rows()]
    data = open_images(write(folder, "path,label,group", *lines), validation=0.25)
    parts = [{group[name] for name in named(data, each)} for each in (data.train, data.val, data.final)]
    assert [len(each) for each in parts] == [3, 1, 1] and len(set.union(*parts)) == 5
    again = open_images(str(folder / "labels.csv"), validation=0.25)
    assert named(again, again.val) == named(data, data.val)


def test_whole_groups_come_near_to_the_share_of_every_class() -> None:
    rng = np.random.default_rng(0)
    groups = torch.from_numpy(np.repeat(np.arange(120), rng.integers(1, 12, 120)))
    labels = torch.from_numpy(rng.integers(0, 5, 120))[groups]
    labels[::7] = 5
    stay, held = hold_out(labels, 0.2, 0, groups)
    assert sorted([*stay.tolist(), *held.tolist()]) == list(range(len(labels)))
    assert not set(groups[stay].tolist()) & set(groups[held].tolist())
    counts, all_ = Counter(labels[held].tolist()), Counter(labels.tolist())
    assert all(abs(counts[each] / all_[each] - 0.2) < 0.1 for each in all_)
    assert torch.equal(hold_out(labels, 0.2, 0, groups)[1], held)


def test_the_only_group_of_a_class_is_trained_on() -> None:
    labels, groups = torch.tensor([0] * 9 + [1] * 20), torch.tensor([0] * 9 + list(range(1, 21)))
    _, held = hold_out(labels, 0.2, 0, groups)
    assert 0 not in groups[held] and len(held) == 4


def test_one_group_for_all_leaves_nothing_to_test_on(folder: Path) -> None:
    assert "too few to lay some aside" in refusal(write(folder, "path,label,group", *rows(more=",a")))


def test_a_group_that_the_table_itself_divides_is_told(folder: Path) -> None:
    lines = [f"{row},{'test' if n < 6 else 'train'},{n // 4}" for n, row in enumerate(rows())]
    (remark,) = open_images(write(folder, "path,label,split,group", *lines)).remarks
    assert remark.endswith("1 group with images in several splits: 1")


def test_missing_files_are_passed_over_and_named(folder: Path) -> None:
    lines = [*rows(), "photos/gone.png,cat", "photos,cat", "gone/a.png,bird"]
    data = open_images(write(folder, "path,label", *lines))
    assert data.classes == ("cat", "dog") and len(data.train) + len(data.final) == 20
    said = "\n".join(data.skipped.lines())
    assert "left out, can't be read: 3 images" in said and "gone.png: no such file, line 22 of the table" in said


def test_other_columns_and_repeated_rows_are_told(folder: Path) -> None:
    data = open_images(write(folder, "width,path,label,who", *(f"3,{row},me" for row in [*rows(), *rows()])))
    assert data.skipped.lines() == ["not used: column 'width', column 'who'"]
    assert data.remarks[0].endswith("20 rows that repeat another") and len(data.train) + len(data.final) == 20


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("photos/00.png,dog", "'photos/00.png' has label 'cat' in line 2 and 'dog' in line 22"),
        ("./photos//00.png,dog", "has label 'cat' in line 2 and 'dog' in line 22"),
        ("/etc/passwd,dog", "leads out of the folder"),
        ("../a.png,dog", "leads out of the folder"),
        ("photos/../../a.png,dog", "leads out of the folder"),
        ("C:\\photos\\a.png,dog", "leads out of the folder"),
        ("..\\a.png,dog", "leads out of the folder"),
        ("a\0b.png,dog", "line 22"),
        (".,dog", "leads out of the folder"),
        (",dog", "the path is empty"),
        ("photos/00.png, ", "the label is empty"),
        ("photos/00.png", "1 field, and the header has 2"),
        ("photos/00.png,a,b", "3 fields, and the header has 2"),
        ('"photos/00.png"x,cat', "line 22"),
        ("photos/00.png," + "x" * 300, "longer than 255"),
        ("photos/00.png,\x1b[31m", "not printable"),
        ("x" * 200_000 + ",cat", "line 22"),
        ("x" * 5_000 + ",cat", "longer than 4000"),
    ],
)
def test_a_row_that_cannot_be_is_refused_with_its_line(folder: Path, row: str, told: str) -> None:
    assert told in refusal(write(folder, "path,label", *rows(), row))


def test_contradicting_splits_and_groups_are_refused(folder: Path) -> None:
    lines = [*rows(more=",train,a"), "photos/00.png,cat,test,a"]
    assert "has split 'train' in line 2 and 'test' in line 22" in refusal(
        write(folder, "path,label,split,group", *lines)
    )
    assert "line 22: split is 'tset'; give train, val or test" in refusal(
        write(folder, "path,label,split", *rows(more=",train"), "photos/00.png,cat,tset")
    )
    assert "line 3: the split is empty" in refusal(
        write(folder, "path,label,split", *rows(more=",train")[:1], *rows(more=",")[1:])
    )
    assert "whose split is train" in refusal(write(folder, "path,label,split", *rows(more=",test")))
    lines = [f"{row},{'train' if 'cat' in row else 'test'}" for row in rows()]
    assert "no image of dog has the split train" in refusal(write(folder, "path,label,split", *lines))


def test_tables_without_a_header_rows_or_classes_are_refused(folder: Path) -> None:
    assert "no columns path and label, but 'photos/00.png,cat'" in refusal(write(folder, *rows()))
    assert "no columns path and label" in refusal(write(folder, ""))
    assert "has two columns label" in refusal(write(folder, "path,label,label", *rows(more=",a")))
    assert "has no rows" in refusal(write(folder, "path,label"))
    assert "no columns path and label" in refusal(write(folder, '"path"x,label', *rows()))
    assert "has one label, 'cat'" in refusal(write(folder, "path,label", *rows()[::2]))
    assert "none of its 1 file is there, as 'gone.png'" in refusal(write(folder, "path,label", "gone.png,cat"))
    assert "not UTF-8" in refusal(write(folder, "path,label", *rows(), encoding="utf-16"))
    (folder / "labels.csv").unlink()
    assert "no such file" in refusal(str(folder / "labels.csv"))


def test_a_table_that_would_fill_the_memory_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ftso_cli.data.files.labels.LIMIT", 100)
    with pytest.raises(FileError, match="larger than"):
        open_images(write(folder, "path,label", *rows()))


def test_a_folder_called_as_a_table_is_a_folder(tmp_path: Path) -> None:
    for name in ("a/0.png", "a/1.png", "a/2.png", "b/0.png", "b/1.png", "b/2.png"):
        write_image(tmp_path / "set.csv" / name)
    assert open_images(str(tmp_path / "set.csv")).classes == ("a", "b")


def test_a_record_keeps_labels_and_groups_whatever_becomes_of_the_table(folder: Path) -> None:
    lines = [f"{row},{n // 4}" for n, row in enumerate(rows())]
    path = write(folder, "path,label,group", *lines)
    data = open_images(path)
    record = record_of(data)
    assert record.classes == ("cat", "dog") and record.labels_of["photos/01.png"] == "dog"
    Path(path).unlink()
    images, changes = recorded_data(path, folder, record, data.classes, ImageOptions())
    assert named(images, images.final) == named(data, data.final) and not changes.facts()
    parts = record.divided(path, 0.25)
    assert {n // 4 for n in range(20) if f"photos/{n:02}.png" in parts.val}.isdisjoint(
        n // 4 for n in range(20) if f"photos/{n:02}.png" in parts.train
    )


def test_other_tables_test_a_network_of_the_same_classes(folder: Path) -> None:
    some = open_tests(write(folder, "path,label", *rows(count=5)), ("bird", "cat", "dog"), ImageOptions((8, 8)))
    assert named(some, some.final) == {f"photos/{n:02}.png": label(n) for n in range(5)}
    lines = [f"{row},{'test' if n < 3 else 'train'}" for n, row in enumerate(rows())]
    part = open_tests(write(folder, "path,label,split", *lines), ("cat", "dog"), ImageOptions((8, 8)))
    assert len(part.final) == 3
    with pytest.raises(FtsoError, match="line 3: label 'dog' is not among cat, cow"):
        open_tests(write(folder, "path,label", *rows()), ("cat", "cow"), ImageOptions((8, 8)))
