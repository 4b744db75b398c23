"""The autodiff track: 35 days from the first derivative to a library like this one.

Each `dayNN.py` is one day: the text, the exercises with their reference solutions, graded hints,
plausible wrong answers, and the tests that judge a learner's file. The command `roadmap` (from
roadmap-log) hands the days out; a day's file can also be run with plain pytest.
"""
