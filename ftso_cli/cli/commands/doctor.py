"""`ftso doctor`: what works on this machine, what is missing, and the command that fixes it."""

from collections.abc import Sequence

import typer
from rich.table import Table
from rich.text import Text

from ftso_cli.api.health import Finding, examine
from ftso_cli.cli.console import print_json, say, show, warn
from ftso_cli.cli.derive import as_command
from ftso_cli.cli.output.progress import waiting
from ftso_cli.settings.requests.health import ExamineRequest

COLOURS = {"ok": "green", "missing": "yellow", "broken": "red"}


@as_command(ExamineRequest)
def doctor(request: ExamineRequest, as_json: bool) -> None:
    """Tell what works on this machine: versions, device, pictures, cache, data sets, a small search and training.

    What is missing is named with the command that fixes it; status 1 where ftso can't do without it. Put the output of
    `ftso doctor --json` into a bug report: it names no file of yours.

    Examples: `ftso doctor` · `ftso doctor --quick` · `ftso doctor --json > report.json`
    """
    with waiting("examine this machine"):
        findings = examine.run(request)
    broken = [finding for finding in findings if finding.state == "broken"]
    if as_json:
        print_json({"broken": bool(broken), "findings": [_facts(finding) for finding in findings]})
    else:
        show(_table(findings))
        if broken:
            warn(f"{', '.join(finding.name for finding in broken)}: ftso can't do without; fix that first")
        else:
            say("all that ftso needs is here")
    if broken:
        raise typer.Exit(1)


def _table(findings: Sequence[Finding]) -> Table:
    """A row a finding, and below it how to fix what is not ok."""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for name in ("state", "name", "text"):
        table.add_column(name, no_wrap=name == "state", overflow="fold")
    for finding in findings:
        text = Text(finding.text)
        if finding.remedy is not None:
            text.append(f"\n→ {finding.remedy}", style="bold")
        table.add_row(Text(finding.state, style=COLOURS[finding.state]), finding.name, text)
    return table


def _facts(finding: Finding) -> dict[str, object]:
    return {
        "name": finding.name,
        "state": finding.state,
        "text": finding.text,
        "remedy": finding.remedy,
        "facts": dict(finding.facts),
    }
