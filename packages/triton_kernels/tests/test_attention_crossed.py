"""Attention on a GPU: its features crossed pairwise, long sequences, large numbers."""

import itertools
import random

import pytest
import torch
from attention_calls import grads, heads, packed
from triton_kernels import flash_attention, flash_attention_varlen, record_backends
from triton_kernels.ops.attention import samples

pytestmark = [pytest.mark.gpu, pytest.mark.usefixtures("poisoned")]

CHOICES = {
    "size": (32, 64, 80, 96, 128, (192, 128), 256),
    "lengths": ((1, 1), (7, 63), (65, 127), (128, 129), (513, 700), (700, 513)),
    "seen": ("all", "causal", "window", "causal window", "mask"),
    "bias": (None, "whole", "shared"),
    "groups": (1, 2, 4),
    "soft_cap": (None, 3.0),
    "slopes": (False, True),
    "sinks": (False, True),
    "dropout": (0.0, 0.2),
    "outside": ("heads", "positions"),
    "dtype": (torch.bfloat16, torch.float16),
}
ON_HOPPER = {
    **CHOICES, "size": (64, 128, 256), "lengths": ((7, 64), (129, 200), (513, 704), (700, 512)),
    "seen": ("all", "causal", "causal window", "mask"), "bias": (None, "whole"), "groups": (1, 2),
}  # fmt: skip


def crossed_pairwise(choices):
    """Calls in which any two choices meet, found greedily."""
    chance = random.Random(0)
    names = list(choices)
    open_pairs = {
        (a, x, b, y)
        for a, b in itertools.combinations(names, 2)
        for x in range(len(choices[a]))
        for y in range(len(choices[b]))
    }
    calls = []
    while open_pairs:
        tries = [{n: chance.randrange(len(choices[n])) for n in names} for _ in range(60)]

        def met(call):
            return {(a, call[a], b, call[b]) for a, b in itertools.combinations(names, 2)}

        best = max(tries, key=lambda call: len(met(call) & open_pairs))
        open_pairs -= met(best)
        calls.append({n: choices[n][best[n]] for n in names})
    return calls


def errors_within(actual, exact, yardstick, factor, dtype, terms=0.0):
    # A gradient may vanish as a sum of terms that cancel: they too set its magnitude.
    unit = torch.finfo(dtype).eps * max(exact.abs().max().item(), terms)
    error, of_torch = ((x.double() - exact).abs().max() for x in (actual, yardstick))
    assert not actual.isnan().any()
    assert error <= factor * of_torch + unit, (error, of_torch, unit)


CROSSED = [
    pytest.param(call, backend, id="-".join(map(str, (backend, *call.values()))))
    for backend, choices in (("portable", CHOICES), ("hopper", ON_HOPPER))
    for call in crossed_pairwise(choices)
]


@pytest.mark.parametrize(("call", "backend"), CROSSED)
def test_features_crossed(call, backend):
    size, value_size = call["size"] if isinstance(call["size"], tuple) else (call["size"],) * 2
    queries, keys = call["lengths"]
    device, dtype = "cuda", call["dtype"]
    q, k, v = heads(
        2, 4, queries, keys, size, value_size=value_size, groups=call["groups"], device=device,
        dtype=dtype,
    )  # fmt: skip
    options = {"soft_cap": call["soft_cap"], "dropout": call["dropout"], "seed": 3}
    if "causal" in call["seen"]:
        options["causal"] = True
    if "window" in call["seen"]:
        options["window"] = (60, 40)
    if call["seen"] == "mask":
        options["mask"] = torch.rand(2, 1, queries, keys, device=device) > 0.4
    if call["slopes"]:
        options["alibi_slopes"] = torch.rand(4, device=device) / 8
    bias = {None: None, "whole": (2, 4, queries, keys), "shared": (1, 4, 1, keys)}[call["bias"]]
    bias = bias and torch.randn(bias, device=device, dtype=dtype, requires_grad=True)
    sinks = torch.randn(4, device=device, requires_grad=True) if call["sinks"] else None
    given = [q, k, v, bias, sinks]
    wanted = [x for x in given if x is not None]
    wide = [None if x is None else x.detach().double().requires_grad_() for x in given]
    exact = samples.torch_attention(*wide, **options)
    yardstick = samples.torch_attention(*given, **options)
    if call["outside"] == "positions":
        given[:3] = [x.transpose(1, 2).contiguous().transpose(1, 2) for x in given[:3]]
    with record_backends() as record:
        output = flash_attention(*given, **options, backend=backend)
    assert record == [("flash_attention", backend)]
    errors_within(output, exact, yardstick, 2, dtype)
    grad = torch.randn_like(yardstick)
    exacts = torch.autograd.grad(exact, [x for x in wide if x is not None], grad.double())
    yardsticks = torch.autograd.grad(yardstick, wanted, grad)
    actuals = torch.autograd.grad(output, wanted, grad)
    terms = (exact * grad).abs().max().item()
    if keys == 1:  # torch's gradient is 0 exactly; ours, what all of a row's terms are rounded by
        terms = (exact * grad).norm(dim=-1).max().item()
    for found in zip(actuals, exacts, yardsticks, strict=True):
        errors_within(*found, 3, dtype, terms)


PACKED = {
    "size": (32, 64, 80, 96, 128, (192, 128), 256),
    "lengths": (
        ((65, 65), (0, 0), (128, 128), (7, 7), (130, 130)),
        ((5, 130), (0, 3), (200, 64), (4, 0), (63, 127), (64, 300)),
    ),
    "seen": ("all", "causal", "window", "causal window"),
    "groups": (1, 2, 4),
    "soft_cap": (None, 3.0, 30.0),
    "slopes": (None, "of heads", "of sequences"),
    "sinks": (False, True),
    "dropout": (0.0, 0.2),
    "deterministic": (False, True),
    "dtype": (torch.bfloat16, torch.float16),
    "backend": ("hopper", "portable"),
}  # fmt: skip
OF_PACKED = [
    pytest.param(call, id="-".join(map(str, call.values()))) for call in crossed_pairwise(PACKED)
]


def packed_by_torch(q, k, v, sinks, ends_q, ends_k, slopes, **options):
    """One sequence after another."""
    pairs = [itertools.pairwise(ends.tolist()) for ends in (ends_q, ends_k)]
    outputs = []
    for n, (own_q, own_k) in enumerate(zip(*pairs, strict=True)):
        slices = (own_q, own_k, own_k)
        own = [x[slice(*s)].transpose(0, 1)[None] for x, s in zip((q, k, v), slices, strict=True)]
        of_own = slopes if slopes is None or slopes.dim() == 1 else slopes[n]
        outputs.append(samples.torch_attention(*own, None, sinks, alibi_slopes=of_own, **options))
    return torch.cat([y[0].transpose(0, 1) for y in outputs])


@pytest.mark.parametrize("call", OF_PACKED)
@pytest.mark.parametrize("device", ["cuda"])
def test_features_of_packed_sequences_crossed(call, device):
    """Dropout counts rows of the packed tensor: beside the definition, with torch's own error."""
    size, value_size = call["size"] if isinstance(call["size"], tuple) else (call["size"],) * 2
    q, k, v, *ends = packed(
        device, groups=call["groups"], size=size, lengths=call["lengths"], dtype=call["dtype"]
    )
    v = v.detach()[..., :value_size].contiguous()
    given = [q, k, v, torch.randn(4, device=device) if call["sinks"] else None]
    shape = {None: None, "of heads": (4,), "of sequences": (len(call["lengths"]), 4)}
    slopes = shape[call["slopes"]] and torch.rand(shape[call["slopes"]], device=device) / 8
    options = {
        "causal": "causal" in call["seen"], "soft_cap": call["soft_cap"], "seed": 3,
        "window": (60, 40) if "window" in call["seen"] else (None, None),
        "dropout": call["dropout"], "deterministic": call["deterministic"],
    }  # fmt: skip
    grad = torch.randn(len(q), 4, value_size, device=device).to(call["dtype"])

    def run(function, wide=False):
        leaves = [
            None if x is None else (x.double() if wide else x).detach().requires_grad_()
            for x in given
        ]
        y = function(*leaves)
        wanted = [x for x in leaves if x is not None]
        return [y, *torch.autograd.grad(y, wanted, grad.to(y.dtype))]

    def ours(backend):
        return lambda q, k, v, sinks: flash_attention_varlen(
            q, k, v, *ends, None, None, sinks, alibi_slopes=slopes, **options, backend=backend
        )

    def torchs(q, k, v, sinks):
        return packed_by_torch(q, k, v, sinks, *ends, slopes, **options)

    with record_backends() as record:
        actuals = run(ours(call["backend"]))
    assert record[0] == ("flash_attention", call["backend"])
    exacts = run(ours("reference"), True)
    lost = [x.double() - y for x, y in zip(run(torchs), run(torchs, True), strict=True)]
    terms = (exacts[0] * grad).abs().max().item()
    for n, (actual, exact, loss) in enumerate(zip(actuals, exacts, lost, strict=True)):
        factor, of_terms = (3, terms) if n else (2, 0.0)
        errors_within(actual, exact, exact + loss, factor, call["dtype"], of_terms)


@pytest.mark.parametrize("backend", ["hopper", "portable"])
@pytest.mark.parametrize("length", [8191, 65536])
def test_long_sequences(length, backend):
    q, k, v = heads(1, 1, length, length, 64, device="cuda", dtype=torch.bfloat16)
    output = flash_attention(q, k, v, causal=True, backend=backend)
    found = grads(output, (q, k, v))
    rows = slice(length - 64, length)  # the longest
    exact = samples.torch_attention(
        q[:, :, rows].double(), k.double(), v.double(), causal=True
    )  # fmt: skip
    error = (output[:, :, rows] - exact).abs().max()
    # Outputs are as small as 1/√length: an eighth of the keys left out makes a third of that.
    assert error <= torch.finfo(torch.bfloat16).eps * exact.abs().max() + 0.03 * rms(exact)
    assert not any(x.isnan().any() for x in found)
    theirs = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
    for actual, wanted in zip(found, grads(theirs, (q, k, v)), strict=True):
        for part in range(0, length, length // 8):  # late rows are small beside the first ones
            own, other = (x[:, :, part : part + length // 8].float() for x in (actual, wanted))
            assert rms(own - other) <= 0.02 * rms(other)


def rms(x):
    return x.square().mean().sqrt()


def test_attention_beyond_32_bit_offsets():
    torch.cuda.empty_cache()
    batch, n, length, size = 5, 32, 2**16 + 3, 256
    one = torch.randn(1, 1, 200, size, device="cuda", dtype=torch.bfloat16)
    big = torch.zeros(batch, n, length, size, device="cuda", dtype=torch.bfloat16)
    big[-1, -1, -200:] = one[0, 0]
    last = big[:, -1:, -200:]
    output = flash_attention(last, last, last, causal=True, backend="portable")
    expected = flash_attention(one, one, one, causal=True, backend="portable")
    assert big.numel() > 2**31
    assert torch.equal(output[-1:], expected)


@pytest.mark.parametrize("backend", ["hopper", "portable"])
def test_gradients_beyond_32_bit_offsets(backend, room_for):
    """All tensors have more than 2³¹ elements; the last batch is as if it were alone."""
    room_for(28)
    whole = torch.randn(512, 16, 2050, 128, device="cuda", dtype=torch.bfloat16)
    assert whole.numel() > 2**31
    grad, found = torch.randn_like(whole), []
    for x, dy in ((whole, grad), (whole[-1:].clone(), grad[-1:].clone())):
        x.requires_grad_()
        with record_backends() as record:
            y = flash_attention(x, x, x, causal=True, backend=backend)
            (dx,) = torch.autograd.grad(y, x, dy)
        assert {name for kernel, name in record if "delta" not in kernel} == {backend}
        found.append([part[-1:].float() for part in (y, dx)])
    for actual, expected in zip(*found, strict=True):
        assert (actual - expected).norm() <= 0.004 * expected.norm()  # added up in another order


@pytest.mark.parametrize("feature", ["window", "mask", "bias"])
@pytest.mark.parametrize("backend", ["hopper", "portable"])
def test_more_heads_than_a_grid_has_in_y(backend, feature, room_for):
    """Of 65,600; the last batch is as if it were alone."""
    room_for(8)
    x, extra, grad = torch.randn(3, 4100, 16, 64, 64, device="cuda", dtype=torch.bfloat16)
    found = []
    for part in (slice(None), slice(-1, None)):
        q, e = (t[part].clone().requires_grad_() for t in (x, extra))
        options = {"window": {"window": (20, 3)}, "mask": {"mask": e > 0}, "bias": {"bias": e}}
        with record_backends() as record:
            y = flash_attention(q, q, q, backend=backend, **options[feature])
            leaves = (q, e) if feature == "bias" else (q,)
            grads = torch.autograd.grad(y, leaves, grad[part])
        assert {name for kernel, name in record if "delta" not in kernel} == {backend}
        found.append([t[-1:].float() for t in (y, *grads)])
    for actual, expected in zip(*found, strict=True):
        assert (actual - expected).norm() <= 0.004 * expected.norm()  # added up in another order


@pytest.mark.parametrize(
    ("dtype", "backend"),
    [(torch.bfloat16, "hopper"), (torch.bfloat16, "portable"), (torch.float32, "portable")],
)
def test_large_magnitudes_stay_finite(dtype, backend):
    q, k, v = heads(1, 2, 257, 300, 64, device="cuda", dtype=dtype)
    with torch.no_grad():
        output = flash_attention(1e4 * q, 1e4 * k, v, backend=backend)
        exact = samples.torch_attention(1e4 * q.double(), 1e4 * k.double(), v.double())
    assert not output.isnan().any()
    # One key takes it all; which one may differ where two are nearly equal.
    same = (output - exact).abs().amax(-1) <= 0.02
    assert same.float().mean() > 0.97


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("size", [64, 80, 128])
def test_float32_through_tf32(size, causal):
    """Beside torch's run in tf32, forward and backward."""
    given = heads(2, 4, 300, 333, size, groups=2, device="cuda")
    grad = torch.randn(2, 4, 300, size, device="cuda")

    def run(function, inputs, **options):
        y = function(*inputs, causal=causal, **options)
        return [y, *torch.autograd.grad(y, inputs, grad.to(y.dtype))]

    exacts = run(samples.torch_attention, [x.detach().double().requires_grad_() for x in given])
    actuals = run(flash_attention, given, precision="tf32")
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = True
    try:
        yardsticks = run(samples.torch_attention, given)
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before
    terms = (exacts[0] * grad).abs().max().item()
    for n, each in enumerate(zip(actuals, exacts, yardsticks, strict=True)):
        errors_within(*each, 3 if n else 2, torch.float32, terms if n else 0.0)
