"""Losses: rows that do not count, autocast, modules, what is far from 0."""

import pytest
import torch
import triton_kernels as tk
from triton_kernels import nn
from triton_kernels.errors import DtypeError, ShapeError

DEVICES = [pytest.param("cpu"), pytest.param("cuda", marks=pytest.mark.gpu)]
OPTIONS = [{}, {"label_smoothing": 0.1, "soft_cap": 5.0, "z_loss": 0.01}]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("inplace", [False, True])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("classes", [40, 20_000])
def test_a_row_that_does_not_count_may_hold_anything(classes, options, inplace, device):
    if device == "cpu" and classes > 40:
        classes = 300  # two chunks of the interpreter's
    x = torch.randn(4, classes, device=device)
    x[1], x[2] = torch.nan, -torch.inf
    target = torch.tensor([3, -100, -100, 0], device=device)
    leaf = x.requires_grad_()
    loss = tk.cross_entropy(leaf.clone(), target, inplace=inplace, **options)
    (dx,) = torch.autograd.grad(loss, leaf)
    kept = x.detach()[[0, 3]].requires_grad_()
    expected = tk.cross_entropy(kept, target[[0, 3]], **options)
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(dx[[0, 3]], *torch.autograd.grad(expected, kept))
    assert not dx[1:3].any()


def test_second_gradients_pass_over_rows_that_do_not_count():
    x = torch.randn(3, 7, dtype=torch.float64)
    x[1] = torch.nan
    x.requires_grad_()
    loss = tk.cross_entropy(x, torch.tensor([3, -100, 0]), soft_cap=5.0, z_loss=0.01)
    (dx,) = torch.autograd.grad(loss, x, create_graph=True)
    (second,) = torch.autograd.grad(dx.square().sum(), x)
    assert second[[0, 2]].abs().min() > 0
    assert not second[1].any()


@pytest.mark.parametrize("device", DEVICES)
def test_losses_far_from_0_keep_their_places(device):
    x = torch.tensor([[1000.0, 999.5, 998.0]], device=device)
    target = torch.tensor([0], device=device)
    assert abs(tk.cross_entropy(x, target).item() - 0.554956933) < 5e-7
    y = torch.tensor([[998.0, 999.5, 1000.0]], device=device)
    near = tk.kl_divergence(x - 999, y - 999, from_logits=True)
    assert abs(tk.kl_divergence(x, y, from_logits=True) - near) < 5e-7
    _, lse = tk.cross_entropy(x, target, return_lse=True)
    assert lse.shape == (1,)
    assert lse.item() == pytest.approx(1000.554957)


def test_a_target_of_32_bits_is_compared_with_all_of_ignore_index():
    x, target = torch.randn(3, 5), torch.tensor([0, 1, 2], dtype=torch.int32)
    expected = tk.cross_entropy(x, target)
    assert torch.equal(tk.cross_entropy(x, target, ignore_index=2**40), expected)
    labels = {"labels": target, "from_logits": True}
    expected = tk.kl_divergence(x, x.flip(0), **labels)
    assert torch.equal(tk.kl_divergence(x, x.flip(0), ignore_index=2**40, **labels), expected)


@pytest.mark.parametrize("device", DEVICES)
def test_losses_under_autocast_are_torchs(device):
    x, w = torch.randn(6, 16, device=device), torch.randn(9, 16, device=device)
    target = torch.arange(6, device=device)
    with torch.autocast(device, torch.bfloat16):
        logits = torch.nn.functional.linear(x, w)
        expected = torch.nn.functional.cross_entropy(logits, target)
        actual = tk.cross_entropy(logits, target)
        fused = tk.linear_cross_entropy(x, w, target)
        mixed = tk.kl_divergence(logits, logits.float().flip(0), from_logits=True)
    assert logits.dtype is torch.bfloat16
    assert {expected.dtype, actual.dtype, fused.dtype, mixed.dtype} == {torch.float32}
    # Torch's on a GPU rounds log softmax to 16 bits before its loss is float32.
    torch.testing.assert_close(actual, torch.nn.functional.cross_entropy(logits.float(), target))
    torch.testing.assert_close(fused, expected, atol=0.02, rtol=0.02)
    wide = logits.float()
    torch.testing.assert_close(mixed, tk.kl_divergence(wide, wide.flip(0), from_logits=True))


def test_module_of_the_fused_loss():
    x, weight = torch.randn(6, 8, requires_grad=True), torch.randn(5, 8, requires_grad=True)
    target = torch.tensor([0, 1, 2, 3, 4, 3])
    options = {
        "ignore_index": 3, "label_smoothing": 0.2, "z_loss": 0.1, "soft_cap": 4.0,
        "reduction": "none", "accumulate": "weight", "chunk_rows": 4,
    }  # fmt: skip
    module = nn.LinearCrossEntropyLoss(**options)
    losses = module(x, weight, target)
    assert torch.equal(losses, tk.linear_cross_entropy(x, weight, target, **options))
    del options["accumulate"], options["chunk_rows"]
    torch.testing.assert_close(losses, tk.cross_entropy(x @ weight.t(), target, **options))
    assert not module.state_dict()
    assert "chunk_rows=4" in repr(module)


@pytest.mark.parametrize(
    ("module", "options", "error"),
    [
        (nn.CrossEntropyLoss, {"reduction": "foo"}, DtypeError),
        (nn.CrossEntropyLoss, {"inplace": "no"}, DtypeError),
        (nn.LinearCrossEntropyLoss, {"label_smoothing": 2}, ShapeError),
        (nn.LinearCrossEntropyLoss, {"accumulate": "bfloat16"}, DtypeError),
        (nn.KLDivLoss, {"temperature": 2.0}, ShapeError),
        (nn.JSDivLoss, {"beta": 2}, ShapeError),
        (nn.JSDivLoss, {"log_target": True}, TypeError),
    ],
    ids=str,
)
def test_modules_refuse_options_when_they_are_made(module, options, error):
    with pytest.raises(error):
        module(**options)


def test_messages_name_each_dtype_once_and_what_probabilities_are_for():
    x, target = torch.randn(2, 3), torch.tensor([0, 1])
    with pytest.raises(DtypeError, match=r"expected one of float32[^,]"):
        tk.cross_entropy(x, target, torch.ones(3).half())
    with pytest.raises(DtypeError, match="kl_divergence"):
        tk.linear_cross_entropy(x, torch.randn(4, 3), torch.ones(2, 4).softmax(1))
