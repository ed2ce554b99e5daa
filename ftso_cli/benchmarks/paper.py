"""Table 2 of the FTSO paper, as printed: accuracies on the NATS-Bench topology space."""

from collections.abc import Mapping

from ftso_cli.spaces.nats import DATA_SETS

_PRINTED = {
    "DARTS 1st, searched on CIFAR-10": (54.30, 15.61, 16.32),
    "DARTS 1st, searched on CIFAR-100": (86.57, 58.13, 28.50),
    "DARTS 1st, searched on ImageNet": (89.58, 63.89, 33.77),
    "DARTS 2nd, searched on CIFAR-10": (86.88, 58.61, 28.91),
    "DARTS 2nd, searched on CIFAR-100": (91.96, 67.27, 39.47),
    "DARTS 2nd, searched on ImageNet": (84.64, 55.15, 26.06),
    "FTSO, searched on any of them": (93.98, 70.22, 45.57),
}

TABLE_2: Mapping[str, Mapping[str, float]] = {
    row: dict(zip(DATA_SETS, accuracies, strict=True)) for row, accuracies in _PRINTED.items()
}
"""For each row its test accuracies in percent. Every row is a cell of the benchmark; "ImageNet" is ImageNet16-120."""
