"""The site under the eyes of others: Jekyll, the W3C's checker, axe in a browser, feed readers.

Only the session `site` runs these; where a tool is missing, a test is skipped with "not run", and
the session says so. NODE_MODULES says where npm's packages lie.
"""

import html
import json
import os
import re
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from roadmap_log.journey import Journey
from roadmap_log.site.build import build
from roadmap_log.site.check import Page
from sample import Command
from test_site import HOSTILE, NOTES

pytestmark = pytest.mark.site

HERE = Path(__file__).parent
FUTURE = "2031-01-01"


def tool(*names: str) -> str:
    """A program of this machine, or the test is not run."""
    found = next(filter(None, map(shutil.which, names)), None)
    return found or pytest.skip(f"not run: no {names[0]} on this machine")


def package(part: str) -> Path:
    """A file of a package that npm installed, or the test is not run."""
    path = Path(os.environ.get("NODE_MODULES", "nowhere"), part)
    return path if path.exists() else pytest.skip(f"not run: npm's {part} is not installed")


@pytest.fixture
def walked(journey: Journey, roadmap: Command) -> Journey:
    """A journey with something on every kind of page, hostile text among it."""
    roadmap("start", "1")
    roadmap("test")
    journey.work_file("sample", 1).write_text(journey.library.day(("sample", 1)).solution())
    assert roadmap("test").code == 0
    roadmap("tick", "reading/paper")
    text = (HERE / "sample_entry.md").read_text(encoding="utf-8")
    roadmap("log", "-m", text, "-t", "Everything", "--day", "1", "--tag", "c++", "--minutes", "95")
    for number, told in enumerate(HOSTILE):
        assert roadmap("log", "-m", f"a\n\n{told}\n\nz", "-t", told, "--topic", told).code == 0
        roadmap("paper", "add", f"2301.{number:05d}", "--title", told, "--author", told)
    roadmap("paper", "read", "2301.00001", "-m", NOTES)
    named = ("--hypothesis", "It helps", "--metric", "loss:lower", "--baseline", "plain")
    roadmap("experiment", "new", "Warm-up", *named)
    for variant, loss in (("plain", 2), ("plain", 3), ("<b>", 1), ("<b>", 1.5)):
        roadmap("experiment", "run", "warm-up", f"variant={variant}", f"loss={loss}")
    dates = {"2026-11-01 23:59:59 -0800": "early", f"{FUTURE} 00:30:00 +0100": "future"}
    for when, name in dates.items():
        path = journey.log_folder / f"{when[:10]}-{name}.md"
        path.write_text(
            f"---\ntitle: {name}\ndate: {when}\ntags: [c++]\n---\nA zebra’s Unterübung\n"
        )
    (journey.log_folder / f"{FUTURE}-future.md").write_text(
        f"---\ntitle: future\ndate: {FUTURE} 00:30:00 +0100\n---\nNot yet\n"
    )
    (journey.root / "about.md").write_text("# I\n\nA **learner**.\n")
    text = (journey.root / "journey.toml").read_text()
    (journey.root / "journey.toml").write_text(text.replace('"local"', '"Europe/Berlin"'))
    journey = Journey(journey.root)
    started = journey.settings.started.isoformat()
    moved = (journey.root / "journey.toml").read_text().replace(started, "2026-09-01")
    (journey.root / "journey.toml").write_text(moved)
    return Journey(journey.root)


def words(page: str) -> str:
    """The words of a piece of HTML, one space between them."""
    return " ".join(Page(page).text.split())


def test_jekyll_shows_every_page_as_we_do(walked: Journey, tmp_path: Path) -> None:
    jekyll = tool("jekyll")
    gems = "%w[minima jekyll-feed jekyll-seo-tag jekyll-sitemap].each { |name| gem name }"
    if subprocess.run([tool("ruby"), "-e", gems], capture_output=True).returncode:
        pytest.skip("not run: Jekyll is here without Minima or a plugin")
    ours, docs = build(walked).folder, build(walked, jekyll=True).folder
    out = tmp_path / "built"
    # Where GitHub builds, the clock is UTC and the entry of next year is not yet written.
    done = subprocess.run(
        [jekyll, "build", "--source", str(docs), "--destination", str(out), "--trace"],
        env={**os.environ, "TZ": "UTC", "JEKYLL_ENV": "production", "LC_ALL": "C.UTF-8"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    told = done.stdout + done.stderr
    assert done.returncode == 0, told
    assert not re.search(r"warning|error|conflict|deprecat", told, re.IGNORECASE), told
    addresses = {path.relative_to(ours).as_posix() for path in ours.rglob("*.html")}
    assert addresses == {path.relative_to(out).as_posix() for path in out.rglob("*.html")}
    for address in sorted(addresses - {"index.html", "log.html", "progress.html"}):
        theirs, mine = (out / address).read_text("utf-8"), (ours / address).read_text("utf-8")
        main = mine.partition('<main id="main" tabindex="-1">')[2].partition("</main>")[0]
        heading = re.search(r"<h1[^>]*>(.*?)</h1>", main, re.DOTALL)
        assert heading is not None
        frame, _, body = theirs.partition('<div class="journey">')
        body = body.partition("</article>\n\n      </div>\n    </main>")[0]
        title = re.search(r'<h1 class="post-title[^>]*>(.*?)</h1>', frame, re.DOTALL)
        assert title is not None, address
        assert words(title[1]) == words(heading[1]), address
        rest = main.replace(heading[0], "", 1)
        if address.startswith("log/"):
            moment = re.search(r'<time datetime="([^"]+)">(.*?)</time>', rest)
            assert moment is not None
            rest = rest.replace(moment[0], "", 1)
            shown = re.search(
                r'<time class="dt-published" datetime="([^"]+)"[^>]*>\s*(.*?)\s*<', frame
            )
            assert shown is not None
            there, here = map(datetime.fromisoformat, (shown[1], moment[1]))
            assert there == here
            assert shown[2] == f"{there:%b} {there.day}, {there.year}"
        assert words(body) == words(rest), address
        assert list(Page(body).all("a", "href"))[: len(list(Page(rest).all("a", "href")))] == list(
            Page(rest).all("a", "href")
        ), address
        assert list(Page(body).all("img", "src")) == list(Page(rest).all("img", "src"))
    _nothing_runs(out)
    home = (out / "index.html").read_text("utf-8")
    listed = set(re.findall(r'<a class="post-link" href="/([^"]+)"', home))
    assert listed == {address for address in addresses if address.startswith("log/")}, "none hidden"
    feedparser = pytest.importorskip("feedparser")
    feed = feedparser.parse(str(out / "feed.xml"))
    assert not feed.bozo
    assert len(feed.entries) == 10, "Jekyll's own number"
    assert "/log/" in (out / "sitemap.xml").read_text()


def _nothing_runs(out: Path) -> None:
    for path in out.rglob("*.html"):
        page = Page(path.read_text("utf-8"))
        for tag, attributes in page.elements:
            assert tag not in ("iframe", "object", "embed", "form", "base"), path
            assert tag != "script" or attributes == {"type": "application/ld+json"}, path
            assert not [name for name in attributes if name.startswith("on")], path
            assert not attributes.get("href", "").lower().startswith(("javascript:", "data:")), path


def test_the_checker_of_the_w3c_has_no_complaint(walked: Journey) -> None:
    java, jar = tool("java"), package("vnu-jar/build/dist/vnu.jar")
    site = build(walked).folder
    done = subprocess.run(
        [java, "-Xss4m", "-jar", str(jar), "--format", "json", "--skip-non-html", str(site)],
        capture_output=True,
        text=True,
    )
    # It does not know pages opened from file://, which the policy allows by that name.
    policy = "violates Content Security Policy"
    messages = [m for m in json.loads(done.stderr)["messages"] if policy not in m["message"]]
    told = [f"{m['url'][-60:]}:{m.get('lastLine')}: {m['message']}" for m in messages]
    assert not told, "\n".join(told)
    bad = site.parent / "bad.html"
    bad.write_text("<!doctype html><html lang=en><title>x</title><p><table><p></b>")
    assert subprocess.run([java, "-jar", str(jar), str(bad)], capture_output=True).returncode != 0


def test_a_browser_shows_every_kind_of_page(walked: Journey, tmp_path: Path) -> None:
    node = tool("node")
    browser = tool("chromium", "chromium-browser", "google-chrome")
    modules = package("axe-core/axe.min.js").parent.parent
    package("playwright-core/index.js")
    script = modules.parent / "look.mjs"
    shutil.copyfile(HERE / "browser" / "look.mjs", script)
    site = build(walked).folder
    kinds: dict[str, str] = {}
    for path in sorted(site.rglob("*.html")):
        address = path.relative_to(site).as_posix()
        kinds.setdefault(address.partition("/")[0], address)
    everything = "log/2026-11-20-everything.html"
    chosen = [*kinds.values(), everything, "days/sample-02.html"]
    assert {"index.html", "progress.html", "log.html", "papers.html", "experiments.html"} <= set(
        chosen
    )
    page = site / "bad.html"
    page.write_text("<!doctype html><title>x</title><img src='https://example.org/x.png'>")
    done = subprocess.run(
        [node, str(script), browser, str(site)],
        input=json.dumps([*chosen, "bad.html"]),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    planted = [each for each in found["problems"] if "bad.html" in each or "example.org" in each]
    assert {"html-has-lang", "image-alt", "fetched"} <= set(
        re.findall(r"[\w-]+", " ".join(planted))
    )
    others = [each for each in found["problems"] if each not in planted]
    assert not others, "\n".join(others)
    assert found["looked"] == 2 * (len(chosen) + 1)
    assert found["hits"] == [["early"], ["early"]], "the archive is searched from file://"


def test_feeds_and_calendars_are_read_back(walked: Journey, roadmap: Command) -> None:
    feedparser = pytest.importorskip("feedparser", reason="not run: no feedparser")
    icalendar = pytest.importorskip("icalendar", reason="not run: no icalendar")
    site = build(walked).folder
    entries = {entry.title: entry for entry in walked.state.entries}
    for text in ((site / "feed.xml").read_text("utf-8"), roadmap("export", "atom").out):
        feed = feedparser.parse(text)
        assert not feed.bozo, feed.bozo_exception
        assert feed.version == "atom10"
        assert len({entry.id for entry in feed.entries}) == len(feed.entries)
        for entry in feed.entries:
            # feedparser takes titles of type text for HTML where they look like it
            assert entry.updated_parsed[:5] == _utc(entries, entry), entry.title
            assert "<script" not in entry.content[0].value
    assert len(feed.entries) == len(walked.state.entries)
    calendar = icalendar.Calendar.from_ical(roadmap("export", "ical").out)
    appointments = calendar.walk("VEVENT")
    titles = {str(each["SUMMARY"]) for each in appointments}
    assert {entry.title for entry in walked.state.entries} <= titles
    done = sum(each.done for each in walked.state.items.values())
    assert len(appointments) == len(walked.state.entries) + done
    roadmap("plan", "--ical", str(site.parent / "plan.ics"))
    plan = icalendar.Calendar.from_ical((site.parent / "plan.ics").read_bytes())
    assert len(plan.walk("VEVENT")) >= len(walked.state.items) - done
    (long,) = [each for each in appointments if str(each["SUMMARY"]) == "Everything"]
    assert (long.decoded("DTEND") - long.decoded("DTSTART")).total_seconds() == 95 * 60


def _utc(entries: dict[str, object], entry: object) -> tuple[int, ...]:
    """The moment that a feed's entry must have, by its own text: the offset applied."""
    moment = datetime.fromisoformat(html.unescape(entry.updated)).astimezone(UTC)  # type: ignore[attr-defined]
    return moment.timetuple()[:5]
