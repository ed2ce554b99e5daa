"""The test images that were mistaken, small, as data that the page holds itself."""

import base64
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ftso_cli.errors import FtsoError
from ftso_cli.report.run.trained import TrainedRun
from ftso_cli.texts import csv_cell
from ftso_cli.training.testing.answers import ImageAnswer

if TYPE_CHECKING:
    from PIL import Image

MOST = 24
"""Images that a page shows."""

TRIED = 4 * MOST
"""Images of which a checksum is taken, where many are gone or changed."""

SIDE = 112
"""Pixels of the longer side of a thumbnail."""

LARGEST = 16_000
"""Bytes of a thumbnail."""


@dataclass(frozen=True, kw_only=True)
class WrongImage:
    """A mistaken image: a data URI, its name, its class, and the answer with its confidence."""

    source: str
    name: str
    truth: str
    answer: str
    confidence: float
    small: bool


def wrong_images(training: TrainedRun, answers: Sequence[ImageAnswer]) -> tuple[WrongImage, ...]:
    """The images that were mistaken most confidently, of those whose files are there and as they were in the test."""
    wrong = sorted((each for each in answers if each.answer != each.truth), key=lambda each: -each.confidence)
    if not wrong:
        return ()
    found: list[WrongImage] = []
    files = _files(training)
    for each in wrong[:TRIED]:
        if len(found) == MOST:
            break
        found += _shown(training, each, files)
    return tuple(found)


def _files(training: TrainedRun) -> Mapping[str, tuple[Path, str]]:
    """The files of the test images with their checksums, by their names as answers.csv has them."""
    # Imported here, with torch: few pages show images.
    from ftso_cli.data import image_folder

    try:
        record = training.images
        folder = None if record is None or not record.test else image_folder(training.config.data)
    except FtsoError:
        return {}
    if record is None or folder is None:
        return {}
    return {csv_cell(name): (folder / name, checksum) for name, checksum in record.test.items()}


def _shown(training: TrainedRun, each: ImageAnswer, files: Mapping[str, tuple[Path, str]]) -> Iterator[WrongImage]:
    from ftso_cli.data.record import checksum_of

    path, checksum = files.get(each.image, (None, ""))
    if path is None or checksum_of(path) != checksum:
        return
    try:
        source, small = _thumbnail(path)
    except FtsoError:
        return
    if len(source) <= LARGEST:
        classes = training.config.classes
        yield WrongImage(
            source=source,
            name=each.image,
            truth=classes[each.truth],
            answer=classes[each.answer],
            confidence=each.confidence,
            small=small,
        )


def _thumbnail(path: Path) -> tuple[str, bool]:
    """A small copy of an image as a data URI, and whether the image itself is that small; raises `DataError`."""
    from PIL import Image

    from ftso_cli.data.files.decode import decode_with, quiet

    def shrink(image: "Image.Image") -> "Image.Image":
        image.thumbnail((SIDE, SIDE))
        return image

    with quiet():
        image = Image.fromarray(decode_with(str(path), (SIDE, SIDE), shrink))
    small = max(image.size) < SIDE
    content = io.BytesIO()
    kind = "png" if small and max(image.size) <= SIDE // 2 else "jpeg"
    image.save(content, format=kind, **({"optimize": True} if kind == "png" else {"quality": 80}))
    return f"data:image/{kind};base64,{base64.b64encode(content.getvalue()).decode()}", small
