"""The --space option of the commands that search wiring."""

from enum import StrEnum
from typing import Annotated

import typer

from ftso_cli.spaces import DARTS, NATS


class SpaceName(StrEnum):
    """The values of --space."""

    darts = DARTS.name
    nats = NATS.name


SpaceOption = Annotated[SpaceName, typer.Option(help="The search space: what a cell looks like, and its operators.")]
