"""Trainings on the device: as on the CPU, graphs as without, resumed as uninterrupted; and what comes after them."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from typer.testing import CliRunner

import ftso_cli
from ftso_cli.cli.app import app
from ftso_cli.data import open_images
from ftso_cli.data.batching.policies import StrongAugmentation
from ftso_cli.errors import TrainingError
from ftso_cli.genotype import library
from ftso_cli.nn import readings
from ftso_cli.nn.checkpoint import read_tensors
from ftso_cli.settings.recipes import Recipe
from ftso_cli.training.loop import Trainer
from ftso_cli.training.run import Config, Run
from tests.gpu.devices import CPU, DEVICE, MARKS, ON_CUDA, deterministic, relative_error
from tests.images import write_folder

pytestmark = MARKS

RECIPE = Recipe(channels=8, cells=3, epochs=2, batch_size=128, rate=0.05, drop_path=0.3, cutout=0.25)
STILL = replace(RECIPE, drop_path=0.0)
"""Without drop path, whose random numbers are those of a device."""
MIXED = replace(RECIPE, mixup=0.2, cutmix=1.0, balance="loss")
"""Mixtures of images, whose step has more inputs."""


def trainer(
    folder: Path, recipe: Recipe = STILL, device: torch.device = DEVICE, precision: str = "float32", **changes: object
) -> Trainer:
    """A training that is ready to begin, or to go on in a folder that there is."""
    data, run = open_images("digits", image_size=16), Run(folder)
    known = {"classes": data.classes, "mean": data.mean, "std": data.std, "image_size": data.image_size}
    config = Config(
        data="digits",
        image_channels=1,
        recipe=recipe,
        seed=0,
        device=str(device),
        precision=precision,
        versions={},
        **known,
        **changes,
    )
    if not run.config_file.exists():
        run.create(library.load_genotype("darts_v2"), config)
    made = Trainer(run.genotype(), config, data, run)
    if made.checkpoints.exist():
        made.load_checkpoint()
    return made


def trained(made: Trainer, graphs: bool = True) -> list[dict[str, float]]:
    made.graphs = graphs
    made.train(lambda progress: None, lambda row: None)
    return made.rows


def weights(made: Trainer) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().clone() for name, tensor in made.network.state_dict().items()}


class Stop(Exception):
    """Stands for a kill."""


def kill(made: Trainer, epoch: int, step: int) -> None:
    def stop(progress: object) -> None:
        if (progress.epoch, progress.step) == (epoch, step):
            raise Stop

    with pytest.raises(Stop):
        made.train(stop, lambda row: None)


def test_an_epoch_in_single_precision_is_near_that_of_the_cpu(tmp_path: Path) -> None:
    rows = [trained(trainer(tmp_path / device.type, device=device))[0] for device in (CPU, DEVICE)]
    assert rows[1]["loss"] == pytest.approx(rows[0]["loss"], rel=0.02)
    assert rows[1]["accuracy"] == pytest.approx(rows[0]["accuracy"], abs=0.03)


@pytest.mark.parametrize("recipe", [RECIPE, MIXED], ids=["plain", "mixed"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_graphs_give_the_bits_of_kernel_by_kernel(precision: str, recipe: Recipe, tmp_path: Path) -> None:
    made = [trainer(tmp_path / str(graphs), recipe, precision=precision) for graphs in (False, True)]
    with deterministic():
        for each, graphs in zip(made, (False, True), strict=True):
            trained(each, graphs)
    plain, replayed = map(weights, made)
    for name, value in plain.items():
        assert torch.equal(value, replayed[name]), name
    assert [row["loss"] for row in made[0].rows] == [row["loss"] for row in made[1].rows]


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_killed_training_goes_on_to_the_weights_of_an_uninterrupted_one(precision: str, tmp_path: Path) -> None:
    with deterministic():
        whole = trainer(tmp_path / "whole", RECIPE, precision=precision)
        trained(whole)
        kill(trainer(tmp_path / "killed", RECIPE, precision=precision, save_every=0), 1, 6)
        resumed = trainer(tmp_path / "killed", RECIPE, precision=precision)
        assert len(resumed.rows) == 1 and resumed.sums.steps > 0
        trained(resumed)
    expected, found = weights(whole), weights(resumed)
    for name, value in expected.items():
        assert torch.equal(value, found[name]), name


@pytest.mark.parametrize("there", [(DEVICE, CPU), (CPU, DEVICE)], ids=["to the CPU", "from the CPU"])
def test_a_training_goes_on_on_another_device(there: tuple[torch.device, torch.device], tmp_path: Path) -> None:
    first, second = there
    kill(trainer(tmp_path, RECIPE, first), 1, 3)
    resumed = trainer(tmp_path, RECIPE, second)
    assert len(resumed.rows) == 1
    rows = trained(resumed)
    assert len(rows) == 2 and rows[1]["loss"] < rows[0]["loss"]


def test_bfloat16_learns_as_single_precision_does(tmp_path: Path) -> None:
    recipe = replace(STILL, epochs=6)
    rows = [trained(trainer(tmp_path / name, recipe, precision=name))[-1] for name in ("float32", "bfloat16")]
    assert rows[1]["loss"] == pytest.approx(rows[0]["loss"], rel=0.2)
    assert rows[1]["accuracy"] > 0.5


def test_a_loss_that_is_not_finite_ends_before_a_checkpoint_holds_it(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"not finite in step \d+ of epoch 1; nothing is saved yet"):
        trained(trainer(tmp_path, replace(STILL, rate=1e20, clip=1e20)))
    assert not Run(tmp_path).checkpoint_file.exists()


@ON_CUDA
@pytest.mark.filterwarnings("ignore:Synchronization debug mode is a prototype")
def test_a_step_waits_for_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readings, "INTERVAL", 1e9)
    made = trainer(tmp_path, RECIPE, precision="bfloat16")

    def on_step(progress: object) -> None:
        # The numbers of the first step and of the last are shown.
        strict = 5 <= progress.step < progress.steps - 1
        torch.cuda.set_sync_debug_mode("error" if strict else "default")

    try:
        made.train(on_step, lambda row: None)
    finally:
        torch.cuda.set_sync_debug_mode("default")


@ON_CUDA
def test_a_network_too_large_for_the_device_is_told_in_one_line(tmp_path: Path) -> None:
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(DEVICE).total_memory
    torch.cuda.set_per_process_memory_fraction(min(1.0, 400 * 2**20 / total))
    try:
        with pytest.raises(TrainingError, match=r"has no memory left.*; lower --batch-size, --channels or --cells"):
            trained(trainer(tmp_path, replace(STILL, channels=256, cells=8, batch_size=512)))
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert not Run(tmp_path).checkpoint_file.exists()


def ftso(*words: object, status: int = 0) -> str:
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == status, result.output
    return result.stdout


SMALL = ["--channels", "4", "--cells", "3", "--epochs", "6", "--batch-size", "12", "--cutout", "0"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network trained by the command on the device, on images of three colours."""
    folder = tmp_path_factory.mktemp("use")
    photos = write_folder(folder / "photos")
    ftso("train", "ftso_wide_sep3", "--data", photos, *SMALL, "--device", DEVICE, "-o", folder / "run")
    return folder / "run"


def test_what_was_trained_on_the_device_is_used_there_and_on_the_cpu(run: Path) -> None:
    there, here = (json.loads(ftso("evaluate", run, "--device", device, "--json")) for device in (DEVICE, CPU))
    assert there["test_accuracy"] == here["test_accuracy"]
    photos = sorted((run.parent / "photos" / "test").rglob("*.*"))[:2]
    answers = [ftso_cli.load(run, device=str(device)).probabilities(photos) for device in (DEVICE, CPU)]
    torch.testing.assert_close(answers[0], answers[1], atol=2e-3, rtol=0)
    measured = json.loads(ftso("latency", run, "--device", DEVICE, "--json"))
    assert measured["images_a_second"] > 0


def test_it_predicts_by_command_on_the_device(run: Path) -> None:
    photo = next((run.parent / "photos" / "test").rglob("*.*"))
    answers = [ftso("predict", run, photo, "--device", device) for device in (DEVICE, CPU)]
    names = [set(ftso_cli.load(run).classes) & set(answer.replace(":", " ").split()) for answer in answers]
    assert names[0] == names[1] and names[0]


@pytest.mark.parametrize("format", ["safetensors", "onnx"])
def test_it_is_exported_as_from_the_cpu(run: Path, format: str, tmp_path: Path) -> None:
    out = tmp_path / f"net.{format}"
    ftso("export", run, "--format", format, "-o", out)
    if format == "safetensors":
        exported, _ = read_tensors(out)
        assert exported and all(tensor.device == CPU and tensor.isfinite().all() for tensor in exported.values())
        return
    onnxruntime = pytest.importorskip("onnxruntime")
    classifier = ftso_cli.load(run)
    images = torch.rand(2, classifier.channels, *classifier.image_size, generator=torch.Generator().manual_seed(0))
    session = onnxruntime.InferenceSession(str(out), providers=["CPUExecutionProvider"])
    (logits,) = session.run(None, {session.get_inputs()[0].name: images.numpy()})[:1]
    with torch.inference_mode():
        torch.testing.assert_close(torch.from_numpy(logits), classifier(images), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("command", ["search-topology", "search"])
def test_searches_run_by_command_on_the_device(command: str, tmp_path: Path) -> None:
    method = ["--method", "pc-darts"] if command == "search" else []
    small = ["--iters", "6", "--channels", "8", "--cells", "3", "--batch-size", "16"]
    out = tmp_path / "cell.json"
    ftso(command, *method, "--data", "digits", *small, "--device", DEVICE, "-o", out)
    step = json.loads(out.read_text())["history"][-1]
    assert step["device"] == DEVICE.type and step["settings"]["iters"] == 6


# The compiler warns of its own code.
@ON_CUDA
@pytest.mark.filterwarnings("default")
def test_a_compiled_training_learns_as_the_plain_one(tmp_path: Path) -> None:
    recipe = replace(STILL, epochs=3)
    rows = []
    for compiled in (False, True):
        rows.append(trained(trainer(tmp_path / str(compiled), recipe, precision="bfloat16", compile=compiled))[-1])
    assert rows[1]["loss"] == pytest.approx(rows[0]["loss"], rel=0.15)


@ON_CUDA
def test_the_doctor_tells_what_the_device_can_do() -> None:
    # Its status is about programs that draw, too.
    findings = json.loads(CliRunner().invoke(app, ["doctor", "--quick", "--json"]).stdout)["findings"]
    engine = next(finding for finding in findings if finding["name"] == "engine")
    assert engine["state"] == "ok" and engine["facts"]["graphs"] is True
    assert "by default searches run in float32" in engine["text"]


NCCL = """
import torch
from torch import distributed, nn
from ftso_cli.nn.distributed import Group
from ftso_cli.nn.supernet import SuperNet, complete_wiring
from ftso_cli.nn.synchronised import SynchronisedNorm, synchronised
from ftso_cli.spaces import DARTS
from ftso_cli.spaces.darts import NetworkShape

distributed.init_process_group("cpu:gloo,cuda:nccl", rank=0, world_size=1)
torch.manual_seed(0)
net = SuperNet(dict.fromkeys(DARTS.kinds, complete_wiring(2)), DARTS, ("skip_connect",),
               NetworkShape(channels=8, cells=3)).cuda().double()
images = torch.randn(8, 3, 12, 12, dtype=torch.float64, device="cuda")
alone = torch.autograd.grad(net(images).square().sum(), net.weights())
group = Group(0, 2, 0)
synchronised(net, group)
assert any(isinstance(layer, SynchronisedNorm) for layer in net.modules())
found = torch.autograd.grad(net(images).square().sum(), net.weights())
for a, b in zip(alone, found, strict=True):
    torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)
loss, means = group.means(torch.tensor(3.0, device="cuda"), [torch.ones(2, device="cuda"), None])
assert loss == 1.5 and means[0].tolist() == [0.5, 0.5] and means[1] is None
assert group.told("what the first says") == "what the first says"
wrapped = group.parallel(nn.Linear(3, 2).cuda(), spared=False)
wrapped(torch.ones(4, 3, device="cuda")).sum().backward()
distributed.destroy_process_group()
print("done")
"""


@ON_CUDA
def test_nccl_carries_one_process() -> None:
    env = {**os.environ, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29513"}
    done = subprocess.run([sys.executable, "-c", NCCL], env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0 and "done" in done.stdout, done.stderr


def test_the_device_has_room_for_these_tests() -> None:
    assert relative_error(torch.ones(3), torch.ones(3, device=DEVICE)) == 0


def test_strong_augmentation_gives_nearly_the_images_of_the_cpu() -> None:
    images = torch.randint(0, 256, (64, 3, 48, 48), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    augment = StrongAugmentation(padding=0, cutout=12)
    here, there = (
        augment(images.to(device), torch.Tensor.float, torch.Generator().manual_seed(1)).cpu()
        for device in (CPU, DEVICE)
    )
    assert ((here - there).abs() <= 2).float().mean() > 0.98
