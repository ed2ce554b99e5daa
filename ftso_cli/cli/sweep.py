"""`ftso sweep`: studies over settings and seeds."""

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from ftso_cli.api.trainings import RUNS
from ftso_cli.cli import common, sweep_output
from ftso_cli.cli.console import next_step, note, print_json, say
from ftso_cli.cli.group import MARKUP, Command, with_examples_listed
from ftso_cli.errors import SettingsError
from ftso_cli.files import make_folder
from ftso_cli.studies import presets, results, runner, trials
from ftso_cli.studies.plan import plan
from ftso_cli.studies.study import read_study


class _Sweep(TyperGroup):
    """`ftso sweep STUDY` is short for `ftso sweep run STUDY`."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.help = with_examples_listed(self.help or "")

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Puts `run` in front of what names none of the commands."""
        if args and args[0] not in (*self.commands, "--help", "-h"):
            args = ["run", *args]
        return super().parse_args(ctx, args)

    def get_params(self, ctx: Any) -> list[Any]:
        """The options, those without a value shown without a type."""
        params = super().get_params(ctx)
        for param in params:
            param.metavar = ""
        return params


app = typer.Typer(cls=_Sweep, no_args_is_help=True, rich_markup_mode=MARKUP, add_completion=False)


@app.callback()
def sweep() -> None:
    """Run a study: every setting with every seed, from the search to the trained network.

    `ftso sweep STUDY` is short for `ftso sweep run STUDY`; `ftso sweep --presets` lists the paper's own studies. All of
    them take `--json`.

    Examples: `ftso sweep study.toml --workers 2` · `ftso sweep table3` · `ftso sweep status runs/table3` ·
    `ftso sweep results runs/table3 --figure table3.svg`
    """


FolderArgument = Annotated[
    Path, typer.Argument(metavar="DIR", help="The folder of a study, as in runs/table3.", show_default=False)
]
StorageOption = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="A database that many machines reach, as in postgresql+psycopg://user@host/ftso.",
        show_default="SQLite in DIR",
    ),
]


@app.command(cls=Command)
def status(folder: FolderArgument, storage: StorageOption = None, as_json: common.JsonOption = False) -> None:
    """Say what is done, running, failed and waiting, and how long the rest will take.

    Example: `ftso sweep status runs/table3`
    """
    sweep_output.show_status(results.read(folder, storage), folder, as_json=as_json)


@app.command("results", cls=Command)
def results_(
    folder: FolderArgument,
    csv: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="Write a row for each trial.", show_default=False)
    ] = None,
    markdown: Annotated[
        Path | None, typer.Option("--markdown", metavar="FILE", help="Write the table.", show_default=False)
    ] = None,
    figure: Annotated[
        Path | None,
        typer.Option("--figure", metavar="FILE", help="Draw it: .svg, .png or .pdf.", show_default=False),
    ] = None,
    storage: StorageOption = None,
    as_json: common.JsonOption = False,
) -> None:
    """Show what a study has found: means over seeds, 95 % confidence intervals, differences seed by seed.

    Works on a study that still runs, too.

    Examples: `ftso sweep results runs/table3` · `ftso sweep results runs/table3 --csv trials.csv --figure table3.svg`
    """
    study, found = results.read_settings(folder), results.read(folder, storage)
    if figure is not None:
        sweep_output.draw(study, found, figure)
    sweep_output.write(study, found, csv=csv, markdown=markdown)
    sweep_output.show_results(study, found, as_json=as_json)


@app.command(cls=Command)
def run(
    study: Annotated[
        str | None,
        typer.Argument(
            metavar="STUDY",
            help="A study file, STUDY.toml, or a preset (--presets lists them).",
            show_default=False,
        ),
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="The full size of a study that has one, for GPUs.")] = False,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="DIR", help="The folder of the study.", show_default="runs/STUDY"),
    ] = None,
    data: Annotated[str | None, common.data_option("that of the study")] = None,
    seeds: Annotated[
        str | None,
        typer.Option(metavar="SEEDS", help="As in 0-4 or 3,5,8.", show_default="those of the study"),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers", "-w", min=1, help="Trials at a time; they share the cores.", show_default="one for two cores"
        ),
    ] = None,
    storage: StorageOption = None,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Run failed trials again.")] = False,
    trust_pickle: common.TrustOption = False,
    list_presets: Annotated[bool, typer.Option("--presets", help="List the studies that come with ftso.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check the study and say what it would run.")] = False,
    as_json: common.JsonOption = False,
) -> None:
    """Run a study: every setting with every seed, from the search to the trained network.

    The same command goes on with a study that was stopped or killed; what is finished is never run again, and what
    trials have in common is done once. Many processes, or machines with one --storage, share the work of a study.

    Examples: `ftso sweep study.toml --workers 2` · `ftso sweep --presets` · `ftso sweep table3 -o runs/table3` ·
    `ftso sweep status runs/table3` · `ftso sweep results runs/table3 --csv results.csv`
    """
    if list_presets:
        _list_presets(as_json)
        return
    if study is None:
        raise typer.BadParameter("give a study file, or a preset", param_hint="STUDY")
    changes: dict[str, Any] = {"data": data, "seeds": seeds}
    asked = read_study(
        presets.find(study), full=full, changes={key: value for key, value in changes.items() if value is not None}
    )
    if full:
        asked = asked.model_copy(update={"name": f"{asked.name}-full"})
    planned = plan(asked)
    stages = {stage.key for trial in planned for stage in trial.stages}
    counts = {"settings": len(asked.settings), "seeds": len(asked.seeds), "trials": len(planned), "stages": len(stages)}
    size = "{settings} settings x {seeds} seeds = {trials} trials, {stages} stages".format(**counts)
    folder = output or RUNS / asked.name
    if dry_run and as_json:
        print_json({"study": asked.name, **counts})
        return
    if dry_run:
        say(f"{size}, to be kept in {folder}")
        return
    if (folder / results.FILE).exists() and results.read_settings(folder).name != asked.name:
        raise SettingsError(f"{folder} holds the study {results.read_settings(folder).name}; name another with -o DIR")
    opened = trials.open_study(asked.name, _made(folder), storage)
    results.write_settings(asked, folder)
    count = workers or runner.usual_workers()
    note(f"{size}; {count} at a time, kept in {folder}; a stopped study goes on with the same command")
    with common.telling(lambda: f"{folder} keeps all that is done; the same command goes on"):
        runner.run_study(
            planned,
            folder,
            opened,
            workers=count,
            retry_failed=retry_failed,
            watch=_tell,
            trust_pickle=trust_pickle,
        )
    _finish(folder, storage, as_json)


def _made(folder: Path) -> Path:
    make_folder(folder)
    return folder


def _tell(ended: runner.Ended) -> None:
    """Says how a trial ended, on a line."""
    outcome = f"failed: {ended.error}" if ended.accuracy is None else f"accuracy {ended.accuracy:.2%}"
    note(f"{ended.planned.setting}, seed {ended.planned.seed}: {outcome}  ({ended.seconds:.0f} s)")


def _list_presets(as_json: bool) -> None:
    titles = {name: presets.title(name) for name in presets.names()}
    if as_json:
        print_json({"presets": titles})
        return
    widest = max(map(len, titles))
    for name, title in titles.items():
        say(f"{name:<{widest}}  {title}")


def _finish(folder: Path, storage: str | None, as_json: bool) -> None:
    """Writes table and picture beside the trials, and says what came of them."""
    study, found = results.read_settings(folder), results.read(folder, storage)
    files = sweep_output.write_all(study, found, folder)
    counted = {state: sum(one.state == state for one in found) for state in ("done", "failed")}
    if as_json:
        print_json({"study": str(folder), **counted, "trials": len(found), "files": [str(file) for file in files]})
    else:
        sweep_output.show_results(study, found, as_json=False)
        say(f"{counted['done']} of {len(found)} trials done, {counted['failed']} failed")
        say(f"wrote {', '.join(map(str, files))}")
        next_step("sweep status" if counted["failed"] else "sweep results", folder)
    if counted["failed"]:
        raise typer.Exit(1)
