"""Batch norm folded into the convolution before it: fewer operations, the same outputs to rounding, after training."""

from copy import deepcopy

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from ftso_cli.nn.layers import FactorizedReduction


def fold_batch_norm(network: nn.Module) -> nn.Module:
    """A copy of a network in evaluation mode, in which every batch norm behind a convolution is part of its weights.

    What follows a pooling or a sum stays a batch norm.
    """
    folded = deepcopy(network).eval()
    for module in list(folded.modules()):
        if isinstance(module, nn.Sequential):
            for at in range(len(module) - 1):
                norm = module[at + 1]
                if isinstance(norm, nn.BatchNorm2d) and _fold(module[at], norm):
                    module[at + 1] = nn.Identity()
    return folded


def _fold(layer: nn.Module, norm: nn.BatchNorm2d) -> bool:
    """Fold the batch norm into the layer before it; return True where that was possible."""
    if isinstance(layer, nn.Conv2d):
        _fold_channels(layer, norm, 0)
    elif isinstance(layer, FactorizedReduction):
        _fold_channels(layer.even, norm, 0)
        _fold_channels(layer.odd, norm, layer.even.out_channels)
    else:
        return False
    return True


def _fold_channels(convolution: nn.Conv2d, norm: nn.BatchNorm2d, first: int) -> None:
    """Folds the part of the batch norm, from channel `first` on, that works on the output of the convolution."""
    own = slice(first, first + convolution.out_channels)
    mean, variance = norm.running_mean, norm.running_var
    assert mean is not None and variance is not None
    weight, bias = (None if tensor is None else tensor[own] for tensor in (norm.weight, norm.bias))
    convolution.weight, convolution.bias = fuse_conv_bn_weights(
        convolution.weight, convolution.bias, mean[own], variance[own], norm.eps, weight, bias
    )
