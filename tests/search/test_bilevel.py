"""The engine of both searches: what a step changes, at which rate, and on which images."""

import math

import pytest
import torch
from torch.nn import functional

from ftso_cli.data import Batches, open_images, search_halves
from ftso_cli.errors import TrainingError
from ftso_cli.nn.device import seeded
from ftso_cli.nn.supernet import SuperNet, complete_wiring
from ftso_cli.search.engine.bilevel import Bilevel
from ftso_cli.settings.searches import SearchSettings
from ftso_cli.spaces import DARTS
from ftso_cli.spaces.darts import NetworkShape

OPS = ("skip_connect", "max_pool_3x3")


def engine(settings: SearchSettings, seed: int = 0) -> Bilevel:
    data = open_images("digits")
    wirings = dict.fromkeys(DARTS.kinds, complete_wiring(2))
    with seeded(seed):
        net = SuperNet(wirings, DARTS, OPS, NetworkShape(channels=4, cells=3, image_channels=1))
    weight_half, arch_half = search_halves(data, seed)
    batches = (
        Batches(data.train, half, settings.batch_size, seed + at, normalise=data.normalise)
        for at, half in enumerate((weight_half, arch_half))
    )
    return Bilevel(net, settings, *batches)


def state(parameters: list[torch.nn.Parameter]) -> list[torch.Tensor]:
    return [parameter.detach().clone() for parameter in parameters]


def changed(parameters: list[torch.nn.Parameter], before: list[torch.Tensor]) -> bool:
    return any(not torch.equal(now, then) for now, then in zip(parameters, before, strict=True))


def test_without_a_rate_of_its_own_neither_side_moves() -> None:
    still_weights = engine(SearchSettings(weight_lr=0.0, iters=2, batch_size=16))
    weights, architecture = state(still_weights.net.weights()), state(still_weights.net.architecture())
    still_weights.run(lambda progress: None)
    assert not changed(still_weights.net.weights(), weights)
    assert changed(still_weights.net.architecture(), architecture)

    still_architecture = engine(SearchSettings(arch_lr=0.0, iters=2, batch_size=16))
    weights, architecture = state(still_architecture.net.weights()), state(still_architecture.net.architecture())
    still_architecture.run(lambda progress: None)
    assert changed(still_architecture.net.weights(), weights)
    assert not changed(still_architecture.net.architecture(), architecture)


def test_no_gradient_is_left_on_any_parameter() -> None:
    search = engine(SearchSettings(iters=1, batch_size=16))
    search.run(lambda progress: None)
    assert all(parameter.grad is None for parameter in search.net.parameters())


def test_the_architecture_descends_the_gradient_of_the_held_out_loss() -> None:
    search = engine(SearchSettings(iters=1, batch_size=16, arch_decay=0.0))
    twin = engine(SearchSettings(iters=1, batch_size=16))
    images, labels = next(twin.arch_batches)
    functional.cross_entropy(twin.net.train()(images), labels).backward()
    search.run(lambda progress: None)
    for moved, still in zip(search.net.architecture(), twin.net.architecture(), strict=True):
        # Adam's first step is the rate times the sign of the gradient.
        clear = still.grad.abs() > 1e-5
        assert clear.any()
        step = moved.detach() - still.detach()
        torch.testing.assert_close(step[clear], -6e-4 * still.grad[clear].sign(), rtol=0.05, atol=0)


def test_the_weights_descend_the_clipped_gradient_of_the_training_loss() -> None:
    settings = SearchSettings(iters=1, batch_size=16, clip=0.01, arch_lr=0.0, weight_decay=0.0)
    search, twin = engine(settings), engine(settings)
    images, labels = next(twin.weight_batches)
    functional.cross_entropy(twin.net.train()(images), labels).backward()
    norm = math.sqrt(sum(float(weight.grad.square().sum()) for weight in twin.net.weights() if weight.grad is not None))
    assert norm > 0.01
    search.run(lambda progress: None)
    for moved, still in zip(search.net.weights(), twin.net.weights(), strict=True):
        gradient = torch.zeros_like(still) if still.grad is None else still.grad
        torch.testing.assert_close(moved.detach(), still.detach() - 0.025 * gradient * (0.01 / (norm + 1e-6)))


def test_the_first_epoch_has_the_full_rate_and_the_last_one_is_not_idle() -> None:
    search = engine(SearchSettings(epochs=4, batch_size=64))
    assert search.weight_lr(0) == 0.025
    assert search.weight_lr(3) == pytest.approx(0.025 * (1 + math.cos(math.pi * 3 / 4)) / 2)
    assert search.weight_lr(3) > 0.003


def test_an_epoch_is_one_pass_over_the_weight_half_and_iterations_win_over_epochs() -> None:
    assert engine(SearchSettings(epochs=2, batch_size=64)).iterations == 2 * (719 // 64)
    assert engine(SearchSettings(epochs=2, iters=3, batch_size=64)).iterations == 3


def test_progress_counts_to_the_end() -> None:
    seen = []
    engine(SearchSettings(iters=3, batch_size=16)).run(seen.append)
    assert [progress.iteration for progress in seen] == [1, 2, 3]
    assert all(progress.iterations == 3 and progress.weight_loss > 0 for progress in seen)


def test_a_loss_that_is_not_finite_stops_the_search() -> None:
    search = engine(SearchSettings(iters=2, batch_size=16))
    search.net.classifier[1][1].bias.data[0] = float("nan")
    with pytest.raises(TrainingError, match="not finite at iteration 1"):
        search.run(lambda progress: None)
