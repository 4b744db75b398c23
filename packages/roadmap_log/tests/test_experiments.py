"""Experiments: runs from anywhere, every fault named, a table that does not flatter."""

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
from roadmap_log import experiments
from roadmap_log.errors import EventError, UnknownItemError
from roadmap_log.experiments import Experiment, Metric
from roadmap_log.experiments.table import Cell, change_shown, number, shown
from roadmap_log.journey import Journey
from sample import Command


@pytest.fixture
def experiment(journey: Journey) -> Experiment:
    metrics = (Metric("loss", higher=False), Metric("ms", higher=False))
    return experiments.begin(
        journey, "Does it help?", hypothesis="Yes", metrics=metrics, baselines=("plain",)
    )


def test_mean_spread_and_distance_are_right(journey: Journey, experiment: Experiment) -> None:
    for variant, losses in {
        "plain": (4.0, 6.0),
        "warm": (1.0, 2.0, 3.0),
        "near": (4.5, 6.5),
    }.items():
        for seed, loss in enumerate(losses):
            experiments.record(
                "does-it-help", journey, variant=variant, seed=seed, loss=loss, ms=10
            )
    runs, faults = experiments.read_runs(experiment)
    assert faults == []
    table = experiments.ablation(experiment, runs)
    assert [row.variant for row in table.rows] == ["plain", "warm", "near"], "best after baseline"
    plain, warm, near = (row.cells["loss"] for row in table.rows)
    assert (plain.mean, plain.change) == (5.0, None)
    assert plain.deviation == pytest.approx(math.sqrt(2))
    assert (warm.mean, warm.deviation, warm.change, warm.best) == (2.0, 1.0, -3.0, True)
    assert warm.clear, "3 is more than twice sqrt(1/3 + 2/2)"
    assert near.clear is False
    assert "within noise" in change_shown(near)
    one = Cell(1, 1.0, 0.0, 0.5, None)
    assert change_shown(one) == "+0.5000 (too few runs)"


def test_without_variants_the_settings_that_differ_name_the_rows(
    journey: Journey, experiment: Experiment
) -> None:
    for rate in (0.1, 0.2):
        experiments.record("does", journey, rate=rate, depth=2, seed=0, loss=rate)
    table = experiments.ablation(experiment, experiments.read_runs(experiment)[0])
    assert [row.variant for row in table.rows] == ["rate=0.1", "rate=0.2"]


def test_any_program_may_append_and_every_fault_is_named(
    journey: Journey, experiment: Experiment
) -> None:
    folder = experiment.runs_folder
    (folder / "mine.csv").write_text('variant,loss\nplain,1\n"a, b",2\nplain,1,1\n\nplain,many\n')
    (folder / "other.jsonl").write_text(
        '{"variant": "x", "loss": 3}\n{"variant": "x", "loss": NaN}\n[1]\n{"loss": {"a": 1}}\n{"lo'
    )
    (folder / "notes.txt").write_text("not looked at")
    runs, faults = experiments.read_runs(experiment)
    assert [fault.split(":")[:2] for fault in faults] == [
        ["mine.csv", "4"],
        ["other.jsonl", "3"],
        ["other.jsonl", "4"],
        ["other.jsonl", "5"],
    ]
    table = experiments.ablation(experiment, runs)
    assert table.left_out == 2, "many, and NaN"
    assert {row.variant: row.cells["loss"].number for row in table.rows} == {
        "plain": 1,
        "a, b": 1,
        "x": 1,
    }


def test_a_torn_line_harms_no_other(journey: Journey, experiment: Experiment) -> None:
    experiments.record("does", journey, loss=1)
    file = experiment.runs_folder / f"{journey.device}.jsonl"
    file.write_bytes(file.read_bytes() + b'{"loss": 2, "va')
    experiments.record("does", journey, loss=3)
    runs, faults = experiments.read_runs(experiment)
    assert [run.values["loss"] for run in runs] == [1, 3]
    assert len(faults) == 1


def test_values_of_libraries_are_taken_and_others_refused(
    journey: Journey, experiment: Experiment
) -> None:
    class Scalar:
        def item(self) -> float:
            return 0.25

    experiments.record("does", journey, loss=Scalar(), flag=True, bad=float("inf"))
    (run,), _ = experiments.read_runs(experiment)
    assert (run.values["loss"], run.values["flag"], run.values["bad"]) == (0.25, True, "inf")
    with pytest.raises(EventError, match="cannot stand in a table"):
        experiments.record("does", journey, loss=[1, 2])  # type: ignore[arg-type]
    assert len(experiments.read_runs(experiment)[0]) == 1


def test_recording_imports_nothing_heavy(journey: Journey, experiment: Experiment) -> None:
    program = (
        "import sys; from roadmap_log.experiments import record; record('does', loss=1.5);"
        "print(sorted({'yaml', 'click', 'jinja2', 'sqlite3', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr
    assert len(experiments.read_runs(experiment)[0]) == 1


def test_the_command_from_hypothesis_to_result(
    journey: Journey, roadmap: Command, tmp_path: Path
) -> None:
    made = roadmap(
        "experiment", "new", "Warm-up", "--hypothesis", "helps", "--metric", "accuracy", "--json"
    )
    assert made.json["metrics"] == [{"name": "accuracy", "higher": True}]
    assert roadmap("experiment", "run", "warm-up", "variant=a", "seed=0", "accuracy=0.5").code == 0
    assert roadmap("experiment", "--json").json == roadmap("experiment", "list", "--json").json
    more = tmp_path / "more.csv"
    more.write_text("variant,accuracy\nb,0.75\nb,0.85\n")
    assert "3 in all" in roadmap("experiment", "run", "warm-up", "--file", str(more)).out
    more.write_text("variant,accuracy\nb,0.75,1\n")
    assert roadmap("experiment", "run", "warm-up", "--file", str(more)).code == 4
    assert roadmap("experiment", "run", "warm-up", "accuracy").code == 4
    shown = roadmap("experiment", "show", "warm-up")
    assert "0.8000 ± 0.0707" in shown.out
    table = roadmap("experiment", "show", "warm", "--json").json["table"]
    assert [row["variant"] for row in table] == ["b", "a"]
    roadmap("experiment", "conclude", "warm-up", "refuted", "-m", "It does not.")
    (listed,) = roadmap("experiment", "list", "--json").json
    assert listed["outcome"] == "refuted"
    assert Path(listed["file"]).read_text().endswith("## Result\n\nIt does not.\n")
    again = roadmap("experiment", "new", "Warm-up", "--hypothesis", "x", "--metric", "a")
    assert again.code == 4
    assert roadmap("experiment", "new", "Other", "--hypothesis", " ", "--metric", "a").code == 4


@pytest.mark.parametrize("text", ["", "seed", "a:b", "1st", "a b"])
def test_what_is_no_metric_is_refused(text: str) -> None:
    from roadmap_log.experiments.experiment import metric

    with pytest.raises(UnknownItemError):
        metric(text)


def test_numbers_are_shown_with_four_digits() -> None:
    values = (0.0, 0.012345, 12.345, 123456.7, 1e-9, 2.5e7, -3.0)
    assert [number(value) for value in values] == [
        "0",
        "0.01235",
        "12.35",
        "123,457",
        "1.000e-09",
        "2.500e+07",
        "-3.000",
    ]
    assert shown(Cell(3, 10.0, 0.0)) == "10.00 ± 0.00"
    assert json.dumps(number(math.nan)) == '"\\u2013"'
