"""Log entries: valid Jekyll posts that say what was written, whatever was written."""

import os
import stat
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
import yaml
from roadmap_log import frontmatter
from roadmap_log.entries import LogEntry, read_entry, read_log, render, slug, tidy_tags
from roadmap_log.errors import UnknownItemError
from roadmap_log.files import write_new
from roadmap_log.journey import Journey
from sample import Command

WHEN = datetime(2026, 11, 20, 9, 0, tzinfo=timezone(timedelta(hours=-3, minutes=-30)))

TEXTS = [
    "plain",
    "# Heading\n\n```python\nx = {{1, 2}}\n```\n",
    "{% endraw %} {% raw %} {{ page.title }} {%- endraw -%}",
    "---\nlayout: evil\n---\n",
    "{% raw %}\nalready\n{% endraw %}",
    "\u05e9\u05dc\u05d5\u05dd e\u0301 \U0001f469\u200d\U0001f4bb",
    "    indented code comes first",
]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("title", ["A title", 'With "quotes": and # {{ }}', "- [x] !tag & *a"])
def test_an_entry_reads_back_as_it_was_written(tmp_path: Path, text: str, title: str) -> None:
    entry = LogEntry(title, text, WHEN, ("a", "c++"), 25, "sample/1")
    path = tmp_path / "2026-11-20-x.md"
    path.write_text(render(entry), encoding="utf-8")
    again = read_entry(path)
    assert again.text.strip("\n") == text.strip("\n")
    assert (again.title, again.when, again.tags) == (title, WHEN, ("a", "c++"))
    assert (again.minutes, again.day) == (25, "sample/1")


@pytest.mark.parametrize("text", TEXTS)
def test_liquid_has_nothing_to_run_in_the_text(text: str) -> None:
    body = render(LogEntry("t", text, WHEN)).split("---\n", 2)[2]
    rest, outside = body, ""
    while "{% raw %}" in rest:
        before, _, rest = rest.partition("{% raw %}")
        outside += before
        _, closed, rest = rest.partition("{% endraw %}")
        assert closed
    outside += rest
    assert "{" not in outside.replace('{{ "{%" }}', ""), "only the one sign stands outside"


def test_the_header_is_what_jekyll_expects() -> None:
    head = render(LogEntry("T", "x", WHEN, ("a",), 5)).split("---\n")[1]
    fields = yaml.safe_load(head)
    assert fields["layout"] == "post"
    assert fields["tags"] == ["a"]
    assert fields["minutes"] == 5
    assert "date: 2026-11-20 09:00:00 -0330" in head
    assert "day" not in fields


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("Hello, World!", "hello-world"),
        ("../../etc/passwd", "etc-passwd"),
        ("Größe é", "groe-e"),
        ("\u05e9\u05dc\u05d5\u05dd", "entry"),
        ("...", "entry"),
        ("x" * 500, "x" * 60),
        ("a\x00b\nc", "a-b-c"),
        ("C:\\notes\\x?*", "c-notes-x"),
        ("CON", "con-name"),
        ("lpt1", "lpt1-name"),
        ("console", "console"),
    ],
)
def test_slugs_are_harmless(title: str, expected: str) -> None:
    assert slug(title) == expected


def test_tags_are_tidied() -> None:
    assert tidy_tags(["Chain Rule", "chain-rule", " ", "C++", "<b>", "../x"]) == (
        "chain-rule",
        "c++",
        "b",
        "..-x",
    )


def test_entries_of_one_name_get_a_number(journey: Journey, roadmap: Command) -> None:
    files = [Path(roadmap("log", "-m", "Same", "--json").json["file"]).name for _ in range(3)]
    assert files == ["2026-11-20-same.md", "2026-11-20-same-2.md", "2026-11-20-same-3.md"]
    assert roadmap("status", "--json").json["entries"] == 3


def test_a_name_taken_in_the_last_moment_is_not_written_over(
    journey: Journey, roadmap: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(path: Path, content: bytes) -> None:
        if path.name == "2026-11-20-same.md":
            path.write_text("another process")
        write_new(path, content)

    monkeypatch.setattr("roadmap_log.entries.write_new", slow)
    written = Path(roadmap("log", "-m", "Same", "--json").json["file"])
    assert written.name == "2026-11-20-same-2.md"
    assert (written.parent / "2026-11-20-same.md").read_text() == "another process"


def test_the_title_is_the_first_line(journey: Journey, roadmap: Command) -> None:
    long = "word " * 40
    entry = roadmap("log", "-m", f"\n## {long}\n\nmore", "--json").json
    assert len(entry["title"]) <= 72
    assert entry["title"].endswith("…")
    assert roadmap("log", "-m", "x\x1b[31mred\x07", "--json").json["title"] == "x [31mred"


@pytest.mark.parametrize("text", ["", "  \n\t\n", "\x00\x01"])
def test_an_empty_entry_is_refused(journey: Journey, roadmap: Command, text: str) -> None:
    result = roadmap("log", "-m", text)
    assert result.code == 3
    assert "empty" in result.err
    assert list(journey.log_folder.glob("*.md")) == []


@pytest.mark.parametrize("minutes", ["-1", "1441", "many", "1.5"])
def test_impossible_minutes_are_refused(journey: Journey, roadmap: Command, minutes: str) -> None:
    assert roadmap("log", "-m", "x", "--minutes", minutes).code == 2


def test_minutes_tags_and_day_reach_the_state(journey: Journey, roadmap: Command) -> None:
    roadmap("log", "-m", "x", "--minutes", "90", "--tag", "A b", "--day", "1")
    entry = journey.state.entries[0]
    assert (entry.minutes, entry.tags, entry.day) == (90, ("a-b",), "sample/1")
    assert "1 log entry, 1 h 30" in roadmap("status").out
    assert roadmap("log", "-m", "x", "--day", "nothing/1").code == 4


def test_text_from_the_standard_input(
    journey: Journey, roadmap: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    import io

    monkeypatch.setattr(sys, "stdin", io.StringIO("From a pipe\n\nmore\n"))
    assert roadmap("log", "-m", "-", "--json").json["title"] == "From a pipe"


def editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    """Let the environment's editor be a program that gets the file as sys.argv[1]."""
    script = tmp_path / "editor"
    script.write_text(f"#!{sys.executable}\nimport sys\nfile = sys.argv[1]\n{program}\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("EDITOR", str(script))
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)


@pytest.mark.skipif(os.name == "nt", reason="the editor is a script with a shebang")
class TestEditor:
    def test_what_is_saved_becomes_the_entry(
        self, journey: Journey, roadmap: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        program = (
            "text = open(file).read().replace('title: ', 'title: Edited').replace('minutes: 0', "
            "'minutes: 30').replace('What was hard:', 'Nothing')\nopen(file, 'w').write(text)"
        )
        editor(tmp_path, monkeypatch, program)
        entry = roadmap("log", "--json").json
        assert (entry["title"], entry["minutes"]) == ("Edited", 30)
        assert "Nothing" in Path(entry["file"]).read_text()
        assert not (journey.local / "draft.md").exists()

    def test_an_untouched_template_writes_nothing(
        self, journey: Journey, roadmap: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        editor(tmp_path, monkeypatch, "")
        assert "nothing was written" in roadmap("log").err
        assert list(journey.log_folder.glob("*.md")) == []

    def test_a_crashing_editor_keeps_the_draft(
        self, journey: Journey, roadmap: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        editor(tmp_path, monkeypatch, "open(file, 'a').write('long work'); sys.exit(1)")
        assert "draft.md" in roadmap("log").err
        assert "long work" in (journey.local / "draft.md").read_text()
        editor(tmp_path, monkeypatch, "open(file, 'a').write(' and more')")
        entry = roadmap("log", "--title", "Saved", "--json").json
        assert "long work and more" in Path(entry["file"]).read_text()

    def test_a_broken_header_keeps_the_draft(
        self, journey: Journey, roadmap: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        editor(tmp_path, monkeypatch, "open(file, 'w').write('---\\ntitle: [\\n---\\nlong work')")
        result = roadmap("log")
        assert result.code == 4
        assert "not YAML" in result.err
        assert "long work" in (journey.local / "draft.md").read_text()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"---\ntitle: x\n", "no end"),
        (b"---\ntitle: [\n---\n", "not YAML"),
        (b"---\n- a\n---\n", "not a table"),
        (b"---\ntitle: !!python/object/apply:os.system [echo]\n---\n", "not YAML"),
        (b"\xff\xfe", "cannot be read"),
        (b"---\ndate: tomorrow\n---\n", "no date"),
        (b"---\ntitle: " + b"[" * 100_000 + b"\n---\n", "nested too deeply"),
        (b"---\ntitle:\n  " + b"- " * 100_000 + b"\n---\n", "nested too deeply"),
        (b"---\na: &a [1, 1]\ntitle: [*a, *a]\n---\n", "has an alias"),
    ],
)
def test_a_broken_post_is_named(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "post.md"
    path.write_bytes(content)
    with pytest.raises(UnknownItemError) as caught:
        read_entry(path)
    assert told in caught.value.problem
    assert str(path) in caught.value.problem


def test_posts_written_by_hand_are_taken_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "2026-01-02-by-hand.md"
    path.write_text("---\r\ntitle: 2026\r\ntags: a b\r\nminutes: lots\r\n---\r\ntext\r\n")
    entry = read_entry(path)
    assert (entry.title, entry.tags, entry.minutes) == ("2026", ("a", "b"), 0)
    assert entry.when.date().isoformat() == "2026-01-02"
    path.write_text("no header at all")
    assert read_entry(path).title == "2026-01-02-by-hand"


def test_edits_by_hand_reach_the_state(journey: Journey, roadmap: Command) -> None:
    file = Path(roadmap("log", "-m", "One", "--minutes", "10", "--json").json["file"])
    file.write_text(file.read_text().replace("minutes: 10", "minutes: 50"))
    (journey.log_folder / "2026-11-01-two.md").write_text("---\nminutes: 5\n---\nTwo\n")
    read_log(Journey(journey.root))
    assert Journey(journey.root).state.minutes == 55
    before = len(journey.store.read().events)
    read_log(Journey(journey.root))
    assert len(journey.store.read().events) == before, "a second reading records nothing"
    file.unlink()
    read_log(Journey(journey.root))
    assert Journey(journey.root).state.minutes == 5


def test_a_draft_tells_the_day(
    journey: Journey, roadmap: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROADMAP_NOW", "2026-11-19T09:00:00+01:00")
    roadmap("tick", "other/01")
    monkeypatch.setenv("ROADMAP_NOW", "2026-11-20T09:00:00+01:00")

    def git(*arguments: str) -> None:
        names = ("-c", "user.name=A", "-c", "user.email=a@example.org")
        subprocess.run(["git", *names, *arguments], cwd=journey.root, check=True, env=environment)

    environment = {**os.environ, "GIT_COMMITTER_DATE": "2026-11-20T23:59:00+01:00"}
    git("init", "-q")
    git("commit", "-q", "--allow-empty", "-m", "Chain <rule> done", "--date=2026-11-01T00:00:00Z")
    environment["GIT_COMMITTER_DATE"] = "2026-11-21T00:01:00+01:00"
    git("commit", "-q", "--allow-empty", "-m", "Tomorrow")
    roadmap("start", "1")
    roadmap("test")
    roadmap("hint", "-e", "1")
    roadmap("tick", "reading/paper")
    entry = read_entry(Path(roadmap("log", "--draft", "-m", "First.", "--json").json["file"]))
    assert entry.title == "Worked on sample/1"
    assert (entry.day, entry.topics) == ("sample/1", ("sample",))
    assert entry.text.startswith("\nFirst.\n") or entry.text.startswith("First.\n")
    assert "Day 01: One (sample/1): did not pass yet after one run, 1 hint" in entry.text
    assert "Ticked reading/paper" in entry.text
    assert "other/01" not in entry.text, "that was yesterday"
    assert "Chain <rule> done" in entry.text
    assert "Tomorrow" not in entry.text


def test_templates_built_in_and_of_ones_own(journey: Journey, roadmap: Command) -> None:
    own = journey.root / "templates" / "review.md"
    own.parent.mkdir()
    own.write_text("---\ntitle: Review\ntags: [review]\ntopics: [meta]\nminutes: 15\n---\nHow?\n")
    made = roadmap("log", "--template", "review", "-m", "Said.", "--json").json
    assert (made["title"], made["tags"], made["topics"], made["minutes"]) == (
        "Review",
        ["review"],
        ["meta"],
        15,
    )
    assert "Said.\n\nHow?" in Path(made["file"]).read_text()
    assert roadmap("log", "--template", "nothing", "-m", "x").code == 4
    listed = roadmap("log", "--list", "--json").json
    assert [each["title"] for each in listed] == ["Review"]


@pytest.mark.parametrize("value", [*TEXTS, "yes", "2026", "null", "a: b", "#", "\u2028x", "\x85"])
def test_headers_of_our_own_are_the_same_to_yaml(value: str) -> None:
    fields = {"title": value, "date": WHEN, "tags": [value, "b"], "minutes": 3, "layout": "post"}
    head = frontmatter.dump(fields)[4:-5]
    by_us, by_yaml = frontmatter.plain(head), yaml.safe_load(head)
    assert by_us is not None
    assert (by_us["date"], by_us["date"].utcoffset()) == (WHEN, WHEN.utcoffset())
    assert by_us.pop("date") == frontmatter.moment_of(by_yaml.pop("date"))
    assert by_us == by_yaml


@pytest.mark.parametrize(
    "head",
    ["a: yes", "a: [b]", "a: 2026-11-20", "a: 1e5", "a: 'x'", "a: 1\na: 2", "a:\n- b", "a: 0x1f"],
)
def test_other_headers_are_left_to_yaml(head: str) -> None:
    assert frontmatter.plain(head) is None


@pytest.mark.parametrize("head", ["a: true", "a: null", "a: 12", 'a: ["x", 1]', "a: word"])
def test_plain_words_mean_what_yaml_means(head: str) -> None:
    assert frontmatter.plain(head) == yaml.safe_load(head)
