"""What is particular to masked softmax, divergences, fused dropout, rope_qk, split-K and LoRA."""

import importlib.util

import pytest
import torch
import triton_kernels as tk
from triton_kernels import _compat, explain, nn, record_backends, registry
from triton_kernels.ops.gemm.split_k import split_for

DEVICES = [pytest.param("cpu"), pytest.param("cuda", marks=pytest.mark.gpu)]
COMPILERS = [
    pytest.param("cpu", "aot_eager"),
    pytest.param("cuda", "inductor", marks=pytest.mark.gpu),
]
pytestmark = pytest.mark.usefixtures("poisoned")


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("columns", [8, 300])
def test_a_row_of_which_nothing_is_left_is_zeros_and_has_no_gradient(columns, device):
    x = torch.randn(3, columns, device=device, requires_grad=True)
    mask = torch.ones(3, columns, dtype=torch.bool, device=device)
    mask[1] = False
    y = tk.masked_softmax(x, mask)
    assert not y[1].any()
    torch.testing.assert_close(y.sum(-1), torch.tensor([1.0, 0.0, 1.0], device=device))
    grad = torch.full_like(y, torch.inf)  # what reaches a masked place counts for nothing
    grad[0], grad[2] = 1.0, torch.randn(columns, device=device)
    (dx,) = torch.autograd.grad(y, x, grad)
    assert not dx[1].any()
    assert dx.isfinite().all()
    logs = tk.log_softmax(x, mask=mask)
    assert (logs[1] == -torch.inf).all()
    (dx,) = torch.autograd.grad(logs[[0, 2], 0].sum(), x)
    assert dx.isfinite().all()
    assert not dx[1].any()


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("queries", "keys"), [(3, 5), (5, 3)])
def test_the_last_query_sees_every_key(queries, keys, device):
    seen = tk.masked_softmax(torch.zeros(queries, keys, device=device), causal=True) > 0
    expected = [max(keys - queries + i + 1, 0) for i in range(queries)]
    assert seen.sum(-1).tolist() == expected
    assert all(row[:n].all() for row, n in zip(seen, expected, strict=True))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("loss", ["kl_divergence", "js_divergence"])
def test_classes_of_probability_zero_and_rows_that_do_not_count(loss, device):
    student, teacher = (torch.randn(4, 20, device=device) for _ in range(2))
    labels = torch.tensor([1, -100, 2, -100], device=device)
    some = slice(None, None, 2)
    function = registry.get(loss).function
    expected = function(student[some, :15], teacher[some, :15], from_logits=True)
    student[:, 15:] = teacher[:, 15:] = -torch.inf
    student[1] = teacher[3] = torch.nan
    student.requires_grad_()
    scale = {"kl_divergence": 20 / 15, "js_divergence": 1}[loss]  # its mean is over all classes
    actual = function(student, teacher, from_logits=True, labels=labels) * scale
    torch.testing.assert_close(actual, expected)
    (dx,) = torch.autograd.grad(actual, student)
    assert dx.isfinite().all()
    assert not dx[1::2].any()
    assert not dx[:, 15:].any()


@pytest.mark.parametrize("device", DEVICES)
def test_the_ends_of_js_divergence_are_kl_both_ways(device):
    student, teacher = (torch.randn(3, 30, device=device).log_softmax(1) for _ in range(2))
    one, other = (tk.js_divergence(student, teacher, beta) for beta in (0.0, 1.0))
    torch.testing.assert_close(one, tk.kl_divergence(student, teacher, "batchmean", True))
    torch.testing.assert_close(other, tk.kl_divergence(teacher, student, "batchmean", True))
    hot = tk.kl_divergence(student, teacher, "sum", from_logits=True, temperature=4.0)
    cooled = [(x / 4).log_softmax(1) for x in (student, teacher)]
    torch.testing.assert_close(hot, 16 * tk.kl_divergence(*cooled, "sum", True))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("beta", [0.5, 0.3])
def test_js_divergence_is_off_to_neither_side(beta, device):
    x, y = torch.randn(2, 40, 200, device=device).log_softmax(-1).unbind()
    exact = tk.js_divergence(x.double(), y.double(), beta)
    error = tk.js_divergence(x, y, beta).double() - exact
    assert error.abs() < 3 * torch.finfo(torch.float32).eps * exact
    assert tk.js_divergence(x, x, beta) == 0


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("columns", [64, 30])
@pytest.mark.parametrize("name", ["dropout_add_rms_norm", "dropout_add_layer_norm"])
def test_fused_dropout_drops_what_dropout_drops_there_and_back(name, columns, device):
    op = registry.get(name).function
    x, residual = (torch.randn(3, columns, device=device, requires_grad=True) for _ in range(2))
    y, total = op(x, residual, 0.4, 11)
    dropped = tk.dropout(x, 0.4, 11)
    torch.testing.assert_close(total, residual + dropped)
    grads = [torch.randn_like(y), torch.randn_like(y)]
    dx, dr = torch.autograd.grad((y, total), (x, residual), grads)
    assert torch.equal(dx == 0, dropped == 0)
    torch.testing.assert_close(dx, tk.dropout(dr, 0.4, 11))
    (alone,) = torch.autograd.grad(op(x, residual, 0.4, 11)[1], x, grads[0])
    torch.testing.assert_close(alone, tk.dropout(grads[0], 0.4, 11))


@pytest.mark.parametrize(("device", "compiler"), COMPILERS)
def test_rope_qk_is_rope_of_each_in_one_launch(device, compiler):
    q = torch.randn(1, 3, 4, 8, device=device, requires_grad=True)
    k = torch.randn(1, 3, 2, 8, device=device, requires_grad=True)
    angles = torch.rand(5, 4, device=device)
    tables = angles.cos(), angles.sin()
    with record_backends() as record:
        turned = tk.rope_qk(q, k, *tables, start=2)
        grads = torch.autograd.grad(turned, (q, k), turned)
    assert [name for name, _ in record] == ["rope_qk", "rope_qk"]
    for x, y, back in zip((q, k), turned, grads, strict=True):
        assert torch.equal(y, tk.rope(x, *tables, start=2))
        torch.testing.assert_close(back, x.detach())  # turned there and back
    torch._dynamo.reset()
    compiled = torch.compile(tk.rope_qk, fullgraph=True, backend=compiler)
    for y, wanted in zip(compiled(q, k, *tables, 2), turned, strict=True):
        assert torch.equal(y, wanted)
    if importlib.util.find_spec("expecttest"):
        inputs = registry.get("rope_qk").checked(q, k, *tables)
        torch.library.opcheck(registry.get("rope_qk").kernel.custom_op, (*inputs, ""))


H200 = _compat.Device((9, 0), 132)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
@pytest.mark.parametrize(("m", "n", "k"), [(256, 256, 65536), (16, 2048, 16384), (1, 8, 20_001)])
def test_long_products_of_few_tiles_are_divided(m, n, k, dtype):
    split = split_for(m, n, k, dtype, H200)
    assert (split.parts - 1) * split.depth < k <= split.parts * split.depth
    assert split.depth % split.k == 0
    assert split.tiles < split.parts * split.tiles <= 4 * 132
    assert "tiles keep 132 processors busy enough" in split_for(4096, 4096, k, dtype, H200)
    assert "too short" in split_for(m, n, 1000, dtype, H200)


@pytest.mark.gpu
def test_explain_says_why_a_product_is_divided():
    a = torch.randn(16, 8192, device="cuda", dtype=torch.bfloat16)
    product = tk.matmul(a, a.t())
    assert explain("matmul", a, a.t()).taken == "split_k"
    exact = a.double() @ a.double().t()
    unit = torch.finfo(torch.bfloat16).eps * exact.abs().max()
    assert (product - exact).abs().max() <= 2 * (a @ a.t() - exact).abs().max() + unit
    assert torch.equal(product, tk.matmul(a, a.t()))
    assert "refuses: its" in str(explain("matmul", a.t(), a))


def lora(device, dtype=torch.float32, **options):
    linear = torch.nn.Linear(64, 24, device=device, dtype=dtype)
    return linear, nn.LoRALinear.from_linear(linear, 8, alpha=16.0, **options)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("nf4", [False, True])
def test_lora_trains_its_factors_alone_and_merges(nf4, device):
    linear, layer = lora(device, nf4=nf4)
    x = torch.randn(5, 64, device=device)
    if not nf4:
        torch.testing.assert_close(layer(x), linear(x))  # at first nothing changes
    assert [name for name, _ in layer.named_parameters()] == ["lora_a", "lora_b"]
    torch.nn.init.normal_(layer.lora_b)
    y = layer(x)
    torch.testing.assert_close(
        y, torch.nn.functional.linear(x, layer.merged(), linear.bias), rtol=1e-4, atol=1e-4
    )
    y.square().sum().backward()
    assert layer.lora_a.grad.any()
    assert layer.lora_b.grad.any()
    assert "nf4" in repr(layer) if nf4 else "dense" in repr(layer)


@pytest.mark.parametrize("device", DEVICES)
def test_lora_under_autocast_and_with_dropout(device):
    _, layer = lora(device, p=0.5)
    torch.nn.init.normal_(layer.lora_b)
    x = torch.randn(5, 64, device=device)
    with torch.autocast(device, dtype=torch.bfloat16):
        y = layer(x)
    assert y.dtype is torch.bfloat16
    y.float().sum().backward()
    assert layer.lora_a.grad.dtype is torch.float32
    assert not torch.equal(layer(x), layer(x))  # another seed a call
    layer.eval()
    assert torch.equal(layer(x), layer(x))


@pytest.mark.parametrize(("device", "compiler"), COMPILERS)
def test_compiled_lora_of_codes(device, compiler):
    _, layer = lora(device, nf4=True)
    torch.nn.init.normal_(layer.lora_b)
    x = torch.randn(5, 64, device=device, requires_grad=True)
    wanted = (x, layer.lora_a, layer.lora_b)
    expected = torch.autograd.grad(layer(x).square().sum(), wanted)
    torch._dynamo.reset()
    compiled = torch.compile(layer, fullgraph=True, backend=compiler)
    actual = torch.autograd.grad(compiled(x).square().sum(), wanted)
    for a, e in zip(actual, expected, strict=True):
        torch.testing.assert_close(a, e)


def test_modules_of_divergences():
    student, teacher = torch.randn(3, 7), torch.randn(3, 7)
    options = {"from_logits": True, "temperature": 2.0}
    labels = torch.tensor([0, -100, 1])
    for module, function in (
        (nn.KLDivLoss(**options), tk.kl_divergence),
        (nn.JSDivLoss(beta=0.3, **options), tk.js_divergence),
    ):
        expected = function(student, teacher, labels=labels, **module.options)
        assert torch.equal(module(student, teacher, labels), expected)
        assert "temperature=2.0" in repr(module)
