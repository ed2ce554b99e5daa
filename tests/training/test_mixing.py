"""mixup and cutmix against torchvision's transforms and soft labels."""

from collections import Counter

import pytest
import torch
from torch import Tensor
from torch.nn import functional
from torchvision.transforms import v2

from ftso_cli.training.step.losses import Loss
from ftso_cli.training.step.mixing import Mixing

CLASSES = 5


def batch(count: int = 12, height: int = 10, width: int = 14) -> tuple[Tensor, Tensor]:
    draws = torch.Generator().manual_seed(0)
    images = torch.randn(count, 3, height, width, generator=draws)
    return images, torch.randint(CLASSES, (count,), generator=draws)


def mixing(mixup: float = 0.0, cutmix: float = 0.0, seed: int = 0) -> Mixing:
    return Mixing(mixup=mixup, cutmix=cutmix, seed=seed)


def test_mixup_is_that_of_torchvision_for_the_same_share() -> None:
    # Of two images, torchvision's turn by one is the turn by half.
    images, labels = batch(2)
    published = v2.MixUp(num_classes=CLASSES)
    for step in range(20):
        mixed, main, other, share = mixing(mixup=0.5)(images, labels, step)
        lam = share.item() if torch.equal(main, labels) else 1 - share.item()
        params = {"lam": lam, "labels": labels, "batch_size": 2}
        assert torch.allclose(mixed, published.transform(images, params), atol=1e-6)
        soft = share * functional.one_hot(main, CLASSES) + (1 - share) * functional.one_hot(other, CLASSES)
        assert torch.allclose(soft, published.transform(labels, params), atol=1e-6)


def test_cutmix_pastes_one_box_and_tells_the_area_that_is_left() -> None:
    images, labels = batch()
    others, published = images.roll(6, 0), v2.CutMix(num_classes=CLASSES)
    for step in range(40):
        mixed, main, other, share = mixing(cutmix=1.0)(images, labels, step)
        pasted = (mixed == others).all(dim=(0, 1))
        assert torch.equal(mixed, torch.where(pasted, others, images))
        rows, columns = pasted.any(1), pasted.any(0)
        assert pasted.sum() == rows.sum() * columns.sum()
        left = 1 - pasted.double().mean().item()
        assert share.item() == pytest.approx(max(left, 1 - left))
        assert torch.equal(main, labels if left >= 0.5 else labels.roll(6))
        assert torch.equal(other, labels.roll(6) if left >= 0.5 else labels)
        ends = [
            [int(at.nonzero().min()), int(at.nonzero().max()) + 1] if at.any() else [0, 0] for at in (rows, columns)
        ]
        box = (ends[1][0], ends[0][0], ends[1][1], ends[0][1])
        theirs = published.transform(batch(2)[0], {"box": box, "labels": labels, "batch_size": 2})
        assert torch.equal((theirs != batch(2)[0]).any(dim=(0, 1)), pasted)


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
@pytest.mark.parametrize("alpha", [0.2, 1.0])
def test_shares_are_distributed_as_those_of_torchvision(kind: str, alpha: float) -> None:
    images, labels = batch(2, 32, 32)
    mine = sorted(mixing(**{kind: alpha})(images, labels, step)[3].item() for step in range(3000))
    published = {"mixup": v2.MixUp, "cutmix": v2.CutMix}[kind](alpha=alpha, num_classes=CLASSES)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        drawn = [published.make_params([images]) for _ in range(3000)]
    shares = [each.get("lam", each.get("lam_adjusted")) for each in drawn]
    theirs = sorted(max(share, 1 - share) for share in shares)
    assert max(abs(a - b) for a, b in zip(mine[100::100], theirs[100::100], strict=True)) < 0.05


def test_one_of_both_is_drawn_for_each_batch_and_the_step_decides() -> None:
    images, labels = batch()
    both = mixing(mixup=1.0, cutmix=1.0)
    kinds = Counter(bool(torch.isin(both(images, labels, step)[0], images).all()) for step in range(400))
    assert abs(kinds[True] - 200) < 50
    again, other = (mixing(mixup=1.0, cutmix=1.0, seed=seed)(images, labels, 7)[0] for seed in (0, 1))
    assert torch.equal(again, both(images, labels, 7)[0]) and not torch.equal(again, other)


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
@pytest.mark.parametrize("processes", [2, 3])
def test_processes_mix_their_shares_as_one_mixes_the_batch(kind: str, processes: int) -> None:
    images, labels = batch()
    for step in range(5):
        whole = mixing(**{kind: 1.0})(images, labels, step)
        for rank in range(processes):
            own = mixing(**{kind: 1.0})(images[rank::processes], labels[rank::processes], step)
            assert all(torch.equal(mine, all_[rank::processes]) for mine, all_ in zip(own[:3], whole[:3], strict=True))
            assert torch.equal(own[3], whole[3])


def test_a_single_image_is_mixed_with_itself() -> None:
    images, labels = batch(1)
    for kind in ("mixup", "cutmix"):
        mixed, main, other, _ = mixing(**{kind: 1.0})(images, labels, 3)
        assert torch.allclose(mixed, images, atol=1e-6) and torch.equal(main, labels) and torch.equal(other, labels)


@pytest.mark.parametrize("alpha", [1e-300, 1000.0])
def test_the_ends_of_the_range_of_alpha_give_finite_images(alpha: float) -> None:
    images, labels = batch()
    for step in range(50):
        for kind in ("mixup", "cutmix"):
            mixed, _, _, share = mixing(**{kind: alpha})(images, labels, step)
            assert mixed.isfinite().all() and 0.5 <= share <= 1


def test_images_that_are_given_stay_as_they_are() -> None:
    images, labels = batch()
    for kind in ("mixup", "cutmix"):
        mixing(**{kind: 1.0})(images, labels, 0)
    assert torch.equal(images, batch()[0])


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_weights_multiply_the_loss_of_each_image_by_that_of_its_class(smoothing: float) -> None:
    draws = torch.Generator().manual_seed(2)
    logits = torch.randn(12, CLASSES, generator=draws)
    labels, others = torch.randint(CLASSES, (2, 12), generator=draws)
    weights, share = torch.tensor([0.2, 0.5, 1.0, 2.0, 4.0]), torch.tensor(0.7)
    loss = Loss(smoothing=smoothing, weights=weights)
    expected = 0.0
    for row, label, other in zip(logits, labels, others, strict=True):
        for part, target in ((0.7, label), (0.3, other)):
            alone = functional.cross_entropy(row[None], target[None], label_smoothing=smoothing)
            expected += part * weights[target].item() * alone.item() / 12
    assert loss(logits, labels, others, share).item() == pytest.approx(expected, rel=1e-5)
    halves = (loss(logits[:6], labels[:6]) + loss(logits[6:], labels[6:])) / 2
    assert loss(logits, labels).item() == pytest.approx(halves.item(), rel=1e-5)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_of_a_mixture_is_that_of_its_soft_labels(smoothing: float) -> None:
    draws = torch.Generator().manual_seed(1)
    logits = torch.randn(12, CLASSES, generator=draws, dtype=torch.float64)
    labels, others = torch.randint(CLASSES, (2, 12), generator=draws)
    share = torch.tensor(0.7, dtype=torch.float64)
    soft = share * functional.one_hot(labels, CLASSES) + (1 - share) * functional.one_hot(others, CLASSES)
    expected = functional.cross_entropy(logits, soft, label_smoothing=smoothing)
    assert torch.allclose(Loss(smoothing=smoothing)(logits, labels, others, share), expected)
    plain = functional.cross_entropy(logits, labels, label_smoothing=smoothing)
    assert torch.equal(Loss(smoothing=smoothing)(logits, labels), plain)
