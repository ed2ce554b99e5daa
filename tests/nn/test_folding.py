"""Folding batch norm changes nothing but the number of operations."""

import pytest
import torch
from torch import nn

from ftso_cli.genotype import library
from ftso_cli.nn.folding import fold_batch_norm
from ftso_cli.nn.network import Network
from ftso_cli.spaces.darts import NetworkShape


def norms(network: nn.Module) -> int:
    return sum(isinstance(module, nn.BatchNorm2d) for module in network.modules())


@pytest.mark.parametrize("cell", ["darts_v2", "ftso_wide_sep3", "nasnet_a"])
@pytest.mark.parametrize("stem", ["cifar", "imagenet"])
def test_a_folded_network_gives_the_same_logits_without_batch_norm(cell: str, stem: str) -> None:
    torch.manual_seed(0)
    shape = NetworkShape(channels=4, cells=3, classes=5, image_channels=3, stem=stem)  # type: ignore[arg-type]
    network = Network(library.load_genotype(cell), shape, auxiliary=False)
    images = torch.randn(4, 3, 45, 45)
    for _ in range(3):
        network(images)  # Statistics that are not 0 and 1.
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d) and module.affine:
            nn.init.uniform_(module.weight, 0.5, 2)
            nn.init.uniform_(module.bias, -1, 1)
    network.eval()
    folded = fold_batch_norm(network)
    assert norms(network) > 0 and norms(folded) == 0
    torch.testing.assert_close(folded(images)[0], network(images)[0], rtol=1e-4, atol=1e-5)
