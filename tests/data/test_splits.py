"""Splits are stratified, disjoint, complete and seeded."""

from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ftso_cli.data import hold_out, open_images, search_halves, split
from ftso_cli.data.splits import hold_out_fold, hold_out_test
from ftso_cli.errors import DataError, SettingsError

COUNTS = st.lists(st.integers(1, 40), min_size=1, max_size=8)
SHARES = st.lists(st.integers(1, 9), min_size=2, max_size=4).map(lambda parts: [part / sum(parts) for part in parts])


def labels_of(counts: list[int]) -> torch.Tensor:
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    return labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))]


@settings(max_examples=150, deadline=None)
@given(COUNTS, SHARES, st.integers(0, 1000))
def test_parts_are_disjoint_cover_all_and_have_each_class_in_its_share(counts, shares, seed):
    labels = labels_of(counts)
    parts = split(labels, shares, seed)
    assert torch.equal(torch.cat(parts).sort().values, torch.arange(len(labels)))
    for part, share in zip(parts, shares, strict=True):
        assert torch.equal(part, part.sort().values)
        found = Counter(labels[part].tolist())
        for label, count in enumerate(counts):
            assert abs(found[label] - count * share) < 1 + 1e-6


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(2, 40), min_size=2, max_size=8), st.integers(2, 6), st.booleans())
def test_folds_cover_all_images_once_and_train_on_every_class(counts, folds, grouped):
    labels = labels_of([folds * count for count in counts])
    groups = torch.div(torch.arange(len(labels)), 2, rounding_mode="floor") if grouped else None
    parts = [hold_out_fold(labels, (number, folds), groups) for number in range(1, folds + 1)]
    assert torch.equal(torch.cat([held for _, held in parts]).sort().values, torch.arange(len(labels)))
    for train, held in parts:
        assert torch.equal(torch.cat([train, held]).sort().values, torch.arange(len(labels)))
        assert set(labels[train].tolist()) == set(range(len(counts)))
        if grouped:
            assert not {*groups[train].tolist()} & {*groups[held].tolist()}
        else:
            assert Counter(labels[held].tolist()) == Counter(dict(enumerate(counts)))


def test_a_class_of_one_image_is_too_few_to_fold():
    labels = torch.tensor([0, 0, 0, 1])
    with pytest.raises(DataError, match="too few for 2 folds"):
        [hold_out_fold(labels, (number, 2)) for number in (1, 2)]


def test_halves_of_odd_classes_have_the_same_size():
    first, second = split(labels_of([7] * 10), (0.5, 0.5), seed=0)
    assert len(first) == len(second) == 35


def test_a_class_with_one_image_stays_for_training():
    stay, held = hold_out(labels_of([1] * 20 + [5]), 0.2, seed=0)
    assert len(stay) == 24 and len(held) == 1


def test_many_classes_with_one_image_stay_in_the_largest_part():
    weights, architecture, rest = split(labels_of([1] * 30), (0.1, 0.025, 0.875), seed=0)
    assert (len(weights), len(architecture), len(rest)) == (0, 0, 30)


def test_exact_shares_give_exact_sizes():
    sizes = [len(part) for part in split(labels_of([100] * 7), (0.29, 0.01, 0.7), seed=0)]
    assert sizes == [203, 7, 490]


def test_the_seed_decides_the_split():
    labels = labels_of([50] * 4)
    first, again, other = (split(labels, (0.5, 0.5), seed)[0] for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_class_is_not_split_in_the_order_of_its_images():
    labels = torch.zeros(100, dtype=torch.int64)
    first, _ = split(labels, (0.5, 0.5), seed=0)
    assert 10 < (first < 50).sum() < 40


@pytest.mark.parametrize("shares", [(), (0.5, 0.6), (0.0, 1.0), (-0.5, 1.5), (float("nan"), 0.5)])
def test_shares_that_are_no_shares_are_refused(shares):
    with pytest.raises(SettingsError, match="shares must be above 0"):
        split(labels_of([4]), shares, seed=0)


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, 2.0])
def test_all_or_nothing_can_not_be_held_out(share):
    with pytest.raises(SettingsError, match="between 0 and 1"):
        hold_out(labels_of([4]), share, seed=0)


def test_search_halves_of_digits_are_half_and_half_and_of_every_class():
    data = open_images("digits")
    weights, architecture = search_halves(data, seed=0)
    assert len(weights) + len(architecture) == len(data.train)
    assert abs(len(weights) - len(architecture)) <= 1
    assert set(weights.tolist()).isdisjoint(architecture.tolist())
    for half in (weights, architecture):
        assert set(data.train.labels[half].tolist()) == set(range(10))


def test_search_can_take_a_small_share_as_on_imagenet():
    data = open_images("digits")
    weights, architecture = search_halves(data, seed=0, shares=(0.1, 0.025))
    assert len(weights) == pytest.approx(0.1 * len(data.train), abs=1)
    assert len(architecture) == pytest.approx(0.025 * len(data.train), abs=1)
    assert set(weights.tolist()).isdisjoint(architecture.tolist())


def test_the_test_part_of_an_undivided_set_is_always_the_same():
    labels = labels_of([50] * 4)
    first, second = hold_out_test(labels), hold_out_test(labels)
    assert torch.equal(first[1], second[1]) and len(first[1]) == 40
