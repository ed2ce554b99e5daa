"""What `ftso train` lays aside for validation stays so: in the run folder, on resume and in a repetition."""

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ftso_cli.cli.app import app
from tests.data.images import write_folder, write_image
from tests.images import copied_with_run

SMALL = ["--epochs", "1", "--channels", "4", "--cells", "1", "--batch-size", "4", "--auxiliary", "0"]


def ftso(*args: str | Path, status: int = 0) -> Result:
    result = CliRunner().invoke(app, [str(arg) for arg in args])
    assert result.exit_code == status, result.output
    return result


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the images `pets` and the run `run` on them."""
    folder = tmp_path_factory.mktemp("validated")
    pets = write_folder(folder / "pets", {"cat": 15, "dog": 15})
    said = ftso("train", "ftso_wide_sep3", "--data", pets, *SMALL, "--validation", "0.25", "-o", folder / "run").stderr
    assert f"validation images: 6, 25 % of each class of {pets}\n" in said
    return folder


@pytest.fixture
def work(trained: Path, tmp_path: Path) -> Path:
    """The same, to be changed: the run takes its images from the copy."""
    return copied_with_run(trained, tmp_path / "work")


def record(run: Path) -> dict:
    return json.loads((run / "images.json").read_text())


def test_a_run_names_its_validation_images_with_their_bytes(work: Path) -> None:
    known = record(work / "run")
    assert [len(known[part]) for part in ("train", "val", "test")] == [18, 6, 6]
    assert not known["val"].keys() & (known["train"].keys() | known["test"].keys())
    assert all(os.stat(work / "pets" / name).st_size == size for name, size in known["val"].items())
    assert json.loads((work / "run/config.json").read_text())["recipe"]["validation"] == 0.25


def test_a_repetition_and_a_resumed_run_have_the_same_parts_though_the_folder_has_changed(work: Path) -> None:
    before = record(work / "run")
    missing, changed, *_ = before["val"]
    (work / "pets" / missing).unlink()
    write_image(work / "pets" / changed, seed=9, size=(9, 9))
    write_image(work / "pets/dog/new.png")
    told = (
        f"1 validation image gone since the training: {missing}",
        f"1 validation image changed since the training: {changed}",
        "1 image added since the training, not used: dog/new.png",
    )
    again = ftso("train", "--config", work / "run/config.json", "-o", work / "again").stderr
    resumed = ftso("train", "--resume", work / "run").stderr
    evaluated = ftso("evaluate", work / "run", "--json")
    for said in (again, resumed, evaluated.stderr):
        assert all(line in said for line in told)
    facts = json.loads(evaluated.stdout)
    assert (facts["missing"], facts["changed"], facts["images"]) == ([missing], [changed], 6)
    after = record(work / "again")
    assert after["val"].keys() == before["val"].keys() - {missing}
    assert (after["train"], after["test"]) == (before["train"], before["test"])


def test_a_seed_changes_no_part(work: Path) -> None:
    options = ["--data", work / "pets", *SMALL, "--validation", "0.25", "--seed", "5", "-o", work / "other"]
    ftso("train", "ftso_wide_sep3", *options)
    assert record(work / "other") == record(work / "run") | {
        "val_from": f"25 % of each class of {work}/pets",
        "test_from": f"a fifth of each class of {work}/pets",
    }


def test_without_any_of_its_validation_images_a_network_is_tested_and_not_trained(work: Path) -> None:
    for name in record(work / "run")["val"]:
        (work / "pets" / name).unlink()
    assert "test accuracy" in ftso("evaluate", work / "run").stdout
    for asked in (["--resume", work / "run"], ["--config", work / "run/config.json", "-o", work / "again"]):
        said = ftso("train", *asked, status=1).stderr
        assert said.count("\n") == 1 and "none of the 6 validation images of the run are there" in said


def test_a_repetition_may_have_another_share(work: Path) -> None:
    for share, count in (("0", 0), ("0.5", 12)):
        repeat = ["--config", work / "run/config.json", "--validation", share, "-o", work / share]
        ftso("train", *repeat)
        known = record(work / share)
        assert (len(known["train"]), len(known["val"])) == (24 - count, count)
        assert known["test"] == record(work / "run")["test"]


def test_a_run_of_before_has_no_validation_images(work: Path) -> None:
    pets = write_folder(work / "parts", {f"{part}/{name}": 4 for part in ("train", "val", "test") for name in "ab"})
    ftso("train", "ftso_wide_sep3", "--data", pets, *SMALL, "-o", work / "old")
    known, config = record(work / "old"), json.loads((work / "old/config.json").read_text())
    assert len(known["val"]) == 8
    before = {name: known[name] for name in ("format", "test_from", "train", "test", "broken", "labels")}
    (work / "old/images.json").write_text(json.dumps(before))
    config["recipe"].pop("validation")
    (work / "old/config.json").write_text(json.dumps(config))
    assert "validation" not in ftso("train", "--resume", work / "old").stderr


@pytest.mark.parametrize("share", ["-0.1", "0.9", "nan"])
def test_what_is_no_share_is_refused(tmp_path: Path, share: str) -> None:
    done = CliRunner().invoke(
        app, ["train", "ftso_wide_sep3", *SMALL, "--validation", share, "-o", str(tmp_path / "x")]
    )
    assert done.exit_code in (1, 2) and "validation" in done.stderr and not (tmp_path / "x").exists()
