"""What the sanitizer's program takes for a race; the program itself needs a GPU."""

import ast
import importlib.util
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
    ],
)
def test_only_the_compilers_words_are_passed_over(said, clean):
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
