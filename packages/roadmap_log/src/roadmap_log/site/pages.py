"""The pages of the site, and what each one is given to show."""

import shutil
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote
from uuid import NAMESPACE_URL, uuid5

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from pygments.formatters.html import HtmlFormatter

from roadmap_log.entries import LogEntry, slug
from roadmap_log.events import Event
from roadmap_log.site.charts import heat_map, progress_bar
from roadmap_log.site.text import strip_controls, to_html
from roadmap_log.state import DONE, STATUSES, ItemState, State, count, day_name, next_items
from roadmap_log.terminal import MARKS, duration

if TYPE_CHECKING:
    from roadmap_log.journey import Journey

HERE = Path(__file__).parent
RASTER = {".png", ".jpg", ".jpeg", ".gif", ".webp", ".avif"}
RECENT = 5
"""Entries on the first page."""

FEED_LENGTH = 30
"""Entries in the feed."""


@dataclass(frozen=True, slots=True)
class Post:
    """An entry with its address and its safe HTML."""

    entry: LogEntry
    address: str
    html: Markup


class Pages:
    """Writes all pages of a journey into one folder."""

    def __init__(self, journey: "Journey", entries: list[LogEntry], folder: Path) -> None:
        self.journey = journey
        self.entries = entries
        self.folder = folder
        self.written = 0
        self.jinja = Environment(
            loader=FileSystemLoader(HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self.jinja.globals.update(
            statuses=STATUSES,
            marks={status: signs[0] for status, signs in MARKS.items()},
            bar=progress_bar,
            title=journey.settings.title,
            built=journey.now(),
        )
        self.jinja.filters.update(
            duration=duration, slug=slug, topic=topic_address, count=count, item=item_address
        )

    def write(self) -> int:
        """Write everything; returns the number of pages."""
        posts = [self._post(entry) for entry in self.entries]
        newest = posts[::-1]
        about: dict[str, list[Post]] = defaultdict(list)
        topics: dict[str, list[Post]] = defaultdict(list)
        for post in newest:
            about[post.entry.day].append(post)
            for tag in post.entry.tags:
                topics[tag].append(post)
        state = self.journey.state
        self._index(state, newest)
        for number, each in enumerate(state.items.values()):
            self._day(each, number, about)
        for number, post in enumerate(posts):
            earlier = posts[number - 1] if number else None
            later = posts[number + 1] if number + 1 < len(posts) else None
            known = {day_name(e.item.day): e for e in state.items.values() if e.item.day}
            self._page(
                post.address,
                "post.html",
                post=post,
                earlier=earlier,
                later=later,
                about=known.get(post.entry.day),
            )
        self._page("log.html", "log.html", posts=newest)
        self._page("topics.html", "topics.html", topics=sorted(topics.items()))
        self._feed(newest[:FEED_LENGTH])
        self._style()
        return self.written

    def _page(self, address: str, template: str, **shown: Any) -> None:
        path = self.folder / address
        path.parent.mkdir(parents=True, exist_ok=True)
        up = "../" * address.count("/")
        html = self.jinja.get_template(template).render(up=up, address=address, **shown)
        path.write_text(html, encoding="utf-8")
        self.written += 1

    def _index(self, state: State, newest: list[Post]) -> None:
        choices = next_items(state)
        weeks: list[dict[str, Any]] = []
        day = state.today - timedelta(days=state.today.weekday())
        for back in range(26):
            monday = day - timedelta(days=7 * back)
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
        self._page(
            "index.html",
            "index.html",
            state=state,
            roadmaps=self.journey.roadmaps,
            started=self.journey.settings.started,
            done=sum(each.done for each in state.items.values()),
            heat=heat_map(state.activity, state.today),
            weeks=weeks,
            choices=[each for each in choices if each.startable] or choices,
            posts=newest[:RECENT],
            counted=DONE,
        )

    def _day(self, each: ItemState, number: int, about: Mapping[str, list[Post]]) -> None:
        states = self._ordered
        name = day_name(each.item.day) if each.item.day else ""
        self._page(
            item_address(each.item.id),
            "day.html",
            each=each,
            name=name,
            runs=[event for event in self._by_day[name] if event.kind == "day.tested"][::-1],
            posts=about.get(name, []) if name else [],
            earlier=states[number - 1] if number else None,
            later=states[number + 1] if number + 1 < len(states) else None,
        )

    @cached_property
    def _ordered(self) -> list[ItemState]:
        return list(self.journey.state.items.values())

    @cached_property
    def _by_day(self) -> defaultdict[str, list[Event]]:
        days: defaultdict[str, list[Event]] = defaultdict(list)
        for event in self.journey.history.events:
            days[str(event.data.get("day", ""))].append(event)
        return days

    def _post(self, entry: LogEntry) -> Post:
        assert entry.path is not None
        stem = slug(entry.path.stem.replace("_", "-"))
        html = to_html(entry.text, lambda source: self._image(entry, source))
        return Post(entry, f"log/{self._free(stem)}.html", Markup(html))

    def _free(self, stem: str) -> str:
        """A name that no other post has: two files may differ in characters an address loses."""
        name, number = stem, 1
        while name in self._taken:
            number += 1
            name = f"{stem}-{number}"
        self._taken.add(name)
        return name

    @cached_property
    def _taken(self) -> set[str]:
        return set()

    def _image(self, entry: LogEntry, source: str) -> str | None:
        """Copy a raster image of the log folder into the site and say where it is."""
        root = self.journey.log_folder.resolve()
        try:
            path = (root / unquote(source)).resolve()
            inside = path.is_relative_to(root) and path.is_file()
        except (OSError, ValueError):
            return None
        if not inside or path.suffix.lower() not in RASTER:
            return None
        name = slug(str(path.relative_to(root).with_suffix(""))) + path.suffix.lower()
        target = self.folder / "log" / "images" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
        return f"images/{name}"

    def _feed(self, newest: list[Post]) -> None:
        created = next(iter(self.journey.history.events), None)
        base = uuid5(NAMESPACE_URL, f"roadmap:{created.id if created else self.journey.root.name}")
        shown = [(uuid5(base, post.address), post) for post in newest]
        updated = newest[0].entry.when if newest else self.journey.now()
        feed = self.jinja.get_template("feed.xml").render(
            base=base, posts=shown, updated=updated.replace(microsecond=0)
        )
        (self.folder / "feed.xml").write_text(strip_controls(feed), encoding="utf-8")

    def _style(self) -> None:
        style = (HERE / "style.css").read_text(encoding="utf-8")
        night = _code_colours("github-dark")
        style += f"\n{_code_colours('friendly')}\n"
        style += f"@media (prefers-color-scheme: dark) {{\n{night}\n}}\n"
        (self.folder / "style.css").write_text(style, encoding="utf-8")


def _code_colours(style: str) -> str:
    """The rules of one pygments style, without its background."""
    rules: str = HtmlFormatter(style=style).get_style_defs(".highlight")  # type: ignore[no-untyped-call]
    return "\n".join(rule for rule in rules.splitlines() if rule.startswith(".highlight ."))


def item_address(name: str) -> str:
    """The page of an item, from the top of the site."""
    return f"days/{slug(name)}.html"


def topic_address(tag: str) -> str:
    """The place of a topic on the topics' page; every tag has one of its own."""
    plain = slug(tag)
    if plain == tag:
        return f"topic-{plain}"
    return f"topic-{plain}-{uuid5(NAMESPACE_URL, tag).hex[:6]}"
