"""Maxima together with where they are, under the names that torch has for the pair."""

from __future__ import annotations

from typing import Any

from ..op import Sample, compose, op
from ..samples import array


def _declare(name: str, *sample: Any) -> None:
    def pair(input: Any, *args: Any, **options: Any) -> Any:
        return getattr(op, name)(input, *args, **{**options, "return_indices": True})

    pair.__doc__ = f"`{name}`, and the indices that ``return_indices=True`` asks for."
    compose(Sample(sample), name=f"{name}_with_indices", spaces=("nn.functional",))(pair)


for _count in (1, 2, 3):
    _x = array((2, 1, *(5, 4, 2)[:_count]))
    _declare(f"max_pool{_count}d", _x, 2)
    _declare(f"adaptive_max_pool{_count}d", _x, 2)
    if _count > 1:
        _declare(f"fractional_max_pool{_count}d", _x, 2, (2, 2, 1)[:_count])
