"""Testing a trained network."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor, nn
from torch.nn import functional

from ftso_cli.data import Changes, ImageData, ImageSource, on_device, readable_batches
from ftso_cli.errors import DataError, RunError
from ftso_cli.nn.checkpoint import Checkpoints, check_alike, read_tensors
from ftso_cli.nn.device import enough_memory
from ftso_cli.nn.merged import deployed
from ftso_cli.nn.network import Network
from ftso_cli.shell import command_line
from ftso_cli.training.run import Run
from ftso_cli.training.testing.answers import ImageAnswer
from ftso_cli.training.testing.class_scores import Confusion


@dataclass(frozen=True, kw_only=True)
class Score:
    """The scores of a network on a set of images. `confusion` counts them by true class (row) and answer (column).
    `classes` are their names in order, `answers` has what the network says of each image, in their order.

    `top5` is the share of images whose class is among the five likeliest, or all where there are fewer. `broken` says
    by path what is wrong with images that can't be read and are not counted, `changes` how the images differ from those
    of the training, `unfinished` where a training stands that has not ended yet.
    """

    images: int
    top5: float
    loss: float
    confusion: Tensor
    classes: tuple[str, ...]
    answers: tuple[ImageAnswer, ...] = ()
    broken: Mapping[str, str] = field(default_factory=dict)
    changes: Changes = field(default_factory=Changes)
    unfinished: str = ""
    remarks: tuple[str, ...] = ()
    test_from: str = ""

    @cached_property
    def by_class(self) -> Confusion:
        """Precision, recall and F1 of each class, intervals, and the commonest mistakes."""
        return Confusion(classes=self.classes, counts=self.confusion.tolist())

    @property
    def accuracy(self) -> float:
        """The share of right answers, 0..1."""
        return self.by_class.accuracy

    @property
    def share(self) -> str:
        """The images that were counted, as in `14 images`, or `12 of 14 images` where some are gone or broken."""
        asked = self.images + len(self.broken) + len(self.changes.missing_test)
        return f"{self.images} images" if asked == self.images else f"{self.images} of {asked} images"

    @property
    def balanced_accuracy(self) -> float:
        """The mean of the recalls of the classes that have images."""
        return self.by_class.balanced_accuracy

    @property
    def class_accuracies(self) -> list[float | None]:
        """The share of right answers among the images of each class; None for a class without images."""
        return [score.recall for score in self.by_class.scores]


def load_network(run: Run, device: torch.device) -> Network:
    """The trained network of a run, ready to evaluate; raises `RunError` where the run has no valid weights."""
    return load_trained(run, device)[0]


def load_trained(run: Run, device: torch.device) -> tuple[Network, str]:
    """The network of a run as `load_network` gives it, and where a training stands that isn't finished, "" otherwise.

    Before its end, a training has the network of its best epoch where that is kept, else of its last whole checkpoint.
    """
    config = run.config()
    if run.weights_file.is_file():
        file, unfinished = run.weights_file, ""
        tensors, _ = read_tensors(file)
    elif config.recipe.keep == "best" and run.best_file.is_file():
        file = run.best_file
        tensors, about = read_tensors(file)
        unfinished = f"not finished: this is the network after epoch {about.get('epoch')}, the best so far"
    else:
        file = run.checkpoint_file
        tensors, unfinished = _from_checkpoint(run, config.recipe.epochs)
    genotype, shape = run.genotype(), config.shape
    try:
        # Files that don't belong together must not have a network built that no memory can hold.
        if shape.cells > len(tensors):
            raise RunError(f"{len(tensors)} tensors for {shape.cells} cells")
        with torch.device("meta"):
            check_alike(tensors, Network(genotype, shape, auxiliary=False).state_dict())
        network = Network(genotype, shape, auxiliary=False)
        network.load_state_dict(tensors)
    except (RunError, RuntimeError):
        raise RunError(f"{file}: not the weights of the network that config.json describes") from None
    return network.to(device).to(memory_format=torch.channels_last).eval(), unfinished


def _from_checkpoint(run: Run, epochs: int) -> tuple[dict[str, Tensor], str]:
    """The weights of the last whole checkpoint, without the auxiliary head, and where the training stands there."""
    checkpoints = Checkpoints(run.checkpoint_file)
    if not checkpoints.exist():
        resume = command_line("train", resume=run.folder)
        raise RunError(f"{run.folder}: not finished, it has no {run.weights_file.name}; go on with: {resume}")
    state, problem = checkpoints.look()
    try:
        done, steps = len(state.values["rows"]), int(state.values["sums"]["steps"])
    except (KeyError, TypeError, ValueError):
        raise RunError(f"{run.checkpoint_file}: not a checkpoint of a training") from None
    file = checkpoints.before if problem else checkpoints.last
    place = f"step {steps} of epoch {done + 1}" if steps else f"epoch {done}"
    own = "average.module." if "average.n_averaged" in state.tensors else "network."
    weights = {
        name.removeprefix(own): tensor
        for name, tensor in state.tensors.items()
        if name.startswith(own) and not name.startswith(f"{own}auxiliary.")
    }
    return weights, f"not finished: this is the network after {place} of {epochs}, from {file.name}"


@torch.inference_mode()
def evaluate_network(
    network: Network, source: ImageSource, data: ImageData, batch_size: int, device: torch.device
) -> Score:
    """The score of a network on all images of `source` that can be read; the last batch may be smaller.

    Raises `DataError` where none can be read.
    """
    with enough_memory(device):
        return _scored(deployed(network.eval()), source, data, batch_size, device)


def _scored(network: nn.Module, source: ImageSource, data: ImageData, batch_size: int, device: torch.device) -> Score:
    classes = len(data.classes)
    confusion = torch.zeros(classes, classes, dtype=torch.int64)
    count, among, loss = 0, 0, 0.0
    broken: dict[str, str] = {}
    rows: list[Tensor] = []
    for images, labels in readable_batches(on_device(source, device), batch_size, data, broken):
        logits, _ = network(images.to(device, memory_format=torch.channels_last))
        logits = logits.float().cpu()
        loss += functional.cross_entropy(logits, labels, reduction="sum").item()
        among += int((logits.topk(min(5, classes)).indices == labels.unsqueeze(1)).sum())
        pairs = torch.bincount(labels * classes + logits.argmax(1), minlength=classes**2)
        confusion += pairs.view(classes, classes)
        count += len(labels)
        rows.append(_rows(logits, labels))
    if not count:
        raise DataError(f"{data.name}: none of the {len(source)} test images can be read")
    return Score(
        images=count,
        top5=among / count,
        loss=loss / count,
        confusion=confusion,
        classes=tuple(data.classes),
        answers=_answers(data.names(source, broken), torch.cat(rows)),
        broken=broken,
    )


def _rows(logits: Tensor, labels: Tensor) -> Tensor:
    """For each image its class, the answer, and the probabilities of the answer and of the class, (n, 4) float64."""
    # A network that went astray is sure of nothing.
    shares = logits.double().softmax(1).nan_to_num(0)
    found = logits.argmax(1)
    of = shares.gather(1, torch.stack([found, labels], dim=1))
    return torch.cat([torch.stack([labels, found], dim=1), of], dim=1)


def _answers(names: Sequence[str], rows: Tensor) -> tuple[ImageAnswer, ...]:
    return tuple(
        ImageAnswer(
            image=name, truth=int(truth), answer=int(answer), confidence=confidence, truth_probability=truth_probability
        )
        for name, (truth, answer, confidence, truth_probability) in zip(names, rows.tolist(), strict=True)
    )
