"""`roadmap verify`: check everything again that once passed."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from roadmap_log import terminal
from roadmap_log.commands import completing, journey_of, json_option, print_json
from roadmap_log.errors import RoadmapError
from roadmap_log.state import Day, day_name

if TYPE_CHECKING:
    from roadmap_log.journey import Journey
    from roadmap_log.judging import Verdict

_MARKS = {"missing": "regressed", "unknown": "blocked"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one day: "verified", "regressed", "blocked", "missing" or "unknown"."""

    day: Day
    status: str
    why: str
    verdict: "Verdict | None" = None


@click.command()
@click.argument("days", nargs=-1, shell_complete=completing.days)
@click.option("-j", "--jobs", type=click.IntRange(1, 64), default=1, help="Days at a time.")
@json_option
@click.pass_context
def command(ctx: click.Context, days: tuple[str, ...], jobs: int, as_json: bool) -> None:
    """Run the tests again of all that passed, or of DAYS alone (days, or whole tracks).

    What no longer passes is shown as regressed from now on. Exit status 1 if there is any.
    """
    from roadmap_log.judging import record

    journey = journey_of(ctx)
    chosen = _chosen(journey, days)
    outcomes: list[Outcome] = []
    with ThreadPoolExecutor(jobs) as pool:
        for outcome in pool.map(lambda day: _outcome(journey, day), chosen):
            if outcome.verdict is not None:
                record(journey, outcome.verdict)
            outcomes.append(outcome)
            if not as_json:
                terminal.say("\n".join(_lines(outcome)))
    failed = [each for each in outcomes if each.status in ("regressed", "missing")]
    if as_json:
        print_json([_json(each) for each in outcomes])
    else:
        for line in _summary(outcomes):
            terminal.say(line)
    ctx.exit(1 if failed else 0)


def _chosen(journey: "Journey", days: tuple[str, ...]) -> list[Day]:
    state = journey.state
    passed = sorted(
        (name.rpartition("/")[0], int(name.rpartition("/")[2]))
        for name, work in state.days.items()
        if work.passes and name.rpartition("/")[2].isdigit()
    )
    if not days:
        return passed
    tracks = {track for track, _ in passed}
    chosen: list[Day] = []
    for text in days:
        if text in tracks:
            chosen += [day for day in passed if day[0] == text]
        else:
            chosen.append(journey.library.resolve(text, state))
    return list(dict.fromkeys(chosen))


def _outcome(journey: "Journey", day: Day) -> Outcome:
    from roadmap_log.judging import judge
    from roadmap_log.work import has_work

    here, why = journey.library.available(day)
    if here != "todo":
        return Outcome(day, "blocked", why)
    if not has_work(journey, day):
        return Outcome(day, "missing", "its file is gone from work/")
    try:
        verdict = judge(journey, day)
    except RoadmapError as error:
        return Outcome(day, "unknown", error.problem)
    if verdict.report.blocked:
        return Outcome(day, "blocked", verdict.report.reason)
    status = "verified" if verdict.report.passed else "regressed"
    return Outcome(day, status, verdict.report.reason, verdict)


def _lines(outcome: Outcome) -> list[str]:
    sign = terminal.mark(_MARKS.get(outcome.status, outcome.status))
    name = f"{day_name(outcome.day):<14}"
    if outcome.status == "verified":
        assert outcome.verdict is not None
        told = f"{len(outcome.verdict.report.tests)} tests, {outcome.verdict.report.seconds:.1f} s"
        return [f"{sign} {name}{terminal.paint(told, 'dim')}"]
    first, *more = terminal.wrap(f"{outcome.status}: {outcome.why}", 16)
    return [f"{sign} {name}{first.strip()}", *more]


def _summary(outcomes: list[Outcome]) -> list[str]:
    if not outcomes:
        return ["Nothing has passed yet. Begin: roadmap next"]
    counts: dict[str, int] = {}
    for each in outcomes:
        counts[each.status] = counts.get(each.status, 0) + 1
    lines = ["", ", ".join(f"{number} {status}" for status, number in counts.items())]
    lost = [each for each in outcomes if each.status == "regressed"]
    if lost:
        lines.append(f"See what happened: roadmap test {day_name(lost[0].day)}")
    gone = [each for each in outcomes if each.status == "missing"]
    if gone:
        lines.append(f"Bring a file back from git, or: roadmap start {day_name(gone[0].day)}")
    return lines


def _json(outcome: Outcome) -> dict[str, Any]:
    report = outcome.verdict.report if outcome.verdict else None
    return {
        "day": day_name(outcome.day),
        "status": outcome.status,
        "why": outcome.why,
        "seconds": report.seconds if report else None,
        "seed": report.seed if report else None,
    }
