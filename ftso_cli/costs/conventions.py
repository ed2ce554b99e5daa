"""Conventions of "FLOPs" in papers: the same network counted by different rules, by name."""

from collections.abc import Mapping

from ftso_cli.costs.layers import Cost
from ftso_cli.errors import SettingsError, unknown

CONVENTIONS: Mapping[str, str] = {
    "conv-linear": "multiply-accumulates of convolutions and linear layers",
    "bn-relu": "conv-linear + 2 for each batch-norm output + 1 for each ReLU output",
    "bias": "conv-linear + 1 for each output of a layer with a bias",
}
"""Each convention and what it counts, for one image.

`bn-relu` reproduces the ImageNet figures that P-DARTS (557M) and PC-DARTS (586M, 597M) publish; `bias` is what the
NATS-Bench API calls flops.
"""


def multiply_adds(cost: Cost, convention: str) -> int:
    """The multiply-adds of `cost` by one of `CONVENTIONS`; raises `SettingsError` for another name."""
    match convention:
        case "conv-linear":
            return cost.macs
        case "bn-relu":
            return cost.macs + 2 * cost.bn_outputs + cost.relu_outputs
        case "bias":
            return cost.macs + cost.bias_outputs
    raise SettingsError(unknown("convention", convention, CONVENTIONS))
