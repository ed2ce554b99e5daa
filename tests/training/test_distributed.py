"""Two processes on a CPU train as one does, and end together; `torchrun` starts them as a user would."""

import subprocess
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from ftso_cli.data import Augmentation, Batches, open_images
from ftso_cli.errors import DataError
from ftso_cli.genotype import library
from ftso_cli.nn.checkpoint import read_tensors
from ftso_cli.settings.recipes import Recipe
from ftso_cli.training.loop import Trainer
from ftso_cli.training.run import Config, Run
from tests.forks import run_ftso
from tests.pairs import code_in_two
from tests.processes import HANG, ROOT, TORCHRUN, environment, killing_sibling

RECIPE = Recipe(
    channels=4,
    cells=3,
    epochs=1,
    batch_size=240,
    rate=0.02,
    drop_path=0.3,
    cutout=0.25,
    augmentation="strong",
    mixup=0.2,
    cutmix=1.0,
    balance="sampling",
    average=0.9,
    validation=0.1,
    keep="best",
)


def test_the_shares_of_two_processes_make_up_the_batch_of_one() -> None:
    data = open_images("digits")
    augment = Augmentation(padding=1, flip=True, cutout=2)
    options = {"normalise": data.normalise, "augment": augment}
    indices = torch.arange(len(data.train))
    whole = Batches(data.train, indices, 64, 3, **options)
    shares = [Batches(data.train, indices, 64, 3, **options, share=(rank, 2)) for rank in range(2)]
    for _ in range(30):
        images, labels = next(whole)
        for rank, share in enumerate(shares):
            mine, mine_labels = next(share)
            assert torch.equal(mine, images[rank::2]) and torch.equal(mine_labels, labels[rank::2])
    with pytest.raises(DataError, match="use --batch-size 63"):
        Batches(data.train, indices, 64, 3, **options, share=(0, 3))


WORKER = """
import sys
from pathlib import Path
from ftso_cli.data import open_images
from ftso_cli.nn.checkpoint import write_tensors
from ftso_cli.nn.distributed import launched
from ftso_cli.training.loop import Trainer
from ftso_cli.training.run import Run

with launched() as group:
    run = Run(Path(sys.argv[1]))
    images = open_images("digits", validation=run.config().recipe.validation)
    trainer = Trainer(run.genotype(), run.config(), images, run, group)
    trainer.train(lambda progress: None, lambda row: None)
    write_tensors(trainer.network.state_dict(), run.folder / f"rank{group.rank}.safetensors")
"""


def trainer_in(folder: Path) -> Trainer:
    data, run = open_images("digits", validation=RECIPE.validation), Run(folder)
    known = {"classes": data.classes, "mean": data.mean, "std": data.std, "image_size": data.image_size}
    config = Config(data="digits", image_channels=1, recipe=RECIPE, seed=1, device="cpu", versions={}, **known)
    run.create(library.load_genotype("darts_v2"), config)
    return Trainer(run.genotype(), config, data, run)


def test_two_processes_hold_equal_weights_which_are_those_of_one(tmp_path: Path) -> None:
    one = trainer_in(tmp_path / "one")
    start = {name: tensor.clone() for name, tensor in one.network.state_dict().items()}
    one.train(lambda progress: None, lambda row: None)
    trainer_in(tmp_path / "two")
    both = code_in_two(WORKER, tmp_path / "two")
    assert [ended.status for ended in both] == [0, 0], both
    first, second = (read_tensors(tmp_path / "two" / f"rank{rank}.safetensors")[0] for rank in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)
    # Rounding grows from step to step, but stays small beside what the steps have changed.
    trained = {name: parameter.detach() for name, parameter in one.network.named_parameters()}
    apart = sum(float((first[name] - tensor).square().sum()) for name, tensor in trained.items())
    moved = sum(float((start[name] - tensor).square().sum()) for name, tensor in trained.items())
    assert apart < 1e-3 * moved
    alone, shared = (Run(tmp_path / name).epochs()[0] for name in ("one", "two"))
    assert alone.loss == pytest.approx(shared.loss, rel=1e-4)
    assert alone.val_loss == pytest.approx(shared.val_loss, rel=1e-2) and alone.val_accuracy is not None
    assert Run(tmp_path / "two").best_file.is_file()


def test_a_killed_process_ends_all_with_an_error_and_a_run_that_goes_on(tmp_path: Path) -> None:
    run, output = tmp_path / "run", tmp_path / "output"
    options = ["--channels", "4", "--cells", "2", "--epochs", "400", "--batch-size", "240", "--auxiliary", "0"]
    asked = ["train", "darts_v2", *options, "-o", run]
    killing = killing_sibling(asked, run / "metrics.csv", 1)
    with output.open("w") as file:
        command = [*TORCHRUN, "--no-python", *killing]
        status = subprocess.run(command, cwd=ROOT, env=environment(), stdout=file, stderr=file, timeout=HANG).returncode
    text = output.read_text()
    assert status != 0 and (run / "metrics.csv").exists(), text
    assert "error: " in text or "Signal 9" in text
    config = (run / "config.json").read_text()
    (run / "config.json").write_text(config.replace('"epochs": 400', '"epochs": 2'))
    # Any number of processes goes on with what two have begun.
    done = run_ftso("train", "--resume", run)
    assert done.returncode == 0, done.stderr
    assert b"going on after epoch" in done.stderr and load_file(run / "weights.safetensors")
