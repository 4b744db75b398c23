"""Experiments: a question, runs appended by any program, a table of ablations, an answer.

A program writes down a run in one line; nothing but the standard library is imported for it:

>>> from roadmap_log.experiments import record
>>> record("does-warmup-help", variant="no warmup", seed=0, accuracy=0.91)  # doctest: +SKIP

experiments/<name>/experiment.md   hypothesis, metrics, baselines in the header; design and result
experiments/<name>/runs/*.jsonl    runs, an object a line, by `record` or any other program
experiments/<name>/runs/*.csv      runs with a line of names at the top
"""

from roadmap_log.experiments.experiment import (
    Experiment,
    Metric,
    begin,
    conclude,
    every,
    find,
)
from roadmap_log.experiments.runs import Run, read_runs, record
from roadmap_log.experiments.table import Row, Table, ablation

__all__ = [
    "Experiment",
    "Metric",
    "Row",
    "Run",
    "Table",
    "ablation",
    "begin",
    "conclude",
    "every",
    "find",
    "read_runs",
    "record",
]
