"""A cell as its user has it after an afternoon: searched, pruned, given operators, trained. All of it is real."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ftso_cli.cli.app import app
from tests.images import write_folder

SMALL = ("--channels", "4", "--cells", "3", "--batch-size", "8", "--iters", "3", "--every", "1")


def ftso(*args: str | Path) -> Result:
    """A command, which must succeed."""
    result = CliRunner().invoke(app, [str(arg) for arg in args])
    assert result.exit_code == 0, result.output
    return result


@pytest.fixture(scope="session")
def afternoon(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with cell.json, the folders of its two searches beside it, its training in `run`, and the images."""
    folder = tmp_path_factory.mktemp("afternoon")
    data = ("--data", write_folder(folder / "photos"))
    cell = folder / "cell.json"
    history = folder / "cell.search-topology"
    ftso("search-topology", *data, *SMALL, "--op", "max_pool_3x3", "--nodes", "3", "--run", history, "-o", cell)
    ftso("prune", cell)
    ftso("search-ops", cell, *data, *SMALL, "--ops", "skip_connect,sep_conv_3x3,none", "--track", "eigenvalue")
    shape = ("--channels", "4", "--cells", "3", "--epochs", "2", "--batch-size", "8")
    ftso("train", cell, *data, *shape, "-o", folder / "run")
    return folder
