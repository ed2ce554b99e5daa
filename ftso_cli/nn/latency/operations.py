"""The operations of a network in use, one after another: named by layer, settings and shapes, and timed where they run.

An operation is timed within the network. In a loop of its own it would find its weights, its input and its code in the
processor's caches, and take half the time.
"""

import time
from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule, Interpreter, Node

from ftso_cli.nn.device import finish

WARM_UP, RUNS = 5, 30

CALLS = ("call_module", "call_function", "call_method")
"""The nodes of a graph that compute."""


@torch.inference_mode()
def operations(network: GraphModule, images: Tensor) -> list[str]:
    """Return the names of a deployed network's operations on `images`, which need no content (the device `meta`)."""
    recorder = _Recorder(network)
    recorder.run(images)
    return recorder.found


@torch.inference_mode()
def operation_seconds(network: GraphModule, images: Tensor) -> list[list[float]]:
    """Return the seconds of each operation of a deployed network, in order, in each of `RUNS` runs."""
    stopwatch = _Stopwatch(network, images.device)
    runs = []
    for _ in range(WARM_UP + RUNS):
        stopwatch.seconds = []
        stopwatch.run(images)
        runs.append(stopwatch.seconds)
    return [list(each) for each in zip(*runs[WARM_UP:], strict=True)]


class _Recorder(Interpreter):
    """Runs a network and notes the name of every operation."""

    def __init__(self, network: GraphModule) -> None:
        super().__init__(network)
        self.found: list[str] = []

    def run_node(self, n: Node) -> Any:
        """Note an operation, and run it."""
        if n.op in CALLS:
            args, kwargs = self.fetch_args_kwargs_from_env(n)
            self.found.append(f"{self._name(n)} {_shapes((*args, *kwargs.items()))}")
        return super().run_node(n)

    def _name(self, n: Node) -> str:
        if n.op != "call_module":
            return str(getattr(n.target, "__name__", n.target))
        layer = self.fetch_attr(str(n.target))
        return f"{type(layer).__name__}({layer.extra_repr()})"


class _Stopwatch(Interpreter):
    """Runs a network and times every operation."""

    def __init__(self, network: GraphModule, device: torch.device) -> None:
        super().__init__(network)
        self.device = device
        self.seconds: list[float] = []

    def run_node(self, n: Node) -> Any:
        """Time an operation."""
        if n.op not in CALLS:
            return super().run_node(n)
        args, kwargs = self.fetch_args_kwargs_from_env(n)
        call = getattr(self, n.op)
        finish(self.device)
        started = time.perf_counter()
        result = call(n.target, args, kwargs)
        finish(self.device)
        self.seconds.append(time.perf_counter() - started)
        return result


def _shapes(value: Any) -> Any:
    """The value with the shape of each tensor as text."""
    if isinstance(value, Tensor):
        return "x".join(map(str, value.shape))
    return tuple(map(_shapes, value)) if isinstance(value, tuple | list) else value
