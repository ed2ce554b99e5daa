"""Testing a trained network."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from ftso_cli.data import ImageData, ImageSource, eval_batches, on_device
from ftso_cli.errors import RunError
from ftso_cli.nn.checkpoint import check_alike, read_tensors
from ftso_cli.nn.device import enough_memory
from ftso_cli.nn.network import Network
from ftso_cli.training.run import Run


@dataclass(frozen=True, kw_only=True)
class Score:
    """How a network does on a set of images. `confusion` counts them by true class (row) and answer (column).

    `top5` is the share of images whose class is among the five likeliest, or all where there are fewer.
    """

    images: int
    top5: float
    loss: float
    confusion: Tensor

    @property
    def accuracy(self) -> float:
        """The share of right answers, 0..1."""
        return int(self.confusion.diagonal().sum()) / self.images

    @property
    def class_accuracies(self) -> list[float | None]:
        """The share of right answers among the images of each class; None for a class without images."""
        right, all_ = self.confusion.diagonal().tolist(), self.confusion.sum(1).tolist()
        return [of / among if among else None for of, among in zip(right, all_, strict=True)]


def load_network(run: Run, device: torch.device) -> Network:
    """The trained network of a run, ready to evaluate; raises `RunError` where the run has no valid weights."""
    config = run.config()
    if not run.weights_file.is_file():
        raise RunError(f"{run.folder}: not finished, it has no {run.weights_file.name}; ftso train --resume goes on")
    genotype, shape = run.genotype(), config.shape
    tensors, _ = read_tensors(run.weights_file)
    try:
        # Files that don't belong together must not have a network built that no memory can hold.
        if shape.cells > len(tensors):
            raise RunError(f"{len(tensors)} tensors for {shape.cells} cells")
        with torch.device("meta"):
            check_alike(tensors, Network(genotype, shape, auxiliary=False).state_dict())
        network = Network(genotype, shape, auxiliary=False)
        network.load_state_dict(tensors)
    except (RunError, RuntimeError):
        raise RunError(f"{run.weights_file}: not the weights of the network that config.json describes") from None
    return network.to(device).to(memory_format=torch.channels_last).eval()


@torch.inference_mode()
def evaluate(network: Network, source: ImageSource, data: ImageData, batch_size: int, device: torch.device) -> Score:
    """The score of a network on all images of `source`; the last batch may be smaller than the others."""
    with enough_memory(device):
        return _scored(network.eval(), source, data, batch_size, device)


def _scored(network: Network, source: ImageSource, data: ImageData, batch_size: int, device: torch.device) -> Score:
    classes = len(data.classes)
    confusion = torch.zeros(classes, classes, dtype=torch.int64)
    among, loss = 0, 0.0
    for images, labels in eval_batches(on_device(source, device), None, batch_size, normalise=data.normalise):
        logits, _ = network(images.to(device, memory_format=torch.channels_last))
        logits = logits.float().cpu()
        loss += functional.cross_entropy(logits, labels, reduction="sum").item()
        among += int((logits.topk(min(5, classes)).indices == labels.unsqueeze(1)).sum())
        pairs = torch.bincount(labels * classes + logits.argmax(1), minlength=classes**2)
        confusion += pairs.view(classes, classes)
    count = len(source)
    return Score(images=count, top5=among / count, loss=loss / count, confusion=confusion)
