"""The pages of the site, and what each one is given to show."""

import json
import os
from collections.abc import Iterator
from datetime import date, timedelta
from functools import cached_property
from hashlib import blake2b
from html import unescape
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote
from uuid import NAMESPACE_URL, uuid5

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from roadmap_log.course import finished, minutes_by_topic, remaining
from roadmap_log.events import Event
from roadmap_log.planning import project
from roadmap_log.site.charts import burn_down, heat_map, progress_bar
from roadmap_log.site.journal import Journal, Post, named
from roadmap_log.site.output import Output
from roadmap_log.site.text import strip_controls, to_html
from roadmap_log.state import DONE, STATUSES, ItemState, State, count, day_name, next_items
from roadmap_log.terminal import MARKS, duration

if TYPE_CHECKING:
    from roadmap_log.journey import Journey
    from roadmap_log.site.jekyll import Docs

HERE = Path(__file__).parent
RASTER = {".png", ".jpg", ".jpeg", ".gif", ".webp", ".avif"}

RECENT = 5
"""Entries on the first page."""

FEED_LENGTH = 30
"""Entries in the feed."""

RUNS = 50
"""Runs of its tests that the page of a day shows."""

_PROSE, _AFTER = '<div class="prose" dir="auto">\n', "\n</div>\n</article>"
"""What stands around the text of an entry in its page."""

LISTED = 200
"""Entries on one page of a topic."""


class Pages:
    """Writes all pages of a journey.

    Args:
        journey: what the pages are about.
        journal: its entries.
        state: its standing.
        runs: for every day of a track the events of its tests, oldest first.
        origin: the journey's first event, by which its feed is known wherever it is built.
        frame: the template around each page: "base.html", or "jekyll.html".
    """

    def __init__(
        self,
        journey: "Journey",
        journal: Journal,
        state: State,
        runs: dict[str, list[Event]],
        origin: str,
        frame: str = "base.html",
    ) -> None:
        self.journey = journey
        self.journal = journal
        self.state = state
        self.runs = runs
        self.origin = origin
        self.frame = frame
        self.jinja = Environment(
            loader=FileSystemLoader(HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self.shelf, self.experiments = _shelf(journey), _experiments(journey)
        self.addresses = _item_addresses(state)
        self.jinja.globals.update(
            statuses=STATUSES,
            marks={status: signs[0] for status, signs in MARKS.items()},
            bar=progress_bar,
            title=journey.settings.title,
            frame=frame,
            jekyll=frame == "jekyll.html",
            sections=self.sections,
        )
        self.jinja.filters.update(
            duration=duration,
            topic=topic_address,
            count=count,
            item=lambda name: self.addresses[name],
            day=shown_date,
            month=shown_month,
            as_json=lambda text: Markup(json.dumps(unescape(str(text)), ensure_ascii=False)),
            for_liquid=lambda text: Markup(str(text).replace("{%", "&#123;%")),
        )

    @property
    def sections(self) -> list[tuple[str, str]]:
        """The pages that every page leads to: address and name."""
        pages = [("index.html", "Overview"), ("progress.html", "Progress"), ("log.html", "Log")]
        pages.append(("topics.html", "Topics"))
        if self.shelf:
            pages.append(("papers.html", "Papers"))
        if self.experiments:
            pages.append(("experiments.html", "Experiments"))
        return pages

    @property
    def version(self) -> str:
        """Stands for all that is common to the pages."""
        whole = blake2b(digest_size=16)
        for path in sorted([*HERE.glob("templates/*"), *HERE.glob("*.py"), HERE / "style.css"]):
            whole.update(path.read_bytes())
        whole.update(repr([self.journey.settings.title, self.sections, self.frame]).encode())
        return whole.hexdigest()

    def write(self, out: "Output | Docs") -> None:
        """Write everything."""
        self.out: Output | Docs = out
        self._posts()
        self._archive()
        self._topics()
        self._days()
        self._papers()
        self._experiments()
        self._overview()
        self._feed()
        self._files()

    def _page(self, address: str, template: str, key: Any, **shown: Any) -> None:
        """Write a page whose values are all known and small; `key` says what they come to."""
        self._later(address, template, key, lambda: shown)

    def _later(self, address: str, template: str, key: Any, shown: Any, file: str = "") -> None:
        """Write a page whose values are made only if it is rendered."""
        up = "../" * address.count("/")

        def render() -> Iterator[str]:
            page = self.jinja.get_template(template)
            return map(strip_controls, page.generate(up=up, address=address, **shown()))

        self.out.page(address, [template, key], render, file)

    # The log

    def _posts(self) -> None:
        days = {
            day_name(each.item.day): each for each in self.state.items.values() if each.item.day
        }
        later: Post | None = None
        posts = self.journal.posts()
        current = next(posts, None)
        while current is not None:
            earlier = next(posts, None)
            self._post(current, earlier, later, days.get(current.day))
            later, current = current, earlier

    def _post(
        self, post: Post, earlier: Post | None, later: Post | None, about: ItemState | None
    ) -> None:
        beside = [each and [each.address, each.title] for each in (earlier, later)]
        key = [post.digest, post.key, post.day, beside, about and [about.item.id, about.item.title]]
        self._later(
            post.address,
            "post.html",
            key,
            lambda: {
                "post": post,
                "html": self._html(post),
                "earlier": earlier,
                "later": later,
                "about": about,
            },
            _post_file(post),
        )

    def _html(self, post: Post) -> Markup:
        return Markup(to_html(post.text(), lambda source: self._image(source)))

    def _image(self, source: str) -> str | None:
        """Copy a raster image of the log folder into the site and say where it is."""
        root = self.journey.log_folder.resolve()
        try:
            path = (root / unquote(source)).resolve()
            shown = path.is_relative_to(root) and path.suffix.lower() in RASTER
            there = shown and path.is_file()
        except (OSError, ValueError):
            return None
        if not there:
            if shown:
                self.out.awaited(path)
            return None
        stem = str(path.relative_to(root).with_suffix(""))
        name = f"images/{named(stem)}{path.suffix.lower()}"
        self.out.source(f"log/{name}", path)
        return name

    def _archive(self) -> None:
        months = self.journal.months()
        for month, _ in months:
            posts = self.journal.of_month(month)
            self._page(
                f"months/{month}.html",
                "month.html",
                [post.key for post in posts],
                name=month,
                posts=posts,
            )
            if self.frame == "base.html":
                digests = [[post.digest, post.key] for post in posts]
                self.out.page(f"search/{month}.js", digests, lambda p=posts: self._words(p))  # type: ignore[misc]
        newest = list(self.journal.posts(RECENT * 4))
        key = [months, [post.key for post in newest]]
        self._page("log.html", "log.html", key, months=months, posts=newest)

    def _words(self, posts: list[Post]) -> Iterator[str]:
        """A month of the archive's search: a call with what there is to look through."""
        yield "roadmapMonth([\n"
        for post in posts:
            text = strip_controls(self.journal.text_of(post))
            row = [post.address, post.title, shown_date(post.when), " ".join(post.names), text]
            yield json.dumps(row) + ",\n"
        yield "]);\n"

    def _topics(self) -> None:
        topics = self.journal.topics()
        for name, _, number in topics:
            posts = self.journal.of_topic(name)
            pages = (number + LISTED - 1) // LISTED
            for page in range(pages):
                these = list(islice(posts, LISTED))
                self._page(
                    topic_address(name, page),
                    "topic.html",
                    [name, pages, [post.key for post in these]],
                    name=name,
                    number=number,
                    posts=these,
                    page=page,
                    pages=pages,
                )
        self._page("topics.html", "topics.html", topics, topics=topics)

    # The plan

    @cached_property
    def _ordered(self) -> list[ItemState]:
        return list(self.state.items.values())

    def _days(self) -> None:
        for number, each in enumerate(self._ordered):
            name = day_name(each.item.day) if each.item.day else ""
            runs = self.runs.get(name, [])
            shown: dict[str, Any] = {
                "each": each,
                "name": name,
                "runs": runs[: -RUNS - 1 : -1],
                "posts": self.journal.about(name),
                "earlier": self._ordered[number - 1] if number else None,
                "later": self._ordered[number + 1] if number + 1 < len(self._ordered) else None,
            }
            beside = [shown[way].item.title if shown[way] else None for way in ("earlier", "later")]
            key = [
                repr(each),
                [post.key for post in shown["posts"]],
                [event.id for event in runs[-RUNS:]],
                beside,
            ]
            self._page(self.addresses[each.item.id], "day.html", key, **shown)

    def _overview(self) -> None:
        state, started = self.state, self.journey.settings.started
        choices = next_items(state)
        done = finished(self._ordered)
        points = remaining(len(state.items), done, started, state.today)
        shown = {
            "state": state,
            "roadmaps": self.journey.roadmaps,
            "started": started,
            "done": sum(each.done for each in self._ordered),
            "heat": heat_map(state.activity, state.today),
            "weeks": _weeks(state),
            "choices": [each for each in choices if each.open] or choices,
            "posts": list(self.journal.posts(RECENT)),
            "counted": DONE,
            "points": points,
            "burn": burn_down(points, len(state.items)) if len(points) > 1 else "",
            "ahead": project(state, self.journey.settings.cadence, started),
            "topics": minutes_by_topic(state),
            "read": sum(paper.status == "read" for paper in self.shelf),
            "built": self.journey.now(),
        }
        always = os.urandom(8).hex()  # they show when they were built
        self._page("index.html", "index.html", always, **shown)
        self._page("progress.html", "progress.html", always, **shown)
        self._page("about.html", "about.html", always, about=self._about(), **shown)

    def _about(self) -> Markup:
        """The learner's own words about the journey, from about.md beside journey.toml."""
        try:
            text = (self.journey.root / "about.md").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return Markup("")
        return Markup(to_html(text))

    # Papers and experiments

    def _papers(self) -> None:
        from roadmap_log.papers import GOAL, STATUSES

        for paper in self.shelf:
            self._later(
                paper_address(paper.key),
                "paper.html",
                repr(paper),
                lambda p=paper: {"paper": p, "notes": Markup(to_html(p.notes))},
            )
        if self.shelf:
            shown = [(status, [p for p in self.shelf if p.status == status]) for status in STATUSES]
            self._page(
                "papers.html",
                "papers.html",
                repr(self.shelf),
                groups=[(status, papers) for status, papers in shown if papers],
                read=sum(paper.status == "read" for paper in self.shelf),
                goal=GOAL,
                address_of=paper_address,
            )

    def _experiments(self) -> None:
        from roadmap_log.experiments import ablation, read_runs
        from roadmap_log.experiments.table import change_shown, shown

        for each in self.experiments:
            runs, faults = read_runs(each)
            self._later(
                experiment_address(each.name),
                "experiment.html",
                [repr(each), [list(run.values.items()) for run in runs], faults],
                lambda e=each, r=runs, f=faults: {
                    "each": e,
                    "table": ablation(e, r),
                    "faults": f,
                    "html": Markup(to_html(e.text)),
                    "shown": shown,
                    "change_shown": change_shown,
                },
            )
        if self.experiments:
            self._page(
                "experiments.html",
                "experiments.html",
                repr(self.experiments),
                experiments=self.experiments[::-1],
                address_of=experiment_address,
            )

    # What is no page

    def _prose(self, post: Post) -> Markup:
        """The HTML of an entry, out of its page, which is there already."""
        assert isinstance(self.out, Output)
        html = self.out.text(post.address).partition(_PROSE)[2].rpartition(_AFTER)[0]
        return Markup(html)

    def _feed(self) -> None:
        newest = list(self.journal.posts(FEED_LENGTH))
        base = uuid5(NAMESPACE_URL, f"roadmap:{self.origin}")
        updated = newest[0].when if newest else self.journey.now()

        def render() -> str:
            feed = self.jinja.get_template("feed.xml").render(
                base=base,
                posts=[(uuid5(base, post.address), post, self._prose(post)) for post in newest],
                updated=updated.replace(microsecond=0),
            )
            return strip_controls(feed)

        if self.frame == "base.html":  # Jekyll makes a feed of its own
            key = [str(base), [[post.digest, post.key] for post in newest], newest and "feed"]
            self.out.page("feed.xml", key, render)

    def _files(self) -> None:
        if self.frame == "base.html":
            self.out.page("style.css", "style", _style)
            script = (HERE / "search.js").read_text(encoding="utf-8")
            self.out.page("search.js", script, lambda: script)


def _style() -> str:
    """The style sheet, with the colours of code by day and by night."""
    rules = (HERE / "style.css").read_text(encoding="utf-8")
    day, night = _code_colours("xcode"), _code_colours("monokai")
    return f"{rules}\n{day}\n@media (prefers-color-scheme: dark) {{\n{night}\n}}\n"


def _post_file(post: Post) -> str:
    """The name by which Jekyll knows a post: its date stands in front, once."""
    name = Path(post.address).name
    date = post.when.date()
    return f"_posts/{name}" if name.startswith(f"{date}-") else f"_posts/{date}-{name}"


def _weeks(state: State) -> list[dict[str, Any]]:
    """The last half year by weeks, newest first, those with nothing left out."""
    weeks = []
    first = state.today - timedelta(days=state.today.weekday())
    for back in range(26):
        monday = first - timedelta(days=7 * back)
        week = [state.activity.get(monday + timedelta(days=n)) for n in range(7)]
        done = [each for each in week if each]
        if done:
            weeks.append(
                {
                    "monday": monday,
                    "days": len(done),
                    "steps": sum(each.events for each in done),
                    "minutes": sum(each.minutes for each in done),
                    "verified": sum(each.verified for each in done),
                }
            )
    return weeks


def _shelf(journey: "Journey") -> list[Any]:
    from roadmap_log.papers import shelf

    return shelf(journey)[0]


def _experiments(journey: "Journey") -> list[Any]:
    from roadmap_log.experiments import every

    return every(journey)[0]


def _code_colours(style: str) -> str:
    """The rules of one pygments style, without its background."""
    from pygments.formatters.html import HtmlFormatter

    rules: str = HtmlFormatter(style=style).get_style_defs(".highlight")  # type: ignore[no-untyped-call]
    return "\n".join(rule for rule in rules.splitlines() if rule.startswith(".highlight ."))


def shown_date(when: date) -> str:
    """A day as the pages write it: 20 Nov 2026."""
    return f"{when.day} {when:%b} {when.year}"


def shown_month(month: str) -> str:
    """A month as the pages write it: November 2026."""
    year, number = month.split("-")
    return f"{date(2000, int(number), 1):%B} {int(year)}"


def _item_addresses(state: State) -> dict[str, str]:
    """The page of every item, from the top of the site."""
    addresses: dict[str, str] = {}
    taken = set()
    for name in state.items:
        flat = name.replace("/", "-")
        stem = named(flat) if flat not in taken else named(name)
        taken.add(flat)
        addresses[name] = f"days/{stem}.html"
    return addresses


def topic_address(name: str, page: int = 0) -> str:
    """The page of a topic or tag; every one has its own."""
    return f"topics/{named(name)}{f'/{page + 1}' if page else ''}.html"


def paper_address(key: str) -> str:
    """The page of a paper."""
    return f"papers/{named(key)}.html"


def experiment_address(name: str) -> str:
    """The page of an experiment."""
    return f"experiments/{named(name)}.html"
