"""torch's `module_db` and `optim_db` as tables for the scoreboard's page.

What is counted are the checks of test_modules.py and test_optim.py, module by module and optimizer
by optimizer.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import tinygrad_autodiff as tg
import torch

from . import test_modules, test_optim
from .scoreboard.page import table

MODULES = """\
## Modules

Every module of torch's table `module_db` is built in both libraries from the same arguments and
the same seed, in training and in evaluation: the state dict (names, order, shapes, dtypes), its
first values, the text, and, in float64 with torch's state loaded, results and gradients of inputs
and parameters. Counted are inputs.
"""
OPTIMIZERS = """\
## Optimizers

Every optimizer of torch's table `optim_db`, with each of its sets of options: 20 steps on a
function of several parameters in float64 stay within 1e-10 of torch's (1e-8 for L-BFGS), and a
state dict of torch's is taken up and continued. L-BFGS keeps torch's scratch memory out of its
state, and Muon computes without bfloat16: their states are not continued. Counted are sets of
options.
"""


def sections() -> str:
    """Both tables with what they mean."""
    parts = (MODULES.strip(), modules(), OPTIMIZERS.strip(), optimizers())
    return "\n" + "\n\n".join(parts) + "\n"


def modules() -> str:
    """Inputs of each module, and how many pass each check."""
    rows = []
    for info in test_modules.module_db:
        counts = test_modules.outcome(info.name)
        passed = [str(counts[check]) for check in test_modules.CHECKS]
        rows.append([f"`{info.name}`", str(counts["inputs"]), *passed])
    return table(["module", "inputs", *test_modules.CHECKS], rows)


def optimizers() -> str:
    """Sets of options of each optimizer, and for how many both checks pass."""
    counts: dict[str, list[int]] = {}
    for case in test_optim.CASES:
        name, kwargs = case.values
        found = counts.setdefault(name, [0, 0, 0, 0])
        found[0] += 1
        with pytest.MonkeyPatch.context() as patch:
            found[1] += holds(test_optim.test_twenty_steps, name, kwargs, patch)
        if case in test_optim.CONTINUED:
            found[2] += 1
            found[3] += holds(test_optim.test_a_state_dict_of_torch_is_continued, name, kwargs)
    rows = [
        [f"`{name}`", str(sets), str(steps), f"{states} / {of}" if of else "–"]
        for name, (sets, steps, of, states) in counts.items()
    ]
    return table(["optimizer", "sets of options", "20 steps", "state dict continued"], rows)


def holds(check: Callable[..., None], *args: Any) -> bool:
    """Whether a check of an optimizer passes, in float64 as its tests run."""
    for library in (torch, tg):
        library.set_default_dtype(library.float64)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            check(*args)
    except Exception:
        return False
    finally:
        for library in (torch, tg):
            library.set_default_dtype(library.float32)
    return True
