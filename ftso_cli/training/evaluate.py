"""Testing a trained network."""

from dataclasses import dataclass

import torch
from torch.nn import functional

from ftso_cli.data import ImageData, ImageSource, eval_batches
from ftso_cli.errors import RunError
from ftso_cli.nn.checkpoint import read_tensors
from ftso_cli.nn.network import Network
from ftso_cli.training.loop import network_shape
from ftso_cli.training.run import Run


@dataclass(frozen=True, kw_only=True)
class Score:
    """Accuracy (0..1) and mean cross-entropy over a set of images."""

    images: int
    accuracy: float
    loss: float


def load_network(run: Run, device: torch.device) -> Network:
    """The trained network of a run, ready to evaluate; raises `RunError` where the run has no valid weights."""
    if not run.weights_file.is_file():
        raise RunError(f"{run.folder}: not finished, it has no {run.weights_file.name}; ftso train --resume goes on")
    network = Network(run.genotype(), network_shape(run.config()), auxiliary=False)
    tensors, _ = read_tensors(run.weights_file)
    try:
        network.load_state_dict(tensors)
    except RuntimeError:
        raise RunError(f"{run.weights_file}: not the weights of the network that config.json describes") from None
    return network.to(device).to(memory_format=torch.channels_last).eval()


@torch.inference_mode()
def evaluate(network: Network, source: ImageSource, data: ImageData, batch_size: int, device: torch.device) -> Score:
    """The score of a network on all images of `source`; the last batch may be smaller than the others."""
    network.eval()
    correct, loss = 0, 0.0
    for images, labels in eval_batches(source, None, batch_size, normalise=data.normalise):
        logits, _ = network(images.to(device, memory_format=torch.channels_last))
        labels = labels.to(device)
        loss += functional.cross_entropy(logits, labels, reduction="sum").item()
        correct += int((logits.argmax(1) == labels).sum())
    return Score(images=len(source), accuracy=correct / len(source), loss=loss / len(source))
