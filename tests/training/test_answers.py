"""answers.csv of a run: what the network answers for each test image, written by `train` and `evaluate`."""

import csv
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image
from typer.testing import CliRunner, Result

import ftso_cli
from ftso_cli.cli.app import app
from ftso_cli.errors import FtsoError
from ftso_cli.training.run import Run
from ftso_cli.training.testing import answers
from ftso_cli.training.testing.answers import ImageAnswer, read_answers, write_answers
from tests.images import write_folder

OPTIONS = ["--channels", "4", "--cells", "2", "--epochs", "2", "--batch-size", "12"]
HEAD = "image,truth,answer,confidence,truth_probability\n"
CLASSES = ("cat", "=dog", "a\u202e", "a\u202d")


def ftso(*args: str | Path, status: int = 0) -> Result:
    result = CliRunner().invoke(app, [str(arg) for arg in args])
    assert result.exit_code == status, result.output
    return result


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network trained on `photos` beside the run, of which one test image can't be read."""
    folder = tmp_path_factory.mktemp("answers")
    photos = write_folder(folder / "photos")
    (photos / "test" / "green" / "000.png").write_bytes(b"no image")
    ftso("train", "ftso_residual", "--data", photos, *OPTIONS, "-o", folder / "run")
    return folder / "run"


def rows_of(run: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((run / "answers.csv").read_text().splitlines()))


def test_each_test_image_has_a_line_with_what_the_loaded_network_says_of_it(run: Path) -> None:
    rows, classifier, photos = rows_of(run), ftso_cli.load(run), run.parent / "photos"
    assert len(rows) == 23 and {row["truth"] for row in rows} == {"blue", "green", "red"}
    shares = classifier.probabilities([photos / row["image"] for row in rows])
    for row, of in zip(rows, shares, strict=True):
        assert row["truth"] == Path(row["image"]).parent.name and row["image"].startswith("test/")
        assert row["answer"] == classifier.classes[int(of.argmax())]
        assert float(row["confidence"]) == pytest.approx(of.max().item(), abs=1e-4)
        assert float(row["truth_probability"]) == pytest.approx(
            of[classifier.classes.index(row["truth"])].item(), abs=1e-4
        )


def test_evaluating_writes_the_same_again_but_not_for_other_images(run: Path, tmp_path: Path) -> None:
    expected = rows_of(run)
    (run / "answers.csv").unlink()
    other = write_folder(tmp_path / "other", test=3)
    ftso("evaluate", run, "--data", other)
    assert not (run / "answers.csv").exists()
    ftso("evaluate", run)
    assert rows_of(run) == expected


def test_answers_of_changed_images_are_not_kept(run: Path, tmp_path: Path) -> None:
    before = (run / "answers.csv").read_bytes()
    changed = run.parent / "photos" / "test" / "red" / "000.png"
    as_it_was = changed.read_bytes()
    Image.new("RGB", (8, 8), "red").save(changed)
    ftso("evaluate", run)
    changed.write_bytes(as_it_was)
    assert (run / "answers.csv").read_bytes() == before


def test_images_without_files_are_numbered(tmp_path: Path) -> None:
    ftso("train", "ftso_residual", "--data", "digits", *OPTIONS[:4], "--epochs", "1", "-o", tmp_path / "run")
    rows = rows_of(tmp_path / "run")
    assert [row["image"] for row in rows] == [str(number) for number in range(359)]


def test_a_run_that_can_not_be_written_is_evaluated_all_the_same(run: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(run, tmp_path / "run", ignore=shutil.ignore_patterns("answers.csv"))
    (copy / "answers.csv").mkdir()
    result = ftso("evaluate", copy)
    assert "test accuracy" in result.stdout and "answers.csv: can't be written" in result.stderr


def test_names_are_no_formulas_and_read_as_the_classes_that_they_are(tmp_path: Path) -> None:
    given = tuple(
        ImageAnswer(image=f"=x/{at}\n.png", truth=at, answer=(at + 1) % 4, confidence=0.5, truth_probability=0.25)
        for at in range(4)
    )
    write_answers(Run(tmp_path), CLASSES, given)
    text = (tmp_path / "answers.csv").read_text()
    assert text.splitlines()[1] == "'=x/0\ufffd.png,cat,'=dog,0.500000,0.250000" and len(text.splitlines()) == 5
    found = read_answers(Run(tmp_path), CLASSES)
    assert [(each.truth, each.answer) for each in found] == [(each.truth, each.answer) for each in given]
    assert read_answers(Run(tmp_path / "other"), CLASSES) == ()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "its columns are not image, truth"),
        ("image,truth\n", "its columns are not"),
        (HEAD + "x,cat,cow,0.5,0.5\n", "line 2: no answers of this run ('cow' is no class of it)"),
        (HEAD + "x,cat,cat,0.5,0.5\nx,cat,cat,1.5,0.5\n", "line 3: no answers of this run ('1.5' is no probability)"),
        (HEAD + "x,cat,cat,nan,0.5\n", "is no probability"),
        (HEAD + "x,cat,cat,0.5\n", "answers.csv: line 2"),
        (HEAD + "x,cat,cat,0.5,0.5,6\n", "not 5 cells"),
        (HEAD + '"x' + "y" * 200_000, "answers.csv: line 2"),
        (HEAD + "x,cat,cat,0.5,0.5\n" * 6, "more than 5 lines"),
    ],
)
def test_what_is_no_answers_is_refused_in_one_line(
    text: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "MOST_ANSWERS", 5)
    (tmp_path / "answers.csv").write_text(text)
    with pytest.raises(FtsoError) as caught:
        read_answers(Run(tmp_path), CLASSES)
    assert says in str(caught.value) and "\n" not in str(caught.value)


def test_a_network_that_went_astray_is_sure_of_nothing(run: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    copy = shutil.copytree(run, tmp_path / "run")
    tensors = load_file(copy / "weights.safetensors")
    save_file(
        {
            name: torch.full_like(tensor, torch.nan) if tensor.is_floating_point() else tensor
            for name, tensor in tensors.items()
        },
        copy / "weights.safetensors",
    )
    before = (copy / "answers.csv").read_bytes()
    ftso("evaluate", copy)
    assert (copy / "answers.csv").read_bytes() != before
    assert {each.confidence for each in read_answers(Run(copy), ("blue", "green", "red"))} == {0.0}
