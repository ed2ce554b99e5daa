"""Pictures of numbers."""

import sys
from pathlib import Path
from subprocess import run

import pytest

DRAW = """
import sys
from pathlib import Path
from ftso_cli.drawing.plots import plot_confusion, plot_metrics

metrics, confusion = map(Path, sys.argv[1:])
plot_metrics([{"epoch": epoch, "loss": 1 / epoch, "accuracy": 1 - 1 / epoch} for epoch in (1, 2, 3)], metrics)
plot_confusion([[3, 1], [0, 4]], ["cat", "dog"], confusion)
"""


@pytest.mark.parametrize("suffix", ["svg", "pdf", "png"])
def test_equal_numbers_give_equal_pictures(suffix: str, tmp_path: Path) -> None:
    files = [tmp_path / f"{name}.{suffix}" for name in ("metrics", "confusion", "metrics2", "confusion2")]
    for pair in (files[:2], files[2:]):
        run([sys.executable, "-c", DRAW, *map(str, pair)], check=True)
    metrics, confusion, *again = (file.read_bytes() for file in files)
    assert [metrics, confusion] == again and metrics != confusion
