"""Nesterov, weight decay off batch norms, averaged weights: as PyTorch has them, and as published recipes had them."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from ftso_cli.data import Augmentation, Batches, ImageData, open_images
from ftso_cli.errors import SettingsError
from ftso_cli.genotype import library
from ftso_cli.nn.checkpoint import read_tensors
from ftso_cli.nn.device import seeded
from ftso_cli.nn.network import Network
from ftso_cli.settings.recipes import Recipe, check_trains
from ftso_cli.training.loop import Trainer
from ftso_cli.training.step.averaging import averaged_copy, warm_decay
from ftso_cli.training.step.optimizer import optimizer_of
from ftso_cli.training.step.schedule import learning_rate
from ftso_cli.training.testing.evaluate import load_trained
from tests.training.test_loop import CPU, Killed, silent, start

SMALL = Recipe(channels=2, cells=2, epochs=2, batch_size=256, rate=0.1, auxiliary=0.0, cutout=0.25)
HABITS = replace(
    SMALL,
    epochs=3,
    schedule="one-cycle",
    nesterov=True,
    decay_norms=False,
    average=0.9,
    drop_path=0.2,
    auxiliary=0.4,
    augmentation="strong",
    mixup=0.2,
    cutmix=1.0,
    balance="sampling",
    validation=0.2,
    keep="best",
    patience=9,
)


@pytest.fixture(scope="module")
def digits() -> ImageData:
    return open_images("digits")


def test_a_training_by_the_schedules_of_before_takes_the_steps_of_plain_pytorch(
    tmp_path: Path, digits: ImageData
) -> None:
    trainer = start(tmp_path, digits, SMALL)
    trainer.train(silent, silent)
    with seeded(0):
        network = Network(library.load_genotype("darts_v2"), trainer.config.shape, auxiliary=False)
    network.to(memory_format=torch.channels_last)
    sgd = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, weight_decay=3e-4)
    batches = Batches(
        digits.train,
        torch.arange(len(digits.train)),
        256,
        0,
        normalise=digits.normalise,
        augment=Augmentation.of(digits, cutout=2),
    )
    for step in range(2 * batches.steps_per_epoch):
        sgd.param_groups[0]["lr"] = learning_rate(SMALL, step // batches.steps_per_epoch)
        images, labels = next(batches)
        sgd.zero_grad()
        functional.cross_entropy(network(images)[0], labels).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        sgd.step()
    for name, tensor in network.state_dict().items():
        torch.testing.assert_close(trainer.network.state_dict()[name], tensor, rtol=1e-3, atol=1e-4)


def test_weight_decay_leaves_batch_norms_and_biases_alone_where_asked_to(digits: ImageData, tmp_path: Path) -> None:
    network = start(tmp_path, digits, SMALL).network
    groups = optimizer_of(network, replace(SMALL, decay_norms=False, nesterov=True), CPU).param_groups
    free = {id(one) for one in groups[1]["params"]}
    norms = [
        one for layer in network.modules() if isinstance(layer, torch.nn.BatchNorm2d) for one in layer.parameters()
    ]
    biases = [one for name, one in network.named_parameters() if name.endswith("bias")]
    assert free == {id(one) for one in norms + biases} and norms
    assert [group["weight_decay"] for group in groups] == [3e-4, 0.0]
    assert all(group["nesterov"] and group["lr"] == 0.1 for group in groups)
    assert sum(len(group["params"]) for group in groups) == len(list(network.parameters()))
    (all_,) = optimizer_of(network, SMALL, CPU).param_groups
    assert all_["weight_decay"] == 3e-4 and not all_["nesterov"]


def test_nesterov_without_momentum_is_refused() -> None:
    with pytest.raises(SettingsError, match="nesterov needs a momentum above 0"):
        check_trains(replace(SMALL, nesterov=True, momentum=0.0))


def test_the_average_is_of_the_last_tenth_of_a_short_training_and_of_the_decay_later() -> None:
    assert [warm_decay(0.999, steps) for steps in (1, 10, 100)] == pytest.approx([2 / 11, 11 / 20, 101 / 110])
    assert warm_decay(0.999, 100_000) == 0.999
    network, expected = torch.nn.Linear(1, 1, bias=False), 0.0
    average = averaged_copy(network, 0.6)
    for step in range(12):
        network.weight.data.fill_(float(step))
        average.update_parameters(network)
        decay = min(0.6, (1 + step) / (10 + step)) if step else 0.0
        expected = decay * expected + (1 - decay) * step
    assert average.module.weight.item() == pytest.approx(expected)
    assert network.weight.item() == 11


def test_what_is_saved_and_used_is_the_average_and_not_the_last_weights(tmp_path: Path, digits: ImageData) -> None:
    plain, trainer = (
        start(tmp_path / "plain", digits, SMALL),
        start(tmp_path / "run", digits, replace(SMALL, average=0.99)),
    )
    plain.train(silent, silent)
    trainer.train(silent, silent)
    unfinished, _ = load_trained(trainer.run, CPU)
    trainer.save_weights()
    saved, last = read_tensors(trainer.run.weights_file)[0], trainer.network.state_dict()
    assert trainer.average is not None
    for name, tensor in trainer.average.module.state_dict().items():
        assert tensor.equal(saved[name]) and tensor.equal(unfinished.state_dict()[name])
    assert all(last[name].equal(tensor) for name, tensor in plain.network.state_dict().items())
    assert not all(last[name].equal(tensor) for name, tensor in saved.items())
    means = [name for name in saved if name.endswith("running_mean")]
    assert means and not any(last[name].equal(saved[name]) for name in means)


def both(trainer: Trainer) -> dict[str, Tensor]:
    assert trainer.average is not None
    return {**trainer.network.state_dict(), **{f"mean.{k}": v for k, v in trainer.average.state_dict().items()}}


def test_a_training_with_every_habit_that_is_killed_in_an_epoch_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    digits = open_images("digits", validation=0.2)
    whole = start(tmp_path / "whole", digits, HABITS)
    whole.train(silent, silent)
    broken = start(tmp_path / "broken", digits, HABITS)

    def kill(progress) -> None:
        if (progress.epoch, progress.step) == (1, 2):
            broken.save_checkpoint()
            raise Killed

    with pytest.raises(Killed):
        broken.train(kill, silent)
    resumed = Trainer(broken.run.genotype(), broken.run.config(), digits, broken.run)
    resumed.load_checkpoint()
    assert (len(resumed.rows), resumed.sums.steps) == (1, 2)
    resumed.train(silent, silent)
    expected = both(whole)
    assert all(expected[name].equal(tensor) for name, tensor in both(resumed).items())
    assert all(row["val_accuracy"] is not None for row in whole.rows)
    assert [{**row, "seconds": 0} for row in resumed.rows] == [{**row, "seconds": 0} for row in whole.rows]
