"""A search, a race or an ensemble that was stopped goes on with its own images only."""

from pathlib import Path

import pytest

import ftso_cli
from ftso_cli.api.search.searching import Task
from ftso_cli.data import open_images
from ftso_cli.errors import RunError, differences
from ftso_cli.search.race.checkpoint import open_checkpoint
from ftso_cli.settings.searches import RaceSettings
from tests.data.images import write_folder, write_image


def test_a_request_names_its_images_by_number_and_names(tmp_path: Path) -> None:
    request = Task(command="race", data="pets", settings=RaceSettings(draws=4, steps=160), seed=0)
    pets, moved = (write_folder(tmp_path / name, {"cat": 10, "dog": 10}) for name in ("pets", "moved"))
    first = request.recorded(open_images(str(pets)))
    assert first["images"].startswith("16 (") and first == request.recorded(open_images(str(moved)))
    (pets / "cat/003.png").rename(pets / "cat/new.png")
    assert differences(first, request.recorded(open_images(str(pets)))).startswith("images 16 (")
    assert "images" not in request.recorded(open_images("digits"))


def test_what_an_earlier_version_left_without_naming_images_goes_on() -> None:
    assert differences({"seed": 0}, {"seed": 0, "images": "12 (abc)"}) == ""
    assert differences({"seed": 0, "images": "13 (def)"}, {"seed": 0, "images": "12 (abc)"}) != ""


def test_a_race_with_other_images_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cell.race.json"
    open_checkpoint({"images": "12 (abc)"}, 0, "pets", path, resume=False).begin("draw", 3)
    with pytest.raises(RunError, match=r"was raced with images 12 \(abc\), not 13 \(def\)"):
        open_checkpoint({"images": "13 (def)"}, 0, "pets", path, resume=True)


def stop_in_second_epoch(done: int, total: int, figures: str = "") -> None:
    if done > total // 2:
        raise InterruptedError


def test_a_search_with_other_images_is_refused(tmp_path: Path) -> None:
    pets, cell = write_folder(tmp_path / "pets", {"cat": 10, "dog": 10}), tmp_path / "cell.json"
    ftso_cli.write(ftso_cli.assign_operators("darts_v2", op="skip_connect"), cell)
    small = {"epochs": 2, "batch_size": 2, "cells": 1, "channels": 4, "run": tmp_path / "search"}
    with pytest.raises(InterruptedError):
        ftso_cli.search_operators(cell, pets, ops="sep_conv_3x3,skip_connect", progress=stop_in_second_epoch, **small)
    added = write_image(pets / "cat/new.png")
    with pytest.raises(RunError, match=r"was searched with images 16 \(\w+\), not \d+ \("):
        ftso_cli.search_operators(cell, pets, ops="sep_conv_3x3,skip_connect", resume=True, **small)
    added.unlink()
    found = ftso_cli.search_operators(cell, pets, ops="sep_conv_3x3,skip_connect", resume=True, **small)
    assert found.history[-1].settings["images"] == open_images(str(pets)).fingerprint
