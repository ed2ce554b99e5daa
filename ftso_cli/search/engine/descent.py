"""Steps of SGD and Adam, for a search that shall start at once.

The first optimizer that a process makes from `torch.optim` imports torch's compiler, which takes as long as torch
itself and is not used here. The arithmetic is torch's own: its functional forms, which these classes keep the state
for.

On a CUDA device both update all parameters by one kernel, and the rate of SGD is a number on the device, so that a step
that is recorded as a graph takes the rate of the day.
"""

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.optim.adam import adam
from torch.optim.sgd import sgd


class SGD:
    """Gradient descent with momentum and weight decay, equal to `torch.optim.SGD`; `rate` may be changed."""

    def __init__(self, parameters: Iterable[nn.Parameter], *, rate: float, momentum: float, decay: float) -> None:
        self.parameters = list(parameters)
        self.momentum, self.decay = momentum, decay
        self._fused = _is_fused(self.parameters)
        self._known_rate = rate
        self._rate = torch.tensor(rate, device=self.parameters[0].device) if self._fused else None
        self._moments: dict[int, Tensor | None] = {}

    @property
    def rate(self) -> float | Tensor:
        """The learning rate; on a CUDA device a number there."""
        return self._known_rate if self._rate is None else self._rate

    @rate.setter
    def rate(self, value: float) -> None:
        """Sets it, for the steps to come."""
        if self._rate is not None and value != self._known_rate:
            self._rate.fill_(value)
        self._known_rate = value

    @torch.no_grad()
    def step(self) -> None:
        """Moves every parameter that has a gradient."""
        moved = _with_gradient(self.parameters)
        moments = [self._moment(at) for at in moved]
        sgd(
            list(moved.values()),
            _gradients(moved),
            moments,
            weight_decay=self.decay,
            momentum=self.momentum,
            lr=self.rate,
            dampening=0,
            nesterov=False,
            maximize=False,
            fused=self._fused or None,
        )
        self._moments.update(zip(moved, moments, strict=True))

    @torch.no_grad()
    def ahead(self, gradients: Sequence[Tensor | None]) -> list[Tensor]:
        """Return the parameters after a step with these gradients; nothing moves, and no moment changes."""
        return [
            parameter.clone() if gradient is None else parameter - self.rate * self._direction(at, parameter, gradient)
            for at, (parameter, gradient) in enumerate(zip(self.parameters, gradients, strict=True))
        ]

    def state(self) -> dict[str, Tensor]:
        """The moment of every parameter that has moved, by its position."""
        return {str(at): moment for at, moment in self._moments.items() if moment is not None}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Goes on from a `state` of the same parameters."""
        self._moments = {int(at): _like(self.parameters[int(at)], moment) for at, moment in state.items()}

    def _moment(self, at: int) -> Tensor | None:
        """The moment of a parameter; the kernel for all of them takes none that is missing."""
        moment = self._moments.get(at)
        return torch.zeros_like(self.parameters[at]) if moment is None and self._fused else moment

    def _direction(self, at: int, parameter: Tensor, gradient: Tensor) -> Tensor:
        direction = gradient + self.decay * parameter
        moment = self._moments.get(at)
        return direction if moment is None else direction + self.momentum * moment


class Adam:
    """Adam with L2 weight decay, equal to `torch.optim.Adam`; `momenta` are its two decay rates."""

    def __init__(
        self, parameters: Iterable[nn.Parameter], *, rate: float, momenta: tuple[float, float], decay: float
    ) -> None:
        self.parameters = list(parameters)
        self.rate, self.momenta, self.decay = rate, momenta, decay
        self._fused = _is_fused(self.parameters)
        self._states: dict[int, tuple[Tensor, Tensor, Tensor]] = {}

    @torch.no_grad()
    def step(self) -> None:
        """Moves every parameter that has a gradient."""
        moved = _with_gradient(self.parameters)
        for at in moved.keys() - self._states.keys():
            parameter = self.parameters[at]
            count = torch.zeros((), device=parameter.device if self._fused else None)
            self._states[at] = (torch.zeros_like(parameter), torch.zeros_like(parameter), count)
        first, second, steps = ([self._states[at][part] for at in moved] for part in range(3))
        adam(
            list(moved.values()),
            _gradients(moved),
            first,
            second,
            [],
            steps,
            amsgrad=False,
            beta1=self.momenta[0],
            beta2=self.momenta[1],
            lr=self.rate,
            weight_decay=self.decay,
            eps=1e-8,
            maximize=False,
            fused=self._fused or None,
        )

    def state(self) -> dict[str, Tensor]:
        """Both moments of every parameter that has moved and the count of its steps, by position and part."""
        return {f"{at}.{part}": value for at, parts in self._states.items() for part, value in enumerate(parts)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Goes on from a `state` of the same parameters."""
        self._states = {
            at: (
                _like(self.parameters[at], state[f"{at}.0"]),
                _like(self.parameters[at], state[f"{at}.1"]),
                _count(state[f"{at}.2"]).to(self.parameters[at].device if self._fused else "cpu", copy=True),
            )
            for at in sorted({int(name.split(".")[0]) for name in state})
        }


def _like(parameter: nn.Parameter, value: Tensor) -> Tensor:
    """A copy of the value on the parameter's device; raises `ValueError` where shape or type differ."""
    if (value.shape, value.dtype) != (parameter.shape, parameter.dtype):
        raise ValueError(f"{list(value.shape)} of {value.dtype} for {list(parameter.shape)} of {parameter.dtype}")
    return torch.empty_like(parameter, requires_grad=False).copy_(value)


def _count(steps: Tensor) -> Tensor:
    """Return a number of steps that were taken; raises `ValueError` for anything else."""
    if steps.dtype != torch.float32 or steps.dim() or not (steps >= 1 and steps == steps.round()):
        raise ValueError(f"{steps} steps of an optimizer")
    return steps


def _with_gradient(parameters: list[nn.Parameter]) -> dict[int, Tensor]:
    return {at: parameter for at, parameter in enumerate(parameters) if parameter.grad is not None}


def _gradients(moved: dict[int, Tensor]) -> list[Tensor]:
    """The gradients, in memory as their parameters are: the fused kernels don't look at the order of dimensions."""
    pairs = [(parameter, parameter.grad) for parameter in moved.values() if parameter.grad is not None]
    return [
        gradient if gradient.stride() == parameter.stride() else torch.empty_like(parameter).copy_(gradient)
        for parameter, gradient in pairs
    ]


def _is_fused(parameters: Sequence[Tensor]) -> bool:
    return bool(parameters) and parameters[0].device.type == "cuda"
