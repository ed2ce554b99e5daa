"""The page of a run: how well its classifier does, with real images; planted answers where numbers are to be known."""

import base64
import io
import json
import re
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ftso_cli.api.training.run_images import requested_images
from ftso_cli.data import record_of
from ftso_cli.errors import RunError
from ftso_cli.genotype import library
from ftso_cli.report.collect import collect
from ftso_cli.report.page import page
from ftso_cli.report.run.calibration import calibration_error, confidence_bins
from ftso_cli.settings.config_file import ConfigFile
from ftso_cli.settings.recipes import RECIPES
from ftso_cli.training.run import Config, Run
from ftso_cli.training.testing.answers import ImageAnswer, write_answers
from tests.images import write_folder
from tests.report.browser import PROGRAM, SKIP, browser
from tests.report.test_page import EVIL, Reader

CLASSES = ("a cat <b>&\"'", "ein sehr langer Name für eine Klasse_von_Bildern_2019", "\u0633\u0641\u064a\u0646\u0629")


def planted(folder: Path, answers: Sequence[tuple[int, int, float]], classes: Sequence[str] = CLASSES) -> Path:
    """A finished run on images in folder/photos, whose answers are (class, answer, confidence), image after image."""
    write_folder(folder / "photos", test=4)
    for part in ("train", "test"):
        for name, of in zip(classes, ("blue", "green", "red"), strict=True):
            (folder / "photos" / part / of).rename(folder / "photos" / part / name)
    recipe = replace(RECIPES["quick"], validation=0.25)
    images = requested_images(str(folder / "photos"), ConfigFile(), recipe)
    config = Config(
        data=str(folder / "photos"),
        image_size=images.image_size,
        image_channels=3,
        classes=images.classes,
        mean=images.mean,
        std=images.std,
        flip=True,
        recipe=recipe,
        seed=3,
        device="cpu",
        versions={"torch": "2.0"},
    )
    run, record = Run(folder / "run"), record_of(images)
    run.create(library.load_genotype("ftso_residual"), config, record)
    rows = {"epoch": 1, "rate": 0.1, "drop_path": 0, "loss": 1.5, "accuracy": 0.5, "seconds": 60}
    rows |= {"val_loss": 1.2, "val_accuracy": 0.6}
    run.write_metrics([rows, rows | {"epoch": 2}])
    of_class = {
        at: iter(sorted(n for n in record.test if Path(n).parent.name == name))
        for at, name in enumerate(images.classes)
    }
    found = [
        ImageAnswer(image=next(of_class[truth]), truth=truth, answer=answer, confidence=share, truth_probability=0.1)
        for truth, answer, share in answers
    ]
    write_answers(run, images.classes, found)
    right = sum(truth == answer for truth, answer, _ in answers) / len(answers)
    run.write_result({"test_accuracy": right, "test_loss": 1.0, "test_images": len(answers)})
    return folder / "run"


ANSWERS = [(0, 0, 0.9), (0, 0, 0.8), (0, 1, 0.95), (0, 1, 0.6), (1, 1, 0.9), (1, 0, 0.7), (1, 1, 0.5), (2, 2, 1.0)]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return planted(tmp_path_factory.mktemp("classifier"), ANSWERS)


@pytest.fixture(scope="module")
def text(run: Path) -> str:
    return page(collect([str(run)]))


def said(text: str) -> str:
    return " ".join(" ".join(Reader(text).texts).split())


def test_the_page_of_a_run_leads_with_its_classifier(text: str) -> None:
    words = said(text)
    assert "Classifier of 3 classes · photos" in words
    assert "62.50% of 8 test images are answered right" in re.sub(" +", " ", words)
    assert "30.6% to 86.3%" in words
    assert f"Always answering {CLASSES[0]} would be right for 50.00%" in re.sub(" +", " ", words)
    order = ["How well it does", "What may help", "How to use it", "How it was trained", "The cell", "What it costs"]
    assert [words.index(title) for title in order] == sorted(words.index(title) for title in order)


def test_each_class_has_its_counts_by_part_and_its_scores(text: str) -> None:
    rows = re.findall(r'<tr><th scope="row">([^<]*)</th>((?:<td data-of.*?</td>)+)</tr>', text)
    cells = [re.findall(r"<td[^>]*>([^<]*)</td>", row) for _, row in rows]
    assert [row[:5] for row in cells] == [
        ["18", "6", "4", "66.7%", "50.0%"],
        ["18", "6", "3", "50.0%", "66.7%"],
        ["18", "6", "1", "100.0%", "100.0%"],
    ]


def test_the_confusion_matrix_is_a_table_with_counts_and_shares(text: str) -> None:
    table = re.findall(r'<table class="confusion.*?</table>', text, re.S)[0]
    assert "truth ↓ · answer →" in table
    counts = re.findall(r"<td[^>]*title[^>]*>([\d,]+)<small>(\d+%)</small>", table)
    assert counts[:3] == [("2", "50%"), ("2", "50%"), ("0", "0%")] and len(counts) == 9
    assert table.count('<th scope="col">') == 3 and table.count('<th scope="row">') == 3


def test_wrong_images_are_small_pictures_the_most_confident_first(run: Path, text: str) -> None:
    figures = re.findall(r'<figure><img src="(data:image/[^"]+)".*?</figure>', text, re.S)
    captions = re.findall(r"<figcaption>.*?, (\d+)&nbsp;%", text, re.S)
    assert captions == ["95", "70", "60"] and len(figures) == 3
    content = base64.b64decode(figures[0].partition(",")[2])
    (name,) = [each.image for each in collect([str(run)]).trainings[0].answers if each.confidence == 0.95]
    with Image.open(io.BytesIO(content)) as shown, Image.open(run.parent / "photos" / name) as image:
        assert np.abs(np.asarray(shown.convert("RGB"), float) - np.asarray(image.convert("RGB"), float)).mean() < 20


def test_images_that_are_gone_or_changed_are_not_shown(run: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(run.parent, tmp_path / "copy") / "run"
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | {"data": str(copy.parent / "photos")}))
    names = [each.image for each in collect([str(copy)]).trainings[0].answers if each.truth != each.answer]
    (copy.parent / "photos" / names[0]).unlink()
    Image.new("RGB", (8, 8), "red").save(copy.parent / "photos" / names[1])
    assert page(collect([str(copy)])).count("<figure><img") == 1
    shutil.rmtree(copy.parent / "photos")
    assert "<figure><img" not in page(collect([str(copy)]))


def test_the_page_tells_no_absolute_path_and_commands_quote_the_run(tmp_path: Path) -> None:
    run = planted(tmp_path, ANSWERS).rename(tmp_path / "my run's")
    text = page(collect([str(run)]))
    assert str(tmp_path) not in text and tmp_path.name not in text
    commands = [re.sub(r"<[^>]+>", "", code) for code in re.findall(r"<code>(.*?)</code>", text, re.S)]
    assert "ftso predict &#39;my run&#39;\\&#39;&#39;s&#39; photo.jpg" in commands
    assert any("ftso_cli.load(&#34;my run&#39;s&#34;)" in command for command in commands)


def test_it_says_on_what_and_how_it_was_trained(text: str) -> None:
    words = said(text)
    assert "54 for training, 18 for validation, 8 for testing" in words
    assert "8×8 pixels, RGB" in words and "SGD, momentum 0.9" in words
    assert "padding and random crops, half of them mirrored, cutout of 25% of the side" in words
    assert "0.05, cosine schedule" in words and "torch 2.0" in words


def test_a_latency_that_was_measured_stands_at_the_head(run: Path, tmp_path: Path) -> None:
    copy = Run(shutil.copytree(run, tmp_path / "run"))
    assert "latency" not in re.findall(r"<dt>(.*?)</dt>", page(collect([str(copy.folder)])))
    copy.write_latency({"device": "cpu", "threads": 2, "batch_size": 1, "milliseconds": {"50": 1.234, "90": 2.0}})
    assert "1.23 ms" in page(collect([str(copy.folder)])) and "an image, cpu, 2 threads" in page(
        collect([str(copy.folder)])
    )
    copy.latency_file.write_text('{"device": "cpu"}')
    with pytest.raises(RunError, match=r"latency\.json"):
        page(collect([str(copy.folder)]))


def test_an_answer_file_of_another_result_is_left_out(run: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(run, tmp_path / "run")
    (copy / "result.json").write_text(json.dumps({"test_accuracy": 0.5, "test_images": 7}))
    assert "How well it does" not in said(page(collect([str(copy)])))
    (copy / "answers.csv").unlink()
    assert "How well it does" not in said(page(collect([str(copy)])))


def test_many_classes_have_a_picture_and_the_worst_of_them_a_table(run: Path, tmp_path: Path) -> None:
    copy = Run(shutil.copytree(run, tmp_path / "run"))
    classes = tuple(f"class {at}" for at in range(300))
    config = json.loads(copy.config_file.read_text())
    copy.config_file.write_text(json.dumps(config | {"classes": classes}))
    copy.images_file.unlink()
    answers = [
        ImageAnswer(image=str(at), truth=at % 300, answer=(at + at % 3) % 300, confidence=0.5, truth_probability=0.5)
        for at in range(3000)
    ]
    write_answers(copy, classes, answers)
    copy.write_result({"test_accuracy": 1 / 3, "test_images": 3000})
    text = page(collect([str(copy.folder)]))
    assert len(text.encode()) < 2_000_000 and '<img class="confusion" src="data:image/png' in text
    assert text.count('<tr><th scope="row">class ') == 10 + 200


def test_hostile_names_of_classes_and_images_stay_text(run: Path, tmp_path: Path) -> None:
    copy = Run(shutil.copytree(run, tmp_path / "run"))
    classes = ("a\nb\x1b[31m", EVIL, "=cmd|' /C calc'!A0")
    config = json.loads(copy.config_file.read_text())
    copy.config_file.write_text(json.dumps(config | {"classes": classes}))
    copy.images_file.unlink()
    names = (EVIL, "/home/miller/\x00\u202ex.png")
    answers = [
        ImageAnswer(image=name, truth=at, answer=(at + 1) % 3, confidence=0.5, truth_probability=0.5)
        for at in range(3)
        for name in names
    ]
    write_answers(copy, classes, answers)
    copy.write_result({"test_accuracy": 0, "test_images": 6})
    text = page(collect([str(copy.folder)]))
    read = Reader(text)
    assert read.tags.count("script") == 1 and "img" not in read.tags and "miller" not in text
    assert not [name for name, _ in read.attributes if name.startswith("on")]
    assert {sign for sign in text if not sign.isprintable()} == {"\n"} and EVIL in "".join(read.texts)


def test_the_bins_of_the_confidence_and_their_error() -> None:
    answers = [
        ImageAnswer(image="x", truth=0, answer=answer, confidence=share, truth_probability=0.1)
        for answer, share in ((0, 0.95), (1, 0.91), (0, 1.0), (0, 0.35), (1, 0.0))
    ]
    bins = confidence_bins(answers)
    assert [(each.low, each.images) for each in bins] == [(0.0, 1), (0.3, 1), (0.9, 3)]
    expected = (1 * 0 + 1 * 0.65 + 3 * abs(2 / 3 - (0.95 + 0.91 + 1) / 3)) / 5
    assert calibration_error(bins) == pytest.approx(expected)


@pytest.mark.skipif(PROGRAM is None, reason=SKIP)
def test_nothing_is_cut_on_a_telephone(text: str, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(text, encoding="utf-8")
    beyond = """[...document.querySelectorAll('main *')].filter((each) => {
        const box = each.getBoundingClientRect();
        return box.width && box.right > innerWidth + 1 && !each.closest('svg, pre'); }).map((each) => each.outerHTML)"""
    with browser(tmp_path / "profile") as tab:
        for width in (390, 1280):
            tab.send("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
            tab.open(tmp_path / "page.html")
            assert tab.run("document.documentElement.scrollWidth") <= width
            assert [each for each in tab.run(beyond) if "cell" not in each[:60]] == []
            assert tab.run("[...document.images].every((image) => image.complete && image.naturalWidth > 0)")
        assert tab.complaints == [] and all(url.startswith(("file:", "data:")) for url in tab.requests)
