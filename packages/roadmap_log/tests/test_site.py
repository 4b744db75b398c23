"""The site: complete, closed in itself, safe from the log's text, swapped in whole."""

import json
import re
import threading
import time
import urllib.error
import urllib.request
from datetime import date
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml
from roadmap_log.errors import StorageError
from roadmap_log.journey import Journey
from roadmap_log.site.build import MARKER, build
from roadmap_log.site.check import Page, check
from roadmap_log.site.journal import named
from roadmap_log.site.pages import shown_date
from roadmap_log.site.raw import block
from roadmap_log.site.serve import server, watch
from roadmap_log.site.text import to_html
from sample import Command


def assert_closed(folder: Path) -> dict[Path, Page]:
    """Every link leads to something that is there, nothing runs or is fetched from elsewhere."""
    number, problems = check(folder)
    assert problems == []
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in folder.rglob("*.html")}
    assert len(pages) == number
    return pages


def test_the_site_says_what_status_says(journey: Journey, roadmap: Command) -> None:
    roadmap("start", "1")
    file = journey.work_file("sample", 1)
    roadmap("test")
    file.write_text(journey.library.day(("sample", 1)).solution())
    assert roadmap("test").code == 0
    roadmap(
        "log",
        "-m",
        "Learnt\n\n- [x] it",
        "--tag",
        "c++",
        "--tag",
        "c",
        "--minutes",
        "40",
        "--day",
        "1",
    )
    built = roadmap("site", "build", "--json").json
    folder = Path(built["folder"])
    pages = assert_closed(folder)
    first = {"index", "progress", "about", "log", "topics"}
    assert {path.stem for path in folder.glob("*.html")} == first
    assert len(pages) == len(first) + 5 + 1 + 1 + 3, "days, an entry, a month, topic and tags"
    index = pages[folder / "index.html"].text
    state = roadmap("status", "--json").json
    assert f"{sum(state['counts'][s] for s in ('verified', 'claimed', 'stale'))} of 5" in index
    assert "40 min" in index
    day = pages[folder / "days" / "sample-01.html"].text
    assert "verified" in day
    assert day.count("did not pass") == 1
    assert "Learnt" in day
    progress = pages[folder / "progress.html"].text
    assert "4 items. The line begins tomorrow." in progress
    likely = date.fromisoformat(roadmap("plan", "--json").json["finish"]["likely"])
    assert f"Likely done on {shown_date(likely)}" in progress, "the same finish as plan's"
    assert re.search(r"sample\s*40 min", progress), "time by topic"
    assert len(list(pages[folder / "topics.html"].all("a", "href"))) > 3
    assert "planned" in pages[folder / "days" / "sample-03.html"].text


def test_of_several_roadmaps_each_is_named_and_has_something_next(
    journey: Journey, roadmap: Command
) -> None:
    plan = journey.root.parent / "plan.md"
    plan.write_text("# My own plan\n\n- [x] Begun\n- [ ] A box of my own\n")
    roadmap("import", str(plan))
    index = assert_closed(Path(roadmap("site", "build", "--json").json["folder"]))
    page = next(page for path, page in index.items() if path.name == "index.html")
    assert "My own plan 1 of 2" in " ".join(page.text.split())
    assert "A sample 0 of 5" in " ".join(page.text.split())
    coming = page.text[page.text.index("Next") : page.text.index("Roadmaps")]
    assert "Day 01: One" in coming
    assert "A box of my own" in coming


def test_an_empty_journey_has_a_site(journey: Journey, roadmap: Command) -> None:
    assert roadmap("site", "build").code == 0
    assert_closed(journey.root / "_site")


HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)><script>alert(1)</script></svg>",
    "[click](javascript:alert(1)) [click](JaVaScRiPt&colon;alert(1)) <javascript:alert(1)>",
    "[data](data:text/html,<script>alert(1)</script>) [v](vbscript:x)",
    "<a href='javascript:alert(1)'>x</a> <a href=' java\nscript:alert(1)'>x</a>",
    "![x](https://example.org/track.png) ![y](//example.org/a.png) ![z](data:image/png;base64,AA)",
    "<iframe src=https://example.org></iframe><object data=x></object><embed src=x>",
    "<style>body { background: url(https://example.org/x) }</style><link rel=stylesheet href=//e>",
    "<div style='background:url(https://example.org/x)' class=x onclick=alert(1)>y</div>",
    "<form action=https://example.org><input name=password><button>go</button></form>",
    "<base href=https://example.org><meta http-equiv=refresh content='0;url=https://e'>",
    "</div></article></main></body></html><script>alert(1)</script>",
    "<div><p><b>never closed",
    "```html\n</code></pre><script>alert(1)</script>\n```",
    "```<script>alert(1)</script>\nx\n```",
    "```python\n'</code></pre><script>alert(1)</script>'\n```",
    '"><script>alert(1)</script>',
    "{{ 7 * 7 }} {% include 'base.html' %}",
    "<!-- <script> --> <![CDATA[ <script>alert(1)</script> ]]>",
    "[^1]\n\n[^1]: <script>alert(1)</script>",
    "[x]: javascript:alert(1)\n\n[x]",
    "<a name=index id=index>x</a><p id=recent>",
    "\x00\x01\x1b[31m\u202eevil\u2066 \ufffe",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "[away](//example.org) <a href='\\\\example.org'>x</a>",
    "<details open ontoggle=alert(1)><summary>x</summary></details>",
]


NOTES = "\n\n".join(text for text in HOSTILE if not text.startswith("[^1]"))


@pytest.fixture
def hostile(journey: Journey, roadmap: Command) -> Journey:
    """A journey in which every text, title, tag, paper and experiment is hostile."""
    for number, text in enumerate(HOSTILE):
        assert roadmap("log", "-m", f"a\n\n{text}\n\nz", "-t", text, "--tag", text).code == 0
        added = roadmap("paper", "add", f"2301.{number:05d}", "--title", text, "--author", text)
        assert added.code == 0
    roadmap("paper", "note", "2301.00000", "-m", NOTES)
    named = ("--hypothesis", HOSTILE[0], "--metric", "loss:lower", "--baseline", HOSTILE[1])
    assert roadmap("experiment", "new", HOSTILE[2], *named).code == 0
    for variant in HOSTILE[:4]:
        assert roadmap("experiment", "run", "svg", f"variant={variant}", "loss=1").code == 0
    (journey.root / "about.md").write_text(NOTES)
    return Journey(journey.root)


def harmless(page: Page, *, ours: set[str]) -> None:
    """Nothing of a page runs, frames, submits or asks for anything, but what is our own."""
    names = {tag for tag, _ in page.elements} - ours
    assert not names & {"script", "iframe", "object", "embed", "form", "base", "style", "input"}
    assert all("style" not in attributes for _, attributes in page.elements)
    assert "49" not in re.sub(r"20\d\d|\d{5}|[0-9a-f]{12}", "", page.text)


def test_hostile_text_and_titles_do_nothing(hostile: Journey, roadmap: Command) -> None:
    assert roadmap("site", "build").code == 0
    folder = hostile.root / "_site"
    pages = assert_closed(folder)
    assert len(list((folder / "log").glob("*.html"))) == len(HOSTILE)
    assert len(list((folder / "papers").glob("*.html"))) == len(HOSTILE)
    for path, page in pages.items():
        ours = {"script", "form", "input"} if path == folder / "log.html" else set()
        harmless(page, ours=ours)
        refresh = [a for t, a in page.elements if t == "meta" and a.get("http-equiv") == "refresh"]
        assert refresh == []
    feed = (folder / "feed.xml").read_text()
    ElementTree.fromstring(feed)
    assert "<script" not in feed
    words = (folder / "search" / "2026-11.js").read_text()
    assert words.isascii()
    rows = json.loads(words.removeprefix("roadmapMonth(").removesuffix(",\n]);\n") + "]")
    assert len(rows) == len(HOSTILE), "the archive's search holds data and no program"


def test_hostile_text_in_jekylls_sources(hostile: Journey, roadmap: Command) -> None:
    assert roadmap("site", "build", "--jekyll").code == 0
    docs = hostile.root / "docs"
    pages = list(docs.rglob("*.html"))
    assert len(list((docs / "_posts").glob("*.html"))) == len(HOSTILE)
    for path in pages:
        head, body = path.read_text(encoding="utf-8")[4:].split("\n---\n", 1)
        fields = yaml.safe_load(head)
        assert fields["layout"] in ("post", "page", "home")
        assert fields["permalink"].startswith("/")
        inner = body.strip().removeprefix("{% raw %}").removesuffix("{% endraw %}")
        assert len(inner) == len(body.strip()) - len("{% raw %}{% endraw %}")
        assert "{%" not in inner, "no raw block ends before its end"
        harmless(Page(inner), ours=set())
    config = yaml.safe_load((docs / "_config.yml").read_text())
    assert (config["theme"], config["future"], config["title"]) == ("minima", True, "My journey")


def test_jekylls_titles_and_dates_are_the_entries(journey: Journey, roadmap: Command) -> None:
    titles = ['A & b <c> &lt; "d"', "{{ x }} \u05d0", "- [x]: #"]
    for title in titles:
        roadmap("log", "-m", "text", "-t", title, "--tag", "c++")
    roadmap("site", "build", "--jekyll")
    heads = [
        yaml.safe_load(path.read_text(encoding="utf-8")[4:].split("\n---\n")[0])
        for path in (journey.root / "docs" / "_posts").glob("*.html")
    ]
    assert {head["title"] for head in heads} == set(titles)
    assert {str(head["date"]) for head in heads} == {"2026-11-20 09:00:00 +0100"}
    assert {head["permalink"] for head in heads} == {
        f"/{path.relative_to(journey.root / '_site')}"
        for path in built_pages(journey, roadmap, "log")
    }


def built_pages(journey: Journey, roadmap: Command, folder: str) -> list[Path]:
    roadmap("site", "build")
    return list((journey.root / "_site" / folder).glob("*.html"))


def test_docs_keep_what_is_ones_own(journey: Journey, roadmap: Command, tmp_path: Path) -> None:
    roadmap("log", "-m", "One")
    assert roadmap("site", "build", "--jekyll").code == 0
    docs = journey.root / "docs"
    (docs / "CNAME").write_text("example.org")
    post = next((docs / "_posts").glob("*one.html"))
    next(journey.log_folder.glob("*one.md")).unlink()
    roadmap("log", "-m", "Two")
    again = roadmap("site", "build", "--jekyll", "--json").json
    assert again["written"] < again["pages"] / 2, "what has not changed is not touched"
    assert not post.exists(), "what a build wrote, a build removes"
    assert (docs / "CNAME").read_text() == "example.org"
    foreign = docs / "topics" / "three.html"
    foreign.parent.mkdir(exist_ok=True)
    foreign.write_text("mine")
    roadmap("log", "-m", "Three", "--topic", "three")
    refused = roadmap("site", "build", "--jekyll")
    assert refused.code == 5
    assert foreign.read_text() == "mine"


def test_markdown_is_rendered() -> None:
    html = to_html(
        "# Top\n\n**bold** ~~gone~~ `code` <kbd>Ctrl</kbd>\n\n"
        "| a | b |\n|:-:|--:|\n| 1 | 2 |\n\n- [ ] open\n- [x] done\n\n"
        "```python\ndef f(): return 1\n```\n\n```nosuchlanguage\nx < 1\n```\n\n"
        "note[^n]\n\n[^n]: text"
    )
    assert "<h2>Top</h2>" in html
    assert "<h1" not in html
    assert '<td class="right">2</td>' in html
    assert "☐ open" in html
    assert "☑ done" in html
    assert '<span class="k">def</span>' in html
    assert "x &lt; 1" in html
    assert "<kbd>Ctrl</kbd>" in html
    assert 'href="#fn1"' in html


def test_a_text_cannot_take_the_places_of_the_page() -> None:
    assert "id=" not in to_html("<a id=activity>x</a> <p id=next>y</p> <li id=roadmap-1>z</li>")


def test_images_of_the_log_are_shown_and_nothing_else(journey: Journey, roadmap: Command) -> None:
    images = journey.log_folder / "images"
    images.mkdir()
    (images / "loss curve.png").write_bytes(b"\x89PNG")
    (images / "drawing.svg").write_text("<svg onload='alert(1)'/>")
    (journey.root / "secret.png").write_bytes(b"secret")
    text = (
        '![a "curve" <b>](<images/loss curve.png>)'
        " ![up](../secret.png) ![svg](images/drawing.svg) "
        "![abs](/etc/hostname) ![gone](images/none.png) <img src='../secret.png'>"
    )
    roadmap("log", "-m", text)
    roadmap("site", "build")
    pages = assert_closed(journey.root / "_site")
    post = next(page for path, page in pages.items() if path.parent.name == "log")
    assert list(post.all("img", "src")) == [f"images/{named('images/loss curve')}.png"]
    assert "[image: up]" in post.text
    assert list(post.all("img", "alt")) == ['a "curve" <b>']
    assert not list((journey.root / "_site").rglob("secret*"))


def test_files_that_differ_only_in_lost_characters_get_pages_of_their_own(
    journey: Journey, roadmap: Command
) -> None:
    for name in (
        "2026-11-01-a b.md",
        "2026-11-01-a_b.md",
        "2026-11-01-a-b.md",
        "2026-11-01-\u05d0.md",
    ):
        (journey.log_folder / name).write_text(f"---\ntitle: {name}\n---\n{name}")
    built = roadmap("site", "build", "--json").json
    assert len(list((journey.root / "_site" / "log").glob("*.html"))) == 4 == built["entries"]
    assert_closed(journey.root / "_site")


def test_a_megabyte_is_built(journey: Journey, roadmap: Command) -> None:
    text = ("word " * 150 + "*emphasis* `code` [link](https://example.org)\n\n") * 1300
    (journey.log_folder / "2026-11-01-long.md").write_text(text)
    (journey.log_folder / "2026-11-02-deep.md").write_text("> " * 5000 + "deep\n\n" + "[" * 50_000)
    assert roadmap("site", "build").code == 0
    pages = assert_closed(journey.root / "_site")
    longest = max(pages.values(), key=lambda page: len(page.text))
    assert len(text) > 1_000_000
    assert longest.text.count("emphasis") == 1300


def test_a_broken_post_is_left_out_and_named(journey: Journey, roadmap: Command) -> None:
    roadmap("log", "-m", "Good")
    (journey.log_folder / "2026-11-01-bad.md").write_text("---\ntitle: [\n---\n")
    built = roadmap("site", "build")
    assert built.code == 0
    assert "2026-11-01-bad.md" in built.err
    assert roadmap("site", "build", "--json").json["entries"] == 1


def test_only_a_site_is_overwritten(journey: Journey, roadmap: Command, tmp_path: Path) -> None:
    precious = tmp_path / "thesis"
    precious.mkdir()
    (precious / "chapter.tex").write_text("years")
    for place in (precious, journey.root, journey.log_folder, tmp_path, precious / "chapter.tex"):
        result = roadmap("site", "build", "--out", str(place))
        assert result.code == 5, place
        assert "--out" in result.err
    assert (precious / "chapter.tex").read_text() == "years"
    out = tmp_path / "new" / "site"
    assert roadmap("site", "build", "--out", str(out)).code == 0
    (out / "stale.html").write_text("old")
    assert roadmap("site", "build", "--out", str(out)).code == 0
    assert not (out / "stale.html").exists()
    assert [path.name for path in out.parent.iterdir()] == ["site"], "no folder is left beside it"


def test_a_failed_build_leaves_the_old_site(
    journey: Journey, roadmap: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    roadmap("site", "build")
    before = {p: p.read_bytes() for p in (journey.root / "_site").rglob("*") if p.is_file()}
    roadmap("log", "-m", "Another one", "--tag", "new")

    def full(target: Path, content: object) -> None:
        if target.name == "topics.html":
            raise OSError(28, "No space left on device")
        target.write_text("half")

    monkeypatch.setattr("roadmap_log.site.output._write", full)
    with pytest.raises(StorageError, match="No space left"):
        build(Journey(journey.root))
    monkeypatch.undo()
    after = {p: p.read_bytes() for p in (journey.root / "_site").rglob("*") if p.is_file()}
    assert after == before
    assert not [path for path in journey.root.iterdir() if "new-" in path.name]


def test_a_swap_that_fails_puts_the_old_site_back(
    journey: Journey, roadmap: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    roadmap("site", "build")
    real = Path.rename

    def refuse(self: Path, target: Path) -> Path:
        if ".new-" in self.name:
            raise OSError(13, "Permission denied")
        return real(self, target)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(StorageError):
        build(Journey(journey.root))
    assert (journey.root / "_site" / MARKER).is_file()
    assert sorted(p.name for p in journey.root.iterdir() if "_site" in p.name) == ["_site"]


def test_the_feed_is_atom(journey: Journey, roadmap: Command) -> None:
    for title in ("First <b>", "Second & \x0b"):
        roadmap("log", "-m", "text", "--title", title, "--tag", "a")
    roadmap("site", "build")
    atom = "{http://www.w3.org/2005/Atom}"
    feed = ElementTree.parse(journey.root / "_site" / "feed.xml").getroot()
    assert feed.tag == f"{atom}feed"
    for name in ("id", "title", "updated", "author"):
        assert feed.find(atom + name) is not None
    entries = feed.findall(f"{atom}entry")
    assert [entry.findtext(f"{atom}title") for entry in entries] == ["Second &", "First <b>"]
    ids = [entry.findtext(f"{atom}id") for entry in entries]
    assert len(set(ids)) == 2
    roadmap("site", "build")
    again = ElementTree.parse(journey.root / "_site" / "feed.xml").getroot()
    assert [entry.findtext(f"{atom}id") for entry in again.findall(f"{atom}entry")] == ids
    for entry in entries:
        assert re.fullmatch(r"2026-11-20T09:00:00\+01:00", entry.findtext(f"{atom}updated") or "")
        assert (entry.findtext(f"{atom}content") or "").strip() == "<p>text</p>"


def stamps(folder: Path) -> dict[str, int]:
    """When each page was written."""
    return {
        path.relative_to(folder).as_posix(): path.stat().st_mtime_ns
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_only_what_changed_is_made_again(journey: Journey, roadmap: Command) -> None:
    (journey.log_folder / "a.png").write_bytes(b"\x89PNG")
    for month in (8, 9, 10):
        for day in (1, 2):
            text = f"---\ntitle: Day {day}\ntags: [t{month}]\n---\n![x](a.png) {day}\n"
            (journey.log_folder / f"2026-{month:02d}-{day:02d}-x.md").write_text(text)
    folder = journey.root / "_site"
    roadmap("site", "build")
    before, content = stamps(folder), (folder / "log" / "2026-09-01-x.html").read_bytes()
    assert roadmap("site", "build", "--json").json["written"] == 3, "overview, progress and about"
    file = journey.log_folder / "2026-09-01-x.md"
    file.write_text(file.read_text().replace("Day 1", "Day One"))
    roadmap("site", "build")
    changed = {name for name, stamp in stamps(folder).items() if before.get(name) != stamp}
    neighbours = {"log/2026-08-02-x.html", "log/2026-09-02-x.html"}
    overview = {"index.html", "progress.html", "about.html", ".roadmap-site"}
    archive = {"log.html", "months/2026-09.html", "search/2026-09.js", "topics/t9.html"}
    assert changed == {"log/2026-09-01-x.html", *neighbours, *overview, *archive, "feed.xml"}
    assert (folder / "log" / "2026-09-01-x.html").read_bytes() != content
    (journey.log_folder / "a.png").write_bytes(b"\x89PNG other")
    roadmap("site", "build")
    image = folder / "log" / "images" / "a.png"
    assert image.read_bytes() == b"\x89PNG other"
    file.write_text(file.read_text().replace("a.png", "b.png"))
    roadmap("site", "build")
    (journey.log_folder / "b.png").write_bytes(b"\x89PNG at last")
    roadmap("site", "build")
    assert (folder / "log" / "images" / "b.png").is_file(), "it was waited for"
    file.unlink()
    roadmap("site", "build")
    assert_closed(folder)
    assert not (folder / "log" / "2026-09-01-x.html").exists()


def test_a_page_changed_by_hand_or_a_lost_list_is_made_again(
    journey: Journey, roadmap: Command
) -> None:
    roadmap("log", "-m", "One")
    roadmap("site", "build")
    page = journey.root / "_site" / "log" / "2026-11-20-one.html"
    whole = page.read_bytes()
    page.write_text("spoilt")
    roadmap("site", "build")
    assert page.read_bytes() == whole
    (journey.root / "_site" / MARKER).write_bytes(b"not a list")
    built = roadmap("site", "build", "--json").json
    assert built["written"] == built["pages"]
    assert page.read_bytes() == whole


def test_two_builds_of_one_text_are_the_same(
    journey: Journey, roadmap: Command, tmp_path: Path
) -> None:
    roadmap("log", "-m", "One", "--tag", "a")
    sites = []
    for name in ("one", "two"):
        roadmap("site", "build", "--out", str(tmp_path / name))
        files = sorted((tmp_path / name).rglob("*.*"))
        sites.append({f.relative_to(tmp_path / name): f.read_bytes() for f in files if f.is_file()})
        for site in sites:
            site.pop(Path(MARKER), None)
    assert sites[0] == sites[1]


def test_html_that_never_ends_leaves_its_words() -> None:
    assert block("a <!-- b -->c<!-- d <b>e</b>") == "a c"
    assert block("<!--" * 1_000_000) == ""
    open_ends = "<b" * 300_000
    words = block("<div>" * 10_000 + "x &lt; y" + open_ends)
    assert words == f"<p>x &lt; y{open_ends.replace('<', '&lt;')}</p>"
    assert block("<kbd>a</kbd> <i>b") == "<kbd>a</kbd> <i>b</i>"


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("a <b>x *y</b> z* <kbd>C</kbd> <i>open", "a x <em>y z</em> <kbd>C</kbd> open"),
        ("*a <sub>b* c</sub>", "<em>a b</em> c"),
        ("<div><p><b>open\n\nnext", "<div><p><b>open </b></p></div> <p>next</p>"),
        (
            "<details><summary>More</summary>\n\n*md*\n\n</details>",
            "<details><summary>More</summary> <p><em>md</em></p> </details>",
        ),
        ("> <details>\n> x\n\nout", "</details> </blockquote> <p>out</p>"),
    ],
)
def test_html_in_markdown_stays_well_formed(text: str, html: str) -> None:
    made = to_html(text)
    assert Page(made).unmatched == []
    assert "".join(html.split()) in "".join(made.split())


@pytest.mark.parametrize(
    ("page", "told"),
    [
        ("<p><b>x</p></b>", "no partner"),
        ("<p id=a></p><p id=a></p>", "stands 2 times"),
        ("<script>x</script>", "a script"),
        ("<script src='https://e.org/search.js'></script>", "fetches"),
        ("<img src='//e.org/x.png'>", "fetches"),
        ("<p onclick=x></p>", "onclick"),
        ("<p style='x'></p>", "style"),
        ("<iframe></iframe>", "no place"),
        ("<a href='javascript:x'>x</a>", "javascript:x"),
        ("<a href='gone.html'>x</a>", "leads nowhere"),
        ("<a href='//e.org/x'>x</a>", "hides it"),
        ("<a href='../../x'>x</a>", "out of the site"),
        ("<a href='#none'>x</a>", "no element 'none'"),
        ("<meta http-equiv=Refresh content='0'>", "sends its reader away"),
    ],
)
def test_the_check_finds(tmp_path: Path, page: str, told: str) -> None:
    (tmp_path / "index.html").write_text("<!doctype html><title>x</title><p id=main>fine</p>")
    assert check(tmp_path) == (1, [])
    (tmp_path / "bad.html").write_text(page)
    problems = check(tmp_path)[1]
    assert any(told in problem for problem in problems), problems
    assert all(problem.startswith("bad.html") for problem in problems)


def test_check_as_a_command(journey: Journey, roadmap: Command) -> None:
    assert roadmap("site", "check").code == 4
    roadmap("site", "build")
    assert "nothing to complain of" in roadmap("site", "check").out
    (journey.root / "_site" / "log.html").unlink()
    broken = roadmap("site", "check", "--json")
    assert broken.code == 1
    assert any("log.html leads nowhere" in problem for problem in broken.json["problems"])


def test_serving_shows_the_site_and_follows_the_journey(journey: Journey, roadmap: Command) -> None:
    roadmap("site", "build")
    listening = server(journey.root / "_site", 0)
    ended = threading.Event()
    threads = [
        threading.Thread(target=listening.serve_forever, daemon=True),
        threading.Thread(target=watch, args=(journey, ended, 0.02), daemon=True),
    ]
    for thread in threads:
        thread.start()
    address = f"http://127.0.0.1:{listening.server_address[1]}"

    def page(name: str) -> str:
        with urllib.request.urlopen(f"{address}/{name}", timeout=10) as answer:
            assert answer.headers["Cache-Control"] == "no-store"
            return str(answer.read().decode())

    try:
        assert "My journey" in page("index.html")
        for name in ("days/", "../journey.toml", "%2e%2e/journey.toml"):
            with pytest.raises(urllib.error.HTTPError):
                page(name)
        (journey.log_folder / "2026-11-19-later.md").write_text("---\ntitle: Later\n---\nx\n")
        for _ in range(500):
            if "Later" in page("log.html"):
                break
            time.sleep(0.02)
        else:
            pytest.fail("the site did not follow")
    finally:
        ended.set()
        threads[1].join(10)
        listening.shutdown()
        listening.server_close()


@pytest.mark.parametrize(
    "stem", ["a b", "a_b", "A-b", "\u05d0", "con", "x" * 200, "a-0123456789ab"]
)
def test_addresses_are_harmless_and_ones_own(stem: str) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", named(stem))
    assert named(stem) != stem
    assert named(named(stem)) != named(stem), "no file can take the address of another"
    assert named("2026-11-20-plain") == "2026-11-20-plain"


def test_ten_megabytes_right_to_left_and_combining(journey: Journey, roadmap: Command) -> None:
    word = "\u05e9\u05dc\u05d5\u05dd " + "e" + "\u0301" * 50 + " "
    text = (word * 12 + "\n\n") * (10_000_000 // (len(word.encode()) * 12) + 1)
    assert len(text.encode()) > 10_000_000
    (journey.log_folder / "2026-11-01-long.md").write_text(text)
    assert roadmap("site", "build").code == 0
    folder = journey.root / "_site"
    assert (folder / "log" / "2026-11-01-long.html").stat().st_size > 10_000_000
    assert (folder / "search" / "2026-11.js").stat().st_size < 200_000, "the search takes a part"
    assert check(folder)[1] == []


def test_events_without_all_their_fields_are_shown(journey: Journey, roadmap: Command) -> None:
    journey.record("day.tested", day="sample/1", passed="yes", seed=["<b>"])
    assert roadmap("site", "build").code == 0
    day = (journey.root / "_site" / "days" / "sample-01.html").read_text()
    assert "did not pass" in day
    assert "&lt;b&gt;" in day
