"""The site: complete, closed in itself, safe from the log's text, swapped in whole."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree

import pytest
from roadmap_log.errors import StorageError
from roadmap_log.journey import Journey
from roadmap_log.site.build import MARKER, build
from roadmap_log.site.text import to_html
from sample import Command

VOID = {"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"}
FETCHED = {
    "script": "src",
    "img": "src",
    "iframe": "src",
    "link": "href",
    "object": "data",
    "embed": "src",
    "video": "src",
    "audio": "src",
    "source": "src",
    "form": "action",
    "use": "href",
}


class Page(HTMLParser):
    """What a browser would see of a page: elements, ids, links, and whether the tags balance."""

    def __init__(self, path: Path) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(path.read_text(encoding="utf-8"))
        assert self.open == [], path

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {key: value or "" for key, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {key: value or "" for key, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str, attribute: str) -> Iterator[str]:
        return (
            each[attribute] for name, each in self.elements if name == tag and attribute in each
        )

    @property
    def ids(self) -> list[str]:
        return [each["id"] for _, each in self.elements if "id" in each]


def assert_closed(folder: Path) -> dict[Path, Page]:
    """Every link leads to something that is there, nothing is fetched from elsewhere."""
    pages = {path: Page(path) for path in folder.rglob("*.html")}
    for path, page in pages.items():
        assert len(page.ids) == len(set(page.ids)), f"{path} has an id twice"
        for tag, attributes in page.elements:
            for name in attributes:
                assert not name.startswith("on"), f"{path}: {tag} {name}"
            address = attributes.get(FETCHED.get(tag, ""))
            if address is not None:
                assert urlsplit(address)[:2] == ("", ""), f"{path}: {tag} fetches {address}"
                assert (path.parent / unquote(address)).is_file(), f"{path}: {address}"
        for address in page.all("a", "href"):
            parts = urlsplit(address)
            assert parts.scheme in ("", "http", "https", "mailto"), f"{path}: {address}"
            if not parts.scheme:
                target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
                assert target.is_relative_to(folder.resolve()), f"{path}: {address}"
                assert target.is_file(), f"{path}: {address}"
                if parts.fragment:
                    there = pages.get(target) or Page(target)
                    assert parts.fragment in there.ids, f"{path}: {address}"
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
    assert len(pages) == built["pages"] == 3 + 5 + 1
    index = pages[folder / "index.html"].text
    state = roadmap("status", "--json").json
    assert f"{sum(state['counts'][s] for s in ('verified', 'claimed', 'stale'))} of 5" in index
    assert "40 min" in index
    day = pages[folder / "days" / "sample-01.html"].text
    assert "verified" in day
    assert day.count("did not pass") == 1
    assert "Learnt" in day
    topics = pages[folder / "topics.html"]
    assert len([each for each in topics.ids if each.startswith("topic-")]) == 2
    assert "planned" in pages[folder / "days" / "sample-03.html"].text


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


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_and_titles_do_nothing(journey: Journey, roadmap: Command, text: str) -> None:
    said = roadmap("log", "-m", f"before\n\n{text}\n\nafter", "--title", text, "--tag", text)
    assert said.code == 0
    assert roadmap("site", "build").code == 0
    folder = journey.root / "_site"
    for path, page in assert_closed(folder).items():
        names = {tag for tag, _ in page.elements}
        assert not names & {"script", "iframe", "object", "embed", "form", "base", "style", "input"}
        assert all("style" not in attributes for _, attributes in page.elements), path
        refresh = [a for t, a in page.elements if t == "meta" and a.get("http-equiv") == "refresh"]
        assert refresh == []
        assert "49" not in page.text.replace("2026", "")
    feed = (folder / "feed.xml").read_text()
    ElementTree.fromstring(feed)
    assert "<script" not in feed


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
    assert list(post.all("img", "src")) == ["images/images-loss-curve.png"]
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
    real = Path.write_text

    def full(self: Path, *arguments: str, **named: str) -> int:
        if self.name == "topics.html":
            raise OSError(28, "No space left on device")
        return real(self, *arguments, **named)

    monkeypatch.setattr(Path, "write_text", full)
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
