"""Two processes on a CPU search as one does, and end together."""

import csv
import signal
import subprocess
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from ftso_cli.cli.app import app
from ftso_cli.genotype import storage
from ftso_cli.nn.checkpoint import read_tensors
from ftso_cli.nn.distributed import ALONE, Group
from ftso_cli.search.phases import Search
from ftso_cli.search.recording.history import Record
from ftso_cli.search.recording.options import Recording
from ftso_cli.search.recording.recorder import Recorder
from tests.forks import run_ftso, signalled
from tests.pairs import code_in_two, killed_in_two
from tests.processes import HANG, ROOT, TORCHRUN, environment
from tests.search.searches import BY_GRADIENT, search, wiring

GENERAL = "topology, edge by edge"
NAMES = (*BY_GRADIENT, GENERAL)
TRACKED = ("topology", GENERAL)

WORKER = """
import sys
from ftso_cli.nn.checkpoint import write_tensors
from ftso_cli.nn.distributed import launched
from tests.search.test_distributed import NAMES, file_of, states

with launched() as group:
    tensors = {f"{name}, {step}": state for name in NAMES for step, state in enumerate(states(name, group))}
    write_tensors(tensors, file_of(sys.argv[1], group.rank))
"""


def file_of(folder: str | Path, rank: int) -> Path:
    return Path(folder) / f"rank{rank}.safetensors"


def made(name: str, group: Group) -> Search:
    """The search in double precision, in which rounding stays small."""
    changes = {"engine": "general"} if name == GENERAL else {}
    found = search("topology" if name == GENERAL else name, group=group, iters=2, **changes)
    network(found).double()
    return found


def network(found: Search) -> torch.nn.Module:
    return found.engine.net


def states(name: str, group: Group = ALONE) -> list[torch.Tensor]:
    """Side by side, after each step: weights, α, β, statistics of batch norm, losses, in some the curvature."""
    found, kept = made(name, group), []

    def keep(record: Record) -> None:
        values = [record.weight_loss, record.arch_loss or 0.0, record.eigenvalue or 0.0]
        tensors = [*network(found).state_dict().values(), torch.tensor(values)]
        kept.append(torch.cat([tensor.double().flatten() for tensor in tensors]))

    recorder = Recorder(found, Recording(every=1, track=name in TRACKED), {})
    recorder.begin(resume=False)
    recorder.run(lambda progress: None, keep)
    return kept


def test_two_processes_hold_equal_states_at_every_step_which_are_those_of_one(tmp_path: Path) -> None:
    both = code_in_two(WORKER, tmp_path)
    assert [ended.status for ended in both] == [0, 0], both
    first, second = (read_tensors(file_of(tmp_path, rank))[0] for rank in range(2))
    for name in NAMES:
        for step, alone in enumerate(states(name)):
            at = f"{name}, {step}"
            assert torch.equal(first[at], second[at]), at
            torch.testing.assert_close(first[at], alone, rtol=1e-9, atol=1e-10)


ASKED = ["search", "--method", "pc-darts", "--channels", "4", "--cells", "3", "--nodes", "2", "--iters", "8"]
ASKED += ["--batch-size", "120", "--ops", "skip_connect,max_pool_3x3", "--save-every", "0"]


def test_one_process_and_two_go_on_with_each_others_searches_and_a_kill_ends_both_of_two(tmp_path: Path) -> None:
    asked = [*ASKED, "-o", str(tmp_path / "cell.json")]
    last, metrics = (tmp_path / "cell.search" / name for name in ("checkpoint.safetensors", "metrics.csv"))
    assert signalled(asked, last.with_name("checkpoint-before.safetensors"), 2).returncode == -signal.SIGKILL
    last.write_bytes(last.read_bytes()[:-40])
    both = killed_in_two([*asked, "--resume"], metrics, 2)
    assert [ended.status for ended in both] == [1, -signal.SIGKILL]
    text = "".join(ended.err for ended in both)
    assert text.count("going on from the checkpoint before it") == text.count("going on after iteration") == 1
    assert text.count("error: ") == 1 and "give the same command with --resume" in text
    done = run_ftso(*asked, "--resume")
    assert done.returncode == 0 and b"going on after iteration" in done.stderr
    whole = CliRunner().invoke(app, [*ASKED, "-o", str(tmp_path / "whole.json")])
    assert whole.exit_code == 0
    tables = [(tmp_path / f"{name}.search" / "metrics.csv").read_text().splitlines() for name in ("cell", "whole")]
    last_row, expected = (
        [float(value) for value in list(csv.DictReader(table))[-1].values() if value] for table in tables
    )
    assert last_row == pytest.approx(expected, rel=0.02)


def test_wrong_use_of_several_processes_is_told_once(tmp_path: Path) -> None:
    """The second process leaves it to the first, which torchrun ends both with."""
    asked = ["-m", "ftso_cli", "search", "-m", "darts-1st", "--batch-size", "65", "-o", str(tmp_path / "cell.json")]
    done = subprocess.run(
        [*TORCHRUN, *asked], cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=HANG
    )
    assert done.returncode != 0
    assert done.stderr.count("error: ") == 1 and "use --batch-size 64" in done.stderr


def test_a_process_that_fails_alone_says_so() -> None:
    """Without the first, for which it waits a while."""
    done = run_ftso("search-ops", "nowhere.json", env={"WORLD_SIZE": "2", "RANK": "1"})
    assert done.returncode == 1 and done.stderr.startswith(b"error: process 1: 'nowhere.json': no such file")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["search-topology", "--seeds", "0-3"], "an ensemble of seeds runs in one process"),
        (["search-topology", "--rank", "race"], "a race runs in one process"),
        (["search-ops", "CELL", "--strategy", "capacity"], "--strategy capacity trains small networks"),
    ],
)
def test_what_runs_in_one_process_is_refused(asked: list[str], said: str, tmp_path: Path) -> None:
    cell, output = tmp_path / "cell.json", tmp_path / "found.json"
    storage.write_genotype(wiring(), cell)
    command = [str(cell) if word == "CELL" else word for word in asked]
    result = CliRunner().invoke(app, [*command, "-o", str(output)], env={"WORLD_SIZE": "2", "RANK": "0"})
    assert result.exit_code == 1 and said in result.stderr and "without torchrun" in result.stderr
    assert not output.exists()
