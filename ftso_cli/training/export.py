"""A trained network as a file for other programs: ONNX, torch.export, or safetensors with all that describes it."""

import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from importlib.util import find_spec
from io import BytesIO, StringIO
from pathlib import Path

import torch
from torch import nn

from ftso_cli.errors import SettingsError
from ftso_cli.files import write_atomic
from ftso_cli.genotype import storage
from ftso_cli.nn.checkpoint import write_tensors
from ftso_cli.nn.folding import fold_batch_norm
from ftso_cli.training.classifier import Classifier, load_classifier
from ftso_cli.training.run import Run

CPU = torch.device("cpu")

DYNAMIC = ({0: torch.export.Dim("batch")},)
"""The number of images is left open."""


def export_network(run: Run, format: str, path: Path) -> None:
    """Writes the trained network of a run as `onnx`, `torch-export` or `safetensors`.

    The first two hold a graph from `images` (N, C, H, W) in 0..1 to `logits` (N, classes), with normalising in it and
    batch norm folded. Raises `SettingsError` where a package is missing, `RunError` for a run without a network.
    """
    if format == "safetensors":
        _write_safetensors(run, path)
        return
    if format == "onnx":
        _require("onnx", "onnxscript")
    folded = fold_batch_norm(load_classifier(run, CPU))
    write_atomic(path, _onnx(folded) if format == "onnx" else _exported(folded))


def _write_safetensors(run: Run, path: Path) -> None:
    """The weights by the names of `Network`, and in the header the cell and the settings that build it."""
    config = run.config()
    tensors = load_classifier(run, CPU).network.state_dict()
    about = {
        "genotype": json.dumps(json.loads(storage.dumps(run.genotype()))),
        "config": config.model_dump_json(),
        "classes": json.dumps(config.classes),
    }
    write_tensors(tensors, path, about)


def _example(classifier: nn.Module) -> torch.Tensor:
    assert isinstance(classifier, Classifier)
    # Two images: torch takes a size of one to be meant.
    return torch.rand(2, classifier.channels, *classifier.image_size)


def _onnx(classifier: nn.Module) -> bytes:
    with _quiet():
        program = torch.onnx.export(
            classifier,
            (_example(classifier),),
            dynamo=True,
            input_names=["images"],
            output_names=["logits"],
            dynamic_shapes=DYNAMIC,
            verbose=False,
        )
    assert program is not None
    content: bytes = program.model_proto.SerializeToString()
    return content


def _exported(classifier: nn.Module) -> bytes:
    content = BytesIO()
    with _quiet():
        torch.export.save(torch.export.export(classifier, (_example(classifier),), dynamic_shapes=DYNAMIC), content)
    return content.getvalue()


@contextmanager
def _quiet() -> Iterator[None]:
    """Exporters tell of their own versions and stages, which is no business of the user."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), redirect_stdout(StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _require(*packages: str) -> None:
    if missing := [name for name in packages if find_spec(name) is None]:
        raise SettingsError(f"ONNX needs {' and '.join(missing)}; install with: pip install 'ftso[onnx]'")
