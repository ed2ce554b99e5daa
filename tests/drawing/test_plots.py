"""Pictures of numbers."""

import sys
from pathlib import Path
from subprocess import run

import pytest

from tests.processes import environment

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


def test_the_settings_of_matplotlib_that_lie_in_the_current_folder_have_no_say(tmp_path: Path) -> None:
    (tmp_path / "matplotlibrc").write_text("text.usetex: True\nfont.size: 40\naxes.titlesize: 3\n")
    for folder in (tmp_path, tmp_path / "other"):
        folder.mkdir(exist_ok=True)
        run([sys.executable, "-c", DRAW, "metrics.svg", "confusion.svg"], cwd=folder, env=environment(), check=True)
    for name in ("metrics.svg", "confusion.svg"):
        assert (tmp_path / name).read_bytes() == (tmp_path / "other" / name).read_bytes()
