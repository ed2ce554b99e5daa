"""The files of a run folder, damaged."""

from pathlib import Path

import pytest

from ftso_cli.errors import RunError
from ftso_cli.training.run import Run

TWICE = '{"test_accuracy": 0.1, "test_accuracy": 0.9, "test_images": 1}'


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "[" * 100_000, '{"test_accuracy": 2, "test_images": 1}', '{"test_accuracy": NaN}', TWICE]
)
def test_a_damaged_result_is_told_with_its_file(content: str, tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.result_file.write_text(content)
    with pytest.raises(RunError, match=r"result\.json: "):
        run.result()
