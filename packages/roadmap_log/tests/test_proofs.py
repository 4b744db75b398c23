"""Kept proofs: a sound day is proven once, and again when anything it rests on has changed."""

from collections.abc import Callable
from pathlib import Path

import pytest
from roadmap_log import check, proofs
from roadmap_log.check import CheckReport, Problem
from roadmap_log.dayfile import DayFile
from roadmap_log.tracks import Track
from sample import Command

Checked = Callable[[], list[int]]


@pytest.fixture
def proven(
    roadmap: Command, track: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Checked:
    """Checks the sample track with kept proofs; returns the days that had to be proven."""
    ran: list[int] = []

    def check_day(track: Track, day: DayFile, *_: object, **__: object) -> CheckReport:
        ran.append(day.number)
        wrong = Problem(f"{day.path}:1", "wrong", "mend it")
        problems = (wrong,) if "5 * answer()" in day.source else ()
        return CheckReport(track.name, day.number, problems, mutants=3, runs=9, seconds=0.5)

    monkeypatch.setattr(check, "check_day", check_day)

    def run(*options: str) -> list[int]:
        ran.clear()
        kept = str(tmp_path / "proofs")
        result = roadmap("dev", "check", "sample", "--seeds", "1", "--proofs", kept, *options)
        run.codes.append(result.code)
        return list(ran)

    run.codes = []
    return run


def test_only_what_changed_is_proven_again(
    proven: Checked, track: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert proven() == [1, 2]
    assert proven() == []
    day = track / "day02.py"
    day.write_text(day.read_text().replace("# MUTANT: result = answer()", "# MUTANT: result = 7"))
    assert proven() == [2]
    (track.parent / "__init__.py").write_text("raise RuntimeError('still not imported')\n")
    assert proven() == [1, 2]
    assert proven("--seconds", "29") == [1, 2]
    monkeypatch.setattr(proofs.sys, "version", "another Python")
    assert proven() == [1, 2]
    assert set(proven.codes) == {0}


def test_what_is_not_sound_is_not_kept(proven: Checked, track: Path) -> None:
    assert proven() == [1, 2]
    day = track / "day01.py"
    day.write_text(day.read_text().replace("result = 2 * answer()", "result = 5 * answer()"))
    assert proven() == [1]
    assert proven() == [1]
    assert proven.codes == [0, 1, 1]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"track": "sample"}', "\xff"])
def test_a_broken_proof_is_none(proven: Checked, tmp_path: Path, content: str) -> None:
    assert proven() == [1, 2]
    (kept,) = (tmp_path / "proofs").glob("sample-01-*")
    kept.write_text(content, encoding="latin-1")
    assert proven() == [1]
    assert proven() == []
