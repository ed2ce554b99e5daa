"""What is passed over in a folder of images, and how a user is told."""

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ftso_cli.cli.app import app
from ftso_cli.data import open_images
from ftso_cli.data.files.listing import list_below
from tests.data.images import write_folder, write_image
from tests.forks import run_ftso

PETS = {"train/cat": 3, "train/dog": 2, "test/cat": 1, "test/dog": 2}
SEARCH = ["search-topology", "--iters", "1", "--batch-size", "2", "--cells", "1", "--channels", "4"]


@pytest.fixture
def untidy(tmp_path):
    """A folder with one or more of each kind that is passed over, in train and in test."""
    pets = write_folder(tmp_path / "pets", PETS)
    for name in ("train/cat/photo.psd", "train/cat/Thumbs.db", "test/dog/notes"):
        (pets / name).write_bytes(b"")
    (pets / "train/dog/.DS_Store").write_bytes(b"")
    write_image(pets / "train/cat/deeper/a.png")
    (pets / "train/dog/folder.png").mkdir()
    write_image(pets / "train/loose.png")
    # None of these looks like an image that somebody misses.
    (pets / "train/labels.csv").write_text("cat,dog")
    (pets / "train/.cache").mkdir()
    (pets / "train/.cache/a.txt").write_text("")
    return pets


COUNTS = {"other": 2, "unread": 1, "hidden": 1, "folders": 2, "nested": 1, "loose": 1}


def test_all_that_is_passed_over_is_counted_over_all_parts(untidy):
    skipped = open_images(str(untidy)).skipped
    assert skipped.counts == COUNTS


def test_the_first_of_each_kind_is_named(untidy):
    text = str(open_images(str(untidy)).skipped)
    assert text == (
        f"2 × no suffix of an image ({untidy}/test/dog/notes), "
        f"1 × image of a kind that is not read, convert it to JPEG or PNG ({untidy}/train/cat/photo.psd), "
        f"1 × hidden ({untidy}/train/dog/.DS_Store), 2 × folder within a class ({untidy}/train/cat/deeper), "
        f"1 × image in a folder within a class, move it up into the class or train with --nested "
        f"({untidy}/train/cat/deeper/a.png), "
        f"1 × image beside the class folders ({untidy}/train/loose.png)"
    )


def test_of_a_tidy_folder_and_of_named_sets_nothing_is_left_out(tmp_path):
    assert not open_images(str(write_folder(tmp_path, PETS))).skipped
    assert not open_images("digits").skipped


def test_a_search_says_it_once_on_stderr_and_counts_it_in_json(untidy, tmp_path):
    done = run_ftso(*SEARCH, "--data", "pets", "-o", "cell.json", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["left_out"] == COUNTS
    said = [line for line in done.stderr.decode().splitlines() if "left out" in line]
    assert len(said) == 1 and "pets/train/dog/.DS_Store" in said[0]


def test_a_training_says_it_once_on_stderr_and_counts_it_in_json(untidy, tmp_path):
    small = ["--epochs", "1", "--channels", "4", "--cells", "1", "--batch-size", "2", "--json"]
    run = ["train", "pc_darts_cifar", "--data", str(untidy), *small, "-o", str(tmp_path / "run")]
    done = CliRunner().invoke(app, run)
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["left_out"] == COUNTS
    assert done.stderr.count("left out: 2 × no suffix of an image") == 1


def test_of_a_tidy_folder_nothing_is_said(tmp_path):
    pets = write_folder(tmp_path / "pets", PETS)
    done = CliRunner().invoke(app, [*SEARCH, "--data", str(pets), "-o", str(tmp_path / "cell.json"), "--json"])
    assert done.exit_code == 0, done.output
    assert "left out" not in done.stderr and "left_out" not in json.loads(done.stdout)


def test_names_that_are_no_text_are_told_on_one_line(tmp_path):
    pets = write_folder(tmp_path, PETS)
    with open(os.fsencode(pets) + b"/train/cat/\xff\n\x1b[31m", "wb"):
        pass
    assert str(open_images(str(pets)).skipped).isprintable()


def test_images_in_a_thousand_folders_one_in_the_other_are_found(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for _ in range(1500):
        os.mkdir("d")
        os.chdir("d")
    Path("a.png").touch()
    try:
        assert [os.path.basename(path) for path in list_below(tmp_path)] == ["a.png"]
    finally:
        # Not left to pytest, whose cleaning would call itself as often.
        os.remove("a.png")
        for _ in range(1500):
            os.chdir("..")
            os.rmdir("d")
