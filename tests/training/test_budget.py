"""Time as a budget: plans and cuts from numbers, without a clock, and a command that keeps to a time."""

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ftso_cli.cli.app import app
from ftso_cli.data import ImageData, open_images
from ftso_cli.errors import RunError
from ftso_cli.nn.checkpoint import State, read_tensors
from ftso_cli.settings.config_file import read_config
from ftso_cli.settings.recipes import RECIPES, Recipe, with_epochs
from ftso_cli.training.budget import FINISH, RESERVE, TimeBudget, Work, described, measure, steps_for
from ftso_cli.training.loop import Trainer
from ftso_cli.training.run import Run
from tests.forks import run_ftso
from tests.training.test_loop import Killed, silent, start

SMALL = Recipe(
    channels=2, cells=2, epochs=3, batch_size=256, rate=0.05, auxiliary=0.0, schedule="one-cycle", average=0.9
)


@pytest.fixture(scope="module")
def digits() -> ImageData:
    return open_images("digits")


def test_as_many_whole_epochs_are_planned_as_fit_with_validation_and_the_test() -> None:
    work = Work(epoch=100, validation=5, every=1, test=10)
    steps = steps_for(602, 0.02, work)
    assert steps == 100 * int(((1 - RESERVE) * (602 - FINISH) / 0.02 - 15) / 105)
    assert steps % 100 == 0 and 0.9 * 600 < 0.02 * (1.05 * steps + 15) < 600
    assert steps_for(602, 0.02, work, epochs=30) == 3000
    assert steps_for(602, 0.02, replace(work, validation=50, every=10)) == steps_for(602, 0.02, work) - 100


def test_few_epochs_end_in_a_part_of_one_and_a_large_set_gets_a_part_of_its_first() -> None:
    work = Work(epoch=1000)
    assert 2000 < steps_for(52, 0.02, work) < 2500
    assert 200 < steps_for(12, 0.02, work) < 500
    assert [steps_for(seconds, 0.02, work) for seconds in (2, 0.1, -10)] == [1, 1, 1]


def test_what_was_measured_and_planned_is_one_line() -> None:
    work = Work(epoch=100)
    assert described(3100, 0.0231, work, 64, 600) == "23.1 ms a step of 64 images: 31 epochs in 10 min"
    assert described(240, 0.25, work, 64, 61) == "250 ms a step of 64 images: 2.4 epochs, 240 steps, in 61 s"
    assert described(100, 2, work, 8, 3600) == "2 s a step of 8 images: 1 epoch in 60 min"


class Clock:
    """Seconds that only the test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def ends(pace_of: Callable[[int], float], deadline: float, planned: int, work: Work, every: int = 10) -> list[int]:
    """The ends that a training is given one after another, whose steps take `pace_of` seconds, and its seconds."""
    clock, step, found = Clock(), 0, [planned]
    budget = TimeBudget(deadline, work, clock)
    while step < found[-1]:
        if step % every == 0:
            end = budget.end(step, found[-1], planned)
            found += [end] if end != found[-1] else []
        clock.now += pace_of(step)
        step += 1
    return [*found, round(clock.now)]


def test_a_steady_machine_trains_as_planned_and_a_slower_one_ends_in_time() -> None:
    work = Work(epoch=100, test=20)
    assert ends(lambda step: 0.1, 108, 1000, work)[:-1] == [1000]
    *found, seconds = ends(lambda step: 0.1 if step < 300 else 0.2, 108, 1000, work)
    assert 600 <= found[-1] < 680 and 80 < seconds <= 108
    *found, seconds = ends(lambda step: 0.1 if step < 900 else 1.0, 108, 1000, work)
    assert 900 < found[-1] < 1000 and seconds <= 1.1 * 108


def test_a_machine_that_is_busy_for_a_while_gets_its_epochs_back() -> None:
    *found, seconds = ends(lambda step: 0.2 if 200 <= step < 250 else 0.1, 108, 1000, Work(epoch=100))
    assert min(found) < 900 and found[-1] > 930 and seconds <= 108


def test_cuts_fall_on_the_end_of_an_epoch_where_little_is_lost_and_the_next_step_where_time_is_up() -> None:
    clock = Clock()
    budget = TimeBudget(92, Work(epoch=30), clock)
    assert budget.end(0, 1000, 1000) == 1000
    clock.now = 10
    assert budget.end(100, 900, 1000) == 900
    assert budget.end(100, 1000, 1000) == 870
    clock.now = 200
    assert budget.end(110, 880, 1000) == 111


def trained(folder: Path, data: ImageData, slow_from: int) -> tuple[Trainer, Callable[[object], None]]:
    """A training with a time, and what makes its clock slow from a step on."""
    trainer, clock = start(folder, data, SMALL), Clock()
    config = trainer.config.model_copy(update={"time": 20.0})
    trainer.run.config_file.write_text(config.model_dump_json())
    trainer = Trainer(trainer.genotype, config, data, trainer.run)
    trainer.budget = TimeBudget(33.0, Work.of(trainer), clock)

    def on_step(progress: object) -> None:
        clock.now += 1 if trainer.sums.steps + 5 * len(trainer.rows) < slow_from else 3

    return trainer, on_step


def test_a_training_that_is_cut_runs_its_schedule_to_the_end_and_goes_on_so_after_a_kill(
    tmp_path: Path, digits: ImageData
) -> None:
    whole, slower = trained(tmp_path / "whole", digits, slow_from=2)
    rates: list[float] = []
    known_at: list[int] = []
    """The steps after which the end is known."""

    def note(progress) -> None:
        rates.append(whole.optimizer.param_groups[0]["lr"])
        if not known_at or ends_at[-1] != whole.course.end:
            known_at.append(len(rates))
            ends_at.append(whole.course.end)
        slower(progress)

    ends_at: list[int] = []
    whole.train(note, silent)
    end = whole.course.end
    assert ends_at[0] == 15 and known_at[-1] < end
    assert 5 < end < 13 and len(rates) == end and len(whole.rows) == whole.epochs == -(-end // 5)
    assert rates[-1] < 0.2 * SMALL.rate and all(a > b for a, b in pairwise(rates[4:]))
    broken, slower = trained(tmp_path / "broken", digits, slow_from=2)

    def kill(progress) -> None:
        slower(progress)
        if 5 * progress.epoch + progress.step == known_at[-1]:
            broken.save_checkpoint()
            raise Killed

    with pytest.raises(Killed):
        broken.train(kill, silent)
    resumed = Trainer(broken.run.genotype(), broken.run.config(), digits, broken.run)
    resumed.load_checkpoint()
    assert resumed.course == whole.course != broken.planned
    resumed.train(silent, silent)
    assert whole.average is not None and resumed.average is not None
    expected, found = whole.average.state_dict(), resumed.average.state_dict()
    assert all(tensor.equal(found[name]) for name, tensor in expected.items())
    again = Trainer(resumed.run.genotype(), resumed.run.config(), digits, resumed.run)
    again.load_checkpoint()
    assert again.finished


@pytest.mark.parametrize("change", [{"end": 16}, {"end": 0}, {"since": 99}, {"place": -1.0}, {"length": 10}])
def test_a_course_that_no_training_has_is_refused(tmp_path: Path, digits: ImageData, change: dict[str, float]) -> None:
    trainer, slower = trained(tmp_path, digits, slow_from=2)
    trainer.train(slower, silent)
    state, _ = trainer.checkpoints.read()
    values = {**state.values, "course": {**state.values["course"], **change}}
    trainer.checkpoints.write(State(tensors=state.tensors, values=values))
    with pytest.raises(RunError, match="not a checkpoint of this network"):
        Trainer(trainer.genotype, trainer.config, digits, trainer.run).load_checkpoint()


def test_measuring_leaves_no_trace_in_the_training(tmp_path: Path, digits: ImageData) -> None:
    first, second = start(tmp_path / "first", digits, SMALL), start(tmp_path / "second", digits, SMALL)
    assert measure(Trainer(second.genotype, second.config, digits, second.run), 1.0) > 0
    first.train(silent, silent)
    second.train(silent, silent)
    expected, found = first.network.state_dict(), second.network.state_dict()
    assert all(tensor.equal(found[name]) for name, tensor in expected.items())


def test_a_warm_up_keeps_its_share_of_fewer_epochs() -> None:
    imagenet = RECIPES["imagenet"]
    assert [with_epochs(imagenet, epochs).warmup for epochs in (250, 100, 9, 1)] == [5, 5, 0, 0]


def test_train_keeps_to_a_time_and_leaves_a_run_of_so_many_epochs(tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    options = ["--channels", "2", "--cells", "2", "--batch-size", "256", "--auxiliary", "0", "--validation", "0.1"]
    done = run_ftso("train", "darts_v2", "--data", "digits", *options, "--time", "5s", "-o", run.folder)
    assert done.returncode == 0, done.stderr
    assert b"a step of 256 images: " in done.stderr and b" in 5 s" in done.stderr
    config = run.config()
    assert config.time == 5 and 1 <= len(run.epochs()) <= config.recipe.epochs
    assert run.result() is not None and run.epochs()[-1].val_accuracy is not None
    again = run_ftso("train", "--resume", run.folder)
    assert again.returncode == 0, again.stderr


def test_a_run_with_a_time_that_is_repeated_takes_its_epochs_and_no_time(tmp_path: Path, digits: ImageData) -> None:
    first, second = tmp_path / "first", Run(tmp_path / "second")
    trainer = start(first, digits, replace(SMALL, epochs=2))
    timed = trainer.config.model_copy(update={"time": 600.0, "total_steps": 7, "data": "digits"})
    trainer.run.config_file.write_text(timed.model_dump_json())
    trainer = Trainer(trainer.genotype, timed, digits, trainer.run)
    trainer.train(silent, silent)
    trainer.save_weights()
    assert [len(trainer.rows), trainer.course.end] == [2, 7]
    result = CliRunner().invoke(app, ["train", "--config", str(first / "config.json"), "-o", str(second.folder)])
    assert result.exit_code == 0, result.output
    config = json.loads(second.config_file.read_text())
    assert (config["recipe"]["epochs"], config["total_steps"], config["time"]) == (2, 7, None)
    expected, found = (read_tensors(run.weights_file)[0] for run in (trainer.run, second))
    assert all(tensor.equal(found[name]) for name, tensor in expected.items())


def test_a_run_that_was_cut_short_takes_all_its_epochs_of_other_images(tmp_path: Path, digits: ImageData) -> None:
    trainer = start(tmp_path / "first", digits, replace(SMALL, epochs=2))
    timed = trainer.config.model_copy(update={"time": 600.0, "total_steps": 7, "data": "digits"})
    trainer.run.config_file.write_text(timed.model_dump_json())
    file = read_config(trainer.run.config_file)
    assert [file.steps_of(timed.recipe, steps) for steps in (3, 4, 6, 7, 700, 0)] == [None, 7, 7, None, None, None]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--time", "10m", "--epochs", "3"], "decides the number of epochs; give --time or --epochs, not both"),
        (["--time", "0s"], "a time is above 0 and at most"),
        (["--time", "10"], "'10' is no time"),
        (["--time", "99999999h"], "at most 1,000,000,000 seconds"),
    ],
)
def test_a_time_that_cannot_be_is_one_line(options: list[str], message: str) -> None:
    result = CliRunner().invoke(app, ["train", "darts_v2", "--data", "digits", *options])
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.replace("│", "").split())
