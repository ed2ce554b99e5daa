"""Latency of networks in use, from a table of operations that are timed once for a device."""

from ftso_cli.nn.latency.table import LatencyEstimate, LatencyTable, OperationRow, OperationTime

__all__ = ["LatencyEstimate", "LatencyTable", "OperationRow", "OperationTime"]
