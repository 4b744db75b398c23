"""Progress and activity as SVG: named and described for those who cannot see it, without colour
as the only sign, in the colours of the page's style sheet."""

from collections.abc import Mapping, Sequence
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


def burn_down(points: Sequence[tuple[date, int]], total: int) -> Markup:
    """What was left over time, as a falling line.

    Args:
        points: two or more days with what was left at their ends, as `remaining` gives them.
        total: the top of the scale.
    """
    width, height, left, top = 640, 200, 40, 10
    first, last = points[0][0], points[-1][0]
    span, scale = max(1, (last - first).days), max(1, total)

    def place(day: date, number: float) -> str:
        x = left + (day - first).days / span * width
        return f"{x:.1f},{top + (1 - number / scale) * height:.1f}"

    line = " ".join(place(day, number) for day, number in points)
    under = f"{left},{top + height} {line} {left + width},{top + height}"
    shapes = []
    for part in range(5):
        number = round(scale * part / 4)
        y = top + (1 - number / scale) * height
        shapes.append(f'<line x1="{left}" x2="{left + width}" y1="{y:.1f}" y2="{y:.1f}"/>')
        label = f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{number}</text>'
        shapes.append(label)
    for part, anchor in ((0, "start"), (1, "middle"), (2, "end")):
        day = first + timedelta(days=span * part // 2)
        x = left + width * part / 2
        shapes.append(
            f'<text x="{x:.0f}" y="{top + height + 18}" text-anchor="{anchor}">'
            f"{day.day} {day:%b %Y}</text>"
        )
    told = (
        f"What is left: {points[0][1]} items on {first.day} {first:%B %Y}, "
        f"{points[-1][1]} on {last.day} {last:%B %Y}"
    )
    return Markup(
        f'<svg class="burn" viewBox="0 0 {left + width + 10} {top + height + 26}" role="img" '
        f'aria-labelledby="burn-title"><title id="burn-title">{told}</title>{"".join(shapes)}'
        f'<polygon points="{under}"/><polyline points="{line}"/></svg>'
    )
