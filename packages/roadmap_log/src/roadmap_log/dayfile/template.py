"""The file with which a new day begins: small, whole and sound, to be replaced piece by piece."""

TRACK = """\
name = "{track}"
title = "{title}"
summary = "Say in one line what the track leads to."
planned = {planned}
extra = ""
device = "cpu"
"""

DAY = '''\
"""
Day {number:02d}: {title}
{rule}
Estimated time: 1-2 hours
Prerequisites: {before}

Learning objectives:
- say what one can do afterwards that one could not do before

Background:
What it is about, and the paper or chapter it rests on. This text, like all below, is an example
that passes `roadmap dev check`; replace it piece by piece and it stays sound.

Hints:
- a hint for the whole day
"""

# Exercise 1: the mean
def mean(values):
    """The mean of a list of numbers; 0.0 for an empty one."""
    # TODO: add them up and divide by how many there are
    # HINT: what is the mean of nothing?
    # HINT: sum(values) / len(values), unless there is none
    # SOLUTION
    if not values:
        return 0.0
        # MUTANT: return 1.0
    return sum(values) / len(values)
    # MUTANT: return sum(values) / (len(values) + 1)
    # END SOLUTION


# Exercise 2: the spread
def spread(values):
    """The mean distance of the numbers from their mean."""
    # TODO: use what you have just written
    # HINT: a distance has no sign
    # HINT: mean([abs(value - mean(values)) for value in values])
    # SOLUTION
    centre = mean(values)
    return mean([abs(value - centre) for value in values])
    # MUTANT: return mean([value - centre for value in values])
    # END SOLUTION


# TESTS
import os
import random

SEED = int(os.environ.get("ROADMAP_SEED", "0"))


def test_mean():
    values = [random.Random(SEED + n).uniform(-9, 9) for n in range(20)]
    assert abs(20 * mean(values) - sum(values)) < 1e-9


def test_mean_of_nothing():
    assert mean([]) == 0.0


def test_spread():
    assert spread([1.0, 3.0]) == 1.0
    assert spread([random.Random(SEED).random()]) == 0.0


if __name__ == "__main__":
    print(mean([1, 2, 6]), spread([1, 2, 6]))
'''


def new_day(number: int, title: str) -> str:
    """The text of a new day that is sound as it stands."""
    heading = f"Day {number:02d}: {title}"
    before = "nothing" if number == 1 else f"Day {number - 1:02d}"
    return DAY.format(number=number, title=title, rule="=" * len(heading), before=before)


def new_track(track: str, planned: int) -> str:
    """The text of a new track.toml."""
    return TRACK.format(track=track, title=track.replace("-", " ").capitalize(), planned=planned)
