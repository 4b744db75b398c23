"""What is particular to activations, norms and cross_entropy, beside what every op must do."""

import pytest
import torch
import triton_kernels
from triton_kernels import _compat, nn, record_backends, registry
from triton_kernels.errors import BackendError, ShapeError

DEVICES = [pytest.param("cpu"), pytest.param("cuda", marks=pytest.mark.gpu)]
COMPILERS = [
    pytest.param("cpu", "aot_eager"),
    pytest.param("cuda", "inductor", marks=pytest.mark.gpu),
]
pytestmark = pytest.mark.usefixtures("poisoned")
cross_entropy = registry.get("cross_entropy").function
OPTIONS = [
    {},
    {"reduction": "sum"},
    {"reduction": "none"},
    {"label_smoothing": 0.1, "z_loss": 1e-2, "soft_cap": 4.0, "ignore_index": 3},
]


def logits_and_target(device, rows=9, classes=40, dtype=torch.float32):
    leaf = torch.randn(rows, classes, device=device, dtype=dtype, requires_grad=True)
    target = torch.randint(classes, (rows,), device=device)
    target[1] = -100
    return leaf, target


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("classes", [40, 1500])
@pytest.mark.parametrize("weighted", [False, True])
def test_in_place_gives_the_same_loss_and_gradient(device, options, classes, weighted):
    leaf, target = logits_and_target(device, classes=classes)
    if "ignore_index" in options:
        target[1] = options["ignore_index"]
    weight = torch.rand(classes, device=device) if weighted else None
    loss = cross_entropy(leaf, target, weight, **options)
    grad = torch.rand_like(loss) + 0.5
    (expected,) = torch.autograd.grad(loss, leaf, grad)
    logits = leaf * 1.0
    actual_loss = cross_entropy(logits, target, weight, inplace=True, **options)
    (at_logits,) = torch.autograd.grad(actual_loss, logits, grad)
    torch.testing.assert_close(actual_loss, loss)
    torch.testing.assert_close(at_logits, expected)
    assert at_logits.data_ptr() == logits.data_ptr()


@pytest.mark.parametrize("device", DEVICES)
def test_in_place_reaches_the_leaf_and_tells_who_kept_the_logits(device):
    leaf, target = logits_and_target(device)
    (expected,) = torch.autograd.grad(cross_entropy(leaf * 2.0, target), leaf)
    cross_entropy(leaf * 2.0, target, inplace=True).backward()
    torch.testing.assert_close(leaf.grad, expected)
    kept = torch.exp(leaf)  # exp saves its output for the backward
    loss = cross_entropy(kept, target, inplace=True)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_in_place_refuses_what_it_cannot_do():
    leaf, target = logits_and_target("cpu")
    with pytest.raises(ShapeError, match="a leaf"):
        cross_entropy(leaf, target, inplace=True)
    with pytest.raises(ShapeError, match="strides"):
        cross_entropy((leaf * 1.0)[:, :20], target.clamp(max=19), inplace=True)
    with pytest.raises(ShapeError, match="negation"):
        cross_entropy(torch._neg_view(leaf * 1.0), target, inplace=True)
    with pytest.raises(ShapeError, match="return_lse"):
        cross_entropy(leaf * 1.0, target, inplace=True, return_lse=True)
    logits = leaf * 1.0
    loss = cross_entropy(logits, target, inplace=True)
    with pytest.raises(BackendError, match="gradient of the gradient"):
        torch.autograd.grad(loss, logits, create_graph=True)
    torch.autograd.grad(loss, logits, retain_graph=True)
    with pytest.raises(BackendError, match="a second backward"):
        torch.autograd.grad(loss, logits)


def test_in_place_leaves_logits_alone_where_no_gradient_is_wanted():
    leaf, target = logits_and_target("cpu")
    before = leaf.detach().clone()
    with torch.no_grad():
        cross_entropy(leaf, target, inplace=True)
    cross_entropy(leaf.detach(), target, inplace=True)
    assert torch.equal(leaf, before)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("wrong", [40, -1, 2**40])
def test_a_target_out_of_range_makes_its_row_nan_if_it_is_not_refused(device, wrong):
    leaf, target = logits_and_target(device)
    target[2] = wrong
    losses = cross_entropy(leaf, target, reduction="none", check_targets=False)
    (grad,) = torch.autograd.grad(losses.nansum(), leaf)
    rows = torch.arange(len(target), device=device)
    assert torch.equal(losses.isnan(), rows == 2)
    (grad,) = torch.autograd.grad(
        cross_entropy(leaf, target, reduction="sum", check_targets=False), leaf
    )
    assert torch.equal(grad.isnan().all(1), rows == 2)
    assert cross_entropy(leaf, target, check_targets=False).isnan()
    with pytest.raises(ShapeError, match="in row 2"):
        cross_entropy(leaf, target, check_targets=True)


@pytest.mark.parametrize("device", DEVICES)
def test_the_mean_of_no_row_is_nan_as_torchs(device):
    leaf, target = logits_and_target(device)
    assert cross_entropy(leaf, target.fill_(-100)).isnan()
    assert cross_entropy(leaf, target, reduction="sum") == 0


@pytest.mark.parametrize("device", DEVICES)
def test_the_lse_is_differentiable_alone_and_with_the_loss(device):
    leaf, target = logits_and_target(device)
    _, lse = cross_entropy(leaf, target, return_lse=True)
    torch.testing.assert_close(lse, torch.logsumexp(leaf, 1))
    (grad,) = torch.autograd.grad(lse.sum(), leaf)
    torch.testing.assert_close(grad, torch.softmax(leaf, 1))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_linear_cross_entropy_goes_backward_twice(device, reduction):
    """The first backward hands the gradients on, the second makes them once more."""
    op = registry.get("linear_cross_entropy")
    leaves = [torch.randn(s, device=device, requires_grad=True) for s in ((9, 16), (40, 16))]
    target = torch.randint(40, (9,), device=device)
    loss = op.function(*leaves, target, reduction=reduction, chunk_rows=4)
    exact = torch.nn.functional.cross_entropy(
        leaves[0] @ leaves[1].t(), target, reduction=reduction
    )
    grad = torch.rand_like(loss)
    for _ in range(2):
        actual = torch.autograd.grad(loss, leaves, grad, retain_graph=True)
        expected = torch.autograd.grad(exact, leaves, grad, retain_graph=True)
        for a, e in zip(actual, expected, strict=True):
            torch.testing.assert_close(a, e)


@pytest.mark.gpu
@pytest.mark.parametrize("accumulate", ["float32", "weight"])
def test_linear_cross_entropy_of_a_vocabulary(accumulate):
    """Less memory than the logits take, and errors within the bound, over several chunks."""
    op = registry.get("linear_cross_entropy")
    x, w = (
        torch.randn(s, device="cuda", dtype=torch.bfloat16) for s in ((4096, 512), (32000, 512))
    )
    leaves = [x.requires_grad_(), (w / 512**0.5).requires_grad_()]
    target = torch.randint(32000, (4096,), device="cuda")
    exact_leaves = [v.detach().float().requires_grad_() for v in leaves]
    exact = torch.autograd.grad(op.torch_function(*exact_leaves, target), exact_leaves)
    yardstick = torch.autograd.grad(op.torch_function(*leaves, target), leaves)
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    actual = torch.autograd.grad(op.function(*leaves, target, accumulate=accumulate), leaves)
    assert torch.cuda.max_memory_allocated() - before < 4096 * 32000 * 2
    eps = torch.finfo(torch.bfloat16).eps
    for a, e, y in zip(actual, exact, yardstick, strict=True):
        allowed = 3 * (y.float() - e).abs().max() + eps * e.abs().max()
        assert (a.float() - e).abs().max() <= allowed


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("use", ["norm", "sum"])
@pytest.mark.parametrize("name", ["add_rms_norm", "add_layer_norm"])
def test_one_output_of_a_fused_norm_alone(name, use, device):
    op = registry.get(name)
    x, r = (torch.randn(5, 40, device=device, requires_grad=True) for _ in range(2))
    weight = torch.randn(40, device=device, requires_grad=True)
    chosen = ["norm", "sum"].index(use)
    wanted = (x, r, weight) if use == "norm" else (x, r)
    actual = torch.autograd.grad(op.function(x, r, weight)[chosen].square().sum(), wanted)
    exact = torch.autograd.grad(op.torch_function(x, r, weight)[chosen].square().sum(), wanted)
    for a, e in zip(actual, exact, strict=True):
        torch.testing.assert_close(a, e, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", ["rms_norm", "layer_norm", "group_norm"])
def test_float32_parameters_keep_float32_gradients(name, dtype, device):
    op = registry.get(name)
    x = torch.randn(6, 8, device=device, dtype=dtype)
    weight = torch.randn(8, device=device, requires_grad=True)
    args = (x, 2, weight) if name == "group_norm" else (x, weight)
    y = op.function(*args)
    assert y.dtype is dtype
    (actual,) = torch.autograd.grad(y.float().square().sum(), weight)
    assert actual.dtype is torch.float32
    wide = (x.float(), *args[1:])
    (exact,) = torch.autograd.grad(op.torch_function(*wide).square().sum(), weight)
    torch.testing.assert_close(actual, exact, rtol=0.05, atol=0.05)


def test_the_weight_of_no_gradient_costs_no_sum():
    x = torch.randn(4, 8, requires_grad=True)
    weight = torch.randn(8)
    with record_backends() as record:
        registry.get("rms_norm").function(x, weight).sum().backward()
    assert [name for name, _ in record] == ["rms_norm", "rms_norm_backward"]
    assert weight.grad is None


def test_gate_and_up_may_be_one_tensor():
    x = torch.randn(4, 8, requires_grad=True)
    (once,) = torch.autograd.grad(triton_kernels.swiglu(x, x).sum(), x, create_graph=True)
    (exact,) = torch.autograd.grad((torch.nn.functional.silu(x) * x).sum(), x, create_graph=True)
    torch.testing.assert_close(once, exact)
    (twice,) = torch.autograd.grad(once.sum(), x)
    (exact_twice,) = torch.autograd.grad(exact.sum(), x)
    torch.testing.assert_close(twice, exact_twice)


@pytest.mark.parametrize(("device", "compiler"), COMPILERS)
def test_a_compiled_block_with_every_module(device, compiler):
    torch.manual_seed(0)
    norm, layer = nn.RMSNorm(16, device=device), nn.LayerNorm(16, device=device)
    loss = nn.CrossEntropyLoss(label_smoothing=0.1, inplace=True)
    target = torch.randint(8, (6,), device=device)

    def step(x, r):
        y, total = triton_kernels.add_rms_norm(norm(x), r, layer.weight)
        return loss(nn.SwiGLU()(layer(y) + total), target)

    x, r = (torch.randn(6, 16, device=device, requires_grad=True) for _ in range(2))
    wanted = (x, r, *norm.parameters(), *layer.parameters())
    expected = torch.autograd.grad(step(x, r), wanted)
    torch._dynamo.reset()
    compiled = torch.compile(step, fullgraph=True, backend=compiler)
    actual = torch.autograd.grad(compiled(x, r), wanted)
    for a, e in zip(actual, expected, strict=True):
        torch.testing.assert_close(a, e)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_opcheck_of_cross_entropy(options):
    pytest.importorskip("expecttest")
    leaf, target = logits_and_target("cpu")
    target[1] = options.get("ignore_index", -100)
    op = registry.get("cross_entropy")
    torch.library.opcheck(op.kernel.custom_op, (*op.checked(leaf, target, **options), ""))


def test_modules_load_torchs_weights_and_agree():
    x = torch.randn(3, 16)
    for ours, theirs in (
        (nn.RMSNorm(16), torch.nn.RMSNorm(16, eps=1e-6)),
        (nn.LayerNorm(16), torch.nn.LayerNorm(16)),
        (nn.LayerNorm(16, bias=False), torch.nn.LayerNorm(16, bias=False)),
    ):
        with torch.no_grad():
            for parameter in theirs.parameters():
                parameter.normal_()
        ours.load_state_dict(theirs.state_dict())
        torch.testing.assert_close(ours(x), theirs(x))
    assert "offset=1.0" in repr(nn.RMSNorm(16, offset=1.0))
    assert not nn.RMSNorm(16, offset=1.0).weight.any()
    target = torch.randint(16, (3,))
    loss = nn.CrossEntropyLoss(torch.ones(16), reduction="sum")
    expected = torch.nn.functional.cross_entropy(x, target, reduction="sum")
    torch.testing.assert_close(loss(x, target), expected)
    assert "reduction='sum'" in repr(loss)


@pytest.mark.gpu
@pytest.mark.parametrize("name", ["rms_norm", "layer_norm"])
@pytest.mark.parametrize("columns", [2048, 16384, 32768, 65536, 100_003, 300_000])
def test_rooms_long_reductions_stay_within_the_bound(name, columns):
    """Thousands of rows go into a parameter's gradient: fp32 sums keep it exact to bf16."""
    op = registry.get(name)
    x = torch.randn(2048, columns, device="cuda", dtype=torch.bfloat16, requires_grad=True)
    weight = torch.randn(columns, device="cuda", dtype=torch.bfloat16, requires_grad=True)
    grad = torch.randn_like(x)
    exact_leaves = [v.detach().float().requires_grad_() for v in (x, weight)]
    exact = torch.autograd.grad(op.torch_function(*exact_leaves), exact_leaves, grad.float())
    yardstick = torch.autograd.grad(op.torch_function(x, weight), (x, weight), grad)
    actual = torch.autograd.grad(op.function(x, weight), (x, weight), grad)
    eps = torch.finfo(torch.bfloat16).eps
    for a, e, y in zip(actual, exact, yardstick, strict=True):
        allowed = 3 * (y.float() - e).abs().max() + eps * e.abs().max()
        assert (a.float() - e).abs().max() <= allowed


@pytest.mark.gpu
def test_rooms_beyond_32_bit_offsets():
    rows, columns = 2**20 + 3, 2048 + 16
    x = torch.randn(64, columns, device="cuda", dtype=torch.bfloat16)
    big = torch.zeros(rows, columns, device="cuda", dtype=torch.bfloat16)
    big[-64:] = x
    weight = torch.rand(columns, device="cuda", dtype=torch.bfloat16)
    target = torch.zeros(rows, device="cuda", dtype=torch.int64)
    with torch.no_grad():
        norm = registry.get("rms_norm").function
        assert torch.equal(norm(big, weight)[-64:], norm(x, weight))
        assert torch.equal(triton_kernels.swiglu(big)[-64:], triton_kernels.swiglu(x))
        losses = cross_entropy(big, target, reduction="none")[-64:]
        torch.testing.assert_close(losses, cross_entropy(x, target[:64], reduction="none"))


@pytest.mark.gpu
def test_rows_shared_by_programs_of_two_kernels_at_once():
    """Programs that wait for each other, from two streams: no deadlock, equal bits."""
    op = registry.get("rms_norm")
    inputs = [torch.randn(700, 65536, device="cuda", dtype=torch.bfloat16) for _ in range(2)]
    weight = torch.randn(65536, device="cuda", dtype=torch.bfloat16)

    def gradients(x):
        leaves = [v.detach().requires_grad_() for v in (x, weight)]
        return torch.autograd.grad(op.function(*leaves), leaves, x)

    expected = [gradients(x) for x in inputs]
    torch.cuda.synchronize()
    streams = [torch.cuda.Stream() for _ in inputs]
    for _ in range(10):
        actual = []
        for x, stream in zip(inputs, streams, strict=True):
            with torch.cuda.stream(stream):
                actual.append(gradients(x))
        torch.cuda.synchronize()
        for a, e in zip(actual, expected, strict=True):
            assert all(map(torch.equal, a, e))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dim", [0, 1])
def test_of_equal_maxima_argmax_takes_the_first(dim, device):
    x = torch.zeros(3, 9000, device=device)  # more than two chunks
    x[1, [100, 107, 5000]] = 1.0
    x[2, [4099, 8200]] = torch.nan
    x = x if dim else x.t().contiguous()
    assert triton_kernels.argmax(x, dim).tolist() == [0, 100, 4099]


@pytest.mark.gpu
@pytest.mark.parametrize("dim", [0, 1])
@pytest.mark.parametrize("reverse", [False, True])
def test_what_comes_before_an_infinity_in_cumsum_is_finite(dim, reverse):
    x = torch.ones(300, 300, device="cuda")
    x[130, 131] = torch.inf
    exact = x.flip(dim).cumsum(dim).flip(dim) if reverse else x.cumsum(dim)
    assert torch.equal(triton_kernels.cumsum(x, dim, reverse), exact)


def test_embedding_refuses_ids_out_of_range_where_that_is_free():
    weight = torch.zeros(4, 3)
    for ids in (torch.tensor([0, 4]), torch.tensor([-1])):
        with pytest.raises(ShapeError, match="0 <= id < 4"):
            triton_kernels.embedding(weight, ids)


@pytest.mark.parametrize("device", DEVICES if _compat.interpreting() else DEVICES[1:])
def test_the_gradient_of_a_frequent_number_does_not_drift(device):
    """Equal terms round the same way at every step: one after another they lose 120 units here."""
    ids = torch.full((2000,), 1, device=device)
    ids[:30] = 0  # so that the others' parts begin within a run
    weight = torch.zeros(2, 4, device=device, requires_grad=True)
    grad = torch.full((2000, 4), 0.1, device=device)
    (dw,) = torch.autograd.grad(triton_kernels.embedding(weight, ids), weight, grad)
    exact = grad[0].double() * torch.tensor([[30], [1970]], device=device)
    assert ((dw - exact).abs() <= 2 * torch.finfo(torch.float32).eps * exact).all()


@pytest.mark.gpu
def test_embedding_of_ids_out_of_range_is_nan():
    weight = torch.ones(4, 3, device="cuda", requires_grad=True)
    y = triton_kernels.embedding(weight, torch.tensor([0, 4, -1, 3], device="cuda"))
    assert y.isnan().all(1).tolist() == [False, True, True, False]
    (dw,) = torch.autograd.grad(y, weight, torch.ones_like(y))
    assert dw[:, 0].tolist() == [1, 0, 0, 1]


CROSS_ENTROPY = {"losses_of_rows", "sum_losses", "gradient_of_rows"}
ROW_NORM = {
    "_forward_one_pass", "_forward_two_passes", "backward_rows", "_backward_two_passes",
    "_parameter_sums", "_sum_lines",
}  # fmt: skip


@pytest.mark.parametrize("device", DEVICES)
def test_gelu_of_float16_is_rounded_only_by_its_dtype(device):
    x = torch.linspace(-5, 5, 2001, device=device, dtype=torch.float16)
    exact = torch.nn.functional.gelu(x.double())
    error = (triton_kernels.gelu(x).double() - exact).abs()
    assert (error <= exact.abs() * torch.finfo(torch.float16).eps / 2 + 1e-6).all()


INTERPRETED = {
    "flash_attention": {
        "_forward",
        "_delta",
        "_keys_backward",
        "_rows_backward",
        "_bias_backward",
    },
    "decode_attention": {"_share", "_merge"},
    "mla_decode_attention": {"_share", "_merge"},
    "quantise_nf4": {"_quantise_nf4"},
    "quantise_int8": {"_quantise_int8"},
    "dequantise_nf4": {"_dequantise"},
    "dequantise_int8": {"_dequantise_int8"},
    "matvec_nf4": {"_matvec_nf4"},
    "matvec_int8": {"_matvec_int8"},
    "rope": {"_rope"},
    "lora_linear": {"_two_products", "_matmul", "_dropout", "_dequantise"},
    "dropout_add_rms_norm": {"_dropout_add_norm", "_dropout"} | ROW_NORM - {"_forward_one_pass"},
    "dropout_add_layer_norm": {"_dropout_add_norm", "_dropout"} | ROW_NORM - {"_forward_one_pass"},
    "kl_divergence": {"losses_of_rows", "sum_losses", "terms_of_rows", "gradient_of_rows"},
    "js_divergence": {"losses_of_rows", "sum_losses", "terms_of_rows", "gradient_of_rows"},
    "rope_qk": {"_rope_qk"},
    "masked_softmax": {"_forward", "_backward"},
    "log_softmax": {"_forward", "_backward", "_forward_one_pass"},
    "embedding": {"_gather", "_number", "_begin", "_add_parts", "_add_up"},
    "multiply_add": {"_multiply_add"},
    "strided_copy": {"_copy"},
    "transpose": {"_copy"},
    "reduce_sum": {"_reduce", "_join"},
    "reduce_mean": {"_reduce", "_join"},
    "reduce_max": {"_reduce", "_join"},
    "argmax": {"_find", "_look"},
    "matvec": {"_matvec", "_outer", "_join"},
    "outer": {"_outer", "_both_products", "_join"},
    "dropout": {"_dropout"},
    "cumsum": {"_cumsum", "_cumsum_across", "_cumsum_by_tree"},
    "linear": {"_matmul", "_activation_backward"},
    "linear_cross_entropy": {*CROSS_ENTROPY, "sum_weights", "_scale"},
    "matmul_fp8": {"_matmul"},
    "relu": {"_activation", "_activation_backward"},
    "gelu": {"_activation", "_activation_backward"},
    "silu": {"_activation", "_activation_backward"},
    "swiglu": {"_gated", "_gated_flat", "_gated_backward"},
    "geglu": {"_gated", "_gated_flat", "_gated_backward"},
    "bias_activation": {"_biased", "_biased_backward"},
    "group_norm": {"_forward", "_backward", "_sum_lines"},
    "cross_entropy": CROSS_ENTROPY,
    "rms_norm": ROW_NORM,
    "layer_norm": ROW_NORM,
    "add_rms_norm": ROW_NORM,
    "add_layer_norm": ROW_NORM,
}


@pytest.mark.skipif(not _compat.interpreting(), reason="run with --interpret")
@pytest.mark.parametrize("name", INTERPRETED)
def test_samples_launch_every_kernel(name, monkeypatch):
    """They are not run: test_agreement does, with the same samples."""
    from triton.runtime import interpreter

    launches = set()

    def note(self, *args, **kwargs):
        launches.add(self.fn.__name__)

    monkeypatch.setattr(interpreter.GridExecutor, "__call__", note)
    op = registry.get(name)
    samples = [*op.samples(torch.device("cpu"), torch.float32)]
    if name == "cumsum":  # whose kernel is another in 16 bits
        samples += op.samples(torch.device("cpu"), torch.bfloat16)
    for sample in samples:
        for x in sample.args:
            if isinstance(x, torch.Tensor) and op.differentiable:
                x.requires_grad_()
        result = op.function(*sample.args, **sample.kwargs)
        result = result if isinstance(result, tuple) else (result,)
        if op.differentiable:
            sum(y.sum() for y in result).backward()
    assert launches == INTERPRETED[name]
