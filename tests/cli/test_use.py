"""What a trained network is used for: `evaluate`, `predict`, `latency`, `export RUN` and `ftso_cli.load`."""

import csv
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from typer.testing import CliRunner, Result

import ftso_cli
from ftso_cli.cli.app import app
from ftso_cli.genotype import Step, Times, library, storage
from ftso_cli.training.use.classifier import Classifier
from tests.images import write_folder

OPTIONS = ["--channels", "4", "--cells", "3", "--epochs", "8", "--batch-size", "12", "--cutout", "0"]


def ftso(*args: str | Path, status: int = 0) -> Result:
    result = CliRunner().invoke(app, [str(arg) for arg in args])
    assert result.exit_code == status, result.output
    return result


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network trained on images of three colours, in `photos` beside the run."""
    folder = tmp_path_factory.mktemp("use")
    photos = write_folder(folder / "photos")
    found = Step(command="search-ops", data=str(photos), settings={"wiring": str(folder / "wiring.json")})
    storage.write_genotype(
        library.load_genotype("ftso_block").with_step(found, Times(started="")), folder / "cell.json"
    )
    ftso("train", folder / "cell.json", "--data", photos, *OPTIONS, "-o", folder / "run")
    return folder / "run"


@pytest.fixture(scope="module")
def classifier(run: Path) -> Classifier:
    return ftso_cli.load(run)


def photos_of(run: Path) -> list[Path]:
    """The test images, in the order of the data set."""
    return sorted(path for path in (run.parent / "photos" / "test").rglob("*.*") if path.is_file())


def test_evaluate_counts_what_the_loaded_network_answers(run: Path, classifier: Classifier) -> None:
    found = json.loads(ftso("evaluate", run, "--json").stdout)
    confusion = np.zeros((3, 3), dtype=int)
    for path, shares in zip(photos_of(run), classifier.probabilities(photos_of(run)), strict=True):
        confusion[classifier.classes.index(path.parent.name), int(shares.argmax())] += 1
    assert found["confusion"] == confusion.tolist()
    assert found["test_accuracy"] == pytest.approx(confusion.trace() / confusion.sum())
    assert found["class_accuracies"]["red"] == pytest.approx(confusion[2, 2] / confusion[2].sum())
    assert found["top5_accuracy"] == 1.0


def test_evaluate_names_the_classes_that_its_folder_no_longer_has(run: Path) -> None:
    photos = run.parent / "photos"
    for part in ("train", "test"):
        (photos / part / "blue").rename(photos / part / "azure")
    said = ftso("evaluate", run, status=1).stderr
    for part in ("train", "test"):
        (photos / part / "azure").rename(photos / part / "blue")
    assert said.endswith("has other classes than the run was started with, 'blue, green, red'\n")


def test_evaluate_draws_the_confusion(run: Path, tmp_path: Path) -> None:
    text = ftso("evaluate", run, "--confusion", tmp_path / "confusion.svg").stdout
    assert "blue " in text and f"wrote {tmp_path / 'confusion.svg'}" in text
    drawn = (tmp_path / "confusion.svg").read_text()
    assert "<svg" in drawn and "green" in drawn
    ftso("evaluate", run, "--confusion", tmp_path / "confusion.png")
    with Image.open(tmp_path / "confusion.png") as image:
        assert min(image.size) > 300
    assert "pictures end in" in ftso("evaluate", run, "--confusion", "confusion.doc", status=1).stderr


def test_predict_names_the_likeliest_classes_with_their_probabilities(run: Path) -> None:
    photos = photos_of(run)
    found = json.loads(ftso("predict", run, *photos, "--json").stdout)["images"]
    assert [one["image"] for one in found] == [str(path) for path in photos]
    for one in found:
        assert sum(one["classes"].values()) == pytest.approx(1, abs=1e-5)
        assert list(one["classes"].values()) == sorted(one["classes"].values(), reverse=True)
    right = sum(next(iter(one["classes"])) == Path(one["image"]).parent.name for one in found)
    assert right >= 0.9 * len(found)
    line = ftso("predict", run, photos[0], "--top", "1").stdout
    assert line.startswith(f"{photos[0]}: {photos[0].parent.name} ") and line.endswith("%\n")


def test_predict_takes_all_images_of_a_folder_and_of_those_in_it(run: Path, tmp_path: Path) -> None:
    photos = photos_of(run)[:3]
    for photo, name in zip(photos, ("b.png", "deep/er/a.PNG", ".hidden/c.png"), strict=True):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(photo.read_bytes())
    (tmp_path / "notes.txt").write_text("no image")
    lines = ftso("predict", run, photos[2], tmp_path, "--top", "1").stdout.splitlines()
    assert [line.split(":")[0] for line in lines] == [str(photos[2]), f"{tmp_path}/b.png", f"{tmp_path}/deep/er/a.PNG"]


def test_predict_writes_a_table_of_all_images_and_goes_on_over_broken_ones(run: Path, tmp_path: Path) -> None:
    for photo, name in zip(photos_of(run)[:3], ("a,b.png", "=1+1.png", "line\nbreak.png"), strict=True):
        (tmp_path / name).write_bytes(photo.read_bytes())
    (tmp_path / "broken.png").write_bytes(b"no image")
    result = ftso("predict", run, tmp_path, "--csv", tmp_path / "table.csv", status=1)
    assert result.stdout == f"wrote {tmp_path / 'table.csv'}: 3 images\n"
    assert "left out, can't be read: 1 image" in result.stderr and "broken.png: not an image" in result.stderr
    text = (tmp_path / "table.csv").read_text()
    head, *rows = csv.reader(text.splitlines())
    assert head == ["image", "class", "probability", "class_2", "probability_2", "class_3", "probability_3"]
    found = ftso_cli.predict(run, [tmp_path])
    assert len(rows) == 3 and found.answers == tuple(row[1] for row in rows)
    for row, (image, classes) in zip(rows, found.images, strict=True):
        assert row[0] == image.replace("\n", "\ufffd")
        assert dict(zip(row[1::2], map(float, row[2::2]), strict=True)) == pytest.approx(dict(classes), abs=1e-6)
    assert ftso("predict", run, tmp_path, "--csv", "-", status=1).stdout == text
    assert (
        ftso_cli.predict(run, tmp_path, csv=tmp_path / "again.csv").broken
        and (tmp_path / "again.csv").read_text() == text
    )
    assert "name a file for the table" in ftso("predict", run, tmp_path, "--csv", "-", "--json", status=1).stderr
    assert "is a folder" in ftso("predict", run, tmp_path, "--csv", tmp_path, status=1).stderr


def test_a_table_is_safe_to_open_where_a_name_of_an_image_is_a_formula(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "=1+1.png").write_bytes(photos_of(run)[0].read_bytes())
    monkeypatch.chdir(tmp_path)
    assert ftso("predict", run, "=1+1.png", "--csv", "-").stdout.splitlines()[1].startswith("'=1+1.png,")


def test_an_image_below_the_threshold_is_none_of_these_everywhere(run: Path, tmp_path: Path) -> None:
    Image.new("RGB", (8, 8), (120, 120, 60)).save(tmp_path / "odd.png")
    images = [tmp_path / "odd.png", *photos_of(run)[::8]]
    sure = [max(classes.values()) for _, classes in ftso_cli.predict(run, images).images]
    threshold = sorted(sure)[1]
    found = ftso_cli.predict(run, images, threshold=threshold)
    below = [name == "none of these" for name in found.answers]
    assert below == [share < threshold for share in sure] and sum(below) == 1
    told = json.loads(ftso("predict", run, *images, "--threshold", threshold, "--json").stdout)["images"]
    assert [one["answer"] for one in told] == list(found.answers)
    lines = ftso("predict", run, *images, "--threshold", threshold, "--top", "1").stdout.splitlines()
    likeliest = next(iter(found.images[below.index(True)][1]))
    assert [": none of these (" in line for line in lines] == below and likeliest in lines[below.index(True)]
    table = list(csv.reader(ftso("predict", run, *images, "--threshold", threshold, "--csv", "-").stdout.splitlines()))
    assert [row[1] for row in table[1:]] == list(found.answers)
    # The class that it is most like comes after the answer, with the same probability.
    assert table[1 + below.index(True)][3] == likeliest and len(table[0]) == 9
    assert "'--threshold'" in ftso("predict", run, images[0], "--threshold", "70", status=2).stderr
    with pytest.raises(ftso_cli.FtsoError, match="threshold must be at most 1, not 70"):
        ftso_cli.predict(run, images, threshold=70)


def test_predict_refuses_what_is_no_image_and_no_run(run: Path, tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("no image")
    empty = tmp_path / "empty"
    empty.mkdir()
    for args, says in (
        ([run, tmp_path / "text.jpg"], "not an image"),
        ([run, tmp_path / "gone.jpg"], "gone.jpg: no such file"),
        ([run, empty], "empty: has no images"),
        ([tmp_path, photos_of(run)[0]], "no run folder"),
    ):
        assert says in ftso("predict", *args, status=1).stderr


def test_loading_takes_files_and_images_and_leaves_the_image_alone(run: Path, classifier: Classifier) -> None:
    path = photos_of(run)[0]
    with Image.open(path) as image:
        before = image.tobytes()
        inputs = classifier.preprocess(image)
        assert image.tobytes() == before
    assert inputs.shape == (3, *classifier.image_size) and inputs.min() >= 0 and inputs.max() <= 1
    assert torch.equal(inputs, classifier.preprocess(str(path)))
    assert not classifier.training and classifier.classes == ("blue", "green", "red")


def test_importing_the_package_stays_light() -> None:
    code = "import sys, ftso_cli; print(sorted({'torch', 'numpy', 'pydantic'} & set(sys.modules)))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "[]\n"


def test_a_network_of_grey_images_takes_colours(tmp_path: Path) -> None:
    ftso("train", "darts_v2", "--channels", "4", "--cells", "2", "--epochs", "1", "-o", tmp_path / "run")
    classifier = ftso_cli.load(tmp_path / "run")
    assert classifier.preprocess(Image.new("RGB", (30, 20), "white")).unique().tolist() == [1.0]
    assert classifier.preprocess(Image.new("L", (8, 8), 51)).shape == (1, 8, 8)


def check_about(about: Mapping[str, str], classifier: Classifier, normalised: str) -> None:
    """An exported file says what goes into the network, what comes out, and how it was made; not where that was."""
    height, width = classifier.image_size
    assert about["input"] == f"images (N, 3, {height}, {width}), RGB, float32 in 0..1, {normalised}"
    assert tuple(json.loads(about["classes"])) == classifier.classes
    config = json.loads(about["config"])
    assert config["data"] == "photos" and config["image_size"] == [height, width]
    assert config["mean"] == pytest.approx(classifier.mean.flatten().tolist())
    genotype = json.loads(about["genotype"])
    assert genotype["space"] == "darts" and genotype["history"][-1]["data"] == "photos"
    assert not any(tempfile.gettempdir() in text for text in about.values())


@pytest.fixture(scope="module")
def exported(run: Path) -> tuple[Path, dict[str, object]]:
    """The network as ONNX, and what was said of it."""
    file = run.parent / "network.onnx"
    return file, json.loads(ftso("export", run, "--format", "onnx", "-o", file, "--json").stdout)


def test_onnx_answers_as_the_network_does_for_any_number_of_images(
    run: Path, classifier: Classifier, exported: tuple[Path, dict[str, object]]
) -> None:
    file, _ = exported
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    check_about(session.get_modelmeta().custom_metadata_map, classifier, "normalised inside")
    images = torch.stack([classifier.preprocess(path) for path in photos_of(run)[:5]])
    for part in (images, images[:1]):
        (logits,) = session.run(["logits"], {"images": part.numpy()})
        np.testing.assert_allclose(logits, classifier(part).detach().numpy(), rtol=1e-3, atol=1e-4)
    content = file.read_bytes()
    assert b"BatchNormalization" not in content and b"classifier.py" not in content


def test_onnx_has_channels_in_blocks_and_answers_as_the_narrower_network_does(run: Path, tmp_path: Path) -> None:
    trained, file = tmp_path / "run", tmp_path / "network.onnx"
    options = ["--channels", "13", "--cells", "3", "--epochs", "1", "--batch-size", "12"]
    ftso("train", run.parent / "cell.json", "--data", run.parent / "photos", *options, "-o", trained)
    ftso("export", trained, "--format", "onnx", "-o", file)
    graph = onnx.load(file).graph
    shapes = {weight.name: weight.dims for weight in graph.initializer}
    assert all(shapes[node.input[1]][0] % 16 == 0 for node in graph.node if node.op_type == "Conv")
    classifier = ftso_cli.load(trained)
    images = torch.stack([classifier.preprocess(path) for path in photos_of(run)[:5]])
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    (logits,) = session.run(["logits"], {"images": images.numpy()})
    np.testing.assert_allclose(logits, classifier(images).detach().numpy(), rtol=0, atol=1e-5)


def test_export_checks_its_answers_on_the_test_images_and_writes_nothing_that_answers_otherwise(
    run: Path, exported: tuple[Path, dict[str, object]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = exported[1]["check"]
    assert found["images"] == found["same"] == 24 and found["difference"] <= 1e-4
    quick = ["export", run, "--format", "torch-export", "-o"]
    (run.parent / "photos").rename(run.parent / "elsewhere")
    moved = ftso(*quick, tmp_path / "unchecked.pt2").stderr
    left = ftso("export", run, "--int8", "-o", tmp_path / "int8.onnx", status=1).stderr
    (run.parent / "elsewhere").rename(run.parent / "photos")
    assert "not checked: " in moved and "no such folder" in moved and (tmp_path / "unchecked.pt2").exists()
    assert "int8 is calibrated on the training images of the run" in left
    monkeypatch.setattr("ftso_cli.training.use.exported.TOLERANCE", -1.0)
    refused = ftso(*quick, tmp_path / "wrong.pt2", status=1).stderr
    assert "would answer otherwise than predict: the same class on 24 of 24 test images" in refused
    assert not (tmp_path / "wrong.pt2").exists() and not (tmp_path / "int8.onnx").exists()


@pytest.mark.parametrize("format", ["onnx", "torch-export"])
def test_a_network_that_preprocesses_takes_pictures_of_any_size(
    run: Path, classifier: Classifier, tmp_path: Path, format: str
) -> None:
    said = ftso("export", run, "--preprocess", "-f", format, "-o", tmp_path / "network").stdout
    assert "its input is a picture (H, W, 3), RGB, uint8, of any size, resized, cropped and normalised inside" in said
    assert "its output probabilities (3)\n" in said and "on 24 test images: the same class, " in said
    if format == "onnx":
        session = onnxruntime.InferenceSession(str(tmp_path / "network"), providers=["CPUExecutionProvider"])
        assert json.loads(session.get_modelmeta().custom_metadata_map["classes"]) == ["blue", "green", "red"]
    else:
        program = torch.export.load(tmp_path / "network").module()
    noise = np.random.default_rng(0)
    for height, width in ((8, 8), (1, 1), (37, 90), (90, 37), (300, 200), (2, 70)):
        coarse = Image.fromarray(noise.integers(0, 256, (height // 4 + 2, width // 4 + 2, 3), dtype=np.uint8))
        picture = coarse.resize((width, height), Image.Resampling.BICUBIC)
        pixels = np.array(picture)
        if format == "onnx":
            (found,) = session.run(["probabilities"], {"picture": pixels})
        else:
            found = program(torch.from_numpy(pixels)).detach().numpy()
        np.testing.assert_allclose(found, classifier.probabilities([picture])[0].numpy(), atol=1e-2)


@pytest.mark.parametrize("options", [(), ("--preprocess",)])
def test_a_network_in_8_bits_tells_what_that_costs(
    run: Path, classifier: Classifier, tmp_path: Path, options: tuple[str, ...]
) -> None:
    said = ftso("export", run, "--int8", *options, "-o", tmp_path / "small.onnx").stdout
    assert "int8, calibrated on 72 training images: test accuracy " in said and " ms an image (" in said
    session = onnxruntime.InferenceSession(str(tmp_path / "small.onnx"), providers=["CPUExecutionProvider"])
    photos = photos_of(run)
    if options:
        found = [session.run(None, {"picture": np.asarray(Image.open(photo))})[0].argmax() for photo in photos]
    else:
        images = torch.stack([classifier.preprocess(photo) for photo in photos]).numpy()
        found = list(session.run(None, {"images": images})[0].argmax(1))
    right = [classifier.classes[at] == photo.parent.name for at, photo in zip(found, photos, strict=True)]
    told = json.loads((tmp_path / "small.onnx.json").read_text())
    assert told["int8"]["accuracy"] == pytest.approx(sum(right) / 24) and sum(right) >= 20
    assert told["float32"]["accuracy"] == pytest.approx(json.loads((run / "result.json").read_text())["test_accuracy"])
    assert told["int8"]["bytes"] == (tmp_path / "small.onnx").stat().st_size
    assert told["calibrated_on"] == 72 and told["test_images"] == 24
    assert b"QuantizeLinear" in (tmp_path / "small.onnx").read_bytes()


def test_tflite_answers_as_the_network_does_or_says_what_is_missing(
    run: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    if find_spec("litert_torch") is None:
        said = ftso("export", run, "-f", "tflite", status=1).stderr
        assert "tflite needs litert_torch and ai_edge_litert; install with: pip install 'ftso[tflite]'" in said
    else:
        told = ftso("export", run, "-f", "tflite", "-o", tmp_path / "network.tflite")
        assert "its output logits (1, 3)" in told.stdout and "on 24 test images: the same class, " in told.stdout
        assert told.stderr == capfd.readouterr().err == ""


def test_export_refuses_options_that_a_format_or_a_cell_does_not_have(run: Path, tmp_path: Path) -> None:
    for args, says in (
        ([run, "--int8", "-f", "torch-export"], "needs --format onnx"),
        ([run, "--preprocess", "-f", "safetensors"], "needs --format onnx or --format torch-export"),
        (["darts_v2", "--int8"], "is for a trained network"),
        (["darts_v2", "--preprocess"], "is for a trained network"),
    ):
        assert says in " ".join(ftso("export", *args, status=2).stderr.split())
    before = sorted(path.name for path in run.iterdir())
    assert "name one, as in -o network.onnx" in ftso("export", run, "-o", "-", status=1).stderr
    assert sorted(path.name for path in run.iterdir()) == before


def test_a_torch_export_answers_as_the_network_does(run: Path, classifier: Classifier) -> None:
    text = ftso("export", run, "--format", "torch-export").stdout
    assert "answers as predict does on 24 test images: the same class, probabilities that differ by at most " in text
    assert f"wrote {run / 'network.pt2'}" in text
    height, width = classifier.image_size
    assert f"images (N, 3, {height}, {width}), RGB, float32 in 0..1, normalised inside; its output" in text
    assert "(N, 3)\nclasses in order: blue, green, red\n" in text
    images = torch.stack([classifier.preprocess(path) for path in photos_of(run)[:3]])
    about = dict.fromkeys(("input", "classes", "config", "genotype"), "")
    program = torch.export.load(run / "network.pt2", extra_files=about).module()
    check_about(about, classifier, "normalised inside")
    torch.testing.assert_close(program(images), classifier(images), rtol=1e-3, atol=1e-4)
    assert b"classifier.py" not in (run / "network.pt2").read_bytes()


def test_safetensors_hold_the_weights_and_what_builds_the_network(run: Path, classifier: Classifier) -> None:
    written = json.loads(ftso("export", run, "-f", "safetensors", "--json").stdout)
    assert written["format"] == "safetensors" and written["classes"] == ["blue", "green", "red"]
    assert written["image"] == [3, *classifier.image_size]
    with safe_open(run / "network.safetensors", "pt") as file:
        about = file.metadata()
        for name, tensor in classifier.network.state_dict().items():
            assert torch.equal(file.get_tensor(name), tensor)
    check_about(about, classifier, "to be normalised by mean and std of config")


def test_the_cell_of_a_run_is_exported_as_any_other(run: Path) -> None:
    assert ftso("export", run, "--format", "edges").stdout == ftso("export", "ftso_block", "-f", "edges").stdout


def test_a_network_format_needs_a_run_and_a_run_needs_weights(run: Path, tmp_path: Path) -> None:
    assert "run folder" in ftso("export", "darts_v2", "--format", "onnx", status=1).stderr
    assert "no run folder" in ftso("export", tmp_path, "-f", "safetensors", status=1).stderr
    assert "did you mean onnx" in ftso("export", run, "--format", "onx", status=1).stderr


def test_latency_says_milliseconds_and_images_a_second(run: Path) -> None:
    found = json.loads(ftso("latency", run, "--runs", "20", "--batch-size", "4", "--device", "cpu", "--json").stdout)
    assert json.loads((run / "latency.json").read_text())["milliseconds"]["50"] == found["milliseconds"]["p50"]
    times = found["milliseconds"]
    assert 0 < times["p50"] <= times["p90"] <= times["p99"]
    assert found["images_a_second"] == pytest.approx(4000 / times["p50"], rel=0.02)
    assert "images a second on cpu, 1 thread" in ftso("latency", run, "--runs", "3", "--device", "cpu").stdout


def test_latency_of_a_cell_needs_no_training_and_lists_operations(run: Path) -> None:
    network = ["ftso_block", "--channels", "4", "--cells", "3", "--image-size", "8"]
    found = json.loads(ftso("latency", *network, "--runs", "3", "--operations", "--json").stdout)
    assert found["milliseconds"]["p50"] > 0
    operations = found["operations"]
    assert operations["milliseconds"] == pytest.approx(sum(row["all_calls"] for row in operations["rows"]), abs=1e-3)
    text = ftso("latency", *network, "--runs", "3", "--operations").stdout
    assert all(row["operation"] in text for row in operations["rows"])
    (costs,) = json.loads(ftso("cost", *network, "--latency", "--json").stdout)["networks"]
    assert costs["latency"]["milliseconds"]["p50"] > 0
    assert "is a run, whose network is trained" in ftso("latency", run, "--channels", "4", status=2).stderr


def test_a_cell_from_a_pipe_is_counted_and_timed(run: Path) -> None:
    network, text = ["--channels", "4", "--cells", "3", "--image-size", "8"], (run / "genotype.json").read_text()
    for command in (["latency", "-", "--runs", "3", "--operations"], ["cost", "-", "--latency"]):
        result = CliRunner().invoke(app, [*command, *network, "--json"], input=text)
        assert result.exit_code == 0 and '"p50"' in result.stdout, result.output


def test_latency_takes_one_thread_or_all_says_so_and_leaves_torch_as_it_was(run: Path) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        result = ftso("latency", run, "--runs", "3", "--device", "cpu", "--json")
        threads = json.loads(result.stdout)["threads"]
        assert threads in (1, 2) and torch.get_num_threads() == 2
        assert ("measured with 1 thread, which is faster here than 2" in result.stderr) == (threads == 1)
    finally:
        torch.set_num_threads(before)
