"""Each program of benchmarks/ runs with its smallest options and prints the rows it promises."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def _rows(program: str, *options: str) -> list[dict]:
    """The JSON lines that a program prints."""
    command = [sys.executable, str(BENCHMARKS / program), *options]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")]


def _check(rows: list[dict], works: set[str], key: str, peer: str, speed: str) -> None:
    """One row for each work and library, whose ratio is its speed over the peer's."""
    speeds = {(row["work"], row[key]): row[speed] for row in rows}
    assert len(speeds) == len(rows)
    assert set(speeds) == {(work, name) for work in works for name in ("torch_models", peer)}
    for row in rows:
        assert row[speed] > 0
        assert row["ratio"] == pytest.approx(
            row[speed] / speeds[row["work"], peer], rel=0.05, abs=0.02
        )


def test_gpt() -> None:
    rows = _rows("bench_gpt.py", "--rounds=1", "--seconds=0.01", "--threads=1")
    _check(rows, {"train", "generate"}, "model", "transformers", "tokens_per_second")
    assert {(row["benchmark"], row["device"]) for row in rows} == {("gpt", "CPU, 1 thread(s)")}


@pytest.mark.examples
def test_tokenizer() -> None:
    rows = _rows("bench_tokenizer.py", "--rounds=1", "--vocab-size=300", "--plays=2")
    works = {"train", "encode, first time", "encode, again", "decode"}
    _check(rows, works, "library", "tokenizers", "megabytes_per_second")
    assert {row["benchmark"] for row in rows} == {"tokenizer"}
