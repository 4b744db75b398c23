"""Building the site: our own HTML, or Jekyll's sources."""

import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from roadmap_log.entries import follow_edits
from roadmap_log.errors import RoadmapError
from roadmap_log.events import Event, History
from roadmap_log.files import storage_error
from roadmap_log.search import Index
from roadmap_log.site.journal import Journal
from roadmap_log.site.output import MARKER, Output, refuse_foreign

if TYPE_CHECKING:
    from roadmap_log.journey import Journey
    from roadmap_log.site.pages import Pages
    from roadmap_log.state import State

__all__ = ["MARKER", "Built", "build"]


@dataclass(frozen=True, slots=True)
class Built:
    """What a build made, and what it had to leave out."""

    folder: Path
    pages: int
    written: int
    entries: int
    seconds: float
    left_out: tuple[RoadmapError, ...]


def build(journey: "Journey", out: Path | None = None, *, jekyll: bool = False) -> Built:
    """Write the site of `journey`; pages whose inputs have not changed are kept.

    Args:
        journey: what the site is about.
        out: where to; else `_site` in the journey, or `docs` for Jekyll.
        jekyll: write Jekyll's sources instead of our HTML.

    Raises:
        StorageError: `out` holds something that is not a site of ours, or cannot be written; what
            stood there stands unchanged.
    """
    begin = time.perf_counter()
    out = (out or journey.root / ("docs" if jekyll else "_site")).expanduser().resolve()
    root = journey.root.resolve()
    refuse_foreign(out, root, option="--jekyll --out DIR" if jekyll else "--out DIR")
    index = Index(journey)
    try:
        journal = Journal(index)
        state, runs, origin = _standing(journey, index)
        pages = _pages(journey, journal, state, runs, origin, jekyll=jekyll)
        written = _write(journey, pages, out, jekyll=jekyll)
        faults = index.faults()
        seconds = time.perf_counter() - begin
        return Built(out, *written, len(journal), seconds, tuple(faults))
    finally:
        index.close()


def _standing(journey: "Journey", index: Index) -> tuple["State", dict[str, list[Event]], str]:
    """The state without its history, the runs of each day, the id of the first event.

    What was edited by hand is recorded first. A long history takes more memory than all pages, so
    it is let go before the first page is made.
    """
    state, runs, origin = _without_history(journey)
    journey.__dict__["state"] = state
    follow_edits(journey, (each.entry for each in index.entries()), index.files("log"))
    if journey.__dict__.get("state") is not state:  # something was recorded
        state, runs, origin = _without_history(journey)
    journey.__dict__.pop("state", None)
    # Their number, minutes and topics are shown: of entries alike in these one is kept.
    alike = [(each.minutes, each.topics, each.tags, each.day) for each in state.entries]
    kept = dict(zip(alike, state.entries, strict=True))
    return replace(state, entries=[kept[key] for key in alike]), runs, origin


def _without_history(journey: "Journey") -> tuple["State", dict[str, list[Event]], str]:
    runs: defaultdict[str, list[Event]] = defaultdict(list)
    first: list[str] = []

    def passing() -> Iterator[Event]:
        for event in journey.store.stream([]):
            if not first:
                first.append(event.id)
            if event.kind == "day.tested":
                runs[str(event.data.get("day", ""))].append(event)
            yield event

    # The fold goes through the events once, so they need not all be there at the same time.
    state = journey.fold(History(cast("tuple[Event, ...]", passing())))
    origin = first[0] if first else journey.root.name
    return replace(state, history=History(())), dict(runs), origin


def _pages(
    journey: "Journey",
    journal: Journal,
    state: "State",
    runs: dict[str, list[Event]],
    origin: str,
    *,
    jekyll: bool,
) -> "Pages":
    from roadmap_log.site.pages import Pages  # loads templates and parsers: after the history went

    return Pages(journey, journal, state, runs, origin, "jekyll.html" if jekyll else "base.html")


def _write(journey: "Journey", pages: "Pages", out: Path, *, jekyll: bool) -> tuple[int, int]:
    """Write all pages; returns how many there are, and how many were made anew."""
    from roadmap_log.site.jekyll import Docs, configuration, style

    output: Output | Docs | None = None
    try:
        output = Docs(out) if jekyll else Output(out, pages.version)
        pages.write(output)
        if isinstance(output, Docs):
            sections = [address for address, _ in pages.sections]
            output.file("_config.yml", configuration(journey, sections))
            output.file("assets/main.scss", style())
        output.finish()
    except OSError as error:
        if output is not None:
            output.abandon()
        raise storage_error("write the site to", out, error) from error
    except BaseException:
        if output is not None:
            output.abandon()
        raise
    return output.pages, output.written
