"""NF4's levels and int8's scale against what defines them, not against our own tables."""

import torch
import triton_kernels as tk
from triton_kernels.ops.quantised.codes import LEVELS


def test_the_levels_of_nf4_are_quantiles_of_the_normal_distribution():
    """Dettmers et al. 2023, section 3 and appendix E: 9 quantiles from 1/2 up, 8 from 1/2 down, at
    equal steps to a last one half a step of both before the end, an exact 0, over the largest."""
    last = (torch.tensor(1 - 1 / 30) + torch.tensor(1 - 1 / 32)).double() / 2
    above = torch.special.ndtri(torch.linspace(float(last), 0.5, 9, dtype=torch.float64)[:-1])
    below = -torch.special.ndtri(torch.linspace(float(last), 0.5, 8, dtype=torch.float64)[:-1])
    exact = torch.cat((below, above, torch.zeros(1, dtype=torch.float64))).sort().values
    exact = exact / exact.abs().max()
    assert (torch.tensor(LEVELS, dtype=torch.float64) - exact).abs().max() < 1e-6
    codes = torch.arange(16, dtype=torch.uint8).repeat(1, 2)  # each in the low half, then a 0
    weight = tk.dequantise_nf4(codes, torch.ones(1, 1), torch.float32)
    torch.testing.assert_close(weight[0, :32:2].double(), exact, rtol=0, atol=1e-6)


def test_int8_uses_all_its_codes_and_errs_by_half_a_step():
    weight = torch.randn(5, 400)
    codes, scale = tk.quantise_int8(weight)
    largest = weight.abs().amax(1)
    torch.testing.assert_close(scale, largest / 127)
    assert (codes.abs().amax(1) == 127).all()
    error = (tk.dequantise_int8(codes, scale, torch.float32) - weight).abs()
    assert (error <= largest[:, None] / 254 * (1 + 1e-5)).all()


def test_quantising_a_parameter_gives_constants():
    weight = torch.nn.Parameter(torch.randn(4, 64))
    for codes, scale in (tk.quantise_int8(weight), tk.quantise_nf4(weight)):
        assert not codes.requires_grad
        assert not scale.requires_grad


def test_nf4_takes_the_nearest_level():
    weight = torch.randn(6, 192)
    weight[2] = 0.0
    codes, scale = tk.quantise_nf4(weight)
    blocks = weight.view(6, 3, 64).double()
    assert torch.equal(scale, weight.view(6, 3, 64).abs().amax(2))
    levels = torch.tensor(LEVELS, dtype=torch.float64) * scale[..., None, None].double()
    nearest = (blocks[..., None] - levels).abs().amin(-1)
    made = tk.dequantise_nf4(codes, scale, torch.float32).view(6, 3, 64)
    assert ((made - blocks).abs() - nearest).max() <= 1e-6 * scale.max()
    first = (blocks[..., ::2, None] - levels).abs().argmin(-1).view(6, 96)
    assert ((codes & 15 == first) | (weight[:, ::2] == 0)).all()  # the first in the low half


def test_what_has_no_scale_has_codes_all_the_same():
    weight = torch.randn(4, 64)
    weight[0], weight[1] = 0.0, 2.0**-121
    weight[2, 5], weight[3, 6] = torch.inf, torch.nan
    for quantise, back in (
        (tk.quantise_int8, tk.dequantise_int8), (tk.quantise_nf4, tk.dequantise_nf4),
    ):  # fmt: skip
        made = back(*quantise(weight), torch.float32)
        assert not made[0].any()
        assert (made[1] - weight[1]).abs().max() <= 2.0**-121
        assert not made[2:].isfinite().any()
