"""Advice after a training: each rule by a planted curve or confusion, and real trainings that show one."""

import json
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ftso_cli.cli.app import app
from ftso_cli.settings.recipes import RECIPES, Recipe
from ftso_cli.settings.requests.train import TrainRequest
from ftso_cli.training.run import Epoch
from ftso_cli.training.testing.advice import Finished, advise
from ftso_cli.training.testing.answers import ImageAnswer
from ftso_cli.training.testing.class_scores import Confusion
from tests.images import write_folder

QUICK = RECIPES["quick"]
GOOD = [[480, 20], [20, 480]]


def curve(training: Sequence[float], validation: Sequence[float | None] = ()) -> list[Epoch]:
    validated = [*validation, *[None] * (len(training) - len(validation))]
    return [
        Epoch(epoch=at + 1, rate=0.1, drop_path=0, loss=1, accuracy=share, seconds=1, val_loss=1, val_accuracy=held)
        for at, (share, held) in enumerate(zip(training, validated, strict=True))
    ]


FLAT = curve([0.96] * 10, [0.95] * 10)


def told(
    epochs: Sequence[Epoch],
    confusion: Sequence[Sequence[int]] = GOOD,
    *,
    recipe: Recipe = QUICK,
    trained: Sequence[int] = (),
    answers: Sequence[ImageAnswer] = (),
) -> list[tuple[str, str]]:
    """What is advised for classes called cat, dog, cow, emu: each text with its command, but for `ftso train -c`."""
    table = Confusion(classes=("cat", "dog", "cow", "emu")[: len(confusion)], counts=confusion)
    finished = Finished(
        folder=Path("my runs/a"), epochs=epochs, recipe=recipe, table=table, trained=trained, answers=answers
    )
    start = "ftso train --config 'my runs/a/config.json' "
    found = advise(finished)
    assert all(one.command.startswith(start) or not one.command for one in found) and len(found) <= 3
    return [(one.text, one.command.removeprefix(start)) for one in found]


def test_a_training_without_faults_gets_no_advice() -> None:
    assert told(FLAT) == []


def test_an_accuracy_that_still_rises_asks_for_more_time() -> None:
    rising = [0.5, 0.6, 0.7, 0.74, 0.78, 0.81, 0.84, 0.87, 0.9, 0.93]
    text = "The accuracy on the validation images was still rising at the end: train for longer"
    assert told(curve([0.95] * 10, rising)) == [(text, "--epochs 24")]
    text = "The accuracy in training was still rising at the end: train for longer"
    assert told(curve(rising)) == [(text, "--epochs 24")]
    level = [0.5, 0.6, 0.7, 0.8, 0.9, 0.93, 0.935, 0.94, 0.938, 0.941]
    assert told(curve([0.95] * 10, level)) == []
    assert told(curve([0.5], [0.9])) == [] or "rising" not in told(curve([0.5], [0.9]))[0][0]


def test_a_training_with_a_time_is_given_twice_that_time() -> None:
    table = Confusion(classes=("cat", "dog"), counts=GOOD)
    rising = curve([0.5, 0.6, 0.7, 0.8, 0.9])
    (advice,) = advise(Finished(folder=Path("a"), epochs=rising, recipe=QUICK, table=table, time=600.0))
    assert advice.command == "ftso train --config a/config.json --time 20m"
    planned = Finished(folder=Path("a"), epochs=rising, recipe=QUICK, table=table, time=600.0, planned=True)
    assert advise(planned)[0].command == "ftso train --config a/config.json --recipe auto --time 20m"
    low = replace(planned, epochs=curve([0.7] * 10, [0.68] * 10))
    assert advise(low)[0].command == "ftso train --config a/config.json --recipe auto --time 20m"
    assert advise(replace(low, time=None))[0].command == "ftso train --config a/config.json --channels 32"


def test_time_comes_before_images_of_rare_classes_and_one_epoch_is_too_little() -> None:
    rising = [0.5, 0.6, 0.7, 0.74, 0.78, 0.81, 0.84, 0.87, 0.9, 0.93]
    balanced = replace(QUICK, balance="loss")
    rare = [[390, 10, 0], [10, 390, 0], [20, 20, 0]]
    found = told(curve([0.95] * 10, rising), rare, recipe=balanced, trained=(1600, 1600, 160))
    longer, images = (text for text, _ in found if "rising" in text or "add images" in text)
    assert "rising" in longer and "add images" in images
    ((text, command),) = told(curve([0.96], [0.95]))
    assert text == "One epoch teaches little: train for longer" and command == "--epochs 24"


def test_a_network_below_the_commonest_class_has_learnt_nothing_by_heart() -> None:
    assert not any("by heart" in text for text, _ in told(curve([0.45] * 10, [0.03] * 10), [[0, 500], [100, 0]]))


def test_what_is_learnt_by_heart_asks_for_stronger_augmentation_and_more_images() -> None:
    apart = curve([0.99] * 10, [0.8] * 10)
    ((text, command),) = told(apart)
    assert text.startswith("99% right in training and 80% on the validation images, which is learnt by heart: augment")
    assert "--from RUN" in text and command == "--augmentation strong"
    ((text, command),) = told(apart, recipe=replace(QUICK, augmentation="strong"))
    assert "add images" in text and command == ""
    ((text, command),) = told(curve([0.99] * 10), [[350, 150], [10, 490]])
    assert "84% on the test images" in text and command == "--augmentation strong"
    assert told(apart, recipe=replace(QUICK, mixup=0.2)) == []


def test_a_network_that_does_not_learn_its_own_images_asks_for_a_larger_one() -> None:
    ((text, command),) = told(curve([0.7] * 10, [0.68] * 10))
    assert text.startswith("Only 70% right in training itself") and command == "--channels 32"
    ((text, command),) = told(curve([0.7] * 10, [0.5] * 10))
    assert text.startswith("Only 70% right in training itself") and command == "--channels 32"


def test_a_rare_class_that_is_never_answered_asks_for_balance() -> None:
    confusion = [[480, 20, 0], [20, 480, 0], [10, 20, 0]]
    ((text, command),) = told(FLAT, confusion, trained=(600, 600, 40))
    assert text == "'cow' (40 images): never answered, and the commonest class has 600 images: balance the classes"
    assert command == "--balance loss"
    assert told(FLAT, confusion)[0][1] == "--balance loss"
    ((text, command),) = told(FLAT, confusion, trained=(600, 600, 40), recipe=replace(QUICK, balance="loss"))
    assert text.endswith("add images of the rare ones") and command == ""


def test_a_rare_class_whose_recall_is_far_below_asks_for_balance_and_a_common_one_does_not() -> None:
    confusion = [[480, 20, 0], [20, 480, 0], [10, 15, 5]]
    assert "'cow' (40 images): seldom found" in told(FLAT, confusion, trained=(600, 600, 40))[0][0]
    assert told(FLAT, confusion, trained=(600, 600, 600)) == []


def test_classes_that_are_taken_for_each_other_ask_for_a_look_at_their_labels() -> None:
    answers = [
        ImageAnswer(image=name, truth=truth, answer=answer, confidence=confidence, truth_probability=0.1)
        for name, truth, answer, confidence in (
            ("cat/1.png", 0, 1, 0.6),
            ("dog/2.png", 1, 0, 0.9),
            ("cow/3.png", 2, 0, 0.99),
            ("cat/4.png", 0, 0, 0.99),
        )
    ]
    confusion = [[400, 100, 0], [80, 420, 0], [5, 0, 495]]
    ((text, command),) = told(FLAT, confusion, answers=answers)
    assert text == (
        "'cat' and 'dog' are taken for each other: 100 of 500, and 80 of 500; look at the labels, "
        "first of dog/2.png, cat/1.png"
    )
    assert command == "" and told(FLAT, [[400, 100], [0, 500]]) == []


def test_few_test_images_are_told() -> None:
    ((text, command),) = told(FLAT, [[19, 1], [1, 19]])
    assert text == "40 test images tell the accuracy to between 83% and 99%: test on more to compare networks"
    assert command == ""


def test_answers_at_chance_come_first_and_one_command_is_told_once() -> None:
    found = told(curve([0.3, 0.4, 0.5, 0.6, 0.7]), [[10, 40], [10, 40]])
    assert found[0][0].startswith("No better than always answering 'cat': train for longer")
    assert [command for _, command in found].count("--epochs 24") == 1


def test_every_command_that_is_advised_is_one() -> None:
    """As their options are read, beside a run whose settings they repeat."""
    cases = (
        told(curve([0.7] * 10, [0.68] * 10)),
        told(curve([0.99] * 10, [0.8] * 10)),
        told(curve([0.3, 0.4, 0.5]), [[10, 40, 0], [10, 40, 0], [2, 2, 0]], trained=(600, 600, 40)),
    )
    for command in {command for case in cases for _, command in case if command}:
        name, value = shlex.split(command)
        option = name.removeprefix("--")
        TrainRequest(cell="ftso_residual", **{option: int(value) if value.isdigit() else value})


def ftso(*args: str | Path) -> Result:
    result = CliRunner().invoke(app, [str(arg) for arg in args])
    assert result.exit_code == 0, result.output
    return result


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """A run of one epoch, which has learnt nothing yet, and what was said at its end."""
    folder = tmp_path_factory.mktemp("advice")
    data = write_folder(folder / "photos", train=12, test=4)
    options = ["--channels", "4", "--cells", "2", "--batch-size", "12", "--epochs", "1", "--rate", "0.0001"]
    return folder / "run", ftso("train", "ftso_residual", "--data", data, *options, "-o", folder / "run")


def test_a_training_of_one_epoch_is_told_to_be_longer(trained: tuple[Path, Result]) -> None:
    run, said = trained
    assert "what may help\n- No better than always answering 'blue'" in said.stdout
    assert f"    ftso train --config {run}/config.json --epochs 2\n" in said.stdout


def test_json_has_the_advice(trained: tuple[Path, Result]) -> None:
    found = json.loads(ftso("train", "--resume", trained[0], "--json").stdout)["advice"]
    assert found[0]["command"].endswith("--epochs 2") and found[0]["text"].startswith("No better than")
