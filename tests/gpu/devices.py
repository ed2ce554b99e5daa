"""The device of these tests, and what they compare with."""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from torch import Tensor

CPU = torch.device("cpu")
DEVICE = torch.device(os.environ.get("FTSO_TEST_DEVICE", "cuda"))

WITHOUT = "needs a CUDA device; on a machine with one: python -m pytest tests/gpu"
MARKS = [pytest.mark.gpu, pytest.mark.skipif(DEVICE.type == "cuda" and not torch.cuda.is_available(), reason=WITHOUT)]
ON_CUDA = pytest.mark.skipif(DEVICE.type != "cuda", reason="about CUDA itself")


def relative_error(expected: Tensor, found: Tensor) -> float:
    """|found - expected| / |expected|, in double precision on the CPU."""
    expected, found = expected.detach().double().cpu(), found.detach().double().cpu()
    return float((found - expected).norm() / expected.norm().clamp_min(1e-12))


@contextmanager
def tf32(allowed: bool) -> Iterator[None]:
    """Inside, products and convolutions in single precision may, or may not, round to 10 bits."""
    kinds = torch.backends.cuda.matmul, torch.backends.cudnn
    before = [kind.allow_tf32 for kind in kinds]
    try:
        for kind in kinds:
            kind.allow_tf32 = allowed
        yield
    finally:
        for kind, was in zip(kinds, before, strict=True):
            kind.allow_tf32 = was


@contextmanager
def deterministic() -> Iterator[None]:
    """Inside, every operation gives the same bits each time, where PyTorch has such a one."""
    try:
        torch.use_deterministic_algorithms(True, warn_only=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        torch.use_deterministic_algorithms(False)
