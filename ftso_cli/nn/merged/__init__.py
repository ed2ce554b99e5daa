"""Evaluation networks whose edges run together where that is exact: to train on a CPU, and to use."""

from ftso_cli.nn.merged.training import MergedNetwork, network_class
from ftso_cli.nn.merged.use import deployed

__all__ = ["MergedNetwork", "deployed", "network_class"]
