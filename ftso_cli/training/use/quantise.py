"""A network in 8-bit integers: the static quantisation of onnxruntime, on activations of training pictures."""

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from ftso_cli.errors import DataError
from ftso_cli.training.use.classifier import Classifier
from ftso_cli.training.use.export import silenced
from ftso_cli.training.use.exported import Pictures, accuracy_of, answers_of, inputs_of, onnx_session

CALIBRATION = 256
"""Training pictures whose activations say which range of numbers 8 bits stand for."""

RUNS = 30
"""Answers that are timed."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """An ONNX file: the share of right answers on test images, its bytes, milliseconds an image at batch 1."""

    accuracy: float
    bytes: int
    milliseconds: float


@dataclass(frozen=True, kw_only=True)
class Quantised:
    """A network before and after it was brought to 8 bits, calibrated on some images, tested on others."""

    float32: Measured
    int8: Measured
    calibrated_on: int
    test_images: int

    def json(self) -> bytes:
        """Return the content of a JSON file."""
        return (json.dumps(asdict(self), indent=2) + "\n").encode()


def quantised(content: bytes, classifier: Classifier, preprocess: bool, pictures: Pictures) -> tuple[bytes, int]:
    """An ONNX file in 8 bits, and how many pictures it was calibrated on. Resizing keeps its precision."""
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    if next(iter(pictures), None) is None:
        raise DataError("none of the training images can be read")
    model = onnx.load_from_string(content)
    name = model.graph.input[0].name

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        count = 0

        def __init__(self) -> None:
            self._inputs = (
                values for picture, _ in pictures for values in inputs_of([picture], classifier, preprocess)
            )

        def get_next(self) -> dict[str, np.ndarray[Any, Any]] | None:
            values = next(self._inputs, None)
            self.count += values is not None
            return None if values is None else {name: values}

    reader = Reader()
    with TemporaryDirectory() as folder, silenced():
        path = Path(folder) / "int8.onnx"
        quantize_static(
            model,
            path,
            reader,
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            nodes_to_exclude=_before_network(model),
        )
        made = onnx.load(path)
    made.ClearField("metadata_props")
    made.metadata_props.extend(model.metadata_props)
    return made.SerializeToString(), reader.count


def _before_network(model: Any) -> list[str]:
    """The names of the nodes before the first convolution, which resize and normalise."""
    names: list[str] = []
    for node in model.graph.node:
        if node.op_type == "Conv":
            break
        names.append(node.name)
    return names


def measure_file(content: bytes, classifier: Classifier, preprocess: bool, tests: Pictures) -> tuple[Measured, int]:
    """Return the scores of an ONNX file on test pictures, and their number; it is timed on the first."""
    accuracy, count = accuracy_of(answers_of(content, "onnx", classifier, preprocess), tests)
    session = onnx_session(content)
    (values,) = inputs_of([next(iter(tests))[0]], classifier, preprocess)
    seconds = []
    for _ in range(RUNS):
        started = time.perf_counter()
        session.run(None, {session.get_inputs()[0].name: values})
        seconds.append(time.perf_counter() - started)
    milliseconds = round(1000 * float(np.median(seconds)), 4)
    return Measured(accuracy=accuracy, bytes=len(content), milliseconds=milliseconds), count
