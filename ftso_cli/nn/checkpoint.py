"""Checkpoints that survive a kill, a full disk and a damaged file: safetensors with a checksum, and the one before.

A checkpoint is written under a name of its own, and then takes the place of the last one, which is kept as the one
before. At any moment at least one of the two is whole.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from ftso_cli.errors import FileError, RunError
from ftso_cli.files import read_bytes, write_inside

TENSOR_LIMIT = 8_000_000_000

CHECKSUM = "sha256"


@dataclass(frozen=True, kw_only=True)
class State:
    """The content of a checkpoint: tensors by name, and values that JSON can hold."""

    tensors: Mapping[str, Tensor]
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Checkpoints:
    """The last checkpoint of a run or a search, and the one before it, whose name is that of `last` with -before."""

    last: Path

    @property
    def before(self) -> Path:
        """The checkpoint before the last."""
        return self._beside("before")

    def exist(self) -> bool:
        """True where there is a checkpoint to resume from."""
        return self.last.exists() or self.before.exists()

    def write(self, state: State) -> None:
        """Makes `state` the last checkpoint. Raises `FileError` where it can't be written, and those before stay."""
        about = {"values": json.dumps(state.values)}
        following = self._beside("next")
        write_tensors(state.tensors, following, {**about, CHECKSUM: checksum(state.tensors, about["values"])})
        try:
            if self.last.exists():
                os.replace(self.last, self.before)
            os.replace(following, self.last)
        except OSError as error:
            raise FileError(f"{self.last}: can't be replaced ({error.strerror or error})") from None

    def remove(self) -> None:
        """Takes all of them away, once the work is done and its result is saved."""
        for path in (self._beside("next"), self.before, self.last):
            path.unlink(missing_ok=True)

    def read(self) -> tuple[State, str]:
        """The newest checkpoint that is whole, and what was wrong with the last one: "" where nothing was.

        A damaged last checkpoint gives its place to the one before. Raises `RunError` where none is whole.
        """
        state, problem = self.look()
        if problem:
            os.replace(self.before, self.last)
        return state, problem

    def look(self) -> tuple[State, str]:
        """Return what `read` does, and leave all files as they are."""
        problem = f"{self.last}: missing"
        if self.last.exists():
            try:
                return _read(self.last), ""
            except (RunError, FileError) as error:
                problem = str(error)
        if not self.before.exists():
            raise RunError(f"{problem}; there is no checkpoint before it, so train again from the beginning")
        try:
            return _read(self.before), problem
        except (RunError, FileError) as error:
            raise RunError(f"{problem}; {error}; no checkpoint is left, so train again from the beginning") from None

    def _beside(self, which: str) -> Path:
        return self.last.with_name(f"{self.last.stem}-{which}{self.last.suffix}")


def _read(path: Path) -> State:
    tensors, about = read_tensors(path)
    values = about.get("values", "")
    if about.get(CHECKSUM) != checksum(tensors, values):
        raise RunError(f"{path}: damaged (its checksum is wrong)")
    try:
        content = json.loads(values)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise RunError(f"{path}: no checkpoint, it has no values beside its tensors")
    return State(tensors=tensors, values=content)


def check_alike(found: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> None:
    """Raises `RunError` where `found` lacks a tensor of `own`, or has it in another shape or of another type."""
    for name, tensor in own.items():
        if name not in found:
            raise RunError(f"{name} is missing")
        other = found[name]
        if (other.shape, other.dtype) != (tensor.shape, tensor.dtype):
            here, there = (
                f"{list(each.shape)} of {str(each.dtype).removeprefix('torch.')}" for each in (tensor, other)
            )
            raise RunError(f"{name} is {there}, not {here}")


def checksum(tensors: Mapping[str, Tensor], values: str = "") -> str:
    """SHA-256 of the names, types, shapes and bytes of all tensors in order of name, and of the values."""
    digest = hashlib.sha256(values.encode())
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"\0{name}\0{tensor.dtype}\0{list(tensor.shape)}\0".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def write_tensors(tensors: Mapping[str, Tensor], path: Path, about: Mapping[str, str] | None = None) -> None:
    """Writes a file of a run folder: see `packed`. Raises `FileError` where that can't be done."""
    write_inside(path, packed(tensors, about))


def packed(tensors: Mapping[str, Tensor], about: Mapping[str, str] | None = None) -> bytes:
    """Tensors as safetensors, with `about` in the header."""
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    return save(contiguous, dict(about or {}))


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of a safetensors file and what its header says; raises `RunError` where it is damaged."""
    # A device would be read up to the limit.
    if path.exists() and not path.is_file():
        raise RunError(f"{path}: neither a file nor a link to one")
    content = read_bytes(path, limit=TENSOR_LIMIT)
    try:
        tensors = load(content)
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    except (SafetensorError, ValueError, KeyError) as error:
        raise RunError(f"{path}: damaged ({' '.join(str(error).split())[:120]})") from None
    return tensors, header.get("__metadata__") or {}
