"""Search: everything written is found, no query is an error of SQLite's, damage is mended."""

import os
import sqlite3
from pathlib import Path

import pytest
from roadmap_log.errors import UnknownItemError
from roadmap_log.journey import Journey
from roadmap_log.search import Index, find
from sample import Command


@pytest.fixture
def written(journey: Journey, roadmap: Command) -> Journey:
    roadmap("log", "-m", "Softmax keeps the rows of attention apart", "--tag", "c++")
    roadmap("log", "-m", "Größe und Übermut: \u6ce8\u610f\u529b\u673a\u5236", "--title", "Sprachen")
    roadmap(
        "paper", "add", "1706.03762", "--title", "Attention is all you need", "--author", "Vaswani"
    )
    roadmap("experiment", "new", "Warm", "--hypothesis", "softmax cools", "--metric", "loss:lower")
    return Journey(journey.root)


def names(journey: Journey, query: str) -> list[str]:
    return [hit.name for hit in find(Index(journey), query)]


def test_every_kind_is_found(written: Journey) -> None:
    soft = "2026-11-20-softmax-keeps-the-rows-of-attention-apart"
    assert names(written, "atten") == ["arxiv:1706.03762", soft], "the title weighs more"
    assert names(written, "softmax -rows") == ["warm"]
    assert names(written, "tag:c++") == [soft]
    assert names(written, '"rows of"') == [soft]
    assert names(written, '"of rows"') == []
    assert names(written, "vaswani") == ["arxiv:1706.03762"]
    assert names(written, "kind:experiment") == ["warm"]
    assert names(written, "ubermut") == ["2026-11-20-sprachen"], "without its dots"
    assert names(written, "\u610f\u529b") == ["2026-11-20-sprachen"], "within a word"
    assert names(written, "second number") == ["sample/02"]


@pytest.mark.parametrize(
    "query",
    [
        "NEAR(a",
        'a" OR "b',
        "a AND",
        "* ^x",
        "title:x",
        "( a",
        "a'; DROP TABLE words; --",
        "x\0y",
        "%_\\ a",
    ],
)
def test_no_query_is_an_error_or_a_command(written: Journey, query: str) -> None:
    before = names(written, "softmax")
    find(Index(written), query)
    assert before
    assert names(written, "softmax") == before


@pytest.mark.parametrize("query", ["", "++", "-x", "kind:novel"])
def test_a_query_for_nothing_is_refused(written: Journey, query: str) -> None:
    with pytest.raises(UnknownItemError):
        find(Index(written), query)


def test_edits_and_removals_are_followed(written: Journey) -> None:
    file = next(written.log_folder.glob("*softmax*"))
    assert Index(written).refresh() <= 4
    text = file.read_text()
    status = file.stat()
    file.write_text(text.replace("Softmax keeps", "Softmin keeps"))  # as long as before …
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))  # … and at the same moment
    assert names(written, "softmin") == [file.stem]
    file.unlink()
    assert names(written, "softmin") == []
    bad = written.log_folder / "2026-11-01-bad.md"
    bad.write_text("---\ntitle: [\n---\n")
    index = Index(written)
    assert "bad.md" in index.faults()[0].problem
    bad.write_text("---\ntitle: mended\n---\n")
    assert names(written, "mended") == [bad.stem]
    assert Index(written).faults() == []


def test_nothing_is_read_twice(written: Journey) -> None:
    old = 1_700_000_000
    for path in written.root.rglob("*.md"):
        os.utime(path, (old, old))
    Index(written)
    assert Index(written).refresh() == 0


@pytest.mark.parametrize("damage", ["garbage", "torn", "version", "folder"])
def test_a_damaged_index_is_made_again(written: Journey, damage: str) -> None:
    path = Index(written).path
    if damage == "garbage":
        path.write_bytes(b"not a database at all" * 100)
    elif damage == "torn":
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2])
    elif damage == "version":
        with sqlite3.connect(path) as database:
            database.execute("PRAGMA user_version = 99")
        database.close()
    else:
        path.unlink()
        path.mkdir()
    index = Index(written)
    assert index.rebuilt
    assert len(find(index, "softmax")) == 2


def test_a_long_text_is_found_and_shown_around_the_first_hit(
    journey: Journey, roadmap: Command
) -> None:
    text = "filler " * 3_000 + "A Zebra stands " + "zebra x " * 300_000
    roadmap("log", "-m", text, "-t", "Long")
    (hit,) = roadmap("search", "zebra", "--json").json
    assert "A Zebra stands" in hit["excerpt"]
    assert len(hit["excerpt"]) < 120


def test_the_command(written: Journey, roadmap: Command) -> None:
    found = roadmap("search", "rows", "of attention")
    assert found.code == 0
    assert "softmax-keeps" in found.out
    assert "\x01" not in found.out
    assert roadmap("search", "--json", "kind:paper").json[0]["name"] == "arxiv:1706.03762"
    assert "Nothing found" in roadmap("search", "zebra").out
    assert roadmap("search", "++").code == 4
    assert Path(roadmap("search", "--json", "sprachen").json[0]["file"]).is_file()
