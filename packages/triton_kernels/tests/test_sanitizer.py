"""What the sanitizer's program takes for a race; the program itself needs a GPU."""

import ast
import importlib.util
import os
import signal
import threading
from pathlib import Path

import pytest
from triton_kernels import _compat

spec = importlib.util.spec_from_file_location("sanitizer", Path(__file__).parent / "sanitizer.py")
sanitizer = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sanitizer)

ROOM = Path(_compat.__file__).parent / "ops/attention/hopper_narrow.py"
TEXT = ROOM.read_text().splitlines()
DEF = next(i for i, x in enumerate(TEXT, 1) if x.startswith("def backward("))
CALL = next(i for i, x in enumerate(TEXT, 1) if x.strip() == "gl.warp_specialize(")
STORE = next(i for i, x in enumerate(TEXT, 1) if ".store(ds)" in x)
FORWARD = (ROOM.parent / "hopper_attend.py").read_text().splitlines()
BRANCH = next(i for i, x in enumerate(FORWARD, 1) if x == "    if PARTIES == 2:")
PACKED = next(i for i, x in enumerate(FORWARD, 1) if x == "    if PACKED:")


LATENTS = (ROOM.parent / "hopper_latent_many.py").read_text().splitlines()
LEFT, FOUND, TOTALS, WEIGHTS = (
    next(i for i, x in enumerate(LATENTS, 1) if text in x)
    for text in (".store(fade)", ".load(IN_WARP)", "totals.load(", ".store(weights")
)


def of_latents(*lines, **other):
    return report(*lines, **{"kernel": "share", "name": "hopper_latent_many.py", **other})


def of_the_forward(*lines):
    return report(*lines, kernel="forward", name="hopper_attend.py")


def report(*lines, kernel="backward", name="hopper_narrow.py", errors=1):
    read, *writes = (f"access at {kernel}+0x120 in {name}:{line}" for line in lines)
    text = [f"========= Error: Race reported between Read {read}"]
    text += [f"=========     and Write {write} [8 hazards]" for write in writes]
    summary = f"RACECHECK SUMMARY: {errors} hazards displayed ({errors} errors, 0 warnings)"
    return "\n".join([*text, "========= ", f"========= {summary}"])


@pytest.mark.parametrize(
    ("said", "clean"),
    [
        ("========= RACECHECK SUMMARY: 0 hazards displayed (0 errors, 0 warnings)", True),
        ("========= ERROR SUMMARY: 0 errors", True),
        ("========= ERROR SUMMARY: 2 errors", False),
        (report(DEF, DEF, CALL), True),
        (report(DEF, CALL, STORE), False),
        (report(STORE, STORE), False),
        (report(DEF, CALL, errors=2), False),
        (report(DEF), False),
        (report(DEF, CALL, kernel="_multiply"), False),
        (report(DEF, CALL, name="hopper_wide.py"), False),
        (report(DEF, CALL).replace("0 warnings", "1 warnings"), False),
        (of_the_forward(BRANCH, BRANCH + 1, BRANCH), True),
        (of_the_forward(BRANCH, PACKED), False),
        (of_the_forward(BRANCH, BRANCH - 1), False),
        (of_latents(LEFT, FOUND), True),
        (of_latents(FOUND, LEFT, LEFT), True),
        (of_latents(LEFT), False),
        (of_latents(LEFT, TOTALS), False),
        (of_latents(LEFT, WEIGHTS), False),
        (of_latents(WEIGHTS, WEIGHTS), False),
        (of_latents(LEFT, FOUND, kernel="backward"), False),
        (of_latents(LEFT, FOUND, name="hopper_latent_few.py"), False),
    ],
)
def test_only_what_is_no_race_is_passed_over(said, clean):
    assert sanitizer.is_clean(said) is clean


def test_a_condition_that_may_race_itself_is_reported():
    text = """def kernel(x):
    if BIAS:
        y = x.load(layout)
    if x.load(layout) == 2:
        gl.warp_specialize([])
    if PARTIES == 2 and PACKED:
        gl.warp_specialize([])
"""
    assert sorted(sanitizer._sends_warps(ast.parse(text).body[0].body)) == [5, 6, 7]


@pytest.fixture
def child(tmp_path):
    """A command whose child says into a pipe that it survived, and what the pipe has got."""
    os.mkfifo(tmp_path / "pipe")
    reading = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)

    def got():
        os.set_blocking(reading, True)
        return os.read(reading, 99)

    yield ["sh", "-c", f"(sleep 2; echo survived) > {tmp_path}/pipe & wait"], got
    os.close(reading)


def test_a_run_too_long_is_ended_with_its_children(child):
    command, got = child
    assert sanitizer.Groups().run(command, 0.5)[0] is None
    assert got() == b""


def test_a_signal_ends_what_runs_and_no_more_is_started(child):
    command, got = child
    groups = sanitizer.Groups()
    before = signal.signal(signal.SIGTERM, groups.end)
    try:
        threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGTERM)).start()
        with pytest.raises(SystemExit):
            groups.run(command, 60)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert got() == b""
    with pytest.raises(SystemExit):
        groups.run(["true"], 60)


def test_what_a_run_returns_and_says():
    assert sanitizer.Groups().run(["sh", "-c", "echo a; echo b >&2; exit 9"], 60) == (9, "a\nb\n")
