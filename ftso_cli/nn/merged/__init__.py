"""Evaluation networks whose edges run together where that is exact: to train on a CPU, and to use."""

from ftso_cli.nn.merged.training import MergedNetwork, network_class

__all__ = ["MergedNetwork", "network_class"]
