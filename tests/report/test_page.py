"""The page as text: one file, within bounds, that runs nothing of what it was made from."""

import json
import re
import shutil
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ftso_cli.cli.app import app
from ftso_cli.errors import GenotypeError, RunError
from ftso_cli.genotype import Step, Times, library, storage
from ftso_cli.report.collect import collect
from ftso_cli.report.page import page
from ftso_cli.report.plots.pareto import frontier, points
from ftso_cli.spaces import DARTS
from tests.report.test_trace import ALPHAS, BETAS, METRICS

EVIL = '</script><script>document.title="caught"</script><img src=x onerror=alert(1)>'

VOID = {"meta", "input", "link", "br", "img"}


class Reader(HTMLParser):
    """What a page is made of; fails where an element isn't closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@pytest.fixture(scope="session")
def text(afternoon: Path) -> str:
    return page(collect([str(afternoon / "cell.json"), str(afternoon / "run")]))


def test_a_page_is_well_formed_small_and_names_no_address(text: str) -> None:
    read = Reader(text)
    assert len(text.encode()) < 2_000_000
    assert "http://" not in text and "https://" not in text
    assert not re.findall(r"url\((?!#)", text)
    assert not {name for name, _ in read.attributes} & {"href", "xlink:href", "action"}
    assert all(value.startswith("data:image/") for name, value in read.attributes if name == "src")
    assert [tag for tag in read.tags if tag in ("iframe", "object", "embed", "base", "link")] == []
    assert not [name for name, _ in read.attributes if name.startswith("on")]


def test_a_page_shows_cell_searches_training_costs_and_history(text: str) -> None:
    said = " ".join(Reader(text).texts)
    for title in (
        "How well it does",
        "How to use it",
        "How it was trained",
        "The cell",
        "The search over time",
        "What it costs",
        "Among the published",
        "Environment",
    ):
        assert title in said
    accuracy = json.loads(re.findall(r"test accuracy.*?<dd>([\d.]+)%", text, re.S)[0])
    assert 0 <= accuracy <= 100
    commands = "".join(re.findall(r"<code>(.*?)</code>", text))
    for command in ("search-topology", "prune", "search-ops", "train"):
        assert f"ftso {command}" in commands
    labels = dict.fromkeys(value for name, value in Reader(text).attributes if name == "aria-label")
    assert any("parameters in" in label and "share of node" in label for label in labels)


def test_the_policy_runs_the_script_of_the_page_alone_and_fetches_nothing(text: str) -> None:
    policy = re.findall(r'Content-Security-Policy" content="([^"]*)"', text)[0]
    assert policy.startswith("default-src &#39;none&#39;") or policy.startswith("default-src 'none'")
    assert "img-src data:;" in policy
    assert "sha256-" in policy and "unsafe-eval" not in policy
    assert "script-src 'unsafe-inline'" not in policy.replace("&#39;", "'")


def test_names_and_notes_from_files_stay_text(afternoon: Path, tmp_path: Path) -> None:
    run = tmp_path / "<img src=x onerror=alert(1)>"
    shutil.copytree(afternoon / "run", run)
    config = json.loads((run / "config.json").read_bytes())
    config["data"] = config["versions"]["torch"] = EVIL
    (run / "config.json").write_text(json.dumps(config))
    genotype = storage.read_genotype(run / "genotype.json")
    note = Step(command=EVIL[:90], settings={"op": EVIL}, data=EVIL, device=EVIL, notes=(EVIL,), versions={"x": EVIL})
    storage.write_genotype(
        genotype.with_step(note, Times(started=EVIL, seconds={EVIL[:90]: 1.0})), run / "genotype.json"
    )
    read = Reader(page(collect([str(run)], title=EVIL)))
    assert read.tags.count("script") == 1 and "img" not in read.tags
    assert not [name for name, _ in read.attributes if name.startswith("on")]
    assert EVIL in "".join(read.texts)


def test_the_page_of_a_large_search_stays_within_its_limit(tmp_path: Path) -> None:
    """Eight nodes, eight operators, 60 records: all that is there would take more than 2 MB."""
    edges = [(kind, s, t) for kind in ("normal", "reduce") for t in range(2, 10) for s in range(t)]
    ops = DARTS.candidates
    metrics = [f"{at},{at},2.0,2.0,1,88,0.1" for at in range(60)]
    betas = [f"{at},{kind},{s},{t},{at / 60},{1 / t}" for at in range(60) for kind, s, t in edges]
    alphas = [f"{at},{kind},{s},{t},{op},0.1,0.125" for at in range(60) for kind, s, t in edges for op in ops]
    for name, head, rows in (("metrics", METRICS, metrics), ("betas", BETAS, betas), ("alphas", ALPHAS, alphas)):
        (tmp_path / f"{name}.csv").write_text(head + "\n".join(rows))
    text = page(collect([str(tmp_path)]))
    assert 1_000_000 < len(text.encode()) < 2_000_000
    assert re.search(r"\d+ of 60 records are shown", text)


@pytest.mark.parametrize("name", ["nasnet_a", "ftso_wide_sep3", "amoebanet_a_tpu"])
def test_a_published_cell_has_a_page(name: str) -> None:
    assert (library.load_genotype(name).about.title or name) in Reader(page(collect([name]))).texts  # type: ignore[union-attr]


def test_a_searched_cell_and_a_nats_cell_have_pages(searched_file: Path, tmp_path: Path) -> None:
    Reader(page(collect([str(searched_file)])))
    edges = [(0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3)]
    cell = {"edges": [{"source": s, "target": t, "op": "nor_conv_3x3"} for s, t in edges], "concat": [3]}
    nats = {"format": "ftso-genotype/1", "space": "nats", "stage": "complete", "cells": {"cell": cell}}
    (tmp_path / "nats.json").write_text(json.dumps(nats))
    assert "the benchmark" in page(collect([str(tmp_path / "nats.json")]))


def test_the_folder_of_a_search_finds_its_cell_and_stands_alone_without(afternoon: Path, tmp_path: Path) -> None:
    found = collect([str(afternoon / "cell.search-ops")])
    assert found.genotype is not None and found.title == "cell"
    shutil.copytree(afternoon / "cell.search-ops", tmp_path / "other.search-ops")
    alone = collect([str(tmp_path / "other.search-ops")])
    assert alone.genotype is None and len(alone.traces) == 1
    assert "Move the slider" in page(alone)


def test_the_history_of_a_search_that_another_came_after_is_left_out(afternoon: Path, tmp_path: Path) -> None:
    shutil.copytree(afternoon / "cell.search-topology", tmp_path / "cell.search-topology")
    again = ("search-topology", "--data", str(afternoon / "photos"), "--channels", "4", "--cells", "3")
    CliRunner().invoke(app, [*again, "--batch-size", "8", "--iters", "1", "-o", str(tmp_path / "cell.json")])
    found = collect([str(tmp_path / "cell.json")])
    assert found.traces == () and found.strangers == (tmp_path / "cell.search-topology",)
    told = CliRunner().invoke(app, ["report", str(tmp_path / "cell.json"), "-o", str(tmp_path / "report.html")])
    assert "another search" in told.output


def test_sources_of_two_cells_are_refused(afternoon: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="another cell"):
        collect([str(afternoon / "cell.json"), "darts_v2"])
    with pytest.raises(RunError, match="no run folder"):
        collect([str(tmp_path)])
    for name in ("cell.search-ops", "run"):
        shutil.copytree(afternoon / name, tmp_path / name)
    runs = f"{tmp_path / 'cell.search-ops'}, {tmp_path / 'run'}"
    with pytest.raises(RunError, match=f"no run folder, but it holds some; name one: {runs}$"):
        collect([str(tmp_path)])
    with pytest.raises(GenotypeError, match="no such file"):
        collect([str(tmp_path / "none.json")])


def test_no_published_network_is_above_the_frontier() -> None:
    found = points(collect(["darts_v2"]))
    best = frontier(found, "params")
    assert len(best) >= 3 and all(point.published for point in best)
    for point in found:
        cost, error = point.costs["params"], point.error or 0.0
        assert any(other.costs["params"] <= cost and (other.error or 0.0) <= error for other in best)
    assert all(one.costs["params"] < other.costs["params"] for one, other in pairwise(best))
