"""`ftso search-topology --seeds`: what it keeps, what it shows on the way, and how sure it is."""

from typing import Any

from ftso_cli.api.ensembles import FromSeeds, seeds_folder
from ftso_cli.cli import common, searching
from ftso_cli.cli.console import note
from ftso_cli.cli.live import LiveEnsemble
from ftso_cli.genotype import Genotype, agreement
from ftso_cli.processes import check_alone
from ftso_cli.settings.searches import TopologySettings


def search(
    request: searching.Request,
    settings: TopologySettings,
    seeds: tuple[int, ...],
    workers: int | None,
    watch: common.Stopwatch,
    *,
    resume: bool,
) -> tuple[Genotype, dict[str, Any]]:
    """Runs the search, shows what the seeds that are done say together, and keeps them until it has ended."""
    check_alone("an ensemble of seeds runs in one process, several seeds at a time with --workers N")
    folder = None if str(request.output) == "-" else seeds_folder(request.output)
    many = FromSeeds(request, settings, seeds, folder=folder, resume=resume, workers=workers)
    live = LiveEnsemble(len(seeds) - (len(many.kept) if resume else 0))
    many.on_member = live.look
    if resume and many.kept:
        note(f"going on after {_done(many)}")
    with common.telling(lambda: _kept(many)):
        found = searching.execute(request, many, watch, live)
        many.close()
    return found


def _kept(many: FromSeeds) -> str:
    """What there is to go on from, and how."""
    if not many.kept:
        return ""
    return f"{many.folder} keeps what {_done(many)} found, go on with the same command and --resume"


def _done(many: FromSeeds) -> str:
    done = len(many.kept)
    return f"{done} seed{'s' * (done != 1)}"


def certainty(wiring: Genotype) -> dict[str, Any]:
    """For --json: the agreement of an ensemble and its edges that were found."""
    if wiring.ensemble is None:
        return {}
    found, chosen = agreement.found(wiring)
    return {"ensemble": wiring.ensemble.model_dump(mode="json"), "edges_found": found, "edges_chosen": chosen}
