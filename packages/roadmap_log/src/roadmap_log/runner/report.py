"""What a run may use, and what it found."""

from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal

from roadmap_log.errors import RoadmapError

Status = Literal["passed", "failed", "error", "skipped", "xfailed", "returned"]


class RunnerError(RoadmapError):
    """The runner itself could not work (no space, no process); it says nothing of the day."""

    exit_code: ClassVar[int] = 6


@dataclass(frozen=True)
class Limits:
    """What a learner's program may use before it is stopped.

    Args:
        seconds: wall time of the whole run.
        output_bytes: how much of what it prints is kept (head and tail); the rest is read, counted
            and dropped, and at `FLOOD` times this the program is stopped.
        processes: processes alive at once, its own among them (watched where /proc or ps exists).
        memory_bytes: resident memory of all its processes together; None is no limit. It is
            watched, not reserved: RLIMIT_AS would keep CUDA from starting.
        file_bytes: the largest file it may write (RLIMIT_FSIZE; not on Windows).
    """

    seconds: float = 60.0
    output_bytes: int = 1_000_000
    processes: int = 64
    memory_bytes: int | None = None
    file_bytes: int = 1_000_000_000

    FLOOD: ClassVar[int] = 50

    def __post_init__(self) -> None:
        for name in ("seconds", "output_bytes", "processes", "file_bytes"):
            if getattr(self, name) <= 0:
                raise RunnerError(f"limit {name} = {getattr(self, name)}", expected="more than 0")
        if self.memory_bytes is not None and self.memory_bytes <= 0:
            raise RunnerError(f"limit memory_bytes = {self.memory_bytes}", expected="more than 0")


@dataclass(frozen=True)
class TestOutcome:
    """How one test (one case of a parametrised test) ended.

    `line` is the last line of the learner's own file on the way to the failure, None where the
    failure lies in the test alone. `message` is short, `traceback` the whole story.
    """

    __test__: ClassVar[bool] = False

    id: str
    status: Status
    message: str = ""
    line: int | None = None
    traceback: str = ""

    @property
    def function(self) -> str:
        """The id without the case of a parametrised test."""
        return self.id.partition("[")[0]


@dataclass(frozen=True)
class Share:
    """How near a kernel comes to what the machine can do at the most (its roofline).

    `seconds` is the median of `runs` runs, each with inputs drawn for it alone and its result
    checked; `least` what the machine needs for as many bytes and operations by the largest rates
    measured on it, and `share` is `least / seconds`. `bound` says which of the two is scarce,
    "memory" or "compute".
    """

    name: str
    title: str
    share: float
    seconds: float
    least: float
    bound: str
    runs: int


@dataclass(frozen=True)
class Scores:
    """A day's kernels against the roofline of one machine.

    `unscored` says why there is no score, `wrong` what was wrong with a result under the clock
    (then nothing counts). The rates are what was measured on this machine just before:
    `bytes_per_second` of a large copy, `flops_per_second` of the best matrix product by precision.
    """

    shares: tuple[Share, ...] = ()
    unscored: str = ""
    wrong: TestOutcome | None = None
    device: str = ""
    bytes_per_second: float = 0.0
    flops_per_second: tuple[tuple[str, float], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The scores as plain values that the json module can write."""
        if self.unscored:
            return {"unscored": self.unscored}
        told = {**asdict(self), "flops_per_second": dict(self.flops_per_second)}
        return {key: value for key, value in told.items() if value}


@dataclass(frozen=True)
class Report:
    """The verdict on a learner's file.

    `passed` is True only if every expected test was seen to pass and the run ended cleanly;
    `blocked` if this machine cannot judge the day (no GPU). `reason` says why in one sentence.
    `missing` are expected tests that never reported. `seed` is the ROADMAP_SEED of the run; the
    hashes are SHA-256 of the learner's upper part and of the tests it was judged by. `scores` is
    None unless the day has rooflines and its tests passed.
    """

    passed: bool
    reason: str
    tests: tuple[TestOutcome, ...] = ()
    missing: tuple[str, ...] = ()
    seconds: float = 0.0
    seed: int = 0
    output: str = ""
    solution_hash: str = ""
    tests_hash: str = ""
    versions: tuple[tuple[str, str], ...] = ()
    blocked: bool = False
    scores: Scores | None = None

    def to_json(self) -> dict[str, Any]:
        """The report as plain values that the json module can write."""
        scores = self.scores and self.scores.to_json()
        return {**asdict(self), "versions": dict(self.versions), "scores": scores}
