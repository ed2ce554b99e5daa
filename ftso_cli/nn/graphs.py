"""A step of thousands of small kernels as one CUDA graph.

A search or training step launches thousands of kernels that take a few microseconds each: a GPU waits for Python most
of the time. A graph records the launches once and replays them as one (`torch.cuda.CUDAGraph`). Results are those of
the step itself: the same kernels run in the same order.
"""

import threading
from collections.abc import Callable, Sequence

import torch
from torch import Generator, Tensor

WARM_UP = 3
"""Calls before a step is recorded: optimizers make their state in the first, libraries choose their kernels."""

RECORDING = threading.Lock()
"""Held by the thread that records: recording begins with a look at the whole device."""

Step = Callable[..., Tensor]
"""A step on tensors of a device, which returns numbers about itself, (n). It does all its work on the device."""


class GraphedStep:
    """A step that is recorded after `WARM_UP` calls, and replayed from then on.

    Whatever else the step reads or changes stays where it is in memory: parameters, momenta, rates as tensors. What it
    does in Python is not repeated. `generators` are those of the device that it draws from. Inputs of other shapes
    than the recorded ones run as they are.
    """

    def __init__(self, step: Step, generators: Sequence[Generator] = ()) -> None:
        self._step, self._generators = step, generators
        self._stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        self._calls = 0
        self._graph: torch.cuda.CUDAGraph | None = None
        self._inputs: list[Tensor] = []
        self._output = torch.empty(0)

    def __call__(self, *inputs: Tensor) -> Tensor:
        """Take the step; the output is the caller's own."""
        self._calls += 1
        if self._calls <= WARM_UP:
            return self._apart(inputs)
        if self._graph is None:
            self._record(inputs)
        if [x.shape for x in inputs] != [x.shape for x in self._inputs]:
            return self._apart(inputs)
        assert self._graph is not None
        for static, x in zip(self._inputs, inputs, strict=True):
            static.copy_(x)
        self._graph.replay()
        return self._output.clone()

    def _apart(self, inputs: Sequence[Tensor]) -> Tensor:
        """Take the step as it is, on the stream that records: what it leaves behind was made there."""
        here = torch.cuda.current_stream(self._stream.device)
        self._stream.wait_stream(here)
        with torch.cuda.stream(self._stream):
            output = self._step(*inputs)
        here.wait_stream(self._stream)
        return output

    def _record(self, inputs: Sequence[Tensor]) -> None:
        """Record the step, which doesn't run here. Batches may be read in another thread meanwhile."""
        self._inputs = [x.clone(memory_format=torch.preserve_format) for x in inputs]
        graph = torch.cuda.CUDAGraph()
        for generator in self._generators:
            graph.register_generator_state(generator)
        with RECORDING, torch.cuda.graph(graph, stream=self._stream, capture_error_mode="thread_local"):
            self._output = self._step(*self._inputs)
        self._graph = graph


def graphed(step: Step, device: torch.device, generators: Sequence[Generator] = ()) -> Step:
    """Return the step as a device takes it fastest: as a graph on a CUDA device, as it is elsewhere."""
    if device.type != "cuda":
        return step
    with torch.cuda.device(device):
        return GraphedStep(step, generators)
