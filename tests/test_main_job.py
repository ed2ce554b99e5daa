"""The main job as the README has it, a process each line, on real CIFAR-10 images."""

import csv
import json
import tarfile
from collections import Counter
from pathlib import Path

import pytest

from tests.forks import run_ftso
from tests.processes import ROOT

ARCHIVE = ROOT.parent / "shared" / "data" / "cifar10-images.tar.gz"
EACH = {"train": 40, "test": 10}


@pytest.fixture(scope="module")
def cifar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few images of each class of CIFAR-10, as <folder>/cifar10/train/CLASS/*.jpg and .../test/CLASS/*.jpg."""
    if not ARCHIVE.exists():
        pytest.skip("the CIFAR-10 images are not beside this checkout")
    folder = tmp_path_factory.mktemp("data")
    taken: Counter[tuple[str, str]] = Counter()
    with tarfile.open(ARCHIVE) as archive:
        for member in archive:
            parts = Path(member.name).parts[-3:]
            if not member.isfile() or taken[parts[:2]] == EACH[parts[0]]:
                continue
            taken[parts[:2]] += 1
            target = folder / "cifar10" / Path(*parts)
            target.parent.mkdir(parents=True, exist_ok=True)
            extracted = archive.extractfile(member)
            assert extracted is not None
            target.write_bytes(extracted.read())
    assert len(taken) == 20
    return folder


def test_the_four_lines_of_the_readme_and_a_training_work_one_after_another(cifar: Path, tmp_path: Path) -> None:
    def ftso(*args: str) -> str:
        done = run_ftso(*args, cwd=tmp_path, env={"FTSO_DATA": str(cifar)})
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    ftso("search-topology", "--data", "cifar10", "--iters", "1", "-o", "cell.json")
    ftso("assign-ops", "cell.json", "--op", "sep_conv_3x3")
    ftso("draw", "cell.json")
    assert "1.91e-08" in ftso("cost", "--n", "7", "--p", "8")
    assert (tmp_path / "cell.svg").read_text().startswith("<?xml")
    exact = json.loads(ftso("cost", "cell.json", "--json"))
    assert "4701718" in json.dumps(exact) and "711665280" in json.dumps(exact)

    small = ["--channels", "8", "--cells", "3", "--batch-size", "25", "--epochs", "8", "--cutout", "0"]
    ftso("train", "cell.json", "--data", "cifar10", *small, "-o", "run")
    losses = [float(row["loss"]) for row in csv.DictReader((tmp_path / "run/metrics.csv").read_text().splitlines())]
    assert len(losses) == 8
    assert losses[-1] < 0.9 * losses[0]
    accuracy = json.loads((tmp_path / "run/result.json").read_text())["test_accuracy"]
    assert json.loads(ftso("evaluate", "run", "--json"))["test_accuracy"] == accuracy
