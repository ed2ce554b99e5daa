"""The verbs of trained networks: evaluate, latency, load."""

import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ftso_cli.api.cells import check_writable
from ftso_cli.api.listening import Listener
from ftso_cli.api.training.run_images import images_of, is_gone, other_tests
from ftso_cli.api.verbs import verb
from ftso_cli.drawing.plots import check_plot, plot_confusion
from ftso_cli.errors import DataError, FileError
from ftso_cli.settings.use import RunEvaluation, Timing

if TYPE_CHECKING:
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


@verb(RunEvaluation)
def evaluate(request: RunEvaluation) -> "Score":
    """Test a trained network again: `accuracy`, `top5`, `loss`, `class_accuracies`, `confusion`.

    The test images are those of its training, known by name and checksum; with `data`, those of another data set of
    the same classes. `broken` names images that can't be read, `changes` those that differ from the training's. An
    interrupted training has the network of its last checkpoint (`unfinished`). `confusion` is the file of a picture of
    the confusion matrix.

    Raises `RunError` where the folder holds no network, and `DataError` where its images are gone.
    """
    return evaluate_run(request)


def evaluate_run(request: RunEvaluation) -> "Score":
    """Test the network of a request, and draw its errors where that is asked for."""
    picture = None if request.confusion is None else Path(request.confusion)
    if picture is not None:
        check_plot(picture)
        check_writable(picture)
    from ftso_cli.nn.device import choose_device
    from ftso_cli.training.run import Run
    from ftso_cli.training.testing.evaluate import evaluate as test
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


@verb(Timing)
def latency(request: Timing) -> "Latency":
    """Measure how long a trained network takes on a device, from pixels in memory to its answer.

    The batch norm is folded, as in an exported network. The result has `milliseconds` of a batch by percentile of the
    `runs`, and `images_a_second`. Raises `RunError` where the folder holds no network.
    """
    return time_network(request, Listener())


def time_network(request: Timing, listener: Listener) -> "Latency":
    """Time the network of a request, and keep the result in its run folder, where that can be written."""
    import torch

    from ftso_cli.training.run import Run
    from ftso_cli.training.use.latency import measure_latency

    classifier = load(request.run, request.device)
    if classifier.unfinished:
        listener.warn(classifier.unfinished)
    found = measure_latency(classifier, batch_size=request.batch_size, runs=request.runs, warm_up=request.warm_up)
    if found.threads < (all_ := torch.get_num_threads()):
        listener.note(f"measured with {found.threads} thread, which is faster here than {all_}")
    try:
        Run(Path(request.run)).write_latency(asdict(found))
    except FileError as error:
        listener.warn(str(error))
    return found
