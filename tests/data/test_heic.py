"""HEIC photos, as phones write them, where pillow-heif is installed; and what is said where it is not."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from ftso_cli.cli.app import app
from ftso_cli.data import open_images
from ftso_cli.data.files.decode import LARGEST, decode, quiet
from ftso_cli.data.files.frames import Frame
from ftso_cli.errors import DataError
from tests.data.images import write_folder
from tests.processes import ROOT

RED, BLUE = (255, 0, 0), (0, 0, 255)

HEAD = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"
"""The first bytes of a HEIC photo."""


def photo(path: Path, size: tuple[int, int] = (40, 20), **settings: object) -> Path:
    """Writes a photo of (width, height) `size`: its left half is red, its right half blue."""
    heif = pytest.importorskip("pillow_heif")
    image = Image.new("RGB", size, RED)
    image.paste(BLUE, (size[0] // 2, 0, *size))
    heif.register_heif_opener()
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, format="HEIF", quality=100, chroma=444, **settings)
    return path


def pixels(path: Path, size: tuple[int, int]) -> np.ndarray:
    with quiet():
        return decode(str(path), Frame(size, "stretch"))


def test_a_photo_is_read_to_its_pixels(tmp_path: Path) -> None:
    found = pixels(photo(tmp_path / "a.heic"), (20, 40)).astype(int)
    assert np.abs(found[:, :18] - RED).max() < 12 and np.abs(found[:, 22:] - BLUE).max() < 12


def test_a_photo_that_was_taken_upright_is_turned_once(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    found = pixels(photo(tmp_path / "a.heic", exif=exif.tobytes()), (40, 20)).astype(int)
    assert np.abs(found[:18] - RED).max() < 12 and np.abs(found[22:] - BLUE).max() < 12


def test_a_photo_is_known_by_its_content(tmp_path: Path) -> None:
    photo(tmp_path / "a.heic").rename(tmp_path / "a.jpg")
    assert pixels(tmp_path / "a.jpg", (20, 40)).shape == (20, 40, 3)
    Image.new("RGB", (8, 8), RED).save(tmp_path / "b.png")
    (tmp_path / "b.png").rename(tmp_path / "b.heic")
    assert (pixels(tmp_path / "b.heic", (8, 8)) == RED).all()


def test_damaged_photos_are_refused_by_name(tmp_path: Path) -> None:
    content = photo(tmp_path / "a.heic").read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for number in range(60):
        damaged = bytearray(content[: len(content) // 2] if number == 0 else content)
        for place in rng.integers(12, len(damaged), 8):
            damaged[place] = rng.integers(0, 256)
        (tmp_path / "b.heic").write_bytes(damaged)
        try:
            assert pixels(tmp_path / "b.heic", (8, 8)).shape == (8, 8, 3)
        except DataError as error:
            assert "b.heic" in str(error) and "\n" not in str(error)
            refused += 1
    assert refused > 10


def test_a_photo_that_says_it_is_huge_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    content = photo(tmp_path / "a.heic", (400, 200)).read_bytes()
    size = (400).to_bytes(4, "big") + (200).to_bytes(4, "big")
    assert content.count(size) >= 1 and LARGEST < 16_000 * 16_000
    (tmp_path / "b.heic").write_bytes(content.replace(size, 2 * (16_000).to_bytes(4, "big")))
    with pytest.raises(DataError, match=r"b\.heic: (larger than|can't be read)"):
        pixels(tmp_path / "b.heic", (8, 8))


def test_photos_lie_in_class_folders_beside_other_images(tmp_path: Path) -> None:
    write_folder(tmp_path, {"cat": 3, "dog": 3})
    for number in range(3):
        photo(tmp_path / f"cat/photo{number}.HEIC")
    data = open_images(str(tmp_path))
    assert len(data.train) + len(data.final) == 9 and not data.skipped
    assert not data.train.load_all() and not data.final.load_all()


WITHOUT = """
import sys
sys.modules["pillow_heif"] = None
from ftso_cli.cli.app import app
from ftso_cli.data import open_images
run, pets = sys.argv[1:]
images = open_images(pets)
print(images.skipped, *images.train.load_all().values())
app(["predict", run, f"{pets}/cat/IMG_0001.HEIC"])
"""
"""What a process says that finds no pillow-heif, on whatever machine."""


def test_without_the_package_the_message_names_what_to_install(tmp_path: Path) -> None:
    folder, run = write_folder(tmp_path / "pets", {"cat": 3, "dog": 3}), tmp_path / "run"
    small = ["--channels", "4", "--cells", "1", "--epochs", "1", "--batch-size", "2"]
    train = ["train", "ftso_residual", "--data", folder, *small, "-o", run]
    assert CliRunner().invoke(app, [*map(str, train)]).exit_code == 0
    (folder / "cat/IMG_0001.HEIC").write_bytes(HEAD)
    (folder / "dog/misnamed.jpg").write_bytes(HEAD)
    done = subprocess.run([sys.executable, "-c", WITHOUT, run, folder], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert "1 × HEIC photo, to read it: pip install 'ftso[heic]'" in done.stdout
    assert "misnamed.jpg: a HEIC photo; to read it: pip install 'ftso[heic]'" in done.stdout
    assert "IMG_0001.HEIC: a HEIC photo; to read it: pip install 'ftso[heic]'" in done.stderr


def test_the_reader_is_imported_where_the_first_photo_is_met_and_not_before(tmp_path: Path) -> None:
    if find_spec("pillow_heif") is None:
        pytest.skip("pillow-heif is not installed")
    folder = write_folder(tmp_path / "pets", {"cat": 3, "dog": 3})
    code = (
        "import sys; from ftso_cli.data import open_images; open_images(sys.argv[1]).train.load_all();"
        "print('pillow_heif' in sys.modules)"
    )
    assert subprocess.check_output([sys.executable, "-c", code, folder], text=True) == "False\n"
