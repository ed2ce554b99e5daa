"""One image file to pixels: any common kind of file, first frame, upright, RGB, of one size."""

import math
import os
import stat
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError, features

from ftso_cli.data.files.frames import Frame, Size, framed
from ftso_cli.errors import DataError

AVIF = features.check("avif") is True
"""True where the installed Pillow reads AVIF: from 11.3 on, where it was built with it."""

HEIF = find_spec("pillow_heif") is not None
"""True where HEIC photos are read."""

HEIF_SUFFIXES = frozenset({".heic", ".heif", ".hif"})

HEIF_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})
"""The kinds of files, named in their first bytes, that phones write HEIC photos as."""

HEIF_REMEDY = "to read it: pip install 'ftso[heic]'"

JPEG_SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".jfif"})
SUFFIXES = (
    JPEG_SUFFIXES
    | {".png", ".bmp", ".gif", ".ppm", ".pgm", ".tif", ".tiff", ".webp", *([".avif"] * AVIF)}
    | (HEIF_SUFFIXES if HEIF else frozenset())
)
UNREAD = frozenset({".avif", ".jxl", ".jp2", ".psd", ".tga", ".ico", ".svg"}) - SUFFIXES
"""Suffixes of images that are not read."""

FORMATS = ("JPEG", "PNG", "BMP", "GIF", "PPM", "TIFF", "WEBP", *(["AVIF"] * AVIF))
"""Formats that Pillow may try; others are left out because some start programs (EPS) and none is common."""

ENDS = {"JPEG": b"\xff\xd9", "PNG": b"IEND"}
"""The end of a whole file of a format, but for bytes that programs append to it."""

TAIL = 4096
"""Bytes at the end of a file in which its end is looked for."""

LARGEST = 32_000_000
"""Pixels of an image as it is decoded, of which Pillow and what follows take up to 12 bytes each."""

MOST_COEFFICIENTS = 400_000_000
"""Bytes; the decoder holds a JPEG of several scans, as progressive ones are, whole and in full size."""

TOO_LARGE = f"larger than {LARGEST // 1_000_000} million pixels (a JPEG than 89 million, as it is decoded smaller)"

START_OF_SCAN = 0xDA

Pixels = NDArray[np.uint8]

Transform = Callable[[Image.Image], Image.Image]
"""Makes another image of an image."""


SMALLEST_CROP = 0.08
"""The least share of a picture that a random crop has (`RandomResizedCrop`)."""


def decode(path: str, frame: Frame) -> Pixels:
    """The image in a file, (H, W, 3), as `prepared` gives it.

    Raises `DataError` with the file's name where it is damaged, truncated, no image or too large.
    """
    with _opened(path) as image:
        return np.asarray(prepared(image, frame))


def whole(path: str, frame: Frame) -> Image.Image:
    """The picture in a file that `decode` brings into a frame: RGB, upright; raises `DataError`."""
    with _opened(path) as image:
        return _upright(image, 2 * max(frame.reach)).copy()


def decode_with(path: str, size: Size, transform: Transform) -> Pixels:
    """Return what a transform, which cuts and resizes to `size`, makes of the image in a file; raises `DataError`."""
    with _opened(path) as image:
        # The smallest crop is no smaller than `size`, wherever the file has as many pixels.
        return np.asarray(transform(_upright(image, math.ceil(max(size) / math.sqrt(SMALLEST_CROP)))))


def prepared(image: Image.Image, frame: Frame) -> Image.Image:
    """The image as RGB of the size of a frame.

    EXIF rotation is applied, in place; 16 bits become 8, transparent pixels white, animations give their first frame.
    """
    # Twice the wanted size keeps the resizing exact enough.
    return framed(_upright(image, 2 * max(frame.reach)), frame)


def _upright(image: Image.Image, least: int) -> Image.Image:
    """Return the image as RGB, upright; a JPEG decoded at 1/2, 1/4 or 1/8 where its sides stay `least` or more."""
    if (needed := _coefficients(image)) > MOST_COEFFICIENTS:
        raise ValueError(f"progressive, which takes {needed // 1_000_000} MB to decode; save it as a baseline JPEG")
    image.draft(None, (least, least))
    if image.width * image.height > LARGEST:
        raise Image.DecompressionBombError
    ImageOps.exif_transpose(image, in_place=True)
    return _rgb(image)


def _coefficients(image: Image.Image) -> int:
    """Bytes that the decoder needs for the coefficients of a JPEG; it keeps none of one that has a single scan."""
    layers: list[tuple[int, int, int, int]] = getattr(image, "layer", [])
    if image.format != "JPEG" or not layers or not _has_scans(image, len(layers)):
        return 0
    areas = [across * down for _, across, down, _ in layers]
    widest, tallest = max(across for _, across, _, _ in layers), max(down for _, _, down, _ in layers)
    return 2 * image.width * image.height * sum(areas) // max(1, widest * tallest)


def _has_scans(image: Image.Image, components: int) -> bool:
    """Return True for a JPEG of several scans: progressive, or with a first scan that lacks components."""
    if "progressive" in image.info:
        return True
    file: BinaryIO = getattr(image, "fp")  # noqa: B009
    at = file.tell()
    try:
        file.seek(2)
        while (head := file.read(4)) and len(head) == 4:
            length = int.from_bytes(head[2:], "big")
            if head[1] == START_OF_SCAN:
                return file.read(1) != bytes([components])
            file.seek(max(0, length - 2), 1)
        return True
    finally:
        file.seek(at)


def stored_size(path: str) -> tuple[int, int]:
    """Width and height of an image, read from the head of its file."""
    with _opened(path) as image:
        return image.size


def check_file(path: str) -> None:
    """Raises `DataError` where a file is no image or is truncated; decodes it only where its end isn't to be seen."""
    with _opened(path) as image:
        end = ENDS.get(image.format or "", b"")
        if end not in _tail(path):
            image.draft(None, (1, 1))
            image.load()


def _tail(path: str) -> bytes:
    with open(path, "rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - TAIL))
        return file.read(TAIL)


@contextmanager
def quiet() -> Iterator[None]:
    """Around reading: Pillow's remarks about odd files stay silent, and an image that is too large is an error.

    Warning filters belong to the whole process, so this stands around a whole read, not in its threads.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


@contextmanager
def _opened(path: str) -> Iterator[Image.Image]:
    try:
        # Who opens a pipe waits for somebody to write into it.
        if not stat.S_ISREG(os.stat(path).st_mode) and not os.path.isdir(path):
            raise DataError(f"{printable_path(path)}: neither a file nor a folder; remove it")
        with _identified(path) as image:
            yield image
    except DataError:
        raise
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise DataError(f"{printable_path(path)}: {TOO_LARGE}; make it smaller or remove it") from None
    except FileNotFoundError:
        raise DataError(f"{printable_path(path)}: no such file") from None
    except IsADirectoryError:
        raise DataError(f"{printable_path(path)}: is a folder, not an image") from None
    except UnidentifiedImageError:
        kind = os.path.splitext(path)[1].lower()
        what = "an image of a kind that is not read; convert it to JPEG or PNG" if kind in UNREAD else "not an image"
        raise DataError(f"{printable_path(path)}: {what}{'' if kind in UNREAD else '; remove or replace it'}") from None
    # Pillow's readers raise whatever comes up in a damaged file: struct.error, IndexError, KeyError, zlib.error, ...
    except Exception as error:
        raise DataError(f"{printable_path(path)}: can't be read ({_reason(error)}); remove or replace it") from None


def _identified(path: str) -> Image.Image:
    """Open an image of one of the formats; the reader of HEIC photos is imported where the first is met."""
    try:
        return Image.open(path, formats=FORMATS)
    except UnidentifiedImageError:
        with open(path, "rb") as file:
            head = file.read(12)
        if head[4:8] != b"ftyp" or head[8:] not in HEIF_BRANDS:
            raise
    if not HEIF:
        raise DataError(f"{printable_path(path)}: a HEIC photo; {HEIF_REMEDY}")
    from pillow_heif import register_heif_opener

    register_heif_opener()
    return Image.open(path, formats=("HEIF",))


def _reason(error: Exception) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.split()) or type(error).__name__


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        image = _eight_bits(image)
    if image.mode == "F":
        raise ValueError("pixels are floating-point numbers, whose range is unknown; save it with 8 bits")
    if not image.has_transparency_data:
        return image if image.mode == "RGB" else image.convert("RGB")
    upright = image if image.mode == "RGBA" else image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", upright.size, "white"), upright).convert("RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    """A grayscale image of 16 bits a pixel as 8 bits; Pillow's own conversion would cut at 255."""
    if image.mode == "I" and image.format not in ("PNG", "PPM"):
        raise ValueError("pixels are 32-bit integers, whose range is unknown; save it with 8 bits")
    values = np.asarray(image).astype(np.uint16)
    # The nearest of 256 levels, (values + 128) // 257, without leaving 16 bits.
    return Image.fromarray((values // 257 + (values % 257 > 128)).astype(np.uint8))


def printable_path(path: str) -> str:
    """A path for a message of one line, whatever characters it has."""
    return path if path.isprintable() else repr(path)
