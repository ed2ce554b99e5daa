"""The lines of the documentation that use an ONNX file read every kind of image as `predict` does."""

import io
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

import ftso_cli
from ftso_cli.cli.app import app
from tests.data.images import write_folder
from tests.test_docs import DOCS, blocks

OPTIONS = ["--channels", "11", "--cells", "1", "--epochs", "1", "--batch-size", "8"]


def ftso(*args: str | Path) -> Result:
    result = CliRunner().invoke(app, [str(arg) for arg in args])
    assert result.exit_code == 0, result.output
    return result


def photo(width: int = 90, height: int = 50, channels: int = 3) -> Image.Image:
    """A picture that no turning or cutting leaves as it is."""
    rows, columns = np.mgrid[:height, :width]
    bands = [
        255 * columns / width,
        255 * rows / height,
        255 * (rows + columns) / (height + width),
        255 * (rows % 7) / 7,
    ]
    return Image.fromarray(np.stack(bands[:channels], axis=-1).astype(np.uint8))


def rotated(path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    photo().save(path, "JPEG", exif=exif.tobytes())


def palette(path: Path, **options: int) -> None:
    photo().quantize(32).save(path, "PNG", **options)


def sixteen_bits(path: Path) -> None:
    values = np.arange(90 * 50, dtype=np.uint32).reshape(50, 90) * 65535 // (90 * 50)
    Image.fromarray(values.astype(np.uint16)).save(path, "PNG")


WRITERS: dict[str, Callable[[Path], None]] = {
    **{f"EXIF {number}": lambda path, number=number: rotated(path, number) for number in range(1, 9)},
    "large JPEG": lambda path: photo(900, 700).save(path, "JPEG"),
    "CMYK": lambda path: photo().convert("CMYK").save(path, "JPEG"),
    "alpha": lambda path: photo(channels=4).save(path, "PNG"),
    "grey with alpha": lambda path: photo(channels=4).convert("LA").save(path, "PNG"),
    "palette": palette,
    "palette with a transparent colour": lambda path: palette(path, transparency=3),
    "16 bits": sixteen_bits,
    "one bit": lambda path: photo().convert("1").save(path, "PNG"),
    "grey": lambda path: photo().convert("L").save(path, "PNG"),
    "GIF": lambda path: photo().save(path, "GIF"),
    "WebP": lambda path: photo(channels=4).save(path, "WEBP"),
    "upright": lambda path: photo(30, 80).save(path, "PNG"),
    "one pixel": lambda path: photo(1, 1).save(path, "PNG"),
    "the size of the network": lambda path: photo(20, 20).save(path, "PNG"),
}


@pytest.fixture(scope="module", params=["photos of 20 pixels", "as-imagenet of 32 pixels", "digits"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with its network as ONNX; that of digits takes grey images of 8 pixels, one the centre of larger images."""
    folder = tmp_path_factory.mktemp("run")
    data, batch = ["--data", "digits"], ["--batch-size", "256"]
    if request.param != "digits":
        data, batch = ["--data", str(write_folder(folder / "photos", {"cat": 5, "dog": 5, "emu": 5}))], []
        data += ["--image-size", request.param.split()[2]]
        data += ["--augmentation", "imagenet"] if request.param.startswith("as-imagenet") else []
    ftso("train", "ftso_block", *data, *OPTIONS, *batch, "-o", folder / "run")
    ftso("export", folder / "run", "--preprocess", "-o", folder / "preprocessing.onnx")
    return folder / "run"


def test_the_lines_of_the_page_answer_as_predict_does(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (snippet,) = [block.text for block in blocks(DOCS / "deploy.md") if "onnxruntime" in block.text]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos.onnx").write_bytes((run.parent / "preprocessing.onnx").read_bytes())
    shown = tmp_path / "photos/two/2.png"
    shown.parent.mkdir(parents=True)
    classifier = ftso_cli.load(run)
    for kind, write in WRITERS.items():
        write(shown)
        names: dict[str, np.ndarray] = {}
        with redirect_stdout(io.StringIO()):
            exec(compile(snippet, "deploy.md", "exec"), names)
        expected = classifier.probabilities([shown])[0].numpy()
        np.testing.assert_allclose(names["probabilities"], expected, atol=1e-2, err_msg=kind)
