"""The verbs of trained networks: evaluate, latency, load."""

import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ftso_cli.api.cells import check_writable, read, read_trained
from ftso_cli.api.listening import Listener
from ftso_cli.api.networks import cost
from ftso_cli.api.training.run_images import images_of, is_gone, other_tests
from ftso_cli.api.verbs import verb
from ftso_cli.costs.networks import CountedNetwork
from ftso_cli.drawing.plots import check_plot, plot_confusion
from ftso_cli.errors import DataError, FileError
from ftso_cli.settings.requests.use import NETWORK, EvaluateRequest, LatencyRequest
from ftso_cli.settings.shared import run_of

if TYPE_CHECKING:
    from ftso_cli.nn.latency import LatencyEstimate
    from ftso_cli.training.run import Run
    from ftso_cli.training.testing.evaluate import Score
    from ftso_cli.training.use.classifier import Classifier
    from ftso_cli.training.use.latency import Latency


def load(run: str | os.PathLike[str], device: str = "cpu") -> "Classifier":
    """Return the trained network in a run folder, an `nn.Module` with `classes` and `preprocess`, ready to evaluate.

    Raises `RunError` where the folder holds no trained network.
    """
    from ftso_cli.nn.device import choose_device
    from ftso_cli.training.run import Run
    from ftso_cli.training.use.classifier import load_classifier

    return load_classifier(Run(Path(run)), choose_device(device))


@verb(EvaluateRequest)
def evaluate(request: EvaluateRequest) -> "Score":
    """Test a trained network again: `accuracy`, `top5`, `loss`, `class_accuracies`, `confusion`.

    The test images are those of its training, known by name and checksum; with `data`, those of another data set of
    the same classes. `broken` names images that can't be read, `changes` those that differ from the training's. An
    interrupted training has the network of its last checkpoint (`unfinished`). `confusion` is the file of a picture of
    the confusion matrix.

    Raises `RunError` where the folder holds no network, and `DataError` where its images are gone.
    """
    picture = None if request.confusion is None else Path(request.confusion)
    if picture is not None:
        check_plot(picture)
        check_writable(picture)
    from ftso_cli.nn.device import choose_device
    from ftso_cli.training.run import Run
    from ftso_cli.training.testing.evaluate import evaluate_network as test
    from ftso_cli.training.testing.evaluate import load_trained

    folder = Run(Path(request.run))
    config, chosen = folder.config(), choose_device(request.device)
    network, unfinished = load_trained(folder, chosen)
    record, data = folder.images(), request.data
    try:
        images = images_of(config, record) if data is None else other_tests(os.fspath(data), config, record)
    except DataError as error:
        hint = "; if it was moved, say where to: --data DIR" if data is None and is_gone(config.data) else ""
        raise DataError(f"{error}{hint}") from None
    score = test(network, images.final, images, config.recipe.batch_size, chosen)
    if picture is not None:
        plot_confusion(score.confusion.tolist(), config.classes, picture)
    changes, remarks = images.changes, images.remarks
    chosen_anew = record is None and bool(images.root)
    if data is None and not (unfinished or chosen_anew or changes.in_test or score.broken):
        remarks = (*remarks, *_keep_answers(folder, score))
    return replace(score, changes=changes, unfinished=unfinished, remarks=remarks, test_from=images.test_from)


def _keep_answers(run: "Run", score: "Score") -> list[str]:
    """Write answers.csv of a run; return a remark where that can't be done, as in a folder of somebody else."""
    from ftso_cli.training.testing.answers import write_answers

    try:
        write_answers(run, score.classes, score.answers)
    except FileError as error:
        return [str(error)]
    return []


@verb(LatencyRequest)
def latency(request: LatencyRequest) -> "Latency":
    """Measure how long a network takes on a device, from pixels in memory to its answer.

    `run` is the run folder of a training, or a cell, whose network is that of `cost` with random weights. Batch norms
    are folded, as in an exported network. The result has `milliseconds` of a batch by percentile of the `runs`, and
    `images_a_second`. Raises `RunError` where the folder holds no network.
    """
    return time_network(request, Listener())


def time_network(request: LatencyRequest, listener: Listener) -> "Latency":
    """Time the network of a request; that of a run is kept in its folder, where that can be written."""
    import torch

    run = run_of(request.run)
    found = _time_cell(request) if run is None else _time_run(run, request, listener)
    if found.threads < (all_ := torch.get_num_threads()):
        listener.note(f"measured with {found.threads} thread, which is faster here than {all_}")
    return found


def _time_run(run: Path, request: LatencyRequest, listener: Listener) -> "Latency":
    """Time a trained network, and keep the result in its run folder."""
    from ftso_cli.training.run import Run
    from ftso_cli.training.use.latency import time_classifier

    classifier = load(run, request.device)
    if classifier.unfinished:
        listener.warn(classifier.unfinished)
    found = time_classifier(classifier, batch_size=request.batch_size, runs=request.runs, warm_up=request.warm_up)
    try:
        Run(run).write_latency(asdict(found))
    except FileError as error:
        listener.warn(str(error))
    return found


def _time_cell(request: LatencyRequest) -> "Latency":
    """Time a network of random weights."""
    from ftso_cli.nn.device import choose_device, seeded
    from ftso_cli.nn.merged import deployed
    from ftso_cli.nn.network import Network
    from ftso_cli.training.use.latency import measure_latency

    counted = network_of(request)
    device = choose_device(request.device)
    with seeded(0):
        network = deployed(Network(read(request.run), counted.shape, auxiliary=False).to(device))
    image = (counted.shape.image_channels, *counted.image_size)
    counts = {"batch_size": request.batch_size, "runs": request.runs, "warm_up": request.warm_up}
    return measure_latency(network, image, device, **counts)


def network_of(request: LatencyRequest) -> CountedNetwork:
    """The network that a request times, counted."""
    own = {name: getattr(request, name) for name in NETWORK if name in request.given}
    return cost(request.run, **own)


def operation_times(request: LatencyRequest, threads: int) -> "LatencyEstimate":
    """Return the operations of the network of a request, from the table of the device, and add those that are new."""
    import torch

    from ftso_cli.nn.device import choose_device, kept_threads
    from ftso_cli.nn.latency import LatencyTable

    counted, genotype = network_of(request), read_trained(request.run)
    with kept_threads():
        torch.set_num_threads(threads)
        table = LatencyTable(choose_device(request.device))
    found = table.estimate(genotype, counted.shape, counted.image_size, batch_size=request.batch_size)
    table.save()
    return found
