"""Trained networks as files for other programs, checked on the images of their training."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ftso_cli.api.cells import check_writable
from ftso_cli.api.training.run_images import images_of
from ftso_cli.errors import DataError, RunError, SettingsError
from ftso_cli.files import write_atomic, write_inside
from ftso_cli.settings.requests.convert import NETWORK_FORMATS, ExportRequest

if TYPE_CHECKING:
    from ftso_cli.data import ImageData
    from ftso_cli.training.run import Config, Run
    from ftso_cli.training.use.classifier import Classifier
    from ftso_cli.training.use.exported import ExportCheck
    from ftso_cli.training.use.quantise import Quantised

CHECKED = 500
"""Test images that an exported network is compared on."""


@dataclass(frozen=True, kw_only=True)
class Exported:
    """A file or text written for another tool.

    `text` is that of a genotype. `file` is None where no file was asked for. `lost` names what the format can't hold.
    Of a trained network `config` has its classes and images, and `unfinished` says where a training stands that has
    not ended yet. `check` tells how its answers compare with those of `predict` on test images, None where that was
    not checked, for the reason in `unchecked`. `quantised` has its accuracy, size and time before and after `int8`.
    """

    format: str
    file: Path | None
    text: str | None = None
    lost: tuple[str, ...] = ()
    config: "Config | None" = None
    unfinished: str = ""
    check: "ExportCheck | None" = None
    unchecked: str = ""
    quantised: "Quantised | None" = None


def export_run(folder: Path, request: ExportRequest) -> Exported:
    """Write the network of a run, into its folder unless the request says otherwise."""
    format, target = request.format or "onnx", _target(folder, request)
    from ftso_cli.nn.device import choose_device
    from ftso_cli.training.run import Run
    from ftso_cli.training.use.classifier import load_classifier
    from ftso_cli.training.use.export import network_file, require_packages

    require_packages(format)
    run = Run(folder)
    classifier = load_classifier(run, choose_device("cpu"))
    content = network_file(run, classifier, format, preprocess=request.preprocess)
    # Safetensors hold weights, which answer nothing.
    images = "" if format == "safetensors" else _images(run)
    check, quantised = None, None
    if not isinstance(images, str):
        check = _checked(content, request, classifier, images)
    if request.int8:
        if isinstance(images, str):
            raise DataError(f"{images}; int8 is calibrated on the training images of the run, so put them back")
        content, quantised = _in_8_bits(content, request, classifier, images)
    write = write_inside if target.parent == run.folder else write_atomic
    write(target, content)
    if quantised is not None:
        write(target.with_name(f"{target.name}.json"), quantised.json())
    return Exported(
        format=format,
        file=target,
        config=run.config(),
        unfinished=classifier.unfinished,
        check=check,
        unchecked=images if isinstance(images, str) else "",
        quantised=quantised,
    )


def _target(folder: Path, request: ExportRequest) -> Path:
    """The file to write; raises where it can't be written."""
    format = request.format or "onnx"
    default = folder / ("network-int8.onnx" if request.int8 else NETWORK_FORMATS[format])
    target = default if request.output is None else Path(request.output)
    if str(target) == "-":
        raise SettingsError(
            f"a trained network is a file of bytes, not text for stdout; name one, as in -o {default.name}"
        )
    check_writable(target)
    return target


def _images(run: "Run") -> "ImageData | str":
    """The images of a run, or the reason why they are not to be had."""
    try:
        return images_of(run.config(), run.images())
    except (DataError, RunError) as error:
        return str(error)


def _checked(content: bytes, request: ExportRequest, classifier: "Classifier", data: "ImageData") -> "ExportCheck":
    from ftso_cli.training.use.exported import TOLERANCE, WITH_PICTURES, Pictures, answers_of, compare_answers

    answers = answers_of(content, request.format or "onnx", classifier, request.preprocess)
    pictures = Pictures(data.final, classifier, CHECKED)
    return compare_answers(answers, classifier, pictures, WITH_PICTURES if request.preprocess else TOLERANCE)


def _in_8_bits(
    content: bytes, request: ExportRequest, classifier: "Classifier", data: "ImageData"
) -> tuple[bytes, "Quantised"]:
    from ftso_cli.training.use.exported import Pictures
    from ftso_cli.training.use.quantise import CALIBRATION, Quantised, measure_file, quantised

    pictures, tests = Pictures(data.train, classifier, CALIBRATION), Pictures(data.final, classifier)
    made, calibrated_on = quantised(content, classifier, request.preprocess, pictures)
    before, count = measure_file(content, classifier, request.preprocess, tests)
    after, _ = measure_file(made, classifier, request.preprocess, tests)
    return made, Quantised(float32=before, int8=after, calibrated_on=calibrated_on, test_images=count)
