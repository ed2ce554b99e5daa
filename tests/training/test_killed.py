"""Twenty kills in one training, and a full disk: no work is lost and nothing is left broken."""

import json
from pathlib import Path

from safetensors.torch import load_file

from ftso_cli.training.run import Run
from tests.forks import Trial, forks, run_code, run_ftso

KILLED_TWENTY_TIMES = """
import os, random, signal, sys
from pathlib import Path
from ftso_cli.data import open_images
from ftso_cli.training.loop import Trainer
from ftso_cli.training.run import Run

run, data, moments = Run(Path(sys.argv[1])), open_images("digits"), random.Random(7)
data.train.load_all(lambda done, total: None)

class Killer:
    left = moment = 0
    def __call__(self, event, args):
        if event == self.moment:
            self.left -= 1
            if self.left < 0:
                os.kill(os.getpid(), signal.SIGKILL)

killer = Killer()
sys.addaudithook(killer)

def train():
    trainer = Trainer(run.genotype(), run.config(), data, run)
    if trainer.checkpoints.exist():
        trainer.load_checkpoint()
    trainer.train(lambda progress: sys.audit("step"), lambda row: None)
    trainer.save_weights()

kills = 0
while not run.weights_file.exists():
    if kills < 20:
        # Between two steps, or while one of its files is opened, locked or gets its name; a step opens some.
        killer.moment = moments.choice(("step", "open", "fcntl.flock", "os.rename"))
        killer.left = moments.randint(1, 7)
    else:
        killer.moment = None
    child = os.fork()
    if child == 0:
        train()
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    killed = os.WIFSIGNALED(status)
    assert killed or kills == 20, "the training was over too soon"
    kills += killed
print(kills)
"""


def test_twenty_kills_at_random_moments_lead_to_the_weights_of_an_uninterrupted_training(tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    options = ["--channels", "4", "--cells", "2", "--epochs", "8", "--drop-path", "0.3", "--auxiliary", "0"]
    assert run_ftso("train", "darts_v2", *options, "--save-every", "0", "-o", whole).returncode == 0
    broken.mkdir()
    for name in ("genotype.json", "config.json"):
        (broken / name).write_bytes((whole / name).read_bytes())
    done = run_code(KILLED_TWENTY_TIMES, broken)
    assert done.out == "20\n", done.err
    expected, found = (load_file(run / "weights.safetensors") for run in (whole, broken))
    assert all(expected[name].equal(found[name]) for name in expected)
    rows = [[epoch.model_copy(update={"seconds": 0.0}) for epoch in Run(run).epochs()] for run in (whole, broken)]
    assert rows[0] == rows[1]


def test_a_full_disk_ends_the_training_with_a_line_and_leaves_a_run_that_goes_on(tmp_path: Path) -> None:
    run = tmp_path / "run"
    options = ["--channels", "4", "--cells", "2", "--batch-size", "256", "--auxiliary", "0"]
    assert run_ftso("train", "darts_v2", *options, "--epochs", "1", "-o", run).returncode == 0
    config = json.loads((run / "config.json").read_text())
    config["recipe"]["epochs"] = 2
    (run / "config.json").write_text(json.dumps(config))
    resume = ["train", "--resume", str(run)]
    full = forks().run(Trial(args=resume, folder=str(tmp_path), largest=20_000))
    assert full.status == 1
    last = full.err.splitlines()[-1]
    assert last.startswith("error: ") and "can't be written" in last and "holds all until epoch 1" in last
    assert "Traceback" not in full.err and not list(run.glob(".ftso-*"))
    again = run_ftso(*resume)
    assert again.returncode == 0 and b"going on after epoch 1 of 2" in again.stderr
