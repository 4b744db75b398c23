"""The fold: streaks by the cadence one declared, and the same numbers from the same events."""

import itertools
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import pytest
from roadmap_log import roadmaps
from roadmap_log.cadence import Streak, parse_cadence, streak
from roadmap_log.errors import JourneyError, UnknownItemError
from roadmap_log.events import Event, History, new_id
from roadmap_log.state import Day, State, Status, fold, next_items
from sample import ROADMAP

FRIDAY = date(2026, 11, 20)
DAILY = parse_cadence("daily")
WEEKDAYS = parse_cadence("weekdays")


def days_ago(*numbers: int) -> set[date]:
    return {FRIDAY - timedelta(days=number) for number in numbers}


@pytest.mark.parametrize(
    ("active", "cadence", "expected"),
    [
        ((), DAILY, Streak(0, 0, False)),
        ((0,), DAILY, Streak(1, 1, True)),
        ((1, 2), DAILY, Streak(2, 2, False)),  # today may still be empty
        ((2, 3), DAILY, Streak(0, 2, False)),  # yesterday was missed
        ((0, 1, 3, 4, 5), DAILY, Streak(2, 3, True)),
        ((0, 1, 2, 3, 4, 7), WEEKDAYS, Streak(6, 6, True)),  # over a free weekend
        ((0, 1, 2, 3, 4, 5, 7), WEEKDAYS, Streak(7, 7, True)),  # a Sunday worked counts
        ((0, 1, 2, 3, 8), WEEKDAYS, Streak(4, 4, True)),  # Monday was missed
        ((-3,), DAILY, Streak(0, 0, False)),  # a clock that was ahead
    ],
)
def test_streak(active: tuple[int, ...], cadence: frozenset[int], expected: Streak) -> None:
    assert streak(days_ago(*active), cadence, FRIDAY) == expected


@pytest.mark.parametrize("text", ["", "never", "mon,,fri", "mon fri", "1,2", "daily,mon"])
def test_a_cadence_that_is_none(text: str) -> None:
    with pytest.raises(JourneyError) as caught:
        parse_cadence(text)
    assert caught.value.expected


def test_cadence_names() -> None:
    assert parse_cadence(" Monday, FRI ") == {0, 4}
    assert parse_cadence("weekdays") == {0, 1, 2, 3, 4}


@pytest.fixture
def sample(tmp_path: Path) -> roadmaps.Roadmap:
    path = tmp_path / "sample.md"
    path.write_text(ROADMAP)
    return roadmaps.parse(path)


def standing(sample: roadmaps.Roadmap, *told: tuple[str, dict[str, object]]) -> State:
    start = datetime(2026, 11, 20, 8, tzinfo=timezone(timedelta(hours=1)))
    events = tuple(
        Event(new_id(), start + timedelta(minutes=number), "a", kind, data)
        for number, (kind, data) in enumerate(told)
    )

    def available(day: Day) -> tuple[Status, str]:
        return ("todo", "") if day[1] < 3 and day[0] == "sample" else ("planned", "not written")

    return fold(
        History(events),
        [sample],
        available=available,
        tests_hash=lambda day: "now",
        cadence=DAILY,
        today=FRIDAY,
    )


def run(day: int, passed: bool, tests: str = "now") -> tuple[str, dict[str, object]]:
    data = {
        "day": f"sample/{day}",
        "passed": passed,
        "tests": tests,
        "failed": [] if passed else ["t"],
    }
    return "day.tested", data


def test_every_status(sample: roadmaps.Roadmap) -> None:
    def status(*told: tuple[str, dict[str, object]]) -> str:
        return standing(sample, *told).items["sample/01"].status

    tick = ("item.ticked", {"item": "sample/01"})
    assert status() == "todo"
    assert status(("day.started", {"day": "sample/1"})) == "todo"
    assert status(run(1, False)) == "attempted"
    assert status(run(1, True)) == "verified"
    assert status(run(1, True), run(1, False)) == "regressed"
    assert status(run(1, True, tests="older")) == "stale"
    assert status(run(1, True, tests="older"), run(1, True)) == "verified"
    assert status(("day.tested", {"day": "sample/1", "passed": "yes"})) == "attempted"
    assert status(tick) == "claimed"
    assert status(tick, ("item.unticked", {"item": "sample/01"})) == "todo"
    assert status(tick, run(1, True)) == "verified"
    assert standing(sample).items["sample/03"].status == "planned"


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"day": None, "passed": "yes", "failed": None, "minutes": "many"},
        {"day": 7, "item": [], "level": -1, "minutes": -5, "tags": 3, "date": 9},
        {"date": "2026-11-20T09:00:00", "file": None},
        {"day": {"a": 1}, "passed": 1, "failed": 3, "exercise": []},
    ],
)
def test_events_with_odd_data_do_no_harm(sample: roadmaps.Roadmap, data: dict[str, object]) -> None:
    kinds = ("day.started", "day.tested", "hint.shown", "item.ticked", "log.written", "no.such")
    state = standing(sample, *((kind, data) for kind in kinds))
    assert state.counts["verified"] == 0
    assert state.minutes == 0


@pytest.mark.parametrize(
    "told",
    [7, {"shares": 7}, {"shares": [7, {}, {"share": "much"}, {"share": float("inf")}]}, {}],
)
def test_shares_that_are_none_are_not_shown(sample: roadmaps.Roadmap, told: object) -> None:
    passed = {"day": "sample/1", "passed": True, "tests": "present", "roofline": told}
    assert standing(sample, ("day.tested", passed)).items["sample/01"].work.shares == {}


def test_log_entries_are_edited_and_removed(sample: roadmaps.Roadmap) -> None:
    def written(kind: str, **data: object) -> tuple[str, dict[str, object]]:
        return kind, {"file": "log/a.md", **data}

    first = written("log.written", title="A", minutes=30, date="2026-11-18T10:00:00+01:00")
    state = standing(sample, first)
    assert (state.minutes, state.activity[date(2026, 11, 18)].minutes) == (30, 30)
    edited = written("log.edited", title="B", minutes=45, date="2026-11-19T10:00:00+01:00")
    state = standing(sample, first, edited)
    assert state.minutes == 45
    assert date(2026, 11, 18) not in state.activity
    assert standing(sample, first, edited, written("log.removed")).entries == []


def test_next_items_choose_one_of_each_part(sample: roadmaps.Roadmap) -> None:
    def names(*told: tuple[str, dict[str, object]]) -> list[str]:
        return [each.item.id for each in next_items(standing(sample, *told))]

    assert names() == ["sample/01", "reading/paper"]
    assert names(("day.started", {"day": "sample/2"}))[0] == "sample/02"
    assert names(run(1, True)) == ["sample/02", "reading/paper"]
    assert names(run(1, True), run(2, True)) == ["reading/paper", "sample/03"]


def test_the_programme_is_complete() -> None:
    programme = roadmaps.load("programme")
    assert [part.id for part in programme.parts] == ["autodiff", "triton", "torch"]
    for part, days in zip(programme.parts, (35, 35, 32), strict=True):
        items = list(part.all_items())
        assert [item.day for item in items] == [(part.id, n + 1) for n in range(days)]
        assert [item.id for item in items] == [f"{part.id}/{n + 1:02d}" for n in range(days)]
        assert all(item.topic and item.minutes for item in items)
        assert len({item.topic for item in items}) == days
        assert [len(week.items) for week in part.sections][:4] == [7, 7, 7, 7]


def test_the_programme_is_the_same_to_a_markdown_parser() -> None:
    from markdown_it import MarkdownIt

    programme = roadmaps.load("programme")
    tokens = MarkdownIt("commonmark", {"html": True}).parse(programme.path.read_text())
    boxes = [
        token.content
        for before, token in itertools.pairwise(tokens)
        if token.type == "inline" and before.type == "paragraph_open"
        if token.content.startswith("[ ] ")
    ]
    assert len(boxes) == 102
    for box, item in zip(boxes, programme.items(), strict=True):
        assert box.startswith(f"[ ] {item.title} <!-- id: {item.id} ")
        assert box.endswith(item.topic)


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ("- [ ] no id", 1, "without an id"),
        ("- [ ] a <!-- id: a -->\n- [x] b <!-- id: a -->", 2, "line 1 already"),
        ("# T <!-- id: a -->\n- [ ] b <!-- id: a -->", 2, "line 1 already"),
        ("- [ ] a <!-- id: Ä -->", 1, "id 'Ä'"),
        ("- [ ] a <!-- id: a day: autodiff -->", 1, "track/number"),
        ("- [ ] a <!-- id: a day: autodiff/0 -->", 1, "track/number"),
        ("- [ ] a <!-- id: a minutes: soon -->", 1, "60-120"),
        ("---\nname: x\n", 1, "no end"),
        ("---\nname\n---\n", 2, "key: value"),
        ("---\nversion: two\n---\n", 1, "whole number"),
    ],
)
def test_a_broken_roadmap_names_file_and_line(
    tmp_path: Path, text: str, line: int, told: str
) -> None:
    path = tmp_path / "broken.md"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UnknownItemError) as caught:
        roadmaps.parse(path)
    assert str(caught.value).startswith(f"{path}:{line}: ")
    assert told in str(caught.value)


def test_boxes_in_code_are_no_boxes(tmp_path: Path) -> None:
    path = tmp_path / "plain.md"
    path.write_text(
        "- [ ] a <!-- id: a -->\n\n````\n```\n- [ ] b\n# T\n````\n- [X] c <!-- id: c -->\n"
    )
    assert [item.id for item in roadmaps.parse(path).items()] == ["a", "c"]
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(UnknownItemError, match="cannot be read"):
        roadmaps.parse(path)


PRACTISED = """\
---
order: sequence
---
## A <!-- id: a -->
- [ ] Both <!-- id: a/1 with: sample/1,sample/2 -->
- [ ] Read <!-- id: a/2 -->
## B <!-- id: b -->
- [ ] Later <!-- id: b/1 -->
## Beside <!-- id: c beside: yes -->
- [ ] Papers <!-- id: c/1 -->
"""


def practised(tmp_path: Path, *told: tuple[str, dict[str, object]]) -> State:
    path = tmp_path / "practised.md"
    path.write_text(PRACTISED)
    return standing(roadmaps.parse(path), *told)


def test_an_item_practised_by_days_is_verified_by_all_of_them(tmp_path: Path) -> None:
    def status(*told: tuple[str, dict[str, object]]) -> str:
        return practised(tmp_path, *told).items["a/1"].status

    tick = ("item.ticked", {"item": "a/1"})
    both = (run(1, True), run(2, True))
    assert status() == "todo"
    assert status(run(1, False)) == "attempted"
    assert status(run(1, True)) == "attempted"
    assert "sample/2" in practised(tmp_path, run(1, True)).items["a/1"].why
    assert status(*both) == "verified"
    assert status(*both, run(1, False)) == "regressed"
    assert status(run(1, True, tests="older"), run(2, True)) == "stale"
    assert status(tick) == "claimed"
    assert status(run(1, True), tick) == "claimed"
    assert status(tick, *both) == "verified"


def test_an_item_is_done_since_the_last_of_its_days_passed_first(tmp_path: Path) -> None:
    state = practised(tmp_path, run(1, True), run(2, True), run(1, True))
    each, work = state.items["a/1"], state.work_on(("sample", 2))
    assert each.since == work.verified
    assert each.work.passes == 1
    assert each.work.attempts == 3
    assert state.knows(("sample", 2))
    assert not state.knows(("sample", 3))
    assert state.by_day(("sample", 1)) is None


def test_a_tick_of_one_roadmap_claims_nothing_in_another(tmp_path: Path) -> None:
    paths = [tmp_path / "one.md", tmp_path / "two.md"]
    for path in paths:
        path.write_text(f"- [ ] Day <!-- id: {path.stem} day: sample/1 -->")
    both = [roadmaps.parse(path) for path in paths]
    moment = datetime(2026, 11, 20, 8, tzinfo=timezone(timedelta(hours=1)))
    state = fold(
        History((Event(new_id(), moment, "a", "item.ticked", {"item": "one"}),)),
        both,
        available=lambda day: ("todo", ""),
        tests_hash=lambda day: "now",
        cadence=DAILY,
        today=FRIDAY,
    )
    assert [state.items[name].status for name in ("one", "two")] == ["claimed", "todo"]


def test_in_a_sequence_one_thing_is_next_and_what_runs_beside_it(tmp_path: Path) -> None:
    def names(*told: tuple[str, dict[str, object]]) -> list[str]:
        return [each.item.id for each in next_items(practised(tmp_path, *told))]

    assert names() == ["a/1", "c/1"]
    assert names(("item.ticked", {"item": "a/1"})) == ["a/2", "c/1"]
    assert names(("item.started", {"item": "b/1"})) == ["b/1", "c/1"], "what was begun goes on"
    assert names(("item.started", {"item": "c/1"})) == ["c/1", "a/1"]
    done = [("item.ticked", {"item": name}) for name in ("a/1", "a/2", "b/1", "c/1")]
    assert names(*done) == []


def test_ticks_of_an_imported_file_are_no_work_of_today(sample: roadmaps.Roadmap) -> None:
    state = standing(sample, ("item.ticked", {"item": "reading/paper", "imported": True}))
    assert state.items["reading/paper"].status == "claimed"
    assert state.streak.current == 0
    assert state.activity == {}
