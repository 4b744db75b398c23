import dataclasses
import math
import typing

import pytest
from torch_models.checks import check_choice, check_number
from torch_models.errors import ConfigError
from torch_models.generation import Sampling
from torch_models.models.gpt import GPTConfig
from torch_models.training import TrainingConfig

CONFIGS = (GPTConfig(), TrainingConfig(steps=8), Sampling())
FIELDS = [
    (config, name, kind)
    for config in CONFIGS
    for name, kind in typing.get_type_hints(type(config)).items()
]
EXPECTED = {int: "an integer", float: "a finite number", str: "one of"}


@pytest.mark.parametrize(
    ("config", "name", "kind"), FIELDS, ids=[f"{type(c).__name__}.{n}" for c, n, _ in FIELDS]
)
def test_every_field_refuses_other_types(config, name, kind) -> None:
    kinds = typing.get_args(kind) or (kind,)
    wrong = ["0.1", True, False, [], {}, 1j, math.nan, math.inf, b"x"]
    wrong += [] if type(None) in kinds else [None]
    wrong += [1.0] if int in kinds else []
    for value in wrong:
        with pytest.raises(ConfigError) as caught:
            dataclasses.replace(config, **{name: value})
        message = str(caught.value)
        assert message.startswith(f"{name} must be {EXPECTED[kinds[0]]} ")
        assert message.endswith(f", got {value!r}")


@pytest.mark.parametrize(
    ("kind", "bounds", "inside", "outside"),
    [
        (int, {"ge": 1}, (1, 10**400), (0, -1)),
        (float, {"ge": 0, "lt": 1}, (0, 0.0, 0.999), (-1e-9, 1, 1.0)),
        (float, {"gt": 0, "le": 1}, (1e-9, 1), (0, -0.0, 1.001)),
    ],
)
def test_bounds(kind, bounds, inside, outside) -> None:
    for value in inside:
        check_number("x", value, kind, **bounds)
    for value in outside:
        with pytest.raises(ConfigError, match=r"x must be .*[<>]=? [01].*, got"):
            check_number("x", value, kind, **bounds)


def test_choices() -> None:
    check_choice("x", "a", ("a", "b"))
    with pytest.raises(ConfigError, match="x must be one of a, b, got 'ab'"):
        check_choice("x", "ab", ("a", "b"))
