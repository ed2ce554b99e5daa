"""The verbs in Python: they do what the commands do, give typed objects, print nothing and import little."""

import inspect
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import ftso_cli
from ftso_cli import FtsoError, Genotype
from ftso_cli.api.cells import reference_name
from ftso_cli.api.listening import Listener
from ftso_cli.api.search.races import RaceSearch, run_race
from ftso_cli.api.search.searching import Task
from ftso_cli.api.training.starting import started
from ftso_cli.cli.app import app
from ftso_cli.errors import DrawingError, GenotypeError, RunError, SettingsError, SpaceError
from ftso_cli.genotype import storage
from ftso_cli.nn.distributed import ALONE
from ftso_cli.settings.config_file import ConfigFile
from ftso_cli.settings.searches import RaceSettings

SMALL = {"channels": 4, "cells": 2, "batch_size": 16}
"""Settings of a search that takes a moment."""

FLAGS = ("--channels", "4", "--cells", "2", "--batch-size", "16")


def ftso(*args: str | Path) -> dict[str, Any]:
    """What a command prints with --json."""
    done = CliRunner().invoke(app, [*map(str, args), "--json"])
    assert done.exit_code == 0, done.output
    return dict(json.loads(done.stdout))


def without_times(genotype: Genotype) -> Genotype:
    return genotype.model_copy(update={"times": ()})


def same(one: Genotype, other: Genotype) -> bool:
    return without_times(one) == without_times(other)


@pytest.fixture(scope="module")
def topology() -> Genotype:
    return ftso_cli.search_topology("digits", iters=2, seed=3, **SMALL)


@pytest.fixture(scope="module")
def cell(topology: Genotype) -> Genotype:
    return ftso_cli.assign_operators(topology, "sep_conv_3x3")


# The package


def test_every_verb_is_listed_documented_and_there() -> None:
    assert set(ftso_cli.__all__) <= set(dir(ftso_cli))
    assert sorted(ftso_cli.__all__) == sorted({*ftso_cli.__all__})
    for name in ftso_cli.__all__:
        assert inspect.getdoc(getattr(ftso_cli, name)), name


def test_no_verb_imports_torch_before_it_is_called() -> None:
    code = """if True:
        import sys, ftso_cli
        for name in ftso_cli.__all__: getattr(ftso_cli, name)
        cell = ftso_cli.assign_operators("pc_darts_cifar", "skip_connect")
        print(ftso_cli.cost(cell).params > 0, sorted({'torch', 'numpy', 'typer'} & set(sys.modules)))"""
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "True []\n"


def test_a_name_that_is_not_there_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="serch"):
        ftso_cli.serch  # noqa: B018


def test_the_function_cost_stays_one_after_the_package_of_costs_is_imported() -> None:
    import ftso_cli.costs.network

    assert callable(ftso_cli.cost)


# The same as the commands


def test_search_topology_finds_what_the_command_finds(topology: Genotype, tmp_path: Path) -> None:
    file = tmp_path / "cell.json"
    ftso("search-topology", "--data", "digits", "--iters", "2", "--seed", "3", *FLAGS, "-o", file)
    assert same(ftso_cli.read(file), topology)
    assert topology.history[-1].command == "search-topology"


def test_an_ensemble_is_that_of_the_command(tmp_path: Path) -> None:
    file = tmp_path / "cell.json"
    args = ("--preset", "stable", "--iters", "2", "--seeds", "0-2")
    ftso("search-topology", *args, *FLAGS, "-o", file)
    found = ftso_cli.search_topology(preset="stable", iters=2, seeds=range(3), **SMALL)
    assert same(ftso_cli.read(file), found)
    assert found.ensemble is not None and found.ensemble.seeds == (0, 1, 2)


def test_a_race_is_that_of_the_command(tmp_path: Path) -> None:
    file = tmp_path / "cell.json"
    ftso("search-topology", "--rank", "race", "--budget", "300", "--nodes", "2", "--op", "conv_1x1", *FLAGS, "-o", file)
    found = ftso_cli.search_topology(rank="race", budget=300, nodes=2, op="conv_1x1", **SMALL)
    assert same(ftso_cli.read(file), found) and found.stage == "complete"


def test_edits_are_those_of_the_commands(topology: Genotype, tmp_path: Path) -> None:
    file = tmp_path / "cell.json"
    ftso_cli.write(topology, file)
    ftso("prune", file, "--keep", "2")
    assert same(ftso_cli.read(file), ftso_cli.prune(topology, keep=2))
    ftso("assign-ops", file, "--op", "random", "--seed", "5", "--map", "normal:0-2=skip_connect")
    mine = ftso_cli.assign_operators(ftso_cli.prune(topology), "random", seed=5, map={"normal:0-2": "skip_connect"})
    assert same(ftso_cli.read(file), mine)


@pytest.mark.parametrize("strategy", ["gradient", "capacity"])
def test_search_operators_finds_what_the_command_finds(strategy: Any, topology: Genotype, tmp_path: Path) -> None:
    file = tmp_path / "cell.json"
    pruned = ftso_cli.prune(topology)
    ftso_cli.write(pruned, file)
    length = ("--iters", "2") if strategy == "gradient" else ("--steps", "2", "--inits", "1", "--slack", "0")
    kwargs: Any = {"iters": 2} if strategy == "gradient" else {"steps": 2, "inits": 1, "slack": 0.0}
    ops = "skip_connect,max_pool_3x3"
    ftso("search-ops", file, "--strategy", strategy, "--ops", ops, *length, *FLAGS)
    mine = ftso_cli.search_operators(pruned, strategy=strategy, ops=ops, **kwargs, **SMALL)
    assert same(ftso_cli.read(file), mine)


def test_search_baseline_finds_what_the_command_finds(tmp_path: Path) -> None:
    file = tmp_path / "cell.json"
    ops = ("skip_connect", "max_pool_3x3")
    args = ("--method", "pc-darts", "--iters", "2", "--ops", ",".join(ops), "--nodes", "2")
    ftso("search", *args, *FLAGS, "-o", file)
    mine = ftso_cli.search_baseline("pc-darts", iters=2, ops=ops, nodes=2, **SMALL)
    assert same(ftso_cli.read(file), mine)


def test_train_evaluate_and_load_are_those_of_the_commands(cell: Genotype, tmp_path: Path) -> None:
    file = tmp_path / "cell.json"
    ftso_cli.write(cell, file)
    args = ("--epochs", "1", "--channels", "4", "--cells", "2", "--auxiliary", "0", "--seed", "1")
    theirs = ftso("train", file, "--data", "digits", *args, "-o", tmp_path / "theirs")
    run = ftso_cli.train(cell, epochs=1, channels=4, cells=2, auxiliary=0.0, seed=1, output=tmp_path / "mine")
    assert run.test_accuracy == theirs["test_accuracy"] == ftso_cli.evaluate(run.folder).accuracy
    assert [row["epoch"] for row in run.metrics] == [1] and run.test_images == 359
    weights = [tmp_path / name / "weights.safetensors" for name in ("mine", "theirs")]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    assert run.load().classes == tuple("0123456789")
    assert run.load().probabilities([]).shape == (0, 10)
    again = ftso_cli.train(resume=run.folder)
    assert again.test_accuracy == run.test_accuracy


def test_cost_is_that_of_the_command(cell: Genotype, tmp_path: Path) -> None:
    file = tmp_path / "cell.json"
    ftso_cli.write(cell, file)
    (theirs,) = ftso("cost", file, "--setting", "imagenet", "--fit-macs", "600M")["networks"]
    mine = ftso_cli.cost(cell, setting="imagenet", fit_macs=600_000_000)
    assert (mine.params, mine.macs) == (theirs["params"], theirs["macs"])
    assert mine.shape.channels == theirs["channels"] and mine.macs <= 600_000_000


def test_draw_writes_what_the_command_writes(tmp_path: Path) -> None:
    theirs, mine = tmp_path / "theirs.svg", tmp_path / "mine.svg"
    ftso("draw", "pc_darts_cifar", "-o", theirs)
    picture = ftso_cli.draw("pc_darts_cifar", mine)
    assert mine.read_bytes() == theirs.read_bytes() == picture.render()
    assert picture.dot.startswith("digraph")


# In notebooks, and without a terminal


def test_genotypes_and_pictures_show_themselves_as_svg(cell: Genotype) -> None:
    svg = cell._repr_svg_()  # type: ignore[attr-defined]
    assert "<svg" in svg and svg == ftso_cli.draw(cell)._repr_svg_()


def test_progress_is_told_and_nothing_is_printed(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    ftso_cli.search_topology(iters=3, progress=lambda done, total, figures="": told.append((done, total)), **SMALL)
    assert told == [(1, 3), (2, 3), (3, 3)]
    told.clear()
    ftso_cli.train(
        "darts_v2",
        epochs=1,
        channels=4,
        cells=2,
        batch_size=700,
        output=tmp_path / "run",
        progress=lambda done, total, figures="": told.append((done, total)),
    )
    assert told == [(1, 2), (2, 2)]
    assert capfd.readouterr() == ("", "")


def test_a_search_with_a_run_folder_keeps_its_history(topology: Genotype, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    kept = ftso_cli.search_operators(ftso_cli.prune(topology), iters=2, ops="skip_connect,none", run=folder, **SMALL)
    assert kept.stage == "complete"
    assert sorted(path.name for path in folder.iterdir()) == ["alphas.csv", "betas.csv", "metrics.csv"]


@pytest.mark.parametrize("name", ["cell", "bayesnas_0.01"])
def test_a_run_without_a_name_of_its_own_is_called_as_its_cell(name: str, cell: Genotype) -> None:
    called = reference_name(cell if name == "cell" else ftso_cli.read(name))
    trainer = started(called, cell, ConfigFile(), ConfigFile().settings(None, {}), None, ALONE)
    assert trainer.run.folder == Path("runs") / f"{name}-digits"


# What is wrong


@pytest.mark.parametrize(
    ("call", "kind", "says"),
    [
        (lambda: ftso_cli.read("pc_darts_cifr"), GenotypeError, "did you mean pc_darts_cifar"),
        (lambda: ftso_cli.train("sgas"), FtsoError, "several published cells"),
        (lambda: ftso_cli.assign_operators("darts_v2", "sep_conv"), SpaceError, "did you mean sep_conv"),
        (lambda: ftso_cli.search_topology(iters=1, epochs=1), SettingsError, "not both"),
        (lambda: ftso_cli.search_topology(chanels=1), SettingsError, "did you mean channels"),
        (lambda: ftso_cli.search_topology(preset="stabel"), SettingsError, "did you mean stable"),
        (lambda: ftso_cli.search_topology(rank="race", iters=1), SettingsError, "not for a race"),
        (lambda: ftso_cli.search_topology(nodes=33), SettingsError, "nodes must be at most 32, not 33"),
        (lambda: ftso_cli.search_baseline("pc-darts", nodes=33), SettingsError, "nodes must be at most 32, not 33"),
        (lambda: ftso_cli.search_topology(engine="fold"), SettingsError, "did you mean folded"),
        (lambda: ftso_cli.search_topology(rank="race", engine="folded"), SettingsError, "not for a race"),
        (lambda: ftso_cli.search_topology(rank="race", preset="stable"), SettingsError, "not for a race"),
        (lambda: ftso_cli.search_topology(rank="race", budget=300, steps=300), SettingsError, "steps: is for"),
        (lambda: ftso_cli.search_topology(seeds="0-1", workers=0), SettingsError, "workers must be at least 1, not 0"),
        (lambda: ftso_cli.search_topology(rank="bet"), SettingsError, "did you mean beta"),
        (lambda: ftso_cli.search_topology(seeds=[]), SettingsError, "seeds are written as"),
        (lambda: ftso_cli.search_topology(seeds=[-1, 2]), SettingsError, "seeds are written as"),
        (lambda: ftso_cli.search_topology(seed=10**12, iters=1), SettingsError, "seed must be at most 999999999999"),
        (lambda: ftso_cli.search_topology(weight_lr=float("inf")), SettingsError, "must be finite, not inf"),
        (lambda: ftso_cli.search_topology(warmup=float("nan")), SettingsError, "must be finite, not nan"),
        (lambda: ftso_cli.search_operators("darts_v2", strategy="capcity"), SettingsError, "did you mean capacity"),
        (
            lambda: ftso_cli.search_operators("darts_v2", strategy="capacity", keep_weights=True),
            SettingsError,
            "keep_weights: is for a search by gradient, not for a search by capacity: leave it out",
        ),
        (
            lambda: ftso_cli.search_operators("darts_v2", strategy="capacity", recipe="imagenet"),
            SettingsError,
            "recipe",
        ),
        (lambda: ftso_cli.search_operators("darts_v2", track="eigen"), SettingsError, "did you mean eigenvalue"),
        (lambda: ftso_cli.search_operators("darts_v2", every=0), SettingsError, "every must be at least 1, not 0"),
        (lambda: ftso_cli.search_baseline("pcdarts"), SettingsError, "did you mean pc-darts"),
        (lambda: ftso_cli.search_baseline("random", track="eigenvalue"), SettingsError, "track: a random search"),
        (lambda: ftso_cli.cost("darts_v2", setting="imagnet"), SettingsError, "did you mean imagenet"),
        (lambda: ftso_cli.cost("darts_v2", channels=4, fit_macs=10**6), SettingsError, "leave channels out"),
        (lambda: ftso_cli.draw("darts_v2", "cell.gif"), DrawingError, "unknown picture suffix"),
        (lambda: ftso_cli.train(), SettingsError, "give the folder of your images"),
        (lambda: ftso_cli.train("darts_v2", resume="run"), SettingsError, "give resume alone"),
        (lambda: ftso_cli.train("darts_v2", save_minutes=-1), SettingsError, "save every must be at least 0"),
        (lambda: ftso_cli.search_topology(3, iters=1), SettingsError, "a value of another type"),
        (lambda: ftso_cli.search_topology(preset={}), SettingsError, "a value of another type"),
        (lambda: ftso_cli.search_topology(op=3), SettingsError, "a value of another type"),
        (lambda: ftso_cli.train("darts_v2", epoch=1), SettingsError, "did you mean epochs"),
        (lambda: ftso_cli.train("darts_v2", rate=float("inf")), SettingsError, "must be finite, not inf"),
        (lambda: ftso_cli.train("darts_v2", precision="half"), SettingsError, "precision"),
        (lambda: ftso_cli.train("darts_v2", seed=-1), SettingsError, "seed must be at least 0, not -1"),
        (lambda: ftso_cli.train("darts_v2", device="meta"), SettingsError, "'meta' is not available here"),
    ],
)
def test_a_wrong_request_says_what_is_wrong(call: Any, kind: type[FtsoError], says: str) -> None:
    with pytest.raises(kind, match=says):
        call()


def test_a_search_is_resumed_on_images_of_the_same_size_alone(topology: Genotype, tmp_path: Path) -> None:
    def stop(done: int, total: int, figures: str = "") -> None:
        signal.raise_signal(signal.SIGINT)

    wiring = ftso_cli.prune(topology)
    asked = {"iters": 2, "ops": "skip_connect,max_pool_3x3", "run": tmp_path, **SMALL}
    with pytest.raises(KeyboardInterrupt):
        ftso_cli.search_operators(wiring, progress=stop, **asked)
    with pytest.raises(RunError, match=r"image_size \[8, 8\], not \[16, 16\]"):
        ftso_cli.search_operators(wiring, resume=True, image_size=16, **asked)


def test_a_race_is_resumed_on_images_of_the_same_size_alone(tmp_path: Path) -> None:
    def stop(done: int, total: int, figures: str = "") -> None:
        raise ZeroDivisionError

    def race(image_size: int | None, *, resume: bool = False) -> None:
        settings = RaceSettings(steps=400, channels=2, cells=2)
        output = tmp_path / "cell.json"
        task = Task(command="race", data="digits", image_size=image_size, settings=settings, seed=0, output=output)
        run_race(RaceSearch(task, settings, Listener(stop), resume=resume))

    with pytest.raises(ZeroDivisionError):
        race(None)
    with pytest.raises(RunError, match=r"image_size \[8, 8\], not \[16, 16\]"):
        race(16, resume=True)


def test_a_genotype_that_is_not_ready_is_told_with_the_way_on(topology: Genotype) -> None:
    with pytest.raises(GenotypeError, match=r"^the genotype: is not pruned, .* run: ftso prune FILE$"):
        ftso_cli.train(topology)


def test_a_genotype_survives_writing_and_reading(cell: Genotype, tmp_path: Path) -> None:
    ftso_cli.write(cell, tmp_path / "cell.json")
    assert ftso_cli.read(tmp_path / "cell.json") == cell == storage.read_genotype(tmp_path / "cell.json")
    assert ftso_cli.read(cell) is cell
