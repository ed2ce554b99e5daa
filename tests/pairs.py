"""Two processes that work together, in forks that have the surroundings which torchrun gives: quicker than torchrun,
and the end of one does not end the other.
"""

import signal
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from torch.distributed import TCPStore

from tests.forks import Ended, Trial, forks
from tests.processes import ROOT


def code_in_two(code: str, *args: str | Path) -> list[Ended]:
    """Runs Python."""
    return _in_two(Trial(code=code, args=[*map(str, args)], folder=str(ROOT)))


def killed_in_two(args: Sequence[str | Path], path: Path, times: int) -> list[Ended]:
    """Runs `ftso ARGS`, and the second process is killed when the first has replaced `path` so many times and is to do
    it once more: in the same step whatever the machine does.
    """
    happens = {"signal": int(signal.SIGKILL), "whom": "sibling", "target": str(path), "moment": times + 1}
    return _in_two(Trial(args=[*map(str, args)], folder=str(ROOT)), happens)


def _in_two(trial: Trial, happens: dict[str, object] | None = None) -> list[Ended]:
    """How the first and the second have ended."""
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    both = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(store.port), "TORCHELASTIC_USE_AGENT_STORE": "True"}
    both |= {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    first, second = (replace(trial, env={**both, "RANK": rank, "LOCAL_RANK": rank}) for rank in "01")
    return forks().run_together(second, replace(first, **(happens or {})))[::-1]
