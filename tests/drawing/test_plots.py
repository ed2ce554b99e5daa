"""Pictures of numbers."""

import sys
from pathlib import Path
from subprocess import run

from tests.processes import environment

DRAW = """
import sys
from pathlib import Path
from ftso_cli.drawing.plots import plot_confusion, plot_metrics

for suffix in sys.argv[1:]:
    rows = [{"epoch": epoch, "loss": 1 / epoch, "accuracy": 1 - 1 / epoch} for epoch in (1, 2, 3)]
    plot_metrics(rows, Path(f"metrics.{suffix}"))
    plot_confusion([[3, 1], [0, 4]], ["cat", "dog"], Path(f"confusion.{suffix}"))
"""


def drawn(folder: Path, *suffixes: str) -> dict[str, bytes]:
    """The pictures that a process of its own draws in a folder."""
    folder.mkdir(exist_ok=True)
    run([sys.executable, "-c", DRAW, *suffixes], cwd=folder, env=environment(), check=True)
    return {file.name: file.read_bytes() for file in folder.glob("[mc]*.???") if file.suffix[1:] in suffixes}


def test_equal_numbers_give_equal_pictures(tmp_path: Path) -> None:
    first, again = (drawn(tmp_path / name, "svg", "pdf", "png") for name in ("first", "again"))
    assert first == again and len(set(first.values())) == 6


def test_the_settings_of_matplotlib_that_lie_in_the_current_folder_have_no_say(tmp_path: Path) -> None:
    (tmp_path / "matplotlibrc").write_text("text.usetex: True\nfont.size: 40\naxes.titlesize: 3\n")
    here, other = (drawn(folder, "svg") for folder in (tmp_path, tmp_path / "other"))
    assert here == other and len(here) == 2
