"""`ftso search-ops --strategy capacity`: the cells that were trained, and what they reached."""

from typing import TYPE_CHECKING, Any

from rich.table import Table

from ftso_cli.cli.console import note, show
from ftso_cli.settings.requests.search_ops import SearchOperators

if TYPE_CHECKING:
    from ftso_cli.api.search.searching import Found


def report_choice(found: "Found", request: SearchOperators) -> None:
    """Print a row for every cell that was trained."""
    choice = found.choice
    assert choice is not None
    if not choice.trials:
        note(f"the budget ended before any cell was trained: this one has the highest {request.score} so far")
        return
    table = Table(box=None, padding=(0, 3, 0, 0), header_style="dim")
    for name in ("trained", request.score, "loss", "behind the best"):
        table.add_column(name, justify="left" if name == "trained" else "right")
    for trial in choice.trials:
        behind, error = trial.behind(choice.trials[0])
        text = "" if trial is choice.trials[0] else f"{behind:.4f}" + ("" if error is None else f" ± {error:.4f}")
        table.add_row(trial.label, f"{choice.score - trial.costs:.3f}", f"{trial.loss:.4f}", text)
    show(table)
    note(f"cells that differ on one edge and whose {request.score} is less than {request.slack:g} below the highest")


def trials_json(found: "Found", request: SearchOperators) -> dict[str, Any]:
    """Return the cells that were trained for --json; nothing of a search by gradient."""
    choice = found.choice
    if choice is None:
        return {}
    trials = []
    for trial in choice.trials:
        behind, error = trial.behind(choice.trials[0])
        trials.append(
            {
                "cell": trial.label,
                "ops": list(trial.ops),
                "costs": round(trial.costs, 4),
                "loss": round(trial.loss, 4),
                "behind": round(behind, 4),
                "error": None if error is None else round(error, 4),
            }
        )
    return {request.score: round(choice.score, 4), "trials": trials}
