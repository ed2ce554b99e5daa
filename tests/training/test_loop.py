"""A training on real images: it learns, it repeats, and it goes on where it was killed."""

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from ftso_cli.data import ImageData, open_images
from ftso_cli.errors import RunError, TrainingError
from ftso_cli.genotype import library
from ftso_cli.nn.checkpoint import State, read_tensors
from ftso_cli.settings.recipes import Recipe
from ftso_cli.training.loop import Trainer
from ftso_cli.training.run import Config, Run
from ftso_cli.training.testing.evaluate import evaluate_network, load_network

CPU = torch.device("cpu")
TINY = Recipe(channels=4, cells=2, epochs=3, batch_size=128, rate=0.1, drop_path=0.2, cutout=0.25)


@pytest.fixture(scope="module")
def digits() -> ImageData:
    return open_images("digits")


def start(folder: Path, data: ImageData, recipe: Recipe = TINY, seed: int = 0) -> Trainer:
    run, genotype = Run(folder), library.load_genotype("darts_v2")
    config = Config(
        data=data.name,
        image_size=data.image_size,
        image_channels=data.channels,
        classes=data.classes,
        mean=data.mean,
        std=data.std,
        recipe=recipe,
        seed=seed,
        device="cpu",
        versions={},
    )
    run.create(genotype, config)
    return Trainer(run.genotype(), run.config(), data, run)


def silent(_: object) -> None:
    pass


class Killed(Exception):
    """Stands for a kill: raised in the middle of an epoch."""


def kill_in_epoch(epoch: int):
    def on_step(progress) -> None:
        if progress.epoch == epoch and progress.step == 5:
            raise Killed

    return on_step


def test_a_killed_training_goes_on_to_the_same_weights_bit_for_bit(tmp_path: Path, digits: ImageData) -> None:
    whole = start(tmp_path / "whole", digits)
    whole.train(silent, silent)
    for killed_in in (1, 2):
        broken = start(tmp_path / f"broken{killed_in}", digits)
        with pytest.raises(Killed):
            broken.train(kill_in_epoch(killed_in), silent)
        resumed = Trainer(broken.run.genotype(), broken.run.config(), digits, broken.run)
        resumed.load_checkpoint()
        assert len(resumed.rows) == killed_in
        resumed.train(silent, silent)
        for name, tensor in whole.network.state_dict().items():
            assert torch.equal(tensor, resumed.network.state_dict()[name]), name
        for mine, theirs in zip(whole.rows, resumed.rows, strict=True):
            assert {**mine, "seconds": 0} == {**theirs, "seconds": 0}


def test_the_loss_falls_and_the_saved_network_scores_far_above_chance(tmp_path: Path, digits: ImageData) -> None:
    trainer = start(tmp_path, digits, replace(TINY, channels=8, cells=3, epochs=5, batch_size=64))
    trainer.train(silent, silent)
    trainer.save_weights()
    assert trainer.rows[-1]["loss"] < 0.5 * trainer.rows[0]["loss"]
    network = load_network(trainer.run, CPU)
    score = evaluate_network(network, digits.final, digits, 100, CPU)
    assert score.images == len(digits.final)
    assert score.accuracy > 0.6
    assert evaluate_network(network, digits.final, digits, 7, CPU).accuracy == score.accuracy


def test_metrics_have_a_line_an_epoch(tmp_path: Path, digits: ImageData) -> None:
    trainer = start(tmp_path, digits, replace(TINY, epochs=2))
    trainer.train(silent, silent)
    rows = list(csv.DictReader(trainer.run.metrics_file.read_text().splitlines()))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert float(rows[0]["rate"]) == 0.1
    assert float(rows[1]["drop_path"]) == pytest.approx(0.1)
    assert all(0 < float(row["loss"]) < 5 and 0 <= float(row["accuracy"]) <= 1 for row in rows)


def test_the_same_seed_trains_the_same_network_and_another_seed_another(tmp_path: Path, digits: ImageData) -> None:
    recipe = replace(TINY, epochs=1)
    losses = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        trainer = start(tmp_path / name, digits, recipe, seed)
        trainer.train(silent, silent)
        losses.append(trainer.rows[0]["loss"])
    assert losses[0] == losses[1] != losses[2]


def test_weights_have_no_auxiliary_head(tmp_path: Path, digits: ImageData) -> None:
    trainer = start(tmp_path, digits)
    trainer.save_weights()
    tensors, _ = read_tensors(trainer.run.weights_file)
    assert not any(name.startswith("auxiliary") for name in tensors)
    assert len(tensors) < len(trainer.network.state_dict())


def test_a_recipe_without_auxiliary_loss_builds_no_head(tmp_path: Path, digits: ImageData) -> None:
    assert start(tmp_path, digits, replace(TINY, auxiliary=0.0)).network.auxiliary is None


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "foreign"])
def test_a_damaged_checkpoint_is_refused(tmp_path: Path, digits: ImageData, damage: str) -> None:
    trainer = start(tmp_path, digits, replace(TINY, epochs=1))
    trainer.train(silent, silent)
    file = trainer.run.checkpoint_file
    content = file.read_bytes()
    if damage == "foreign":
        other = start(tmp_path / "other", digits, replace(TINY, channels=8))
        other.save_checkpoint()
        content = other.run.checkpoint_file.read_bytes()
    trainer.checkpoints.before.unlink(missing_ok=True)
    file.write_bytes({"cut": content[:-10], "flip": b"\xff" * 8 + content[8:], "empty": b""}.get(damage, content))
    with pytest.raises(RunError, match=r"damaged|not a checkpoint of this network"):
        trainer.load_checkpoint()


def test_weights_of_another_network_are_refused(tmp_path: Path, digits: ImageData) -> None:
    small, large = start(tmp_path / "small", digits), start(tmp_path / "large", digits, replace(TINY, channels=8))
    large.save_weights()
    small.run.weights_file.write_bytes(large.run.weights_file.read_bytes())
    with pytest.raises(RunError, match="not the weights of the network"):
        load_network(small.run, CPU)


def test_a_run_without_weights_says_how_to_go_on(tmp_path: Path, digits: ImageData) -> None:
    with pytest.raises(RunError, match="ftso train --resume"):
        load_network(start(tmp_path, digits).run, CPU)


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no run folder"):
        Run(tmp_path).config()
    (tmp_path / "config.json").write_text('{"data": 3}')
    with pytest.raises(RunError, match=r"config\.json: data"):
        Run(tmp_path).config()


def test_a_folder_of_runs_names_the_runs_in_it(tmp_path: Path) -> None:
    for name in "gfedcba":
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text("{}")
    named = ", ".join(str(tmp_path / name) for name in "abcde")
    with pytest.raises(RunError, match=f"no run folder, but it holds some; name one: {named} and 2 more$"):
        Run(tmp_path).config()


def test_a_loss_that_is_not_finite_stops_and_leaves_the_last_epoch(tmp_path: Path, digits: ImageData) -> None:
    trainer = start(tmp_path, digits, replace(TINY, epochs=2))

    def poison(row: object) -> None:
        trainer.network.classifier[1][1].bias.data[0] = float("nan")

    with pytest.raises(
        TrainingError,
        match=r"loss is not finite in step 1 of epoch 2; .*checkpoint\.safetensors holds all until epoch 1",
    ):
        trainer.train(silent, poison)
    trainer.load_checkpoint()
    assert len(trainer.rows) == 1


def stop_after_an_epoch(_: object) -> None:
    raise Killed


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda values: values["rows"].append(values["rows"][0]), "rows of metrics"),
        (lambda values: values["rows"][0].update(epoch=7), "rows of metrics"),
        (lambda values: values["rows"][0].update(words=1.0), "Extra inputs"),
        (lambda values: values["rows"][0].update(loss=None), "an empty field"),
        (lambda values: values["sums"].update(steps=10**6), "step 1000000 of epoch 2"),
        (lambda values: values["sums"].update(steps=-1), "step -1 of epoch 2"),
        (lambda values: values["sums"].update(images=10**9), "right answers of 1000000000 images"),
        (lambda values: values["sums"].update(correct=-5), "-5 right answers"),
    ],
)
def test_a_checkpoint_with_a_sound_checksum_and_impossible_counts_is_refused(
    change: Callable[[dict[str, Any]], object], says: str, tmp_path: Path
) -> None:
    digits = open_images("digits")
    first = start(tmp_path / "run", digits, replace(TINY, channels=2, cells=2, batch_size=256, epochs=2))
    with pytest.raises(Killed):
        first.train(silent, stop_after_an_epoch)
    kept = first.checkpoints
    state = kept.read()[0]
    values = json.loads(json.dumps(state.values))
    change(values)
    kept.write(State(tensors=state.tensors, values=values))
    again = Trainer(first.run.genotype(), first.config, digits, first.run)
    with pytest.raises(RunError, match=f"not a checkpoint of this network .*{says}"):
        again.load_checkpoint()
