"""Kernels under a clock: a device of our own keeps the time, and the known cheats are tried."""

import random
import re
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
from roadmap_log import check, runner
from roadmap_log.check import rehearsed
from roadmap_log.dayfile import DayFile, DayFileError, parse
from roadmap_log.journey import Journey
from roadmap_log.runner import Limits, Scores, roofline, score
from roadmap_log.runner import timed as clock
from roadmap_log.state import kernel_name
from roadmap_log.tracks import load
from sample import Command, day_source

DEVICE = '''
"""A device whose clock moves only when work is paid for, 1000 bytes or 500 operations a second."""
import copy, random
from types import SimpleNamespace

RELIES_ON = ("copy",)
now = 0.0


def spend(seconds):
    global now
    now += seconds


class Clock:
    name, small, why_unmeasured = "Paper GPU", False, ""

    def bytes_per_second(self):
        return 1000.0

    def flops_per_second(self, precision):
        return {"float16": 500.0}[precision]

    def generator(self, seed):
        return random.Random(seed)

    def copy(self, values):
        if type(values) not in (list, tuple):
            raise TypeError(f"{type(values).__name__}; expected a list")
        return copy.deepcopy(values)

    def timed(self, roofline, inputs):
        begun = now
        result = roofline.run(*inputs)
        took = now - begun
        return took, self.copy(result)


def device():
    return Clock()
'''

HONEST = """
def doubled(values):
    paper.spend(4.0)
    return [2 * value for value in values]
"""

ROOFLINE = '''

class RooflineDoubled:
    """Numbers doubled: each is read once and written once."""

    SIZE, SMALL = 100, 5
    kept = []

    def __init__(self, size):
        self.size, self.bytes, self.flops = size, 20 * size, 0

    def inputs(self, generator):
        self.kept[:] = [generator.random() for _ in range(self.size)]
        return (self.kept,)

    def run(self, values):
        return doubled(values)

    def check(self, result, values):
        assert result == [2 * value for value in values], "not the double"
'''


@pytest.fixture
def day(track: Path) -> DayFile:
    """A day with a roofline, in a track that names the paper device."""
    (track.parents[1] / "paper.py").write_text(DEVICE)
    file = track / "day01.py"
    upper = day_source(1, "One").replace("# Exercise 1", f"import paper\n{HONEST}\n\n# Exercise 1")
    file.write_text(upper.replace("\n\nif __name__", f"{ROOFLINE}\n\nif __name__"))
    with open(track / "track.toml", "a") as stream:
        stream.write('roofline = "paper"\n')
    return parse(file)


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roofline, "gpu_present", lambda: True)
    monkeypatch.setattr(runner, "gpu_present", lambda: True)


def timed(day: DayFile, kernel: str = HONEST, device: str = "paper") -> Scores:
    assert HONEST in day.upper
    return score(day, day.upper.replace(HONEST, kernel), day.path, device, seed=7)


pytestmark = pytest.mark.usefixtures("gpu")


def test_the_share_is_what_the_machine_needs_of_what_was_taken(day: DayFile) -> None:
    scores = timed(day)
    assert (scores.device, scores.bytes_per_second) == ("Paper GPU", 1000.0)
    share = scores.shares[0]
    assert (share.name, share.seconds, share.least, share.bound) == (
        "RooflineDoubled",
        4.0,
        2.0,
        "memory",
    )
    assert share.share == 0.5
    assert (share.runs, share.title) == (
        20,
        "Numbers doubled: each is read once and written once.",
    )


def test_where_operations_are_scarce_they_are_the_bound(day: DayFile, track: Path) -> None:
    text = day.path.read_text().replace(
        "SIZE, SMALL = 100, 5", 'SIZE = 100\n    SMALL = 5\n    precision = "float16"'
    )
    day.path.write_text(text.replace("20 * size, 0", "20 * size, 15 * size"))
    scores = timed(parse(day.path))
    assert scores.flops_per_second == (("float16", 500.0),)
    assert (scores.shares[0].least, scores.shares[0].bound) == (3.0, "compute")


CHEATS = {
    "cached by the input's identity": (
        "seen = {}\ndef doubled(values):\n    if id(values) not in seen:\n"
        "        seen[id(values)] = [2 * value for value in values]\n    return seen[id(values)]\n",
        "run 2 gave a wrong result: not the double",
    ),
    "the last run's result": (
        "last = []\ndef doubled(values):\n    last.append([2 * value for value in values])\n"
        "    return last[-2] if len(last) > 1 else last[-1]\n",
        "run 2 gave a wrong result",
    ),
    "filled in when the clock has stopped": (
        "import threading, time\ndef doubled(values):\n    result = [0.0] * len(values)\n"
        "    def later():\n        time.sleep(0.05)\n"
        "        result[:] = [2 * value for value in values]\n"
        "    threading.Thread(target=later).start()\n    return result\n",
        "run 1 gave a wrong result",
    ),
    "computed when it is looked at": (
        "class Late(list):\n    def __eq__(self, other):\n        return True\n"
        "def doubled(values):\n    return Late(values)\n",
        "TypeError: Late; expected a list",
    ),
    "the inputs changed so that the answer is right": (
        "def doubled(values):\n    values[:] = [0.0] * len(values)\n    return values\n",
        "run 1 gave a wrong result",
    ),
    "not paid for": (
        "def doubled(values):\n    return [2 * value for value in values]\n",
        "0 µs cannot be believed: this machine needs 2e+06 µs at the least",
    ),
    "paid for in part": (
        "def doubled(values):\n    paper.spend(1.5)\n    return [2 * value for value in values]\n",
        "1.5e+06 µs cannot be believed: this machine needs 2e+06 µs at the least",
    ),
    "right only where the tests look": (
        "def doubled(values):\n    return [2 * value for value in values[:50]]\n",
        "run 1 gave a wrong result",
    ),
    "an error under the clock": (
        "def doubled(values):\n    raise ValueError('too large')\n",
        "run 1 ended in ValueError: too large",
    ),
}


@pytest.mark.parametrize("cheat", CHEATS)
def test_what_was_not_computed_under_the_clock_is_no_score(cheat: str) -> None:
    kernel, says = CHEATS[cheat]
    paper, learners = ModuleType("paper"), ModuleType("learners")
    exec(DEVICE, vars(paper))
    vars(learners)["paper"] = paper
    exec(kernel + ROOFLINE, vars(learners))
    device = paper.device()

    def under_the_clock() -> None:
        found = clock.score(learners.RooflineDoubled, device, random.Random(1))
        clock.share(found, clock.limits_of(device, []))

    with pytest.raises(clock.Wrong, match=re.escape(says)):
        under_the_clock()


TAMPERED = {
    "worked out before the clock": (
        "import random\nready = []\nclass Spy(random.Random):\n    def random(self):\n"
        "        ready.append(2 * super().random())\n        return ready[-1] / 2\n"
        "random.Random = Spy\n"
        "def doubled(values):\n    return [ready.pop(0) for _ in values]\n",
        "random.Random was replaced",
    ),
    "another clock": (
        "paper.Clock.timed = lambda self, roofline, inputs: (2.0, roofline.run(*inputs))\n"
        "def doubled(values):\n    return [2 * value for value in values]\n",
        "the times cannot be trusted: Clock.timed was replaced",
    ),
    "another copy": (
        "import copy\ncopy.deepcopy = lambda values: values\n" + HONEST,
        "copy.deepcopy was replaced",
    ),
}


@pytest.mark.parametrize("cheat", TAMPERED)
def test_with_what_measures_replaced_nothing_counts(day: DayFile, cheat: str) -> None:
    kernel, says = TAMPERED[cheat]
    scores = timed(day, kernel)
    assert not scores.shares
    assert scores.wrong is not None
    assert says in scores.wrong.message


def test_an_error_under_the_clock_names_the_learner_s_line(day: DayFile) -> None:
    kernel = CHEATS["an error under the clock"][0]
    wrong = timed(day, kernel).wrong
    assert wrong is not None
    assert wrong.line is not None
    written = day.upper.replace(HONEST, kernel).split("\n")
    assert "raise ValueError" in written[wrong.line - 1]


def test_one_that_leaves_or_finds_no_room_is_not_scored(day: DayFile) -> None:
    left = timed(day, "import os\ndef doubled(values):\n    os._exit(0)\n")
    assert "ended before it was through (status 0)" in left.unscored
    full = timed(day, "def doubled(values):\n    raise MemoryError('4 GiB')\n")
    assert full.unscored == "MemoryError: 4 GiB"
    assert full.wrong is None


def test_without_a_gpu_or_a_module_for_it_nothing_is_timed(
    day: DayFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "names no module" in timed(day, device="").unscored
    assert "No module named 'nowhere'" in timed(day, device="nowhere").unscored
    source = (day.path.parents[2] / "paper.py").read_text()
    (day.path.parents[2] / "paper.py").write_text(
        source.replace(
            'why_unmeasured = "Paper GPU", False, ""', 'why_unmeasured = "", True, "CPU"'
        )
    )
    assert timed(day).unscored == "CPU"
    monkeypatch.setattr(roofline, "gpu_present", lambda: False)
    assert timed(day).unscored == "this machine shows no GPU"


def test_the_command_shows_and_records_the_share(
    day: DayFile, journey: Journey, roadmap: Command
) -> None:
    roadmap("start", "1")
    file = journey.work_file("sample", 1)
    file.write_text(day.solution())
    passed = roadmap("test")
    assert passed.code == 0
    assert "timing the kernels on the GPU" in passed.err
    assert "Roofline  Paper GPU: copies 0 GB/s" in passed.out
    assert " 50 %" in passed.out
    assert "median of 20 runs, each with new inputs and its result checked" in passed.out
    event = Journey(journey.root).history.events[-1].data["roofline"]
    assert event["shares"][0]["share"] == 0.5
    assert event["device"] == "Paper GPU"
    file.write_text(day.solution().replace(HONEST, CHEATS["the last run's result"][0]))
    wrong = roadmap("test")
    assert wrong.code == 1
    assert "Not yet: right in the tests, wrong under the clock: run 2 gave a wrong" in wrong.out
    assert Journey(journey.root).history.events[-1].data["failed"] == ["RooflineDoubled"]
    row = roadmap("status", "--json").json["items"][0]
    assert (row["status"], row["roofline"]) == ("regressed", {"doubled": 0.5})


def test_a_kernel_is_shown_by_its_words() -> None:
    assert kernel_name("RooflineScaledCopy") == "scaled copy"


def test_without_a_gpu_the_command_says_that_it_did_not_score(
    day: DayFile, journey: Journey, roadmap: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(roofline, "gpu_present", lambda: False)
    roadmap("start", "1")
    journey.work_file("sample", 1).write_text(day.solution())
    passed = roadmap("test")
    assert passed.code == 0
    assert "Roofline: not scored, this machine shows no GPU" in passed.out
    event = Journey(journey.root).history.events[-1].data
    assert event["roofline"] == {"unscored": "this machine shows no GPU"}


def test_an_author_s_roofline_is_rehearsed_where_there_is_no_gpu(
    day: DayFile, track: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(roofline, "gpu_present", lambda: False)
    settings = load(track, name="sample", distribution="d", version="1")
    assert not list(rehearsed(settings, day, Limits()))
    (unnamed,) = rehearsed(replace(settings, roofline=""), day, Limits())
    assert "names no module" in unnamed.problem
    text = day.path.read_text()
    day.path.write_text(text.replace("assert result == [2 * value", "assert [2 * value"))
    monkeypatch.setattr(check, "_variants", lambda day, seeds: [])
    (blind,) = check.check_day(settings, parse(day.path)).problems
    assert "the check takes the result of one run for that of another" in blind.problem
    assert blind.where.endswith(f":{parse(day.path).rooflines[0].line}")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('    """Numbers doubled: each is read once and written once."""\n', "", "no docstring"),
        ("SIZE, SMALL = 100, 5", "SIZE = 100", "RooflineDoubled has no SMALL"),
        ("def check(", "def compare(", "RooflineDoubled has no check"),
        ("def inputs(", "def make(", "RooflineDoubled has no inputs"),
    ],
)
def test_a_roofline_that_lacks_a_part_is_refused(
    day: DayFile, old: str, new: str, says: str
) -> None:
    assert old in day.tests_source
    day.path.write_text(day.path.read_text().replace(old, new))
    with pytest.raises(DayFileError, match=says):
        parse(day.path)
