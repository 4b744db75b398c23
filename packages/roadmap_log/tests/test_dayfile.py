"""A good day: what is read from it, and the files that are made of it."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from roadmap_log.dayfile import DayFile, combine, parse, read, split_upper

DAY = '''\
"""
Day 07: Sums and shares
=======================
Estimated time: 1.5-2 hours
Prerequisites: Day 06, or school
Requires: gpu | interpreter

Learning objectives:
- add numbers up
- divide by the sum, and know
  what becomes of zero

Background:
A share is a part of the whole:

    s = x / sum(x)

# TESTS
Hints:
- try it by hand
"""

LATER = """
# SOLUTION
# Exercise 9: not one
# TESTS
"""


# Exercise 1: the total
def total(numbers):
    """Sum of the numbers; the text "# END SOLUTION" ends nothing."""
    # TODO: add them up,
    #   the negative ones left out
    # HINT: a loop
    # HINT: begin at zero,
    #   go on with +=
    # HINT: skip what is below zero
    # SOLUTION
    whole = 0
    # MUTANT: whole = 1
    for number in numbers:
        if number >= 0:
            whole += number
            # MUTANT: whole -= number
            # MUTANT: if number:
            # MUTANT|     whole = number
        # MUTANT: whole += number
    # MUTANT: whole = len(numbers)
    return whole
    # END SOLUTION


# Exercise 2: the shares
PRECISION = 3  # not to be found


def shares(
    numbers,
):
    whole = total(numbers)
    # TODO: divide each by the whole
    # HINT: a list comprehension
    # SOLUTION
    rounded = [
        round(number / whole, PRECISION)
        for number in numbers  # a comment on the way
    ]
    # MUTANT: rounded = [
    # MUTANT|     number
    # MUTANT|
    # MUTANT|     for number in numbers
    # MUTANT| ]
    return rounded
    # END SOLUTION


# Exercise 3: a constant of "your" own
# TODO: find the number
# SOLUTION
EPSILON = 0.001
# SKELETON: EPSILON = None
# MUTANT: EPSILON = 0.1
# END SOLUTION


class Table:
    """Rows."""

    # SOLUTION
    width = 4  # SKELETON: width = ...
    # END SOLUTION


# TESTS
import pytest


def helper():
    return 1


@pytest.mark.parametrize("n", [1, 2])
def test_total(n):
    assert total([n, -1]) == n


class TestShares:
    def test_half(self):
        assert shares([1, 1]) == [0.5, 0.5]

    def test_names_given(self):
        assert callable(shares)

    def helper(self):
        return 2


async def test_table_given():
    assert Table


if __name__ == "__main__":
    print(total([1, 2]))
'''

KERNEL = '''\
"""
Day 01: A kernel
Estimated time: 45 minutes
Prerequisites: none
Learning objectives:
- write one
Background:
None.
Hints:
- none
"""
{imports}


# Exercise 1: add
{decorator}
def kernel(x):
    # TODO: add
    # SOLUTION
    y = x + 1
    # END SOLUTION


# TESTS
def test_kernel(): ...
'''


def written(folder: Path, source: str, name: str = "day07.py") -> Path:
    path = folder / name
    path.write_bytes(source.encode())
    return path


@pytest.fixture
def day(tmp_path: Path) -> DayFile:
    return parse(written(tmp_path, DAY))


def test_the_docstring_is_read(day: DayFile) -> None:
    assert (day.number, day.title) == (7, "Sums and shares")
    assert (day.estimated_time, day.minutes) == ("1.5-2 hours", (90, 120))
    assert day.prerequisites == "Day 06, or school"
    assert day.objectives == ("add numbers up", "divide by the sum, and know what becomes of zero")
    assert day.background == "A share is a part of the whole:\n\n    s = x / sum(x)\n\n# TESTS"
    assert day.hints == ("try it by hand",)
    assert day.requires == ("gpu", "interpreter")


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("1 hour", (60, 60)),
        ("1-2 hours", (60, 120)),
        ("1.5 hours", (90, 90)),
        ("1 – 2.5 hours", (60, 150)),
        ("45-60 minutes", (45, 60)),
    ],
)
def test_estimated_times(tmp_path: Path, text: str, minutes: tuple[int, int]) -> None:
    path = written(tmp_path, DAY.replace("1.5-2 hours", text))
    assert parse(path).minutes == minutes


def test_a_day_that_requires_nothing(tmp_path: Path) -> None:
    path = written(tmp_path, DAY.replace("Requires: gpu | interpreter\n", ""))
    assert parse(path).requires == ()


def test_the_exercises_are_read(day: DayFile) -> None:
    one, two, three = day.exercises
    assert [e.number for e in day.exercises] == [1, 2, 3]
    assert [e.title for e in day.exercises] == [
        "the total",
        "the shares",
        'a constant of "your" own',
    ]
    assert [e.function for e in day.exercises] == ["total", "PRECISION, shares", "EPSILON, Table"]
    assert one.todo == "add them up, the negative ones left out"
    assert one.hints == ("a loop", "begin at zero, go on with +=", "skip what is below zero")
    assert two.hints == ("a list comprehension",)
    assert three.hints == ()
    lines = DAY.split("\n")
    assert [lines[e.lines[0] - 1] for e in day.exercises] == [
        "# Exercise 1: the total",
        "# Exercise 2: the shares",
        '# Exercise 3: a constant of "your" own',
    ]
    assert lines[three.lines[1]] == "# TESTS"


def test_the_tests_are_listed_as_pytest_would(day: DayFile) -> None:
    half, names = "TestShares::test_half", "TestShares::test_names_given"
    assert day.test_ids == ("test_total", half, names, "test_table_given")
    assert day.given == {names, "test_table_given"}
    assert day.tests_source.startswith("# TESTS\nimport pytest\n")
    assert day.upper + day.tests_source == day.source == DAY


def test_skeleton(day: DayFile) -> None:
    skeleton = day.skeleton()
    lines = skeleton.split("\n")
    assert ast.get_docstring(ast.parse(skeleton)) == ast.get_docstring(ast.parse(DAY))
    assert '    """Sum of the numbers; the text "# END SOLUTION" ends nothing."""' in lines
    todo = lines.index("    # TODO: add them up,")
    assert lines[todo + 1 : todo + 4] == [
        "    #   the negative ones left out",
        "    # HINT: a loop",
        '    raise NotImplementedError("Exercise 1: the total")',
    ]
    assert '    raise NotImplementedError("Exercise 2: the shares")' in lines
    assert "    whole = total(numbers)" in lines
    for gone in ("begin at zero", "go on with", "MUTANT", "SKELETON", "rounded", "whole +="):
        assert gone not in skeleton
    assert skeleton.endswith(DAY[DAY.index("# TESTS\nimport pytest") :])
    assert 'if __name__ == "__main__":' in skeleton


def test_skeleton_lines_take_the_place_of_a_solution(day: DayFile) -> None:
    skeleton = day.skeleton().split("\n")
    assert "EPSILON = None" in skeleton
    assert "    width = ..." in skeleton
    assert "0.001" not in day.skeleton()
    solved = day.solution().split("\n")
    assert "EPSILON = 0.001" in solved
    assert "    width = 4" in solved


def test_the_skeleton_can_be_imported_and_refuses(day: DayFile) -> None:
    names: dict[str, object] = {"__name__": "day07"}
    exec(compile(day.skeleton(), "day07.py", "exec"), names)
    total, table = names["total"], names["Table"]
    assert callable(total)
    with pytest.raises(NotImplementedError, match=r"^Exercise 1: the total$"):
        total([1])
    assert names["EPSILON"] is None
    assert table.width is ...  # type: ignore[attr-defined]


def test_a_title_with_quotes_still_makes_python(tmp_path: Path) -> None:
    path = written(tmp_path, DAY.replace("the total", 'the "total" of C:\\new'))
    names: dict[str, object] = {"__name__": "day07"}
    exec(compile(parse(path).skeleton(), "day07.py", "exec"), names)
    total = names["total"]
    assert callable(total)
    with pytest.raises(NotImplementedError) as refused:
        total([1])
    assert str(refused.value) == "Exercise 1: the 'total' of C:\\new"


def test_the_solution_is_the_file_without_the_authors_marks(day: DayFile) -> None:
    solution = day.solution()
    expected = DAY.replace("width = 4  # SKELETON: width = ...", "width = 4")
    for line in DAY.split("\n"):
        if line.strip().startswith(("# MUTANT", "# SKELETON")) or line.strip() == "# END SOLUTION":
            expected = expected.replace(line + "\n", "", 1)
    expected = expected.replace("    # SOLUTION\n", "").replace("number\n# SOLUTION\n", "number\n")
    for hint in (
        "    # HINT: begin at zero,\n    #   go on with +=\n",
        "    # HINT: skip what is below zero\n",
    ):
        expected = expected.replace(hint, "")
    assert solution == expected


def test_the_solution_of_one_exercise(day: DayFile) -> None:
    two = day.solution(2)
    assert two.startswith("# Exercise 2: the shares\nPRECISION = 3  # not to be found\n")
    assert two.endswith("    return rounded\n")
    assert "    # TODO: divide each by the whole\n" in two
    assert "SOLUTION" not in two
    with pytest.raises(KeyError):
        day.solution(4)


def test_a_variant_opens_only_what_is_asked(day: DayFile) -> None:
    variant = day.variant(open_exercises=[2])
    assert 'NotImplementedError("Exercise 2: the shares")' in variant
    assert "whole += number" in variant
    assert "EPSILON = 0.001" in variant
    assert day.variant(open_exercises=[1, 2, 3]) == day.skeleton()
    assert day.variant(open_exercises=[]) == day.solution()


REPLACED = {
    "whole = 1": "    whole = 0\n",
    "whole -= number": "            whole += number\n",
    "if number:\n    whole = number": "            whole += number\n",
    "whole += number": "        if number >= 0:\n            whole += number\n",
    "whole = len(numbers)": "    for number in numbers:\n        if number >= 0:\n"
    "            whole += number\n",
    "rounded = [\n    number\n\n    for number in numbers\n]": "    rounded = [\n"
    "        round(number / whole, PRECISION)\n"
    "        for number in numbers  # a comment on the way\n    ]\n",
    "EPSILON = 0.1": "EPSILON = 0.001\n",
}


def test_every_mutant_replaces_the_statement_before_it(day: DayFile) -> None:
    mutants = day.mutants()
    assert [m.code for m in mutants] == list(REPLACED)
    assert [m.exercise for m in mutants] == [1, 1, 1, 1, 1, 2, 3]
    solution = day.solution()
    for mutant in mutants:
        was = REPLACED[mutant.code]
        assert solution.count(was) == 1
        indent = was[: len(was) - len(was.lstrip())]
        becomes = "".join(
            indent + line + "\n" if line else "\n" for line in mutant.code.split("\n")
        )
        assert mutant.source == solution.replace(was, becomes)
        assert ast.dump(ast.parse(mutant.source)) != ast.dump(ast.parse(solution))
        marker = DAY.split("\n")[mutant.line - 1].strip()
        assert marker == "# MUTANT: " + mutant.code.split("\n")[0]


@pytest.mark.parametrize(
    ("imports", "decorator", "refusal"),
    [
        ("import triton\nimport triton.language as tl", "@triton.jit", "tl.static_assert(False, "),
        (
            "import triton\nimport triton.language",
            "@triton.jit",
            "triton.language.static_assert(False, ",
        ),
        ("from triton import jit, language as T", "@jit", "T.static_assert(False, "),
        ("import triton", "@triton.jit(debug=True)", "tl.static_assert(False, "),
        ("import triton", "@triton.autotune([], key=[])\n@triton.jit", "tl.static_assert(False, "),
        (
            "from triton.experimental import gluon\nfrom triton.experimental.gluon import "
            "language as gl",
            "@gluon.jit",
            "gl.static_assert(False, ",
        ),
        ("from numba import jit", "@jit", "raise NotImplementedError("),
        ("import numba", "@numba.jit", "raise NotImplementedError("),
    ],
)
def test_a_kernel_refuses_in_its_own_language(
    tmp_path: Path, imports: str, decorator: str, refusal: str
) -> None:
    source = KERNEL.format(imports=imports, decorator=decorator)
    skeleton = parse(written(tmp_path, source, "day01.py")).skeleton()
    assert f'    # TODO: add\n    {refusal}"Exercise 1: add")\n' in skeleton


def test_only_the_function_that_holds_the_solution_decides_its_refusal(tmp_path: Path) -> None:
    decorator = "@triton.jit\ndef other(x):\n    pass\n\n\n@property"
    source = KERNEL.format(imports="import triton", decorator=decorator)
    skeleton = parse(written(tmp_path, source, "day01.py")).skeleton()
    assert '    raise NotImplementedError("Exercise 1: add")\n' in skeleton


def test_a_solution_in_a_branch_leaves_the_rest_standing(tmp_path: Path) -> None:
    source = DAY.replace(
        "    # SOLUTION\n    whole = 0\n", "    whole = 0\n    if numbers:\n        pass\n"
    )
    source = source.replace(
        "        if number >= 0:\n            whole += number\n",
        "        if number >= 0:\n            # SOLUTION\n            whole += number\n",
    )
    start = source.index("            # MUTANT: whole -= number")
    stop = source.index("    return whole\n    # END SOLUTION")
    source = source[:start] + "            # END SOLUTION\n" + source[stop:]
    source = source.replace("    # MUTANT: whole = 1\n", "")
    source = source.replace("    return whole\n    # END SOLUTION\n", "    return whole\n")
    skeleton = parse(written(tmp_path, source)).skeleton()
    assert (
        "        if number >= 0:\n"
        '            raise NotImplementedError("Exercise 1: the total")\n'
        "    return whole\n"
    ) in skeleton


def test_a_mutant_below_an_elif_replaces_the_whole_chain(tmp_path: Path) -> None:
    chain = "    if whole:\n        pass\n    elif numbers:\n        whole = 2\n"
    source = DAY.replace("    return whole\n", chain + "    # MUTANT: pass\n    return whole\n")
    day = parse(written(tmp_path, source))
    mutant = next(m for m in day.mutants() if m.code == "pass")
    assert mutant.source == day.solution().replace(chain, "    pass\n")


def test_comments_elsewhere_are_no_part_of_a_todo(tmp_path: Path) -> None:
    source = DAY.replace(
        "    # HINT: a list", "    #  and more\n\n    #   no more\n    # HINT: a list"
    )
    two = parse(written(tmp_path, source)).exercises[1]
    assert (two.todo, two.hints) == ("divide each by the whole and more", ("a list comprehension",))


@pytest.mark.parametrize(
    "encoded",
    [
        pytest.param(DAY.replace("\n", "\r\n").encode(), id="crlf"),
        pytest.param(DAY.replace("\n", "\r").encode(), id="cr"),
        pytest.param(b"\xef\xbb\xbf" + DAY.encode(), id="bom"),
        pytest.param(b"\xef\xbb\xbf" + DAY.replace("\n", "\r\n").encode(), id="both"),
    ],
)
def test_line_ends_and_byte_order_mark_make_no_difference(
    tmp_path: Path, day: DayFile, encoded: bytes
) -> None:
    path = tmp_path / "day07.py"
    path.write_bytes(encoded)
    assert read(path) == DAY
    assert parse(path) == day


def test_a_day_indented_with_tabs(tmp_path: Path, day: DayFile) -> None:
    def tabs(blanks: re.Match[str]) -> str:
        return "\t" * (len(blanks[0]) // 4)

    head, code = DAY.split("LATER", 1)
    tabbed = parse(written(tmp_path, head + "LATER" + re.sub("^( {4})+", tabs, code, flags=re.M)))
    assert '\traise NotImplementedError("Exercise 1: the total")\n' in tabbed.skeleton()
    assert [m.source.split("LATER")[1].expandtabs(4) for m in tabbed.mutants()] == [
        m.source.split("LATER")[1] for m in day.mutants()
    ]
    for mutant in tabbed.mutants():
        ast.parse(mutant.source)


def test_combine_puts_the_days_own_tests_below_the_learners_part(day: DayFile) -> None:
    work = "def total(numbers):\n    return sum(numbers)\n\n\n# TESTS\ndef test_total(): pass\n"
    combined = combine(split_upper(work), day)
    assert combined == work.split("# TESTS")[0] + day.tests_source
    assert "def test_total(): pass" not in combined


@pytest.mark.parametrize(
    "work",
    [
        pytest.param("x = 1\ny = 2\n\n", id="tests removed"),
        pytest.param("x = 1\ny = 2", id="no line end"),
        pytest.param("x = 1\ny = 2\n# TESTS\n", id="tests emptied"),
        pytest.param("x = 1\ny = 2\n# TESTS   \ndef broken(:\n", id="tests broken"),
        pytest.param("x = 1\r\ny = 2\r\n# TESTS\r\nz\r\n", id="crlf"),
        pytest.param("\ufeffx = 1\ny = 2\n# TESTS\n", id="bom"),
    ],
)
def test_lines_of_the_upper_part_keep_their_place(day: DayFile, work: str) -> None:
    combined = combine(split_upper(work), day).split("\n")
    assert combined[:2] == ["x = 1", "y = 2"]
    assert combined.count("# TESTS") == day.tests_source.split("\n").count("# TESTS")
    assert "\n".join(combined).endswith("\n" + day.tests_source)


@pytest.mark.parametrize("draft", ["x = (\n", 'x = """\n', "def f():\n        a\n    b\n"])
def test_an_unfinished_draft_is_still_cut_at_its_tests(draft: str) -> None:
    assert split_upper(draft + "# TESTS\ndef test_x(): ...\n") == draft


def test_markers_within_strings_or_indented_split_nothing() -> None:
    work = 's = """\n# TESTS\n"""\nif s:\n    # TESTS\n    pass\n'
    assert split_upper(work) == work
    assert split_upper(work + "# TESTS\n") == work
    assert split_upper("") == ""


def test_the_task_is_markdown(day: DayFile) -> None:
    task = day.task_markdown()
    assert task.startswith("# Day 07: Sums and shares\n\nEstimated time: 1.5-2 hours  \n")
    assert "Prerequisites: Day 06, or school  \nRequires: gpu or interpreter\n" in task
    assert "## Background\n\nA share is a part of the whole:\n" in task
    assert "1. **the total** (`total`): add them up, the negative ones left out\n" in task
    assert "- divide by the sum, and know what becomes of zero\n" in task
    assert "return whole" not in task


def test_solution_passes_and_skeleton_fails_under_pytest(tmp_path: Path, day: DayFile) -> None:
    outcomes = {}
    for name, source in (("solved", day.solution()), ("open", day.skeleton())):
        path = written(tmp_path, source.replace("async def", "def"), f"{name}_day.py")
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c"]
        done = subprocess.run(
            [*command, os.devnull, "--rootdir", str(tmp_path), str(path)],
            capture_output=True,
            text=True,
            check=False,
        )
        outcomes[name] = done.stdout.strip().split("\n")[-1].split(" in ")[0]
    assert outcomes == {"solved": "5 passed", "open": "3 failed, 2 passed"}
