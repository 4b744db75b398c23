"""Checks of single values in configurations, which come from people and from JSON files."""

import math
import operator
from typing import Any

from torch_models.errors import ConfigError

_BOUNDS = {
    "ge": (">=", operator.ge),
    "gt": (">", operator.gt),
    "le": ("<=", operator.le),
    "lt": ("<", operator.lt),
}


def check_number(name: str, value: Any, kind: type[int] | type[float], **bounds: float) -> None:
    """Refuse what is not a finite number within bounds.

    Args:
        name: Of the field, for the message.
        value: Anything; a bool is no number, an int is a float too.
        kind: int or float.
        bounds: Of `ge`, `gt`, `le` and `lt`: at least, more than, at most, less than.

    Raises:
        ConfigError: If the value is of another type or out of range.
    """
    if not (
        isinstance(value, int | kind)
        and not isinstance(value, bool)
        and -math.inf < value < math.inf
        and all(_BOUNDS[bound][1](value, limit) for bound, limit in bounds.items())
    ):
        noun = "an integer" if kind is int else "a finite number"
        limits = " and ".join(f"{_BOUNDS[bound][0]} {limit}" for bound, limit in bounds.items())
        raise ConfigError(f"{name} must be {noun} {limits}, got {value!r}")


def check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    """Refuse what is not one of the names.

    Raises:
        ConfigError: If the value is none of them.
    """
    if value not in choices:
        raise ConfigError(f"{name} must be one of {', '.join(choices)}, got {value!r}")
