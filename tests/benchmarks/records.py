"""Records in the form of NATS-Bench's own `simple` files, made with the benchmark's own classes."""

from collections.abc import Sequence
from pathlib import Path

from nats_bench.api_utils import ArchResults, ResultsCount, pickle_save

PARTS = {"cifar10": ("ori-test",), "cifar100": ("x-valid", "x-test"), "ImageNet16-120": ("x-valid", "x-test")}
"""The images that each data set's networks are tested on."""


def write_meta(folder: Path, architectures: Sequence[str]) -> None:
    """The file that lists the cells by index."""
    pickle_save({"meta_archs": list(architectures)}, str(folder / "meta.pickle"))


def write_record(folder: Path, index: int, tests: Sequence[Sequence[float]]) -> Path:
    """A record whose data sets have these test accuracies, one a seed; validation accuracies are others."""
    results = ArchResults(index, None)
    for name, accuracies in zip(PARTS, tests, strict=True):
        results.dataset_seed[name] = list(range(777, 777 + len(accuracies)))
        for seed, accuracy in zip(results.dataset_seed[name], accuracies, strict=True):
            results.all_results[name, seed] = _trial(name, seed, accuracy)
    pickle_save({"200": results.state_dict()}, str(folder / f"{index:06d}.pickle"))
    return folder / f"{index:06d}.pickle.pbz2"


def _trial(name: str, seed: int, accuracy: float) -> ResultsCount:
    trial = ResultsCount(name, None, {0: 99.0}, {0: 0.1}, 1.0, 1.0, None, seed, 1, None)
    scores = {f"{part}@0": accuracy if part.endswith("-test") else 5.0 for part in PARTS[name]}
    trial.update_eval(scores, dict.fromkeys(scores, 0.1), dict.fromkeys(scores, 0.1))
    return trial
