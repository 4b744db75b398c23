"""The way come and the way ahead: the same numbers from the same events, over gaps and clocks."""

from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from roadmap_log import course, planning, roadmaps
from roadmap_log.cadence import parse_cadence
from roadmap_log.events import Event, History, new_id
from roadmap_log.journey import Journey
from roadmap_log.state import State, fold
from sample import Command

MONDAY = date(2026, 9, 7)
DAILY = parse_cadence("daily")
WEEKDAYS = parse_cadence("weekdays")


def plan(tmp_path: Path, items: int = 40, order: str = "sequence", extra: str = "") -> Path:
    path = tmp_path / "plan.md"
    boxes = [f"- [ ] Item {n} <!-- id: p/{n} minutes: 60 -->" for n in range(items)]
    path.write_text(f"---\norder: {order}\n---\n## A <!-- id: a -->\n" + "\n".join(boxes) + extra)
    return path


def standing(
    path: Path, done: dict[int, date], today: date, *, zone: str = "Europe/Berlin"
) -> State:
    """A state in which items were ticked on the given days, at ten past midnight."""
    events = tuple(
        Event(
            new_id(),
            datetime(day.year, day.month, day.day, 0, 10, tzinfo=ZoneInfo(zone)),
            "a",
            "item.ticked",
            {"item": f"p/{number}"},
        )
        for number, day in sorted(done.items(), key=lambda pair: pair[1])
    )
    return fold(
        History(events),
        [roadmaps.parse(path)],
        available=lambda day: ("todo", ""),
        tests_hash=lambda day: None,
        cadence=DAILY,
        today=today,
    )


def steady(weeks: int, a_week: int) -> dict[int, date]:
    """So many items a week, on its first days."""
    return {
        week * a_week + n: MONDAY + timedelta(weeks=week, days=n)
        for week in range(weeks)
        for n in range(a_week)
    }


def test_what_was_left_week_by_week(tmp_path: Path) -> None:
    state = standing(plan(tmp_path, 10), steady(2, 3), MONDAY + timedelta(days=15))
    done = course.finished(state.items.values())
    assert len(done) == 6
    assert course.remaining(10, done, MONDAY, state.today) == [
        (MONDAY, 10),
        (MONDAY + timedelta(days=6), 7),
        (MONDAY + timedelta(days=13), 4),
        (MONDAY + timedelta(days=15), 4),
    ]
    assert course.remaining(10, [], MONDAY, MONDAY) == [(MONDAY, 10)]


def test_a_steady_pace_foretells_its_own_end(tmp_path: Path) -> None:
    today = MONDAY + timedelta(days=27)
    state = standing(plan(tmp_path), steady(4, 5), today)
    ahead = planning.project(state, DAILY, MONDAY)
    assert (ahead.items, ahead.minutes, ahead.pace, ahead.weeks) == (20, (1200, 1200), 300, 4)
    assert ahead.early == ahead.likely == ahead.late == today + timedelta(weeks=4)


def test_an_uneven_pace_gives_a_range(tmp_path: Path) -> None:
    done = {n: MONDAY + timedelta(days=n % 7) for n in range(16)}
    done |= {16 + n: MONDAY + timedelta(days=21 + n) for n in range(4)}
    state = standing(plan(tmp_path), done, MONDAY + timedelta(days=27))
    ahead = planning.project(state, DAILY, MONDAY)
    assert ahead.early
    assert ahead.likely
    assert ahead.late
    assert ahead.early < ahead.likely < ahead.late
    assert ahead == planning.project(state, DAILY, MONDAY), "asked again it says the same"


def test_at_first_the_estimates_and_the_promise_speak(tmp_path: Path) -> None:
    path = plan(tmp_path, 10, extra="\n- [ ] Long <!-- id: p/x minutes: 60-660 -->\n")
    state = standing(path, {}, MONDAY)
    ahead = planning.project(state, parse_cadence("mon,wed"), MONDAY, minutes=60)
    assert (ahead.minutes, ahead.weeks) == ((660, 1260), 0)
    assert ahead.early == MONDAY + timedelta(weeks=5, days=2)
    assert ahead.late == MONDAY + timedelta(weeks=10, days=2)
    nothing = planning.project(standing(plan(tmp_path, 1), {0: MONDAY}, MONDAY), DAILY, MONDAY)
    assert (nothing.items, nothing.likely) == (0, MONDAY)


def test_after_weeks_of_nothing_the_end_is_out_of_sight_but_said(tmp_path: Path) -> None:
    state = standing(plan(tmp_path), {0: MONDAY}, MONDAY + timedelta(weeks=40))
    ahead = planning.project(state, DAILY, MONDAY)
    assert ahead.weeks == 0, "no pace can be taken from twelve weeks without work"
    assert ahead.likely


def test_a_gap_is_named_with_what_it_cost(tmp_path: Path) -> None:
    path, done = plan(tmp_path), steady(4, 5)
    last = max(done.values())
    assert planning.gap(standing(path, done, last + timedelta(days=3)), WEEKDAYS, MONDAY) is None
    state = standing(path, done, last + timedelta(days=17))
    found = planning.gap(state, WEEKDAYS, MONDAY)
    assert found
    assert (found.last, found.missed) == (last, 10)
    assert found.before == planning.project(standing(path, done, last), WEEKDAYS, MONDAY).likely
    assert found.shift > 14
    first = next(planning.schedule(state, WEEKDAYS))
    assert first.day == state.today + timedelta(days=(7 - state.today.weekday()) % 7)


def test_the_schedule_fills_promised_days_and_lanes_take_turns(tmp_path: Path) -> None:
    extra = "\n## B <!-- id: b -->\n- [ ] Long <!-- id: q/1 minutes: 200 -->\n- [ ] C <!-- id: q/2 "
    extra += "due: 2026-09-21 -->"
    path = plan(tmp_path, 4, "parallel", extra)
    state = standing(path, {}, MONDAY)
    slots = list(planning.schedule(state, parse_cadence("mon,wed"), minutes=120))
    shown = [(slot.day.day, slot.each.item.id, slot.minutes, slot.last) for slot in slots]
    assert shown == [
        (7, "p/0", 60, True),
        (7, "p/1", 60, True),
        (9, "q/1", 120, False),
        (14, "q/1", 80, True),
        (16, "p/2", 60, True),
        (16, "p/3", 60, True),
        (21, "q/2", 90, True),
    ]
    assert all(slot.day.weekday() in (0, 2) for slot in slots)
    worked = standing(path, {0: MONDAY}, MONDAY)
    first = next(planning.schedule(worked, parse_cadence("mon,wed"), minutes=120))
    assert (first.day.day, first.each.item.id) == (9, "p/1"), "today is done already"
    assert planning.needed(state, DAILY, MONDAY + timedelta(days=9)) == 53
    assert planning.needed(state, WEEKDAYS, MONDAY - timedelta(days=1)) is None


def test_a_date_out_of_reach_ends_the_schedule(tmp_path: Path) -> None:
    path = plan(tmp_path, 1, extra="\n- [ ] Never <!-- id: p/x due: 9999-12-31 -->")
    assert [s.each.item.id for s in planning.schedule(standing(path, {}, MONDAY), DAILY)] == ["p/0"]


@pytest.mark.parametrize("change", [date(2026, 10, 25), date(2026, 3, 29)])
def test_days_around_summer_time_are_days_like_any_other(tmp_path: Path, change: date) -> None:
    days = {n: change + timedelta(days=n - 3) for n in range(7)}
    state = standing(plan(tmp_path), days, change + timedelta(days=3))
    assert (state.streak.current, state.streak.longest) == (7, 7)
    assert set(state.activity) == set(days.values())
    assert course.finished(state.items.values()) == sorted(days.values())


def test_time_by_topic(journey: Journey, roadmap: Command) -> None:
    for text, *options in (
        ("a", "--tag", "graphs", "--minutes", "30"),
        ("b", "--tag", "graphs", "--tag", "tests", "--minutes", "20"),
        ("c", "--minutes", "5", "--day", "sample/1"),
        ("d", "--minutes", "1"),
        ("e",),
    ):
        assert roadmap("log", "-m", text, *options).code == 0
    journey.record("log.written", file="log/t.md", tags=["x"], topics=["graphs"], minutes=0)
    journey.record("log.written", file="log/u.md", tags=["x"], topics=["tests"], minutes=10)
    spent = roadmap("stats", "--json").json["minutes_by_topic"]
    assert spent == {"graphs": 50, "tests": 30, "sample": 5, "other": 1}
    shown = roadmap("stats").out
    assert re_find(shown, "graphs", "50 min")


def re_find(text: str, *words: str) -> bool:
    return any(all(word in line for word in words) for line in text.splitlines())


def test_the_screens_of_stats_and_plan(
    journey: Journey, roadmap: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "a line can be drawn after two weeks" in roadmap("stats").out
    for day, item in (("11-21", "01"), ("11-26", "02"), ("12-10", "03")):
        monkeypatch.setenv("ROADMAP_NOW", f"2026-{day}T09:00:00+01:00")
        roadmap("tick", f"sample/{item}")
    monkeypatch.setenv("ROADMAP_NOW", "2026-12-20T09:00:00+01:00")
    for columns in ("40", "80", "200"):
        monkeypatch.setenv("COLUMNS", columns)
        for command in ("stats", "plan"):
            lines = roadmap(command).out.splitlines()
            assert all(len(line) <= min(100, int(columns)) for line in lines), (command, columns)
            if command == "stats":
                assert "3 of 5 done" in lines[0]
                assert not any("runs passed" in line for line in lines), "there were none"
                facts = [fact for line in lines[: lines.index("")] for fact in line.split(" · ")]
                assert facts == ["3 of 5 done", "3 active days", "streak 0, best 1"], columns
    shown = roadmap("plan", "--until", "2027-01-10").out
    assert re_find(shown, "Left", "2 of 5 items")
    assert re_find(shown, "Until", "Sun 10 Jan 2027", "on each promised day")
    assert re_find(shown, "other/1", "blocked here")
    told = roadmap("plan", "--json", "--days", "1").json
    assert told["left"]["items"] == 2
    assert {row["date"] for row in told["days"]} == {told["days"][0]["date"]}
    assert roadmap("plan", "--until", "soon").code == 3
    burn = roadmap("stats", "--json").json["burn_down"]
    assert (burn[0]["left"], burn[-1]) == (5, {"date": "2026-12-20", "left": 2})


def test_a_calendar_of_the_plan(journey: Journey, roadmap: Command, tmp_path: Path) -> None:
    path = tmp_path / "plan.ics"
    assert roadmap("plan", "--ical", str(path)).code == 0
    first = path.read_bytes().decode()
    assert first.startswith("BEGIN:VCALENDAR\r\n")
    ids = [line for line in first.split("\r\n") if line.startswith("UID:")]
    assert len(ids) == len(set(ids)) >= 5
    assert first.count("DTSTART;VALUE=DATE:2026") == len(ids)
    roadmap("tick", "sample/01")
    roadmap("plan", "--ical", str(path))
    again = [line for line in path.read_text().split("\n") if line.startswith("UID:")]
    assert set(again) < set(ids), "an appointment keeps its id when the plan moves"
