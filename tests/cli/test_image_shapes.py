"""Rectangles, bars and stretched images from the first command of a training to the last."""

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner, Result

import ftso_cli
from ftso_cli.cli.app import app
from ftso_cli.report.commands import train_command
from ftso_cli.report.run.trained import read_trained_run
from tests.images import COLOURS

SMALL = ["--channels", "4", "--cells", "3", "--epochs", "1", "--batch-size", "8", "--cutout", "0"]


def ftso(*args: str | Path, status: int = 0) -> Result:
    result = CliRunner().invoke(app, [str(arg) for arg in args])
    assert result.exit_code == status, result.output
    return result


def config(run: Path) -> dict:
    return json.loads((run / "config.json").read_text())


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Noisy pictures of three colours, all wider than they are high, of several sizes."""
    folder, noise = tmp_path_factory.mktemp("wide"), np.random.default_rng(0)
    for part, count in (("train", 8), ("test", 4)):
        for name, colour in COLOURS.items():
            (folder / part / name).mkdir(parents=True)
            for number in range(count):
                shape = ((12, 30), (20, 28), (31, 90))[number % 3]
                values = np.clip(np.array(colour) + noise.normal(0, 30, (*shape, 3)), 0, 255).astype(np.uint8)
                Image.fromarray(values).save(folder / part / name / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def run(wide: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training on rectangles of odd sides, between bars, with an auxiliary head."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    said = ftso(
        "train", "ftso_residual", "-d", wide, "--image-size", "15x27", "--resize", "pad", *SMALL, "-o", folder
    ).stderr
    assert "training images of 15×27" in said
    return folder


def test_a_run_knows_its_rectangle_and_how_pictures_are_brought_to_it(run: Path) -> None:
    assert (config(run)["image_size"], config(run)["resize"]) == ([15, 27], "pad")
    command = train_command(read_trained_run(run))
    assert " --image-size 15x27 " in command and " --resize pad " in command


def test_its_network_is_counted_tested_timed_and_drawn_in_a_report_as_it_is(run: Path, tmp_path: Path) -> None:
    assert "images 3×15×27, 3 classes" in ftso("cost", run).stdout
    accuracy = json.loads(ftso("evaluate", run, "--json").stdout)["test_accuracy"]
    assert accuracy == json.loads((run / "result.json").read_text())["test_accuracy"]
    assert "ms a batch of 1" in ftso("latency", run, "--runs", "1", "--warm-up", "0").stdout
    ftso("report", run, "-o", tmp_path / "page.html")
    assert "15×27" in (tmp_path / "page.html").read_text()


def test_prediction_and_exports_see_the_image_that_training_saw(run: Path, wide: Path) -> None:
    classifier = ftso_cli.load(run)
    path = wide / "test/red/0.png"
    seen = classifier.preprocess(path)
    assert seen.shape == (3, 15, 27) and not seen[:, 0].any() and seen[:, 7].all()
    told = json.loads(ftso("predict", run, path, "--json").stdout)["images"][0]["classes"]
    shares = classifier.probabilities([path])[0].tolist()
    assert [told[name] for name in classifier.classes] == pytest.approx(shares, abs=1e-4)
    assert "images (N, 3, 15, 27)" in ftso("export", run, "--format", "onnx").stdout
    session = onnxruntime.InferenceSession(str(run / "network.onnx"), providers=["CPUExecutionProvider"])
    (logits,) = session.run(["logits"], {"images": seen.unsqueeze(0).numpy()})
    torch.testing.assert_close(torch.from_numpy(logits).softmax(1)[0].tolist(), shares, atol=1e-4, rtol=0)


def test_max_poolings_of_odd_maps_answer_alike_in_every_format(wide: Path, tmp_path: Path) -> None:
    sizes = ["--image-size", "15x27", "--stem", "pooled", "--channels", "14", "--epochs", "1"]
    ftso("train", "-d", wide, *sizes, "-o", tmp_path / "run")
    assert config(tmp_path / "run")["recipe"]["reduction"] == "pooled"
    for number, options in enumerate((["-f", "onnx"], ["-f", "torch-export"], ["--int8"])):
        file = tmp_path / f"network{number}"
        check = json.loads(ftso("export", tmp_path / "run", *options, "-o", file, "--json").stdout)["check"]
        assert check["images"] == 12 and file.exists()
        assert options == ["--int8"] or check["difference"] <= 1e-5


def test_what_repeats_a_run_or_goes_on_with_it_reads_the_same_images(run: Path, tmp_path: Path) -> None:
    ftso("train", "--config", run / "config.json", "-o", tmp_path / "again")
    weights = (run / "weights.safetensors").read_bytes()
    assert (tmp_path / "again/weights.safetensors").read_bytes() == weights
    (tmp_path / "again/weights.safetensors").unlink()
    ftso("train", "--resume", tmp_path / "again")
    assert (tmp_path / "again/weights.safetensors").read_bytes() == weights
    ftso(
        "train", "--config", run / "config.json", "--resize", "stretch", "--image-size", "16", "-o", tmp_path / "other"
    )
    assert (config(tmp_path / "other")["image_size"], config(tmp_path / "other")["resize"]) == ([16, 16], "stretch")


def test_a_run_of_before_cuts_its_images_out(run: Path, wide: Path, tmp_path: Path) -> None:
    ftso("train", "ftso_residual", "-d", wide, "--image-size", "16", *SMALL, "-o", tmp_path / "run")
    path = tmp_path / "run/config.json"
    before = config(tmp_path / "run")
    assert before.pop("resize") == "crop"
    path.write_text(json.dumps(before))
    assert ftso_cli.load(tmp_path / "run").preprocess(wide / "test/red/0.png").any(2).all()
    assert "test accuracy" in ftso("evaluate", tmp_path / "run").stdout


def test_digits_are_trained_on_as_rectangles(tmp_path: Path) -> None:
    options = ["--image-size", "8x12", "--resize", "stretch", *SMALL, "-b", "700"]
    ftso("train", "ftso_residual", *options, "-o", tmp_path / "run")
    assert config(tmp_path / "run")["image_size"] == [8, 12]


@pytest.mark.parametrize("size", ["64x", "x64", "0x8", "64x2000", "-3", "3", "8x8x8", "a", "8.5", "64 96"])
def test_what_is_no_size_is_refused_in_a_line(size: str, wide: Path) -> None:
    said = ftso("train", "ftso_residual", "-d", wide, f"--image-size={size}", status=2).stderr
    assert "--image-size" in said and "from 4 to 1024" in said and said.count("\n") == 1


def test_a_config_file_with_no_size_is_refused_by_name(tmp_path: Path) -> None:
    for size in ('"8y8"', "[8]", "[8, 8, 8]", "2", "[3, 8]", "true"):
        (tmp_path / "c.json").write_text(f'{{"cell": "ftso_residual", "image_size": {size}}}')
        said = ftso("train", "--config", tmp_path / "c.json", status=1).stderr
        assert "c.json: image_size" in said and said.count("\n") == 1


def test_resizing_has_no_meaning_where_crops_are_drawn(wide: Path, tmp_path: Path) -> None:
    asked = ["train", "ftso_residual", "-d", wide, "--resize", "pad"]
    said = ftso(*asked, "--augmentation", "imagenet", status=2).stderr
    assert "--resize" in said and "--augmentation imagenet" in said and said.count("\n") == 1
    assert ftso(*asked, "--recipe", "imagenet", status=2).stderr.count("\n") == 1
    (tmp_path / "c.json").write_text('{"resize": "pad", "recipe": "imagenet"}')
    assert ftso("train", "ftso_residual", "--config", tmp_path / "c.json", status=2).stderr.count("\n") == 1


def test_random_crops_are_brought_to_rectangles(wide: Path, tmp_path: Path) -> None:
    options = ["--image-size", "16x32", "--augmentation", "imagenet", *SMALL]
    ftso("train", "ftso_residual", "-d", wide, *options, "-o", tmp_path / "run")
    assert ftso_cli.load(tmp_path / "run").preprocess(wide / "test/red/0.png").shape == (3, 16, 32)
    ftso("evaluate", tmp_path / "run")
