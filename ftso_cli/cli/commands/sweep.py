"""`ftso sweep`: studies over settings and seeds."""

from typing import Any

import typer
from typer.core import TyperGroup

from ftso_cli.cli.console import next_step, note, print_json, say
from ftso_cli.cli.derive import as_command
from ftso_cli.cli.group import MARKUP, Command, with_examples_listed
from ftso_cli.cli.output import sweep_output
from ftso_cli.cli.output.listening import CommandListener
from ftso_cli.settings.requests.studies import StudyResultsRequest, StudyStatusRequest, SweepRequest
from ftso_cli.studies import presets
from ftso_cli.studies.running.runner import EndedTrial
from ftso_cli.studies.verbs import (
    PlannedStudy,
    StudyListener,
    StudyState,
    planned_study,
    run_planned,
    study_results,
    study_status,
)


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


@app.command(cls=Command)
@as_command(StudyStatusRequest)
def status(request: StudyStatusRequest, as_json: bool) -> None:
    """Show the trials done, running, failed and waiting, and the time left.

    Example: `ftso sweep status runs/table3`
    """
    found = study_status.run(request)
    sweep_output.show_status(found.trials, found.folder, as_json=as_json)


@app.command("results", cls=Command)
@as_command(StudyResultsRequest)
def results_(request: StudyResultsRequest, as_json: bool) -> None:
    """Show the results of a study: means over seeds, 95 % confidence intervals, differences paired by seed.

    Works on a running study, too.

    Examples: `ftso sweep results runs/table3` · `ftso sweep results runs/table3 --csv trials.csv --figure table3.svg`
    """
    sweep_output.show_results(study_results.run(request), as_json=as_json)


@app.command(cls=Command)
@as_command(SweepRequest)
def run(request: SweepRequest, as_json: bool) -> None:
    """Run a study: every setting with every seed, from the search to the trained network.

    The same command goes on with a study that was stopped or killed; what is finished is never run again, and what
    trials have in common is done once. Many processes, or machines with one --storage, share the work of a study.

    Examples: `ftso sweep study.toml --workers 2` · `ftso sweep --presets` · `ftso sweep table3 -o runs/table3` ·
    `ftso sweep status runs/table3` · `ftso sweep results runs/table3 --csv results.csv`
    """
    if request.presets:
        _list_presets(as_json)
        return
    study = planned_study(request)
    if not request.dry_run:
        _finish(run_planned(study, request, _Listener()), as_json)
    elif as_json:
        print_json({"study": study.study.name, **study.size})
    else:
        say(f"{_size(study)}, to be kept in {study.folder}")


class _Listener(CommandListener, StudyListener):
    """Says what is run, and how each trial has ended."""

    def begun_study(self, study: PlannedStudy, workers: int) -> None:
        """Say what is run."""
        kept = f"kept in {study.folder}; a stopped study goes on with the same command"
        note(f"{_size(study)}; {workers} at a time, {kept}")

    def ended(self, trial: EndedTrial) -> None:
        """Say how a trial ended, on a line."""
        outcome = f"failed: {trial.error}" if trial.accuracy is None else f"accuracy {trial.accuracy:.2%}"
        note(f"{trial.planned.setting}, seed {trial.planned.seed}: {outcome}  ({trial.seconds:.0f} s)")


def _size(study: PlannedStudy) -> str:
    return "{settings} settings x {seeds} seeds = {trials} trials, {stages} stages".format(**study.size)


def _list_presets(as_json: bool) -> None:
    titles = {name: presets.title(name) for name in presets.names()}
    if as_json:
        print_json({"presets": titles})
        return
    widest = max(map(len, titles))
    for name, title in titles.items():
        say(f"{name:<{widest}}  {title}")


def _finish(state: StudyState, as_json: bool) -> None:
    """Say what came of a study."""
    found, files = state.trials, list(map(str, state.files))
    counted = {name: sum(one.state == name for one in found) for name in ("done", "failed")}
    if as_json:
        print_json({"study": str(state.folder), **counted, "trials": len(found), "files": files})
    else:
        sweep_output.show_results(state, as_json=False)
        say(f"{counted['done']} of {len(found)} trials done, {counted['failed']} failed")
        say(f"wrote {', '.join(files)}")
        next_step("sweep status" if counted["failed"] else "sweep results", state.folder)
    if counted["failed"]:
        raise typer.Exit(1)
