"""From a request to what is trained: the device, and where no network is given, one for the images and the time."""

import time
from typing import TYPE_CHECKING

from ftso_cli.api.training.run_images import asked_images
from ftso_cli.errors import SettingsError
from ftso_cli.genotype import Genotype
from ftso_cli.settings.recipes import Recipe
from ftso_cli.settings.training import Training

if TYPE_CHECKING:
    import torch

    from ftso_cli.api.training.trainings import TrainingListener
    from ftso_cli.data import ImageData
    from ftso_cli.training.planning import Plan


def planned(
    request: Training, genotype: Genotype, device: str | None, listener: "TrainingListener", began: float
) -> tuple["Plan", "ImageData"]:
    """Read the images of a request, and choose network and recipe for them, this machine and what is left of the time.

    The command has `began` at that reading of `time.perf_counter`.
    """
    from ftso_cli.data import read_held, read_training
    from ftso_cli.training.planning import Limits, MeasuredTimes, Planner

    recipe = request.hyper_parameters
    images = asked_images(str(request.file.data), request.file, recipe)
    with listener.bar("read images", "image") as update:
        images = read_held(read_training(images, update), update)
    chosen = device_here(device or "auto", may_differ=False)
    if chosen.type == "cpu" and (threads := _threads(genotype, images, recipe)):
        listener.note(threads)
    timer = MeasuredTimes(genotype=genotype, size=images.image_size, device=chosen)
    latency = None if request.fit_latency is None else float(request.fit_latency)
    left = max(request.seconds - (time.perf_counter() - began), 0.0)
    limits = Limits(seconds=left, macs=request.fit_macs, params=request.fit_params, latency=latency)
    plan = Planner(genotype, images, recipe, request.fixed, timer).plan(limits)
    listener.planned(plan, images)
    return plan, images


def _threads(genotype: Genotype, images: "ImageData", recipe: Recipe) -> str:
    """Take one thread where that is faster than all; return a remark about it."""
    import torch

    from ftso_cli.nn.device import use_fewer_threads
    from ftso_cli.training.planning import shape_of, training_step

    every = torch.get_num_threads()
    step = training_step(genotype, shape_of(recipe, images), recipe, images.image_size, torch.device("cpu"))
    if use_fewer_threads(step) == every:
        return ""
    return f"taking one thread: it is faster than {every} now"


def device_here(name: str, *, may_differ: bool) -> "torch.device":
    """The device called `name`, or the best one here where it isn't and `may_differ`."""
    from ftso_cli.nn.device import choose_device

    try:
        return choose_device(name)
    except SettingsError:
        if not may_differ:
            raise
        return choose_device("auto")
