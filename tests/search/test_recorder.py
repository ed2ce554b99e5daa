"""What is kept of a search, and going on from it."""

import csv
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch

from ftso_cli.errors import RunError
from ftso_cli.genotype import library
from ftso_cli.nn.readings import Reading
from ftso_cli.search.engine.bilevel import Engine, Progress
from ftso_cli.search.phases import Search
from ftso_cli.search.recording.history import History, Record, restored
from ftso_cli.search.recording.options import Recording
from ftso_cli.search.recording.recorder import Recorder
from tests.search.searches import BY_GRADIENT, OPS, search

REQUEST = {"seed": 0}
TRACKED = ("topology", "operators", "pc-darts")
"""The searches whose eigenvalue is followed here: it is one function for all, and takes longer than they do."""


def recorder(name: str, folder: Path | None = None, resume: bool = False, **recording: object) -> Recorder:
    made = Recorder(search(name, iters=6), Recording(folder=folder, **recording), REQUEST)
    made.begin(resume=resume)
    return made


def rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


def stopped(name: str, folder: Path, iterations: int) -> Recorder:
    """A search that Ctrl-C has ended after so many iterations."""

    class Stop(Exception):
        pass

    def count(progress) -> None:
        if progress.iteration == iterations:
            raise Stop

    made = recorder(name, folder, every=2, track=name in TRACKED, save_minutes=0)
    with pytest.raises(Stop):
        made.run(count)
    return made


@pytest.mark.parametrize("name", BY_GRADIENT)
def test_a_search_that_was_killed_goes_on_to_the_same_result_and_the_same_tables(name: str, tmp_path: Path) -> None:
    whole = recorder(name, tmp_path / "whole", every=2, track=name in TRACKED)
    expected = whole.run(lambda progress: None)
    stopped(name, tmp_path / "killed", 4)
    resumed = recorder(name, tmp_path / "killed", resume=True, every=2, track=name in TRACKED)
    assert resumed.engine.iteration == 3
    assert resumed.run(lambda progress: None) == expected
    for table in (tmp_path / "whole").glob("*.csv"):
        assert table.read_text() == (tmp_path / "killed" / table.name).read_text()
    resumed.close()
    assert not list((tmp_path / "killed").glob("checkpoint*"))


def test_recording_changes_nothing_of_what_is_found(tmp_path: Path) -> None:
    plain = search("operators", iters=6).run(lambda progress: None)
    assert recorder("operators", tmp_path, every=2, track=True).run(lambda progress: None) == plain


def test_the_tables_hold_alpha_beta_and_losses_of_every_record(tmp_path: Path) -> None:
    made = recorder("operators", tmp_path, every=3, track=True)
    found = made.run(lambda progress: None)
    metrics, alphas, betas = (rows(tmp_path / f"{name}.csv") for name in ("metrics", "alphas", "betas"))
    assert [row["iteration"] for row in metrics] == ["0", "3", "6"]
    assert metrics[0]["weight_loss"] == "" and float(metrics[1]["weight_loss"]) > 0
    assert float(metrics[2]["eigenvalue"]) != 0 and metrics[2]["edges"] == "8"
    assert len(alphas) == 3 * 8 * len(OPS) and len(betas) == 3 * 8
    edge = found.cells["normal"].kept[0]
    last = {row["operator"]: row for row in alphas if row["iteration"] == "6" and row["cell"] == "normal"
            and (int(row["source"]), int(row["target"])) == (edge.source, edge.target)}  # fmt: skip
    assert {op: float(row["alpha"]) for op, row in last.items()} == edge.alpha
    assert sum(float(row["share"]) for row in last.values()) == pytest.approx(1)


def test_a_jump_of_the_eigenvalue_ends_the_search_with_the_cell_from_before(tmp_path: Path) -> None:
    made = recorder("operators", tmp_path, every=1, early_stop=True)
    architecture = {name: value.detach().clone() for name, value in made.engine.net.named_parameters() if "." in name}
    history = History()
    for at, eigenvalue in enumerate([None, *[1.0] * 8, *[2.0] * 2]):
        alpha = {
            name: torch.zeros_like(value) for name, value in architecture.items() if name[:5] in ("alpha", "beta.")
        }
        favourite = OPS.index("sep_conv_3x3" if at <= 3 else "skip_connect")
        for name in ("alpha.normal", "alpha.reduce"):
            alpha[name][:, favourite] = 1.0
        history = history.with_record(Record(iteration=at, epoch=0, eigenvalue=eigenvalue), alpha)
    made.history = history
    assert made.stopped == 3
    found = made.run(lambda progress: pytest.fail("it was to stop at once"))
    assert {edge.op for cell in found.cells.values() for edge in cell.kept} == {"sep_conv_3x3"}
    assert made.engine.iteration == 0


def test_a_search_that_was_stopped_is_neither_written_over_nor_resumed_by_another_request(tmp_path: Path) -> None:
    stopped("pc-darts", tmp_path, 3)
    with pytest.raises(RunError, match="--resume"):
        recorder("pc-darts", tmp_path)
    other = Recorder(search("pc-darts", iters=6), Recording(folder=tmp_path), {"seed": 1})
    with pytest.raises(RunError, match="seed 0, not 1"):
        other.begin(resume=True)
    with pytest.raises(RunError, match="no search to resume"):
        recorder("pc-darts", tmp_path / "elsewhere", resume=True)


def test_a_damaged_checkpoint_gives_its_place_to_the_one_before(tmp_path: Path) -> None:
    stopped("darts-1st", tmp_path, 4)
    last = tmp_path / "checkpoint.safetensors"
    last.write_bytes(last.read_bytes()[:-40])
    made = Recorder(search("darts-1st", iters=6), Recording(folder=tmp_path, every=2, track=True), REQUEST)
    assert "checkpoint.safetensors" in made.begin(resume=True)
    assert made.engine.iteration == 2
    assert made.run(lambda progress: None) == search("darts-1st", iters=6).run(lambda progress: None)


def test_a_checkpoint_of_another_network_is_refused(tmp_path: Path) -> None:
    stopped("darts-1st", tmp_path, 3)
    other = Recorder(search("darts-1st", iters=6, channels=8), Recording(folder=tmp_path), REQUEST)
    with pytest.raises(RunError, match="not a checkpoint of this search"):
        other.begin(resume=True)


def test_a_history_survives_its_way_through_a_checkpoint() -> None:
    history = History().with_record(Record(iteration=0, epoch=0), {"alpha.normal": torch.ones(2, 3)})
    assert restored(history.records, history.tensors()).metrics() == history.metrics()


class Counting(Engine):
    """A method of one's own: it counts its iterations, and has no α and β."""

    period = 2

    def __init__(self, beside: Engine) -> None:
        self.group = beside.group
        self.iteration, self.iterations = 0, 6

    def step(self) -> Progress:
        self.iteration += 1
        loss = Reading(1 / self.iteration)
        return Progress(iteration=self.iteration, iterations=self.iterations, epoch=0, arch=None, weight=loss)

    def state(self) -> dict[str, torch.Tensor]:
        return {"iteration": torch.tensor(self.iteration)}

    def restore(self, state: Mapping[str, torch.Tensor]) -> None:
        self.iteration = int(state["iteration"])


def test_a_method_of_ones_own_is_recorded_and_goes_on_as_any_other(tmp_path: Path) -> None:
    def made(*, resume: bool) -> Recorder:
        method = Search(Counting(search("darts-1st").engine), lambda: library.load_genotype("darts_v2"))
        recording = Recorder(method, Recording(folder=tmp_path, every=2, track=True, save_minutes=0), REQUEST)
        recording.begin(resume=resume)
        return recording

    first = made(resume=False)
    with pytest.raises(ZeroDivisionError):
        first.run(lambda progress: 1 // (3 - progress.iteration))  # type: ignore[arg-type, return-value]
    resumed = made(resume=True)
    assert resumed.engine.iteration == 2
    assert resumed.run(lambda progress: None) == library.load_genotype("darts_v2")
    assert [row["iteration"] for row in rows(tmp_path / "metrics.csv")] == ["0", "2", "4", "6"]
    assert {row["eigenvalue"] for row in rows(tmp_path / "metrics.csv")} == {""}
    assert not (tmp_path / "alphas.csv").exists()
