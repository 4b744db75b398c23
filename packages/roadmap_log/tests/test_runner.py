"""What the runner says of honest work: right, wrong, unfinished, slow, or not a file at all."""

import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from roadmap_log.dayfile import DayFile, combine, parse, split_upper
from roadmap_log.runner import Limits, Report, RunnerError, gpu_present, run
from sample import day_source

RIGHT = """\
def answer():
    return 1


def double():
    return 2 * answer()
"""
TESTS = ("test_answer", "test_double", "test_names_given")


@pytest.fixture
def day(tmp_path: Path) -> DayFile:
    return _day(tmp_path)


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """The learner's file, solved."""
    file = tmp_path / "work.py"
    file.write_text(RIGHT)
    return file


def _day(folder: Path, tests: str | None = None) -> DayFile:
    """The sample day; with `tests` below its marker, if given."""
    source = day_source(1, "One")
    if tests is not None:
        source = source.partition("# TESTS\n")[0] + "# TESTS\n" + tests
    path = folder / "day01.py"
    path.write_text(source)
    return parse(path)


def _statuses(report: Report) -> dict[str, str]:
    return {outcome.id: outcome.status for outcome in report.tests}


def test_a_right_answer_passes(day: DayFile, work: Path) -> None:
    report = run(day, work, seed=7)
    assert report.passed
    assert report.reason == "all 3 tests passed"
    assert _statuses(report) == dict.fromkeys(TESTS, "passed")
    assert (report.missing, report.blocked, report.seed) == ((), False, 7)
    assert report.solution_hash == hashlib.sha256(RIGHT.encode()).hexdigest()
    assert report.tests_hash == hashlib.sha256(day.tests_source.encode()).hexdigest()
    assert {"python", "pytest"} <= dict(report.versions).keys()
    assert json.loads(json.dumps(report.to_json()))["versions"]["pytest"] == pytest.__version__


def test_the_author_s_own_solution_passes_and_the_skeleton_does_not(
    day: DayFile, work: Path
) -> None:
    work.write_text(day.solution())
    assert run(day, work).passed
    work.write_text(day.skeleton())
    report = run(day, work)
    assert not report.passed
    assert report.reason == "2 of 3 tests do not pass; exercises 1, 2 still open"
    assert _statuses(report)["test_names_given"] == "passed"


def test_a_wrong_answer_fails_and_the_failure_names_both_files(day: DayFile, work: Path) -> None:
    work.write_text(RIGHT.replace("2 * answer()", "[][answer()]"))
    report = run(day, work)
    assert not report.passed
    assert report.reason == "1 of 3 tests do not pass, the first is test_double"
    assert _statuses(report) == {**dict.fromkeys(TESTS, "passed"), "test_double": "failed"}
    failure = report.tests[1]
    assert failure.line == 6
    assert failure.message == "IndexError: list index out of range"
    test_line = day.source.split("\n").index("    assert double() == 2 * 1") + 1
    assert f"{work}:6" in failure.traceback
    assert f"{day.path}:{test_line}" in failure.traceback
    assert "/roadmap-" not in failure.traceback, "no path of the temporary folder is shown"


def test_a_wrong_value_is_shown_beside_the_right_one(day: DayFile, work: Path) -> None:
    work.write_text(RIGHT.replace("return 1", "return 5"))
    failure = run(day, work).tests[0]
    assert failure.line is None, "the assertion failed in the test, not in the learner's file"
    assert failure.message.startswith("assert 5 == 1")


def test_with_the_first_failure_the_run_may_end(day: DayFile, work: Path) -> None:
    work.write_text(RIGHT.replace("return 1", "return 5"))
    report = run(day, work, first_failure_ends=True)
    assert not report.passed
    assert _statuses(report) == {"test_answer": "failed"}
    assert report.missing == TESTS[1:]


def test_a_seed_draws_the_same_inputs_again(tmp_path: Path, work: Path) -> None:
    day = _day(
        tmp_path,
        "import os, random\ndef test_drawn():\n"
        "    rng = random.Random(int(os.environ['ROADMAP_SEED']))\n"
        "    print('drawn', os.environ['ROADMAP_SEED'], rng.random(), hash('text'))\n",
    )
    first, again, other = (run(day, work, seed=seed).output for seed in (5, 5, 6))
    assert first.startswith("drawn 5 ")
    assert first == again != other


def test_without_a_seed_one_is_drawn_and_reported(tmp_path: Path, work: Path) -> None:
    day = _day(tmp_path, "import os\ndef test_it(): print(os.environ['ROADMAP_SEED'])\n")
    report = run(day, work)
    assert report.output.strip() == str(report.seed)


def test_cases_and_classes_are_judged_each_by_its_id(tmp_path: Path, work: Path) -> None:
    day = _day(
        tmp_path,
        "import pytest\n@pytest.mark.parametrize('n', [1, 2])\ndef test_case(n):\n"
        "    assert answer() == n\nclass TestDouble:\n    def test_it(self):\n"
        "        assert double() == 2\n",
    )
    report = run(day, work)
    assert not report.passed
    assert _statuses(report) == {
        "test_case[1]": "passed",
        "test_case[2]": "failed",
        "TestDouble::test_it": "passed",
    }


@pytest.mark.parametrize("value", ["(answer() == 1, 'message')", "False", "True"])
def test_a_test_that_returns_asserts_nothing(tmp_path: Path, work: Path, value: str) -> None:
    report = run(_day(tmp_path, f"def test_it():\n    return {value}\n"), work)
    assert not report.passed
    assert _statuses(report) == {"test_it": "returned"}
    assert "returned" in report.reason


def test_an_error_in_a_fixture_is_no_pass(tmp_path: Path, work: Path) -> None:
    day = _day(
        tmp_path,
        "import pytest\n@pytest.fixture\ndef broken():\n    yield\n    assert answer() == 2\n"
        "def test_it(broken): pass\n",
    )
    report = run(day, work)
    assert not report.passed
    assert _statuses(report) == {"test_it": "error"}


def test_the_tests_in_the_learner_s_file_do_not_count(day: DayFile, work: Path) -> None:
    wrong = RIGHT.replace("return 1", "return 5")
    work.write_text(wrong + "# TESTS\ndef test_answer(): pass\n")
    assert not run(day, work).passed
    work.write_text(RIGHT + "# TESTS\ndef test_answer(): assert False\n")
    assert run(day, work).passed


def test_own_tests_above_the_marker_neither_count_nor_hinder(day: DayFile, work: Path) -> None:
    work.write_text(RIGHT + "def test_mine(): assert False\ndef test_answer(): assert False\n")
    report = run(day, work)
    assert report.passed
    assert list(_statuses(report)) == list(TESTS)


def test_the_user_s_settings_of_python_and_pytest_change_nothing(
    day: DayFile, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_ADDOPTS", "-k nothing")
    monkeypatch.setenv("PYTHONOPTIMIZE", "1")
    assert run(day, work).passed
    work.write_text(RIGHT.replace("return 1", "return 5"))
    assert not run(day, work).passed


@pytest.mark.parametrize(
    ("content", "line", "said"),
    [
        (b"x = 1\n\0\n", 2, "binary"),
        (b"x = 1\ny = '\xe9'\n", 2, "0xe9 is not UTF-8"),
        (b"x = 1\ndef f(:\n", 2, "not valid Python"),
        (RIGHT.encode() + b"x = '''\n", 7, "not valid Python"),
        (RIGHT.encode() + b"if False:\n", 7, "not valid Python"),
        (b"x = 1\nimport no_such_module\n", 2, "cannot be imported: ModuleNotFoundError"),
        (b"x = 1\nx = 1 / 0\n", 2, "cannot be imported: ZeroDivisionError"),
    ],
    ids=["binary", "latin-1", "syntax", "open quote", "open block", "no module", "raises"],
)
def test_a_file_that_cannot_be_imported_is_named_with_its_line(
    day: DayFile, work: Path, content: bytes, line: int, said: str
) -> None:
    work.write_bytes(content)
    report = run(day, work)
    assert not report.passed
    assert report.reason.startswith(f"{work}:{line}: ")
    assert said in report.reason
    assert report.missing == TESTS
    assert report.tests == ()


def test_an_empty_file_fails_every_test(day: DayFile, work: Path) -> None:
    work.write_text("")
    report = run(day, work)
    assert not report.passed
    assert _statuses(report) == dict.fromkeys(TESTS, "failed")


@pytest.mark.parametrize("kind", ["missing", "folder", "large", "link", "pipe", "dangling"])
def test_what_is_no_readable_file_is_refused_before_anything_runs(
    day: DayFile, work: Path, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def started(*_: object, **__: object) -> None:
        pytest.fail("a process was started")

    monkeypatch.setattr("subprocess.Popen", started)
    work.unlink()
    said = {"missing": "no such file", "large": "50.0 MB", "dangling": "a link", "link": "a link"}
    match kind:
        case "folder":
            work.mkdir()
        case "large":
            with work.open("wb") as file:
                file.truncate(50_000_000)
        case "link" | "dangling":
            elsewhere = tmp_path / "elsewhere" / "answer.py"
            elsewhere.parent.mkdir()
            if kind == "link":
                elsewhere.write_text(RIGHT)
            work.symlink_to(elsewhere)
        case "pipe":
            if not hasattr(os, "mkfifo"):
                pytest.skip("no named pipes here")
            os.mkfifo(work)
    report = run(day, work)
    assert not report.passed
    assert report.reason.startswith(f"{work}:1: ")
    assert said.get(kind, "not a regular file") in report.reason
    assert report.missing == TESTS


def test_a_link_within_the_folder_is_followed(day: DayFile, work: Path) -> None:
    link = work.with_name("link.py")
    link.symlink_to(work.name)
    assert run(day, link).passed


def test_a_day_for_a_gpu_is_blocked_where_there_is_none(
    day: DayFile, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert not gpu_present()
    report = run(replace(day, requires=("gpu",)), work)
    assert (report.passed, report.blocked) == (False, True)
    assert "needs a GPU" in report.reason


def test_a_kernel_runs_in_the_interpreter_where_there_is_no_gpu(
    tmp_path: Path, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    tests = "import os\ndef test_it(): assert os.environ.get('TRITON_INTERPRET') == '1'\n"
    day = _day(tmp_path, tests)
    assert run(replace(day, requires=("gpu", "interpreter")), work).passed
    assert not run(day, work).passed


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_out_of_range_is_refused(day: DayFile, work: Path, seed: int) -> None:
    with pytest.raises(RunnerError, match="seed"):
        run(day, work, seed=seed)


@pytest.mark.parametrize(
    "limit", ["seconds", "output_bytes", "processes", "file_bytes", "memory_bytes"]
)
def test_a_limit_of_nothing_is_refused(limit: str) -> None:
    with pytest.raises(RunnerError, match=limit) as raised:
        Limits(**{limit: 0})
    assert raised.value.expected == "more than 0"


def test_without_room_for_its_files_the_runner_says_so(
    day: DayFile, work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    with pytest.raises(RunnerError, match="temporary folder") as raised:
        run(day, work)
    assert "TMPDIR" in (raised.value.fix or "")


def test_lines_of_the_upper_part_keep_their_place(day: DayFile) -> None:
    whole = combine(RIGHT.rstrip("\n"), day)
    assert split_upper(whole) == RIGHT
    assert whole.removeprefix(RIGHT) == day.tests_source
