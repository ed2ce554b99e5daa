"""Answers of an exported network, compared with those of the network that it was made of."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import islice
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ftso_cli.data import ImageSource
from ftso_cli.data.files.decode import quiet, whole
from ftso_cli.errors import DataError, FtsoError
from ftso_cli.training.use.classifier import Classifier
from ftso_cli.training.use.export import silent_stderr

Answers = Callable[[Sequence[Image.Image]], Tensor]
"""Return the probability of each class for each picture, (n, classes)."""

BATCH = 64

TOLERANCE, WITH_PICTURES = 1e-4, 2e-2
"""Differences of a probability that are rounding: of the network, and of resizing too, by a level of 255."""


@dataclass(frozen=True, kw_only=True)
class ExportCheck:
    """On how many of `images` an exported network answers with the `same` class as `predict`.

    `difference` is the largest one of a probability.
    """

    images: int
    same: int
    difference: float


class Pictures:
    """The pictures of a part of a set with their labels, upright and RGB, of whatever size, as other programs see them.

    At most `most`, spread evenly; those that can't be read are passed over.
    """

    def __init__(self, source: ImageSource, classifier: Classifier, most: int | None = None) -> None:
        step = 1 if most is None else -(-len(source) // most)
        self._source, self._chosen = source, range(0, len(source), step)
        self._frame = classifier.frame

    def __iter__(self) -> Iterator[tuple[Image.Image, int]]:
        for index in self._chosen:
            try:
                yield self._read(index), int(self._source.labels[index])
            except DataError:
                continue

    def batches(self) -> Iterator[tuple[tuple[Image.Image, ...], tuple[int, ...]]]:
        """Pictures and labels, a few at a time."""
        every = iter(self)
        while part := tuple(islice(every, BATCH)):
            pictures, labels = zip(*part, strict=True)
            yield pictures, labels

    def _read(self, index: int) -> Image.Image:
        if self._source.paths:
            with quiet():
                return whole(self._source.paths[index], self._frame)
        # A set in memory: its images as they are.
        pixels = self._source.read_each(torch.tensor([index]), [lambda picture: picture])[0]
        return Image.fromarray(pixels.permute(1, 2, 0).numpy().squeeze()).convert("RGB")


def onnx_session(content: bytes) -> Any:
    """An ONNX file as onnxruntime runs it, with as many threads as torch has."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def inputs_of(pictures: Sequence[Image.Image], classifier: Classifier, preprocess: bool) -> list[np.ndarray[Any, Any]]:
    """The inputs of an exported network for pictures: each as it is, or all of them together."""
    if preprocess:
        return [np.asarray(picture) for picture in pictures]
    return [torch.stack([classifier.preprocess(picture) for picture in pictures]).numpy()]


def answers_of(content: bytes, format: str, classifier: Classifier, preprocess: bool) -> Answers:
    """The answers of an exported file: `onnx`, `torch-export` or `tflite`."""
    run = _RUNNERS[format](content)

    @torch.inference_mode()
    def answers(pictures: Sequence[Image.Image]) -> Tensor:
        found = [run(values) for values in inputs_of(pictures, classifier, preprocess)]
        return torch.stack(found) if preprocess else found[0].softmax(1)

    return answers


_Run = Callable[[np.ndarray[Any, Any]], Tensor]


def _of_onnx(content: bytes) -> _Run:
    session = onnx_session(content)
    name = session.get_inputs()[0].name
    return lambda values: torch.from_numpy(session.run(None, {name: values})[0])


def _of_torch_export(content: bytes) -> _Run:
    module = torch.export.load(BytesIO(content)).module()
    return lambda values: module(torch.from_numpy(values.copy()))


def _of_tflite(content: bytes) -> _Run:
    """Return what runs a TensorFlow Lite file, an image at a time."""
    with silent_stderr():
        from ai_edge_litert.interpreter import Interpreter

        interpreter = Interpreter(model_content=content)
        interpreter.allocate_tensors()
    taken, given = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]

    def run(values: np.ndarray[Any, Any]) -> Tensor:
        found = []
        for image in values:
            interpreter.set_tensor(taken, image[None])
            interpreter.invoke()
            found.append(torch.from_numpy(interpreter.get_tensor(given).copy()))
        return torch.cat(found)

    return run


_RUNNERS: Mapping[str, Callable[[bytes], _Run]] = {
    "onnx": _of_onnx,
    "torch-export": _of_torch_export,
    "tflite": _of_tflite,
}


def compare_answers(answers: Answers, classifier: Classifier, pictures: Pictures, tolerance: float) -> ExportCheck:
    """Return how the answers agree with those of the classifier; raises `FtsoError` where they differ."""
    deployed = classifier.deploy()
    count, same, difference = 0, 0, 0.0
    for batch, _ in pictures.batches():
        found, expected = answers(batch), deployed.probabilities(batch)
        count += len(batch)
        same += int((found.argmax(1) == expected.argmax(1)).sum())
        difference = max(difference, float((found - expected).abs().max()))
    if not count:
        raise DataError("none of the test images can be read")
    if not difference <= tolerance:
        raise FtsoError(
            f"the exported network would answer otherwise than predict: the same class on {same} of {count} test "
            f"images, probabilities that differ by up to {difference:.2g}; nothing is written"
        )
    return ExportCheck(images=count, same=same, difference=difference)


def accuracy_of(answers: Answers, pictures: Pictures) -> tuple[float, int]:
    """The share of right answers, 0..1, and the number of pictures."""
    right = count = 0
    for batch, labels in pictures.batches():
        right += int((answers(batch).argmax(1) == torch.tensor(labels)).sum())
        count += len(batch)
    return right / count, count
