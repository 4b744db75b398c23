"""`roadmap dev`: for those who write days."""

import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from roadmap_log import terminal
from roadmap_log.commands import json_option, print_json
from roadmap_log.errors import UnknownItemError

if TYPE_CHECKING:
    from roadmap_log.check import CheckReport
    from roadmap_log.tracks import Track


@click.group()
def command() -> None:
    """Begin and check the days of a track, for authors."""


@command.command()
@click.argument("day")
@click.option("--title", default="a title", help="What the day is called.")
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder of the track; else that of the installed one.",
)
@json_option
def new(day: str, title: str, folder: Path | None, as_json: bool) -> None:
    """Write the file of a new DAY ("mine/1") that passes the check as it stands.

    In a new folder it begins a track: with track.toml, and the entry point to be declared is shown.
    """
    from roadmap_log.dayfile.template import new_day, new_track
    from roadmap_log.files import write_new
    from roadmap_log.tracks import Track, discover

    found = re.fullmatch(r"([a-z][a-z0-9_-]*)/0*([1-9]\d{0,2})", day)
    if not found or not title.isprintable() or not title.strip() or '"""' in title:
        raise UnknownItemError(
            f"{day!r} with the title {title!r} cannot be a day",
            expected="a track and a number, as mine/1, and a title on one line",
            fix='roadmap dev new mine/1 --title "What it is about"',
        )
    name, number = found[1], int(found[2])
    track = discover().get(name)
    if folder is None and not isinstance(track, Track):
        raise UnknownItemError(
            f"no installed package offers a track {name!r}",
            expected="an installed track, or the folder in which one is to begin",
            fix=f"roadmap dev new {day} --folder src/my_package/track",
        )
    if folder is None and isinstance(track, Track):
        folder = track.folder
    assert folder is not None
    path = folder / f"day{number:02d}.py"
    try:
        write_new(path, new_day(number, title.strip()))
    except FileExistsError:
        raise UnknownItemError(
            f"{path} exists already",
            expected="a day that is not yet written",
            fix="choose the next number; nothing was changed",
        ) from None
    begun = False
    with suppress(FileExistsError):
        write_new(folder / "track.toml", new_track(name, max(number, 1)))
        begun = True
    if as_json:
        print_json({"day": f"{name}/{number}", "file": str(path), "track_begun": begun})
        return
    terminal.say(f"{terminal.paint('Written', 'green')} {path}")
    if begun:
        terminal.say("A new track. Declare it in the pyproject.toml of its package:")
        terminal.say(f'  [project.entry-points."roadmap_log.tracks"]\n  {name} = "package.track"')
    terminal.say(f"Replace the example piece by piece; prove it: roadmap dev check {name}/{number}")


@command.command()
@click.argument("days", nargs=-1, required=True)
@click.option("--seeds", type=click.IntRange(1, 20), default=2, show_default=True)
@click.option("--seconds", type=click.FloatRange(1, 600), default=30.0, help="Limit for each run.")
@click.option(
    "--proofs",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep proofs in this folder, and prove again only what has changed.",
)
@json_option
@click.pass_context
def check(
    ctx: click.Context,
    days: tuple[str, ...],
    seeds: int,
    seconds: float,
    folder: Path | None,
    as_json: bool,
) -> None:
    """Prove DAYS from both sides: right answers pass, wrong ones do not.

    DAYS are tracks ("autodiff"), days ("autodiff/2") or ranges ("autodiff/1-7"). The solution
    passes with every seed, the skeleton fails, each mutant is caught, each exercise is missed.
    """
    from roadmap_log import check as proof
    from roadmap_log.proofs import Proofs
    from roadmap_log.runner import Limits

    proofs = Proofs(folder, seeds, seconds) if folder else None
    reports = []
    for track, number in [day for text in days for day in _meant(text)]:
        day = track.day(number)
        report = proofs.find(track, day) if proofs else None
        if report is None:
            report = proof.check_day(track, day, seeds, limits=Limits(seconds=seconds))
            if proofs:
                proofs.keep(track, day, report)
        reports.append(report)
        if not as_json:
            _show(report)
    if as_json:
        print_json([report.to_json() for report in reports])
    ctx.exit(0 if all(report.ok for report in reports) else 1)


def _meant(text: str) -> list[tuple["Track", int]]:
    """The days that "autodiff", "autodiff/2" or "autodiff/1-7" stands for."""
    from roadmap_log import tracks

    found = re.fullmatch(r"([a-z0-9_-]+)(?:/(\d+)(?:-(\d+))?)?", text)
    if not found:
        raise UnknownItemError(
            f"{text!r} names no days",
            expected="a track, a day or a range: autodiff, autodiff/2, autodiff/1-7",
            fix="roadmap dev check autodiff/1",
        )
    track = tracks.track(found[1])
    if found[2] is None:
        return [(track, number) for number in track.days]
    first, last = int(found[2]), int(found[3] or found[2])
    if last < first:
        raise UnknownItemError(
            f"{text!r} ends before it begins", expected="the smaller number first", fix="turn it"
        )
    for number in range(first, last + 1):
        track.day_path(number)
    return [(track, number) for number in range(first, last + 1)]


def _show(report: "CheckReport") -> None:
    sign = terminal.mark("verified" if report.ok else "regressed")
    told = f"{report.mutants} mutants, {report.runs} runs, {report.seconds:.1f} s"
    terminal.say(f"{sign} {report.track}/{report.day}  {terminal.paint(told, 'dim')}")
    for problem in report.problems:
        terminal.say(f"    {problem.where}: {terminal.clean(problem.problem)}")
        terminal.say(terminal.paint(f"      {terminal.clean(problem.fix)}", "dim"))
