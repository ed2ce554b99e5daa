"""The commands on the page do the same again."""

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ftso_cli.cli.app import COMMANDS
from ftso_cli.genotype import Genotype, Step, Times, library, storage
from ftso_cli.report.commands import MODELS, OF_IMPORT, commands, train_command
from ftso_cli.report.run.trained import read_trained_run
from ftso_cli.texts import last_name
from tests.report.conftest import ftso


def same_work(genotype: Genotype) -> Genotype:
    """Without its times, and with images by the name of their folder."""
    named = [each.model_copy(update={"data": last_name(each.data) if each.data else None}) for each in genotype.history]
    return genotype.model_copy(update={"times": (), "history": tuple(named)})


def test_a_history_done_again_in_its_folder_gives_the_same_genotype(
    afternoon: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = afternoon / "cell.json"
    monkeypatch.chdir(afternoon)
    for command in commands(storage.read_genotype(cell), str(cell)):
        ftso(*shlex.split(command)[1:])
    again = storage.read_genotype(afternoon / "cell-again.json")
    assert same_work(again) == same_work(storage.read_genotype(cell))


def test_a_training_done_again_has_the_same_settings(
    afternoon: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = read_trained_run(afternoon / "run")
    monkeypatch.chdir(afternoon)
    command = train_command(training)
    assert "--recipe quick --epochs 2 --channels 4 --cells 3 --batch-size 8" in command and "--momentum" not in command
    ftso(*shlex.split(command)[1:], "-o", tmp_path / "again")
    again = read_trained_run(tmp_path / "again")
    assert again.config == training.config and again.genotype == training.genotype
    assert again.result == training.result


def test_an_augmentation_is_repeated_with_its_cutout(afternoon: Path) -> None:
    training = read_trained_run(afternoon / "run")
    recipe = replace(training.config.recipe, augmentation="light")
    told = train_command(replace(training, config=training.config.model_copy(update={"recipe": recipe})))
    assert f"--cutout {recipe.cutout:g} --augmentation light" in told


def test_every_option_that_an_import_is_given_is_one_of_its_own() -> None:
    known = {option for param in COMMANDS["import"].load("import").params for option in param.opts}
    assert {f"--{name.replace('_', '-')}" for name in OF_IMPORT} <= known


@pytest.mark.parametrize("command", MODELS)
def test_the_options_of_a_command_are_those_of_its_settings(command: str) -> None:
    name = {"race": "search-topology", "capacity": "search-ops"}.get(command, command)
    ((_, function),) = COMMANDS[name].functions(name).items()
    assert function.model is MODELS[command]  # type: ignore[attr-defined]


def step(command: str, **settings: Any) -> Genotype:
    genotype = library.load_genotype("darts_v2").replace(about=None)
    seed = settings.pop("seed", None)
    notes = settings.pop("notes", ())
    done = Step(command=command, settings=settings, seed=seed, data="my photos", notes=notes)
    return genotype.with_step(done, Times(started=""))


@pytest.mark.parametrize(
    ("genotype", "command"),
    [
        (
            step("search-topology", rank="race", op="sep_conv_3x3", nodes=4, steps=900, side=16, seed=3),
            "ftso search-topology --data 'my photos' --op sep_conv_3x3 --rank race --nodes 4 --budget 900 --seed 3 "
            "-o x-again.json",
        ),
        (
            step("search-ops", strategy="capacity", ops=["none", "skip_connect"], slack=1.5, seed=0),
            "ftso search-ops x-again.json --data 'my photos' --strategy capacity --ops none,skip_connect --slack 1.5 "
            "--seed 0",
        ),
        (
            step("search", method="pc-darts", stem="imagenet", seed=1, notes=("stopped at iteration 7: it jumped",)),
            "ftso search --data 'my photos' --method pc-darts --recipe imagenet --early-stop eigenvalue --seed 1 "
            "-o x-again.json",
        ),
        (
            step("assign-ops", op="sep_conv_3x3", wiring="darts_v2", map=["reduce:0-2=skip_connect"]),
            "ftso assign-ops darts_v2 --data 'my photos' --op sep_conv_3x3 --map reduce:0-2=skip_connect "
            "-o x-again.json",
        ),
    ],
    ids=["race", "capacity", "early stop on ImageNet", "another wiring"],
)
def test_a_step_is_written_as_its_command(genotype: Genotype, command: str) -> None:
    assert commands(genotype, "x.json") == (command,)


HOSTILE = (
    "-o.bashrc",
    "--output=x",
    "a; touch X",
    "$(touch X)",
    "`touch X`",
    "a\ntouch X",
    "it's",
    "\\'$(touch X)\"'",
    "",
)


@pytest.mark.parametrize("value", HOSTILE)
def test_no_value_of_a_history_becomes_an_option_or_a_second_command(value: str) -> None:
    for genotype in (step("prune", wiring=value, keep=value), step("assign-ops", op=value, map={value: [value]})):
        (command,) = commands(genotype, "x.json")
        words = shlex.split(command)
        assert command.isprintable() and words[:2] == ["ftso", genotype.history[0].command]
        known = ("--data", "--keep", "--op", "--map", "-o")
        assert all(word.partition("=")[0] in known for word in words if word.startswith("-"))


@pytest.mark.parametrize(
    "name", ["prune; touch X #", "assign-ops\ntouch X", "export", "sweep", "train", "rm", "-h", " prune"]
)
def test_a_step_that_is_no_command_of_ftsos_histories_has_none(name: str) -> None:
    assert commands(step(name, wiring="x"), "x.json") == ("",)


def test_commands_of_a_page_have_no_absolute_path(afternoon: Path) -> None:
    told = [*commands(storage.read_genotype(afternoon / "cell.json"), str(afternoon / "cell.json"))]
    told.append(train_command(read_trained_run(afternoon / "run")))
    assert not any(str(afternoon) in command for command in told)
    assert "--data photos" in told[-1] and "ftso train run/genotype.json " in told[-1]
