"""Every format says what the state says, reads back, and takes hostile text as text."""

import csv
import io
import json
import zipfile
from xml.etree import ElementTree

import pytest
from roadmap_log import bibtex
from roadmap_log.journey import Journey
from sample import Command

TITLE = 'Börse, "x"; <b> & \\n {{ }} =1+1'
TEXT = "# Top\n\n```python\n# no heading\n```\n\n## Below\n\n]]> \x0b " + "lang " * 40


@pytest.fixture
def walked(journey: Journey, roadmap: Command) -> Journey:
    roadmap("start", "1")
    journey.work_file("sample", 1).write_text(journey.library.day(("sample", 1)).solution())
    assert roadmap("test").code == 0
    roadmap("log", "-m", TEXT, "-t", TITLE, "--minutes", "90", "--day", "1", "--tag", "c++")
    roadmap("paper", "add", "1706.03762", "--title", "=cmd|'/c calc'!A1")
    roadmap("experiment", "new", "Warm", "--hypothesis", "h", "--metric", "loss:lower")
    roadmap("experiment", "run", "warm", "loss=1")
    return Journey(journey.root)


def test_markdown_keeps_code_and_lowers_headings(walked: Journey, roadmap: Command) -> None:
    text = roadmap("export", "markdown").out
    assert "- First part: 1 of 3" in text
    assert "\n#### Top\n" in text
    assert "\n##### Below\n" in text
    assert "\n# no heading\n" in text


def test_json_holds_everything(walked: Journey, roadmap: Command) -> None:
    told = json.loads(roadmap("export", "json").out)
    assert told["counts"]["verified"] == 1
    assert told["entries"][0]["title"] == TITLE
    assert told["papers"][0]["arxiv"] == "1706.03762"
    assert told["experiments"][0]["runs"][0]["loss"] == 1
    kinds = {event["kind"] for event in told["events"]}
    assert {"day.tested", "log.written", "paper.added", "experiment.begun"} <= kinds


def test_tables_read_back_and_run_nothing(walked: Journey, roadmap: Command) -> None:
    roadmap("log", "-m", "x", "-t", "=1+1")
    entries = list(csv.DictReader(io.StringIO(roadmap("export", "csv").out)))
    assert [row["title"] for row in entries] == [TITLE, "'=1+1"]
    assert (entries[0]["minutes"], entries[0]["day"]) == ("90", "sample/1")
    items = list(csv.DictReader(io.StringIO(roadmap("export", "items").out)))
    assert [row["status"] for row in items].count("verified") == 1
    assert items[0]["done"] == "2026-11-20T09:00:00+01:00"


def test_a_calendar_is_folded_escaped_and_stays(walked: Journey, roadmap: Command) -> None:
    roadmap("log", "-m", "x", "-t", "Ω" * 70, "--day", "1")
    text = roadmap("export", "ical").out
    assert f"SUMMARY:{'Ω' * 70}\r\n" in text.replace("\r\n ", "")
    assert text == roadmap("export", "ical").out
    assert all(len(line.encode()) <= 75 for line in text.split("\r\n"))
    lines = text.replace("\r\n ", "").split("\r\n")
    assert "DTSTART;VALUE=DATE:20261120" in lines
    assert "DTSTART:20261120T063000Z" in lines, "it ends when it was written"
    assert "DTEND:20261120T080000Z" in lines
    assert 'SUMMARY:Börse\\, "x"\\; <b> & \\\\n {{ }} =1+1' in lines
    uids = [line for line in lines if line.startswith("UID:")]
    assert len(uids) == len(set(uids)) == 3


def test_a_feed_and_an_outline_are_xml(walked: Journey, roadmap: Command) -> None:
    feed = ElementTree.fromstring(roadmap("export", "atom").out)
    (entry,) = feed.findall("{http://www.w3.org/2005/Atom}entry")
    assert entry.findtext("{http://www.w3.org/2005/Atom}title") == TITLE
    outline = ElementTree.fromstring(roadmap("export", "opml").out)
    states = {each.get("_id"): each.get("_status") for each in outline.iter("outline")}
    assert states["sample/01"] == "verified"
    assert states["reading/paper"] == "todo"


def test_bibtex_and_a_zip_of_all(walked: Journey, roadmap: Command) -> None:
    (only,) = bibtex.parse(roadmap("export", "bibtex").out)
    assert only.fields["title"] == "=cmd|'/c calc'!A1"
    roadmap("site", "build")
    roadmap("site", "build", "--jekyll")
    (walked.root / "leak").symlink_to(walked.root.parent)
    archives = []
    for name in ("a.zip", "b.zip"):
        path = walked.root.parent / name
        assert roadmap("export", "zip", "--out", str(path)).code == 0
        archives.append(path.read_bytes())
    assert archives[0] == archives[1]
    with zipfile.ZipFile(io.BytesIO(archives[0])) as archive:
        names = archive.namelist()
        assert archive.testzip() is None
    assert "export/ical.ics" in names
    assert "journey/journey.toml" in names
    assert not [n for n in names if "_site" in n or ".local" in n or "docs/" in n or "leak" in n]
    assert roadmap("export", "pdf").code == 2
