"""A tree of folders as ImageNet's, larger than memory shall hold: it streams, and trains as it would from memory."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from ftso_cli.api.trainings import advising, refill
from ftso_cli.cli.app import app
from ftso_cli.data import AheadBatches, Batches, ImageData, open_images
from ftso_cli.data.folders import FolderSource
from ftso_cli.data.listing import list_images
from ftso_cli.errors import DataError
from ftso_cli.genotype import library
from ftso_cli.training.loop import Trainer
from ftso_cli.training.recipes import RECIPES
from ftso_cli.training.run import Config, Run

CLASSES = tuple(f"n{number:08}" for number in range(20))


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """JPEG photographs of several sizes in train/ and val/, 20 classes."""
    folder, noise = tmp_path_factory.mktemp("imagenet"), np.random.default_rng(0)
    for part, count in (("train", 4), ("val", 1)):
        for name in CLASSES:
            (folder / part / name).mkdir(parents=True)
            for number in range(count):
                pixels = noise.integers(0, 256, (70 + 10 * number, 80, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / part / name / f"{number}.JPEG")
    return folder


@pytest.fixture
def streamed(tree: Path) -> ImageData:
    train = FolderSource(list_images(tree / "train", CLASSES), 64, memory_limit=0)
    assert train.streams
    return replace(open_images(str(tree), image_size=64), train=train)


def started(data: ImageData, folder: Path) -> Trainer:
    recipe = replace(RECIPES["imagenet"], channels=4, cells=3, epochs=2, batch_size=16, rate=0.01)
    known = {"classes": data.classes, "mean": data.mean, "std": data.std, "image_size": data.image_size}
    config = Config(data=data.name, image_channels=3, recipe=recipe, seed=0, device="cpu", versions={}, **known)
    run = Run(folder)
    run.create(library.load("darts_v2"), config)
    return Trainer(run.genotype(), config, data, run)


def trained(data: ImageData, folder: Path) -> Trainer:
    trainer = started(data, folder)
    trainer.train(lambda progress: None, lambda row: None)
    return trainer


def test_a_streamed_tree_trains_to_the_weights_of_one_in_memory(
    tree: Path, streamed: ImageData, tmp_path: Path
) -> None:
    kept = trained(open_images(str(tree), image_size=64), tmp_path / "kept")
    read = trained(streamed, tmp_path / "read")
    assert isinstance(read.batches, AheadBatches) and isinstance(kept.batches, Batches)
    for name, tensor in kept.network.state_dict().items():
        assert torch.equal(tensor, read.network.state_dict()[name]), name


def test_batches_read_ahead_go_on_where_they_were_taken(streamed: ImageData) -> None:
    def batches() -> Batches:
        return Batches(streamed.train, torch.arange(80), 16, 5, normalise=streamed.normalise)

    plain, ahead, resumed = batches(), AheadBatches(batches()), AheadBatches(batches())
    for step in range(12):
        images, labels = next(plain)
        taken, taken_labels = next(ahead)
        assert torch.equal(images, taken) and torch.equal(labels, taken_labels), step
        if step == 6:
            resumed.restore(ahead.state())
        if step > 6:
            assert torch.equal(images, next(resumed)[0]), step
    assert str(ahead.state()) == str(plain.state())


def test_a_damaged_image_is_told_by_name_from_the_thread(tree: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "x.jpg"
    damaged.write_text("no image")
    source = FolderSource(([str(damaged)] * 4, torch.zeros(4, dtype=torch.int64)), 64, memory_limit=0)
    ahead = AheadBatches(Batches(source, torch.arange(4), 2, 0, normalise=lambda pixels: pixels.float()))
    with pytest.raises(DataError, match=r"x\.jpg: not an image"):
        next(ahead)


def test_an_image_that_vanishes_while_it_trains_ends_it_with_what_to_do_and_it_goes_on_without(
    tree: Path, tmp_path: Path
) -> None:
    shutil.copytree(tree, tmp_path / "tree")
    images = open_images(str(tmp_path / "tree"), image_size=64)
    train = FolderSource(list_images(tmp_path / "tree/train", CLASSES), 64, memory_limit=0)
    trainer = started(replace(images, train=train), tmp_path / "run")
    gone = tmp_path / "tree/train" / CLASSES[3] / "0.JPEG"
    gone.unlink()
    advice = rf"{gone}: no such file; then go on without it \(.*\): ftso train --resume {tmp_path}/run"
    with pytest.raises(DataError, match=advice), advising(trainer):
        trainer.train(lambda progress: None, lambda row: None)
    again = Trainer(trainer.genotype, trainer.config, trainer.data, trainer.run)
    assert refill(again, None) == 1
    again.train(lambda progress: None, lambda row: None)
    assert len(again.rows) == 2


def test_the_imagenet_recipe_trains_on_a_tree_with_train_and_val(tree: Path, tmp_path: Path) -> None:
    options = ["--recipe", "imagenet", "--channels", "4", "--cells", "3", "--epochs", "1", "--batch-size", "16"]
    words = ["train", "darts_v2", "--data", str(tree), *options, "--image-size", "64", "-o", str(tmp_path / "run")]
    result = CliRunner().invoke(app, [*words, "--json"])
    assert result.exit_code == 0, result.output
    assert 0 <= json.loads(result.stdout)["test_accuracy"] <= 1
    assert json.loads((tmp_path / "run" / "result.json").read_text())["test_images"] == len(CLASSES)
