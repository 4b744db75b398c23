"""Files of others: what is taken from them, what is mended, and the same file given back."""

import json
import random
import re
from pathlib import Path

import pytest
from roadmap_log import roadmaps
from roadmap_log.errors import UnknownItemError
from roadmap_log.journey import Journey
from roadmap_log.roadmaps import importing
from roadmap_log.roadmaps.outline import KINDS, outline
from roadmap_log.roadmaps.repair import CODECS, decode, repair
from sample import Command

NESTED = """\
---
layout: page
- [ ] no box: a header
---
# A plan 🚀

## Month - 1
- [ ] Week 1-2
    - Trees and graphs
        1. Search (2-3 h)
    - A tutorial `done ✅`
- [X] Week 3-4 [notes](notes/one.ipynb)
    - [ ] Inner box
      of two lines
    * [ ] Another

```
- [ ] code
```
## Month - 2
> - [ ] Quoted, by 2026-12-01

| Week | Topics | Status |
|------|--------|--------|
| 1 | Tensors \\| shapes | ⏳ Planned |
| 2 | Autograd [book](b.ipynb) |  |
| **3** | Modules | ✅ |

| Name | Colour |
|---|---|
| a | blue |
"""

DAYS = """\
# Days

#### Day 1: Set up ✅
Tools and a first program.

#### Day 2: [soon]
- vectors
- matrices

### Week 2 ###
nothing yet
"""

LINES = """\
# Learn
Some words about it that are
wrapped as prose is.

### Basics
Algebra that matters
Project: a small engine

- A course <https://example.org/a>
Formal: the lectures
"""


def titles(text: str) -> list[tuple[str, str, bool]]:
    return [
        (each.kind, each.title, each.done) for heading in outline(text) for each in heading.found
    ]


def test_nested_boxes_tables_quotes_and_signs() -> None:
    assert titles(NESTED) == [
        ("box", "Week 1-2", False),
        ("box", "A tutorial done", True),
        ("box", "Week 3-4 notes", True),
        ("box", "Inner box of two lines", False),
        ("box", "Another", False),
        ("box", "Quoted, by 2026-12-01", False),
        ("row", "Week 1: Tensors | shapes", False),
        ("row", "Week 2: Autograd book", False),
        ("row", "Week 3: Modules", True),
    ]
    found = {each.title: each for heading in outline(NESTED) for each in heading.found}
    assert found["Week 1-2"].details == ["Trees and graphs", "Search (2-3 h)"]
    assert found["Week 3-4 notes"].links == ["notes/one.ipynb"]
    assert found["Week 2: Autograd book"].links == ["b.ipynb"]
    assert found["Quoted, by 2026-12-01"].due == "2026-12-01"


def test_headings_as_days_and_lists_of_lines() -> None:
    assert titles(DAYS) == [
        ("heading", "Day 1: Set up", True),
        ("heading", "Day 2: [soon]", False),
        ("heading", "Week 2", False),
    ]
    assert outline(DAYS)[3].found[0].details == ["vectors", "matrices"]
    assert [title for _, title, _ in titles(LINES)] == [
        "Algebra that matters",
        "Project: a small engine",
        "A course https://example.org/a Formal: the lectures",
    ]


@pytest.mark.parametrize(
    ("text", "due", "minutes"),
    [
        ("- [ ] by 2026-02-30", "", None),
        ("- [ ] 13 November 2025 (90 min)", "2025-11-13", (90, 90)),
        ("- [ ] Nov 3, 2025, ~1.5-2 h", "2025-11-03", (90, 120)),
        ("| Date | Task |\n|-|-|\n| 2026-01-02 | read |", "2026-01-02", None),
    ],
)
def test_dates_and_times(text: str, due: str, minutes: tuple[int, int] | None) -> None:
    (found,) = [each for heading in outline(text) for each in heading.found]
    assert (found.due, found.minutes) == (due, minutes)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("text", [NESTED, DAYS, LINES])
def test_a_tick_changes_its_line_alone_and_can_be_taken_back(text: str, end: str) -> None:
    text = text.replace("\n", end)
    found = [each for heading in outline(text) for each in heading.found]
    assert importing.export(text, {each.line: each.done for each in found}) == text
    for each in found:
        now = importing.export(text, {each.line: not each.done})
        lines = list(zip(text.split(end), now.split(end), strict=True))
        assert [n for n, (a, b) in enumerate(lines, 1) if a != b] == [each.line]
        after = {e.line: e for h in outline(now, frozenset(KINDS)) for e in h.found}
        after |= {e.line: e for h in outline(now) for e in h.found}
        again = after[each.line]
        assert (again.title, again.done) == (each.title, not each.done), now.split(end)[each.line]


def test_the_forms_of_a_tick() -> None:
    def ticked(text: str) -> str:
        found = [each for heading in outline(text.lstrip("\ufeff")) for each in heading.found]
        return importing.export(text, {each.line: True for each in found})

    assert ticked("\ufeff- [ ] b\n") == "\ufeff- [x] b\n"
    assert ticked("# A\n* [ ] b  \n") == "# A\n* [x] b  \n"
    assert ticked("1) b\n2) ⏳ c") == "1) b\n2) ✅ c"
    assert ticked("- b\n- c") == "- [x] b\n- [x] c"
    assert ticked("## Day 1 ##\n## Day 2: x\n") == "## Day 1 ✅ ##\n## Day 2: x ✅\n"
    table = "|Day|What|Done|\n|--|--|--|\n|1|a| |\n| 2 | b | [ ] |\n| 3 | c | 🔄 half |\n"
    assert ticked(table).splitlines()[2:] == [
        "|1|a| ✅|",
        "| 2 | b | [x] |",
        "| 3 | c | ✅ Done |",
    ]
    assert ticked("Day | Done\n--|--\n1 | ⏳\n").endswith("\n1 | ✅\n")
    assert (
        ticked("| Day | What |\n|--|--|\n| 1 | a |\n") == "| Day | What |\n|--|--|\n| 1 ✅ | a |\n"
    )


PIECES = (
    *("- [ ] ", "- [x] ", "* ", "1. ", "  - [ ] ", "    - ", "> - [ ] ", "- []  z", "+ [ ] q"),
    *("# ", "## Day 3: ", "### Week 1 ", "---\n", "\n", "\n\n", "\r", "```\n", "<!-- c -->", "[ ]"),
    *("| Week | Topic | Status |\n|--|--|--|\n", "| 1 | a | ✅ |\n", "| 2 | b\\|c | |\n", "|"),
    *("`code ✅`", "[link](a.ipynb)", "Label: foo", "\u202e", "\u2028", "\x0b", "日本", "<b>x</b>"),
    *("✅", "⏳ ", "\\", "2026-13-40"),
)


def test_pieces_in_any_order_are_ticked_and_given_back(tmp_path: Path) -> None:
    chance = random.Random(0)
    path = tmp_path / "p.md"
    ticked = 0
    for _ in range(60):
        drawn = (chance.choice(PIECES) + chance.choice(("", "\n", "word")) for _ in range(20))
        text = "".join(drawn)
        found = [each for heading in outline(text) for each in heading.found]
        assert importing.export(text, {each.line: each.done for each in found}) == text
        assert len({each.line for each in found}) == len(found)
        for each in found:
            ticked += 1
            now = importing.export(text, {each.line: not each.done})
            lines = zip(*(re.split(r"\r\n?|\n", whole) for whole in (text, now)), strict=True)
            assert [n for n, (a, b) in enumerate(lines, 1) if a != b] == [each.line], text
            after = {e.line: e for h in outline(now, frozenset(KINDS)) for e in h.found}
            after |= {e.line: e for h in outline(now) for e in h.found}
            assert after[each.line].done != each.done, text
        path.write_text(text, encoding="utf-8", newline="")
        if found:
            made = importing.read(path, "p")
            again = roadmaps.parse_text(made.render("p.md"), path)
            assert [item.id for item in again.items()] == list(made.ids.values())
    assert ticked > 100


def misread(text: str, codec: str) -> str:
    return "".join(
        bytes([byte]).decode(codec) if byte not in LOST.get(codec, b"") else ""
        for byte in text.encode()
    )


LOST = {"cp1254": b"\x81\x8d\x8e\x8f\x90\x9d\x9e", "cp1252": b"\x81\x8d\x8f\x90\x9d"}


@pytest.mark.parametrize("codec", ["mac_roman", "latin_1", "cp437", "cp850"])
def test_text_misread_without_loss_is_put_right_exactly(codec: str) -> None:
    text = "# Größe – β ✅ 👋🏽\n- [ ] naïve «été» ➡️\n"
    found = repair(misread(text, codec))
    assert (found.text, found.codec, found.lost) == (text, codec, ())


def test_lost_bytes_are_reported_and_never_guessed() -> None:
    damaged = misread("- ✅ one\n- 🎯 two 🚀 €\n", "cp1254")
    found = repair(damaged)
    assert found.text == "- ✅ one\n- ğŸ¯ two 🚀 €\n"
    assert (found.codec, found.restored) == ("cp1254", 3)
    assert [(place.line, place.column, place.text) for place in found.lost] == [(2, 3, "ğŸ¯")]


@pytest.mark.parametrize(
    "text", ["plain", "café, naïve, Über", "日本語 ✅", "5 € – «oui» “x”", "l’École", "“Öffnen”"]
)
def test_sound_text_is_left_alone(text: str) -> None:
    assert repair(text) == repair(text, CODECS[:1]) == importing.Repaired(text)


def test_where_two_readings_explain_it_a_person_chooses() -> None:
    found = repair("Ã©tÃ©")
    assert found.text == "Ã©tÃ©"
    assert {"cp1252", "cp850"} <= set(found.rivals)
    assert repair("Ã©tÃ©", ("cp1252",)).text == "été"


def test_files_in_other_encodings(tmp_path: Path) -> None:
    assert decode("\ufeffä".encode(), "f") == "ä"
    assert decode("\ufeffä".encode("utf-16-le"), "f") == "ä"
    assert decode("ş".encode("cp1254"), "f", "cp1254") == "ş"
    for content, encoding, told in (
        (b"a\n\xff", None, "f:2: byte 0xff is not utf-8"),
        (b"a", "hex", "no encoding 'hex'"),
    ):
        with pytest.raises(UnknownItemError, match=told) as caught:
            decode(content, "f", encoding)
        assert caught.value.fix


def test_import_and_export_through_the_command(
    journey: Journey, roadmap: Command, tmp_path: Path
) -> None:
    file = tmp_path / "My Plan.md"
    file.write_bytes(b"\xef\xbb\xbf" + NESTED.replace("\n", "\r\n").encode())
    looked = roadmap("import", str(file), "--dry-run", "--json").json
    assert (looked["imported"], looked["taken"]) == (False, {"box": 6, "row": 3})
    assert not (journey.root / "roadmaps" / "my-plan.md").exists()
    shown = roadmap("import", str(file))
    assert "6 boxes, 3 rows; 3 ticked already" in shown.out
    items = {each["id"]: each for each in roadmap("status", "--json").json["items"]}
    assert items["my-plan/week-3-4-notes"]["status"] == "claimed"
    assert roadmap("status", "--json").json["streak"]["current"] == 0, "ticks of others are no work"
    assert roadmap("roadmaps", "export", "my-plan", "--out", "out.md").code == 0
    assert Path("out.md").read_bytes() == file.read_bytes()
    roadmap("tick", "my-plan/inner-box-of-two-lines")
    roadmap("tick", "my-plan/week-3-modules", "--undo")
    roadmap("roadmaps", "export", "my-plan", "--out", "out.md")
    expected = NESTED.replace("[ ] Inner", "[x] Inner").replace("Modules | ✅ |", "Modules | ⬜ |")
    assert Path("out.md").read_bytes()[3:].decode().replace("\r\n", "\n") == expected
    again = roadmap("import", str(file))
    assert again.code == 4
    assert "--replace" in again.err
    assert roadmap("import", str(file), "--replace").code == 0
    ticks = [e for e in journey.store.read().events if e.data.get("imported")]
    assert [e.data["item"] for e in ticks].count("my-plan/a-tutorial-done") == 1
    assert Journey(journey.root).state.items["my-plan/inner-box-of-two-lines"].status == "claimed"


@pytest.mark.parametrize(
    ("content", "arguments", "told"),
    [
        (b"# Nothing\n", [], "nothing that could be ticked"),
        (b"- [ ] \xff\n", [], "byte 0xff is not utf-8"),
        (b"- [ ] a\n", ["--name", "programme"], "built-in"),
        (b"- [ ] a\n", ["--name", "../evil"], "cannot be the name"),
        (b"- [ ] a\n", ["--misread", "ebcdic"], "not an encoding that can be undone"),
        (None, [], "cannot be read"),
    ],
)
def test_what_cannot_be_imported_changes_nothing(
    journey: Journey,
    roadmap: Command,
    tmp_path: Path,
    content: bytes | None,
    arguments: list[str],
    told: str,
) -> None:
    file = tmp_path / "plan.md"
    if content is not None:
        file.write_bytes(content)
    before = sorted(journey.root.rglob("*"))
    refused = roadmap("import", str(file), *arguments)
    assert refused.code == 4
    assert told in refused.err
    assert sorted(journey.root.rglob("*")) == before


def test_ids_come_from_the_text_and_where_that_is_not_enough_from_its_heading(
    journey: Journey, roadmap: Command, tmp_path: Path
) -> None:
    file = tmp_path / "plan.md"
    file.write_text("# One\n- [ ] Week 1\n- [ ] Read\n# Two\n- [ ] Week 1\n- [ ] Week 1\n")
    items = roadmap("import", str(file), "--json").json["items"]
    ids = ["plan/one/week-1", "plan/read", "plan/two/week-1", "plan/two/week-1-2"]
    assert [each["id"] for each in items] == ids
    file.write_text("- [ ] Paper\n")
    clash = roadmap("import", str(file), "--name", "reading")
    assert clash.code == 4
    assert "'reading/paper' is also one of" in clash.err
    assert not (journey.root / "roadmaps" / "reading.md").exists()


HOSTILE = """\
# T --> <!-- id: sample/01 -->
- [ ] [x] <!-- id: evil --> \x1b[31m a\u202eb
- [ ] a
- [ ] a
- [ ] 日本語の題
- [ ] \u0301
"""


def test_hostile_text_becomes_a_sound_roadmap(
    journey: Journey, roadmap: Command, tmp_path: Path
) -> None:
    (tmp_path / "p.md").write_text(HOSTILE)
    assert roadmap("import", str(tmp_path / "p.md")).code == 0
    made = roadmaps.load("p", journey.root / "roadmaps")
    ids = [item.id for item in made.items()]
    assert len(set(ids)) == 5
    assert all(each.startswith("p/") for each in ids)
    assert all(item.title.isprintable() for item in made.items())
    assert "<!--" not in "".join(item.title for item in made.items()) + made.root.sections[0].title
    assert made.root.sections[0].id == "p/t-id-sample-01"
    exported = roadmap("roadmaps", "export", "p", "--json").json["text"]
    assert exported == HOSTILE


def test_several_roadmaps_are_taken_up_and_left(journey: Journey, roadmap: Command) -> None:
    listed = roadmap("roadmaps", "--json").json
    assert [row["name"] for row in listed if row["followed"]] == ["sample"]
    assert {row["name"] for row in listed} > {"programme", "six-months", "sprint"}
    settings = journey.root / "journey.toml"
    settings.write_text("# mine\n" + settings.read_text())
    assert roadmap("roadmaps", "add", "six-months").code == 0
    assert roadmap("roadmaps", "add", "six-months").code == 4
    assert roadmap("tick", "six-months/7").code == 0
    assert roadmap("roadmaps", "remove", "sample").code == 0
    assert settings.read_text().startswith("# mine\n")
    assert Journey(journey.root).settings.roadmaps == ("six-months",)
    assert "the only roadmap" in roadmap("roadmaps", "remove", "six-months").err
    assert roadmap("roadmaps", "add", "sample").code == 0
    state = Journey(journey.root).state
    assert state.items["six-months/007"].status == "claimed"
    kinds = [event.kind for event in state.history.events]
    assert kinds[-4:] == ["roadmap.added", "item.ticked", "roadmap.removed", "roadmap.added"]
    own = roadmap("roadmaps", "export", "six-months").out
    assert own.count("- [x]") == 1
    built_in = roadmaps.load("six-months").path.read_text()
    assert own.replace("[x] Day 007", "[ ] Day 007") == built_in


def test_a_list_without_ids_is_sent_to_import(
    journey: Journey, roadmap: Command, tmp_path: Path
) -> None:
    (tmp_path / "list.md").write_text("- [ ] a\n")
    refused = roadmap("roadmaps", "add", str(tmp_path / "list.md"))
    assert refused.code == 4
    assert "roadmap import list.md" in refused.err
    assert roadmap("import", str(tmp_path / "list.md")).code == 0


def test_settings_that_cannot_be_edited_safely_are_left(journey: Journey, roadmap: Command) -> None:
    settings = journey.root / "journey.toml"
    text = settings.read_text().replace('["sample"]', '[\n  "sample", # mine ]\n]')
    settings.write_text(text)
    refused = roadmap("roadmaps", "add", "sprint")
    assert refused.code == 3
    assert "by hand" in refused.err
    assert settings.read_text() == text


def test_an_item_without_a_day_has_a_task(journey: Journey, roadmap: Command) -> None:
    roadmap("roadmaps", "add", "six-months")
    begun = roadmap("start", "six-months/2")
    file = journey.root / "work" / "six-months" / "002.task.md"
    text = file.read_text()
    assert "## Objectives" in text
    assert "- [ ] a matrix product" in text
    assert "roadmap tick six-months/002" in begun.out
    file.write_text("my notes")
    assert json.loads(roadmap("start", "six-months/002", "--json").out)["task"] == str(file)
    assert file.read_text() == "my notes"
    assert roadmap("next", "--json").json[0]["id"] == "six-months/002", "it is in hand"
    roadmap("log", "-m", "Rank.", "--day", "six-months/2", "--minutes", "7")
    assert Journey(journey.root).state.entries[0].day == "six-months/002"


def test_what_comes_next_says_when_it_is_due(
    journey: Journey, roadmap: Command, tmp_path: Path
) -> None:
    (tmp_path / "dated.md").write_text("| Date | Task |\n|--|--|\n| 2026-12-02 | Read |\n")
    roadmap("import", str(tmp_path / "dated.md"))
    assert "due 2026-12-02" in roadmap("next").out
    items = {each["id"]: each for each in roadmap("next", "--json").json}
    assert items["dated/2026-12-02-read"]["due"] == "2026-12-02"
