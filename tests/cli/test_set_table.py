"""The table of a set is told on stderr, in 80 columns, whatever the classes are called."""

from pathlib import Path

import pytest
from rich.cells import cell_len

from ftso_cli.cli.output.set_table import print_set
from ftso_cli.data import open_images, read_held_out, read_training_images
from ftso_cli.data.files.frames import ImageOptions
from tests.data.images import write_folder, write_image


def told(folder: Path, capsys: pytest.CaptureFixture[str], validation: float = 0.0) -> list[str]:
    """The lines of the table, and then those on the images."""
    print_set(read_held_out(read_training_images(open_images(str(folder), validation=validation))))
    said = capsys.readouterr()
    assert said.out == ""
    return [line.rstrip() for line in said.err.splitlines()]


@pytest.fixture(autouse=True)
def _columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def test_the_table_of_a_small_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_folder(tmp_path, {"cat": 400, "dog": 50}, (16, 16))
    lines = told(tmp_path, capsys, validation=0.1)
    assert [line.split() for line in lines[:4]] == [
        ["2", "classes", "training", "validation", "test", "all"],
        ["cat", "288", "32", "80", "400"],
        ["dog", "36", "4", "10", "50"],
        ["all", "324", "36", "90", "450"],
    ]
    assert lines[4:] == [
        "images        450 PNG, 16×16, used at 16×16",
        "baseline      cat as the answer to all test images: 88.9% right",
        "uneven        cat has 8.0 times as many training images as dog",
        "look-alikes   0 of 36 validation images look like a training image",
        "look-alikes   0 of 90 test images look like a training image",
        f"test images: 90, a fifth of each class of {tmp_path}",
        f"validation images: 36, 10 % of each class of {tmp_path}",
    ]


def test_the_size_of_a_rectangle_is_told_as_files_and_as_the_option_have_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = open_images(str(write_folder(tmp_path, {"cat": 5, "dog": 5}, (48, 30))), ImageOptions(size=(24, 32)))
    print_set(read_held_out(read_training_images(data)))
    text = " ".join(capsys.readouterr().err.split())
    assert "used at 32×24 (width by height; --image-size 24x32)" in text


def test_what_misleads_is_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_folder(tmp_path, {"train/cat": 9, "train/dog": 9, "test/dog": 3}, (32, 32))
    write_image(tmp_path / "test/dog/copy.png", 2, (32, 32))
    text = " ".join(told(tmp_path, capsys))
    one = "1 of 4 test images look like a training image, 1 of them like one of another class: "
    assert one + "test/dog/copy.png = train/cat/002.png" in " ".join(text.split())
    assert "warning: 25% of the test images look like a training image" in text


def test_no_line_of_the_table_is_wider_than_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = ("[bold]猫" + "猫" * 30, "a" * 200, "line\nbreak", "émile \x1b[31m")
    lines = told(write_folder(tmp_path, dict.fromkeys(names, 5)), capsys)
    table = lines[: lines.index(next(line for line in lines if line.startswith("test images:")))]
    assert len(table) >= 8 and all(cell_len(line) <= 80 for line in table)
    assert r"line\nbreak" in table[3] and r"émile \x1b[31m" in table[4] and "[bold]猫" in table[1]


def test_of_many_classes_the_first_are_shown_and_the_rest_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = told(write_folder(tmp_path, {f"{number:04}": 5 for number in range(130)}), capsys)
    assert lines[0].startswith("130 classes") and lines[20].startswith("0019 ")
    assert lines[21].split() == ["110", "more", "440", "110", "550"]
    assert lines[22].split() == ["all", "520", "130", "650"]


def test_on_a_narrow_terminal_names_are_folded_and_no_count_is_lost(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "42")
    lines = told(write_folder(tmp_path, {"a" * 60: 20, "b": 30}), capsys, validation=0.25)
    rows = [line.split()[1:] for line in lines if line.startswith(("aaa", "b", "all"))]
    assert ["12", "4", "4", "20"] in rows and ["18", "6", "6", "30"] in rows and ["30", "10", "10", "50"] in rows
