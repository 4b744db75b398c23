"""The companion of a months-long learning journey: plan, days, honest checks, log and site.

The command is `roadmap`; the same things can be reached from Python:

>>> from roadmap_log.journey import Journey
>>> journey = Journey.find()                       # doctest: +SKIP
>>> journey.state().counts["verified"]             # doctest: +SKIP
3
"""

__all__ = ["__version__"]


def __getattr__(name: str) -> str:
    """`__version__`, read from the installed distribution only when asked for."""
    if name == "__version__":
        from importlib.metadata import version

        return version("roadmap-log")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
