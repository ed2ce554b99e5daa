"""The super-net of skip connections, evaluated as one pointwise convolution a cell."""

from ftso_cli.nn.folded.supernet import FoldedSuperNet

__all__ = ["FoldedSuperNet"]
