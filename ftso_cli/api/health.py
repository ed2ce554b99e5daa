"""Checks of this machine: what works, what is missing, and the command that fixes it. No file of the user's is named.

A check gives what it found or raises; what it raises makes the machine `broken` where ftso can't do without it.
"""

import os
import platform
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from ftso_cli import __version__, caching
from ftso_cli.api.record import Stopwatch
from ftso_cli.api.verbs import verb
from ftso_cli.errors import FtsoError
from ftso_cli.files import cache_folder
from ftso_cli.settings.requests.health import ExamineRequest

FindingState = Literal["ok", "missing", "broken"]

PACKAGES = ("torch", "torchvision", "numpy", "scipy", "pillow", "pydantic", "networkx", "safetensors")
"""The packages that ftso needs."""

FOR_DEVELOPERS = frozenset({"docs", "fuzz", "release", "test"})
"""Extras of ftso that its users have no need of."""

GIB = 1024**3

FIRST_ACCURACY = 0.2
"""Twice what guessing a digit gives; the training of the smoke test ends well above."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """The result of a check: a line for people, facts for a bug report, and how to fix what is not ok."""

    name: str
    state: FindingState = "ok"
    text: str
    remedy: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


@verb(ExamineRequest)
def examine(request: ExamineRequest) -> tuple[Finding, ...]:
    """Examine this machine: versions, device, pictures, cache, data sets, and a small search and training on digits.

    With `quick` the search and the training are left out. Each finding has a `state`, a `text`, and a `remedy` for
    what is not ok.
    """
    return tuple(_findings(request))


def _findings(request: ExamineRequest) -> Iterator[Finding]:
    """Check one thing after another."""
    checks: list[tuple[str, Callable[[], Finding]]] = [
        ("packages", _packages),
        ("device", _device),
        ("engine", _engine),
        ("memory", _memory),
        ("library", _library),
        ("pictures", _pictures),
        ("cache", _cache),
        ("data", _data),
    ]
    checks += [("search and train", _smoke)] if not request.quick else []
    for name, check in checks:
        try:
            yield check()
        except Exception as error:  # Whatever goes wrong is what this is for.
            yield Finding(name=name, state="broken", text=_described(error), remedy=_remedy(error))
    yield from _extras()


def _described(error: Exception) -> str:
    # The text of an OSError names the file.
    said = " ".join(str((isinstance(error, OSError) and error.strerror) or error).split())[:300]
    return said if isinstance(error, FtsoError) else f"{type(error).__name__}: {said}"


def _remedy(error: Exception) -> str | None:
    return "pip install --force-reinstall ftso" if isinstance(error, ImportError | PackageNotFoundError) else None


def _packages() -> Finding:
    # Found is not enough: a torch for another Python is found too.
    import torch
    import torchvision

    found = {name: version(name) for name in PACKAGES}
    facts = {"ftso": __version__, "python": platform.python_version(), "system": platform.platform(), **found}
    loaded = f"torch {torch.__version__}, torchvision {torchvision.__version__}"
    text = f"ftso {__version__}, python {facts['python']}, {loaded}"
    return Finding(name="packages", text=text, facts=facts)


def _device() -> Finding:
    import torch

    from ftso_cli.nn.device import choose_device

    device = choose_device("auto")
    torch.ones(64, 64, device=device).matmul(torch.ones(64, 64, device=device)).sum().item()
    threads, own = torch.get_num_threads(), cores()
    facts: dict[str, Any] = {"device": device.type, "threads": threads, "cores": own}
    facts |= {"gpus": [torch.cuda.get_device_name(at) for at in range(torch.cuda.device_count())]}
    busy = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    facts["load"] = round(busy, 1)
    where = facts["gpus"][0] if facts["gpus"] else device.type
    text = f"{where}, {_counted(threads, 'thread')} on {_counted(own, 'core')}"
    if device.type == "cpu" and threads > 1 and busy > own:
        return Finding(
            name="device",
            text=f"{text}; other programs have the cores (load {busy:.1f}), so threads wait for one another",
            remedy="export OMP_NUM_THREADS=1",
            facts=facts,
        )
    return Finding(name="device", text=text, facts=facts)


def _engine() -> Finding:
    """Capabilities of the device, and the defaults of searches and trainings on it."""
    import torch
    from torch import distributed

    from ftso_cli.nn.device import choose_device, has_fast_bfloat16
    from ftso_cli.nn.graphs import WARM_UP, graphed
    from ftso_cli.training.compiling import WORTH_COMPILING, missing_compiler

    device = choose_device("auto")
    gpu, lacks = device.type == "cuda", missing_compiler(device)
    counted = torch.zeros(1, device=device)
    count = graphed(lambda one: counted.add_(one).clone(), device)
    for _ in range(2 * WARM_UP):
        count(torch.ones(1, device=device))
    if counted.item() != 2 * WARM_UP:
        raise FtsoError(f"{device}: a step that is recorded as a graph counts to {counted.item():g}, not {2 * WARM_UP}")
    nccl = gpu and distributed.is_available() and distributed.is_nccl_available()
    facts = {"bfloat16": has_fast_bfloat16(device), "graphs": gpu, "compile": lacks is None, "nccl": nccl}
    can = ", ".join(f"{name} {'yes' if there else 'no'}" for name, there in facts.items())
    text = f"{device.type}: {can}; by default searches run in float32, trainings in "
    text += "bfloat16" if facts["bfloat16"] else "float32"
    text += "" if gpu or not facts["bfloat16"] else " where no convolution is depthwise"
    text += ", both as graphs" if gpu else ""
    text += f", compiled from {WORTH_COMPILING:,} steps on" if gpu and lacks is None else ", not compiled"
    if gpu and lacks:
        return Finding(
            name="engine", state="missing", text=text, remedy=f"for train --compile: install {lacks}", facts=facts
        )
    return Finding(name="engine", text=text, facts=facts)


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _memory() -> Finding:
    disk = shutil.disk_usage(Path.cwd())
    facts = {"memory_GiB": _memory_of("SC_PHYS_PAGES"), "free_GiB": _memory_of("SC_AVPHYS_PAGES")}
    facts["disk_free_GiB"] = _gib(disk.free)
    text = f"{facts['memory_GiB'] or '?'} GiB of memory, {facts['disk_free_GiB']} GiB free on this disk"
    if disk.free < GIB:
        remedy = "free some space: a run folder and the cache of images need up to 4 GiB"
        return Finding(name="memory", state="missing", text=text, remedy=remedy, facts=facts)
    return Finding(name="memory", text=text, facts=facts)


def _memory_of(name: str) -> float | None:
    """GiB, None where the system doesn't tell."""
    if name not in getattr(os, "sysconf_names", ()):
        return None
    return _gib(os.sysconf(name) * os.sysconf("SC_PAGE_SIZE"))


def _gib(count: int) -> float:
    return round(count / GIB, 1)


def _library() -> Finding:
    from ftso_cli.genotype import library

    names = list(library.files())
    for name in names:
        library.load_genotype(name)
    if not names:
        raise FtsoError("the published cells are not installed")
    return Finding(name="library", text=f"{len(names)} published cells", facts={"cells": len(names)})


def _pictures() -> Finding:
    from ftso_cli import drawing
    from ftso_cli.genotype import library

    source = drawing.dot(library.load_genotype("pc_darts_cifar"))
    made = [format for format in ("svg", "png") if drawing.render_dot(source, format)]
    if shutil.which("dot") is None:
        text = f"{' and '.join(made)}; no pdf, as Graphviz is not installed"
        remedy = "apt-get install graphviz, brew install graphviz, or https://graphviz.org/download"
        return Finding(
            name="pictures", state="missing", text=text, remedy=remedy, facts={"formats": made, "dot": False}
        )
    made += ["pdf"] if drawing.render_dot(source, "pdf") else []
    return Finding(name="pictures", text=", ".join(made), facts={"formats": made, "dot": True})


def _cache() -> Finding:
    folder = cache_folder()
    if folder is None:
        text, remedy = "turned off (FTSO_CACHE is empty): every search decodes its images again", "unset FTSO_CACHE"
        return Finding(name="cache", state="missing", text=text, remedy=remedy, facts={"cache": "off"})
    files = [path.stat() for name in caching.ROOMS for path in caching.own_files(folder / name)]
    size = sum(found.st_size for found in files)
    facts = {"cache": "FTSO_CACHE" if "FTSO_CACHE" in os.environ else "default", "bytes": size, "files": len(files)}
    if caching.holds_other_things(folder):
        text, remedy = "holds other things, and is not used", "export FTSO_CACHE=DIR, a new or empty folder"
        return Finding(name="cache", state="broken", text=text, remedy=remedy, facts=facts)
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if not os.access(there, os.W_OK):
        text, remedy = "can't be written: every search decodes its images again", "export FTSO_CACHE=DIR"
        return Finding(name="cache", state="missing", text=text, remedy=remedy, facts=facts)
    return Finding(name="cache", text=f"{size / 1e6:.0f} MB in {_counted(len(files), 'file')}", facts=facts)


def _data() -> Finding:
    from ftso_cli.data.named import DOWNLOADED, open_digits
    from ftso_cli.data.sets import data_folder

    images = len(open_digits().train)
    store = data_folder()
    found = [name for name, known in DOWNLOADED.items() if (store / known.folder).is_dir() or (store / name).is_dir()]
    absent = [name for name in DOWNLOADED if name not in found]
    text = f"digits ({images:,} training images)" + "".join(f", {name}" for name in found)
    text += f"; {', '.join(absent)} will be downloaded when asked for" if absent else ""
    place = "FTSO_DATA" if "FTSO_DATA" in os.environ else "default"
    return Finding(name="data", text=text, facts={"found": ["digits", *found], "folder": place})


def _smoke() -> Finding:
    """Two iterations of a topology search, and two epochs of a small network of what it found."""
    from ftso_cli.api.edits import assign_operators
    from ftso_cli.api.search.searches import search_topology
    from ftso_cli.api.training.trainings import train

    watch = Stopwatch()
    cell = search_topology("digits", iters=2, channels=8, cells=3)
    search = watch.lap("search")
    with TemporaryDirectory(prefix="ftso-doctor-") as folder:
        run = train(
            assign_operators(cell), "digits", output=folder, epochs=2, channels=8, cells=2, auxiliary=0.0, cutout=0.0
        )
    seconds = watch.lap("train")
    facts = {"search_seconds": round(search, 2), "train_seconds": round(seconds, 2), "accuracy": run.test_accuracy}
    if run.test_accuracy < FIRST_ACCURACY:
        raise FtsoError(f"a network learned next to nothing on digits: {run.test_accuracy:.0%} of the test images")
    text = f"search {search:.1f} s, two epochs on digits {seconds:.1f} s, accuracy {run.test_accuracy:.0%}"
    return Finding(name="search and train", text=text, facts=facts)


def _extras() -> Iterator[Finding]:
    for extra, packages in _packages_of_extras().items():
        found = {name: _version(name) for name in packages}
        if all(found.values()):
            text = ", ".join(f"{name} {number}" for name, number in found.items())
            yield Finding(name=f"extra {extra}", text=text, facts=found)
        else:
            text = f"{', '.join(name for name, number in found.items() if number is None)} not installed"
            remedy = f"pip install 'ftso[{extra}]'"
            yield Finding(name=f"extra {extra}", state="missing", text=text, remedy=remedy, facts=found)


def _packages_of_extras() -> dict[str, list[str]]:
    """The packages of each extra for users, as the installed ftso names them; none where it runs without a package."""
    try:
        needed = requires("ftso") or []
    except PackageNotFoundError:
        return {}
    packages: dict[str, list[str]] = {}
    for line in needed:
        match = re.match(r"([\w.-]+).*extra == ['\"]([\w-]+)", line)
        if match and match[1] != "ftso" and match[2] not in FOR_DEVELOPERS:
            packages.setdefault(match[2], []).append(match[1])
    return packages


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
