"""Searches on the device: as on the CPU, graphs as without, resumed as uninterrupted, and without waiting."""

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from ftso_cli.data import Augmentation, Batches, ImageData, on_device
from ftso_cli.errors import SettingsError, TrainingError
from ftso_cli.nn import readings
from ftso_cli.nn.device import choose_device, enough_memory
from ftso_cli.search.engine.bilevel import Bilevel, Engine
from ftso_cli.search.engine.eigenvalue import dominant_eigenvalue
from ftso_cli.search.joint import joint
from ftso_cli.search.operators.capacity import capacity_search
from ftso_cli.search.phases import Search, prepare_operator_search, prepare_topology_search
from ftso_cli.search.race import checkpoint
from ftso_cli.search.race.race import Race
from ftso_cli.search.recording.options import Recording
from ftso_cli.search.recording.recorder import Recorder
from ftso_cli.search.topology.ensemble import search_ensemble
from ftso_cli.settings.capacity import CapacitySettings
from ftso_cli.settings.searches import OperatorSettings, RaceSettings, TopologySettings
from tests.gpu.devices import CPU, DEVICE, MARKS, ON_CUDA, deterministic, relative_error
from tests.search.searches import BY_GRADIENT, OPS, SMALL, TOPOLOGY, digits, joint_settings, wiring

pytestmark = MARKS

ITERATIONS = 8


def search(name: str, device: torch.device, **changes: object) -> Search:
    """The search called `name`, ready to run on a device."""
    where = {"seed": 0, "device": device}
    wanted = {**SMALL, "iters": ITERATIONS, **changes}
    if name == "operators":
        return prepare_operator_search(wiring(), digits(), OperatorSettings(**{"ops": OPS, **wanted}), **where)
    if name in TOPOLOGY or name == "topology, by gradient":
        ops = OPS if name == TOPOLOGY[1] else ("skip_connect",)
        rank = "gradient" if name == "topology, by gradient" else "beta"
        return prepare_topology_search(digits(), TopologySettings(ops=ops, nodes=2, rank=rank, **wanted), **where)
    return joint(digits(), joint_settings(name, **wanted), **where)


def state(engine: Engine) -> dict[str, Tensor]:
    """All that the next iteration depends on, on the CPU."""
    return {name: tensor.detach().cpu().clone() for name, tensor in engine.state().items()}


def ran(made: Search, iterations: int = ITERATIONS) -> dict[str, Tensor]:
    for _ in range(iterations):
        made.engine.step()
    return state(made.engine)


@pytest.mark.parametrize("name", [*BY_GRADIENT, "topology, by gradient"])
def test_a_search_in_double_precision_equals_that_of_the_cpu(name: str) -> None:
    states = []
    for device in (CPU, DEVICE):
        made = search(name, device)
        made.engine.net.double()
        states.append(ran(made))
    expected, found = states
    assert expected.keys() == found.keys()
    for part, value in expected.items():
        if value.is_floating_point() and value.numel() > 1 and "gradient" not in part:
            assert relative_error(value, found[part]) < 1e-5, part


@pytest.mark.parametrize("name", [*BY_GRADIENT, "topology, by gradient"])
def test_graphs_give_the_bits_of_kernel_by_kernel(name: str) -> None:
    with deterministic():
        plain, replayed = search(name, DEVICE), search(name, DEVICE)
        plain.engine.graphs = False
        expected, found = ran(plain), ran(replayed)
    for part, value in expected.items():
        assert torch.equal(value, found[part]), part


def recorder(name: str, device: torch.device, folder: Path, resume: bool = False) -> Recorder:
    recording = Recording(folder=folder, every=2, track=name == "operators", save_minutes=0)
    made = Recorder(search(name, device), recording, {"seed": 0, "device": device.type})
    made.begin(resume=resume)
    return made


class Stop(Exception):
    """Stands for a kill."""


def stop_at(iteration: int) -> Callable[[object], None]:
    def stop(progress: object) -> None:
        if progress.iteration == iteration:
            raise Stop

    return stop


@pytest.mark.parametrize("name", ["topology", "operators", "darts-2nd", "pc-darts"])
def test_a_search_that_was_killed_goes_on_to_the_same_result(name: str, tmp_path: Path) -> None:
    with deterministic():
        expected = recorder(name, DEVICE, tmp_path / "whole").run(lambda progress: None)
        with pytest.raises(Stop):
            recorder(name, DEVICE, tmp_path / "killed").run(stop_at(6))
        found = recorder(name, DEVICE, tmp_path / "killed", resume=True).run(lambda progress: None)
    assert found == expected


@pytest.mark.parametrize("there", [(DEVICE, CPU), (CPU, DEVICE)], ids=["to the CPU", "from the CPU"])
@pytest.mark.parametrize("name", ["topology", "operators"])
def test_a_search_goes_on_on_another_device(
    name: str, there: tuple[torch.device, torch.device], tmp_path: Path
) -> None:
    first, second = there
    with pytest.raises(Stop):
        recorder(name, first, tmp_path).run(stop_at(5))
    resumed = recorder(name, second, tmp_path, resume=True)
    assert 0 < resumed.engine.iteration < ITERATIONS
    resumed.run(lambda progress: None)
    assert resumed.engine.iteration == ITERATIONS


@pytest.mark.parametrize("name", ["topology", "operators"])
def test_the_eigenvalue_is_that_of_the_cpu(name: str) -> None:
    values = []
    for device in (CPU, DEVICE):
        engine = search(name, device).engine
        engine.net.double()
        batch = next(engine.arch_batches)
        with engine.net.moving(engine.net.architecture()):
            values.append(dominant_eigenvalue(engine.loss(batch), engine.net.architecture()))
    assert values[1] == pytest.approx(values[0], rel=1e-3)


@pytest.mark.parametrize("workers", [1, 2])
def test_an_ensemble_on_the_device_is_near_that_of_the_cpu(workers: int) -> None:
    settings = TopologySettings(nodes=2, **{**SMALL, "iters": 12}, rank="gradient")
    where = {"seeds": (0, 1, 2, 3), "workers": workers, "on_iteration": lambda progress: None}
    found = [search_ensemble(digits(), settings, device=device, **where) for device in (CPU, DEVICE)]
    scores = [
        torch.tensor([score for edge in each.cells["normal"].edges for score in edge.scores or ()]) for each in found
    ]
    assert relative_error(*scores) < 0.15


def test_a_race_runs_on_the_device() -> None:
    settings = RaceSettings(draws=4, nodes=3, channels=4, cells=2, batch_size=32, steps=160)
    kept = checkpoint.open_checkpoint(settings.recorded(), 3, "digits", None, resume=False)
    final = Race(digits(), settings, kept, seed=3, device=DEVICE).run(lambda progress: None)
    assert len(final) == 3
    on_cpu = checkpoint.open_checkpoint(settings.recorded(), 3, "digits", None, resume=False)
    Race(digits(), settings, on_cpu, seed=3, device=CPU).run(lambda progress: None)
    known = {(each.rung, each.topology, each.init): each.losses for each in on_cpu.results}
    firsts = [(each.losses[0], known[key][0]) for each in kept.results
              if (key := (each.rung, each.topology, each.init)) in known]  # fmt: skip
    assert len(firsts) >= 4
    for found, expected in firsts:
        assert found == pytest.approx(expected, rel=1e-2)


def test_operators_are_chosen_by_capacity_on_the_device() -> None:
    ops = ("skip_connect", "sep_conv_3x3", "max_pool_3x3")
    settings = CapacitySettings(ops=ops, channels=4, cells=2, batch_size=8, steps=4, inits=1)
    made, chosen = capacity_search(wiring(), digits(), settings, seed=0, device=DEVICE)
    made.run(lambda progress: None)
    choice = chosen()
    assert choice.genotype.stage == "complete" and choice.trials


@pytest.mark.parametrize("name", ["topology", "operators"])
def test_a_loss_that_is_not_finite_is_found(name: str) -> None:
    made = search(name, DEVICE, iters=12)
    for _ in range(6):
        made.engine.step()
    with torch.no_grad():
        next(made.engine.net.classifier.parameters()).fill_(float("nan"))
    with pytest.raises(TrainingError, match="not finite at iteration 7"):
        made.run(lambda progress: None)


@ON_CUDA
@pytest.mark.filterwarnings("ignore:Synchronization debug mode is a prototype")
@pytest.mark.parametrize("name", ["topology", "operators", "darts-2nd"])
def test_a_step_waits_for_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readings, "INTERVAL", 1e9)
    made = search(name, DEVICE, iters=20)
    ran(made, 6)
    try:
        torch.cuda.set_sync_debug_mode("error")
        for _ in range(6):
            made.engine.step()
    finally:
        torch.cuda.set_sync_debug_mode("default")


def batches(data: ImageData, device: torch.device, **changes: object) -> Batches:
    source = on_device(data.train, device)
    augment = Augmentation(padding=2, flip=True, cutout=3)
    return Batches(source, torch.arange(len(source)), 32, 5, normalise=data.normalise, augment=augment, **changes)


@pytest.mark.parametrize("share", [(0, 1), (1, 2)])
def test_batches_are_those_of_the_cpu_and_stay_on_the_device(share: tuple[int, int]) -> None:
    here, there = batches(digits(), CPU, share=share), batches(digits(), DEVICE, share=share)
    for _ in range(3):
        (images, labels), (found, found_labels) = next(here), next(there)
        assert found.device.type == found_labels.device.type == DEVICE.type
        torch.testing.assert_close(found.cpu(), images, rtol=1e-6, atol=1e-6)
        assert torch.equal(found_labels.cpu(), labels)
    assert str(here.state()) == str(there.state())


def test_images_that_are_not_all_read_yet_are_read_one_batch_at_a_time() -> None:
    source = copy.copy(digits().train)
    wrapped = on_device(replace(digits(), train=source).train, DEVICE)
    assert torch.equal(wrapped.read(torch.tensor([3, 1])).cpu(), source.read(torch.tensor([3, 1])))


@ON_CUDA
def test_a_device_is_chosen_by_its_number() -> None:
    assert choose_device("cuda:0") == torch.device("cuda:0")
    assert choose_device("auto").type == "cuda"
    missing = f"cuda:{torch.cuda.device_count()}"
    with pytest.raises(SettingsError, match=f"device '{missing}' is not available here"):
        choose_device(missing)


@ON_CUDA
def test_a_full_memory_is_told_in_one_line() -> None:
    torch.cuda.empty_cache()
    with pytest.raises(TrainingError, match=r"cuda.* has no memory left.*; lower --batch-size"), enough_memory(DEVICE):
        torch.empty(1 << 44, device=DEVICE)


def test_every_search_is_of_a_kind_that_is_compared() -> None:
    assert all(isinstance(search(name, DEVICE).engine, Bilevel) for name in BY_GRADIENT)
