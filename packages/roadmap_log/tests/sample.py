"""The sample track and roadmap of the tests, and how a command ends."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

DAY = '''\
"""
Day {number:02d}: {title}
{rule}
Estimated time: 10-20 minutes
Prerequisites: {before}

Learning objectives:
- return a number

Background:
A number is returned.

Hints:
- read the docstring
"""
# Exercise 1: the number
def answer():
    """The number {number}."""
    # TODO: return it
    # HINT: it is written in the docstring
    # HINT: return {number}
    # SOLUTION
    result = {number}
    # MUTANT: result = {number} + 1
    return result
    # END SOLUTION


# Exercise 2: its double
def double():
    """Twice the number."""
    # TODO: return twice the answer
    # HINT: call answer()
    # HINT: multiply it by two
    # SOLUTION
    result = 2 * answer()
    # MUTANT: result = 3 * answer()
    # MUTANT: result = answer()
    return result
    # END SOLUTION


# TESTS
def test_answer():
    assert answer() == {number}


def test_double():
    assert double() == 2 * {number}


def test_names_given():
    assert callable(answer)


if __name__ == "__main__":
    print(answer(), double())
'''

ROADMAP = """\
---
name: sample
version: 2
title: A sample
summary: Two parts.
tracks: sample=sample-track other=other-track
---
# A sample

## First part <!-- id: sample -->
### Week 1: beginnings <!-- id: sample/week-1 -->
- [ ] Day 01: One <!-- id: sample/01 day: sample/1 minutes: 10-20 -->
      the first number
- [ ] Day 02: Two <!-- id: sample/02 day: sample/2 minutes: 10-20 -->
      the second number
- [ ] Day 03: Three <!-- id: sample/03 day: sample/3 minutes: 10-20 -->

## Reading <!-- id: reading -->
- [ ] A paper <!-- id: reading/paper -->
- [ ] A day elsewhere <!-- id: other/01 day: other/1 -->
"""

TRACK = 'name = "sample"\ntitle = "Sample"\nsummary = "Numbers."\nplanned = 3\n'


@dataclass(frozen=True)
class Result:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Command = Callable[..., Result]


def day_source(number: int, title: str) -> str:
    before = "nothing" if number == 1 else f"Day {number - 1:02d}"
    rule = "=" * len(f"Day {number:02d}: {title}")
    return DAY.format(number=number, title=title, before=before, rule=rule)
