"""The days' solutions pass their own tests; what a GPU is timed by. Proof: `roadmap dev check`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from triton_kernels.track import roofline

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


def test_a_result_is_copied_when_the_clock_stops_and_only_plain_ones() -> None:
    x = torch.randn(4)
    kept, times = roofline.copied((x, [x])), roofline.Interpreter()
    x.zero_()
    assert bool((kept[0] != 0).all())
    assert bool((kept[1][0] != 0).all())
    with pytest.raises(TypeError, match=r"Parameter; expected a torch\.Tensor"):
        roofline.copied(torch.nn.Parameter(x))
    assert times.small
    assert times.why_unmeasured
    drawn = [torch.randn(3, generator=times.generator(seed)).tolist() for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_the_clock_runs_around_the_work_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The GPU's part on a CPU: events, waits and pauses are written down in their order."""
    told: list[str] = []

    class Event:
        def __init__(self, enable_timing: bool) -> None:
            assert enable_timing

        def record(self) -> None:
            told.append("event")

        def elapsed_time(self, end: Event) -> float:
            return 2.5

    properties = SimpleNamespace(name="paper", L2_cache_size=64)
    monkeypatch.setattr(roofline, "Event", Event)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: properties)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: told.append("wait"))
    monkeypatch.setattr(torch.cuda, "_sleep", lambda cycles: told.append("pause" * (cycles > 0)))
    monkeypatch.setattr(roofline, "_MATRIX", 8)
    monkeypatch.setattr(roofline, "_COPIED", 1000)

    class Work:
        kept = torch.zeros(3)

        def run(self, x: torch.Tensor) -> torch.Tensor:
            told.append("work")
            return self.kept.copy_(x)

    gpu = roofline.GPU("cpu")
    gpu._flush.fill_(7)
    seconds, result = gpu.timed(Work(), (torch.ones(3),))
    assert told == ["wait", "pause", "event", "work", "event", "wait"]
    assert seconds == 2.5e-3
    assert not gpu._flush.any(), "what the cache held is gone"
    Work.kept.zero_()
    assert result.tolist() == [1, 1, 1], "a copy"
    assert gpu.bytes_per_second() == pytest.approx(2 * 1000 / 2.5e-3)
    assert gpu.flops_per_second("float16") == pytest.approx(2 * 8**3 / 2.5e-3)


@pytest.mark.gpu
def test_the_gpu_s_clock() -> None:
    gpu = roofline.GPU()
    limit = gpu.bytes_per_second()
    assert 5e10 < limit < 1e14
    assert 1e12 < gpu.flops_per_second("float16") < 1e16
    source = torch.randn(2**26, device="cuda")

    class Copy:
        def run(self, x: torch.Tensor) -> torch.Tensor:
            return x.clone()

    class Elsewhere:
        stream = torch.cuda.Stream()

        def run(self, x: torch.Tensor) -> torch.Tensor:
            y = torch.full_like(x, float("nan"))
            self.stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(self.stream):
                torch.cuda._sleep(20_000_000)
                y.copy_(x)
            return y

    for _ in range(3):
        seconds, kept = gpu.timed(Copy(), (source,))
    assert torch.equal(kept, source)
    assert 0.5 < 2 * source.nbytes / seconds / limit < 1.25
    assert not torch.equal(gpu.timed(Elsewhere(), (source,))[1], source), "it was still under way"
