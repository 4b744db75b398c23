"""Training lies on PyTorch's from the same seed: a hundred steps in float64, loss by loss."""

import numpy as np
import pytest
import tinygrad_autodiff
import torch

from .training import TASKS, losses


@pytest.mark.parametrize("name", TASKS)
def test_a_hundred_steps_agree(name):
    ours, theirs = (losses(lib, name, 100, "float64") for lib in (tinygrad_autodiff, torch))
    assert len(ours) == 100
    assert np.mean(theirs[-10:]) < 0.8 * theirs[0]  # it learned something
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-8)
