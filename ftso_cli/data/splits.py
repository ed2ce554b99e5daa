"""Seeded, stratified splits: every part has each class in its share."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from ftso_cli.data.files.decode import printable_path
from ftso_cli.data.sources import ImageData, Selected
from ftso_cli.errors import DataError, SettingsError

TEST_SHARE = 0.2
"""The share laid aside for testing where a set has only training images."""

HELD_OUT = "a fifth of each class"
"""The share in words."""

WHOLE_GROUPS = ", as nearly as whole groups allow"

TEST_SEED = 0
"""Fixed, so that search, training and evaluation of whatever seed agree on what is a test image."""


FOLD_SEED = 2
"""Fixed, so that trainings of whatever seed are compared on the same folds."""

VALIDATION_SEED = 1
"""Fixed, so that trainings of whatever seed are compared on the same validation images."""


def split(labels: Tensor, shares: Sequence[float], seed: int, *, complete: int | None = None) -> tuple[Tensor, ...]:
    """Splits the images of `labels` (N,) into disjoint parts that cover all; gives sorted indices for each share.

    A class of n images gives a part n times its share, rounded up or down so that whole parts have their size too.
    The part at index `complete`, the largest where none is named, has an image of every class.
    Raises `SettingsError` where shares are not above 0 or don't add up to 1.
    """
    if not shares or min(shares) <= 0 or not math.isclose(sum(shares), 1.0, abs_tol=1e-6):
        raise SettingsError(f"shares must be above 0 and add up to 1, not {', '.join(f'{s:g}' for s in shares)}")
    generator = torch.Generator().manual_seed(seed)
    parts: list[list[Tensor]] = [[] for _ in shares]
    missing = [0.0] * len(shares)
    whole = shares.index(max(shares)) if complete is None else complete
    by_class = torch.split(torch.argsort(labels, stable=True), torch.bincount(labels).tolist())
    for ordered in by_class:
        members = ordered[torch.randperm(len(ordered), generator=generator)]
        sizes = _sizes(len(members), shares, missing, whole)
        for part, piece in zip(parts, torch.split(members, sizes), strict=True):
            part.append(piece)
    return tuple(torch.sort(torch.cat([*part, labels.new_empty(0)])).values for part in parts)


def _sizes(count: int, shares: Sequence[float], missing: list[float], complete: int) -> list[int]:
    """Return how many of `count` images of a class each part gets; `missing` keeps what parts had too little."""
    exact = [count * share for share in shares]
    sizes = [math.floor(value + 1e-9) for value in exact]

    def urgency(part: int) -> tuple[bool, float]:
        return part == complete and not sizes[part], round(missing[part] + exact[part] - sizes[part], 9)

    divided = [part for part, size in enumerate(sizes) if exact[part] > size + 1e-9]
    for part in sorted(divided, key=urgency, reverse=True)[: count - sum(sizes)]:
        sizes[part] += 1
    for part, (value, size) in enumerate(zip(exact, sizes, strict=True)):
        missing[part] += value - size
    return sizes


def search_halves(data: ImageData, seed: int, shares: tuple[float, float] = (0.5, 0.5)) -> tuple[Tensor, Tensor]:
    """Indices of the training images for the weights and of those for the architecture.

    Half and half in the paper (A.1); its search on a part of ImageNet takes shares of 0.1 and 0.025.
    """
    unused = 1.0 - sum(shares)
    weights, architecture, *_ = split(data.train.labels, [*shares, unused] if unused > 1e-9 else shares, seed)
    return weights, architecture


def hold_out(labels: Tensor, share: float, seed: int, groups: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Indices of the images that stay and of the `share` that is laid aside, for validation or as a test set.

    An image of every class stays. Images of one number in `groups` (N,) come into one part.
    """
    if not 0 < share < 1:
        raise SettingsError(f"the share to hold out must lie between 0 and 1, not {share:g}")
    if groups is not None:
        return _hold_out_groups(labels, share, seed, groups)
    stay, held = split(labels, (1 - share, share), seed, complete=0)
    return stay, held


def _hold_out_groups(labels: Tensor, share: float, seed: int, groups: Tensor) -> tuple[Tensor, Tensor]:
    """`hold_out` of whole groups, largest first: each is laid aside where that brings the classes nearer to the share.

    scikit-learn's StratifiedGroupKFold goes through groups so too, but divides into equal parts alone.
    """
    counts: dict[int, Counter[int]] = {}
    for group, label in zip(groups.tolist(), labels.tolist(), strict=True):
        counts.setdefault(group, Counter())[label] += 1
    names = list(counts)
    order = torch.randperm(len(names), generator=torch.Generator().manual_seed(seed)).tolist()
    totals, held = Counter(labels.tolist()), Counter[int]()
    chosen: set[int] = set()
    for group in sorted((names[at] for at in order), key=lambda group: -counts[group].total()):
        own = counts[group]
        # The change of the squared distance to the wanted count of each class, as a share of the class.
        change = sum(
            count * (count + 2 * (held[label] - share * totals[label])) / totals[label] ** 2
            for label, count in own.items()
        )
        if change < 0 and all(held[label] + count < totals[label] for label, count in own.items()):
            chosen.add(group)
            held.update(own)
    aside = torch.tensor([group in chosen for group in groups.tolist()], dtype=torch.bool)
    return torch.nonzero(~aside).flatten(), torch.nonzero(aside).flatten()


def group_numbers(names: Sequence[str], groups: Mapping[str, str]) -> Tensor | None:
    """The number of each image's group, (N,) int64; an image without one is its own. None where there are no groups."""
    if not groups:
        return None
    number_of: dict[tuple[bool, str], int] = {}
    keys = [(name in groups, groups.get(name, name)) for name in names]
    return torch.tensor([number_of.setdefault(key, len(number_of)) for key in keys], dtype=torch.int64)


def hold_out_test(labels: Tensor, groups: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Indices for training and for testing of a set that comes undivided; the same in every run."""
    return hold_out(labels, TEST_SHARE, TEST_SEED, groups)


def hold_out_validation(labels: Tensor, share: float, groups: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Indices for training and for validation of the training images with `labels`; the same in every run.

    Raises `DataError` where no image would be for validation.
    """
    stay, held = hold_out(labels, share, VALIDATION_SEED, groups)
    if not len(held):
        count = len(set(labels.tolist()))
        raise DataError(
            f"{len(labels)} training images of {count} classes are too few to lay {share:g} of them aside for "
            "validation; give more images, or another share for validation (0: none)"
        )
    return stay, held


def hold_out_fold(labels: Tensor, fold: tuple[int, int], groups: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Indices for training and for testing in cross-validation, of the images with `labels` (N,).

    A `fold` of (2, 5) tests on the second of five stratified parts, which cover all images and share none; they are the
    same in every run. Raises `DataError` where the others lack a class, or there is nothing to test on.
    """
    number, count = fold
    rest = held = torch.arange(len(labels))
    for left in range(count, max(count - number, 1), -1):
        stay, aside = hold_out(labels[rest], 1 / left, FOLD_SEED, None if groups is None else groups[rest])
        rest, held = rest[stay], rest[aside]
    held = rest if number == count else held
    train = torch.ones(len(labels), dtype=torch.bool)
    train[held] = False
    if not len(held) or set(labels[train].tolist()) < set(labels.tolist()):
        raise DataError(
            f"{len(labels)} images are too few for {count} folds with images of every class to train on; take fewer"
        )
    return torch.nonzero(train).flatten(), torch.sort(held).values


def with_fold(data: ImageData, fold: tuple[int, int] | None) -> ImageData:
    """Return a set whose test images are a fold of its training images; as it is for None."""
    if fold is None:
        return data
    stay, held = hold_out_fold(data.train.labels, fold)
    return replace(
        data,
        train=Selected(data.train, stay),
        test=Selected(data.train, held),
        test_from=fold_of(fold, data.name),
    )


def fold_of(fold: tuple[int, int], data: str) -> str:
    """The images of a fold, in words."""
    return f"fold {fold[0]} of {fold[1]} of the training images of {printable_path(data)}"


def with_validation(data: ImageData, share: float) -> ImageData:
    """Return a set that has no validation part with the `share` of its training images as one; as it is for 0."""
    if not share:
        return data
    stay, held = hold_out_validation(data.train.labels, share)
    return replace(
        data,
        train=Selected(data.train, stay),
        val=Selected(data.train, held),
        val_share=share,
        val_from=of_each_class(share, data.name),
    )


def of_each_class(share: float, data: str) -> str:
    """The images that were laid aside, in words."""
    return f"{100 * share:.3g} % of each class of {printable_path(data)}"
