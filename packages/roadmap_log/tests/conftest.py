"""A small track of our own, a roadmap that leads through it, and the command in this process."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from roadmap_log import cli
from roadmap_log.journey import Journey
from sample import ROADMAP, TRACK, Command, Result, day_source


@pytest.fixture(autouse=True, scope="session")
def ctrl_c() -> Iterator[None]:
    """SIGINT interrupts, also where the tests run in the background of a shell that ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def track(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed distribution with a track "sample" of two days, three planned; its folder."""
    site = tmp_path / "site-packages"
    folder = site / "sample_track" / "track"
    folder.mkdir(parents=True)
    (site / "sample_track" / "__init__.py").write_text("raise RuntimeError('imported')\n")
    (folder / "track.toml").write_text(TRACK)
    for number, title in ((1, "One"), (2, "Two")):
        (folder / f"day{number:02d}.py").write_text(day_source(number, title))
    info = site / "sample_track-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: sample-track\nVersion: 1.0\n")
    entry = "[roadmap_log.tracks]\nsample = sample_track.track\n"
    (info / "entry_points.txt").write_text(entry)
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv("PYTHONPATH", str(site), prepend=os.pathsep)
    return folder


@pytest.fixture(autouse=True)
def quiet_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the machine's own settings reaches a test."""
    for name in ("ROADMAP_JOURNEY", "FORCE_COLOR", "UV_RUN_RECURSION_DEPTH", "EDITOR", "VISUAL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ROADMAP_NOW", "2026-11-20T09:00:00+01:00")  # a Friday
    monkeypatch.setenv("COLUMNS", "80")


@pytest.fixture
def roadmap(capsys: pytest.CaptureFixture[str]) -> Command:
    """The command `roadmap`, run in this process."""

    def run(*args: str) -> Result:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main(list(args))
        out, err = capsys.readouterr()
        return Result(int(ended.value.code or 0), out, err)

    return run


@pytest.fixture
def journey(tmp_path: Path, track: Path, monkeypatch: pytest.MonkeyPatch) -> Journey:
    """A journey along the sample roadmap, in which one stands."""
    file = tmp_path / "sample.md"
    file.write_text(ROADMAP)
    made = Journey.create(tmp_path / "journey", follow=(file,))
    monkeypatch.chdir(made.root)
    return made
