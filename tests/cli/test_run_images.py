"""A run knows its images: what is missing, changed, added or broken is said, and never changes what is tested."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ftso_cli.cli.app import app
from ftso_cli.data.files.frames import Frame
from tests.data.images import write_folder, write_image
from tests.forks import run_ftso
from tests.images import copied_with_run

SMALL = ["--epochs", "2", "--channels", "4", "--cells", "1", "--batch-size", "4", "--auxiliary", "0"]
PETS = {"cat": 15, "dog": 15}


def ftso(*args: str | Path, status: int = 0) -> Result:
    result = CliRunner().invoke(app, [str(arg) for arg in args])
    assert result.exit_code == status, result.output
    return result


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the images `pets` and the run `run` on them."""
    folder = tmp_path_factory.mktemp("trained")
    pets = write_folder(folder / "pets", PETS)
    ftso("train", "ftso_wide_sep3", "--data", pets, *SMALL, "-o", folder / "run")
    return folder


@pytest.fixture
def work(trained: Path, tmp_path: Path) -> Path:
    """The same, to be changed: the run takes its images from the copy."""
    return copied_with_run(trained, tmp_path / "work")


def images(run: Path) -> dict:
    return json.loads((run / "images.json").read_text())


def evaluated(run: Path, *args: str | Path, status: int = 0) -> tuple[dict, str]:
    """What `evaluate --json` gives, and what it says."""
    result = ftso("evaluate", run, *args, "--json", status=status)
    return json.loads(result.stdout), result.stderr


def change(path: Path) -> None:
    write_image(path, seed=77)


def test_a_run_names_its_images_with_the_checksums_of_those_for_testing(work: Path) -> None:
    known = images(work / "run")
    assert len(known["train"]) == 24 and len(known["test"]) == 6
    assert not known["train"].keys() & known["test"].keys()
    everything = {str(path.relative_to(work / "pets")) for path in (work / "pets").rglob("*.png")}
    assert known["train"].keys() | known["test"].keys() == everything
    assert all(len(checksum) == 64 for checksum in known["test"].values())


def test_a_training_image_that_is_deleted_leaves_the_test_as_it_was(work: Path) -> None:
    before, _ = evaluated(work / "run")
    gone = next(iter(images(work / "run")["train"]))
    (work / "pets" / gone).unlink()
    after, said = evaluated(work / "run")
    assert after.pop("missing") == [gone]
    assert after == before
    assert f"1 training image gone since the training: {gone}" in said


def test_a_network_is_tested_where_all_its_training_images_are_gone_but_not_trained_again(work: Path) -> None:
    for name in images(work / "run")["train"]:
        (work / "pets" / name).unlink()
    found, said = evaluated(work / "run")
    assert found["images"] == 6 and "24 training images gone since the training" in said
    again = ftso("train", "--config", work / "run" / "config.json", "-o", work / "again", status=1)
    assert again.stderr.splitlines()[-1].startswith("error: ") and "a fault in ftso" not in again.stderr


def test_test_images_that_are_missing_changed_or_added_are_named(work: Path) -> None:
    missing, changed, *_ = images(work / "run")["test"]
    (work / "pets" / missing).unlink()
    change(work / "pets" / changed)
    write_image(work / "pets/dog/new.png")
    found, said = evaluated(work / "run")
    assert (found["images"], found["missing"], found["changed"]) == (5, [missing], [changed])
    assert found["added"] == ["dog/new.png"]
    for line in (
        f"1 test image gone since the training: {missing}",
        f"1 test image changed since the training: {changed}",
        "1 image added since the training, not used: dog/new.png",
    ):
        assert line in said
    assert "on 5 of 6 images" in ftso("evaluate", work / "run").stdout


def test_without_any_test_image_nothing_is_tested(work: Path) -> None:
    for name in images(work / "run")["test"]:
        (work / "pets" / name).unlink()
    assert "none of the 6 test images of the run are there" in ftso("evaluate", work / "run", status=1).stderr


def test_a_run_without_a_record_is_tested_on_a_split_that_is_drawn_anew_and_says_so(work: Path) -> None:
    before, _ = evaluated(work / "run")
    (work / "run/images.json").unlink()
    after, said = evaluated(work / "run")
    assert after == before
    assert "warning: the run names no test images" in said and "chosen anew" in said


def test_a_run_whose_settings_lack_a_class_of_its_images_is_refused(work: Path) -> None:
    config = json.loads((work / "run/config.json").read_text())
    (work / "run/config.json").write_text(json.dumps(config | {"classes": config["classes"][:-1]}))
    again = ftso("train", "--config", work / "run/config.json", *SMALL, "-o", work / "again", status=1)
    assert again.stderr.startswith("error: ") and "has other classes than the run" in again.stderr


def test_a_run_on_a_named_set_needs_no_names(tmp_path: Path) -> None:
    ftso("train", "ftso_wide_sep3", *SMALL[:2], *SMALL[2:6], "--batch-size", "256", "-o", tmp_path / "run")
    assert images(tmp_path / "run")["test"] == {} and "warning" not in ftso("evaluate", tmp_path / "run").stderr
    record = images(tmp_path / "run") | {"labels": "0" * 64}
    (tmp_path / "run/images.json").write_text(json.dumps(record))
    assert "test images of digits are others" in ftso("evaluate", tmp_path / "run").stderr


@pytest.mark.parametrize("name", ["/etc/passwd", "../other/a.png", ".", "cat/../../a.png", "cat/a\0.png"])
def test_a_record_that_names_files_elsewhere_is_refused(work: Path, name: str) -> None:
    record = images(work / "run")
    (work / "run/images.json").write_text(json.dumps(record | {"test": {name: "0" * 64}}))
    said = ftso("evaluate", work / "run", status=1).stderr
    assert said.startswith("error: ") and "is no file below the folder" in said and said.count("\n") == 1


def test_other_images_are_tested_on_request(work: Path) -> None:
    other = write_folder(work / "other", {"dog": 3, "cat": 2})
    found, said = evaluated(work / "run", "--data", other)
    assert found["images"] == 5 and str(other) in said
    parts = write_folder(work / "parts", {"train/cat": 2, "Testing/dog": 4})
    found, said = evaluated(work / "run", "--data", parts)
    assert found["images"] == 4 and "Testing" in said
    write_image(other / "emu/a.png")
    assert "'emu'" in ftso("evaluate", work / "run", "--data", other, status=1).stderr


def test_the_images_of_a_run_that_were_moved_are_found_by_their_checksums(work: Path) -> None:
    before, _ = evaluated(work / "run")
    (work / "pets").rename(work / "moved")
    assert "--data DIR" in ftso("evaluate", work / "run", status=1).stderr
    assert "put it back, or a link to where it is now" in ftso("train", "--resume", work / "run", status=1).stderr
    assert evaluated(work / "run", "--data", work / "moved")[0] == before


def test_an_interrupted_training_goes_on_where_images_are_gone_changed_or_added(work: Path) -> None:
    config = work / "run/config.json"
    config.write_text(config.read_text().replace('"epochs": 2', '"epochs": 3'))
    gone, changed, *_ = images(work / "run")["train"]
    missing = next(iter(images(work / "run")["test"]))
    for name in (gone, missing):
        (work / "pets" / name).unlink()
    (work / "pets" / changed).write_bytes((work / "pets/dog/000.png").read_bytes()[:50])
    write_image(work / "pets/cat/new.png")
    result = ftso("train", "--resume", work / "run")
    assert "going on after epoch 2 of 3" in result.stderr
    assert "in the place of 2 training images that are gone, others of their class are trained on" in result.stderr
    for name in (gone, missing, changed, "cat/new.png"):
        assert name in result.stderr
    assert json.loads((work / "run/result.json").read_text())["test_images"] == 5
    assert len(images(work / "run")["test"]) == 6


def test_a_training_of_an_earlier_version_says_why_it_can_not_go_on_with_more_images(work: Path) -> None:
    (work / "run/images.json").unlink()
    write_image(work / "pets/cat/new.png")
    write_image(work / "pets/cat/newer.png")
    said = ftso("train", "--resume", work / "run", status=1).stderr
    assert "was started with 24 training images" in said and "--config" in said


def test_a_run_that_is_repeated_has_the_same_images(work: Path) -> None:
    write_image(work / "pets/cat/0.png")
    gone = next(iter(images(work / "run")["train"]))
    (work / "pets" / gone).unlink()
    result = ftso("train", "--config", work / "run/config.json", "-o", work / "again")
    assert "added since the training, not used: cat/0.png" in result.stderr and gone in result.stderr
    assert images(work / "again")["test"] == images(work / "run")["test"]
    assert images(work / "again")["train"].keys() == images(work / "run")["train"].keys() - {gone}


def test_a_run_that_is_repeated_on_other_images_says_so(work: Path) -> None:
    other = write_folder(work / "other", {"dog": 11, "cat": 10})
    result = ftso("train", "--config", work / "run/config.json", "--data", other, "-o", work / "again")
    assert "its test images are chosen anew" in result.stderr
    assert len(images(work / "again")["test"]) == 4


BROKEN = {"empty": b"", "text": b"<html></html>", "truncated": None}


@pytest.fixture
def damaged(work: Path) -> list[str]:
    """Names of broken images, for training and for testing."""
    known = images(work / "run")
    names = [*list(known["train"])[:3], *list(known["test"])[:3]]
    for name, content in zip(names, [*BROKEN.values()] * 2, strict=True):
        path = work / "pets" / name
        path.write_bytes(path.read_bytes()[:100] if content is None else content)
    return names


def test_broken_images_are_found_and_named_before_the_first_epoch_and_left_out(work: Path, damaged: list[str]) -> None:
    result = ftso("train", "ftso_wide_sep3", "--data", work / "pets", *SMALL, "-o", work / "new", "--json")
    before, _, _ = result.stderr.partition("epoch   1")
    assert "left out, can't be read: 6 images" in before and all(name in before for name in damaged)
    assert "21 training images" in before and "test images: 3" in before
    assert json.loads(result.stdout)["broken"] == [str(work / "pets" / name) for name in damaged]
    record = images(work / "new")
    assert record["broken"] == damaged and not {*record["train"], *record["test"]} & {*damaged}
    assert json.loads((work / "new/result.json").read_text())["test_images"] == 3
    found, _ = evaluated(work / "new")
    assert found["images"] == 3 and "added" not in found


def test_a_class_of_which_no_image_can_be_read_ends_the_training_before_it_begins(work: Path) -> None:
    for path in (work / "pets/cat").iterdir():
        path.write_bytes(b"oops")
    result = ftso("train", "ftso_wide_sep3", "--data", work / "pets", *SMALL, "-o", work / "new", status=1)
    assert "no training image of cat can be read" in result.stderr and not (work / "new").exists()


def test_a_search_leaves_broken_images_out_too(work: Path, damaged: list[str]) -> None:
    words = ["search-topology", "--data", work / "pets", "--epochs", "1", "--batch-size", "4", "--channels", "4"]
    result = ftso(*words, "--cells", "1", "-o", work / "cell.json", "--json")
    assert "left out, can't be read: 3 images" in result.stderr
    assert json.loads(result.stdout)["broken"] == [str(work / "pets" / name) for name in damaged[:3]]


def test_evaluate_tests_what_can_be_read_names_the_rest_and_ends_in_status_1(work: Path, damaged: list[str]) -> None:
    found, said = evaluated(work / "run", status=1)
    assert found["images"] == 3 and found["broken"] == [str(work / "pets" / name) for name in damaged[3:]]
    assert all(name in said for name in damaged[3:])
    assert "on 3 of 6 images" in ftso("evaluate", work / "run", status=1).stdout


def test_predict_answers_what_can_be_read_names_the_rest_and_ends_in_status_1(work: Path, damaged: list[str]) -> None:
    files = [work / "pets" / name for name in (*damaged, *images(work / "run")["test"])]
    result = ftso("predict", work / "run", *files, work / "gone.png", status=1)
    assert len(result.stdout.splitlines()) == 3
    assert "left out, can't be read: 7 images" in result.stderr and "gone.png: no such file" in result.stderr
    found = json.loads(ftso("predict", work / "run", work / "pets", files[-1], files[-1], "--json", status=1).stdout)
    assert len(found["images"]) == 26 and len(found["broken"]) == 6


def test_an_image_that_breaks_after_the_start_costs_no_result(work: Path) -> None:
    """Of a set that is not kept in memory, images are read when they are tested."""
    from ftso_cli.api.training.starting import reopened_training
    from ftso_cli.api.training.testing import tested
    from ftso_cli.data.files.folders import FolderSource
    from ftso_cli.nn.distributed import ALONE

    trainer = reopened_training(work / "run", ALONE)
    held = trainer.data.final
    trainer.data = replace(trainer.data, test=FolderSource((held.paths, held.labels), Frame((8, 8)), memory_limit=0))
    Path(held.paths[0]).write_bytes(b"oops")
    score = tested(trainer)
    assert score.images == 5 and list(score.broken) == [held.paths[0]]


def test_a_study_whose_images_change_on_the_way_says_that_its_accuracies_do_not_compare(work: Path) -> None:
    study = work / "study.toml"
    text = f'data = "{work}/pets"\ncell = "ftso_wide_sep3"\n[train]\nepochs = 1\nchannels = 4\ncells = 1\n'
    text += "batch-size = 4\nauxiliary = 0\n"
    study.write_text('seeds = "0"\n' + text)
    said = run_ftso("sweep", study, "-o", work / "out", "-w", "1").stderr
    assert b"tested on different images" not in said
    for path in list((work / "pets/cat").iterdir())[:4]:
        path.unlink()
    said = run_ftso("sweep", study, "--seeds", "0-1", "-o", work / "out", "-w", "1").stderr
    assert b"warning: trials were tested on different images" in said
    assert "tested on different images" in ftso("sweep", "results", work / "out").stderr
