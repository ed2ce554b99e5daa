"""Validation after each epoch: columns of metrics, the best epoch kept, patience, and all of it after a kill."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from torch import Tensor
from typer.testing import CliRunner, Result

from ftso_cli.cli.app import app
from ftso_cli.cli.output.progress import LINE, ProgressLines
from ftso_cli.data import ImageData, open_images
from ftso_cli.nn.checkpoint import State, read_tensors
from ftso_cli.settings.recipes import Recipe
from ftso_cli.training.loop import Trainer
from ftso_cli.training.run import Run
from ftso_cli.training.testing.evaluate import load_trained
from ftso_cli.training.validation import best_epoch, interval, validate, waited
from tests.training.test_loop import CPU, Killed, silent, start

SMALL = Recipe(channels=2, cells=2, epochs=4, batch_size=256, rate=0.1, auxiliary=0.0, validation=0.2, keep="best")

LEARNS = replace(SMALL, channels=4, batch_size=64, rate=0.05)
"""Learns enough in an epoch to be told from chance."""


@pytest.fixture(scope="module")
def digits() -> ImageData:
    return open_images("digits", validation=0.2)


def rows(*accuracies: float | None, losses: tuple[float, ...] = ()) -> list[dict[str, float | int | None]]:
    filled = losses or tuple(1.0 for _ in accuracies)
    return [
        {"epoch": at, "val_accuracy": accuracy, "val_loss": None if accuracy is None else loss}
        for at, (accuracy, loss) in enumerate(zip(accuracies, filled, strict=True), start=1)
    ]


def test_the_best_epoch_is_the_most_accurate_then_that_of_the_lowest_loss_then_the_last() -> None:
    assert best_epoch([]) is None and best_epoch(rows(None, None)) is None and waited(rows(None)) == 0
    for expected, known in (
        (2, rows(0.1, 0.5, 0.4)),
        (3, rows(0.5, None, 0.5, losses=(2.0, 1.0, 1.0))),
        (3, rows(0.5, 0.4, 0.5)),
        (1, rows(0.5, 0.5, losses=(1.0, float("nan")))),
    ):
        best = best_epoch(known)
        assert best is not None and best["epoch"] == expected
    assert [waited(rows(*known)) for known in ((0.1, 0.5, 0.4), (0.5, None, 0.4, 0.3), (0.5, 0.5))] == [1, 2, 0]


def test_validation_costs_at_most_a_tenth_of_the_training_by_the_numbers_of_images() -> None:
    assert [interval(images, 1000) for images in (1, 100, 300, 301, 1000, 3000)] == [1, 1, 1, 2, 4, 10]


def collected(trainer: Trainer, spoil_after: int) -> tuple[list[dict[str, Tensor]], Callable[[object], None]]:
    """The weights after every epoch, and a listener that notes them and spoils the network after one of them."""
    kept: list[dict[str, Tensor]] = []

    def on_epoch(row: object) -> None:
        kept.append({name: tensor.clone() for name, tensor in trainer.network.state_dict().items()})
        if len(kept) == spoil_after:
            for parameter in trainer.network.classifier.parameters():
                parameter.data.mul_(-100)

    return kept, on_epoch


def test_the_network_of_the_best_epoch_is_saved_and_its_epoch_is_told(tmp_path: Path, digits: ImageData) -> None:
    trainer = start(tmp_path, digits, LEARNS)
    kept, on_epoch = collected(trainer, spoil_after=2)
    trainer.train(silent, on_epoch)
    accuracies = [epoch.val_accuracy for epoch in trainer.run.epochs()]
    assert len(accuracies) == 4 and trainer.kept_epoch == 1 + max(range(4), key=lambda at: (accuracies[at], at))
    assert trainer.kept_epoch == 2
    trainer.save_weights()
    saved, _ = read_tensors(trainer.run.weights_file)
    assert all(kept[1][name].equal(tensor) for name, tensor in saved.items())
    network, _ = load_trained(trainer.run, CPU)
    loss, accuracy = validate(network, digits, 64, CPU)
    assert accuracy == accuracies[1] and loss == pytest.approx(trainer.run.epochs()[1].val_loss, rel=1e-4)


def test_patience_ends_a_training_that_gets_no_better_and_a_resumed_run_knows(
    tmp_path: Path, digits: ImageData
) -> None:
    trainer = start(tmp_path, digits, replace(LEARNS, epochs=9, patience=2))
    trainer.train(silent, collected(trainer, spoil_after=2)[1])
    assert len(trainer.rows) == 4 and trainer.waited == 2 and trainer.kept_epoch == 2
    resumed = Trainer(trainer.run.genotype(), trainer.run.config(), digits, trainer.run)
    resumed.load_checkpoint()
    assert resumed.finished
    resumed.train(silent, silent)
    assert len(resumed.rows) == 4


@pytest.mark.parametrize("average", [0.0, 0.9])
def test_a_killed_training_keeps_the_same_best_epoch_and_is_used_as_it_was_then(
    tmp_path: Path, digits: ImageData, average: float
) -> None:
    recipe = replace(SMALL, average=average)
    whole, broken = start(tmp_path / "whole", digits, recipe), start(tmp_path / "broken", digits, recipe)
    whole.train(silent, silent)
    whole.save_weights()

    def kill(progress) -> None:
        if (progress.epoch, progress.step) == (2, 3):
            broken.save_checkpoint()
            raise Killed

    with pytest.raises(Killed):
        broken.train(kill, silent)
    network, unfinished = load_trained(broken.run, CPU)
    best = best_epoch(broken.rows)
    assert best is not None and unfinished.endswith(f"the network after epoch {best['epoch']}, the best so far")
    assert validate(network, digits, 64, CPU)[1] == best["val_accuracy"]
    resumed = Trainer(broken.run.genotype(), broken.run.config(), digits, broken.run)
    resumed.load_checkpoint()
    resumed.train(silent, silent)
    resumed.save_weights()
    assert [{**row, "seconds": 0} for row in resumed.rows] == [{**row, "seconds": 0} for row in whole.rows]
    expected, found = (read_tensors(run.run.weights_file)[0] for run in (whole, resumed))
    assert all(tensor.equal(found[name]) for name, tensor in expected.items())


def test_a_best_network_that_is_missing_or_another_one_is_told(tmp_path: Path, digits: ImageData) -> None:
    trainer = start(tmp_path, digits, replace(LEARNS, epochs=3))
    trainer.train(silent, collected(trainer, spoil_after=2)[1])
    content, rest = trainer.run.best_file.read_bytes(), trainer.run.checkpoint_file.read_bytes()
    trainer.run.best_file.write_bytes(rest)
    result = ftso("train", "--resume", tmp_path)
    assert result.exit_code == 1 and "not the network of epoch 2, the best one" in result.stderr.replace("\n", " ")
    trainer.run.best_file.unlink()
    result = ftso("train", "--resume", tmp_path)
    assert result.exit_code == 1 and "Traceback" not in result.stderr
    trainer.run.best_file.write_bytes(content)
    assert ftso("train", "--resume", tmp_path).exit_code == 0


def test_a_checkpoint_of_before_goes_on_with_validation_columns_that_are_empty(
    tmp_path: Path, digits: ImageData
) -> None:
    trainer = start(tmp_path, digits, replace(SMALL, epochs=2, keep="last", validation=0.0))

    def stop(_: object) -> None:
        raise Killed

    with pytest.raises(Killed):
        trainer.train(silent, stop)
    state, _ = trainer.checkpoints.read()
    old = [{name: value for name, value in row.items() if not name.startswith("val_")} for row in state.values["rows"]]
    trainer.checkpoints.write(State(tensors=state.tensors, values={"rows": old, "sums": state.values["sums"]}))
    resumed = Trainer(trainer.run.genotype(), trainer.run.config(), digits, trainer.run)
    resumed.load_checkpoint()
    resumed.train(silent, silent)
    lines = resumed.run.metrics_file.read_text().splitlines()
    assert lines[0] == "epoch,rate,drop_path,loss,accuracy,seconds,val_loss,val_accuracy"
    assert len(lines) == 3 and all(line.endswith(",,") for line in lines[1:])
    resumed.run.metrics_file.write_text("epoch,rate,drop_path,loss,accuracy,seconds\n1,0.1,0.0,2.0,0.5,1.5\n")
    assert resumed.run.epochs()[0].val_accuracy is None


def ftso(*args: str | Path) -> Result:
    return CliRunner().invoke(app, [str(arg) for arg in args])


def test_train_shows_the_validation_accuracy_and_keeps_the_best_epoch(tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    small = ["--channels", "2", "--cells", "2", "--epochs", "2", "--batch-size", "256", "--auxiliary", "0"]
    best = ["--validation", "0.1", "--keep", "best"]
    result = ftso("train", "darts_v2", "--data", "digits", *small, *best, "-o", run.folder)
    assert result.exit_code == 0, result.output
    epochs = run.epochs()
    for epoch in epochs:
        assert epoch.val_accuracy is not None and f"validation {epoch.val_accuracy:.2%}" in result.stderr
    kept = json.loads(run.result_file.read_text())["epoch"]
    assert kept == 1 + max((0, 1), key=lambda at: (epochs[at].val_accuracy, -epochs[at].val_loss))
    found = run.result()
    assert found is not None and found.epoch == kept and "best" in run.config_file.read_text()


@pytest.mark.parametrize(("option", "value"), [("--keep", "best"), ("--patience", "3")])
def test_what_needs_validation_images_is_refused_where_there_are_none(tmp_path: Path, option: str, value: str) -> None:
    result = ftso("train", "darts_v2", "--data", "digits", option, value, "-o", tmp_path / "run")
    assert result.exit_code == 2 and option in result.stderr and "--validation 0.1" in result.stderr
    assert not (tmp_path / "run").exists()


def test_a_log_has_a_line_of_progress_every_half_minute(capfd: pytest.CaptureFixture[str]) -> None:
    now = 0.0
    lines = ProgressLines("train", "step", clock=lambda: now)
    for step in range(100, 200):
        lines.update(step, 400, "loss 0.5")
        now += 1
    printed = capfd.readouterr().err.splitlines()
    assert printed == [
        "train: step 130 of 400, loss 0.5, 0:04:30 left",
        "train: step 160 of 400, loss 0.5, 0:04:00 left",
        "train: step 190 of 400, loss 0.5, 0:03:30 left",
    ]
    assert LINE == 30
