"""The days' solutions pass their own tests. The two-sided proof is `roadmap dev check`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TRACK = Path(__file__).parents[1] / "src" / Path(__file__).parents[1].name / "track"
DAYS = sorted(TRACK.glob("day*.py"))


def test_there_are_days() -> None:
    assert DAYS


@pytest.mark.parametrize("day", DAYS, ids=lambda day: day.stem)
def test_solutions_pass(day: Path, tmp_path: Path) -> None:
    # The configuration is left behind: a learner has none.
    command = [sys.executable, "-m", "pytest", "-q", "-c", os.devnull, "--rootdir", str(tmp_path)]
    done = subprocess.run(
        [*command, "-p", "no:cacheprovider", str(day)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout
