"""`search-topology` and `search-ops` as a user runs them, on real image files."""

import json
import re
import signal
from collections.abc import Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ftso_cli.cli.app import app
from ftso_cli.genotype import Genotype, storage
from tests.forks import signalled
from tests.images import write_folder

SMALL = ["--channels", "8", "--cells", "3", "--batch-size", "16"]


def ftso(*args: str | Path) -> Result:
    return CliRunner().invoke(app, [str(arg) for arg in args])


def without_times(path: Path) -> Genotype:
    genotype = storage.read_genotype(path)
    return genotype.model_copy(update={"times": ()})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    cell = tmp_path_factory.mktemp("searched") / "cell.json"
    result = ftso("search-topology", "--data", "digits", "--iters", "2", *SMALL, "-o", cell)
    assert result.exit_code == 0, result.output
    return cell


def test_a_search_prints_both_topologies_the_seconds_by_phase_and_the_next_command(tmp_path: Path) -> None:
    cell = tmp_path / "cell.json"
    result = ftso("search-topology", "--iters", "1", *SMALL, "-o", cell)
    assert result.exit_code == 0, result.output
    assert list(tmp_path.iterdir()) == [cell], "one iteration has no history to keep"
    text = " ".join(result.stdout.split())
    assert "Normal cell" in text and "Reduction cell" in text
    for phase in ("start", "data", "search", "write"):
        assert f"{phase} 0." in text or f"{phase} " in text
    assert f"ftso assign-ops {cell} --op sep_conv_3x3" in result.stdout.replace("\n", "")


def test_the_wiring_is_searched_by_the_relaxation_of_another_method(tmp_path: Path) -> None:
    cell = tmp_path / "cell.json"
    result = ftso("search-topology", "-m", "proxylessnas", "--iters", "4", *SMALL, "-o", cell)
    assert result.exit_code == 0, result.output
    settings = storage.read_genotype(cell).history[0].settings
    assert (settings["method"], settings["arch_lr"], settings["warmup"]) == ("proxylessnas", 1e-3, 0.25)
    assert (settings["partial"], settings["engine"]) == (4, "folded")


def test_the_file_records_what_was_done(searched: Path) -> None:
    genotype = storage.read_genotype(searched)
    (step,) = genotype.history
    assert (step.command, step.data, step.seed, step.device) == ("search-topology", "digits", 0, "cpu")
    assert step.settings["iters"] == 2 and step.settings["channels"] == 8
    assert {"ftso", "torch", "python"} <= set(step.versions)
    assert {"start", "data", "search"} <= set(genotype.times[0].seconds)


def test_operators_that_cannot_see_the_topology_are_named_and_the_record_says_so(tmp_path: Path) -> None:
    cell = tmp_path / "cell.json"
    result = ftso("search-topology", "--iters", "1", *SMALL, "--partial", "1", "-o", cell)
    seen = "skip_connect with --partial 1 sees 4 of the 10 degrees of freedom of a normal cell's wiring"
    assert seen in " ".join(result.stderr.split()) and "--op max_pool_3x3" in result.stderr
    assert storage.read_genotype(cell).history[-1].notes == (seen,)
    result = ftso("search-topology", "--iters", "1", *SMALL, "--partial", "1", "--nodes", "2", "-o", cell)
    assert "the rest stays at chance" in " ".join(result.stderr.split())
    result = ftso("search-topology", "--iters", "1", *SMALL, "--partial", "1", "--op", "max_pool_3x3", "-o", cell)
    assert "degrees of freedom" not in result.stderr and storage.read_genotype(cell).history[-1].notes == ()


def killed(args: Sequence[str | Path], path: Path, times: int) -> None:
    """Runs `ftso ARGS`, which is killed where it is to replace `path` once more than so many times."""
    done = signalled(args, path, times)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()


SEEDS = ["search-topology", "--seeds", "0-3", "--iters", "2", "--workers", "1", "--channels", "4", "--cells", "2"]


def test_a_killed_search_from_many_seeds_goes_on_after_those_that_are_done(tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole.json", tmp_path / "broken.json"
    assert ftso(*SEEDS, "-o", whole).exit_code == 0
    assert list(tmp_path.iterdir()) == [whole]
    nothing = ftso(*SEEDS, "-o", broken, "--resume")
    assert nothing.exit_code == 1 and "nothing to resume" in nothing.stderr
    kept = tmp_path / "broken.seeds"
    killed([*SEEDS, "-o", broken], kept / "2.json", 0)
    assert not broken.exists()
    before = (kept / "1.json").read_bytes()
    again = ftso(*SEEDS, "-o", broken)
    assert again.exit_code == 1 and "--resume" in again.stderr
    changed = ftso(*SEEDS, "--weight-lr", "1", "-o", broken, "--resume")
    assert changed.exit_code == 1 and "was searched with weight_lr 0.025, not 1.0" in " ".join(changed.stderr.split())
    (kept / "1.json").write_bytes(before.replace(b'"seeds": [1]', b'"seeds": [7]'))
    damaged = ftso(*SEEDS, "-o", broken, "--resume")
    assert damaged.exit_code == 1 and "is not what seed 1 found" in " ".join(damaged.stderr.split())
    # As version 0.1 has written it.
    (kept / "1.json").write_bytes(
        before.replace(b'"weight_lr"', b'"weight_rate"').replace(b'"arch_lr"', b'"arch_rate"')
    )
    assert "going on after" in ftso(*SEEDS, "-o", broken, "--resume").stderr
    assert without_times(broken) == without_times(whole) and not kept.exists()


@pytest.mark.parametrize("many", [["--preset", "stable"], ["--seeds", "0-3"], ["--preset", "stable", "--rank", "beta"]])
@pytest.mark.parametrize("one", [["--seed", "3"], ["--run", "history"], ["--track", "eigenvalue"]], ids=" ".join)
def test_what_is_for_one_seed_is_refused_beside_many(many: list[str], one: list[str], tmp_path: Path) -> None:
    result = ftso("search-topology", *many, *one, "-o", tmp_path / "cell.json")
    assert result.exit_code == 2 and "from one" in result.stderr


def test_a_preset_gives_what_the_command_line_does_not(tmp_path: Path) -> None:
    cell = tmp_path / "cell.json"
    small = ["--channels", "4", "--cells", "3", "--batch-size", "16"]
    assert ftso("search-topology", "--preset", "stable", "--seeds", "5-6", *small, "-o", cell).exit_code == 0
    found = storage.read_genotype(cell)
    settings = found.history[-1].settings
    assert [settings[name] for name in ("rank", "iters", "channels", "cells")] == ["gradient", 15, 4, 3]
    assert found.ensemble is not None and found.ensemble.seeds == (5, 6)


RACE = ["search-topology", "--rank", "race", "--nodes", "2", "--channels", "4", "--cells", "2", "--batch-size", "16"]


@pytest.fixture(scope="module")
def raced(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The cell of a race, and what it printed."""
    cell = tmp_path_factory.mktemp("race") / "cell.json"
    result = ftso(*RACE, "--budget", "300", "-o", cell)
    assert result.exit_code == 0, result.output
    return cell, " ".join(result.stdout.split())


def test_a_race_writes_a_cell_to_train_and_prints_its_standings(raced: tuple[Path, str]) -> None:
    cell, text = raced
    assert "The wiring that won" in text and "behind the best" in text and "ftso train" in text
    found = storage.read_genotype(cell)
    assert found.stage == "complete" and {edge.op for edge in found.cells["normal"].kept} == {"sep_conv_3x3"}
    assert found.history[-1].settings["steps"] == 300 and len(found.history[-1].notes) == 1
    assert list(cell.parent.iterdir()) == [cell]


def test_a_killed_race_goes_on_to_the_same_cell(raced: tuple[Path, str], tmp_path: Path) -> None:
    whole, broken = raced[0], tmp_path / "broken.json"
    checkpoint = tmp_path / "broken.race.json"
    killed([*RACE, "--budget", "300", "-o", broken], checkpoint, 6)
    assert not broken.exists() and checkpoint.read_text().count('"rung"') > 3
    again = ftso(*RACE, "--budget", "300", "-o", broken)
    assert again.exit_code == 1 and "--resume" in again.stderr
    # As version 0.1 has written it.
    checkpoint.write_text(checkpoint.read_text().replace('"rung"', '"heat"').replace('"weight_lr"', '"weight_rate"'))
    assert ftso(*RACE, "--budget", "300", "-o", broken, "--resume").exit_code == 0
    assert without_times(broken) == without_times(whole) and not checkpoint.exists()


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["--budget", "soon"], "--budget: 'soon' is no budget; give a time as in 5m, 90s, 1h, or a number"),
        (["--budget", "0"], "--budget: must be above 0, not 0: give a time"),
        (["--budget", "0.5s"], "--budget: of a race is a second at least"),
        (["--budget", "10"], "raise --budget"),
        (["--epochs", "2"], "--epochs: is for a search by gradient, not for a race"),
        (["--seeds", "0-3"], "--seeds: is for a search by gradient, not for a race"),
        (["--preset", "stable"], "--preset: is for a search by gradient, not for a race"),
        (["--track", "eigenvalue"], "not for a race"),
        (["--op", "skip_connect,none"], "one operator"),
        (["--op", "none"], "none"),
        (["--resume"], "so there is nothing to resume; leave --resume out"),
    ],
)
def test_what_makes_no_race_is_refused(args: list[str], says: str, tmp_path: Path) -> None:
    result = ftso(*RACE, *args, "-o", tmp_path / "cell.json")
    assert result.exit_code in (1, 2) and says in " ".join(result.stderr.split()), result.stderr
    assert "fault in ftso" not in result.stderr


def test_equal_searches_give_equal_files_but_for_times(searched: Path, tmp_path: Path) -> None:
    again, other = tmp_path / "again.json", tmp_path / "other.json"
    ftso("search-topology", "--data", "digits", "--iters", "2", *SMALL, "-o", again)
    ftso("search-topology", "--data", "digits", "--iters", "2", *SMALL, "--seed", "1", "-o", other)
    assert without_times(again) == without_times(searched)
    assert without_times(other) != without_times(searched)


def test_a_folder_of_images_is_searched(folder: Path, tmp_path: Path) -> None:
    cell = tmp_path / "cell.json"
    result = ftso("search-topology", "--data", folder, "--epochs", "1", *SMALL, "-o", cell, "--json")
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout)
    assert facts["file"] == str(cell) and facts["data"] == str(folder)
    assert facts["weight_loss"] > 0 and facts["arch_loss"] > 0


@pytest.mark.parametrize(
    "ops", [["--op", "max_pool_3x3,skip_connect"], ["--op", "max_pool_3x3", "--op", "skip_connect"]]
)
def test_several_operators_are_listed_or_repeated(ops: list[str], tmp_path: Path) -> None:
    cell = tmp_path / "cell.json"
    assert ftso("search-topology", "--iters", "1", *SMALL, *ops, "-o", cell).exit_code == 0
    genotype = storage.read_genotype(cell)
    assert genotype.searched_ops == ("max_pool_3x3", "skip_connect")
    assert all(edge.alpha for edge in genotype.cells["normal"].edges)


def test_operators_are_searched_on_the_pruned_topology_in_place(searched: Path, tmp_path: Path) -> None:
    cell = tmp_path / "cell.json"
    cell.write_bytes(searched.read_bytes())
    assert ftso("prune", cell).exit_code == 0
    result = ftso("search-ops", cell, "--iters", "1", *SMALL)
    assert result.exit_code == 0, result.output
    genotype = storage.read_genotype(cell)
    assert genotype.stage == "complete"
    assert [step.command for step in genotype.history] == ["search-topology", "prune", "search-ops"]
    assert "operators: " in result.stdout and f"ftso draw {cell}" in result.stdout.replace("\n", "")


def test_operators_are_searched_by_another_method_with_its_steps_and_the_paper_s_network(
    searched: Path, tmp_path: Path
) -> None:
    cell = tmp_path / "cell.json"
    assert ftso("prune", searched, "-o", cell).exit_code == 0
    result = ftso("search-ops", cell, "--method", "gdas", "--iters", "2", *SMALL)
    assert result.exit_code == 0, result.output
    settings = storage.read_genotype(cell).history[-1].settings
    assert [settings[name] for name in ("method", "partial", "arch_lr", "weight_decay")] == ["gdas", 1, 3e-4, 3e-4]
    assert all(edge.beta_ops is None for edge in storage.read_genotype(cell).cells["normal"].kept)
    wrong = ftso("search-ops", cell, "--method", "gads", "--iters", "2", *SMALL)
    assert wrong.exit_code == 2 and "gdas" in wrong.stderr


@pytest.mark.parametrize("method", ["darts-1st", "darts-2nd", "pc-darts", "random"])
def test_the_baselines_write_complete_cells_that_other_commands_take(method: str, tmp_path: Path) -> None:
    cell = tmp_path / "cell.json"
    result = ftso("search", "--method", method, "--iters", "1", "--nodes", "2", *SMALL, "-o", cell)
    assert result.exit_code == 0, result.output
    assert "operators: " in result.stdout and "ftso train" in result.stdout
    genotype = storage.read_genotype(cell)
    assert genotype.stage == "complete"
    (step,) = genotype.history
    assert (step.command, step.settings["method"], step.settings["nodes"]) == ("search", method, 2)
    assert ("budget" in step.settings) == (method == "random")
    assert ftso("cost", cell).exit_code == 0
    assert ftso("draw", cell, "-o", tmp_path / "cell.svg").exit_code == 0


def test_a_killed_operator_search_resumes_to_the_file_of_an_uninterrupted_one(searched: Path, tmp_path: Path) -> None:
    start, whole, broken = (tmp_path / f"{name}.json" for name in ("start", "whole", "broken"))
    assert ftso("prune", searched, "-o", start).exit_code == 0
    request = ["search-ops", start, "--iters", "6", "--ops", "4op", *SMALL]
    request += ["--save-every", "0", "--track", "eigenvalue"]
    assert ftso(*request, "-o", whole).exit_code == 0
    killed([*request, "-o", broken], tmp_path / "broken.search-ops" / "checkpoint.safetensors", 3)
    assert not broken.exists()
    again = ftso(*request, "-o", broken)
    assert again.exit_code == 1 and "--resume" in again.stderr
    changed = ftso(*request, "--seed", "1", "-o", broken, "--resume")
    assert changed.exit_code == 1 and "seed 0, not 1" in changed.stderr.replace("\n", " ")
    resumed = ftso(*request, "-o", broken, "--resume")
    assert resumed.exit_code == 0, resumed.output
    assert "going on after iteration" in resumed.stderr
    assert without_times(broken) == without_times(whole)
    history = (tmp_path / "broken.search-ops").iterdir()
    assert sorted(path.name for path in history) == ["alphas.csv", "betas.csv", "metrics.csv"]


def test_the_imagenet_recipe_searches_both_phases_on_shares_of_a_folder(tmp_path: Path) -> None:
    images = write_folder(tmp_path / "images", train=80, test=4, size=64)
    cell = tmp_path / "cell.json"
    request = ["--data", images, "--recipe", "imagenet", "--epochs", "1", "--batch-size", "6", *SMALL[:4]]
    assert ftso("search-topology", *request, "-o", cell).exit_code == 0
    assert ftso("prune", cell).exit_code == 0
    result = ftso("search-ops", cell, *request, "--ops", "4op")
    assert result.exit_code == 0, result.output
    first, _, last = storage.read_genotype(cell).history
    for step in (first, last):
        known = {name: step.settings[name] for name in ("stem", "arch_lr", "weight_lr", "weight_share", "arch_share")}
        assert known == {
            "stem": "imagenet", "arch_lr": 6e-3, "weight_lr": 0.5, "weight_share": 0.1, "arch_share": 0.025
        }  # fmt: skip
        assert (step.settings["batch_size"], step.settings["image_size"]) == (6, [224, 224])
    assert last.settings["ops"] == ["none", "max_pool_3x3", "skip_connect", "sep_conv_3x3"]
    metrics = (tmp_path / "cell.search-ops" / "metrics.csv").read_text().splitlines()
    assert metrics[-1].startswith("4,1,"), "24 of 240 images are 4 batches of 6"


def test_a_topology_search_that_is_tracked_keeps_its_history_and_its_result(searched: Path, tmp_path: Path) -> None:
    cell = tmp_path / "cell.json"
    request = ["search-topology", "--data", "digits", "--iters", "2", *SMALL, "-o", cell]
    assert ftso(*request, "--track", "eigenvalue", "--every", "1").exit_code == 0
    assert storage.read_genotype(cell).cells == storage.read_genotype(searched).cells
    assert len((tmp_path / "cell.search-topology" / "metrics.csv").read_text().splitlines()) == 1 + 3
    assert ftso(*request, "--resume").exit_code == 1
    assert ftso(*request, "--seeds", "0-1", "--track", "eigenvalue").exit_code == 2


@pytest.mark.parametrize("option", ["--track", "--early-stop"])
def test_a_random_search_has_no_curvature_to_follow(option: str, tmp_path: Path) -> None:
    result = ftso("search", "--method", "random", "--iters", "2", option, "eigenvalue", "-o", tmp_path / "cell.json")
    assert result.exit_code == 2 and result.stderr.count("\n") == 1
    assert f"{option}: a random search has no α and β" in result.stderr and not list(tmp_path.iterdir())


def test_a_topology_that_is_not_pruned_is_sent_to_prune(searched: Path) -> None:
    result = ftso("search-ops", searched, "--iters", "1", *SMALL)
    assert result.exit_code == 1
    assert f"run: ftso prune {searched}" in result.stderr.replace("\n", "")


@pytest.mark.parametrize(
    ("args", "status", "says"),
    [
        (["--iters", "-1"], 2, "iters"),
        (["--iters", "1", "--epochs", "1"], 2, "not both"),
        (["--op", "sep_conv_3"], 1, "did you mean sep_conv_3x3"),
        (["--op", "none"], 1, "none alone"),
        (["--channels", "6"], 1, "can't be split into 4 parts"),
        (["--batch-size", "2000"], 1, "larger than"),
        (["--data", "nowhere"], 1, "--data digits"),
        (["--device", "cuda:77"], 1, "--device cpu"),
        (["-o", "no/such/folder/cell.json"], 1, "no folder"),
        (["-o", "."], 1, "is a folder"),
    ],
)
def test_bad_requests_get_one_clear_line(args: list[str], status: int, says: str, tmp_path: Path) -> None:
    rest = [] if "-o" in args else ["-o", tmp_path / "cell.json"]
    result = ftso("search-topology", *(["--iters", "1"] if "--iters" not in args else []), *args, *rest)
    assert result.exit_code == status
    assert says in " ".join(result.stderr.split())
    assert "Traceback" not in result.output
    if status == 1:
        assert result.stderr.startswith("error: ") and result.stderr.count("\n") == 1


def test_a_search_does_not_write_over_a_file_that_was_not_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cell.json").write_text("mine")
    result = ftso("search-topology", "--iters", "1", *SMALL)
    assert result.exit_code == 1 and "cell.json exists" in result.stderr
    assert (tmp_path / "cell.json").read_text() == "mine"


@pytest.mark.parametrize(
    ("damage", "says"),
    [("empty", "no image"), ("one", "class")],
)
def test_bad_image_folders_get_one_clear_line(damage: str, says: str, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "images")
    for image in list((folder / "train" / "red").iterdir()):
        if damage == "empty":
            image.unlink()
    if damage == "one":
        folder = folder / "train" / "red"
    result = ftso("search-topology", "--data", folder, "--epochs", "1", *SMALL, "-o", tmp_path / "cell.json")
    assert result.exit_code == 1
    assert says in result.stderr and result.stderr.count("\n") == 1
    assert not (tmp_path / "cell.json").exists()


def test_a_search_of_too_few_images_says_what_can_be_done(tmp_path: Path) -> None:
    images = write_folder(tmp_path / "images", train=3, test=1, size=8)
    words = ["search-topology", "--data", images, "--iters", "1", *SMALL[:4], "-o", tmp_path / "cell.json"]
    result = ftso(*words)
    assert result.exit_code == 1
    (advised,) = re.findall(r"use --batch-size (\d+) or less", result.stderr)
    assert ftso(*words, "--batch-size", advised).exit_code == 0
    few = write_folder(tmp_path / "few", train=1, test=1, size=8)
    assert "add images, or take a larger share" in ftso(*words, "--data", few).stderr


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["search-topology", "--arch-lr", "0"], "--arch-lr: must be above 0"),
        (["search-topology", "--warmup", "0.9", "--iters", "2"], "takes all 2 iterations: give more --iters, or less"),
        (["search", "--method", "darts-1st", "--arch-lr", "0"], "--arch-lr: must be above 0"),
    ],
)
def test_settings_that_search_nothing_are_refused(words: list[str], reason: str, tmp_path: Path) -> None:
    result = ftso(*words, "--data", "digits", "-o", tmp_path / "cell.json")
    assert result.exit_code == 2 and reason in result.stderr and result.stderr.count("\n") == 1
    assert not (tmp_path / "cell.json").exists()


def test_a_data_set_is_told_from_a_folder_of_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["search-topology", "--data", "digits", "--iters", "1", *SMALL, "-o"]
    assert "./digits" not in ftso(*words, "a.json").stderr
    write_folder(tmp_path / "digits")
    said = "digits is the data set of that name; the folder here is --data ./digits"
    assert said in ftso(*words, "b.json").stderr
    named = ftso("search-topology", "--data", "./digits", *words[3:], "c.json")
    assert named.exit_code == 0 and said not in named.stderr
    trained = ftso("train", "darts_v2", "--epochs", "1", *SMALL[:4], "--batch-size", "512", "-o", "run")
    assert said in trained.stderr
