"""Kernels against the roofline: the parent of `timed`, which runs in a process of its own."""

import sys
from dataclasses import replace
from pathlib import Path

from roadmap_log.dayfile import DayFile, split_upper
from roadmap_log.machine import gpu_present
from roadmap_log.runner.process import Start, command
from roadmap_log.runner.report import Limits, Report, Scores, Share, TestOutcome
from roadmap_log.runner.run import Child, in_a_child, learners_text, usual_limits

NO_GPU = "this machine shows no GPU"
_TIMED = command(sys.executable, "-P", str(Path(__file__).with_name("timed.py")))
_SECONDS = 120.0


def score(
    day: DayFile,
    upper: str,
    shown_as: Path,
    device: str,
    seed: int,
    *,
    rehearse: bool = False,
    limits: Limits | None = None,
    start: Start = _TIMED,
) -> Scores:
    """Time the rooflines of `day` for the text `upper` on this machine's GPU.

    `device` is the module of the track that knows the machine (see `timed.Device`). With `rehearse`
    the same is done at the size for the interpreter, every result is checked and nothing is timed:
    what an author needs to know, on any machine.

    Raises:
        RunnerError: the runner itself cannot work.
    """
    if not device:
        return Scores(unscored="track.toml names no module that knows the device (roofline = …)")
    if not rehearse and not gpu_present():
        return Scores(unscored=NO_GPU)
    limits = limits or usual_limits(_SECONDS)
    more = {
        "device": device,
        "rehearse": rehearse,
        "seed": seed,
        "rooflines": [each.name for each in day.rooflines],
        "precisions": sorted({each.precision for each in day.rooflines} - {""}),
    }
    return _scores(day, in_a_child(day, upper, shown_as, seed, limits, start, more), limits)


def scored(report: Report, day: DayFile, file: Path, device: str) -> Report:
    """`report`, with the scores of a day that has rooflines and whose tests passed.

    A wrong result under the clock takes the pass back.
    """
    if not report.passed or not day.rooflines:
        return report
    scores = score(day, split_upper(learners_text(file)), file, device, report.seed)
    if scores.wrong is None:
        return replace(report, scores=scores)
    reason = f"right in the tests, wrong under the clock: {scores.wrong.message}"
    return replace(
        report,
        passed=False,
        reason=reason,
        tests=(*report.tests, scores.wrong),
        scores=scores,
    )


def _scores(day: DayFile, child: Child, limits: Limits) -> Scores:
    titles = {each.name: each.title for each in day.rooflines}
    scores, finished = Scores(), False
    shares: list[Share] = []
    ended = child.ended
    for record in child.records:
        match record.pop("kind"):
            case "limits":
                rates = tuple(record.pop("flops_per_second").items())
                scores = replace(scores, flops_per_second=rates, **record)
            case "scored" if "share" in record:
                wanted = ("name", "share", "seconds", "least", "bound", "runs")
                told = {key: record[key] for key in wanted}
                shares.append(Share(title=titles[record["name"]], **told))
            case "unscored":
                return replace(scores, unscored=record["why"])
            case "wrong":
                name = record.pop("name") or day.rooflines[0].name
                record["message"] = child.shown(record["message"])
                wrong = TestOutcome(id=name, status="failed", **record)
                return replace(scores, wrong=wrong)
            case "finish":
                finished = True
    if ended.stopped == "time":
        return replace(scores, unscored=f"stopped after {limits.seconds:g} s")
    if ended.stopped or not finished:
        how = f"stopped: {ended.stopped}" if ended.stopped else f"status {ended.status}"
        last = ended.output.strip().rpartition("\n")[2]
        why = f"the program that times ended before it was through ({how}) {last}".rstrip()
        return replace(scores, unscored=why)
    return replace(scores, shares=tuple(shares))
