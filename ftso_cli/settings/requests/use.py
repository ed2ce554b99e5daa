"""The requests of the commands that use a trained network: evaluate, predict, latency. No torch."""

from collections.abc import Sequence
from dataclasses import KW_ONLY, fields
from typing import Annotated

from pydantic import BeforeValidator, PlainValidator

from ftso_cli.settings.options import Option, OptionError, Settings, settings
from ftso_cli.settings.requests.costs import NetworkOfCell
from ftso_cli.settings.shared import CellLike, Data, File, OnDevice, run_of

CellOrRun = Annotated[CellLike, PlainValidator(lambda value: value)]

NETWORK = tuple(field.name for field in fields(NetworkOfCell))


@settings
class OnRun(Settings):
    """A request about a trained network."""

    run: Annotated[File, Option(help="The run folder of a training.", metavar="RUN", argument=True)]


@settings
class EvaluateRequest(OnDevice, OnRun):
    """A test of a trained network."""

    _: KW_ONLY
    confusion: Annotated[
        File | None, Option(help="Draw the confusion matrix (.png, .svg or .pdf).", metavar="FILE")
    ] = None
    data: Annotated[
        Data | None,
        Option(
            help="Other test images: a set, a folder as `DIR/test/CLASS/*.jpg` or `DIR/CLASS/*.jpg`, or a table.",
            short="-d",
            metavar="DATA",
            shown="the test images of the training",
        ),
    ] = None


def _files(value: object) -> object:
    """Return one file as several."""
    return value if isinstance(value, Sequence) and not isinstance(value, str) else (value,)


@settings
class PredictRequest(OnDevice, OnRun):
    """A look at images by a trained network."""

    images: Annotated[
        Annotated[Sequence[File], BeforeValidator(_files)],
        Option(help="Image files, or folders of them.", metavar="IMAGE", argument=True),
    ]
    _: KW_ONLY
    top: Annotated[int, Option(help="The number of likeliest classes to show.", least=1)] = 5
    threshold: Annotated[
        float,
        Option(
            help="Answer 'none of these' if the likeliest class is less probable.", least=0, most=1, metavar="NUMBER"
        ),
    ] = 0.0
    csv: Annotated[File | None, Option(help="Write a row for each image; - is stdout.", metavar="FILE")] = None


@settings
class LatencyRequest(OnDevice, NetworkOfCell):
    """A measurement of how long the network of a run, or of a cell, takes."""

    run: Annotated[
        CellOrRun,
        Option(
            help="The run folder of a training, or a cell: a genotype file, or the name of a published one.",
            metavar="RUN",
            argument=True,
        ),
    ]
    _: KW_ONLY
    batch_size: Annotated[int, Option(help="Images at a time.", least=1, short="-b")] = 1
    runs: Annotated[int, Option(help="Batches that are timed.", least=1)] = 100
    warm_up: Annotated[int, Option(help="Batches before, which don't count.", least=0)] = 10
    operations: Annotated[
        bool,
        Option(help="List the operations of the network, from a table that is measured once for a device and kept."),
    ] = False

    def check(self) -> None:
        """Raise `OptionError` for the network of a run, which is what it is."""
        if run_of(self.run) is not None and (given := self.asked(*NETWORK)):
            raise OptionError(given[0], f"is for a cell: {self.run} is a run, whose network is trained")
