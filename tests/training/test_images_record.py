"""What somebody else wrote into the images.json of a run is refused in one line, or used; never more."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings

import ftso_cli
from ftso_cli.data import open_images, record_of
from ftso_cli.errors import FtsoError
from ftso_cli.training.run import read_images
from tests.data.images import write_folder
from tests.fuzz.damage import damaged, exchanged
from tests.fuzz.oracle import judged


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    pets = write_folder(folder / "pets", {"cat": 8, "dog": 8})
    small = {"epochs": 1, "channels": 4, "cells": 1, "batch_size": 4, "auxiliary": 0.0}
    return ftso_cli.train("ftso_wide_sep3", pets, output=folder / "run", **small).folder


def test_a_record_that_is_damaged_is_refused_or_used(run: Path) -> None:
    file = run / "images.json"
    whole = file.read_bytes()
    outcomes = []

    @settings(max_examples=60)
    @given(exchanged([whole]) | damaged([whole]))
    def attack(content: bytes) -> None:
        file.write_bytes(content)
        outcomes.append(judged(lambda: ftso_cli.evaluate(run), [run, Path(os.environ["FTSO_CACHE"])]))

    attack()
    file.write_bytes(whole)
    assert outcomes.count("refused") > 10


def test_the_record_of_a_set_names_its_images_once(tmp_path: Path) -> None:
    record = record_of(open_images(str(write_folder(tmp_path, {"train/cat": 3, "train/dog": 3, "valid/dog": 2}))))
    assert sorted(record.train) == [f"train/{name}/00{number}.png" for name in ("cat", "dog") for number in range(3)]
    assert sorted(record.test) == ["valid/dog/000.png", "valid/dog/001.png"] and record.classes == ("cat", "dog")
    (tmp_path / "images.json").write_text(record.model_dump_json())
    assert read_images(tmp_path / "images.json") == record
    (tmp_path / "images.json").write_text(json.dumps({"format": "ftso-images/2"}))
    with pytest.raises(FtsoError, match=r"images\.json: format"):
        read_images(tmp_path / "images.json")
