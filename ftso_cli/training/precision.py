"""The precision that a training runs in."""

import torch

from ftso_cli.genotype import Genotype
from ftso_cli.nn.device import has_fast_bfloat16
from ftso_cli.settings.config_file import Precision
from ftso_cli.spaces.layers import Conv
from ftso_cli.spaces.operators import operator


def precision_of(asked: Precision | None, genotype: Genotype, device: torch.device) -> Precision:
    """Return the precision that is asked for, else the faster one for networks of a genotype.

    Processors multiply matrices fast in bfloat16, and depthwise convolutions are none (docs/performance.md).
    """
    if asked is not None:
        return asked
    fast = has_fast_bfloat16(device) and (device.type != "cpu" or _is_dense(genotype))
    return "bfloat16" if fast else "float32"


def _is_dense(genotype: Genotype) -> bool:
    """Return True where no convolution of the cells has groups."""
    names = {edge.op for cell in genotype.cells.values() for edge in cell.edges if edge.op is not None}
    layers = [layer for name in names for layer in operator(name).layers(2, 1)]
    return all(layer.groups == 1 for layer in layers if isinstance(layer, Conv))
