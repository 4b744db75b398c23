"""The proof of a day: a sound one has no problems, and each flaw is named with its place."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from roadmap_log.check import CheckReport, Problem, check_day
from roadmap_log.dayfile import parse
from roadmap_log.runner import Limits
from roadmap_log.runner.forks import CAN_FORK, Forks
from roadmap_log.tracks import Track
from sample import day_source


@pytest.fixture
def track(tmp_path: Path) -> Track:
    return Track("sample", "Sample", "Numbers.", "sample-track", "1.0", tmp_path, planned=3)


def _checked(track: Track, source: str, *, requires: tuple[str, ...] = ()) -> CheckReport:
    path = track.folder / "day01.py"
    path.write_text(source)
    day = replace(parse(path), requires=requires)
    return check_day(track, day, seeds=1, limits=Limits(seconds=20), jobs=2)


def _changed(old: str, new: str) -> str:
    """The sample day with one passage replaced."""
    source = day_source(1, "One")
    assert source.count(old) == 1
    return source.replace(old, new)


def _line(source: str, text: str) -> int:
    """Number of the first line that holds `text`."""
    return next(n for n, line in enumerate(source.split("\n"), 1) if text in line)


def _places(report: CheckReport) -> dict[str, Problem]:
    """The problems by the line of the day they name."""
    lines = {}
    for problem in report.problems:
        path, _, line = problem.where.rpartition(":")
        assert path.endswith("day01.py")
        assert problem.fix
        lines[line] = problem
    return lines


def test_a_sound_day_has_no_problems(track: Track) -> None:
    path = track.folder / "day01.py"
    path.write_text(day_source(1, "One"))
    report = check_day(track, parse(path), jobs=2)
    assert report.problems == ()
    assert report.ok
    assert (report.track, report.day, report.mutants) == ("sample", 1, 3)
    assert report.runs == 2 + 1 + 1 + 2 + 3, "seeds, control, skeleton, exercises, mutants"
    assert json.loads(json.dumps(report.to_json()))["ok"] is True


def test_a_solution_that_fails_is_named(track: Track) -> None:
    source = _changed("    result = 2 * answer()\n", "    result = 2 * [][answer()]\n")
    report = _checked(track, source)
    assert not report.ok
    (problem,) = report.problems
    assert problem.where == f"{track.folder / 'day01.py'}:{_line(source, '[][answer()]')}"
    assert problem.problem.startswith("the solution does not pass with seed 0: 1 of 3 tests")
    assert "test_double: IndexError" in problem.problem
    assert "ROADMAP_SEED=0 repeats the run" in problem.fix


def test_a_solution_that_fails_with_some_seeds_only_is_found(track: Track) -> None:
    source = _changed(
        "def test_names_given():\n",
        "def test_names_given():\n    import os\n    assert os.environ['ROADMAP_SEED'] != '1'\n",
    )
    path = track.folder / "day01.py"
    path.write_text(source)
    (problem,) = check_day(track, parse(path), seeds=2, jobs=2).problems
    assert problem.where == f"{path}:{_line(source, 'def test_names_given')}"
    assert problem.problem.startswith("the solution does not pass with seed 1: ")


def test_what_no_test_notices_is_named_with_its_line(track: Track) -> None:
    """A surviving mutant, a test that passes on the skeleton, an exercise without a test."""
    source = _changed(
        "def test_double():\n    assert double() == 2 * 1\n", "def test_idle(): pass\n"
    )
    source = source.replace("# MUTANT: result = 1 + 1", "# MUTANT: result = 1 * 1")
    found = _places(_checked(track, source))
    idle = found.pop("1")
    assert idle.problem == "test_idle passes on the skeleton"
    assert "_given" in idle.fix
    survivors = {str(_line(source, f"MUTANT: {code}")): code for code in _MUTANTS}
    exercise = str(_line(source, "# Exercise 2"))
    assert found.keys() == {*survivors, exercise}
    for line, code in survivors.items():
        assert found[line].problem == f"the mutant passes all tests: {code}"
        assert found[line].fix.startswith("add a test")
    assert found[exercise].problem == "no test fails while exercise 2 is open"
    assert found[exercise].fix == "write a test of double"


_MUTANTS = ("result = 1 * 1", "result = 3 * answer()", "result = answer()")


def test_a_skeleton_that_cannot_be_imported_is_named(track: Track) -> None:
    source = _changed("# TESTS\n", "DOUBLED = double()\n\n\n# TESTS\n")
    found = _checked(track, source).problems
    (problem,) = (p for p in found if "skeleton" in p.problem)
    assert problem.problem.startswith("the skeleton cannot be tested: ")
    assert "NotImplementedError" in problem.problem


def test_flaws_of_the_text_are_found_without_a_run(
    track: Track, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    source = _changed("    # MUTANT: result = 1 + 1\n", "")
    source = source.replace("    # HINT: return 1\n", "")
    report = _checked(replace(track, planned=0, device="gpu"), source, requires=("gpu",))
    assert report.runs == 0
    path, exercise = track.folder / "day01.py", _line(source, "# Exercise 1")
    assert [(p.where, p.problem) for p in report.problems] == [
        (f"{path}:1", "day 1 of a track of 0 days"),
        (f"{path}:1", "the day has 2 mutants"),
        (f"{path}:{exercise}", "exercise 1 has no mutant"),
        (f"{path}:{exercise}", "exercise 1 has 1 hints"),
        (f"{path}:1", "blocked: this day needs a GPU, and this machine shows none"),
    ]
    assert all(problem.fix for problem in report.problems)


def test_a_blocked_day_is_not_called_sound(track: Track, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    report = _checked(track, day_source(1, "One"), requires=("gpu",))
    assert not report.ok
    assert [problem.problem for problem in report.problems] == [
        "the day requires a GPU, the days of its track run on the CPU",
        "blocked: this day needs a GPU, and this machine shows none",
    ]


@pytest.mark.skipif(not CAN_FORK, reason="every version is judged in a fresh process here")
def test_a_fork_is_judged_as_a_fresh_process_is(track: Track, monkeypatch) -> None:
    """Same verdict, same tests, same line and output; another environment, seed and folder."""
    monkeypatch.setenv("PYTEST_ADDOPTS", "--collect-only")
    path = track.folder / "day01.py"
    path.write_text(day_source(1, "One"))
    day = parse(path)
    with Forks(day, Limits(seconds=20), jobs=1) as forks:
        for source in (day.solution(), day.skeleton(), day.mutants()[0].source, "print('x')\n1/0"):
            forked, fresh = (forks.judge(source, 7, fresh=f).result() for f in (False, True))
            assert forked.tests or forked.reason
            assert replace(forked, seconds=0) == replace(fresh, seconds=0)


@pytest.mark.skipif(not CAN_FORK, reason="every version is judged in a fresh process here")
def test_a_fork_that_runs_forever_is_ended_and_the_next_is_judged(track: Track) -> None:
    path = track.folder / "day01.py"
    path.write_text(day_source(1, "One"))
    day = parse(path)
    forever = "import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', 'while 1: pass'])\n"
    with Forks(day, Limits(seconds=1), jobs=1) as forks:
        stopped = forks.judge(forever + "while True: pass\n", 0).result()
        assert not stopped.passed
        assert "stopped after 1 s" in stopped.reason
        assert forks.judge(day.solution(), 0).result().passed
