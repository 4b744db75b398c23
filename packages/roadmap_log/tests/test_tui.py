"""The terminal interface, driven by its keys."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from roadmap_log.journey import Journey
from sample import Command

pytest.importorskip("textual")

from roadmap_log.tui.app import RoadmapApp
from roadmap_log.tui.panes import LogPane, PapersPane, PlanPane, SearchPane, TodayPane
from textual.widgets import DataTable, Markdown, Static, TabbedContent, Tree

Steps = Callable[[RoadmapApp, Any], Awaitable[None]]


def drive(journey: Journey, steps: Steps) -> None:
    async def main() -> None:
        app = RoadmapApp(journey)
        async with app.run_test(size=(120, 40)) as pilot:
            await pilot.pause()
            await steps(app, pilot)

    asyncio.run(main())


def test_an_entry_is_written_found_and_shown(journey: Journey, roadmap: Command) -> None:
    roadmap("log", "-m", "An old one", "-t", "[bold]not <b>markup[/bold] \x1b[31m")

    async def steps(app: RoadmapApp, pilot: Any) -> None:
        await pilot.press("n")
        await pilot.press(*"Zebra")
        await pilot.press("ctrl+s")
        await pilot.pause()
        assert app.query_one(TabbedContent).active == "log"
        assert app.query_one(LogPane).table.row_count == 2
        old = app.query_one(LogPane).text_of(str(next(journey.log_folder.glob("*bold*"))))
        assert "<" not in old.replace("\\<", "")
        await pilot.press("slash")
        await pilot.press(*"zeb")
        await pilot.pause()
        assert [hit.title for hit in app.query_one(SearchPane).hits] == ["Zebra"]
        await pilot.press("enter")
        await pilot.pause()
        await pilot.press("enter")
        await pilot.pause()
        assert app.query_one(TabbedContent).active == "log"
        assert "Zebra" in app.query_one(LogPane).query_one(Markdown).source

    drive(journey, steps)
    assert [entry.title for entry in Journey(journey.root).state.entries][-1] == "Zebra"


def test_long_titles_are_cut_where_there_is_no_room(journey: Journey, track: Path) -> None:
    file = journey.root / "roadmaps" / "sample.md"
    long = "A part with a title that is longer than what there is room for on any screen"
    file.write_text(file.read_text().replace("First part", long))

    async def steps(app: RoadmapApp, pilot: Any) -> None:
        assert "A part with a title" in str(app.query_one(TodayPane).query_one(Static).render())
        await pilot.press("2")
        await pilot.pause()
        tree = app.query_one(PlanPane).query_one(Tree)
        labels = [str(node.label) for node in tree.root.children[0].children]
        assert labels[0].split()[:2] == ["0/3", "A"], "the count comes first, and is seen"

    drive(Journey(journey.root), steps)


def test_leaving_or_saving_nothing_writes_nothing(journey: Journey) -> None:
    async def steps(app: RoadmapApp, pilot: Any) -> None:
        await pilot.press("n", "ctrl+s")
        await pilot.press(*"half")
        await pilot.press("escape")
        await pilot.pause()

    drive(journey, steps)
    assert Journey(journey.root).state.entries == []


def test_boxes_are_ticked_and_papers_read(journey: Journey, roadmap: Command) -> None:
    roadmap("paper", "add", "1706.03762", "--title", "Attention")

    async def steps(app: RoadmapApp, pilot: Any) -> None:
        assert "0 of 5 done" in str(app.query_one(TodayPane).query_one(Static).render())
        await pilot.press("2")
        plan = app.query_one(PlanPane)
        plan.choose("reading/paper")
        await pilot.pause()
        await pilot.pause()
        app.action_tick()
        await pilot.pause()
        assert "1 of 5 done" in str(app.query_one(TodayPane).query_one(Static).render())
        await pilot.press("4")
        app.query_one(PapersPane).table.focus()
        await pilot.press("r")
        await pilot.pause()
        row = app.query_one(PapersPane).query_one(DataTable).get_row_at(0)
        assert str(row[0]) == "read"

    drive(journey, steps)
    state = Journey(journey.root).state
    assert state.items["reading/paper"].status == "claimed"
    assert roadmap("paper", "list", "--json").json[0]["status"] == "read"


def test_without_textual_or_a_terminal_it_says_what_to_do(
    journey: Journey, roadmap: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "needs a terminal" in roadmap("tui").err
    for name in [name for name in sys.modules if name.startswith("roadmap_log.tui")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "textual", None)
    monkeypatch.setitem(sys.modules, "textual.app", None)
    refused = roadmap("tui")
    assert refused.code == 6
    assert "roadmap-log[tui]" in refused.err
