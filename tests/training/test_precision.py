"""The precision that a training takes by default."""

import sys
from pathlib import Path

import pytest
import torch

from ftso_cli.genotype import library
from ftso_cli.nn.device import has_fast_bfloat16
from ftso_cli.training.precision import precision_of

CPU = torch.device("cpu")


@pytest.mark.skipif(not hasattr(torch.cpu, "get_capabilities"), reason="this PyTorch doesn't tell")
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_processors_with_amx_are_fast_in_bfloat16() -> None:
    assert has_fast_bfloat16(CPU) == ("amx_bf16" in Path("/proc/cpuinfo").read_text().split())


@pytest.mark.parametrize("name", ["ftso_single", "ftso_residual", "ftso_block"])
def test_dense_cells_train_in_what_is_fast_here(name: str) -> None:
    fast = "bfloat16" if has_fast_bfloat16(CPU) else "float32"
    assert precision_of(None, library.load_genotype(name), CPU) == fast


@pytest.mark.parametrize("name", ["ftso_wide_sep3", "darts_v2", "mdenas"])
def test_cells_with_depthwise_convolutions_train_in_single_precision_on_processors(name: str) -> None:
    assert precision_of(None, library.load_genotype(name), CPU) == "float32"


def test_what_is_asked_for_is_taken() -> None:
    for name in ("ftso_single", "darts_v2"):
        assert precision_of("bfloat16", library.load_genotype(name), CPU) == "bfloat16"
        assert precision_of("float32", library.load_genotype(name), CPU) == "float32"
