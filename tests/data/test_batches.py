"""Batches: endless, seeded, resumable; and once in order for evaluation."""

import re
from itertools import islice

import pytest
import torch

from ftso_cli.data import Augmentation, Batches, eval_batches, open_images
from ftso_cli.data.batching.balance import LOSS_POWER, class_weights
from ftso_cli.data.batching.batches import check_batch
from ftso_cli.data.sources import ArraySource
from ftso_cli.errors import DataError, RunError
from tests.data.images import CountingSource


def numbered(count: int) -> ArraySource:
    """Images whose pixels say which they are."""
    pixels = torch.arange(count, dtype=torch.uint8).view(-1, 1, 1, 1).expand(count, 1, 8, 8)
    return ArraySource(pixels, torch.arange(count) % 10)


def plain(images: torch.Tensor) -> torch.Tensor:
    return images.float()


def make(count: int = 50, batch_size: int = 8, seed: int = 0, augment: Augmentation | None = None) -> Batches:
    return Batches(numbered(count), torch.arange(count), batch_size, seed, normalise=plain, augment=augment)


def numbers(batches: Batches, steps: int) -> list[list[int]]:
    return [images[:, 0, 4, 4].int().tolist() for images, _ in islice(batches, steps)]


def test_an_epoch_shows_each_image_at_most_once_and_leaves_out_the_last_partial_batch():
    batches = make()
    assert batches.steps_per_epoch == 6
    for _ in range(3):
        seen = [number for batch in numbers(batches, 6) for number in batch]
        assert len(set(seen)) == len(seen) == 48


def test_every_epoch_is_shuffled_anew():
    batches = make()
    assert numbers(batches, 6) != numbers(batches, 6)


def test_labels_go_with_their_images():
    for images, labels in islice(make(), 13):
        assert labels.dtype == torch.int64
        assert torch.equal(images[:, 0, 0, 0].long() % 10, labels)


def test_only_the_given_indices_are_drawn():
    wanted = torch.tensor([3, 9, 27, 40])
    batches = Batches(numbered(50), wanted, 4, seed=0, normalise=plain)
    assert sorted(numbers(batches, 1)[0]) == wanted.tolist()


def test_the_seed_decides_the_batches():
    assert numbers(make(seed=1), 9) == numbers(make(seed=1), 9)
    assert numbers(make(seed=1), 9) != numbers(make(seed=2), 9)


def test_augmentation_does_not_change_the_order():
    augment = Augmentation(padding=0, flip=True, cutout=0)
    assert numbers(make(augment=augment), 9) == numbers(make(), 9)


def test_the_number_of_passes_is_counted():
    batches = make()
    assert batches.epoch == 0
    numbers(batches, 5)
    assert batches.epoch == 0
    numbers(batches, 1)
    assert batches.epoch == 1
    numbers(batches, 1)
    assert batches.epoch == 1


@pytest.mark.parametrize("done", [0, 1, 5, 6, 7, 20])
def test_a_resumed_run_sees_the_batches_of_an_uninterrupted_one(done, tmp_path):
    augment = Augmentation(padding=2, flip=True, cutout=3)
    straight = make(augment=augment)
    list(islice(straight, done))
    torch.save(straight.state(), tmp_path / "state.pt")
    resumed = make(augment=augment, seed=99)
    list(islice(resumed, 3))
    resumed.restore(torch.load(tmp_path / "state.pt", weights_only=True))
    assert resumed.epoch == straight.epoch
    for (images, labels), (again, same) in zip(islice(straight, 10), islice(resumed, 10), strict=True):
        assert torch.equal(images, again) and torch.equal(labels, same)


def uneven(seed: int = 0, share: tuple[int, int] = (0, 1)) -> Batches:
    """Batches of 60 images of class 0, 20 of class 1 and 4 of class 2, each class equally likely."""
    labels = torch.tensor([0] * 60 + [1] * 20 + [2] * 4)
    source = ArraySource(torch.arange(84, dtype=torch.uint8).view(-1, 1, 1, 1).expand(84, 1, 8, 8), labels)
    weights = class_weights(labels, 3)[labels]
    return Batches(source, torch.arange(84), 12, seed, normalise=plain, share=share, weights=weights)


def test_weights_of_classes_are_inverse_to_their_images_with_mean_one():
    labels = torch.tensor([0] * 60 + [1] * 20 + [3] * 4)
    weights = class_weights(labels, 5)
    assert weights[labels].mean().item() == pytest.approx(1)
    assert (weights * torch.bincount(labels, minlength=5)).tolist() == pytest.approx([28, 28, 0, 28, 0])
    milder = class_weights(labels, 5, LOSS_POWER)
    assert milder[labels].mean().item() == pytest.approx(1)
    assert (milder[1] / milder[0]).item() == pytest.approx(3**0.5)


def test_a_balanced_epoch_draws_classes_equally_often_and_images_of_a_class_too():
    batches = uneven()
    assert batches.steps_per_epoch == 7
    drawn = torch.cat([labels for _, labels in islice(batches, 7 * 60)])
    shares = torch.bincount(drawn).double() / len(drawn)
    assert shares.sub(1 / 3).abs().max() < 0.02
    rare = torch.tensor([number for batch in numbers(uneven(seed=5), 7 * 60) for number in batch if number >= 80])
    assert torch.bincount(rare - 80).double().div(len(rare)).sub(0.25).abs().max() < 0.05


@pytest.mark.parametrize("done", [0, 3, 7, 9])
def test_a_balanced_stream_goes_on_as_it_would_have(done: int):
    straight, resumed = uneven(), uneven(seed=7)
    list(islice(straight, done))
    resumed.restore(straight.state())
    assert numbers(straight, 20) == numbers(resumed, 20)


def test_balanced_epochs_differ_and_processes_share_them():
    first, second = numbers(batches := uneven(), 7), numbers(batches, 7)
    assert first != second
    shares = [numbers(uneven(share=(rank, 2)), 7) for rank in range(2)]
    assert [[*zip(*pair, strict=True)] for pair in zip(*shares, strict=True)] == [
        [*zip(batch[::2], batch[1::2], strict=True)] for batch in first
    ]


def test_a_state_does_not_change_while_batches_go_on():
    batches = make()
    numbers(batches, 2)
    state = batches.state()
    following = numbers(batches, 9)
    batches.restore(state)
    assert numbers(batches, 9) == following


def test_a_state_of_other_images_or_of_another_batch_size_is_refused():
    with pytest.raises(RunError, match="has 50 as images, this one 49"):
        make(count=49).restore(make().state())
    with pytest.raises(RunError, match="has 8 as batch size, this one 10"):
        make(batch_size=10).restore(make().state())


@pytest.mark.parametrize(
    "change",
    [
        {"position": 7},
        {"position": -1},
        {"epoch": -1},
        {"epoch": "one"},
        {"epoch": float("inf")},
        {"shuffling": torch.zeros(3, dtype=torch.uint8)},
        {"shuffling": None},
        {"augmenting": torch.zeros(5056, dtype=torch.float32)},
    ],
)
def test_a_damaged_state_is_refused(change):
    batches = make()
    with pytest.raises(RunError, match="damaged"):
        batches.restore({**batches.state(), **change})


def test_a_state_that_lacks_something_is_refused():
    batches = make()
    state = batches.state()
    del state["augmenting"]
    with pytest.raises(RunError, match="damaged"):
        batches.restore(state)


def test_a_batch_larger_than_the_set_is_refused_with_both_numbers():
    with pytest.raises(DataError, match=r"a batch of 64 images is larger than the 50 .* --batch-size 50"):
        make(batch_size=64)


def test_only_the_images_of_a_batch_are_read():
    source = CountingSource(numbered(50))
    next(Batches(source, torch.arange(50), 8, seed=0, normalise=plain))
    assert len(source.read_indices) == 8


def test_normalised_pixels_of_the_whole_set_have_mean_0_and_deviation_1():
    data = open_images("digits")
    images = torch.cat([images for images, _ in eval_batches(data.train, None, 500, normalise=data.normalise)])
    assert images.dtype == torch.float32
    assert abs(float(images.mean())) < 1e-3 and abs(float(images.std()) - 1) < 1e-3


def test_evaluation_goes_through_in_order_with_the_last_partial_batch():
    chosen = torch.tensor([5, 4, 30, 31, 8])
    batches = list(eval_batches(numbered(50), chosen, 2, normalise=plain))
    assert [images[:, 0, 0, 0].tolist() for images, _ in batches] == [[5, 4], [30, 31], [8]]
    assert torch.equal(torch.cat([labels for _, labels in batches]), chosen % 10)


def test_evaluation_of_no_images_gives_no_batch():
    assert list(eval_batches(numbered(50), torch.empty(0, dtype=torch.int64), 2, normalise=plain)) == []


@pytest.mark.parametrize(
    ("batch_size", "image_count", "processes", "advice"),
    [
        (64, 3, 1, "use --batch-size 3 or less"),
        (64, 7, 2, "use --batch-size 6 or less"),
        (2, 1, 1, "1 image to draw from, and a batch has at least two; add images"),
        (64, 0, 1, "no images to draw from, and a batch has at least two; add images"),
        (64, 2, 4, "2 images to draw from, and a batch has at least two; add images"),
    ],
)
def test_what_is_advised_of_a_batch_can_be_done(batch_size: int, image_count: int, processes: int, advice: str) -> None:
    with pytest.raises(DataError, match=advice):
        check_batch(batch_size, image_count, processes)
    if "--batch-size" in advice:
        check_batch(int(re.findall(r"\d+", advice)[0]), image_count, processes)
