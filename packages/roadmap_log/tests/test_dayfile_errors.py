"""Every malformed day is refused: where it breaks the format, how, and what belongs there."""

from pathlib import Path

import pytest
from roadmap_log.dayfile import DayFileError, parse, read
from sample import day_source

DAY = day_source(1, "One")
ONE = "    # SOLUTION\n    result = 1\n"
WRONG = "    # MUTANT: result = 1 + 1\n"


def refused(path: Path, source: str | bytes) -> DayFileError:
    """The error that `source`, as the file `path`, ends in; complete by itself."""
    path.write_bytes(source.encode() if isinstance(source, str) else source)
    with pytest.raises(DayFileError) as caught:
        parse(path)
    error = caught.value
    assert error.problem.startswith(f"{path}:{error.line}: ")
    assert error.path == path
    assert error.expected or error.fix
    return error


def test_the_day_that_is_broken_below_is_good(tmp_path: Path) -> None:
    path = tmp_path / "day01.py"
    path.write_text(DAY)
    assert parse(path).title == "One"


# old, new, a text on the line that is blamed (its first occurrence), problem, expected
HEAD = {
    "no docstring": ('"""\nDay', 'x = """\nDay', 'x = """', "no docstring", "Day NN: title"),
    "title": ("Day 01: One", "Today: One", "Today", "begins with 'Today: One'", "Day NN: title"),
    "empty title": ("Day 01: One", "Day 01:", "Day 01:", "begins with 'Day 01:'", "Day NN: title"),
    "other day": ("Day 01: One", "Day 02: One", '"""', "says day 2", "day 1, as the file's name"),
    "no time": ("Estimated time: 10-20 minutes\n", "", '"""', '"Estimated time"', "Estimated time"),
    "empty time": ("time: 10-20 minutes", "time:", "Estimated", '"Estimated time"', "time: …"),
    "vague time": ("10-20 minutes", "a while", "a while", "'a while' cannot", "45-60 minutes"),
    "other unit": ("10-20 minutes", "2 days", "2 days", "'2 days' cannot", "1-2 hours"),
    "backwards": ("10-20 minutes", "20-10 minutes", "20-10", "is no range", "the shorter time"),
    "no minutes": ("10-20 minutes", "0 minutes", "0 min", "is no range", "above zero"),
    "two times": (
        "\nPre",
        "\nEstimated time: 1 hour\nPre",
        "time: 1 hour",
        "stands twice",
        "one such",
    ),
    "no before": ("Prerequisites: nothing\n", "", '"""', '"Prerequisites"', "Prerequisites: …"),
    "no aims": ("Learning objectives:", "Aims:", '"""', 'no "Learning objectives:"', "Background:"),
    "no background": ("Background:", "Backdrop:", '"""', 'no "Background:"', "Background:"),
    "no hints": ("Hints:\n", "", '"""', 'no "Hints:"', "Hints:"),
    "empty aims": ("- return a number\n", "", "Learning", '"Learning objectives:" is empty', ""),
    "empty background": ("A number is returned.\n", "", "Background:", "is empty", ""),
    "two hints": (
        "Hints:",
        "Hints:\n- one\n\nHints: ",
        "Hints: ",
        '"Hints:" stands twice',
        "one such",
    ),
    "requires": (
        "\nPre",
        "\nRequires: gpu | tpu\nPre",
        "Requires",
        "'tpu' is unknown",
        "Requires: gpu",
    ),
    "requires what": ("\nPre", "\nRequires:\nPre", "Requires", 'no "Requires"', "Requires: …"),
}

MARKERS = {
    "not closed": (
        "    # END SOLUTION\n\n\n# TESTS",
        "\n\n# TESTS",
        "    # SOLUTION\n    result = 2 *",
        "the solution is not closed",
        "# END SOLUTION",
    ),
    "nested": (ONE, ONE + "    # SOLUTION\n", "    # SOLUTION", "begins inside the one", "# END"),
    "not closed before the next": (
        "    return result\n    # END SOLUTION\n\n\n# Exercise 2",
        "    return result\n\n\n# Exercise 2",
        "# Exercise 2",
        "stands inside a solution",
        'above "# SOLUTION"',
    ),
    "end alone": (
        ONE,
        "    # END SOLUTION\n    result = 1\n",
        "    # END SOLUTION",
        '"# END SOLUTION" without "# SOLUTION"',
        '"# SOLUTION" above',
    ),
    "mutant of nothing": (
        ONE + WRONG,
        "    # SOLUTION\n" + WRONG + "    result = 1\n",
        "# MUTANT",
        "no statement stands before this mutant",
        "right below the statement",
    ),
    "mutant in another column": (
        WRONG,
        "        # MUTANT: result = 2\n",
        "# MUTANT",
        "in its column",
        "equally indented",
    ),
    "mutant outside": (
        "# Exercise 2",
        "# MUTANT: x\n# Exercise 2",
        "# MUTANT: x",
        "stands outside a solution",
        "between",
    ),
    "skeleton outside": (
        "# Exercise 2",
        "# SKELETON: x\n# Exercise 2",
        "# SKELETON: x",
        "stands outside a solution",
        "between",
    ),
    "mutant that goes on from nothing": (
        WRONG,
        "    # MUTANT| result = 2\n",
        "# MUTANT|",
        "continues nothing",
        "# MUTANT:",
    ),
    "mutant that goes on after a gap": (
        WRONG,
        WRONG + "\n    # MUTANT| pass\n",
        "# MUTANT|",
        "continues nothing",
        "# MUTANT:",
    ),
    "mutant of a crowded line": (
        "    result = 1\n",
        "    result = 1; other = 2\n",
        "# MUTANT",
        "shares its line",
        "one statement a line",
    ),
    "mutant that is right": (WRONG, "    # MUTANT: result=1\n", "# MUTANT", "equals the", "wrong"),
    "mutant that is empty": (WRONG, "    # MUTANT: # 2\n", "# MUTANT", "no statement", "pass"),
    "mutant without code": (WRONG, "    # MUTANT:\n", "# MUTANT", "is not a marker", "# MUTANT:"),
    "mutant that is no Python": (
        WRONG,
        "    # MUTANT: result = = 1\n",
        "# MUTANT",
        "the mutant is not Python",
        "whole statements",
    ),
    "mutant that breaks further down": (
        WRONG,
        "    # MUTANT: if result:\n    # MUTANT|     result = = 2\n",
        "# MUTANT|",
        "the mutant is not Python",
        "# MUTANT| code",
    ),
    "mutant behind code": (
        "result = 1\n",
        "result = 1  # MUTANT: result = 2\n",
        "result = 1  #",
        "stands behind code",
        "on its own line",
    ),
    "solution without code": (
        "    return result\n    # END SOLUTION\n\n\n# Exercise 2",
        "    return result\n    # END SOLUTION\n    # SOLUTION\n    # END SOLUTION\n\n# Exercise 2",
        "    # SOLUTION\n    # END",
        "holds no whole statement",
        "code",
    ),
    "solution in a statement": (
        "    result = 1\n",
        "    result = (\n        # END SOLUTION\n        1\n    )\n",
        "        # END SOLUTION",
        "cuts a statement in two",
        "",
    ),
    "solution over two blocks": (
        ONE,
        "    if True:\n        pass\n        # SOLUTION\n        result = 0\n    result = 1\n",
        "# SOLUTION",
        "reaches over the end of a block",
        "same function body",
    ),
    "solution outside a function": (
        "# TESTS",
        "# SOLUTION\nX = 1\n# END SOLUTION\n# TESTS",
        "# SOLUTION\nX",
        "outside a function",
        "# SKELETON: …",
    ),
    "skeleton that is no Python": (
        ONE,
        ONE + "    # SKELETON: result = = 1\n",
        "# SKELETON",
        "the skeleton is not valid Python at 'result = = 1'",
        "",
    ),
    "nearly": ("    # SOLUTION\n", "    #SOLUTION\n", "#SOLUTION", "is not a marker", "# SOLUTION"),
    "nearly the end": (
        "# END SOLUTION",
        "# END_SOLUTION",
        "END_SOL",
        "is not a marker",
        "# END SOL",
    ),
    "nearly a hint": ("# HINT: return", "# HINT return", "# HINT r", "is not a", "# HINT: text"),
    "nearly an exercise": (
        "# Exercise 1: ",
        "# Exercise 1 ",
        "# Exercise 1 ",
        "is not a marker",
        "# Exercise N: title",
    ),
}

SHAPE = {
    "no tests": ("# TESTS\n", "", "print(", 'no line "# TESTS"', "between the exercises"),
    "two tests": (
        "def test_double",
        "# TESTS\ndef test_double",
        "# TESTS\ndef test_double",
        '"# TESTS" stands twice',
        "once",
    ),
    "tests within a block": (
        "    return result\n    # END SOLUTION\n\n\n# TESTS",
        "    return result\n    # END SOLUTION\n    # TESTS",
        "    # TESTS",
        'no line "# TESTS" in column 0',
        "between",
    ),
    "no test": ("def test_", "def check_", "# TESTS", "no test stands below", "def test_"),
    "test twice": ("test_double", "test_answer", "# TESTS", "two tests are named test_answer", ""),
    "solution in the tests": (
        "    assert answer()",
        "    # SOLUTION\n    assert answer()",
        "    # SOLUTION\n    assert",
        'stands below "# TESTS"',
        "",
    ),
    "no exercise": (
        DAY[DAY.index("# Exercise 1") : DAY.index("# TESTS")],
        "",
        '"""',
        "the file has no exercise",
        "# Exercise 1: title",
    ),
    "before the exercises": (
        "# Exercise 1",
        "# TODO: now\n# Exercise 1",
        "# TODO: now",
        "before the first exercise",
        "# Exercise 1",
    ),
    "out of order": ("# Exercise 2", "# Exercise 3", "# Exercise 3", "exercise 3 follows 1", "2"),
    "no TODO": ("    # TODO: return it\n", "", "# Exercise 1", 'has no "# TODO: text"', "one"),
    "no solution": (
        ONE + WRONG + "    return result\n    # END SOLUTION\n",
        "    pass\n",
        "# Exercise 1",
        'exercise 1 has no "# SOLUTION"',
        "one",
    ),
    "syntax above": ("result = 1\n", "result = = 1\n", "= = 1", "not valid Python", ""),
    "return outside": ("# TESTS", "return\n# TESTS", "return\n#", "'return' outside", ""),
    "syntax in the tests": (
        "    assert answer",
        "  assert (",
        "  assert (",
        "not valid Python",
        "",
    ),
}


@pytest.mark.parametrize(
    ("old", "new", "blamed", "problem", "expected"),
    [
        pytest.param(*case, id=name)
        for cases in (HEAD, MARKERS, SHAPE)
        for name, case in cases.items()
    ],
)
def test_a_broken_day_is_refused(
    tmp_path: Path, old: str, new: str, blamed: str, problem: str, expected: str
) -> None:
    assert old in DAY
    source = DAY.replace(old, new)
    error = refused(tmp_path / "day01.py", source)
    assert problem in error.problem
    assert expected in (error.expected or "")
    allowed = places(source, blamed)
    assert error.line in allowed, f"line {error.line}, not {allowed}: {error.problem}"


def places(source: str, text: str) -> list[int]:
    """Lines on which `text` begins."""
    parts = source.split(text)
    return [text.join(parts[:n]).count("\n") + 1 for n in range(1, len(parts))]


@pytest.mark.parametrize(
    ("content", "line", "problem"),
    [
        pytest.param(b"", 1, "the file is empty", id="empty"),
        pytest.param(b"\xef\xbb\xbf \n\n", 1, "the file is empty", id="blank"),
        pytest.param(
            DAY.encode() + b"\n# \xe9t\xe9\n", DAY.count("\n") + 2, "byte 0xe9 is not UTF-8"
        ),
        pytest.param(DAY.encode("utf-16"), 1, "byte 0xff is not UTF-8", id="utf-16"),
        pytest.param(b'"""\n\0\n"""\n', 2, "binary (a zero byte)", id="zero"),
        pytest.param(b"#" * 1_000_001, 1, "the file has 1.0 MB", id="huge"),
        pytest.param(b"x = " + b"(" * 5000, 1, "", id="deep"),
    ],
)
def test_what_is_no_python_text_is_refused(
    tmp_path: Path, content: bytes, line: int, problem: str
) -> None:
    error = refused(tmp_path / "day01.py", content)
    assert error.line == line
    assert problem in error.problem


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    for path, problem in (
        (tmp_path / "day01.py", "there is no such file"),
        (tmp_path, "is not a regular file"),
    ):
        with pytest.raises(DayFileError, match=problem) as caught:
            read(path)
        assert caught.value.expected == "a Python file"
        assert caught.value.exit_code == 4
