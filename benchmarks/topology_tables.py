"""The tables of the study of topologies, from its records."""

from collections.abc import Sequence
from itertools import combinations
from statistics import fmean, stdev
from typing import Any

from records import Record
from scipy.stats import pearsonr, spearmanr, ttest_rel
from topology_study import BUDGETS, FIXED, LOOK, METHODS, PAIRS, opponent, topologies, wiring

from ftso_cli.search.race.topologies import Topology
from ftso_cli.spaces import DARTS

Accuracies = dict[tuple[str, Topology, int], float]
"""Percent of the test images, by budget, wiring and seed."""


BOTH = {
    "a quarter and all of cifar": (("cifar, a quarter", (0,)), ("cifar", (0,))),
    "two seeds of cifar": (("cifar", (2,)), ("cifar", (3,))),
    "cifar and fashion": (("cifar", (2, 3)), ("fashion", (2, 3))),
}
"""Two budgets each, with seeds, whose accuracies are correlated."""


def accuracies(records: Sequence[Record]) -> Accuracies:
    """Those of all trainings."""
    return {
        (each["budget"], wiring(each), each["seed"]): 100 * each["accuracy"]
        for each in records
        if each["kind"] == "training"
    }


def summary(records: Sequence[Record]) -> dict[str, Any]:
    """For each budget: accuracy of each method, and of the same seeds less the mean of random wirings."""
    accuracy = accuracies(records)
    facts: dict[str, Any] = {"searches": _seconds(records), "agreement of two searches": _agreements(records)}
    budgets = [*((name, name, budget) for name, budget in BUDGETS.items()), ("cifar, a first look", "cifar", LOOK)]
    for name, own, budget in budgets:
        if rows := table(by_method(accuracy, topologies(records, budget.draws), own, budget.seeds)):
            facts[name] = rows
    facts |= {name: _paired(pairs(accuracy, name)) for name in PAIRS}
    return facts | {name: _correlation(both(accuracy, records, name)) for name in BOTH}


def by_method(
    accuracy: Accuracies, found: dict[str, list[Topology]], budget: str, seeds: Sequence[int]
) -> dict[str, list[tuple[float, ...]]]:
    """For each method the accuracies of its wirings by seed, of those that were trained with all seeds."""
    rows = {
        method: [own for each in wirings if len(own := _by_seed(accuracy, budget, each, seeds)) == len(seeds)]
        for method, wirings in found.items()
    }
    return {method: own for method, own in rows.items() if own}


def table(rows: dict[str, list[tuple[float, ...]]]) -> dict[str, dict[str, float]]:
    """Each method beside the random wirings; empty without those."""
    if "random" not in rows:
        return {}
    noise = _noise([each for own in rows.values() for each in own])
    return {method: _compared(own, rows["random"], noise) for method, own in rows.items()}


def pairs(accuracy: Accuracies, name: str) -> list[tuple[float, float]]:
    """Of each seed that is done, the accuracies of the widest wiring and of the random one."""
    both = [((name, FIXED["wide"], seed), (name, opponent(seed), seed)) for seed in PAIRS[name].seeds]
    return [(accuracy[one], accuracy[other]) for one, other in both if one in accuracy and other in accuracy]


def _paired(pairs: Sequence[tuple[float, float]]) -> dict[str, float]:
    """The widest wiring less a random one, seed by seed: mean, standard error, t and its two-sided p."""
    if len(pairs) < 2:
        return {"pairs": len(pairs)}
    wide, other = zip(*pairs, strict=True)
    test = ttest_rel(wide, other)
    differences = [one - another for one, another in pairs]
    return {
        "pairs": len(pairs),
        "wide": round(fmean(wide), 2),
        "random": round(fmean(other), 2),
        "difference": round(fmean(differences), 2),
        "error": round(stdev(differences) / len(pairs) ** 0.5, 2),
        "t": round(float(test.statistic), 2),
        "p": round(float(test.pvalue), 4),
    }


def _agreements(records: Sequence[Record]) -> dict[str, dict[str, float]]:
    """The share of edges that two searches of a method have in common, over all pairs, for each kind of cell."""
    found = topologies(records, 0)
    return {
        method: {
            kind: round(fmean(_shared(one.cells[at], two.cells[at]) for one, two in combinations(wirings, 2)), 3)
            for at, kind in enumerate(DARTS.kinds)
        }
        for method in METHODS
        if len(wirings := found[method]) > 1
    }


def _shared(one: Sequence[Sequence[int]], two: Sequence[Sequence[int]]) -> float:
    return fmean(len(set(a) & set(b)) / len(a) for a, b in zip(one, two, strict=True))


def _seconds(records: Sequence[Record]) -> dict[str, float]:
    """The mean seconds of a search by each method, on one thread."""
    own = {method: [each["seconds"] for each in records if each.get("method") == method] for method in METHODS}
    return {method: round(fmean(seconds), 1) for method, seconds in own.items() if seconds}


def _by_seed(accuracy: Accuracies, budget: str, topology: Topology, seeds: Sequence[int]) -> tuple[float, ...]:
    keys = [(budget, topology, seed) for seed in seeds]
    return tuple(accuracy[key] for key in keys if key in accuracy)


def _noise(rows: Sequence[tuple[float, ...]]) -> float:
    """The deviation of one training from the mean of its wiring, seeds being as good for all as they are on average."""
    rows = list(dict.fromkeys(rows))
    columns = list(zip(*rows, strict=True))
    if min(len(rows), len(columns)) < 2:
        return 0.0
    shifts = [fmean(column) - fmean(map(fmean, rows)) for column in columns]
    squares = [(value - shift - fmean(row)) ** 2 for row in rows for value, shift in zip(row, shifts, strict=True)]
    return float((sum(squares) / (len(rows) - 1) / (len(columns) - 1)) ** 0.5)


def _compared(own: Sequence[tuple[float, ...]], drawn: Sequence[tuple[float, ...]], noise: float) -> dict[str, float]:
    """Mean and standard error, and the difference to random wirings in standard errors, the seeds being the same.

    Of one wiring with one seed no error is known, so that `error` and `z` are left out.
    """
    mean, among = (fmean(map(fmean, rows)) for rows in (own, drawn))
    error, other = _error(own, noise), _error(drawn, noise)
    facts = {"wirings": len(own), "different": len(set(own)), "mean": round(mean, 2)}
    known = {"error": round(error, 2), "z": round((mean - among) / (error**2 + other**2) ** 0.5, 1)} if error else {}
    return facts | {"over_random": round(mean - among, 2)} | known


def _error(rows: Sequence[tuple[float, ...]], noise: float) -> float:
    """The standard error of the mean: by the spread of the wirings, or by noise alone where that says more.

    A wiring that several searches found is trained once, so its noise counts as often as it was found.
    """
    means = [fmean(row) for row in rows]
    spread = stdev(means) / len(means) ** 0.5 if len(means) > 1 else 0.0
    again = sum((rows.count(row) / len(rows)) ** 2 for row in set(rows))
    return max(spread, noise * (again / len(rows[0])) ** 0.5)


def both(accuracy: Accuracies, records: Sequence[Record], name: str) -> list[tuple[float, float]]:
    """Of each wiring that was trained under both budgets, its accuracies under them, means over the seeds of each."""
    wirings = dict.fromkeys(each for own in topologies(records, LOOK.draws).values() for each in own)
    rows = [[_by_seed(accuracy, budget, each, seeds) for budget, seeds in BOTH[name]] for each in wirings]
    wanted = [len(seeds) for _, seeds in BOTH[name]]
    return [(fmean(one), fmean(other)) for one, other in rows if [len(one), len(other)] == wanted]


def _correlation(both: Sequence[tuple[float, float]]) -> dict[str, float]:
    """How the accuracies under two budgets go together."""
    if len(both) < 3:
        return {"wirings": len(both)}
    short, long = zip(*both, strict=True)
    pearson, spearman = pearsonr(short, long), spearmanr(short, long)
    return {
        "wirings": len(both),
        "pearson": round(float(pearson[0]), 3),
        "pearson_p": round(float(pearson[1]), 4),
        "spearman": round(float(spearman[0]), 3),
        "spearman_p": round(float(spearman[1]), 4),
    }
