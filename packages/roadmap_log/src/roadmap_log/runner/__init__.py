"""The honest runner: a learner's file is judged by the day's own tests, in a process apart."""

from roadmap_log.machine import gpu_present
from roadmap_log.runner.report import Limits, Report, RunnerError, Scores, Share, TestOutcome
from roadmap_log.runner.roofline import score, scored
from roadmap_log.runner.run import judge, run

__all__ = [
    "Limits",
    "Report",
    "RunnerError",
    "Scores",
    "Share",
    "TestOutcome",
    "gpu_present",
    "judge",
    "run",
    "score",
    "scored",
]
