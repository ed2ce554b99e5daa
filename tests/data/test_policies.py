"""The light and the strong augmentation against torchvision's own transforms, and their draws."""

import math
from collections import Counter

import numpy as np
import pytest
import torch
from torchvision.transforms import v2

from ftso_cli.data import Augmentation, Batches, open_images
from ftso_cli.data.batching.augment import numbers
from ftso_cli.data.batching.photos import CROP_NUMBERS, crop_box
from ftso_cli.data.batching.policies import (
    LEVELS,
    OPERATIONS,
    SIGNED,
    LightAugmentation,
    StrongAugmentation,
    drawn_operation,
    magnitudes,
    operation,
    random_resized_crop,
    trivial_augment,
)
from ftso_cli.data.sources import ArraySource

H, W = 48, 40


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(count: int = 40, channels: int = 3, height: int = H, width: int = W) -> torch.Tensor:
    """Smooth images with noise, uint8, each in a range of its own."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    planes = [rows * 255 / height, columns * 255 / width, 255 - rows * columns * 255 / (height * width)][:channels]
    shares = torch.linspace(0.3, 1, count).view(-1, 1, 1, 1)
    noise = 20 * torch.rand((count, channels, height, width), generator=generator(9))
    return (torch.stack(planes) * shares * 0.9 + noise).to(torch.uint8)


# Crops


def test_the_crops_are_those_of_torchvision_for_the_same_boxes() -> None:
    batch = images()
    rows = numbers(len(batch), CROP_NUMBERS, generator())
    for image, crop, row in zip(batch, random_resized_crop(batch, generator()), rows, strict=True):
        assert torch.equal(crop, v2.functional.resized_crop(image, *crop_box(H, W, row, 0.5, W / H), [H, W]))


@pytest.mark.parametrize(("height", "width"), [(48, 40), (40, 120), (90, 45)])
def test_the_boxes_are_distributed_as_those_of_torchvision(height: int, width: int) -> None:
    aspect = width / height
    mine = [crop_box(height, width, row, 0.5, aspect) for row in numbers(4000, CROP_NUMBERS, generator())]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        ratio = (0.75 * aspect, aspect / 0.75)
        drawer = v2.RandomResizedCrop((height, width), scale=(0.5, 1.0), ratio=ratio)
        picture = torch.empty(3, height, width)
        theirs = [drawer.make_params([picture]) for _ in range(4000)]
    for place, name in enumerate(("top", "left", "height", "width")):
        found, expected = sorted(box[place] for box in mine), sorted(int(box[name]) for box in theirs)
        assert max(abs(found[at] - expected[at]) for at in range(200, 4000, 200)) <= 0.04 * width, name
    assert min(high * wide for *_, high, wide in mine) >= 0.47 * height * width


def test_small_images_are_padded_and_large_ones_resized() -> None:
    digits = open_images("digits")
    assert LightAugmentation.of(digits) == LightAugmentation(padding=1, flip=False, cutout=0)
    assert [LightAugmentation.of(open_images("digits", image_size=size)).padding for size in (4, 32)] == [1, 4]
    assert LightAugmentation.of(open_images("digits", image_size=48)).padding == 0


# Operations


@pytest.mark.parametrize("channels", [1, 3])
def test_operations_are_those_of_trivial_augment_for_what_it_draws(channels: int) -> None:
    batch, published, seen = images(channels=channels), v2.TrivialAugmentWide(), set()
    with torch.random.fork_rng():
        for seed in range(150):
            image = batch[seed % len(batch)]
            torch.manual_seed(seed)
            expected = published(image)
            torch.manual_seed(seed)
            name = OPERATIONS[int(torch.randint(len(OPERATIONS), ()))]
            magnitude = magnitudes(name)[int(torch.randint(LEVELS, ()))] if any(magnitudes(name)) else 0.0
            if name in SIGNED and torch.rand(()) <= 0.5:
                magnitude *= -1
            assert torch.equal(operation(name, magnitude, H, W)(image[None])[0], expected), (name, magnitude)
            seen.add(name)
    assert seen == set(OPERATIONS)


def test_a_batch_gets_what_each_image_gets_alone() -> None:
    batch = images(200)
    changed = trivial_augment(batch, generator())
    assert changed.shape == batch.shape and changed.dtype == torch.uint8
    for image, row, found in zip(batch, numbers(200, 3, generator()), changed, strict=True):
        alone = operation(*drawn_operation(*row), H, W)(image[None])[0]
        assert torch.equal(found, alone), drawn_operation(*row)


def test_operations_levels_and_directions_come_up_about_as_often_as_any_other() -> None:
    drawn = [drawn_operation(*row) for row in numbers(28_000, 3, generator())]
    names = Counter(name for name, _ in drawn)
    assert names.keys() == set(OPERATIONS) and all(abs(count - 2000) < 200 for count in names.values())
    turned = [magnitude for name, magnitude in drawn if name == "Rotate"]
    assert abs(sum(magnitude > 0 for magnitude in turned) / len(turned) - 0.5) < 0.05
    levels = Counter(round(abs(magnitude) / 4.5) for magnitude in turned)
    assert len(levels) == LEVELS and min(levels.values()) > 30


@pytest.mark.parametrize("size", [8, 28])
def test_small_images_move_by_at_most_their_side(size: int) -> None:
    batch = torch.full((1, 1, size, size), 255, dtype=torch.uint8)
    for name, at in (("TranslateX", 3), ("TranslateY", 2)):
        half = operation(name, 16.0, size, size)(batch)
        assert (half == 0).any(dim=5 - at).sum() == size // 2
        assert operation(name, -32.0, size, size)(batch).max() == 0


def test_grey_images_keep_their_colour() -> None:
    batch = images(channels=1)
    assert torch.equal(operation("Color", 0.99, H, W)(batch), batch)
    assert trivial_augment(batch, generator()).shape == batch.shape


@pytest.mark.parametrize("size", [(4, 4), (4, 60), (33, 1)])
@pytest.mark.parametrize("channels", [1, 3])
def test_images_of_odd_shapes_come_back_in_theirs(size: tuple[int, int], channels: int) -> None:
    batch = images(120, channels, *size)
    for policy in (LightAugmentation(padding=0), StrongAugmentation(padding=0, cutout=1)):
        augmented = policy(batch, torch.Tensor.float, generator())
        assert augmented.shape == batch.shape and augmented.dtype == torch.float32
        assert augmented.min() >= 0 and augmented.max() <= 255


# Batches

POLICIES = {
    "none": Augmentation(padding=0, flip=True),
    "light": LightAugmentation(padding=0),
    "strong": StrongAugmentation(padding=0, cutout=10),
}


def batches(policy: str, share: tuple[int, int] = (0, 1), seed: int = 0) -> Batches:
    source = ArraySource(images(32, height=H, width=H), torch.arange(32) % 4)
    normalise = torch.Tensor.float
    return Batches(source, torch.arange(32), 8, seed, normalise=normalise, augment=POLICIES[policy], share=share)


@pytest.mark.parametrize("policy", POLICIES)
def test_the_seed_decides_and_a_restored_stream_goes_on_with_equal_images(policy: str) -> None:
    first, other = batches(policy), batches(policy, seed=1)
    seen = [next(first)[0] for _ in range(7)]
    assert not torch.equal(seen[0], next(other)[0])
    again = batches(policy)
    for _ in range(3):
        next(again)
    later = batches(policy)
    later.restore(again.state())
    assert all(torch.equal(next(later)[0], images) for images in seen[3:])


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("processes", [2, 4])
def test_processes_share_a_batch_as_one_has_it(policy: str, processes: int) -> None:
    whole = batches(policy)
    shares = [batches(policy, (rank, processes)) for rank in range(processes)]
    for _ in range(3):
        expected = next(whole)[0]
        for rank, own in enumerate(shares):
            assert torch.equal(next(own)[0], expected[rank::processes])


def test_none_leaves_images_as_they_are_or_mirrored() -> None:
    batch = images()
    augmented = POLICIES["none"](batch, torch.Tensor.float, generator())
    kept = [torch.equal(new, old) for new, old in zip(augmented, batch.float(), strict=True)]
    assert 8 < sum(kept) < 32
    for new, old, same in zip(augmented, batch.float(), kept, strict=True):
        assert same or torch.equal(new, old.flip(2))


def test_images_that_are_given_are_not_written_into() -> None:
    batch = images()
    before = batch.clone()
    for policy in POLICIES.values():
        policy(batch, torch.Tensor.float, generator())
    assert torch.equal(batch, before)


def test_a_strong_image_differs_from_the_light_one_of_the_same_draws_by_one_operation() -> None:
    batch, light, strong = images(), LightAugmentation(padding=0, flip=False), StrongAugmentation(padding=0, flip=False)
    draws = generator(5)
    cropped = light(batch, torch.Tensor.float, draws).to(torch.uint8)
    expected = trivial_augment(cropped, draws)
    assert np.array_equal(strong(batch, torch.Tensor.float, generator(5)).numpy(), expected.float().numpy())
    assert math.isclose(expected.float().mean().item(), cropped.float().mean().item(), rel_tol=0.5)
