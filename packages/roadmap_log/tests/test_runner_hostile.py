"""What the runner says of work that loops, floods, forks, exits, or tampers with its judges.

Each test asserts on the verdict and on what is left alive, never on how long it took.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from roadmap_log import machine
from roadmap_log.dayfile import DayFile, parse
from roadmap_log.runner import Limits, Report, run
from sample import day_source

RIGHT = "def answer():\n    return 1\n\n\ndef double():\n    return 2\n"
WRONG = RIGHT.replace("return 1", "return 5")
GROWS = """\
import time
held = []
while True:
    held.append(bytearray(b"x" * 4_000_000))
    time.sleep(0.01)
"""
TESTS = ("test_answer", "test_double", "test_names_given")
LINUX = sys.platform.startswith("linux")

posix = pytest.mark.skipif(os.name != "posix", reason="uses fork and process groups")
Judged = Callable[..., Report]


@pytest.fixture
def day(tmp_path: Path) -> DayFile:
    path = tmp_path / "day01.py"
    path.write_text(day_source(1, "One"))
    return parse(path)


@pytest.fixture
def judged(day: DayFile, tmp_path: Path) -> Judged:
    """Judges a text as the learner's file, for `seconds` at most."""

    def judge(text: str, seconds: float = 20, **limits: int) -> Report:
        work = tmp_path / "work.py"
        work.write_text(text)
        return run(day, work, seed=0, limits=Limits(seconds=seconds, **limits))

    return judge


@pytest.fixture
def pids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A file into which the learner's program writes the numbers of its processes."""
    file = tmp_path / "pids"
    file.touch()
    monkeypatch.setenv("PIDS", str(file))
    yield file
    for pid in _written(file):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


NOTE = """\
import os, subprocess, sys, time
def note(pid):
    with open(os.environ["PIDS"], "a") as file:
        file.write(f"{pid}\\n")
"""


def _written(file: Path) -> list[int]:
    return [int(line) for line in file.read_text().split("\n")[:-1]]


def _alive(pid: int) -> bool:
    """Whether it runs; one that is dead and only waits to be reaped does not."""
    try:
        if LINUX:
            return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
        os.kill(pid, 0)
    except OSError:
        return False
    return True


def _all_gone(pids: list[int]) -> bool:
    """A killed process may need a moment to vanish; patient, as the machine may be busy."""
    for _ in range(200):
        if not any(map(_alive, pids)):
            return True
        time.sleep(0.05)
    return False


# --- time ---------------------------------------------------------------------------------------


def test_an_endless_import_is_stopped(judged: Judged) -> None:
    report = judged("while True: pass\n", seconds=1)
    assert not report.passed
    assert report.reason == "stopped after 1 s before the tests were through"
    assert report.missing == TESTS


def test_an_endless_test_is_stopped_and_named(judged: Judged) -> None:
    report = judged(RIGHT.replace("return 2", "while True: pass"), seconds=2)
    assert not report.passed
    assert report.reason == "stopped after 2 s in test_double"
    assert [outcome.id for outcome in report.tests] == ["test_answer"]
    assert report.missing == TESTS[1:]


def test_deafness_to_signals_does_not_help(judged: Judged) -> None:
    deaf = "import signal\nfor s in (signal.SIGTERM, signal.SIGINT): signal.signal(s, lambda *_: 0)"
    report = judged(f"{deaf}\nwhile True:\n    try:\n        pass\n    except: pass\n", seconds=1)
    assert report.reason == "stopped after 1 s before the tests were through"


@pytest.mark.parametrize("daemon", [True, False])
def test_a_thread_left_running_holds_nothing_up(judged: Judged, daemon: bool) -> None:
    thread = f"threading.Thread(target=time.sleep, args=(60,), daemon={daemon}).start()"
    assert judged(f"import threading, time\n{thread}\n{RIGHT}").passed


# --- processes ----------------------------------------------------------------------------------


@posix
def test_a_grandchild_that_holds_the_pipes_open_is_killed(judged: Judged, pids: Path) -> None:
    sleeper = "note(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']).pid)\n"
    report = judged(NOTE + sleeper + RIGHT)
    assert report.passed, "leaving a process behind is untidy, not wrong"
    assert len(_written(pids)) == 1
    assert _all_gone(_written(pids))


@posix
@pytest.mark.parametrize("ending", [RIGHT, "while True: pass\n"], ids=["ends", "loops"])
def test_nothing_of_a_tree_of_processes_survives(judged: Judged, pids: Path, ending: str) -> None:
    tree = """
for _ in range(4):
    if os.fork() == 0:
        for _ in range(3):
            if os.fork() == 0:
                break
        note(os.getpid())
        time.sleep(60)
        os._exit(0)
while len(open(os.environ["PIDS"]).readlines()) < 16:
    time.sleep(0.01)
"""
    report = judged(NOTE + tree + ending, seconds=20 if ending == RIGHT else 2)
    assert report.passed == (ending == RIGHT)
    assert len(_written(pids)) == 16
    assert _all_gone(_written(pids))


@posix
def test_too_many_processes_are_stopped(judged: Judged, pids: Path) -> None:
    many = "for _ in range(12):\n    if os.fork() == 0:\n        note(os.getpid())\n"
    report = judged(f"{NOTE}{many}        time.sleep(60)\ntime.sleep(60)\n", processes=6)
    assert not report.passed
    assert report.reason == "stopped: it started more than 6 processes"
    assert _written(pids)
    assert _all_gone(_written(pids))


@pytest.mark.skipif(not LINUX, reason="elsewhere a process in a session of its own survives")
def test_a_process_in_a_session_of_its_own_is_found_by_its_mark(judged: Judged, pids: Path) -> None:
    away = "note(subprocess.Popen(['sleep', '60'], start_new_session=True).pid)\n"
    assert judged(NOTE + away + RIGHT).passed
    assert len(_written(pids)) == 1
    assert _all_gone(_written(pids))


@posix
def test_one_that_also_sheds_its_environment_survives(judged: Judged, pids: Path) -> None:
    """What the runner cannot do: without the mark nothing tells whose process it was."""
    away = "note(subprocess.Popen(['sleep', '60'], start_new_session=True, env={}).pid)\n"
    assert judged(NOTE + away + RIGHT).passed
    (pid,) = _written(pids)
    assert _alive(pid)


@posix
def test_a_forked_copy_of_the_tests_reports_nothing(judged: Judged) -> None:
    report = judged("import os\nos.fork()\n" + RIGHT)
    assert report.passed
    assert tuple(outcome.id for outcome in report.tests) == TESTS


_RUN = """\
import sys
from pathlib import Path
from roadmap_log.dayfile import parse
from roadmap_log.runner import Limits, run
run(parse(Path(sys.argv[1])), Path(sys.argv[2]), limits=Limits(seconds=60))
"""


@posix
@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "kill"])
def test_no_process_outlives_a_runner_that_is_stopped(
    day: DayFile, tmp_path: Path, pids: Path, by: signal.Signals
) -> None:
    work = tmp_path / "work.py"
    child = "note(os.getpid())\nif os.fork() == 0: note(os.getpid())\ntime.sleep(60)\n"
    work.write_text(NOTE + child)
    runner = subprocess.Popen(
        [sys.executable, "-c", _RUN, str(day.path), str(work)], stderr=subprocess.DEVNULL
    )
    try:
        for _ in range(400):
            if len(_written(pids)) == 2:
                break
            time.sleep(0.05)
        assert len(_written(pids)) == 2
        runner.send_signal(by)
        assert runner.wait(20) != 0
    finally:
        runner.kill()
        runner.wait()
    assert _all_gone(_written(pids))


# --- output, input, files, memory ---------------------------------------------------------------


def test_a_flood_is_stopped_and_only_its_ends_are_kept(judged: Judged) -> None:
    flood = "print('first')\nwhile True: print('x' * 10_000)\n"
    report = judged(flood, output_bytes=10_000)
    assert not report.passed
    assert report.reason == "stopped: it printed without end"
    assert report.output.startswith("first\n")
    assert "bytes left out" in report.output
    assert len(report.output) < 10_100


def test_much_output_is_shortened_and_harms_nobody(judged: Judged) -> None:
    report = judged("print('x' * 50_000)\nprint('last')\n" + RIGHT, output_bytes=10_000)
    assert report.passed
    assert report.output.endswith("last\n")
    assert "[… 40,006 bytes left out …]" in report.output


def test_a_line_without_end_is_searched_for_places_but_once(day: DayFile, tmp_path: Path) -> None:
    work = tmp_path / "work.py"
    work.write_text(f"print('x' * 900_000, __file__, sep='')\nprint(__file__)\n{RIGHT}")
    code = (
        "import sys; from pathlib import Path; from roadmap_log.dayfile import parse; "
        "from roadmap_log.runner import run; day, work = map(Path, sys.argv[1:]); "
        "report = run(parse(day), work); print(report.passed, report.output[-200:].split())"
    )
    command = [sys.executable, "-c", code, str(day.path), str(work)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    assert done.stdout == f"True ['{work}', '{work}']\n"


def test_output_that_is_no_text_is_shown_with_replacements(judged: Judged) -> None:
    report = judged("import os\nos.write(1, b'\\xff\\xfe ok')\n" + RIGHT)
    assert report.passed
    assert report.output == "\ufffd\ufffd ok"


def test_standard_input_is_empty(judged: Judged) -> None:
    assert judged("import sys\nassert sys.stdin.read() == ''\n" + RIGHT).passed
    report = judged("x = 1\ninput()\n" + RIGHT)
    assert not report.passed
    assert "work.py:2: the file cannot be imported: EOFError" in report.reason


@posix
@pytest.mark.parametrize(
    "line", ["os.chdir('/')", "os.unlink(__file__)", "open(__file__, 'w').close()"]
)
def test_another_folder_and_a_lost_file_change_no_verdict(judged: Judged, line: str) -> None:
    assert judged(f"import os\n{line}\n{RIGHT}").passed
    report = judged(f"import os\n{line}\n{WRONG}")
    assert not report.passed
    assert report.tests[0].status == "failed"


@posix
def test_a_file_may_not_grow_past_its_limit(judged: Judged) -> None:
    report = judged(
        "with open('large', 'wb') as file:\n    file.write(bytes(200_000))\n" + RIGHT,
        file_bytes=100_000,
    )
    assert not report.passed
    assert "OSError" in report.reason
    assert "File too large" in report.reason


@posix
def test_memory_without_end_is_stopped(judged: Judged) -> None:
    report = judged(GROWS, memory_bytes=200_000_000)
    assert not report.passed
    assert report.reason == "stopped: it held more than 200 MB of memory"


@posix
def test_without_a_word_of_limits_some_memory_is_left_to_others(
    day: DayFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert 10_000_000 < (machine.memory() or 0) < 10**14
    monkeypatch.setattr(sys.modules["roadmap_log.runner.run"], "memory", lambda: 200_000_000)
    work = tmp_path / "work.py"
    work.write_text(GROWS)
    assert run(day, work).reason == "stopped: it held more than 150 MB of memory"


# --- ends of its own choosing -------------------------------------------------------------------


def test_leaving_at_import_is_no_pass(judged: Judged) -> None:
    report = judged(RIGHT + "import os\nos._exit(0)\n")
    assert not report.passed
    assert report.reason == "the program ended with status 0 before the tests were through"
    assert report.missing == TESTS


def test_leaving_in_a_test_is_no_pass_and_names_it(judged: Judged) -> None:
    report = judged("import os\n" + RIGHT.replace("return 2", "os._exit(0)"))
    assert not report.passed
    assert "ended in test_double with status 0" in report.reason
    assert report.missing == TESTS[1:]


@pytest.mark.parametrize("line", ["sys.exit(0)", "raise SystemExit", "raise KeyboardInterrupt"])
def test_an_exit_while_imported_is_named_with_its_line(judged: Judged, line: str) -> None:
    report = judged(f"import sys\n{line}\n{RIGHT}")
    assert not report.passed
    assert "work.py:2: the file ended the tests by itself: " in report.reason
    assert report.missing == TESTS


def test_an_exit_in_a_test_is_a_failure(judged: Judged) -> None:
    report = judged(RIGHT.replace("return 1", "raise SystemExit(0)"))
    assert not report.passed
    assert [outcome.status for outcome in report.tests] == ["failed", "passed", "passed"]
    assert report.tests[0].line == 2


@pytest.mark.parametrize("text", [WRONG, RIGHT], ids=["wrong", "right"])
def test_an_exit_handler_turns_no_verdict(judged: Judged, text: str) -> None:
    report = judged(f"import atexit, os\natexit.register(os._exit, 0)\n{text}")
    assert report.passed == (text == RIGHT)
    assert len(report.tests) == 3


@posix
def test_a_crash_is_named_by_its_signal(judged: Judged) -> None:
    crash = "os.kill(os.getpid(), signal.SIGSEGV)"
    report = judged("import os, signal\n" + RIGHT.replace("return 2", crash))
    assert not report.passed
    assert report.reason == "the program crashed in test_double (SIGSEGV)"


@posix
def test_closing_every_file_is_no_pass(judged: Judged) -> None:
    report = judged("import os\nos.closerange(3, 200)\n" + RIGHT, seconds=5)
    assert not report.passed
    assert report.missing == TESTS


# --- tampering ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        "pytest.skip('not today', allow_module_level=True)",
        "pytest.importorskip('no_such_module')",
        "__test__ = False",
        "import gc; [j._expected.clear() for j in gc.get_objects() if hasattr(j, '_expected')]",
    ],
)
def test_tests_that_never_run_are_missed(judged: Judged, line: str) -> None:
    report = judged(f"import pytest\n{line}\n{RIGHT}")
    assert not report.passed
    assert report.reason == "3 expected tests were never run, the first is test_answer"
    assert report.missing == TESTS


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ("pytestmark = pytest.mark.skip(reason='no')\n" + WRONG, "skipped"),
        ("pytestmark = pytest.mark.xfail(reason='no')\n" + WRONG, "xfailed"),
        ("pytestmark = pytest.mark.xfail(reason='no')\n" + RIGHT, "xfailed"),
        ("@pytest.fixture(autouse=True)\ndef skip(): pytest.skip('no')\n" + RIGHT, "skipped"),
    ],
    ids=["skip", "xfail wrong", "xfail right", "fixture"],
)
def test_marks_on_the_tests_count_as_no_pass(judged: Judged, lines: str, status: str) -> None:
    report = judged(f"import pytest\n{lines}")
    assert not report.passed
    assert {outcome.status for outcome in report.tests} == {status}
    assert report.reason.startswith(f"test_answer does not count: {status}")


@pytest.mark.parametrize(
    "lines",
    [
        "def pytest_pyfunc_call(pyfuncitem): return True",
        "open('conftest.py', 'w').write('def pytest_pyfunc_call(pyfuncitem): return True')",
        "def test_answer(): pass",
        "import json\nfor test in ('test_answer', 'test_double', 'test_names_given'):\n"
        "    print(json.dumps({'token': '', 'kind': 'test', 'id': test, 'status': 'passed'}))",
        "import json, pathlib\nwith pathlib.Path(__file__).parents[1].joinpath('records').open('a')"
        " as file:\n    file.write('{\"token\": 1}\\n[1]\\n\\xff\\n' + '[' * 99999 + '\\n')\n"
        "    file.write(json.dumps({'token': '', "
        "'kind': 'test', 'id': 'test_answer', 'status': 'passed', 'message': '', 'line': 1, "
        "'traceback': ''}) + '\\n')",
    ],
    ids=["hook", "conftest", "namesake", "printed results", "results without the token"],
)
def test_what_only_looks_like_a_judge_is_ignored(judged: Judged, lines: str) -> None:
    report = judged(f"{lines}\n{WRONG}")
    assert not report.passed
    assert [outcome.status for outcome in report.tests] == ["failed", "passed", "passed"]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("import builtins\nbuiltins.AssertionError = KeyError", "builtins.AssertionError"),
        ("import builtins\nbuiltins.callable = lambda _: True", "builtins.callable"),
        ("import pytest\npytest.raises = None", "pytest.raises"),
        ("import pytest\npytest.approx = lambda *_: None", "pytest.approx"),
        ("def callable(value): return True", "'callable'"),
        (
            "import pytest\npytest.Function.runtest = lambda self: None",
            "one that must fail did not",
        ),
        (
            "import pytest\n@pytest.fixture(autouse=True)\ndef emptied(request):\n"
            "    request.node.obj = lambda: None",
            "one that must fail did not",
        ),
        (
            "import pytest\n@pytest.fixture(autouse=True)\ndef swallows(request):\n"
            "    test = request.node.obj\n    def run():\n        try: test()\n"
            "        except AssertionError: pass\n    request.node.obj = run",
            "one that must fail did not",
        ),
    ],
    ids=[
        "AssertionError",
        "builtin",
        "raises",
        "approx",
        "hidden",
        "canary: runtest",
        "canary: fixture",
        "assertion errors swallowed",
    ],
)
def test_tampering_with_what_the_tests_rely_on_is_detected(
    judged: Judged, lines: str, said: str
) -> None:
    report = judged(f"{lines}\n{RIGHT}")
    assert not report.passed
    assert report.reason.startswith("the tests cannot be trusted: ")
    assert said in report.reason


@pytest.mark.parametrize(
    "lines",
    [
        "import math\nmath.isclose = lambda *_: True",
        "import sys\nsys.modules['math'] = fake",
    ],
    ids=["function", "module"],
)
def test_a_library_of_the_tests_is_guarded_too(tmp_path: Path, lines: str) -> None:
    path, work = tmp_path / "day01.py", tmp_path / "work.py"
    tests = "# TESTS\nimport math\ndef test_it(): assert math.isclose(answer(), 1)\n"
    path.write_text(day_source(1, "One").partition("# TESTS\n")[0] + tests)
    fake = "class fake:\n    isclose = lambda *_: True\n"
    work.write_text(f"{fake}{lines}\n{WRONG}")
    report = run(parse(path), work)
    assert not report.passed
    assert report.reason.startswith("the tests cannot be trusted: ")
    assert "math" in report.reason


_FORGED = """\
import gc, os
for records in gc.get_objects():
    if type(records).__name__ == "Records":
        empty = {"message": "", "line": None, "traceback": ""}
        for test in ("test_answer", "test_double", "test_names_given"):
            records.write("test", id=test, status="passed", **empty)
        records.write("test", id="roadmap_canary", status="failed", **empty)
        records.write("finish", guard=None, versions={})
        os._exit(0)
"""


@pytest.mark.parametrize(
    "text",
    [
        _FORGED + WRONG,
        "class Any(int):\n    def __eq__(self, other): return True\n"
        "def answer(): return Any()\ndef double(): return Any()\n",
        "import pytest\n@pytest.fixture(autouse=True)\ndef emptied(request):\n"
        "    if request.node.name.startswith('test'): request.node.obj = lambda: None\n" + WRONG,
    ],
    ids=["forged records", "equal to all", "spares the canary"],
)
def test_who_sets_out_to_deceive_it_can(judged: Judged, text: str) -> None:
    """What the runner does not do: it guards against accidents and shortcuts, not against intent.

    The learner's code runs in the process that judges it. Should one of these be detected one
    day, move it to the tests above.
    """
    assert judged(text).passed
