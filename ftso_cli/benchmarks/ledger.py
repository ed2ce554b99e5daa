"""The ledger of `nats-table2`: every finished search with all that decides what it finds, in one JSON file."""

from pathlib import Path
from typing import Literal

from pydantic import ValidationError, field_validator

from ftso_cli.errors import FileError, GenotypeError
from ftso_cli.files import read_bytes, write_atomic
from ftso_cli.genotype.formats import nats
from ftso_cli.genotype.schema import Model
from ftso_cli.genotype.storage import describe_error

FORMAT: Literal["ftso-nats-table2/1"] = "ftso-nats-table2/1"
LIMIT = 16_000_000


class SearchKey(Model):
    """Everything that decides the result of a search; `iters` is None for a method with a length of its own."""

    method: str
    seed: int
    data: str
    image_size: int | None
    iters: int | None


class FinishedSearch(SearchKey):
    """A finished search, as the file holds it."""

    cell: str
    seconds: float

    @field_validator("cell")
    @classmethod
    def _is_a_cell_of_the_space(cls, cell: str) -> str:
        try:
            nats.read_cells(cell)
        except GenotypeError as error:
            raise ValueError(str(error)) from None
        return cell

    @property
    def request(self) -> SearchKey:
        """The request of the search."""
        return SearchKey(**{name: getattr(self, name) for name in SearchKey.model_fields})


class LedgerFile(Model):
    """The file: searches in the order in which they ended."""

    format: Literal["ftso-nats-table2/1"]
    searches: tuple[FinishedSearch, ...] = ()


class Ledger:
    """The searches that are done; each new one is written at once, so that a kill loses only the one in hand.

    Raises `FileError` where `path` holds something else. A search that stands twice counts as it ended last.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._found = {found.request: found for found in _read(path)} if path.exists() else {}

    def find(self, request: SearchKey) -> FinishedSearch | None:
        """The search with this request, if it is done."""
        return self._found.get(request)

    def add(self, request: SearchKey, cell: str, seconds: float) -> FinishedSearch:
        """Notes what a search has found."""
        found = FinishedSearch(**request.model_dump(), cell=cell, seconds=seconds)
        self._found[request] = found
        content = LedgerFile(format=FORMAT, searches=tuple(self._found.values()))
        write_atomic(self._path, content.model_dump_json(indent=1).encode())
        return found


def _read(path: Path) -> tuple[FinishedSearch, ...]:
    try:
        return LedgerFile.model_validate_json(read_bytes(path, limit=LIMIT)).searches
    except ValidationError as error:
        raise FileError(
            f"{path}: no ledger of nats-table2 ({describe_error(error)}); name another file with --output"
        ) from None
