"""The real tracks, through the real command, along the built-in programme."""

from pathlib import Path

import pytest
from roadmap_log.journey import Journey
from sample import Command

pytestmark = pytest.mark.tracks


@pytest.fixture
def walked(tmp_path: Path, roadmap: Command, monkeypatch: pytest.MonkeyPatch) -> Journey:
    """A journey as `roadmap init journey` makes it, seen from the folder around it."""
    monkeypatch.chdir(tmp_path)
    begun = roadmap("init", "journey")
    assert begun.code == 0
    assert "journey/work/autodiff/day01.py" in begun.out
    return Journey(tmp_path / "journey")


def test_the_first_day_is_walked_to_its_end(walked: Journey, roadmap: Command) -> None:
    assert roadmap("test").code == 1
    file = walked.work_file("autodiff", 1)
    file.write_text(walked.library.day(("autodiff", 1)).solution())
    assert roadmap("test").code == 0
    state = roadmap("status", "--json").json
    assert state["counts"]["verified"] == 1
    assert state["items"][0]["status"] == "verified"


def test_every_day_there_is_stands_in_the_programme_under_its_title(walked: Journey) -> None:
    for track in walked.library.tracks:
        for number in walked.library.days_of(track):
            item = walked.state.by_day((track, number))
            assert item is not None, f"{track}/{number} is missing in the programme"
            title = walked.library.day((track, number)).title
            assert item.item.title == f"Day {number:02d}: {title}"
