"""Layers of the evaluation network in one pass over feature maps, a block of samples at a time, for the CPU.

A separable convolution is ReLU, a depthwise and a 1x1 convolution, batch norm. Layer by layer, each of them writes a
whole map to memory, which its backward pass reads again. Here a block of samples goes through all of them while it
is in the processor's cache. Only the output of the 1x1 convolution is stored; what lies before it is computed anew in
the backward pass. Steps that read the same map run together: it is read once, and so are its gradients written.

Feature maps are (N, C, H, W) in channels-last order, so that their pixels are the rows of a matrix (N·H·W, C).
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from ftso_cli.nn.batch_moments import keep_running, moments

BLOCK_NUMBERS = 1 << 19
"""Numbers of a map in a block, for each thread. A convolution takes 30 µs to start: smaller blocks cost more."""


class FusedStep(NamedTuple):
    """ReLU, a depthwise convolution, a 1x1 convolution, batch norm."""

    depthwise: nn.Conv2d
    pointwise: nn.Conv2d
    norm: nn.BatchNorm2d

    @property
    def is_fusable(self) -> bool:
        """True where the convolutions are of the kind that their names say, with zero padding and no bias."""
        deep, point = self.depthwise, self.pointwise
        plain = all(each.bias is None and each.padding_mode == "zeros" for each in (deep, point))
        is_pointwise = point.kernel_size == point.stride == (1, 1) and point.padding == (0, 0) and point.groups == 1
        return plain and is_pointwise and deep.groups == deep.in_channels == deep.out_channels

    def spread(self, active: Tensor) -> Tensor:
        """The depthwise convolution of a map that has passed the ReLU."""
        conv = self.depthwise
        return functional.conv2d(active, conv.weight, None, conv.stride, conv.padding, conv.dilation, conv.groups)

    def spread_backward(self, g: Tensor, active: Tensor) -> tuple[Tensor, Tensor]:
        """The gradients of the map and of the weights of `spread`."""
        conv = self.depthwise
        back, g_weight, _ = torch.ops.aten.convolution_backward(
            g, active, conv.weight, None, conv.stride, conv.padding, conv.dilation, False, (0, 0), conv.groups,
            (True, True, False),
        )  # fmt: skip
        return back, g_weight

    def output_size(self, size: Sequence[int]) -> list[int]:
        """Height and width of the output."""
        geometry = (getattr(self.depthwise, name) for name in ("kernel_size", "stride", "padding", "dilation"))
        return [
            (pixels + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
            for pixels, kernel, stride, padding, dilation in zip(size, *geometry, strict=True)
        ]


class Scaled(NamedTuple):
    """A map (N, C, H, W) as it is before its batch norm, and the scale and shift (C) that whatever reads it applies.

    Gradients of `x` are those of x · scale + shift: the layer that has made the map turns them into its own. So a map
    with a scale goes to nothing but the functions of this module.
    """

    x: Tensor
    scale: Tensor | None = None
    shift: Tensor | None = None


def convolve(source: Scaled, steps: Sequence[FusedStep]) -> list[Scaled]:
    """The outputs of steps that read the same map, in training: batch norm takes the statistics of the batch."""
    x = source.x.contiguous(memory_format=torch.channels_last)
    weights = [step.depthwise.weight for step in steps]
    weights += [step.pointwise.weight for step in steps]
    norms = [parameter for step in steps for parameter in (step.norm.weight, step.norm.bias)]
    outputs = _Convolve.apply(steps, source.scale, source.shift, x, *weights, *norms)
    return [Scaled(*part) for part in zip(*_parts(outputs, len(steps)), strict=True)]


def steps_of(operator: nn.Module) -> list[FusedStep]:
    """The fused steps that make up an operator; none where it has other layers too."""
    layers = list(operator) if isinstance(operator, nn.Sequential) else []
    steps = []
    while layers:
        match layers:
            case [nn.ReLU(), nn.Conv2d() as depthwise, nn.Conv2d() as pointwise, nn.BatchNorm2d() as norm, *layers]:
                steps.append(FusedStep(depthwise, pointwise, norm))
            case _:
                return []
    return steps if all(step.is_fusable for step in steps) else []


def convolve_chains(x: Tensor, operators: Sequence[nn.Module]) -> list[Scaled]:
    """The outputs of separable convolutions that read the same map."""
    chains = [steps_of(operator) for operator in operators]
    outputs = convolve(Scaled(x), [steps[0] for steps in chains])
    for at, steps in enumerate(chains):
        for step in steps[1:]:
            (outputs[at],) = convolve(outputs[at], [step])
    return outputs


def add_up(terms: Sequence[Scaled], masks: Sequence[Tensor | None]) -> Tensor:
    """The sum of maps after their batch norm, each multiplied by its mask (N, 1, 1, 1) where it has one."""
    maps = [term.x.contiguous(memory_format=torch.channels_last) for term in terms]
    total: Tensor = _AddUp.apply([term._replace(x=x) for term, x in zip(terms, maps, strict=True)], masks, *maps)
    return total


class _Convolve(torch.autograd.Function):
    """Yields the maps, their scales and their shifts. Only the maps have gradients, as `Scaled` says."""

    @staticmethod
    def forward(
        ctx: Any, steps: Sequence[FusedStep], scale: Tensor | None, shift: Tensor | None, x: Tensor, *weights: Tensor
    ) -> tuple[Tensor, ...]:
        kernels = [step.pointwise.weight.flatten(1) for step in steps]
        outputs = [
            _empty(x, len(kernel), step.output_size(x.shape[2:])) for step, kernel in zip(steps, kernels, strict=True)
        ]
        for samples in _blocks(x):
            active = _active(x[samples], scale, shift)
            for step, kernel, output in zip(steps, kernels, outputs, strict=True):
                torch.mm(_rows(step.spread(active)), kernel.t(), out=_rows(output[samples]))
        ctx.steps = steps
        ctx.norms = [_Norm.of(output, step.norm) for output, step in zip(outputs, steps, strict=True)]
        ctx.save_for_backward(x, scale, shift, *outputs)
        scales, shifts = ([getattr(norm, name) for norm in ctx.norms] for name in ("scale", "shift"))
        ctx.mark_non_differentiable(*scales, *shifts)
        return *outputs, *scales, *shifts

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, scale, shift, *outputs = ctx.saved_tensors
        gradients = gradients[: len(outputs)]
        affine = [norm.backward(*pair) for norm, *pair in zip(ctx.norms, gradients, outputs, strict=True)]
        kernels = [step.pointwise.weight.flatten(1) for step in ctx.steps]
        g_kernels = [torch.zeros_like(kernel) for kernel in kernels]
        g_deep: list[Tensor | None] = [None] * len(kernels)
        g_x = torch.empty_like(x)
        for samples in _blocks(x):
            active = _active(x[samples], scale, shift)
            g_active = None
            for k, (step, norm) in enumerate(zip(ctx.steps, ctx.norms, strict=True)):
                g = norm.in_front(gradients[k][samples], outputs[k][samples], affine[k])
                spread = step.spread(active)
                g_kernels[k].addmm_(g.t(), _rows(spread))
                back, g_weight = step.spread_backward(_map(torch.mm(g, kernels[k]), spread), active)
                g_active = back if g_active is None else g_active.add_(back)
                g_deep[k] = g_weight if (before := g_deep[k]) is None else before.add_(g_weight)
            torch.ops.aten.threshold_backward.grad_input(g_active, active, 0, grad_input=g_x[samples])
        g_point = (g.view_as(step.pointwise.weight) for g, step in zip(g_kernels, ctx.steps, strict=True))
        return None, None, None, g_x, *g_deep, *g_point, *(g for each in affine for g in (each.weight, each.bias))


class _AddUp(torch.autograd.Function):
    """Σ mask (x · scale + shift)."""

    @staticmethod
    def forward(ctx: Any, terms: Sequence[Scaled], masks: Sequence[Tensor | None], *maps: Tensor) -> Tensor:
        ctx.masks = masks
        out = torch.empty_like(maps[0])
        for samples in _blocks(out):
            total = _rows(out[samples])
            for at, (term, mask) in enumerate(zip(terms, masks, strict=True)):
                x = _rows(term.x[samples])
                if term.scale is not None and term.shift is not None:
                    x = torch.addcmul(term.shift, x, term.scale)
                if mask is not None:
                    x = x * _of_rows(mask[samples], out)
                total.add_(x) if at else total.copy_(x)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        return None, None, *(g if mask is None else g * mask for mask in ctx.masks)


class _Affine(NamedTuple):
    """Gradients of a batch norm's weight and bias, and the p and q of p y + q, its own part in the gradient of y."""

    weight: Tensor
    bias: Tensor
    slope: Tensor
    offset: Tensor


class _Norm(NamedTuple):
    """Batch norm of a map y of so many pixels: z = y · scale + shift."""

    pixels: int
    mean: Tensor
    inverse: Tensor
    scale: Tensor
    shift: Tensor

    @classmethod
    def of(cls, y: Tensor, norm: nn.BatchNorm2d) -> "_Norm":
        """Return the normalisation by the batch's statistics; the running statistics of `norm` are updated."""
        mean, variance = moments(_rows(y))
        count = y.numel() // y.shape[1]
        keep_running(norm, mean, variance, count)
        inverse = (variance + norm.eps).rsqrt_()
        scale = norm.weight * inverse
        return cls(count, mean, inverse, scale, torch.addcmul(norm.bias, mean, scale, value=-1))

    def backward(self, g: Tensor, y: Tensor) -> _Affine:
        """Return the gradients that follow from the gradient of z, summed over all pixels."""
        g_sum, g_y_sum = torch.zeros_like(self.mean), torch.zeros_like(self.mean)
        for samples in _blocks(y):
            rows = _rows(g[samples])
            g_sum += rows.sum(0)
            g_y_sum += (rows * _rows(y[samples])).sum(0)
        g_weight = torch.addcmul(g_y_sum, self.mean, g_sum, value=-1).mul_(self.inverse)
        slope = self.scale * self.inverse * g_weight / -self.pixels
        return _Affine(g_weight, g_sum, slope, self.scale * g_sum / -self.pixels - slope * self.mean)

    def in_front(self, g: Tensor, y: Tensor, affine: _Affine) -> Tensor:
        """The gradient of y as rows, from that of z."""
        return torch.addcmul(affine.offset, _rows(y), affine.slope).addcmul_(_rows(g), self.scale)


def _parts(tensors: Sequence[Any], count: int) -> list[Sequence[Any]]:
    return [tensors[start : start + count] for start in range(0, len(tensors), count)]


def _blocks(x: Tensor) -> Iterator[slice]:
    """Slices of the samples, each of about `BLOCK_NUMBERS` numbers a thread."""
    step = max(1, BLOCK_NUMBERS * torch.get_num_threads() * len(x) // max(x.numel(), 1))
    return (slice(start, start + step) for start in range(0, len(x), step))


def _empty(x: Tensor, channels: int, size: Sequence[int]) -> Tensor:
    return torch.empty((len(x), channels, *size), dtype=x.dtype, device=x.device, memory_format=torch.channels_last)


def _rows(x: Tensor) -> Tensor:
    """(N, C, H, W) as rows (N·H·W, C)."""
    return x.permute(0, 2, 3, 1).reshape(-1, x.shape[1])


def _map(rows: Tensor, like: Tensor) -> Tensor:
    """Rows (N·H·W, C) as (N, C, H, W), with the pixels of `like`."""
    n, _, height, width = like.shape
    return rows.view(n, height, width, -1).permute(0, 3, 1, 2)


def _of_rows(mask: Tensor, like: Tensor) -> Tensor:
    """A mask (N, 1, 1, 1) as (N·H·W, 1)."""
    return mask.view(-1, 1).expand(-1, like.shape[2] * like.shape[3]).reshape(-1, 1)


def _active(x: Tensor, scale: Tensor | None, shift: Tensor | None) -> Tensor:
    """max(x · scale + shift, 0)."""
    if scale is None or shift is None:
        return x.clamp_min(0)
    return _map(torch.addcmul(shift, _rows(x), scale).clamp_min_(0), x)
