"""The device to compute on, and random numbers that leave no trace."""

import re
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from ftso_cli.errors import SettingsError, TrainingError


def choose_device(name: str) -> torch.device:
    """The device called `name`; `auto` is a GPU where there is one. Raises `SettingsError` where it isn't here."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        # Also read: `meta` makes tensors that hold nothing.
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError):
        raise SettingsError(f"device {name!r} is not available here; use --device cpu or --device auto") from None
    return device


def has_fast_bfloat16(device: torch.device) -> bool:
    """Return True where the device has units for products in bfloat16: GPUs, and processors with AMX."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    # PyTorch 2.4 can't tell.
    capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return device.type == "cpu" and bool(capabilities.get("amx_bf16"))


def peak_memory(device: torch.device) -> int | None:
    """The most memory in MB (2^20 bytes) that this process has held at once: a GPU's, else main memory.

    None where the system doesn't tell. On Linux not `ru_maxrss`, which a process inherits from the one that started it.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) >> 20
    try:
        return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) >> 10
    except (OSError, IndexError):
        pass
    if sys.platform != "darwin":
        return None
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 20


@contextmanager
def enough_memory(device: torch.device) -> Iterator[None]:
    """Inside, a device whose memory is full is a `TrainingError` that says what to lower."""
    try:
        yield
    except torch.cuda.OutOfMemoryError as error:
        asked = re.search(r"allocate ([\d.]+ [KMG]iB)", str(error))
        more = f", {asked[1]} more are needed" if asked else ""
        raise TrainingError(
            f"{device} has no memory left{more}; lower --batch-size, --channels or --cells, or give --device cpu"
        ) from None


@contextmanager
def kept_threads() -> Iterator[None]:
    """Inside, torch may be given another number of threads; afterwards it has as many as before."""
    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)


def use_at_most(threads: int | None) -> None:
    """Let torch use no more threads than these."""
    if threads is not None:
        torch.set_num_threads(min(threads, torch.get_num_threads()))


def use_fewer_threads(work: Callable[[], object]) -> int:
    """Let torch use one thread where some work is faster so than with all; return how many it uses.

    Threads wait for each other after every operation: on a machine that is busy otherwise, the slowest decides.
    """
    if torch.get_num_threads() == 1:
        return 1
    work()
    together = median_seconds(work)
    with kept_threads():
        torch.set_num_threads(1)
        alone = median_seconds(work)
    if alone < together:
        torch.set_num_threads(1)
    return torch.get_num_threads()


def synchronize(device: torch.device) -> None:
    """Wait for a GPU, which works on while Python goes ahead."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def median_seconds(work: Callable[[], object], times: int = 3) -> float:
    """Return the median of the seconds that some work takes."""
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Inside, torch's own generator, which draws initial weights, starts at `seed`; afterwards it is as before."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield
