"""The picture of the study of topologies: methods, pairs, and whether short trainings say something of longer ones."""

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from records import Record
from scipy.stats import pearsonr
from topology_study import BUDGETS, PAIRS, topologies
from topology_tables import Accuracies, accuracies, both, by_method, pairs, table

from ftso_cli.drawing.plots import drawn
from ftso_cli.files import write_atomic
from ftso_cli.studies.analysis.figures import BLUE, GREY, ORANGE

METHODS = ("wide", "race", "random", "stable", "beta, 1 iteration", "beta, 2 epochs", "beta, 1 epoch", "deep")
"""From the top down."""


def draw(records: Sequence[Record], path: Path) -> None:
    """Draws what the records have, as svg, png or pdf."""
    accuracy = accuracies(records)

    def make() -> Figure:
        figure = Figure(figsize=(10, 7), layout="constrained")
        (cifar, paired), (fashion, short) = figure.subplots(2, 2)
        _methods(cifar, records, accuracy, "cifar", "CIFAR-10 images")
        _methods(fashion, records, accuracy, "fashion", "the same wirings, Fashion-MNIST images")
        _pairs(paired, accuracy)
        _short(short, both(accuracy, records, "a quarter and all of cifar"))
        return figure

    write_atomic(path, drawn(make, path, {"font.size": 9}))


def _methods(axes: Axes, records: Sequence[Record], accuracy: Accuracies, budget: str, title: str) -> None:
    """A row a method: a dot a wiring, the mean with its standard error."""
    own = BUDGETS[budget]
    rows = by_method(accuracy, topologies(records, own.draws), budget, own.seeds)
    facts = table(rows)
    names = [name for name in METHODS if name in facts]
    for place, name in enumerate(names):
        dots = [fmean(row) for row in rows[name]]
        mean, error = facts[name]["mean"], facts[name].get("error")
        colour = GREY if name == "random" else BLUE
        axes.plot(dots, [place] * len(dots), "o", color=colour, alpha=0.5, markersize=5)
        axes.errorbar(mean, place, xerr=error, fmt="|", color="black", markersize=12, capsize=3, linewidth=1)
    if "random" in facts:
        axes.axvline(facts["random"]["mean"], color=GREY, linewidth=1, linestyle=":")
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlabel("test accuracy, %. Dots are wirings, whiskers standard errors")
    axes.set_title(f"{title}, one epoch, seed{'s' * (len(own.seeds) > 1)} {' and '.join(map(str, own.seeds))}")
    axes.grid(axis="x", alpha=0.3)


def _pairs(axes: Axes, accuracy: Accuracies) -> None:
    """A line a seed, from a random wiring to the widest, for each number of epochs."""
    ticks: list[str] = []
    for colour, (name, own) in zip((BLUE, ORANGE), PAIRS.items(), strict=True):
        left = len(ticks)
        epochs = "1 epoch" if own.epochs == 1 else f"{own.epochs} epochs"
        done = pairs(accuracy, name)
        for wide, random in done:
            axes.plot([left, left + 1], [random, wide], "o-", color=colour, alpha=0.5, markersize=4)
        if done:
            wide, random = (fmean(column) for column in zip(*done, strict=True))
            axes.plot([left, left + 1], [random, wide], color="black", linewidth=2)
            ticks += [f"random,\n{epochs}", f"widest,\n{epochs}"]
    axes.set_xticks(range(len(ticks)), ticks)
    axes.set_ylabel("test accuracy, %")
    axes.set_title("the widest and a fresh random wiring; black: mean")
    axes.grid(axis="y", alpha=0.3)


def _short(axes: Axes, both: Sequence[tuple[float, float]]) -> None:
    """A dot a wiring: an epoch of a quarter of the images, and one of all."""
    short, long = zip(*both, strict=True)
    axes.plot(short, long, "o", color=BLUE, alpha=0.7)
    axes.set_xlabel("test accuracy after an epoch of a quarter of the images, %")
    axes.set_ylabel("after an epoch of all, %")
    axes.set_title(f"{len(both)} wirings, one seed; Pearson {pearsonr(short, long)[0]:.2f}")
    axes.grid(alpha=0.3)
