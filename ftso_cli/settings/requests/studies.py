"""The requests of the commands of studies: run, status, results. No torch."""

from collections.abc import Sequence
from dataclasses import KW_ONLY
from typing import Annotated, Any

from pydantic import BeforeValidator

from ftso_cli.settings.options import Option, OptionError, Settings, settings
from ftso_cli.settings.requests.looks import STORAGE_HELP
from ftso_cli.settings.shared import DATA_HELP, Data, File, Trusting


@settings
class StorageOptions(Settings):
    """A request about a study, whose trials are in a database."""

    _: KW_ONLY
    storage: Annotated[str | None, Option(help=STORAGE_HELP, metavar="URL", shown="SQLite in DIR")] = None


@settings
class StudyStatusRequest(StorageOptions):
    """A look at how far a study is."""

    folder: Annotated[File, Option(help="The folder of a study, as in runs/table3.", metavar="DIR", argument=True)]


@settings
class StudyResultsRequest(StudyStatusRequest):
    """A look at what a study has found."""

    _: KW_ONLY
    csv: Annotated[File | None, Option(help="Write a row for each trial.", metavar="FILE")] = None
    markdown: Annotated[File | None, Option(help="Write the table.", metavar="FILE")] = None
    figure: Annotated[File | None, Option(help="Draw it: .svg, .png or .pdf.", metavar="FILE")] = None


def _seeds(value: Any) -> Any:
    return value if value is None or isinstance(value, str | int) else tuple(value)


@settings
class RunStudyRequest(StorageOptions, Trusting):
    """A study to be run, or to go on with."""

    study: Annotated[
        File | None,
        Option(help="A study file, STUDY.toml, or a preset (--presets lists them).", metavar="STUDY", argument=True),
    ] = None
    output: Annotated[
        File | None, Option(help="The folder of the study.", short="-o", metavar="DIR", shown="runs/STUDY")
    ] = None
    _: KW_ONLY
    full: Annotated[bool, Option(help="The full size of a study that has one, for GPUs.")] = False
    data: Annotated[Data | None, Option(help=DATA_HELP, short="-d", metavar="DATA", shown="that of the study")] = None
    seeds: Annotated[
        Annotated[str | int | Sequence[int] | None, BeforeValidator(_seeds)],
        Option(help="As in 0-4 or 3,5,8.", metavar="SEEDS", shown="those of the study"),
    ] = None
    workers: Annotated[
        int | None,
        Option(help="Trials at a time; they share the cores.", least=1, short="-w", shown="one for two cores"),
    ] = None
    retry_failed: Annotated[bool, Option(help="Run failed trials again.")] = False
    dry_run: Annotated[bool, Option(help="Check the study, show its trials, run nothing.")] = False

    def check(self) -> None:
        """Raise `OptionError` where no study is named."""
        if self.study is None:
            raise OptionError("study", "give a study file, or a preset")

    @property
    def changes(self) -> dict[str, Any]:
        """The values of the study that are given instead of its own."""
        return {name: getattr(self, name) for name in ("data", "seeds") if getattr(self, name) is not None}


@settings
class SweepRequest(RunStudyRequest):
    """The request of `ftso sweep run`: to run a study, or to list those that come with ftso."""

    _: KW_ONLY
    presets: Annotated[bool, Option(help="List the studies that come with ftso.")] = False

    def check(self) -> None:
        """Raise `OptionError` where no study is named, and none are to be listed."""
        if not self.presets:
            super().check()
