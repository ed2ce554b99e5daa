"""Tables by path: the cache, and the benchmark's own records, which are pickles."""

import bz2
import os
import pickle
import sys
from pathlib import Path

import pytest

from ftso_cli.benchmarks import cache
from ftso_cli.benchmarks.nats import CELLS, LIMIT, architectures
from ftso_cli.benchmarks.tables import read_table
from ftso_cli.errors import FileError, SettingsError, TableError
from tests.benchmarks.tables import lines
from tests.benchmarks.tables import text as made_up
from tests.nats import FTSO


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own, still empty."""
    monkeypatch.setenv("FTSO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "tables"


@pytest.fixture
def csv_file(tmp_path: Path) -> Path:
    path = tmp_path / "table.csv"
    path.write_bytes(made_up())
    return path


# The cache


def test_a_table_that_was_read_is_kept_and_read_from_there(csv_file: Path, store: Path) -> None:
    first = read_table(csv_file)
    (kept,) = store.iterdir()
    assert read_table(csv_file) == first == cache.load_table(kept)


def test_another_content_under_the_same_name_is_another_table(csv_file: Path, store: Path) -> None:
    first = read_table(csv_file)
    csv_file.write_text(
        "\n".join(["0.5," + lines()[1].split(",", 1)[1] if at == 1 else line for at, line in enumerate(lines())])
    )
    assert read_table(csv_file) != first
    assert len(list(store.iterdir())) == 2


@pytest.mark.parametrize("at", [0, 70, 1000, -1])
def test_a_damaged_file_of_the_cache_is_made_again(csv_file: Path, store: Path, at: int) -> None:
    first = read_table(csv_file)
    (kept,) = store.iterdir()
    content = bytearray(kept.read_bytes())
    whole = bytes(content)
    content[at] ^= 1
    kept.write_bytes(content)
    assert cache.load_table(kept) is None
    assert read_table(csv_file) == first
    assert kept.read_bytes() == whole


def test_a_cut_file_of_the_cache_is_made_again(csv_file: Path, store: Path) -> None:
    first = read_table(csv_file)
    (kept,) = store.iterdir()
    for length in (0, 10, 65, 5000):
        kept.write_bytes(kept.read_bytes()[:length])
        assert read_table(csv_file) == first


def test_nothing_is_kept_where_the_cache_is_off_or_can_not_be_written(
    csv_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FTSO_CACHE", "")
    first = read_table(csv_file)
    monkeypatch.setenv("FTSO_CACHE", str(csv_file / "cache"))
    assert read_table(csv_file) == first
    assert list(tmp_path.iterdir()) == [csv_file]


def test_a_damaged_table_is_not_kept(csv_file: Path, store: Path) -> None:
    csv_file.write_bytes(made_up()[:-500])
    with pytest.raises(TableError):
        read_table(csv_file)
    assert not store.exists()


def test_a_file_that_can_not_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="no such file"):
        read_table(tmp_path / "nowhere.csv")
    (tmp_path / "large.csv").touch()
    os.truncate(tmp_path / "large.csv", LIMIT + 1)
    with pytest.raises(FileError, match="larger than 64 MB"):
        read_table(tmp_path / "large.csv")


# Records

TESTS = ((90.0, 91.0, 92.5), (60.0, 61.0), (30.0,))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of records of all cells: record 0 is one of its own, the others are one file under many names."""
    records = pytest.importorskip("tests.benchmarks.records", reason="nats_bench is not installed")
    path = tmp_path / "NATS-tss-v1_0-3ffb9-simple"
    path.mkdir()
    records.write_meta(path, [FTSO, *(other for other in architectures() if other != FTSO)])
    records.write_record(path, 0, TESTS)
    other = records.write_record(path, 1, ((80.0,), (50.0,), (20.0,)))
    for index in range(2, CELLS):
        os.link(other, path / f"{index:06d}.pickle.pbz2")
    return path


def test_records_give_the_mean_over_seeds_and_are_trusted_once(folder: Path) -> None:
    heard: list[tuple[int, int]] = []
    with pytest.raises(SettingsError, match=r"are pickles, which can run any code .*; give --trust-pickle if"):
        read_table(folder)
    table = read_table(folder, trust_pickle=True, on_record=lambda done, total: heard.append((done, total)))
    entry = table.find(FTSO)
    assert entry.index == 0
    assert [score.accuracy for score in entry.scores.values()] == [pytest.approx(91.1666667), 60.5, 30.0]
    assert [score.rank for score in entry.scores.values()] == [1, 1, 1]
    assert heard == [(done, CELLS) for done in range(1, CELLS + 1)]
    # What is in the cache was read before, and no pickle is read for it.
    assert read_table(folder) == table
    (folder / "000000.pickle.pbz2").touch()
    with pytest.raises(SettingsError, match="are pickles"):
        read_table(folder)


class Payload:
    """What a hostile record holds: reading it makes a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


def test_no_pickle_is_read_without_trust(tmp_path: Path) -> None:
    folder, harm = tmp_path / "records", tmp_path / "harm"
    folder.mkdir()
    (folder / "meta.pickle.pbz2").write_bytes(bz2.compress(pickle.dumps(Payload(harm))))
    with pytest.raises(SettingsError, match="are pickles"):
        read_table(folder)
    assert not harm.exists()
    pickle.loads(pickle.dumps(Payload(harm)))
    assert harm.exists()


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("meta.pickle.pbz2", None, "the meta file can't be read"),
        ("meta.pickle.pbz2", b"damaged", "the meta file can't be read"),
        ("000000.pickle.pbz2", None, "record 000000 can't be read"),
        ("000000.pickle.pbz2", b"damaged", "record 000000 can't be read"),
        ("000000.pickle.pbz2", bz2.compress(pickle.dumps({"12": {}})), "record 000000 can't be read"),
        ("meta.pickle.pbz2", bz2.compress(pickle.dumps({"meta_archs": [FTSO]})), "lists 1 cells, not the 15,625"),
    ],
)
def test_records_that_are_damaged_or_missing_are_refused_by_name(
    tmp_path: Path, name: str, content: bytes | None, reason: str
) -> None:
    records = pytest.importorskip("tests.benchmarks.records", reason="nats_bench is not installed")
    records.write_meta(tmp_path, architectures())
    records.write_record(tmp_path, 0, TESTS)
    (tmp_path / name).unlink()
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(TableError, match=reason) as caught:
        read_table(tmp_path, trust_pickle=True)
    assert "\n" not in str(caught.value)


def test_a_record_with_an_accuracy_that_is_none_is_refused(tmp_path: Path) -> None:
    records = pytest.importorskip("tests.benchmarks.records", reason="nats_bench is not installed")
    records.write_meta(tmp_path, architectures())
    records.write_record(tmp_path, 0, ((float("nan"),), (50.0,), (20.0,)))
    with pytest.raises(TableError, match=r"record 000000 has accuracies \[nan, 50.0, 20.0\], and these lie from 0"):
        read_table(tmp_path, trust_pickle=True)


def test_records_without_the_benchmarks_package_are_refused_with_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # An import of this name fails from here on, as where the package is missing.
    monkeypatch.setitem(sys.modules, "nats_bench", None)
    with pytest.raises(SettingsError, match="needs the package nats_bench: pip install nats_bench"):
        read_table(tmp_path, trust_pickle=True)
