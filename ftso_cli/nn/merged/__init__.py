"""Evaluation networks whose edges run together where that is exact: to train on a CPU, and to use."""

from ftso_cli.nn.merged.side_by_side import backward_mode
from ftso_cli.nn.merged.training import MergedNetwork, network_class
from ftso_cli.nn.merged.use import deployed

__all__ = ["MergedNetwork", "backward_mode", "deployed", "network_class"]
