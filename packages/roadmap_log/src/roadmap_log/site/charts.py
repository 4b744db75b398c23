"""Progress and activity as SVG: named and described for those who cannot see it, without colour
as the only sign, in the colours of the page's style sheet."""

from collections.abc import Mapping
from datetime import date, timedelta

from markupsafe import Markup, escape

from roadmap_log.state import Activity, Status

CELL, GAP = 12, 3
WEEKS = 26

BAR_ORDER: tuple[Status, ...] = ("verified", "claimed", "stale", "regressed", "attempted")


def progress_bar(name: str, counts: Mapping[Status, int]) -> Markup:
    """A bar of the parts that are verified, claimed, stale, regressed and attempted.

    Args:
        name: unique on the page; letters, digits and hyphens.
        counts: items by status.
    """
    total = sum(counts.values())
    shapes, at = [], 0.0
    for status in BAR_ORDER:
        size = 100 * counts[status] / total if total else 0
        if size:
            shapes.append(
                f'<rect class="{status}" x="{at:.2f}" y="0" width="{size:.2f}" height="4"/>'
            )
        at += size
    told = ", ".join(f"{counts[status]} {status}" for status in BAR_ORDER if counts[status])
    described = f"{told or 'nothing yet'}, of {total}"
    return Markup(
        f'<svg class="bar" viewBox="0 0 100 4" preserveAspectRatio="none" role="img" '
        f'aria-labelledby="{name}-bar"><title id="{name}-bar">{escape(described)}</title>'
        f'<rect class="track" x="0" y="0" width="100" height="4"/>{"".join(shapes)}</svg>'
    )


def level(done: Activity | None) -> int:
    """How dark a day is drawn, 0 to 4."""
    return min(4, 1 + done.events // 3) if done else 0


def heat_map(activity: Mapping[date, Activity], today: date) -> Markup:
    """The last half year, a column a week, a square a day."""
    first = today - timedelta(days=today.weekday() + 7 * (WEEKS - 1))
    shapes, step, left, top = [], CELL + GAP, 32, 18
    month = 0
    for week in range(WEEKS):
        monday = first + timedelta(days=7 * week)
        x = left + week * step
        if monday.month != month and monday.day <= 7 and week < WEEKS - 2:
            shapes.append(f'<text x="{x}" y="11">{monday:%b}</text>')
            month = monday.month
        for weekday in range(7):
            day = monday + timedelta(days=weekday)
            if day <= today:
                shapes.append(_square(x, top + weekday * step, day, activity.get(day)))
    for row, label in ((0, "Mon"), (2, "Wed"), (4, "Fri")):
        shapes.append(f'<text x="0" y="{top + row * step + CELL - 2}">{label}</text>')
    days = sum(first <= day <= today for day in activity)
    told = f"Activity since {first:%d %B %Y}: something was done on {days} days"
    size = f"0 0 {left + WEEKS * step} {top + 7 * step}"
    return Markup(
        f'<svg class="heat" viewBox="{size}" role="img" aria-labelledby="heat-title">'
        f'<title id="heat-title">{told}</title>{"".join(shapes)}</svg>'
    )


def _square(x: int, y: int, day: date, done: Activity | None) -> str:
    if done is None:
        told = "nothing"
    else:
        told = f"{done.events} steps" + (f", {done.minutes} min" if done.minutes else "")
    return (
        f'<rect class="level-{level(done)}" x="{x}" y="{y}" width="{CELL}" height="{CELL}" rx="2">'
        f"<title>{day:%d %b %Y}: {told}</title></rect>"
    )
