"""Image files of every common kind, and damaged ones."""

import io
import os
import struct
import tracemalloc
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ftso_cli.data.files.decode import decode, quiet
from ftso_cli.data.files.frames import Frame
from ftso_cli.errors import DataError
from tests.data.images import write_image

RED, BLUE, WHITE = (255, 0, 0), (0, 0, 255), (255, 255, 255)


def pixels(path: Path, size: int = 8) -> np.ndarray:
    with quiet():
        return decode(str(path), Frame((size, size)))


def is_flat(path: Path, colour: tuple[int, int, int]) -> bool:
    return bool((pixels(path) == np.array(colour)).all())


def refusal(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        pixels(path)
    message = str(caught.value)
    assert path.name in message and "\n" not in message
    return message


def test_an_image_of_the_wanted_size_keeps_every_pixel(tmp_path):
    path = write_image(tmp_path / "a.png")
    assert np.array_equal(pixels(path), np.asarray(Image.open(path)))


MODES = {
    "png": ("L", "1", "P", "RGB"),
    "jpg": ("L", "CMYK", "RGB"),
    "tif": ("L", "1", "P", "CMYK", "RGB"),
    "gif": ("L", "1", "P", "RGB"),
}


@pytest.mark.parametrize("suffix", MODES)
def test_every_colour_mode_becomes_rgb(tmp_path, suffix):
    for mode in MODES[suffix]:
        path = tmp_path / f"{mode}.{suffix}"
        Image.new("RGB", (8, 8), "white").convert(mode).save(path)
        assert np.abs(pixels(path).astype(int) - 255).max() <= 1, mode


def test_cmyk_red_is_red(tmp_path):
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "a.tif")
    assert is_flat(tmp_path / "a.tif", RED)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bits_are_scaled_and_not_cut(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(np.full((8, 8), 100 * 257, np.uint16)).save(path)
    assert is_flat(path, (100, 100, 100))


def test_ten_bits_of_a_pgm_file_are_scaled(tmp_path):
    (tmp_path / "a.pgm").write_bytes(b"P5 8 8 1023\n" + b"\x03\xff" * 64)
    assert is_flat(tmp_path / "a.pgm", WHITE)


@pytest.mark.parametrize("kind", [np.int32, np.float32])
def test_pixels_of_unknown_range_are_refused(tmp_path, kind):
    Image.fromarray(np.ones((8, 8), kind)).save(tmp_path / "a.tif")
    assert "8 bits" in refusal(tmp_path / "a.tif")


def test_transparent_pixels_become_white_and_hidden_colours_stay_hidden(tmp_path):
    Image.new("RGBA", (8, 8), (255, 0, 0, 0)).save(tmp_path / "alpha.png")
    Image.new("LA", (8, 8), (9, 0)).save(tmp_path / "gray.png")
    Image.new("RGB", (8, 8), RED).save(tmp_path / "key.png", transparency=RED)
    palette = Image.new("P", (8, 8), 1)
    palette.putpalette([0, 0, 0, 255, 0, 0])
    palette.save(tmp_path / "palette.png", transparency=1)
    palette.save(tmp_path / "palette.gif", transparency=1)
    for path in tmp_path.iterdir():
        assert is_flat(path, WHITE), path.name


def test_an_animation_gives_its_first_frame(tmp_path):
    first, second = Image.new("RGB", (8, 8), RED), Image.new("RGB", (8, 8), BLUE)
    for suffix in ("gif", "png", "tif", "webp"):
        path = tmp_path / f"a.{suffix}"
        first.save(path, save_all=True, append_images=[second], lossless=True)
        assert is_flat(path, RED), suffix


@pytest.mark.parametrize(("orientation", "corner"), [(1, (0, 0)), (3, (-1, -1)), (6, (0, -1)), (8, (-1, 0))])
def test_exif_rotation_is_applied(tmp_path, orientation, corner):
    image = Image.new("RGB", (8, 8))
    image.putpixel((0, 0), WHITE)
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.save(tmp_path / "a.png", exif=exif)
    found = pixels(tmp_path / "a.png")
    assert found[corner].tolist() == list(WHITE)
    assert found.sum() == 3 * 255


def test_damaged_exif_data_do_not_stop_a_good_image(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (8, 8), RED).save(tmp_path / "a.png", exif=exif)
    Image.new("RGB", (8, 8), "white").save(tmp_path / "a.jpg", exif=exif)
    content = bytearray((tmp_path / "a.jpg").read_bytes())
    start = content.index(b"Exif") + 6
    content[start : start + 20] = bytes(range(200, 220))
    (tmp_path / "a.jpg").write_bytes(content)
    assert is_flat(tmp_path / "a.jpg", WHITE)


def test_the_shorter_side_is_resized_and_the_centre_cut_out(tmp_path):
    wide = Image.new("RGB", (64, 16), BLUE)
    wide.paste(RED, (21, 0, 43, 16))
    wide.save(tmp_path / "wide.png")
    wide.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "high.png")
    assert is_flat(tmp_path / "wide.png", RED)
    assert is_flat(tmp_path / "high.png", RED)


def test_a_small_image_is_enlarged(tmp_path):
    Image.new("RGB", (3, 5), RED).save(tmp_path / "a.png")
    assert is_flat(tmp_path / "a.png", RED)


def test_a_large_photograph_is_resized_as_pillow_resizes_it(tmp_path):
    ramp = np.linspace(0, 255, 640).astype(np.uint8)
    across, down = np.meshgrid(ramp, ramp[:480])
    photo = np.stack([across, down, np.full_like(down, 60)], 2)
    Image.fromarray(photo).save(tmp_path / "a.jpg", quality=95)
    plain = Image.open(tmp_path / "a.jpg").crop((80, 0, 560, 480)).resize((32, 32), Image.Resampling.BILINEAR)
    difference = np.abs(pixels(tmp_path / "a.jpg", 32).astype(int) - np.asarray(plain))
    assert difference.max() <= 6 and difference.mean() < 2


def test_files_that_are_no_images_are_refused_by_name(tmp_path):
    for name, content in {"empty.jpg": b"", "text.jpg": b"hello", "head.png": b"\x89PNG\r\n\x1a\n"}.items():
        (tmp_path / name).write_bytes(content)
        assert "not an image" in refusal(tmp_path / name)
    (tmp_path / "folder.jpg").mkdir()
    refusal(tmp_path / "folder.jpg")
    assert refusal(tmp_path / "gone.jpg").endswith("gone.jpg: no such file")
    assert refusal(tmp_path).endswith(": is a folder, not an image")


def test_a_postscript_file_is_never_run(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\nshowpage\n")
    assert "not an image" in refusal(tmp_path / "a.jpg")


@pytest.mark.parametrize("suffix", ["jpg", "png", "bmp", "gif", "tif"])
def test_a_truncated_image_is_refused_by_name(tmp_path, suffix):
    path = write_image(tmp_path / f"a.{suffix}", size=(64, 64))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    refusal(path)


@pytest.mark.parametrize("suffix", ["jpg", "png", "bmp", "gif", "tif", "ppm"])
def test_whatever_bytes_are_damaged_nothing_but_a_named_error_comes_out(tmp_path, suffix):
    path = write_image(tmp_path / f"a.{suffix}")
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(60):
        damaged = bytearray(content)
        for place in rng.integers(0, min(len(content), 200), 6):
            damaged[place] = rng.integers(0, 256)
        path.write_bytes(damaged)
        try:
            assert pixels(path).shape == (8, 8, 3)
        except DataError as error:
            assert "a." in str(error)
            refused += 1
    assert refused > 0


@pytest.mark.parametrize("side", [6_000, 10_000, 20_000, 100_000])
def test_a_decompression_bomb_is_refused_before_it_is_decoded(tmp_path, side):
    (tmp_path / "a.ppm").write_bytes(f"P6 {side} {side} 255\n".encode())
    assert "million pixels" in refusal(tmp_path / "a.ppm")


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def test_a_small_file_that_unpacks_to_gigabytes_is_refused_before_it_is_decoded(tmp_path):
    packed = zlib.compressobj(9)
    rows = b"".join(packed.compress(bytes(1_000_000)) for _ in range(100)) + packed.flush()
    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    (tmp_path / "a.png").write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    )
    assert (tmp_path / "a.png").stat().st_size < 200_000
    assert "million pixels" in refusal(tmp_path / "a.png")


def test_a_text_in_an_image_that_unpacks_to_megabytes_is_refused(tmp_path):
    content = write_image(tmp_path / "good.png").read_bytes()
    text = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(50_000_000), 9))
    (tmp_path / "a.png").write_bytes(content[:33] + text + content[33:])
    tracemalloc.start()
    try:
        refusal(tmp_path / "a.png")
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


def test_remarks_of_pillow_about_odd_files_stay_silent(tmp_path):
    palette = Image.new("P", (8, 8), 1)
    palette.putpalette([0, 0, 0, 255, 0, 0])
    palette.save(tmp_path / "a.png", transparency=b"\x00\x80")
    with warnings.catch_warnings(record=True) as remarks:
        warnings.simplefilter("always")
        pixels(tmp_path / "a.png")
    assert remarks == []


def test_an_error_message_stays_on_one_line_whatever_the_file_is_called(tmp_path):
    path = tmp_path / "a\nb\x1b[31m.png"
    path.write_bytes(b"")
    with pytest.raises(DataError) as caught:
        pixels(path)
    assert str(caught.value).isprintable()


def enlarged(content: bytes, side: int) -> bytes:
    """A JPEG whose header says that it has so many pixels; its content stays as it is."""
    at = next(at for at in (content.find(bytes([255, kind])) for kind in (0xC2, 0xC0)) if at >= 0)
    return content[: at + 5] + side.to_bytes(2, "big") * 2 + content[at + 9 :]


@pytest.mark.parametrize("mode", ["CMYK", "RGB"])
def test_a_large_progressive_jpeg_is_refused_and_others_are_decoded_at_reduced_size(tmp_path, mode):
    """The decoder keeps all of a progressive one, in full size: of CMYK 700 MB. Without, a few lines at a time."""
    image = Image.new(mode, (64, 64))
    for progressive in (True, False):
        file = io.BytesIO()
        image.save(file, "JPEG", progressive=progressive, subsampling=0)
        (tmp_path / f"{progressive}.jpg").write_bytes(enlarged(file.getvalue(), 9400))
    assert "progressive, which takes" in refusal(tmp_path / "True.jpg")
    assert pixels(tmp_path / "False.jpg").shape == (8, 8, 3)


def test_a_jpeg_whose_first_scan_lacks_components_counts_as_one_of_several(tmp_path):
    file = io.BytesIO()
    Image.new("RGB", (64, 64)).save(file, "JPEG", subsampling=0)
    content = enlarged(file.getvalue(), 9400)
    at = content.index(b"\xff\xda")
    (tmp_path / "a.jpg").write_bytes(content[:at] + b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00" + content[at + 14 :])
    assert "progressive, which takes" in refusal(tmp_path / "a.jpg")


def test_a_pipe_or_a_device_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.jpg")
    for path in (tmp_path / "a.jpg", Path("/dev/zero")):
        assert "neither a file nor a folder" in refusal(path)
