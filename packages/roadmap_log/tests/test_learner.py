"""A learner's way from init to a verified day, by what the screen says."""

import re
from pathlib import Path

import pytest
from roadmap_log.journey import Journey
from sample import ROADMAP, Command


def solve(journey: Journey, number: int) -> None:
    file = journey.work_file("sample", number)
    file.write_text(journey.library.day(("sample", number)).solution())


def test_init_leads_to_a_verified_day_by_the_screen_alone(
    tmp_path: Path, track: Path, roadmap: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sample.md").write_text(ROADMAP)
    begun = roadmap("init", "journey", "--roadmap", "sample.md", "--title", "Mine")
    assert begun.code == 0
    file = re.search(r"exercises in +(\S+)", begun.out)
    task = re.search(r"Read +(\S+)", begun.out)
    assert file
    assert task
    assert "roadmap test" in begun.out
    assert Path(task[1]).read_text().startswith("# Day 01: One")
    assert "NotImplementedError" in Path(file[1]).read_text()

    failed = roadmap("test")
    assert failed.code == 1
    assert f"{file[1]}:" in failed.out, "a failure names the learner's file and line"
    assert "Exercise 1" in failed.out
    assert "roadmap hint" in failed.out

    assert "it is written in the docstring" in roadmap("hint").out
    solve(Journey(tmp_path / "journey"), 1)
    passed = roadmap("test")
    assert passed.code == 0
    assert "Verified: sample/1" in passed.out
    assert "1 hint used" in passed.out
    follow = re.search(r"roadmap (start sample/2)", passed.out)
    assert follow, "a pass says what comes next"
    assert roadmap(*follow[1].split()).code == 0
    assert "1 of 5 done" in roadmap("status").out
    assert "streak 1" in roadmap("status").out


def test_looking_is_no_work(journey: Journey, roadmap: Command) -> None:
    for looked in (("start", "1"), ("hint",), ("status",), ("solution", "--give-up")):
        assert roadmap(*looked).code == 0
    assert roadmap("status", "--json").json["streak"]["current"] == 0


def test_statuses_follow_the_work(journey: Journey, roadmap: Command) -> None:
    def status(name: str) -> str:
        items = roadmap("status", "--json").json["items"]
        return str(next(item["status"] for item in items if item["id"] == name))

    assert [status(f"sample/0{n}") for n in (1, 2, 3)] == ["todo", "todo", "planned"]
    assert status("other/01") == "blocked"
    roadmap("start", "sample/1")
    assert status("sample/01") == "todo"
    assert roadmap("test").code == 1
    assert status("sample/01") == "attempted"
    solve(journey, 1)
    assert roadmap("test", "1").code == 0
    assert status("sample/01") == "verified"
    file = journey.work_file("sample", 1)
    file.write_text(file.read_text().replace("result = 1", "result = 7"))
    assert roadmap("test", "1").code == 1
    assert status("sample/01") == "regressed"
    solve(journey, 1)
    assert roadmap("test", "1").code == 0
    day = journey.library.track("sample").day_path(1)
    day.write_text(day.read_text().replace("assert answer() == 1", "assert answer() == 1.0"))
    assert status("sample/01") == "stale"
    roadmap("tick", "reading/paper")
    assert status("reading/paper") == "claimed"
    roadmap("tick", "reading/paper", "--undo")
    assert status("reading/paper") == "todo"


def test_start_never_overwrites_work(journey: Journey, roadmap: Command) -> None:
    roadmap("start", "sample/1")
    file = journey.work_file("sample", 1)
    file.write_text("mine")
    file.with_suffix(".md").write_text("my notes")
    again = roadmap("start", "sample/1")
    assert file.read_text() == "mine"
    assert file.with_suffix(".md").read_text() == "my notes"
    assert "untouched" in again.out


def test_reset_keeps_the_work_beside_the_skeleton(journey: Journey, roadmap: Command) -> None:
    roadmap("start", "1")
    file = journey.work_file("sample", 1)
    for text in ("first try", "second try"):
        file.write_text(text)
        backup = Path(roadmap("reset", "1", "--json").json["backup"])
        assert backup.read_text() == text
    assert "NotImplementedError" in file.read_text()
    assert len(list(backup.parent.iterdir())) == 2


def test_planned_and_missing_days_say_so_and_start_nothing(
    journey: Journey, roadmap: Command
) -> None:
    planned = roadmap("start", "sample/3")
    assert planned.code == 4
    assert "not written yet" in planned.err
    missing = roadmap("start", "other/1")
    assert missing.code == 4
    assert "install other-track" in missing.err
    unknown = roadmap("start", "nothing/9")
    assert unknown.code == 4
    assert "nothing" in unknown.err
    for nonsense in ("0", "sample/x", "../../etc/passwd", ""):
        assert roadmap("start", nonsense).code == 4
    assert list((journey.root / "work").rglob("*.py")) == []


def test_test_of_a_day_not_in_hand(journey: Journey, roadmap: Command) -> None:
    result = roadmap("test", "sample/2")
    assert result.code == 4
    assert "roadmap start sample/2" in result.err


@pytest.mark.parametrize(
    "name", ["1", "01", "day01", "sample/1", "work/sample/day01.py", r"C:\j\work\Sample\day01.py"]
)
def test_names_of_a_day(journey: Journey, roadmap: Command, name: str) -> None:
    assert roadmap("start", name, "--json").json["day"] == "sample/1"


@pytest.mark.parametrize("text", ["\nraise SystemExit(0)\n", "import sys\nsys.exit()\n"])
def test_a_file_that_calls_exit_is_told_so(journey: Journey, roadmap: Command, text: str) -> None:
    roadmap("start", "1")
    journey.work_file("sample", 1).write_text(text)
    result = roadmap("test", "1")
    assert result.code == 1
    reason = "work/sample/day01.py:2: the file ended the tests by itself: it calls exit"
    assert f"Not yet: {reason}" in " ".join(result.out.split())
    assert str(journey.store.read().events[-1].data["reason"]).startswith(reason)
    assert "pytest itself broke" not in result.out


def test_a_file_that_cannot_be_read_is_told_in_lines(journey: Journey, roadmap: Command) -> None:
    roadmap("start", "1")
    journey.work_file("sample", 1).write_bytes(b"x = 1\ny = '\xff'\n")
    lines = roadmap("test", "1").out.splitlines()
    first = next(n for n, line in enumerate(lines) if line.startswith("Not yet: "))
    assert lines[first].endswith("day01.py:2: byte 0xff is not UTF-8")
    assert lines[first + 1].startswith("  expected: ")
    assert lines[first + 2].startswith("  what to do: ")


def test_a_run_is_recorded_with_all_that_is_needed_to_repeat_it(
    journey: Journey, roadmap: Command
) -> None:
    roadmap("start", "1")
    report = roadmap("test", "--seed", "12345", "--json").json
    assert report["seed"] == 12345
    assert not report["passed"]
    event = journey.store.read().events[-1]
    assert event.kind == "day.tested"
    assert set(event.data["failed"]) == {"test_answer", "test_double"}
    assert event.data["seed"] == 12345
    assert len(event.data["solution"]) == len(event.data["tests"]) == 64
    assert "python" in event.data["versions"]


def test_hints_go_from_faint_to_plain_and_are_counted(journey: Journey, roadmap: Command) -> None:
    roadmap("start", "1")
    assert roadmap("hint", "--again").out.count("/2") == 0
    assert roadmap("hint", "--json").json["hints"] == ["it is written in the docstring"]
    assert len(roadmap("hint", "--json").json["hints"]) == 2
    assert "last hint" in roadmap("hint").out
    assert roadmap("hint", "-e", "2", "--json").json["hints"] == ["call answer()"]
    assert roadmap("hint", "-e", "9").code == 4
    items = roadmap("status", "--json").json["items"]
    assert items[0]["hints"] == 3
    file = journey.work_file("sample", 1)
    file.write_text(journey.library.day(("sample", 1)).variant(open_exercises=[2]))
    assert roadmap("hint", "--json").json["exercise"] == 2, "the hint is for what is still open"


def test_solution_opens_after_a_pass_or_by_giving_up(journey: Journey, roadmap: Command) -> None:
    roadmap("start", "1")
    closed = roadmap("solution")
    assert closed.code == 4
    assert "result" not in closed.out
    opened = roadmap("solution", "--give-up")
    assert "result = 1" in opened.out
    assert "MUTANT" not in opened.out
    assert "# TESTS" not in opened.out
    assert roadmap("status", "--json").json["items"][0]["gave_up"] is True
    roadmap("start", "2")
    solve(journey, 2)
    assert roadmap("test", "2").code == 0
    assert "result = 2" in roadmap("solution", "2", "-e", "1").out
    assert roadmap("status", "--json").json["items"][1]["gave_up"] is False


def test_without_day_the_one_worked_on_last_is_meant(journey: Journey, roadmap: Command) -> None:
    roadmap("start", "1")
    solve(journey, 1)
    assert roadmap("test").code == 0
    again = roadmap("test")
    assert again.code == 0, "a day that passed stays in hand until another is started"
    assert "sample/1" in again.err
    assert "result = 1" in roadmap("solution").out
    assert roadmap("hint", "--json").json["day"] == "sample/1"
    assert roadmap("start", "--json").json["day"] == "sample/2"
    assert "sample/2" in roadmap("test").err
    roadmap("solution", "1")
    assert "sample/2" in roadmap("test").err, "a look at a solution takes no other day in hand"
    roadmap("start", "1")
    assert "sample/1" in roadmap("test").err
    assert roadmap("start", "--json").json["day"] == "sample/2"


def test_a_day_beyond_the_track_is_not_called_planned(journey: Journey, roadmap: Command) -> None:
    for command in ("start", "test", "solution"):
        beyond = roadmap(command, "sample/99")
        assert beyond.code == 4
        assert "the track ends at day 3" in beyond.err
        assert "not written yet" not in beyond.err


def test_a_day_passed_after_giving_up_has_a_mark_of_its_own(
    journey: Journey, roadmap: Command
) -> None:
    for number in ("1", "2"):
        roadmap("start", number)
        solve(journey, int(number))
        if number == "2":
            roadmap("solution", number, "--give-up")
        assert roadmap("test").code == 0
        roadmap("solution", number)
    shown = roadmap("status").out
    assert "✔◇·" in shown
    assert "◇ 1 day passed after giving up" in shown
    every = {line.split()[1]: line for line in roadmap("status", "--all").out.splitlines()[4:7]}
    assert every["sample/01"].endswith("verified")
    assert every["sample/02"].endswith("given up")
    assert roadmap("status", "--json").json["counts"]["verified"] == 2


def test_next_prefers_the_day_in_hand(journey: Journey, roadmap: Command) -> None:
    assert roadmap("next", "--json").json[0]["id"] == "sample/01"
    roadmap("start", "sample/2")
    assert roadmap("next", "--json").json[0]["id"] == "sample/02"
    assert "edit work/sample/day02.py" in roadmap("next").out
    assert "roadmap tick reading/paper" in roadmap("next").out


def test_an_item_practised_by_days_hands_them_out_one_by_one(
    tmp_path: Path, track: Path, roadmap: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.md").write_text(
        "---\norder: sequence\n---\n- [ ] Numbers <!-- id: mine/1 with: sample/1,sample/2 -->\n"
        "      both\n  - Goals: two days\n"
    )
    begun = roadmap("init", "journey", "--roadmap", "mine.md")
    assert "journey/work/mine/1.task.md" in begun.out
    assert "journey/work/sample/day01.py" in begun.out
    made = Journey(tmp_path / "journey")
    for number, advice in ((1, "roadmap start sample/2"), (2, "Everything is done")):
        assert f"edit journey/work/sample/day0{number}.py" in roadmap("next").out
        solve(made, number)
        passed = roadmap("test")
        assert passed.code == 0
        assert f"Verified: sample/{number}" in passed.out
        assert ("Go on:  roadmap start mine/1" in passed.out) == (number == 1)
        assert advice in roadmap("next").out
        assert roadmap("start", "mine/1", "--json").code == 0
    assert roadmap("status", "--json").json["items"][0]["status"] == "verified"


def test_everything_done_is_said(journey: Journey, roadmap: Command) -> None:
    for item in ("sample/01", "sample/02", "sample/03", "reading/paper", "other/01"):
        assert roadmap("tick", item).code == 0
    assert "Everything is done" in roadmap("next").out
    assert roadmap("status").code == 0


def test_tracks_are_listed_without_being_imported(journey: Journey, roadmap: Command) -> None:
    listed = roadmap("tracks")
    assert "2 of 3 days" in listed.out
    assert "install other-track" in listed.out


def test_a_broken_track_blocks_its_days_with_the_reason(
    journey: Journey, roadmap: Command, track: Path
) -> None:
    (track / "track.toml").write_text("name = ")
    item = roadmap("status", "--json").json["items"][0]
    assert item["status"] == "blocked"
    assert "broken" in item["why"]
    assert roadmap("start", "sample/1").code == 4


def test_a_package_that_comes_or_goes_is_noticed(
    journey: Journey, roadmap: Command, track: Path
) -> None:
    def status() -> str:
        return str(roadmap("status", "--json").json["items"][0]["status"])

    assert status() == "todo"
    info = track.parents[1] / "sample_track-1.0.dist-info"
    away = info.with_name("gone")
    info.rename(away)
    assert status() == "blocked"
    away.rename(info)
    assert status() == "todo"


def test_a_damaged_cache_is_made_anew(journey: Journey, roadmap: Command) -> None:
    before = roadmap("status").out
    for damage in ("{", "[]", '{"tracks": 3}', '{"tracks": {"key": 1, "watched": 2}}'):
        (journey.local / "cache.json").write_text(damage)
        assert roadmap("status").out == before


def test_dev_check_proves_the_day(journey: Journey, roadmap: Command, track: Path) -> None:
    assert roadmap("dev", "check", "sample/1").code == 0
    day = track / "day02.py"
    day.write_text(day.read_text().replace("assert double() == 2 * 2", "assert double() > 0"))
    loose = roadmap("dev", "check", "sample/2", "--json")
    assert loose.code == 1
    assert loose.json[0]["problems"]
    for nonsense in ("sample/9", "sample/2-1", "No", "sample/1/2"):
        assert roadmap("dev", "check", nonsense).code == 4
