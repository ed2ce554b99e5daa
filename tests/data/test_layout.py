"""Which folders are parts, which are classes, and which are neither; and that a user is told."""

import unicodedata
from pathlib import Path

import pytest
from PIL import features
from typer.testing import CliRunner

from ftso_cli.cli.app import app
from ftso_cli.data import open_images
from ftso_cli.errors import DataError
from tests.data.images import write_folder, write_image

SMALL = ["--epochs", "1", "--channels", "4", "--cells", "1", "--batch-size", "4", "--auxiliary", "0"]


def ftso(*args: str) -> str:
    """What a command says on stderr."""
    done = CliRunner().invoke(app, list(args))
    assert done.exit_code == 0, done.output
    return done.stderr


def parts(train: str, **others: str) -> dict[str, int]:
    names = {f"{train}/cat": 4, f"{train}/dog": 4}
    return names | {f"{part}/{name}": 3 for part in others.values() for name in ("cat", "dog")}


@pytest.mark.parametrize("train", ["train", "Train", "TRAINING"])
@pytest.mark.parametrize("test", ["test", "Test", "testing", "val", "valid", "Validation", "VALID"])
def test_parts_are_known_by_their_usual_names_in_any_case(tmp_path: Path, train: str, test: str) -> None:
    data = open_images(str(write_folder(tmp_path, parts(train, test=test))))
    assert data.classes == ("cat", "dog") and len(data.train) == 8 and len(data.final) == 6
    assert data.test_from == str(tmp_path / test) and not data.skipped


@pytest.mark.parametrize(("one", "other"), [("val", "valid"), ("Test", "test"), ("testing", "test")])
def test_two_folders_of_one_part_are_refused_by_name(tmp_path: Path, one: str, other: str) -> None:
    write_folder(tmp_path, parts("train", one=one, other=other))
    with pytest.raises(DataError, match=f"has {min(one, other)} and {max(one, other)}; keep one of them"):
        open_images(str(tmp_path))


@pytest.mark.parametrize("part", ["train", "test"])
def test_a_link_that_makes_one_folder_two_parts_is_refused(tmp_path: Path, part: str) -> None:
    write_folder(tmp_path, parts("train", test="test"))
    (tmp_path / "val").symlink_to(part)
    with pytest.raises(DataError, match="are one folder, by a link; remove one of them"):
        open_images(str(tmp_path))


def test_every_other_entry_beside_train_is_named(tmp_path: Path) -> None:
    write_folder(tmp_path, {**parts("train", test="test"), "unlabelled": 2, "holdout/cat": 2})
    (tmp_path / "labels.csv").write_text("")
    (tmp_path / ".git").mkdir()
    said = ftso("train", "ftso_wide_sep3", "--data", str(tmp_path), *SMALL, "-o", f"{tmp_path}-run")
    first, *rest = said.splitlines()
    assert first == f"test images: 6, {tmp_path}/test"
    assert "not used: holdout/, labels.csv, unlabelled/" in rest


def test_the_first_line_says_where_test_images_come_from(tmp_path: Path) -> None:
    pets = str(write_folder(tmp_path / "pets", {"cat": 10, "dog": 10}))
    said = ftso("train", "ftso_wide_sep3", "--data", pets, *SMALL, "-o", str(tmp_path / "run"))
    assert said.startswith(f"test images: 4, a fifth of each class of {pets}\n")
    write_folder(tmp_path / "both", parts("train", val="val", test="test"))
    said = ftso("train", "ftso_wide_sep3", "--data", str(tmp_path / "both"), *SMALL, "-o", str(tmp_path / "2"))
    assert said.startswith(f"test images: 6, {tmp_path}/both/test\nvalidation images: 6, {tmp_path}/both/val\n")


def test_folders_that_ftso_made_are_no_classes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_folder(tmp_path, {"cat": 10, "dog": 10})
    monkeypatch.chdir(tmp_path)
    search = ["search-topology", "--data", ".", "--epochs", "1", "--batch-size", "4", "--channels", "4", "--cells", "1"]
    ftso(*search, "-o", "cell.json")
    ftso("train", "ftso_wide_sep3", "--data", ".", *SMALL)
    ftso("train", "ftso_wide_sep3", "--data", ".", *SMALL, "-o", "model")
    (tmp_path / "runs/notes.txt").write_text("the first is the best")
    (tmp_path / "cell.seeds").mkdir()
    (tmp_path / "cell.seeds/0.json").write_text("{}")
    made = sorted(path.name for path in tmp_path.iterdir() if path.is_dir() and path.name not in ("cat", "dog"))
    assert made == ["cell.search-topology", "cell.seeds", "model", "runs"]
    data = open_images(".")
    assert data.classes == ("cat", "dog") and data.skipped.counts == {"made": 4}
    said = ftso("train", "ftso_wide_sep3", "--data", ".", *SMALL)
    assert "left out: 4 × folder that ftso made (./cell.search-topology)" in said
    assert "added" not in ftso("evaluate", "model")


def test_a_class_may_be_called_as_what_ftso_makes(tmp_path: Path) -> None:
    write_folder(tmp_path, {"runs": 5, "model": 5, "walks": 5})
    assert open_images(str(tmp_path)).classes == ("model", "runs", "walks")


def test_classes_may_be_called_as_parts(tmp_path: Path) -> None:
    vehicles = write_folder(tmp_path / "vehicles", {"car": 5, "train": 5})
    assert open_images(str(vehicles)).classes == ("car", "train")
    exams = write_folder(tmp_path / "exams", {"test": 5, "Val": 5, "train": 5})
    assert open_images(str(exams)).classes == ("Val", "test", "train")
    divided = write_folder(tmp_path / "divided", {f"{part}/{name}": 2 for part in ("train", "test") for name in "ab"})
    write_folder(divided, {f"{part}/train": 2 for part in ("train", "test")})
    assert open_images(str(divided)).classes == ("a", "b", "train")


def test_a_test_class_without_images_is_told_as_one_that_is_missing(tmp_path: Path) -> None:
    write_folder(tmp_path, {**parts("train"), "train/emu": 4, "test/cat": 3})
    (tmp_path / "test/dog").mkdir()
    data = open_images(str(tmp_path))
    assert data.final.labels.tolist() == [0, 0, 0] and data.skipped.counts == {"empty": 1}
    said = ftso("train", "ftso_wide_sep3", "--data", str(tmp_path), *SMALL, "-o", f"{tmp_path}-run")
    assert said.startswith(f"test images: 3, {tmp_path}/test; none of dog, emu\n")


def test_a_test_part_without_any_image_is_refused(tmp_path: Path) -> None:
    write_folder(tmp_path, parts("train"))
    (tmp_path / "test/dog").mkdir(parents=True)
    with pytest.raises(DataError, match="test: its class folders have no images"):
        open_images(str(tmp_path))


def test_suffixes_of_jpeg_and_avif_are_read(tmp_path: Path) -> None:
    write_folder(tmp_path, {"cat": 5, "dog": 5})
    for name in ("a.jfif", "b.jpe", "c.JPEG"):
        write_image(tmp_path / "cat/x.jpg").rename(tmp_path / "cat" / name)
    if features.check("avif"):
        write_image(tmp_path / "dog/d.avif")
    data = open_images(str(tmp_path))
    assert len(data.train) + len(data.final) == 13 + bool(features.check("avif"))
    assert data.train.load_all() == {} and data.final.load_all() == {}


def test_folders_of_operating_systems_are_no_classes(tmp_path: Path) -> None:
    write_folder(tmp_path, {"cat": 5, "dog": 5, "__MACOSX": 1, "@eaDir": 1})
    write_image(tmp_path / "cat/@eaDir/a.png")
    data = open_images(str(tmp_path))
    assert data.classes == ("cat", "dog")
    assert data.skipped.counts == {"system": 2, "folders": 1, "nested": 1}


def test_predict_passes_over_what_operating_systems_leave(tmp_path: Path) -> None:
    pets = write_folder(tmp_path / "pets", {"cat": 5, "dog": 5})
    ftso("train", "ftso_wide_sep3", "--data", str(pets), *SMALL, "-o", str(tmp_path / "run"))
    (pets / "cat/._000.png").write_bytes(b"Mac OS X")
    write_image(pets / "__MACOSX/a.png")
    done = CliRunner().invoke(app, ["predict", str(tmp_path / "run"), str(pets), "--top", "1"])
    assert done.exit_code == 0 and len(done.stdout.splitlines()) == 10


def test_a_hidden_folder_of_images_is_told(tmp_path: Path) -> None:
    write_folder(tmp_path, {"C++": 5, "Java": 5, ".NET": 5})
    skipped = open_images(str(tmp_path)).skipped
    assert str(skipped) == f"1 × hidden folder of images, rename it to make it a class ({tmp_path}/.NET)"


def test_images_in_folders_of_a_class_are_told(tmp_path: Path) -> None:
    write_folder(tmp_path, {"cat": 5, "cat/old": 7, "dog": 5})
    assert "7 × image in a folder within a class, move it up" in str(open_images(str(tmp_path)).skipped)
    write_folder(tmp_path, {"emu/2024": 3})
    with pytest.raises(DataError, match=r"emu: no images in this class folder.*3 × image in a folder within a class"):
        open_images(str(tmp_path))


def test_one_name_in_two_spellings_of_unicode_is_one_class_of_both_parts(tmp_path: Path) -> None:
    composed, taken_apart = (unicodedata.normalize(form, "Käfer") for form in ("NFC", "NFD"))
    write_folder(tmp_path, {f"train/{composed}": 3, "train/Wanze": 3, f"test/{taken_apart}": 2})
    data = open_images(str(tmp_path))
    assert data.classes == (composed, "Wanze") or data.classes == ("Wanze", composed)
    assert data.final.labels.tolist() == [data.classes.index(composed)] * 2


def test_two_classes_that_differ_in_their_spelling_of_unicode_alone_are_refused(tmp_path: Path) -> None:
    write_folder(tmp_path, {unicodedata.normalize(form, "Käfer"): 3 for form in ("NFC", "NFD")})
    with pytest.raises(DataError, match="two class folders are called"):
        open_images(str(tmp_path))


def test_an_image_whose_name_is_no_text_is_left_out_and_told(tmp_path: Path) -> None:
    write_folder(tmp_path, {"cat": 5, "dog": 5})
    Path(str(tmp_path) + "/cat/x\udcff.png").write_bytes((tmp_path / "cat/000.png").read_bytes())
    assert open_images(str(tmp_path)).skipped.counts == {"names": 1}


def test_a_folder_beside_the_set_of_its_name_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_folder(tmp_path / "digits", {"cat": 5, "dog": 5})
    monkeypatch.chdir(tmp_path)
    said = ftso("train", "ftso_wide_sep3", "--data", "digits", *SMALL[:-4], "--batch-size", "256", "-o", "run")
    assert "digits is the data set of that name; the folder here is --data ./digits" in said


def test_predict_tells_of_images_of_kinds_that_are_not_read(tmp_path: Path) -> None:
    pets = write_folder(tmp_path / "pets", {"cat": 5, "dog": 5})
    ftso("train", "ftso_wide_sep3", "--data", str(pets), *SMALL, "-o", str(tmp_path / "run"))
    (pets / "cat/a.PSD").write_bytes(b"8BPS")
    done = CliRunner().invoke(app, ["predict", str(tmp_path / "run"), str(pets), "--top", "1"])
    assert done.exit_code == 0 and "left out: 1 × image of a kind that is not read, convert it" in done.stderr
    done = CliRunner().invoke(app, ["predict", str(tmp_path / "run"), str(pets / "cat/a.PSD")])
    assert done.exit_code == 1 and "a.PSD: an image of a kind that is not read; convert it to JPEG" in done.stderr


def test_a_short_search_that_meets_a_broken_image_names_all_of_them(tmp_path: Path) -> None:
    pets = write_folder(tmp_path / "pets", {"cat": 5, "dog": 5})
    for path in pets.rglob("00[0-4].png"):
        path.write_bytes(b"oops")
    words = ["search-topology", "--data", str(pets), "--iters", "1", "--batch-size", "2", "--cells", "1"]
    done = CliRunner().invoke(app, [*words, "--image-size", "8", "-o", str(tmp_path / "cell.json")])
    assert done.exit_code == 1 and "8 images can't be read" in done.stderr and done.stderr.count("not an image") == 8
