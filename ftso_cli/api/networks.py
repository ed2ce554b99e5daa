"""The verb that counts: cost."""

from typing import Literal

from ftso_cli.api.cells import about_file, name_of, read
from ftso_cli.costs.networks import Network, counted
from ftso_cli.errors import SettingsError
from ftso_cli.genotype.edit import require_complete
from ftso_cli.settings.shared import CellLike


def cost(
    cell: CellLike,
    *,
    setting: str = "cifar",
    channels: int | None = None,
    cells: int | None = None,
    image_size: int | tuple[int, int] | None = None,
    classes: int | None = None,
    image_channels: int | None = None,
    fit_macs: int | None = None,
    fit_params: int | None = None,
    convention: Literal["conv-linear", "bn-relu", "bias"] = "conv-linear",
) -> Network:
    """Counts the parameters and MACs of a cell's network exactly, without building it.

    `setting` names the network that the rest changes: `cifar`, `cifar100`, `imagenet` (darts), `imagenet16-120` (nats).
    `image_size` is in pixels, (height, width) or a side. `fit_macs` (by `convention`) and `fit_params` choose the most
    channels within a budget. The result has `params`, `macs`, `shape`, and part by part `cost`.

    Raises `GenotypeError` for a cell without operators and `SettingsError` where nothing fits the budget.
    """
    changes = {"channels": channels, "cells": cells, "classes": classes, "image_channels": image_channels}
    given = {name: value for name, value in changes.items() if value is not None}
    if channels is not None and (fit_macs is not None or fit_params is not None):
        raise SettingsError("a budget chooses the channels: leave channels out")
    genotype, name = read(cell), name_of(cell)
    with about_file(name):
        require_complete(genotype, "cost")
    return counted(
        genotype,
        name,
        setting=setting,
        changes=given,
        image_size=(image_size, image_size) if isinstance(image_size, int) else image_size,
        macs=fit_macs,
        params=fit_params,
        convention=convention,
    )
