"""What a device tells of itself."""

import subprocess
import sys

SCRIPT = """
import torch
from ftso_cli.nn.device import peak_memory

cpu = torch.device("cpu")
before = peak_memory(cpu)
torch.ones(200 << 20, dtype=torch.uint8)
print(before, peak_memory(cpu))
"""


def test_peak_memory_is_what_was_held_at_most_also_after_it_is_given_back() -> None:
    said = subprocess.run([sys.executable, "-c", SCRIPT], check=True, capture_output=True, text=True).stdout
    before, after = map(int, said.split())
    assert 50 < before < after
    # Of 200 MiB; a system that is short of memory takes some away while the rest is being filled.
    assert 100 <= after - before <= 300
