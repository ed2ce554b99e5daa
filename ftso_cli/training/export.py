"""A trained network as a file for other programs: ONNX, torch.export, safetensors, each telling what it holds."""

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
from ftso_cli.files import write_atomic, write_inside
from ftso_cli.genotype import Step, storage
from ftso_cli.nn.checkpoint import packed
from ftso_cli.texts import last_name, page_text
from ftso_cli.training.classifier import Classifier, load_classifier
from ftso_cli.training.run import Config, Run

CPU = torch.device("cpu")

DYNAMIC = ({0: torch.export.Dim("batch")},)
"""The number of images is left open."""


def export_network(run: Run, format: str, path: Path) -> str:
    """Writes the trained network of a run as `onnx`, `torch-export` or `safetensors`.

    Returns where the training stands if it has not ended yet, else "".

    The first two hold a graph from `images` (N, C, H, W) in 0..1 to `logits` (N, classes), with normalising in it, as
    `Classifier.deploy` gives it; the third holds the weights by the names of `Network`. Each carries texts about
    itself: `input` in words, and as JSON `classes` in the order of the logits, `config`, which builds and normalises,
    and `genotype`.
    Raises `SettingsError` where a package is missing, `RunError` for a run without a network.
    """
    if format == "onnx":
        _require("onnx", "onnxscript")
    classifier = load_classifier(run, CPU)
    about = _about(run, format)
    write = write_inside if path.parent == run.folder else write_atomic
    if format == "safetensors":
        write(path, packed(classifier.network.state_dict(), about))
        return classifier.unfinished
    deployed = classifier.deploy()
    write(path, _onnx(deployed, about) if format == "onnx" else _exported(deployed, about))
    return classifier.unfinished


def input_of(config: Config, format: str) -> str:
    """What a network that is written in a format takes, in words."""
    shape = ", ".join(map(str, ("N", config.image_channels, *config.image_size)))
    colours = "RGB" if config.image_channels == 3 else "grey"
    inside = "normalised inside" if format != "safetensors" else "to be normalised by mean and std of config"
    return f"images ({shape}), {colours}, float32 in 0..1, {inside}"


def _about(run: Run, format: str) -> dict[str, str]:
    """What a file says of itself, by key."""
    config, genotype = run.config(), run.genotype()
    # The file is for others, who have no use for where the images lie on this machine.
    passed_on = config.model_copy(update={"data": last_name(config.data)})
    steps = tuple(_without_folders(step) for step in genotype.history)
    return {
        "input": input_of(config, format),
        "classes": json.dumps(config.classes),
        "config": passed_on.model_dump_json(),
        "genotype": json.dumps(json.loads(storage.dumps(genotype.replace(history=steps)))),
    }


def _without_folders(step: Step) -> Step:
    """A step of the history that tells of folders and files, as its images, no more than their last names."""
    settings = {key: last_name(value) if isinstance(value, str) else value for key, value in step.settings.items()}
    data = None if step.data is None else last_name(step.data)
    return step.model_copy(update={"data": data, "settings": settings, "notes": tuple(map(page_text, step.notes))})


def _example(classifier: nn.Module) -> torch.Tensor:
    assert isinstance(classifier, Classifier)
    # Two images: torch takes a size of one to be meant.
    return torch.rand(2, classifier.channels, *classifier.image_size)


def _onnx(classifier: nn.Module, about: dict[str, str]) -> bytes:
    from onnx.helper import set_model_props

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
    model = program.model_proto
    for node in model.graph.node:
        # Where torch traced it: paths of this machine, and more than half of a small file.
        node.ClearField("metadata_props")
    set_model_props(model, about)
    content: bytes = model.SerializeToString()
    return content


def _exported(classifier: nn.Module, about: dict[str, str]) -> bytes:
    content = BytesIO()
    with _quiet():
        program = torch.export.export(classifier, (_example(classifier),), dynamic_shapes=DYNAMIC)
        for node in program.graph.nodes:
            # Paths of this machine.
            node.meta.pop("stack_trace", None)
        torch.export.save(program, content, extra_files=dict(about))
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
