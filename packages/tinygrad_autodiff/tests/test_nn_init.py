"""Initial values beyond the usual ones; the numbers are torch 2.15's after manual_seed(0)."""

import numpy as np
import pytest
import tinygrad_autodiff as tg
from tinygrad_autodiff.nn import init


@pytest.mark.parametrize(
    ("count", "low", "high", "first"),
    [
        pytest.param(16, -1, 1, [-0.613583, 0.031593, -0.250579, -0.433879], id="normal"),
        pytest.param(3, 1, 2, [1.496257, 1.768222, 1.088477], id="uniform"),
    ],
)
def test_truncated_normal_numbers(count, low, high, first):
    made = init.trunc_normal_(tg.empty(count), 0, 1, low, high).numpy()
    np.testing.assert_allclose(made[: len(first)], first, rtol=2e-6, atol=1e-6)
    many = init.trunc_normal_(tg.empty(4000), 0.5, 1, low, high)
    assert low <= many.min() <= many.max() <= high


def test_orthogonal_matrices():
    made = init.orthogonal_(tg.empty(3, 2)).numpy()
    np.testing.assert_allclose(made[0], [0.5349525, -0.1699301], rtol=1e-5)
    wide = init.orthogonal_(tg.empty(2, 3, 2, dtype=tg.float64), gain=2.0).reshape(2, 6).numpy()
    np.testing.assert_allclose(wide @ wide.T, 4 * np.eye(2), atol=1e-14)
    with pytest.raises(ValueError, match="2 or more dimensions"):
        init.orthogonal_(tg.empty(3))


def test_sparse_matrices():
    made = init.sparse_(tg.empty(4, 2), 0.5)
    assert (made == 0).sum(0).tolist() == [2, 2]
    np.testing.assert_allclose(made[0, 1].item(), -0.002934289, rtol=1e-5)
    with pytest.raises(ValueError, match="2 dimensions"):
        init.sparse_(tg.empty(3), 0.5)


def test_weights_that_pass_the_input_on():
    x = tg.randn(2, 4, 5)
    weight = init.dirac_(tg.empty(4, 2, 3), groups=2)
    assert tg.equal(tg.nn.functional.conv1d(x, weight, padding=1, groups=2), x)
    assert tg.equal(tg.nn.functional.linear(x, init.eye_(tg.empty(5, 5))), x)
    for bad in (lambda: init.dirac_(tg.empty(2, 2)), lambda: init.dirac_(tg.empty(3, 2, 1), 2)):
        with pytest.raises(ValueError, match="dirac_"):
            bad()
    with pytest.raises(ValueError, match="eye_"):
        init.eye_(tg.empty(2))
