"""From a request to what is trained: the device, and where no network is given, one for the images and the time."""

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from ftso_cli.api.training.run_images import requested_images
from ftso_cli.errors import SettingsError
from ftso_cli.genotype import Genotype
from ftso_cli.settings.config_file import ConfigFile
from ftso_cli.settings.requests.train import TrainRequest
from ftso_cli.texts import format_duration

if TYPE_CHECKING:
    import torch

    from ftso_cli.api.training.trainings import TrainingListener
    from ftso_cli.data import ImageData
    from ftso_cli.search.operators.timed import OperatorChoice
    from ftso_cli.training.planning import MeasuredTimes, Plan, Planner


SEARCH_SHARE = 0.2
"""The share of the time that a search may take."""


def planned(
    request: TrainRequest, genotype: Genotype, device: str | None, listener: "TrainingListener", began: float
) -> tuple["Plan", "ImageData", Genotype]:
    """Read the images of a request, and choose network and recipe for them, this machine and what is left of the time.

    With `search` the operators of the cell are chosen too. The command has `began` at that reading of
    `time.perf_counter`.
    """
    from ftso_cli.data import read_held_out, read_training_images

    recipe = request.hyper_parameters
    images = requested_images(str(request.file.data), request.file, recipe)
    with listener.bar("read images", "image") as update:
        images = read_held_out(read_training_images(images, update), update)
    chosen = training_device(request.file, device)
    threads = _threads(request, genotype, images, listener) if chosen.type == "cpu" else None
    until, share = began + request.seconds, SEARCH_SHARE * request.seconds
    if request.search and request.dry_run:
        listener.note(f"--search takes up to {format_duration(share)} first; the plan is for the rest")
        until -= share
    plan = _plan(request, genotype, images, chosen, until)
    if request.search and not request.dry_run:
        choice = _search(request, share, plan, genotype, images, chosen, listener)
        listener.note(str(choice))
        genotype = choice.genotype
        plan = _plan(request, genotype, images, chosen, until)
    plan = replace(plan, threads=threads)
    listener.planned(plan, images)
    return plan, images, genotype


def _plan(request: TrainRequest, genotype: Genotype, data: "ImageData", device: "torch.device", until: float) -> "Plan":
    """Choose for the time that is left `until` that reading of the clock."""
    from ftso_cli.training.planning import Limits

    latency = None if request.fit_latency is None else float(request.fit_latency)
    left = max(until - time.perf_counter(), 0.0)
    limits = Limits(seconds=left, macs=request.fit_macs, params=request.fit_params, latency=latency)
    return _planner(request, genotype, data, _timer(request, genotype, data, device)).plan(limits)


def _planner(request: TrainRequest, genotype: Genotype, data: "ImageData", timer: "MeasuredTimes") -> "Planner":
    from ftso_cli.training.planning import Planner

    given = {
        "image_size": request.file.image_size is not None,
        "cell": request.names_cell or request.file.start_from is not None,
    }
    fixed = request.fixed | {name for name, is_given in given.items() if is_given}
    return Planner(genotype, data, request.hyper_parameters, fixed, timer)


def _timer(request: TrainRequest, genotype: Genotype, data: "ImageData", device: "torch.device") -> "MeasuredTimes":
    from ftso_cli.training.planning import MeasuredTimes
    from ftso_cli.training.precision import precision_of

    precision = precision_of(request.file.precision, genotype, device)
    return MeasuredTimes(genotype=genotype, size=data.image_size, device=device, precision=precision)


def _search(
    request: TrainRequest,
    share: float,
    plan: "Plan",
    genotype: Genotype,
    data: "ImageData",
    device: "torch.device",
    listener: "TrainingListener",
) -> "OperatorChoice":
    """Choose operators in the network that is planned, in `share` seconds."""
    from ftso_cli.search.operators.timed import TimedSearch
    from ftso_cli.training.planning import shape_of

    shape, batch = shape_of(plan.recipe, data), plan.recipe.batch_size
    search = TimedSearch(genotype, data, shape, batch_size=batch, seed=request.file.seed or 0, device=device)
    with listener.bar("search", "training") as update:
        return search.run(share, update)


def _threads(request: TrainRequest, genotype: Genotype, data: "ImageData", listener: "TrainingListener") -> int | None:
    """Take one thread where that is faster than all, and return how many are taken then."""
    import torch

    from ftso_cli.nn.device import use_fewer_threads
    from ftso_cli.training.planning import shape_of

    every, timer = torch.get_num_threads(), _timer(request, genotype, data, torch.device("cpu"))
    recipe = _planner(request, genotype, data, timer).recipe
    threads = use_fewer_threads(timer.step(shape_of(recipe, data), recipe))
    if threads == every:
        return None
    listener.note(f"taking one thread: it is faster than {every} now")
    return threads


def training_device(asked: ConfigFile, device: str | None) -> "torch.device":
    """Return the `device` that is given, else that of a file; where one of a run is not here, the best there is."""
    return device_here(device or asked.device or "auto", may_differ=device is None and asked.classes is not None)


def device_here(name: str, *, may_differ: bool) -> "torch.device":
    """The device called `name`, or the best one here where it isn't and `may_differ`."""
    from ftso_cli.nn.device import choose_device

    try:
        return choose_device(name)
    except SettingsError:
        if not may_differ:
            raise
        return choose_device("auto")
