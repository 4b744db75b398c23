"""`roadmap stats`: the way come, as a heat map, a burn-down and the time by topic."""

from dataclasses import asdict
from datetime import date, timedelta

import click

from roadmap_log import course, terminal
from roadmap_log.cadence import WEEKDAYS
from roadmap_log.commands import journey_of, json_option, print_json
from roadmap_log.journey import Journey
from roadmap_log.state import State

CHART_HEIGHT = 8
SHOWN_TOPICS = 10
LEAST_WEEKS = 16
_EIGHTHS = " ▁▂▃▄▅▆▇█"


@click.command()
@click.option("--weeks", type=click.IntRange(1, 104), help="Weeks of the heat map.")
@json_option
@click.pass_context
def command(ctx: click.Context, weeks: int | None, as_json: bool) -> None:
    """Show when you worked, what is left over time, and where the time went."""
    journey = journey_of(ctx)
    if as_json:
        print_json(_json(journey))
        return
    for line in screen(journey, weeks):
        terminal.say(line)


def screen(journey: Journey, weeks: int | None = None) -> list[str]:
    """The lines of the whole screen."""
    state = journey.state
    lines = [*_totals(state), ""]
    lines += _heat(state, weeks)
    lines += ["", *_burn_down(journey)]
    if topics := course.minutes_by_topic(state):
        lines += ["", *_topics(topics)]
    return lines


def _totals(state: State) -> list[str]:
    sums = course.totals(state)
    done = sum(each.done for each in state.items.values())
    words = [
        f"{done} of {len(state.items)} done",
        f"{sums.days} active day{'s' * (sums.days != 1)}",
        f"streak {state.streak.current}, best {state.streak.longest}",
    ]
    if sums.runs:
        words.append(f"{sums.passes} of {sums.runs} runs passed")
    if sums.hints:
        words.append(f"{sums.hints} hint{'s' * (sums.hints != 1)}")
    if sums.given_up:
        words.append(f"{sums.given_up} given up")
    if sums.entries:
        noun = "entry" if sums.entries == 1 else "entries"
        words.append(f"{sums.entries} log {noun}, {terminal.duration(sums.minutes)}")
    return terminal.dotted(words)


def _heat(state: State, weeks: int | None) -> list[str]:
    """A square a day, a column a week; the months above, the weekdays at the side."""
    room = (terminal.columns() - 6) // 2
    begun = min(state.activity, default=state.today)
    shown = min(weeks or max(LEAST_WEEKS, (state.today - begun).days // 7 + 2), room)
    first = state.today - timedelta(days=state.today.weekday() + 7 * (shown - 1))
    months = [" "] * (2 * shown + 4)
    for column in range(shown):
        monday = first + timedelta(weeks=column)
        begins = monday.day <= 7 or (column == 0 and (monday + timedelta(weeks=1)).day > 7)
        if begins and all(text == " " for text in months[2 * column : 2 * column + 4]):
            months[2 * column : 2 * column + 3] = list(f"{monday:%b}")
    lines = [
        terminal.paint(f"Activity, {shown} weeks", "bold"),
        "      " + "".join(months).rstrip(),
    ]
    for weekday in range(7):
        label = WEEKDAYS[weekday].capitalize() if weekday in (0, 2, 4, 6) else ""
        cells = [
            _square(state, first + timedelta(weeks=column, days=weekday)) for column in range(shown)
        ]
        lines.append(f"  {label:<4}" + " ".join(cells).rstrip())
    legend = " ".join(_shade(level) for level in range(5))
    lines.append(terminal.paint("      less ", "dim") + legend + terminal.paint(" more", "dim"))
    return lines


def _square(state: State, day: date) -> str:
    if day > state.today:
        return " "
    done = state.activity.get(day)
    return _shade(0 if done is None or not done.events else min(4, 1 + done.events // 3))


def _shade(level: int) -> str:
    nice = terminal.unicode_marks()
    if level == 0:
        return terminal.paint("·" if nice else ".", "dim")
    if terminal.coloured() and nice:
        return terminal.green("■", level)
    return ("░▒▓█" if nice else "-+*#")[level - 1]


def _burn_down(journey: Journey) -> list[str]:
    """What is left over time, drawn from the start of the journey to today."""
    state = journey.state
    total = len(state.items)
    done = course.finished(state.items.values())
    points = course.remaining(total, done, journey.settings.started, state.today)
    lines = [terminal.paint("Left over time", "bold")]
    if len(points) < 3:
        left = points[-1][1]
        return [*lines, f"  {left} of {total} items; a line can be drawn after two weeks"]
    label = len(str(total))
    width = terminal.columns() - label - 4
    columns = [points[round(n * (len(points) - 1) / (width - 1))][1] for n in range(width)]
    if len(points) < width:
        wide = width // len(points)
        columns = [left for _, left in points for _ in range(wide)]
    nice = terminal.unicode_marks()
    for row in range(CHART_HEIGHT, 0, -1):
        text = "".join(_cell(left * CHART_HEIGHT * 8 // total, row, nice) for left in columns)
        mark = str(round(total * row / CHART_HEIGHT)) if row in (CHART_HEIGHT, 4) else ""
        lines.append(f"  {mark:>{label}} {terminal.paint(text.rstrip(), 'blue')}")
    first, last = f"{points[0][0]:%d %b %Y}", f"{points[-1][0]:%d %b %Y}"
    gap = " " * max(1, len(columns) - len(first) - len(last))
    lines.append(terminal.paint(f"  {'0':>{label}} {first}{gap}{last}", "dim"))
    return lines


def _cell(eighths: int, row: int, nice: bool) -> str:
    here = max(0, min(8, eighths - 8 * (row - 1)))
    return _EIGHTHS[here] if nice else " #"[here >= 4]


def _topics(topics: dict[str, int]) -> list[str]:
    lines = [terminal.paint("Time by topic", "bold")]
    shown = list(topics.items())[:SHOWN_TOPICS]
    label = min(24, max(terminal.width(name) for name, _ in shown))
    length = terminal.columns() - label - 14
    most = shown[0][1]
    for name, minutes in shown:
        bar = terminal.bar([(minutes, "cyan")], most, length)
        lines.append(f"  {terminal.fit(name, label)} {bar} {terminal.duration(minutes):>8}")
    if len(topics) > len(shown):
        rest = sum(list(topics.values())[SHOWN_TOPICS:])
        told = f"  and {len(topics) - len(shown)} more, {terminal.duration(rest)}"
        lines.append(terminal.paint(told, "dim"))
    return lines


def _json(journey: Journey) -> dict[str, object]:
    state = journey.state
    done = course.finished(state.items.values())
    points = course.remaining(len(state.items), done, journey.settings.started, state.today)
    return {
        "today": state.today,
        "totals": asdict(course.totals(state)),
        "streak": {"current": state.streak.current, "longest": state.streak.longest},
        "activity": [
            {"date": day, "events": a.events, "minutes": a.minutes, "verified": a.verified}
            for day, a in sorted(state.activity.items())
            if a.events
        ],
        "weekdays": dict(zip(WEEKDAYS, course.events_by_weekday(state), strict=True)),
        "burn_down": [{"date": day, "left": left} for day, left in points],
        "minutes_by_topic": course.minutes_by_topic(state),
    }
