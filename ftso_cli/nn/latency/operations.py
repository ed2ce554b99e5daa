"""The operations of a network in use, one after another: named by layer, settings and shapes, and timed where they run.

An operation is timed within the network. In a loop of its own it would find its weights, its input and its code in the
processor's caches, and take half the time.
"""

import time
from collections.abc import Mapping, Sequence
from operator import getitem
from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule, Interpreter, Node

from ftso_cli.nn.device import synchronize

WARM_UP, RUNS = 3, 30

FEW_RUNS, SECONDS = 5, 4.0
"""A network that is slow is run less often: until so many seconds are over, but some times."""


@torch.inference_mode()
def operations(network: GraphModule, x: Tensor) -> tuple[list[str], Any]:
    """Return the names of a deployed network's operations on `x`, and its output."""
    recorder = _Recorder(network)
    output = recorder.run(x)
    return recorder.found, output


def named(operation: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
    """Return the name of an operation with what it is given: what has a shape is named by that."""
    return f"{operation} {_shapes((*args, *kwargs.items()))}"


@torch.inference_mode()
def operation_seconds(network: GraphModule, images: Tensor) -> list[list[float]]:
    """Return the seconds of each operation of a deployed network, in order, in each of up to `RUNS` runs."""
    stopwatch, runs, began = _Stopwatch(network, images.device), list[list[float]](), time.perf_counter()
    while len(runs) < WARM_UP + RUNS:
        stopwatch.seconds = []
        stopwatch.run(images)
        runs.append(stopwatch.seconds)
        if len(runs) >= WARM_UP + FEW_RUNS and time.perf_counter() - began > SECONDS:
            break
    return [list(each) for each in zip(*runs[WARM_UP:], strict=True)]


class _Recorder(Interpreter):
    """Runs a network and notes the name of every operation."""

    def __init__(self, network: GraphModule) -> None:
        super().__init__(network)
        self.found: list[str] = []

    def run_node(self, n: Node) -> Any:
        """Note an operation, and run it."""
        if _computes(n):
            args, kwargs = self.fetch_args_kwargs_from_env(n)
            self.found.append(named(self._name(n), args, kwargs))
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
        if not _computes(n):
            return super().run_node(n)
        args, kwargs = self.fetch_args_kwargs_from_env(n)
        call = getattr(self, n.op)
        synchronize(self.device)
        started = time.perf_counter()
        result = call(n.target, args, kwargs)
        synchronize(self.device)
        self.seconds.append(time.perf_counter() - started)
        return result


def _computes(n: Node) -> bool:
    """True for the nodes of a graph that compute; one of several results is taken in no time."""
    return n.op in ("call_module", "call_function", "call_method") and n.target is not getitem


def _shapes(value: Any) -> Any:
    """The value with the shape of each tensor as text."""
    if hasattr(value, "shape"):
        return "x".join(map(str, value.shape))
    return tuple(map(_shapes, value)) if isinstance(value, tuple | list) else value
