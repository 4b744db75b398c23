"""`roadmap test`: run a day's own tests against the learner's file, and record what came of it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from roadmap_log import terminal
from roadmap_log.commands import completing, journey_of, json_option, print_json
from roadmap_log.state import day_name, kernel_name
from roadmap_log.work import first_open, work_in_hand

if TYPE_CHECKING:
    from roadmap_log.journey import Journey
    from roadmap_log.judging import Verdict
    from roadmap_log.runner import Scores, TestOutcome

SHOWN_LINES = 12
"""Lines of a failure's message that are shown."""


@click.command()
@click.argument("day", required=False, shell_complete=completing.days)
@click.option("--seed", type=int, help="Repeat a run: the seed it printed.")
@json_option
@click.pass_context
def command(ctx: click.Context, day: str | None, seed: int | None, as_json: bool) -> None:
    """Check your work on a day; the day in hand if DAY is left out.

    On a machine with a GPU the kernels that pass are timed, too, and their share of what the
    machine can do at the most is shown. Exit status 0 means that every test of the day passed, 1
    that they did not.
    """
    from roadmap_log.judging import judge, record, scored

    journey = journey_of(ctx)
    chosen = journey.library.resolve(day, journey.state)
    file = work_in_hand(journey, chosen)
    title = journey.library.day(chosen).title
    if not as_json:
        where = f"{journey.short(file)} against {day_name(chosen)}"
        for line in terminal.folded(f"Testing {where}: {title}", 0):
            terminal.say(line, err=True)
    verdict = judge(journey, chosen, seed=seed)
    verdict = scored(journey, verdict, _quiet if as_json else _say)
    report = verdict.report
    record(journey, verdict)
    if as_json:
        print_json(report.to_json())
    else:
        for line in shown(journey, verdict):
            terminal.say(line)
    ctx.exit(0 if report.passed else 6 if report.blocked else 1)


def _say(text: str) -> None:
    terminal.say(text, err=True)


def _quiet(text: str) -> None:
    """Nothing: what reads JSON reads the end."""


def shown(journey: "Journey", verdict: "Verdict") -> list[str]:
    """The screen of a run: each test, the verdict, what to do next."""
    day, report = verdict.day, verdict.report
    file = journey.short(verdict.file)
    lines = _tests(report.tests, journey.short(verdict.judged), verdict)
    passes = sum(test.status == "passed" for test in report.tests)
    lines.append("")
    if report.passed:
        hints = journey.state.work_on(day).hints_used
        lines.append(
            terminal.paint(f"Verified: {day_name(day)}", "bold green")
            + f"  {passes} of {passes} tests in {report.seconds:.1f} s"
            + (f", {hints} hint{'s' * (hints != 1)} used" if hints else "")
        )
        if report.scores is not None:
            lines += ["", *_roofline(report.scores), ""]
        return [*lines, *_after_pass(journey)]
    reason, *more = report.reason.replace(str(verdict.judged), file).splitlines() or [""]
    first, *rest = terminal.folded(f"Not yet: {reason}", 0)
    lines.append(terminal.paint("Not yet: ", "bold red") + first.removeprefix("Not yet: "))
    lines += [*rest, *(folded for line in more for folded in terminal.folded(line, 2))]
    lines.append(f"  the same inputs again: roadmap test {day_name(day)} --seed {report.seed}")
    if not report.blocked:
        two = terminal.beside(f"edit {file}, then: roadmap test", "stuck? roadmap hint", 2)
        lines += [f"  {line}" for line in two]
    return lines


def _tests(tests: Sequence["TestOutcome"], file: str, verdict: "Verdict") -> list[str]:
    """One line for all cases of a test, and for all tests that fail in the same way."""
    groups: dict[tuple[str, ...], list[TestOutcome]] = {}
    for test in tests:
        passed = test.status == "passed"
        alike = test.function if passed else f"{test.line} {test.message}"
        groups.setdefault((test.status, alike), []).append(test)
    lines: list[str] = []
    for same in groups.values():
        test, names = same[0], dict.fromkeys(each.function for each in same)
        passed = test.status == "passed"
        sign = terminal.mark("verified" if passed else "regressed")
        label = test.id if len(same) == 1 else test.function
        more = f"  and {len(names) - 1} more" * (len(names) > 1)
        more += f"  {len(same)} cases" * (len(names) == 1 and len(same) > 1)
        where = f"  {file}:{test.line}" if test.line else ""
        if test.line and (cell := verdict.cell(test.line)):
            where = f"  cell {cell}"
        head = f"  {sign} {terminal.clean(label)}{terminal.paint(more, 'dim')}"
        taken = terminal.width(f"    {terminal.clean(label)}{more}{where}")
        where = terminal.paint(where.strip(), "bold")
        fits = taken <= terminal.columns()
        lines += [f"{head}  {where}".rstrip()] if fits else [head, f"      {where}"]
        if not passed:
            told = test.message.strip().splitlines()
            for line in told[:SHOWN_LINES]:
                lines += terminal.folded(line, 6)
            if len(told) > SHOWN_LINES:
                lines.append(f"      … {len(told) - SHOWN_LINES} more lines")
    return lines


def _roofline(scores: "Scores") -> list[str]:
    """How near each kernel comes to what the machine can do at the most."""
    heading = terminal.paint("Roofline", "bold")
    if scores.unscored:
        return terminal.wrap(f"Roofline: not scored, {scores.unscored}", 0)
    rates = [f"copies {scores.bytes_per_second / 1e9:,.0f} GB/s"]
    rates += [f"{name} {rate / 1e12:,.0f} TFLOP/s" for name, rate in scores.flops_per_second]
    lines = [f"{heading}  {terminal.clean(scores.device)}: {', '.join(rates)}"]
    for each in scores.shares:
        name = terminal.fit(kernel_name(each.name), 14)
        bar = terminal.bar([(round(1000 * min(1.0, each.share)), "green")], 1000, 20)
        told = f"{1e6 * each.seconds:.4g} µs; at the least {1e6 * each.least:.4g} ({each.bound})"
        lines.append(f"  {name} {bar} {100 * each.share:3.0f} %  {terminal.paint(told, 'dim')}")
    runs = scores.shares[0].runs if scores.shares else 0
    note = f"median of {runs} runs, each with new inputs and its result checked"
    return [*lines, terminal.paint(f"  {note}", "dim")]


def _after_pass(journey: "Journey") -> list[str]:
    lines = ['Write down what you learnt:  roadmap log -m "…"']
    each = first_open(journey)
    if each is None:
        lines.append("That was the last one that is ready. See the way come: roadmap status")
    else:
        name = day_name(each.item.day) if each.item.day else each.item.id
        lines.append(f"Go on:  roadmap start {name}   ({terminal.clean(each.item.title)})")
    return lines
