"""Options that several commands share."""

import os
from dataclasses import KW_ONLY
from pathlib import Path
from typing import Annotated, Literal, Protocol

from pydantic import PlainValidator

from ftso_cli.bounds import MOST_PIXELS
from ftso_cli.files import RUN_CONFIG, RUN_GENOTYPE
from ftso_cli.genotype import Genotype
from ftso_cli.settings.options import Option, Settings, settings
from ftso_cli.settings.values import MOST_SEED

CellLike = Genotype | str | os.PathLike[str]
"""A genotype, the path of its file, or the name of a published cell."""


def run_of(cell: CellLike) -> Path | None:
    """Return the run folder of a training that a cell is named by, or None."""
    if isinstance(cell, Genotype):
        return None
    # Not by the methods of Path, which raise for a name that is too long to be one.
    named = all(os.path.isfile(os.path.join(cell, name)) for name in (RUN_CONFIG, RUN_GENOTYPE))
    return Path(cell) if named else None


Data = Annotated[str | os.PathLike[str], PlainValidator(lambda value: os.fspath(value))]
"""The name of a data set, or a folder of images in class folders; a text once it is read."""

File = Annotated[str | os.PathLike[str], PlainValidator(lambda value: Path(value))]
"""The path of a file or a folder; a `Path` once it is read."""

DEFAULT_DATA = "digits"
"""The data set that needs no download."""

DATA_SETS = ("digits", "cifar10", "cifar100", "fashion-mnist")
"""The data sets that have a name."""

DATA_HELP = (
    f"{', '.join(DATA_SETS)}; a folder of images, `DIR/CLASS/*.jpg`, or with parts, `DIR/train`, `DIR/test`; a table "
    "`FILE.csv` of `path,label`."
)

RUN = "History, checkpoints and machine"
"""A panel of help."""

Tracked = Literal["eigenvalue"]


class Update(Protocol):
    """Moves a progress bar."""

    def __call__(self, done: int, total: int, figures: str = "") -> None:
        """Show `done` of `total` steps, with figures as text."""


@settings
class Watched(Settings):
    """A request whose work can be followed."""

    _: KW_ONLY
    progress: Annotated[Update | None, PlainValidator(lambda value: value)] = None
    """Called as `progress(done, total, figures)` after every step."""


@settings
class OnDevice(Settings):
    """A request that computes on a device."""

    _: KW_ONLY
    device: Annotated[
        str, Option(help="auto (a GPU where there is one), cpu, cuda, cuda:1, mps.", metavar="DEVICE", panel=RUN)
    ] = "auto"


@settings
class OnData(OnDevice, Watched):
    """A request that reads a data set."""

    data: Annotated[Data, Option(help=DATA_HELP, short="-d", metavar="DATA")] = DEFAULT_DATA


@settings
class OnImages(OnData):
    """A request that reads images as squares."""

    _: KW_ONLY
    image_size: Annotated[
        int | None,
        Option(
            help="Scale and crop images to squares of this side.",
            least=1,
            most=MOST_PIXELS,
            shown="that of a set; of a folder 64, or less where its images are smaller squares",
            panel=RUN,
        ),
    ] = None


@settings
class OnCell(Settings):
    """A request about one cell."""

    cell: Annotated[
        Annotated[CellLike, PlainValidator(lambda value: value)],
        Option(
            help="A genotype file, - for standard input, or the name of a published cell.",
            metavar="CELL",
            argument=True,
        ),
    ]


@settings
class Seeded(Settings):
    """A request whose result is random, and decided by its seed."""

    _: KW_ONLY
    seed: Annotated[int, Option(help="The same seed gives the same result.", least=0, most=MOST_SEED, short="-s")] = 0


@settings
class Recorded(Settings):
    """A search that keeps its history and its checkpoints in a folder."""

    _: KW_ONLY
    run: Annotated[
        File | None,
        Option(
            help="Folder of α, β and losses over time, and of checkpoints.",
            metavar="DIR",
            shown="OUTPUT.COMMAND",
            in_studies=False,
            panel=RUN,
        ),
    ] = None
    resume: Annotated[bool, Option(help="Resume a search that was stopped or killed.", in_studies=False, panel=RUN)] = (
        False
    )
    tensorboard: Annotated[
        bool,
        Option(
            help="Write curves, and a picture of the cell every epoch, for TensorBoard into the run folder.", panel=RUN
        ),
    ] = False
    track: Annotated[
        Tracked | None,
        Option(help="Record the dominant eigenvalue of the held-out loss (α, β), every epoch.", shown="", panel=RUN),
    ] = None
    early_stop: Annotated[
        Tracked | None,
        Option(help="Stop when the eigenvalue jumps, and take the cell from before (DARTS-ES).", shown="", panel=RUN),
    ] = None
    every: Annotated[
        int | None, Option(help="Iterations between records.", least=1, metavar="N", shown="an epoch", panel=RUN)
    ] = None
    save_every: Annotated[
        float, Option(help="Longest time between checkpoints.", least=0, metavar="MINUTES", panel=RUN)
    ] = 10.0
    keep_weights: Annotated[
        bool,
        Option(
            help="Leave the super-net in the run folder as supernet.safetensors, for --evaluate.",
            in_studies=False,
            panel=RUN,
        ),
    ] = False


@settings
class Written(Settings):
    """A request whose genotype can be written to a file."""

    _: KW_ONLY
    output: Annotated[
        File | None, Option(help="The genotype file.", short="-o", metavar="FILE", shown="cell.json", in_studies=False)
    ] = None


@settings
class Edited(Settings):
    """A request whose genotype can be written to another file than the one that it was read from."""

    _: KW_ONLY
    output: Annotated[
        File | None,
        Option(
            help="Write here instead of updating CELL in place; - is stdout.",
            short="-o",
            metavar="FILE",
            shown="",
            in_studies=False,
        ),
    ] = None


@settings
class Trusting(Settings):
    """A request that may read a benchmark's records."""

    _: KW_ONLY
    trust_pickle: Annotated[
        bool, Option(help="Read records that are pickles, which can run any code; needs nats_bench.", in_studies=False)
    ] = False


HISTORY = ("run", "resume", "tensorboard", "track", "early_stop", "every", "save_every", "keep_weights")
"""The options of `Recorded`."""

OF_SUPERNETS = ("track", "early_stop", "keep_weights")
"""The options of a super-net among them."""
