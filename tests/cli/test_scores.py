"""The end of `ftso train`, and `ftso evaluate`: tables of classes, mistakes, confusion, in a terminal of 80 columns."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from rich.cells import cell_len
from typer.testing import CliRunner, Result

from ftso_cli.cli.app import app
from ftso_cli.cli.output.scores import print_score, score_facts
from ftso_cli.training.testing.evaluate import Score
from tests.images import write_folder

OPTIONS = ["--channels", "4", "--cells", "2", "--epochs", "2", "--batch-size", "12"]
REST = "ftso evaluate runs/x --json"


def ftso(*args: str | Path) -> Result:
    result = CliRunner().invoke(app, [str(arg) for arg in args])
    assert result.exit_code == 0, result.output
    return result


def score_of(classes: Sequence[str], confusion: Sequence[Sequence[int]]) -> Score:
    counts = torch.tensor(confusion)
    return Score(images=int(counts.sum()), top5=1.0, loss=0.5, confusion=counts, classes=tuple(classes))


def told(score: Score, capsys: pytest.CaptureFixture[str]) -> list[str]:
    print_score(score, REST)
    said = capsys.readouterr()
    return [*said.out.splitlines(), *said.err.splitlines()]


def test_train_and_evaluate_tell_the_same_of_each_class(tmp_path: Path) -> None:
    run = tmp_path / "run"
    data = write_folder(tmp_path / "photos")
    trained = ftso("train", "ftso_residual", "--data", data, *OPTIONS, "-o", run).stdout
    head, _, _ = trained.partition("\nwhat may help\n")
    assert ftso("evaluate", run).stdout == head
    assert f"next: ftso predict {run} {data}/test/blue/000.png\n" in trained
    for text in ("test accuracy ", "95 % interval ", "balanced accuracy ", "always answering ", "confusion: "):
        assert text in head
    found = json.loads(ftso("evaluate", run, "--json").stdout)
    (of_training,) = (json.loads(line) for line in ftso("train", "--resume", run, "--json").stdout.splitlines())
    shared = {name: found[name] for name in found.keys() & of_training.keys()}
    assert {"accuracy_interval", "balanced_accuracy", "baseline_accuracy", "classes", "mistakes", "confusion"} <= set(
        shared
    )
    assert {name: of_training[name] for name in shared} == shared
    low, high = found["accuracy_interval"]
    assert low < found["test_accuracy"] <= high
    assert [one["class"] for one in found["classes"]] == ["blue", "green", "red"]


def test_the_words_for_a_few_classes(capsys: pytest.CaptureFixture[str]) -> None:
    assert told(score_of(("cat", "dog", "cow"), [[20, 7, 4], [4, 10, 0], [0, 0, 0]]), capsys) == [
        "test accuracy 66.67% on 45 images; 95 % interval 52.1% to 78.6%",
        "balanced accuracy 67.97%, loss 0.5000",
        "always answering cat would be 68.89%",
        "",
        "class  images  precision  recall   95 % interval     F1",
        "cat        31      83.3%   64.5%  46.9% to 78.9%  72.7%",
        "dog        14      58.8%   71.4%  45.4% to 88.3%  64.5%",
        "cow         0       0.0%       -               -   0.0%",
        "",
        "7 of 31  cat taken for dog",
        "4 of 14  dog taken for cat",
        "4 of 31  cat taken for cow",
        "",
        "confusion: a row is a true class, a column an answer",
        "     cat  dog  cow",
        "cat   20    7    4",
        "dog    4   10    0",
        "cow    0    0    0",
    ]


def test_long_names_and_large_counts_fit_into_80_columns(capsys: pytest.CaptureFixture[str]) -> None:
    names = [f"a class whose name is long and ends in {at}" for at in range(8)] + ["猫" * 30, "\x1b[31mred\n\u202ex"]
    counts = (100 * torch.arange(100).view(10, 10)).tolist()
    lines = told(score_of(names, counts), capsys)
    assert max(map(cell_len, lines)) <= 80 and all(line.isprintable() for line in lines)
    matrix = lines[lines.index("confusion: a row is a true class, a column an answer") + 1 :]
    assert matrix[0].split() == list("ABCDEFGHIJ") and matrix[1].startswith("A a class w…nds in 0 ")
    assert len(matrix) == 11
    table = lines[4:15]
    assert len({line[:24] for line in table}) == 11


def test_of_many_classes_the_ten_worst_are_told_and_where_the_others_are(capsys: pytest.CaptureFixture[str]) -> None:
    counts = torch.diag(torch.arange(100))
    counts[:, 0] += 1
    lines = told(score_of([f"class {at}" for at in range(100)], counts.tolist()), capsys)
    rows = [line for line in lines if line.startswith("class ") and "%" in line and "interval" not in line]
    assert [row.split("  ")[0] for row in rows] == [f"class {at}" for at in range(1, 11)]
    assert f"the 10 classes of the lowest recall, of 100; all of them: {REST}" in lines
    assert not any(line.startswith("confusion") for line in lines)
    assert len(score_facts(score_of([f"class {at}" for at in range(100)], counts.tolist()))["classes"]) == 100


def test_two_test_images_are_enough(capsys: pytest.CaptureFixture[str]) -> None:
    lines = told(score_of(("=a", "b"), [[1, 0], [0, 1]]), capsys)
    assert lines[0] == "test accuracy 100.00% on 2 images; 95 % interval 34.2% to 100.0%"
    assert not any("taken for" in line for line in lines)
