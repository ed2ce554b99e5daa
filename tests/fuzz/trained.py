"""What is attacked and needs torch: checkpoints, run folders, journals, images and the cache of images."""

import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import save

from ftso_cli.data import open_images
from ftso_cli.data.files.cache import CacheKey
from ftso_cli.data.files.decode import decode, quiet
from ftso_cli.data.files.frames import Frame
from ftso_cli.errors import FtsoError
from ftso_cli.genotype import library
from ftso_cli.nn.checkpoint import Checkpoints, State, read_tensors
from ftso_cli.search.race import checkpoint
from ftso_cli.search.race.race import Race
from ftso_cli.search.recording.options import Recording
from ftso_cli.search.recording.recorder import Recorder
from ftso_cli.settings.recipes import Recipe
from ftso_cli.settings.searches import RaceSettings
from ftso_cli.training.loop import Trainer
from ftso_cli.training.progress import Sums
from ftso_cli.training.run import Config, Run
from ftso_cli.training.use.classifier import load_classifier
from tests.fuzz.damage import damaged, exchanged
from tests.fuzz.targets import Read, Target
from tests.search.searches import search

CPU = torch.device("cpu")
Tensors = dict[str, torch.Tensor]


def silent(*_: object) -> None:
    """Hears of progress and says nothing."""


def stop(_: object) -> None:
    """Ends what would go on: its input was taken for good."""
    raise FtsoError("goes on")


# Files of tensors


def trainer(folder: Path) -> Trainer:
    """A small training on digits, at its beginning."""
    images, run = open_images("digits"), Run(folder / "run")
    recipe = Recipe(channels=2, cells=2, epochs=2, batch_size=256, rate=0.1, auxiliary=0)
    fields = {name: getattr(images, name) for name in ("image_size", "classes", "mean", "std")}
    config = Config(
        data="digits", image_channels=images.channels, recipe=recipe, seed=0, device="cpu", versions={}, **fields
    )
    run.create(library.load_genotype("darts_v2"), config)
    return Trainer(run.genotype(), config, images, run)


def with_header(content: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """A safetensors file with another header, its length told as it is."""
    length = int.from_bytes(content[:8], "little")
    header = change(content[8 : 8 + length])
    return len(header).to_bytes(8, "little") + header + content[8 + length :]


def safetensors(content: bytes) -> st.SearchStrategy[bytes]:
    """A safetensors file whose bytes, length of the header or header are damaged."""
    length = int.from_bytes(content[:8], "little")
    header, rest = content[8 : 8 + length], content[8 + length :]
    headers = exchanged([header]) | damaged([header])
    lengths = st.sampled_from([0, 1, length - 1, length + 1, len(content), 10**8, 2**32, 2**63 - 1, 2**64 - 1])
    return (
        damaged([content, content[: 8 + length], content[:100]])
        | headers.map(lambda new: with_header(content, lambda _: new))
        | lengths.map(lambda new: new.to_bytes(8, "little") + header + rest)
    )


@st.composite
def states(draw: st.DrawFn, state: State) -> State:
    """A state in which tensors are swapped, of another shape, of another type or gone, or a value is exchanged."""
    tensors: Tensors = dict(state.tensors)
    names = sorted(tensors)
    for _ in range(draw(st.integers(0, 3))):
        one, other = draw(st.sampled_from(names)), draw(st.sampled_from(names))
        match draw(st.sampled_from(("swap", "shape", "type", "out", "more", "nan", "large"))):
            case "swap":
                tensors[one], tensors[other] = state.tensors[other].clone(), state.tensors[one].clone()
            case "shape":
                tensors[one] = torch.zeros(draw(st.sampled_from(((), (0,), (1,), (3, 4), (10_000,), (1,) * 12))))
            case "type":
                kinds = (torch.bool, torch.uint8, torch.int64, torch.float64, torch.bfloat16, torch.complex64)
                tensors[one] = torch.zeros(state.tensors[one].shape, dtype=draw(st.sampled_from(kinds)))
            case "out":
                tensors.pop(one, None)
            case "more":
                tensors[one + draw(st.sampled_from((".x", "\0", "é" * 200)))] = torch.zeros(3)
            case "nan":
                tensors[one] = torch.full(state.tensors[one].shape, float("nan"))
            case _:
                tensors[one] = torch.full_like(state.tensors[one], draw(st.sampled_from((-1, 100))))
    text = json.dumps(state.values).encode()
    try:
        values = json.loads(draw(exchanged([text]) | st.just(text)))
    except RecursionError:
        values = None  # What is that deep can't be written either.
    return State(tensors=tensors, values=values)


def checkpoint_files(folder: Path) -> tuple[st.SearchStrategy[bytes], Read]:
    """Files of checkpoints, whose checksum then is wrong."""
    kept = Checkpoints(folder / "checkpoint.safetensors")
    kept.write(State(tensors={"a": torch.arange(6.0).view(2, 3), "b": torch.ones(4)}, values={"rows": [1, 2]}))
    whole = kept.last.read_bytes()
    sound = kept.read()[0]

    def read(content: bytes, _: Path) -> None:
        kept.last.write_bytes(content)
        found = kept.read()[0]
        assert found.values == sound.values
        assert all(found.tensors[name].equal(tensor) for name, tensor in sound.tensors.items())

    return safetensors(whole), read


def sealed(kept: Checkpoints) -> st.SearchStrategy[bytes]:
    """The last checkpoint with something else in it, and a checksum that fits."""

    def write(changed: State) -> bytes:
        kept.write(changed)
        return kept.last.read_bytes()

    return states(kept.read()[0]).map(write)


def resumed(folder: Path) -> tuple[st.SearchStrategy[bytes], Read]:
    """Checkpoints of a training that are sound and hold something else."""
    training = trainer(folder)
    training.rows = [{"epoch": 1, "rate": 0.1, "drop_path": 0.0, "loss": 2.0, "accuracy": 0.5, "seconds": 1.0}]
    for _ in range(training.batches.steps_per_epoch + 1):
        next(training.batches)
    training.sums = Sums(steps=1, images=256, correct=30, loss=500.0, seconds=0.1)
    training.save_checkpoint()
    kept = training.checkpoints

    def read(content: bytes, _: Path) -> None:
        kept.last.write_bytes(content)
        training.load_checkpoint()
        next(training.batches)
        training.save_checkpoint()

    return sealed(kept), read


def searched(folder: Path) -> tuple[st.SearchStrategy[bytes], Read]:
    """Checkpoints of an operator search that are sound and hold something else."""
    recording = Recording(folder=folder / "found", every=1, track=True)
    recorder = Recorder(search("operators"), recording, {"seed": 0})
    recorder.begin(resume=False)
    recorder.engine.step()
    recorder._record()
    recorder._save()
    kept = recorder.checkpoints
    assert kept is not None

    def read(content: bytes, _: Path) -> None:
        kept.last.write_bytes(content)
        again = Recorder(recorder.search, recording, {"seed": 0})
        again.begin(resume=True)
        again._save()
        again.search.derive()

    return sealed(kept), read


def weights(folder: Path) -> tuple[st.SearchStrategy[bytes], Read]:
    """The network of a finished run, with its weights or its settings damaged."""
    training = trainer(folder)
    training.save_weights()
    run = training.run
    whole = {path: path.read_bytes() for path in (run.weights_file, run.config_file, run.genotype_file)}
    tensors, _ = read_tensors(run.weights_file)
    foreign = states(State(tensors=tensors, values={})).map(lambda state: save(dict(state.tensors)))
    images = torch.zeros(1, 1, 8, 8)

    def chosen(which: Path, inputs: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
        return inputs.map(lambda content: which.name.encode() + b"\n" + content)

    def read(content: bytes, _: Path) -> None:
        name, _, damage = content.partition(b"\n")
        for path, good in whole.items():
            path.write_bytes(damage if path.name == name.decode() else good)
        load_classifier(run, CPU)(images)

    settings = exchanged([whole[run.config_file]])
    return (
        chosen(run.weights_file, safetensors(whole[run.weights_file]) | foreign)
        | chosen(run.config_file, settings | damaged([whole[run.config_file]]))
        | chosen(run.genotype_file, exchanged([whole[run.genotype_file]]))
    ), read


# Journals


def race(folder: Path) -> tuple[st.SearchStrategy[bytes], Read]:
    """The checkpoint of a race that is over but for its final, which is then told."""
    settings = RaceSettings(draws=4, nodes=3, channels=2, cells=2, batch_size=32, steps=160)
    path = folder / "cell.race.json"
    kept = checkpoint.open_checkpoint(settings.recorded(), 3, "digits", path, resume=False)
    images = open_images("digits")
    Race(images, settings, kept, seed=3, device=CPU, workers=1).run(silent)
    whole = path.read_bytes()

    def read(content: bytes, _: Path) -> None:
        path.write_bytes(content)
        again = checkpoint.open_checkpoint(settings.recorded(), 3, "digits", path, resume=True)
        Race(images, settings, again, seed=3, device=CPU, workers=1).run(stop)

    return exchanged([whole]) | damaged([whole]), read


# Images


def pictures() -> list[bytes]:
    """Small images of every kind that is read, in the modes that cameras and programs write."""
    noise = np.random.default_rng(0).integers(0, 256, (9, 12, 4), dtype=np.uint8)
    colour = Image.fromarray(noise[..., :3])
    grey = colour.convert("L")
    deep = Image.fromarray((noise[..., 0].astype(np.uint16) << 8) | noise[..., 1])
    palette = colour.quantize(16)
    palette.info["transparency"] = 3
    exif = Image.Exif()
    exif[0x0112] = 6
    saved: list[tuple[Image.Image, str, dict[str, Any]]] = [
        *((colour, kind, {}) for kind in ("JPEG", "PNG", "BMP", "GIF", "PPM", "TIFF", "WEBP")),
        (colour, "JPEG", {"progressive": True, "exif": exif.tobytes()}),
        (colour.convert("CMYK"), "JPEG", {}),
        (Image.fromarray(noise), "PNG", {"exif": exif.tobytes()}),
        (deep, "PNG", {}),
        (deep, "TIFF", {}),
        (palette, "PNG", {"transparency": 3}),
        (palette, "GIF", {"save_all": True, "append_images": [palette, grey.quantize(4)], "duration": 50}),
        (Image.fromarray(noise), "TIFF", {"compression": "tiff_lzw"}),
        (colour, "TIFF", {"compression": "tiff_deflate"}),
        (grey.convert("1"), "TIFF", {"compression": "group4"}),
        (Image.fromarray(noise), "WEBP", {"lossless": True}),
        (Image.new("RGB", (1, 1)), "PNG", {}),
        (grey, "PPM", {}),
    ]
    contents = []
    for image, kind, options in saved:
        file = io.BytesIO()
        image.save(file, kind, **options)
        contents.append(file.getvalue())
    return contents


def image(folder: Path) -> tuple[st.SearchStrategy[bytes], Read]:
    path = folder / "image.jpg"

    def read(content: bytes, _: Path) -> None:
        path.write_bytes(content)
        with quiet():
            pixels = decode(str(path), Frame((8, 8)))
        assert pixels.shape == (8, 8, 3) and pixels.dtype == np.uint8

    return damaged(pictures()), read


def kept_images(folder: Path) -> tuple[st.SearchStrategy[bytes], Read]:
    """The cache of decoded images: what is damaged is not taken, or its pixels are found unsound."""
    place = CacheKey(file=folder / "images.safetensors", about={"folder": "photos", "size": 4})
    pixels = torch.arange(2 * 3 * 4 * 4, dtype=torch.uint8).view(2, 3, 4, 4)
    place.write(pixels, torch.tensor([0, 1]), torch.ones(2, 3, dtype=torch.int64), ("a", "b"))
    whole = place.file.read_bytes()

    def read(content: bytes, _: Path) -> None:
        # A new file: the old one may be mapped.
        place.file.unlink(missing_ok=True)
        place.file.write_bytes(content)
        entry = place.read()
        if entry is None:
            raise FtsoError("not taken")
        assert entry.classes == ("a", "b") and entry.labels.tolist() == [0, 1]
        sound = entry.sound(torch.arange(2))
        assert entry.images[sound].equal(pixels[sound])

    return safetensors(whole), read


TRAINED: Mapping[str, Target] = {
    "checkpoint": Target(make=checkpoint_files, share=2),
    "checkpoint of a training": Target(make=resumed, quick=15, share=0.5),
    "checkpoint of a search": Target(make=searched, quick=15, share=0.5),
    "run folder": Target(make=weights, quick=15, share=1),
    "checkpoint of a race": Target(make=race, quick=15, share=1),
    "image": Target(make=image, share=3),
    "cache of images": Target(make=kept_images, share=1),
}
