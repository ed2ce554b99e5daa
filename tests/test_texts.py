"""Text of others in each kind of output."""

import csv
import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from typer.testing import CliRunner

from ftso_cli.cli.app import app
from ftso_cli.drawing.plots import plot_confusion
from ftso_cli.genotype import About, Genotype, storage
from ftso_cli.texts import csv_table, last_name, markdown_table, one_line, page_text

UNSEEN = "".join(
    map(chr, (*range(32), *range(127, 160), 0x061C, 0x200E, 0x202E, 0x2028, 0x2066, 0xFEFF, 0xFFFE, 0xD800))
)
"""Control signs, of direction, breaks of lines, and what is no sign at all."""


def test_what_cannot_be_seen_is_a_mark_and_what_languages_need_stays() -> None:
    assert set(one_line(UNSEEN)) == {"\ufffd"} and len(one_line(UNSEEN)) == len(UNSEEN)
    for text in (
        "naïve 细胞 ячейка",
        "\u0645\u06cc\u200c\u062e",
        "👩\u200d🔬",
        "x_$y$ <b> & 'c' |",
    ):
        assert one_line(text) == text
    assert one_line("a\u00a0b\u3000c") == "a b c"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("/home/miller/photos/cat/1.png: no such file", "1.png: no such file"),
        ("in '/home/miller/my photos/x.png'", "in 'my photos/x.png'"),
        (r"C:\Users\miller\x.png is damaged", "x.png is damaged"),
        ("file:///home/miller/x.png, or C:/Users/miller/x.png", "x.png, or x.png"),
        ("error:/home/miller/x.png --data=/home/miller/photos", "error:x.png --data=photos"),
        ("runs/cell and ./a/b and 1/2/3", "runs/cell and ./a/b and 1/2/3"),
        ("see https://arxiv.org/abs/1909.11926", "see https://arxiv.org/abs/1909.11926"),
        ("=cmd|' /C calc'!A0", "=cmd|' /C calc'!A0"),
    ],
)
def test_a_page_has_no_absolute_path(text: str, told: str) -> None:
    assert page_text(text) == told


def test_a_path_is_told_to_others_by_its_last_name_where_it_is_absolute() -> None:
    told = [last_name(path) for path in ("/home/miller/my photos", "/data", r"C:\Users\x", "photos/a", "digits", "")]
    assert told == ["my photos", "data", "x", "photos/a", "digits", ""]


@pytest.mark.parametrize("name", ["=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", " =1", "\uff1d1"])
def test_no_cell_of_a_table_is_a_formula_and_numbers_stay_numbers(name: str) -> None:
    row = next(csv.reader(io.StringIO(csv_table([[name, "-0.5", "+2.1", "1e-3", "-"]]))))
    assert row[0][0] not in "=+-@\t\r \uff1d" and row[1:4] == ["-0.5", "+2.1", "1e-3"]
    assert row[0].endswith(one_line(name)) and "\n" not in row[0]


def test_a_name_with_a_line_break_is_one_cell() -> None:
    assert csv_table([["a\nb", "c\rd"]]) == "a\ufffdb,c\ufffdd\n"
    assert markdown_table([["head"], ["a\n| b"]]).count("\n") == 3


def test_markdown_shows_names_as_they_are() -> None:
    names = [
        "<script>alert(1)</script>",
        "a | b",
        "$x_$y",
        "`code` *bold* _em_ ~no~",
        "[x](javascript:alert(1))",
        "a\\b",
    ]
    lines = markdown_table([["head"], *([name] for name in names)]).splitlines()[2:]
    assert lines[:3] == ["| &lt;script&gt;alert(1)&lt;/script&gt; |", r"| a \| b |", r"| \$x\_\$y |"]
    assert lines[3:] == [r"| \`code\` \*bold\* \_em\_ \~no\~ |", r"| \[x\](javascript:alert(1)) |", r"| a\\b |"]
    assert "batch_size" in markdown_table([["batch_size 32"]])


@given(st.lists(st.text(), min_size=1, max_size=3))
def test_any_names_are_one_row_of_a_table_each(names: list[str]) -> None:
    for name in names:
        assert not {sign for sign in one_line(name) if not sign.isprintable()} - {"\u200c", "\u200d"}
        assert len(one_line(name)) == len(name)
    rows = list(csv.reader(io.StringIO(csv_table([names, names]))))
    assert len(rows) == 2 and all(len(row) == len(names) for row in rows)
    table = markdown_table([names, names])
    assert table.count("\n") == 3 and "<" not in table


@pytest.mark.parametrize("suffix", ["svg", "png", "pdf"])
def test_a_dollar_in_the_name_of_a_class_is_a_dollar(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"confusion.{suffix}"
    plot_confusion([[1, 0], [0, 1]], ["$5-$10", r"$\frac{$ line" + UNSEEN], path)
    assert path.stat().st_size > 1000


def test_what_a_file_calls_itself_reaches_standard_output_without_control_characters(
    searched: Genotype, tmp_path: Path
) -> None:
    title = "".join(sign for sign in UNSEEN if not "\ud800" <= sign <= "\udfff")
    named = searched.replace(about=About(name="x", title=title, note=title))
    storage.write_genotype(named, tmp_path / "cell.json")
    assert storage.read_genotype(tmp_path / "cell.json") == named
    for args in (["prune", "-o", "-"], ["draw", "-o", "-"], ["draw"], ["export", "--format", "dot"]):
        done = CliRunner().invoke(app, [args[0], str(tmp_path / "cell.json"), *args[1:]])
        assert done.exit_code == 0, done.output
        assert {sign for sign in done.stdout if not sign.isprintable()} <= {"\n", "\t"}, args
    pruned = json.loads(CliRunner().invoke(app, ["prune", str(tmp_path / "cell.json"), "-o", "-"]).stdout)
    assert pruned["about"]["title"] == title


def test_a_line_break_in_the_name_of_a_class_makes_no_line(tmp_path: Path) -> None:
    classes = ("$5-$10", "cat\nx.png: dog 100.0%\x1b[2J", "dog\u202e")
    for at, name in enumerate(classes):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(6):
            Image.new("RGB", (8, 8), (80 * at, 0, 0)).save(tmp_path / "photos" / name / f"{number}.png")
    run, photo = str(tmp_path / "run"), str(tmp_path / "photos" / classes[0] / "0.png")
    options = ("--channels", "4", "--cells", "2", "--epochs", "1", "--batch-size", "6", "--cutout", "0")
    for args in (
        ("train", "ftso_wide_sep3", "--data", str(tmp_path / "photos"), *options, "-o", run),
        ("evaluate", run, "--confusion", str(tmp_path / "confusion.svg")),
        ("predict", run, photo),
        ("report", run, "-o", str(tmp_path / "r.html")),
    ):
        done = CliRunner().invoke(app, [*args])
        assert done.exit_code == 0, done.output
        assert not any(line.startswith("x.png") for line in done.output.splitlines()), args
        assert {sign for sign in done.output if not sign.isprintable()} <= {"\n"}, args
    assert "$5-$10" in (tmp_path / "confusion.svg").read_text(encoding="utf-8")
    assert str(tmp_path) not in (tmp_path / "r.html").read_text(encoding="utf-8")
