"""The verb that tells the classes of images: predict."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ftso_cli.api.cells import check_writable
from ftso_cli.api.listening import Listener
from ftso_cli.api.training.uses import load
from ftso_cli.api.verbs import verb
from ftso_cli.files import write_atomic
from ftso_cli.settings.requests.use import PredictRequest
from ftso_cli.texts import csv_table

if TYPE_CHECKING:
    from ftso_cli.training.use.classifier import Classifier

BATCH = 64
"""Images that a network looks at together."""

NONE = "none of these"
"""The answer for an image whose likeliest class is less probable than the threshold."""


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """The likeliest classes of images with their probabilities, the likeliest first, by the path of the image.

    `answers` are the likeliest class of each image, or `none of these` where its probability is below the threshold.
    `broken` says by path what is wrong with images that can't be read, `unfinished` where a training stands that has
    not ended yet.
    """

    images: tuple[tuple[str, Mapping[str, float]], ...]
    answers: tuple[str, ...]
    broken: Mapping[str, str] = field(default_factory=dict)
    unfinished: str = ""

    def table(self) -> str:
        """Return a row of CSV for each image: path, answer, highest probability, the other likeliest classes."""
        rows: list[list[str]] = []
        for (image, classes), name in zip(self.images, self.answers, strict=True):
            others = [text for other in classes.items() if other[0] != name for text in _cells(*other)]
            rows.append([image, *_cells(name, max(classes.values())), *others])
        width = max(map(len, rows), default=3)
        head = ["image", "class", "probability"]
        head += [f"{what}_{number}" for number in range(2, (width + 1) // 2) for what in head[1:]]
        return csv_table([head, *(row + [""] * (width - len(row)) for row in rows)])


def _cells(name: str, share: float) -> tuple[str, str]:
    return name, f"{share:.6f}"


class PredictionListener(Listener):
    """Hears of images as they are looked at."""

    def predicted(self, image: str, classes: Mapping[str, float], answer: str) -> None:
        """Hear the likeliest classes of an image, and which of them is the answer, or `NONE`."""


@verb(PredictRequest)
def predict(request: PredictRequest) -> Predictions:
    """Classify images with a trained network: the likeliest `top` classes of each, with their probabilities.

    `images` are files, or folders of them. The result has `images`, and in `answers` the class of each, which is
    `none of these` where the likeliest is less probable than `threshold`; `csv` is a file for a table of them. A
    training that was interrupted answers with its last checkpoint.
    Raises `RunError` where the folder holds no network.
    """
    return predict_images(request, PredictionListener())


def predict_images(request: PredictRequest, listener: PredictionListener) -> Predictions:
    """Look at the images of a request, batch by batch; - as the file of the table is left to the caller."""
    from ftso_cli.data.files.listing import list_below
    from ftso_cli.data.files.skipped_files import SkippedFiles

    table = None if request.csv is None or str(request.csv) == "-" else Path(request.csv)
    if table is not None:
        check_writable(table)
    left_out = SkippedFiles()
    paths = [Path(image) for image in request.images]
    files = [str(file) for path in paths for file in (list_below(path, left_out) if path.is_dir() else [path])]
    classifier = load(request.run, request.device).deploy()
    if classifier.unfinished:
        listener.warn(classifier.unfinished)
    for line in left_out.lines():
        listener.note(line)
    found: list[tuple[str, Mapping[str, float]]] = []
    answers: list[str] = []
    broken: dict[str, str] = {}
    with listener.bar("look at images", "image") as update:
        for first in range(0, len(files), BATCH):
            for image, classes in _likeliest(classifier, files[first : first + BATCH], request.top, broken):
                name, share = next(iter(classes.items()))
                found.append((image, classes))
                answers.append(name if share >= request.threshold else NONE)
                listener.predicted(image, classes, answers[-1])
            update(min(first + BATCH, len(files)), len(files))
    result = Predictions(images=tuple(found), answers=tuple(answers), broken=broken, unfinished=classifier.unfinished)
    if table is not None:
        write_atomic(table, result.table().encode())
    return result


def _likeliest(
    classifier: "Classifier", files: Iterable[str], top: int, broken: dict[str, str]
) -> Iterable[tuple[str, dict[str, float]]]:
    for image, shares in classifier.answers(files, broken):
        best = shares.topk(min(top, len(classifier.classes)))
        names = [classifier.classes[at] for at in best.indices.tolist()]
        yield image, dict(zip(names, best.values.tolist(), strict=True))
