"""From what the user names to what the page is about: one cell with its searches and trainings, or a study."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ftso_cli.costs.network import network_cost
from ftso_cli.costs.networks import CountedNetwork, preset
from ftso_cli.drawing.style import genotype_title, printable
from ftso_cli.errors import RunError
from ftso_cli.files import RUN_GENOTYPE
from ftso_cli.genotype import Genotype, library
from ftso_cli.report.cell.trace import Trace, is_history, is_search, read_trace
from ftso_cli.report.run.trained import TrainedRun, is_training, read_trained_run
from ftso_cli.report.studies.study import StudyFound, is_study, read_found
from ftso_cli.spaces import SPACES
from ftso_cli.spaces.darts import NetworkShape
from ftso_cli.training.run import runs_inside

SEARCHES = ("search-topology", "search-ops", "search")
"""The commands that keep their history in a folder beside the genotype, CELL.COMMAND, in the order they are used in."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """The content of a page; `genotype` is None for the folder of a search that has not ended yet."""

    title: str
    file: str
    genotype: Genotype | None
    traces: tuple[Trace, ...] = ()
    trainings: tuple[TrainedRun, ...] = ()
    network: CountedNetwork | None = None
    study: StudyFound | None = None
    strangers: tuple[Path, ...] = ()
    """Folders of searches beside the genotype whose history is not that of its cell."""

    @property
    def lead(self) -> TrainedRun | None:
        """The training whose classifier the page begins with: the only one of a page about a cell."""
        return self.trainings[0] if len(self.trainings) == 1 and self.study is None else None


def collect(sources: Sequence[str], title: str | None = None, storage: str | None = None) -> Report:
    """Reads genotype files, published cells by name, folders of searches and of trainings, all of one cell; or a study.

    A genotype file brings the searches beside it that it is from, the folder of a search the genotype beside it. A
    study, which may be kept in another `storage` than its folder, brings its best trial. Raises `RunError` for any
    other folder, where the sources are of different cells, and for a study that is not alone.
    """
    studies = [source for source in sources if is_study(Path(source))]
    if studies and len(sources) > 1:
        raise RunError(f"{studies[0]} is a study, which has a page of its own; give it alone")
    if studies:
        return _of_study(read_found(Path(studies[0]), storage), title)
    traces: dict[Path, Trace] = {}
    trainings: list[TrainedRun] = []
    genotypes: dict[str, Genotype] = {}
    strangers: list[Path] = []
    for source in sources:
        path = Path(source)
        if not path.is_dir():
            genotypes[source] = library.load_genotype(source)
            beside = {folder: read_trace(folder) for folder in _searches_beside(path)}
            strangers += [folder for folder, trace in beside.items() if not is_history(trace, genotypes[source])]
            traces |= {folder: trace for folder, trace in beside.items() if folder not in strangers}
        elif is_training(path):
            trainings.append(read_trained_run(path))
        elif is_search(path):
            traces[path] = read_trace(path)
            own = path.with_name(f"{path.name.rpartition('.')[0]}.json")
            if own.is_file():
                genotypes[str(own)] = library.load_genotype(str(own))
        else:
            inside = runs_inside(path, lambda one: is_study(one) or is_training(one) or is_search(one))
            made = "; ftso train makes one, and a search one beside its genotype"
            raise RunError(f"{path}: no run folder{inside or made}")
    return replace(_report(sources[0], genotypes, traces, trainings, title), strangers=tuple(strangers))


def _of_study(found: StudyFound, title: str | None) -> Report:
    """A study with its best trial."""
    title = title or found.study.title or found.study.name
    best = found.best
    run = None if best is None or best.folder is None else best.folder / "run"
    if best is None or run is None or not is_training(run):
        return Report(title=printable(title), file="cell.json", genotype=None, study=found)
    histories = {folder / "run": name for name, folder in best.folders.items() if is_search(folder / "run")}
    traces = {folder: read_trace(folder, name) for folder, name in histories.items()}
    return replace(_report(str(found.folder), {}, traces, [read_trained_run(run)], title), study=found)


def _report(
    source: str,
    genotypes: dict[str, Genotype],
    traces: Mapping[Path, Trace],
    trainings: list[TrainedRun],
    title: str | None,
) -> Report:
    """The report of what was read; raises `RunError` where it is of different cells."""
    own = next(iter(genotypes), "")
    genotypes |= {str(training.folder / RUN_GENOTYPE): training.genotype for training in trainings}
    _check_same(genotypes)
    genotype = next(iter(genotypes.values()), None)
    of_run = trainings[0].name if len(trainings) == 1 and Path(source) == trainings[0].folder else ""
    named = title or of_run or (genotype_title(genotype) if genotype else "") or _name(own or source)
    return Report(
        title=printable(named),
        file=own if Path(own).is_file() else "cell.json",
        genotype=genotype,
        traces=tuple(sorted(traces.values(), key=_order)),
        trainings=tuple(trainings),
        network=_network(genotype, trainings),
    )


def _searches_beside(file: Path) -> list[Path]:
    folders = [file.with_name(f"{file.stem}.{command}") for command in SEARCHES]
    return [folder for folder in folders if is_search(folder)]


def _order(trace: Trace) -> int:
    return SEARCHES.index(trace.command) if trace.command in SEARCHES else len(SEARCHES)


def _name(source: str) -> str:
    """Return the name of a cell without one: that of its file, `cell` for cell.json."""
    path = Path(source)
    return path.stem if path.suffix == ".json" else path.name or source


def _check_same(genotypes: dict[str, Genotype]) -> None:
    """Raises `RunError` where two sources have different cells."""
    cells = {file: _edges(genotype) for file, genotype in genotypes.items()}
    for file, edges in cells.items():
        first = next(iter(cells))
        if edges != cells[first]:
            raise RunError(f"{file} has another cell than {first}; a report is about one (ftso compare takes several)")


def _edges(genotype: Genotype) -> dict[str, list[tuple[int, int, str | None]]]:
    return {kind: [(edge.source, edge.target, edge.op) for edge in cell.kept] for kind, cell in genotype.cells.items()}


def _network(genotype: Genotype | None, trainings: Sequence[TrainedRun]) -> CountedNetwork | None:
    """The network that was trained, or the paper's for CIFAR-10; None where operators are still to be chosen."""
    if genotype is None or genotype.stage != "complete":
        return None
    if trainings:
        first, config = trainings[0], trainings[0].config
        auxiliary = config.recipe.auxiliary > 0
        return counted_network(
            genotype, f"the network of {first.name}", config.shape, config.image_size, auxiliary=auxiliary
        )
    shape, pixels = preset(genotype.space, "cifar")
    return counted_network(genotype, SPACES[genotype.space].reference, shape, (pixels, pixels))


def counted_network(
    genotype: Genotype, name: str, shape: NetworkShape, image_size: tuple[int, int], *, auxiliary: bool = True
) -> CountedNetwork:
    """The network of a complete genotype with its exact costs."""
    cost = network_cost(genotype, shape, image_size, auxiliary=auxiliary)
    return CountedNetwork(name=name, space=genotype.space, shape=shape, image_size=image_size, cost=cost)
