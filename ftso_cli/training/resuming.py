"""From a training to its checkpoint and back: weights, averages, momenta, random states, data order, metrics."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ftso_cli.errors import RunError
from ftso_cli.nn.checkpoint import State, check_alike
from ftso_cli.shell import command_line
from ftso_cli.training.progress import NOT_VALIDATED, CheckpointValues

if TYPE_CHECKING:
    from ftso_cli.training.loop import Trainer


def state_of(trainer: "Trainer") -> State:
    """Return all that the next step of a training depends on, as it is now."""
    values: dict[str, Any] = {"rows": trainer.rows, "sums": asdict(trainer.sums)}
    if trainer.course != trainer.planned:
        values["course"] = asdict(trainer.course)
    return State(tensors=_tensors(trainer), values=values)


def restore(trainer: "Trainer", state: State) -> None:
    """Bring a training to where it was; raises `RunError` for the state of another one, or one that can't be."""
    tensors = dict(state.tensors)
    _check_images(trainer, tensors)
    try:
        own = _tensors(trainer)
        if tensors.get("drop_path") is not None and tensors["drop_path"].shape != own["drop_path"].shape:
            # Of another kind of device: its random numbers can't be gone on with here.
            tensors["drop_path"] = own["drop_path"]
        check_alike(tensors, own)
        values = CheckpointValues.model_validate_json(json.dumps(state.values))
        trainer.network.load_state_dict(_under("network.", tensors))
        if trainer.average is not None:
            trainer.average.load_state_dict(_under("average.", tensors))
        trainer.batches.restore(_under("batches.", tensors))
        steps, place = trainer.batches.steps_per_epoch, trainer.batches.state()
        course, batch_size = values.course or trainer.planned, trainer.config.recipe.batch_size
        values.check(trainer.planned, course, steps, batch_size, place["epoch"] * steps + place["position"])
        for name, parameter in trainer.network.named_parameters():
            # The fused optimizer goes through memory without looking at the order of dimensions.
            momentum = torch.empty_like(parameter).copy_(tensors[f"momentum.{name}"])
            trainer.optimizer.state[parameter]["momentum_buffer"] = momentum
        trainer.drop_path_draws.set_state(tensors["drop_path"])
    except (RunError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:120]
        raise RunError(f"{trainer.run.checkpoint_file}: not a checkpoint of this network ({reason})") from None
    trainer.course, trainer.sums = course, values.sums
    trainer.rows = [row | NOT_VALIDATED | row for row in values.rows]


def _tensors(trainer: "Trainer") -> dict[str, Tensor]:
    """The tensors of a checkpoint."""
    tensors = {f"network.{name}": tensor for name, tensor in trainer.network.state_dict().items()}
    named = trainer.network.named_parameters()
    tensors |= {f"momentum.{name}": _momentum(trainer, parameter) for name, parameter in named}
    tensors |= {f"batches.{name}": torch.as_tensor(value) for name, value in trainer.batches.state().items()}
    if trainer.average is not None:
        tensors |= {f"average.{name}": tensor for name, tensor in trainer.average.state_dict().items()}
    return tensors | {"drop_path": trainer.drop_path_draws.get_state()}


def _momentum(trainer: "Trainer", parameter: torch.nn.Parameter) -> Tensor:
    """The optimizer's memory of a parameter; a parameter that no loss depends on has none."""
    momentum = trainer.optimizer.state[parameter].get("momentum_buffer")
    return torch.zeros_like(parameter) if momentum is None else momentum


def _check_images(trainer: "Trainer", tensors: Mapping[str, Tensor]) -> None:
    """Raises `RunError` for a checkpoint of another number of images, which a run without a record may meet."""
    was, now = tensors.get("batches.images", torch.empty(0)), len(trainer.data.train)
    if was.dtype == torch.int64 and was.numel() == 1 and int(was) != now:
        raise RunError(
            f"{trainer.run.folder}: was started with {int(was)} training images, and {trainer.data.name} has {now}; "
            f"bring it to what it was, or train anew: {command_line('train', config=trainer.run.config_file)}"
        )


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
