"""The request of the command that examines the machine. No torch."""

from dataclasses import KW_ONLY
from typing import Annotated

from ftso_cli.settings.options import Option, Settings, settings


@settings
class ExamineRequest(Settings):
    """An examination of this machine."""

    _: KW_ONLY
    quick: Annotated[bool, Option(help="Leave the search and the training out.")] = False
