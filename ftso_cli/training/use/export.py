"""A trained network as a file for other programs: ONNX, torch.export, safetensors, each telling what it holds."""

import json
import logging
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from importlib.util import find_spec
from io import BytesIO, StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import nn

from ftso_cli.errors import SettingsError
from ftso_cli.genotype import Step, storage
from ftso_cli.nn.checkpoint import packed
from ftso_cli.texts import last_name, page_text
from ftso_cli.training.run import Config, Run
from ftso_cli.training.use.classifier import Classifier
from ftso_cli.training.use.picture_classifier import PictureClassifier


def network_file(run: Run, classifier: Classifier, format: str, *, preprocess: bool = False) -> bytes:
    """The trained network of a run as `onnx`, `torch-export` or `safetensors`.

    The first two hold a graph from `images` (N, C, H, W) in 0..1 to `logits` (N, classes), with normalising in it, as
    `Classifier.deploy` gives it, or with `preprocess` from a `picture` (H, W, 3) of any size to `probabilities`
    (classes,); the third holds the weights by the names of `Network`. Each carries texts about itself: `input` in
    words, and as JSON `classes` in the order of the output, `config`, which builds and normalises, and `genotype`.
    `tflite` takes one image at a time, and carries no texts.
    """
    about = _about(run, format, preprocess)
    if format == "safetensors":
        return packed(classifier.network.state_dict(), about)
    deployed = classifier.deploy(blocks=format == "onnx")
    module = PictureClassifier(deployed).eval() if preprocess else deployed
    if format == "tflite":
        return _tflite(module)
    return _onnx(module, about) if format == "onnx" else _exported(module, about)


def input_of(config: Config, format: str, preprocess: bool = False) -> str:
    """Return the input of a network written in a format, in words."""
    if preprocess:
        return "a picture (H, W, 3), RGB, uint8, of any size, resized, cropped and normalised inside"
    number = "1" if format == "tflite" else "N"
    shape = ", ".join(map(str, (number, config.image_channels, *config.image_size)))
    colours = "RGB" if config.image_channels == 3 else "grey"
    inside = "normalised inside" if format != "safetensors" else "to be normalised by mean and std of config"
    return f"images ({shape}), {colours}, float32 in 0..1, {inside}"


def _about(run: Run, format: str, preprocess: bool) -> dict[str, str]:
    """Return the metadata of a file, by key."""
    config, genotype = run.config(), run.genotype()
    # The file is for others, who have no use for where the images lie on this machine.
    passed_on = config.model_copy(update={"data": last_name(config.data)})
    steps = tuple(_without_folders(step) for step in genotype.history)
    return {
        "input": input_of(config, format, preprocess),
        "classes": json.dumps(config.classes),
        "config": passed_on.model_dump_json(),
        "genotype": json.dumps(json.loads(storage.genotype_json(genotype.replace(history=steps)))),
    }


def _without_folders(step: Step) -> Step:
    """A step of the history that tells of folders and files, as its images, no more than their last names."""
    settings = {key: last_name(value) if isinstance(value, str) else value for key, value in step.settings.items()}
    data = None if step.data is None else last_name(step.data)
    return step.model_copy(update={"data": data, "settings": settings, "notes": tuple(map(page_text, step.notes))})


def _signature(module: nn.Module) -> tuple[torch.Tensor, dict[int, torch.export.Dim], str, str]:
    """An example of the input, its sizes that are left open, and the names of input and output."""
    if isinstance(module, PictureClassifier):
        open_sizes = {0: torch.export.Dim("height"), 1: torch.export.Dim("width")}
        return torch.zeros(90, 50, 3, dtype=torch.uint8), open_sizes, "picture", "probabilities"
    assert isinstance(module, Classifier)
    # Two images: torch takes a size of one to be meant.
    example = torch.rand(2, module.channels, *module.image_size)
    return example, {0: torch.export.Dim("batch")}, "images", "logits"


def _onnx(module: nn.Module, about: Mapping[str, str]) -> bytes:
    from onnx.helper import set_model_props

    example, open_sizes, taken, given = _signature(module)
    with silenced():
        program = torch.onnx.export(
            module,
            (example,),
            dynamo=True,
            input_names=[taken],
            output_names=[given],
            dynamic_shapes=(open_sizes,),
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    for node in model.graph.node:
        # Where torch traced it: paths of this machine, and more than half of a small file.
        node.ClearField("metadata_props")
    set_model_props(model, dict(about))
    content: bytes = model.SerializeToString()
    return content


def _tflite(module: nn.Module) -> bytes:
    example, _, _, _ = _signature(module)
    with silenced(), silent_stderr(), TemporaryDirectory() as folder:
        import litert_torch

        # litert_torch up to 0.10 mixes up weights of one shape that are not contiguous, as in channels_last.
        plain = module.eval().to(memory_format=torch.contiguous_format)
        file = Path(folder) / "network.tflite"
        litert_torch.convert(plain, (example[:1],)).export(str(file))
        return file.read_bytes()


def _exported(module: nn.Module, about: Mapping[str, str]) -> bytes:
    content = BytesIO()
    example, open_sizes, _, _ = _signature(module)
    with silenced():
        program = torch.export.export(module, (example,), dynamic_shapes=(open_sizes,))
        for node in program.graph.nodes:
            # Paths of this machine.
            node.meta.pop("stack_trace", None)
        torch.export.save(program, content, extra_files=dict(about))
    return content.getvalue()


@contextmanager
def silenced() -> Iterator[None]:
    """Exporters tell of their own versions and stages, which is no business of the user."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), redirect_stdout(StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)


@contextmanager
def silent_stderr() -> Iterator[None]:
    """Drop what libraries of C++ write to stderr, past Python's own."""
    kept = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


PACKAGES = {"onnx": ("onnx", "onnxscript", "onnxruntime"), "tflite": ("litert_torch", "ai_edge_litert")}
"""Packages that write a format, or run it."""


def require_packages(format: str) -> None:
    """Raises `SettingsError` where a package is missing that a format needs."""
    packages = PACKAGES.get(format, ())
    if missing := [name for name in packages if find_spec(name) is None]:
        raise SettingsError(f"{format} needs {' and '.join(missing)}; install with: pip install 'ftso[{format}]'")
