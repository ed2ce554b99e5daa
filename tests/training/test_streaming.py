"""A tree of folders as ImageNet's, larger than memory shall hold: it streams, and trains as it would from memory."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2
from typer.testing import CliRunner

import ftso_cli
from ftso_cli.api.training.starting import refill, reopened_training
from ftso_cli.api.training.trainings import advising
from ftso_cli.cli.app import app
from ftso_cli.data import Batches, ImageData, PrefetchedBatches, as_imagenet, open_images
from ftso_cli.data.files.folders import FolderSource
from ftso_cli.data.files.frames import Frame
from ftso_cli.data.files.listing import list_images
from ftso_cli.errors import DataError
from ftso_cli.genotype import library
from ftso_cli.nn.distributed import ALONE
from ftso_cli.settings.recipes import RECIPES
from ftso_cli.training.loop import Trainer
from ftso_cli.training.progress import TrainingProgress
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
    train = FolderSource(list_images(tree / "train", CLASSES), Frame((64, 64)), memory_limit=0)
    assert train.streams
    return replace(open_images(str(tree), image_size=64), train=train)


def begun(data: ImageData, folder: Path, augmentation: str = "cifar") -> Trainer:
    changes = {"channels": 4, "cells": 3, "epochs": 2, "batch_size": 16, "rate": 0.01, "augmentation": augmentation}
    recipe = replace(RECIPES["imagenet"], **changes)
    known = {"classes": data.classes, "mean": data.mean, "std": data.std, "image_size": data.image_size}
    config = Config(data=data.name, image_channels=3, recipe=recipe, seed=0, device="cpu", versions={}, **known)
    run = Run(folder)
    run.create(library.load_genotype("darts_v2"), config)
    return Trainer(run.genotype(), config, data, run)


def trained(data: ImageData, folder: Path, augmentation: str = "cifar") -> Trainer:
    trainer = begun(data, folder, augmentation)
    trainer.train(lambda progress: None, lambda row: None)
    return trainer


def test_a_streamed_tree_trains_to_the_weights_of_one_in_memory(
    tree: Path, streamed: ImageData, tmp_path: Path
) -> None:
    kept = trained(open_images(str(tree), image_size=64), tmp_path / "kept")
    read = trained(streamed, tmp_path / "read")
    assert isinstance(read.batches, PrefetchedBatches) and isinstance(kept.batches, Batches)
    for name, tensor in kept.network.state_dict().items():
        assert torch.equal(tensor, read.network.state_dict()[name]), name


def test_batches_read_ahead_go_on_where_they_were_taken(streamed: ImageData) -> None:
    def batches() -> Batches:
        return Batches(streamed.train, torch.arange(80), 16, 5, normalise=streamed.normalise)

    plain, ahead, resumed = batches(), PrefetchedBatches(batches()), PrefetchedBatches(batches())
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
    source = FolderSource(([str(damaged)] * 4, torch.zeros(4, dtype=torch.int64)), Frame((64, 64)), memory_limit=0)
    ahead = PrefetchedBatches(Batches(source, torch.arange(4), 2, 0, normalise=lambda pixels: pixels.float()))
    with pytest.raises(DataError, match=r"x\.jpg: not an image"):
        next(ahead)


def test_an_image_that_vanishes_while_it_trains_ends_it_with_what_to_do_and_it_goes_on_without(
    tree: Path, tmp_path: Path
) -> None:
    shutil.copytree(tree, tmp_path / "tree")
    images = open_images(str(tmp_path / "tree"), image_size=64)
    train = FolderSource(list_images(tmp_path / "tree/train", CLASSES), Frame((64, 64)), memory_limit=0)
    trainer = begun(replace(images, train=train), tmp_path / "run")
    gone = tmp_path / "tree/train" / CLASSES[3] / "0.JPEG"
    gone.unlink()
    advice = rf"{gone}: no such file; then go on without it \(.*\): ftso train --resume {tmp_path}/run"
    with pytest.raises(DataError, match=advice), advising(trainer):
        trainer.train(lambda progress: None, lambda row: None)
    again = Trainer(trainer.genotype, trainer.config, trainer.data, trainer.run)
    assert refill(again, None) == 1
    again.train(lambda progress: None, lambda row: None)
    assert len(again.rows) == 2


def ftso(*words: str | Path) -> dict[str, Any]:
    """What a command answers with --json."""
    result = CliRunner().invoke(app, [*map(str, words), "--json"])
    assert result.exit_code == 0, result.output
    answer: dict[str, Any] = json.loads(result.stdout)
    return answer


SMALL = ("--channels", "4", "--cells", "3", "--epochs", "1", "--batch-size", "16", "--warmup", "0")


def test_the_imagenet_recipe_trains_at_the_size_that_is_counted_and_tests_the_centre_of_a_larger_picture(
    tree: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    trained = ftso("train", "darts_v2", "--data", tree, "--recipe", "imagenet", *SMALL, "-o", run)
    (counted,) = ftso("cost", "darts_v2", "--setting", "imagenet", *SMALL[:4])["networks"]
    config = json.loads((run / "config.json").read_text())
    assert config["image_size"] == counted["image"][1:] == [224, 224]
    assert json.loads((run / "result.json").read_text())["test_images"] == len(CLASSES)
    assert ftso("evaluate", run)["test_accuracy"] == trained["test_accuracy"]
    photo = tree / "val" / CLASSES[3] / "0.JPEG"
    classifier = ftso_cli.load(run)
    with Image.open(photo) as image:
        published = v2.Compose([v2.Resize(256), v2.CenterCrop(224), v2.PILToTensor()])(image)
    assert torch.equal(classifier.preprocess(photo), published.float() / 255)
    assert torch.equal(classifier.preprocess(Image.open(photo)), published.float() / 255)
    (found,) = ftso("predict", run, photo, "--top", str(len(CLASSES)))["images"]
    probabilities = classifier(published.unsqueeze(0).float() / 255).softmax(1)[0].tolist()
    assert found["classes"] == pytest.approx(dict(zip(CLASSES, probabilities, strict=True)), abs=1e-6)


def test_its_size_and_its_augmentation_can_be_overruled(tree: Path, tmp_path: Path) -> None:
    words = ("--recipe", "imagenet", *SMALL, "--image-size", "32", "--augmentation", "cifar", "-o", tmp_path / "run")
    ftso("train", "darts_v2", "--data", tree, *words)
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert (config["image_size"], config["recipe"]["augmentation"]) == ([32, 32], "cifar")


def test_a_killed_training_with_random_crops_goes_on_to_the_same_weights(tree: Path, tmp_path: Path) -> None:
    class Killed(Exception):
        """Stands for a kill."""

    def kill(progress: TrainingProgress) -> None:
        if (progress.epoch, progress.step) == (1, 3):
            raise Killed

    data = as_imagenet(open_images(str(tree), image_size=32))
    whole = trained(data, tmp_path / "whole", augmentation="imagenet")
    broken = begun(data, tmp_path / "broken", augmentation="imagenet")
    with pytest.raises(Killed):
        broken.train(kill, lambda row: None)
    resumed = reopened_training(broken.run.folder, ALONE)
    resumed.load_checkpoint()
    assert len(resumed.rows) == 1
    resumed.train(lambda progress: None, lambda row: None)
    for name, tensor in whole.network.state_dict().items():
        assert torch.equal(tensor, resumed.network.state_dict()[name]), name
