"""The parts of the page, ready for the template: texts, numbers as text, and pictures as SVG."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from ftso_cli.costs.networks import CountedNetwork
from ftso_cli.drawing.style import genotype_title, printable
from ftso_cli.genotype import agreement
from ftso_cli.report.cell.drawn import GONE, LOT, DrawnCell, cell_as_found
from ftso_cli.report.collect import Report
from ftso_cli.report.commands import commands, train_command
from ftso_cli.report.comparison import shapes
from ftso_cli.report.palette import Key, source_colour
from ftso_cli.report.plots import figures, pareto
from ftso_cli.report.run.classifier import ClassifierSection
from ftso_cli.report.run.trained import TrainedRun
from ftso_cli.spaces import SPACES
from ftso_cli.texts import format_duration, last_name


@dataclass(frozen=True, kw_only=True)
class Fact:
    """A figure at the head of the page."""

    name: str
    value: str
    remark: str = ""


@dataclass(frozen=True, kw_only=True)
class TrainingSection:
    """The trainings: their curves and a legend of them, a line of figures by name for each."""

    charts: tuple[str, ...]
    keys: tuple[Key, ...]
    rows: tuple[Mapping[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class CostSection:
    """The network part by part, and what the time went into."""

    network: CountedNetwork | None
    charts: tuple[str, ...]
    seconds: str


@dataclass(frozen=True, kw_only=True)
class PublishedSection:
    """This cell among the published ones: whether it stands there trained, or is `priced` alone or left out."""

    charts: tuple[str, ...]
    trained: bool
    priced: bool
    elsewhere: bool


@dataclass(frozen=True, kw_only=True)
class HistoryStep:
    """A step of the history: the command that does it again, "" for none of ftso's, its notes, and when it was done."""

    command: str
    title: str
    notes: tuple[str, ...] = ()
    started: str = ""


def headline_facts(report: Report, lead: ClassifierSection | None) -> list[Fact]:
    """The figures at the head of the page, those of the classifier that leads it first."""
    found = []
    if lead is not None:
        found.append(Fact(name="test accuracy", value=lead.accuracy, remark=f"{lead.interval} (95 % interval)"))
        found.append(Fact(name="always one answer", value=lead.baseline, remark="the commonest class"))
        found += _latency(report.trainings[0])
    for training in report.trainings:
        if training.result is not None and lead is None:
            epochs = len(training.epochs)
            remark = f"{training.data}, {epochs} epoch{'s' * (epochs != 1)}"
            found.append(Fact(name="test accuracy", value=f"{training.result.test_accuracy:.2%}", remark=remark))
    if report.network is not None:
        size = "×".join(map(str, report.network.image_size))
        found.append(Fact(name="parameters", value=_short(report.network.params), remark=report.network.name))
        found.append(Fact(name="MACs", value=_short(report.network.macs), remark=f"an image of {size}"))
    genotype = report.genotype
    if genotype is not None and genotype.stage != "searched" and lead is None:
        for kind, shape in shapes(genotype).items():
            found.append(Fact(name="depth", value=str(shape.depth), remark=f"{kind} cell, {shape.width:.3g} wide"))
    if genotype is not None and (took := sum(sum(times.seconds.values()) for times in genotype.times)):
        steps = len(genotype.history)
        found.append(Fact(name="to find it", value=format_duration(took), remark=f"{steps} step{'s' * (steps > 1)}"))
    if genotype is not None and genotype.ensemble is not None:
        certain, chosen = agreement.count_significant(genotype)
        found.append(Fact(name="significant edges", value=f"{certain} of {chosen}", remark="the others are at chance"))
    return found


def _latency(training: TrainedRun) -> list[Fact]:
    """Return the latency that was measured last."""
    measured = training.latency
    if measured is None or measured.median is None:
        return []
    threads = f", {measured.threads} thread{'s' * (measured.threads > 1)}" if measured.device == "cpu" else ""
    batch = "an image" if measured.batch_size == 1 else f"a batch of {measured.batch_size:,}"
    return [Fact(name="latency", value=f"{measured.median:.3g} ms", remark=f"{batch}, {measured.device}{threads}")]


def found_cells(report: Report) -> list[DrawnCell]:
    """The cells of the genotype."""
    genotype = report.genotype
    if genotype is None:
        return []
    return [cell_as_found(genotype, kind, report.network) for kind in SPACES[genotype.space].kinds]


def dashes(cells: list[DrawnCell]) -> str:
    """Return the legend of the dashes that the cells have."""
    have = {edge.dash for cell in cells for edge in cell.edges}
    told = {LOT: "Dashed: at chance, as far as the seeds tell.", GONE: "Dotted: pruned, or left out by pruning."}
    return " ".join(text for dash, text in told.items() if dash in have)


def training(report: Report) -> TrainingSection:
    """The trainings."""
    names = {at: each.name for at, each in enumerate(report.trainings)}
    keys = tuple(Key(label=name, colour=source_colour(at)) for at, name in names.items())
    return TrainingSection(
        charts=tuple(figures.training_curves(report.trainings, names)),
        keys=keys if len(keys) > 1 else (),
        rows=tuple(_trained(each) for each in report.trainings),
    )


def _trained(each: TrainedRun) -> dict[str, str]:
    recipe, result = each.config.recipe, each.result
    return {
        "run": each.name,
        "data": each.data,
        "network": f"{recipe.cells} cells, {recipe.channels} channels",
        "epochs": f"{len(each.epochs)} of {recipe.epochs}",
        "time": each.duration,
        "test accuracy": "not tested yet"
        if result is None
        else f"{result.test_accuracy:.2%} of {result.test_images:,} images",
    }


def costs(report: Report) -> CostSection:
    """The network of the cell, and the time it took to find."""
    network = report.network
    return CostSection(
        network=network,
        charts=() if network is None else tuple(figures.stage_cost_chart(network)),
        seconds="" if report.genotype is None else figures.seconds(report.genotype, report.trainings),
    )


def published(report: Report) -> PublishedSection:
    """This cell among the published ones."""
    found = pareto.points(report)
    own = [point for point in found if not point.published]
    return PublishedSection(
        charts=tuple(pareto.charts_of(found)),
        trained=any(point.error is not None for point in own),
        priced=any(point.error is None for point in own),
        elsewhere=any(each.config.data != pareto.DATA and each.result is not None for each in report.trainings),
    )


def history(report: Report) -> list[HistoryStep]:
    """Every step with the command that does it again, the trainings last."""
    done: list[HistoryStep] = []
    if report.genotype is not None:
        steps = zip(report.genotype.history, report.genotype.times, commands(report.genotype, report.file), strict=True)
        done += [
            HistoryStep(command=command, title=step.command, notes=step.notes, started=_clock(times.started))
            for step, times, command in steps
        ]
    return done + [HistoryStep(command=train_command(each), title=f"train {each.name}") for each in report.trainings]


def environment(report: Report) -> list[tuple[str, str]]:
    """Return versions, devices, data sets and seeds; where steps differ, all are listed."""
    known: list[tuple[str, object]] = []
    for step in () if report.genotype is None else report.genotype.history:
        known += [*step.versions.items(), ("device", step.device), ("seed", step.seed)]
        known.append(("data", None if step.data is None else last_name(step.data)))
    if report.genotype is not None and report.genotype.ensemble is not None:
        known.append(("seed", ", ".join(map(str, report.genotype.ensemble.seeds))))
    for config in (each.config for each in report.trainings):
        known += [*config.versions.items(), ("device", config.device), ("data", last_name(config.data))]
        known.append(("seed", config.seed))
        known.append(("precision", config.precision))
    rows: dict[str, dict[str, None]] = {}
    for name, value in known:
        if value is not None:
            rows.setdefault(name, {})[str(value)] = None
    return [(name, "; ".join(values)) for name, values in rows.items()]


def subtitle(report: Report) -> str:
    """Return the kind of cell, or the progress of the study, on one line."""
    genotype = report.genotype
    if report.study is not None:
        return f"Study of {len(report.study.rows)} settings · trials: {report.study.standing}"
    if genotype is None:
        return "A search that has not written its cell yet"
    stage = {"searched": "all edges, weighed", "pruned": "wiring decided, operators open", "complete": "complete"}
    about = genotype.about
    origin = [about.source] if about is not None and about.source else []
    if report.lead is not None:
        classes, name = len(report.lead.config.classes), printable(genotype_title(genotype) or "a cell of its own")
        return f"Classifier of {classes:,} classes · {report.lead.data} · cell {name}"
    return " · ".join([f"{genotype.space} space", stage[genotype.stage], *origin])


def _clock(started: str) -> str:
    """A time as people write it, or as it is where it is none."""
    try:
        return datetime.fromisoformat(started).astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (ValueError, OverflowError):
        return started


def _short(number: int) -> str:
    """A large number as 3.35 M."""
    for scale, unit in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if number >= scale:
            return f"{number / scale:.3g} {unit}"
    return str(number)
