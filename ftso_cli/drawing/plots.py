"""Pictures of numbers: the curves of a training, and which classes a network takes for which. By matplotlib."""

import io
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftso_cli.errors import DrawingError
from ftso_cli.files import write_atomic, write_inside
from ftso_cli.texts import one_line

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = ("png", "svg", "pdf")
NUMBERED = 20
"""Up to this many classes have the counts written into their squares."""


LABEL_WIDTH = 40
"""Characters; what is longer is cut."""


def plot_label(name: str) -> str:
    """A name as a label of a picture."""
    shown = one_line(name)
    return shown if len(shown) <= LABEL_WIDTH else shown[: LABEL_WIDTH - 1] + "…"


def can_plot() -> bool:
    """Return True where matplotlib is installed."""
    return find_spec("matplotlib") is not None


def check_plot(path: Path) -> None:
    """Raises `DrawingError` where a picture can't be made as `path`, so that no work is done for nothing."""
    if path.suffix.removeprefix(".") not in FORMATS:
        raise DrawingError(f"{path}: pictures end in .{', .'.join(FORMATS)}")
    if not can_plot():
        raise DrawingError("pictures of numbers need matplotlib; install with: pip install 'ftso[plots]'")


def plot_metrics(rows: Sequence[Mapping[str, Any]], *paths: Path) -> None:
    """Draws loss and accuracy of every epoch, as files of a run folder."""
    for path in paths:
        check_plot(path)
    make = cache(lambda: _metrics(rows))
    for path in paths:
        write_inside(path, drawn(make, path))


def _metrics(rows: Sequence[Mapping[str, Any]]) -> "Figure":
    from matplotlib.figure import Figure

    # Fixed margins, and a fixed place of the title: to find them by the labels takes longer than to draw both curves.
    figure = Figure(figsize=(8, 3.2))
    figure.subplots_adjust(left=0.08, right=0.98, bottom=0.16, top=0.9, wspace=0.2)
    epochs = [row["epoch"] for row in rows]
    for axes, name, scale in zip(figure.subplots(1, 2), ("loss", "accuracy"), (1, 100), strict=True):
        marker = "." if len(rows) < 40 else ""
        axes.plot(epochs, [scale * row[name] for row in rows], marker=marker, label="training")
        validated = [row for row in rows if row.get(f"val_{name}") is not None]
        if validated:
            values = [scale * row[f"val_{name}"] for row in validated]
            axes.plot([row["epoch"] for row in validated], values, marker=marker, label="validation")
            axes.legend()
        axes.set_xlabel("epoch")
        axes.set_title(f"{'' if validated else 'training '}{name}{', %' if scale == 100 else ''}", y=1)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
    return figure


def plot_confusion(confusion: Sequence[Sequence[int]], classes: Sequence[str], path: Path) -> None:
    """Draws how many images of each true class (row) got each answer (column), shaded by the share of the row."""
    check_plot(path)
    write_atomic(path, drawn(lambda: _confusion(confusion, [plot_label(name) for name in classes]), path))


def _confusion(confusion: Sequence[Sequence[int]], classes: Sequence[str]) -> "Figure":
    from matplotlib.figure import Figure

    side = min(4 + 0.35 * len(classes), 30)
    figure = Figure(figsize=(side, side), layout="constrained")
    axes = figure.subplots()
    shares = [[count / max(sum(row), 1) for count in row] for row in confusion]
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(classes)), classes, rotation=90)
    axes.set_yticks(range(len(classes)), classes)
    axes.set_xlabel("answer")
    axes.set_ylabel("class")
    for row, counts in enumerate(confusion if len(classes) <= NUMBERED else []):
        for column, count in enumerate(counts):
            dark = shares[row][column] > 0.5
            axes.text(column, row, str(count), ha="center", va="center", color="white" if dark else "black", size=8)
    return figure


PLAIN_TEXT: Mapping[str, Any] = {"text.parse_math": False, "text.usetex": False, "svg.fonttype": "none"}
"""Names are no formulas: a dollar is one, and no TeX is started. In an svg they stay text, in any letters."""


EAST_ASIAN = (
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Source Han Sans SC",
    "WenQuanYi Micro Hei",
    "PingFang SC",
    "Hiragino Sans",
    "Microsoft YaHei",
    "Malgun Gothic",
    "Arial Unicode MS",
)
"""Fonts with the letters of China, Japan and Korea, one of which most systems have; matplotlib brings none."""


def _fonts() -> list[str]:
    """The font of pictures, and those that are here for letters that it lacks."""
    from matplotlib import font_manager

    here = set(font_manager.get_font_names())
    return ["DejaVu Sans", *(name for name in EAST_ASIAN if name in here)]


def drawn(make: Callable[[], "Figure"], path: Path, style: Mapping[str, Any] | None = None) -> bytes:
    """The figure that `make` gives as a file of the name `path`; equal numbers give equal files."""
    import matplotlib as mpl

    format = path.suffix.removeprefix(".")
    content = io.BytesIO()
    undated = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(format)
    # Ids in an svg are random without a salt.
    settings: dict[Any, Any] = {"svg.hashsalt": "ftso", **PLAIN_TEXT, **(style or {})}
    with mpl.rc_context(), warnings.catch_warnings():
        # A matplotlibrc in the current folder is read by matplotlib, and may be anybody's.
        mpl.rcdefaults()
        mpl.rcParams.update(settings)
        mpl.rcParams["font.family"] = _fonts()
        # Of signs that no font here has, and of pictures that are too small for their labels.
        warnings.simplefilter("ignore", UserWarning)
        make().savefig(content, format=format, dpi=150, metadata=undated)
    return content.getvalue()
