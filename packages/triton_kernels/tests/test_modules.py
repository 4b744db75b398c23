"""Modules: torch's weights and results, options checked when they are made, dtypes that stay."""

import pytest
import torch
from torch.nn import functional
from triton_kernels import nn
from triton_kernels.errors import DtypeError, ShapeError
from triton_kernels.ops.norms import reference


def normal(module):
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_()
    return module


@pytest.mark.parametrize(
    ("ours", "theirs", "x"),
    [
        (nn.GroupNorm(2, 6), torch.nn.GroupNorm(2, 6), torch.randn(3, 6, 5)),
        (nn.Linear(16, 8), torch.nn.Linear(16, 8), torch.randn(3, 16)),
        (nn.Linear(16, 8, False), torch.nn.Linear(16, 8, bias=False), torch.randn(2, 3, 16)),
        (nn.Embedding(9, 4), torch.nn.Embedding(9, 4), torch.arange(9).view(3, 3)),
    ],
    ids=lambda x: type(x).__name__,
)
def test_they_load_torchs_weights_and_agree(ours, theirs, x):
    ours.load_state_dict(normal(theirs).state_dict())
    torch.testing.assert_close(ours(x), theirs(x))


def test_linear_and_geglu_keep_their_options():
    x, residual = torch.randn(3, 16), torch.randn(3, 8)
    layer = nn.Linear(16, 8, activation="gelu_tanh")
    plain = functional.linear(x, layer.weight, layer.bias)
    expected = functional.gelu(plain, approximate="tanh") + residual
    torch.testing.assert_close(layer(x, residual), expected)
    assert "activation='gelu_tanh'" in repr(layer)
    gate, up = torch.randn(2, 3, 5)
    expected = functional.gelu(gate, approximate="tanh") * up
    torch.testing.assert_close(nn.GeGLU("tanh")(gate, up), expected, rtol=1e-6, atol=1e-6)


def test_rms_norm_keeps_its_casting():
    x = torch.randn(64, 32).bfloat16()
    weight = torch.randn(32).bfloat16()
    found = []
    for casting in ("float32", "llama"):
        module = nn.RMSNorm(32, offset=0.5, casting=casting, dtype=torch.bfloat16)
        module.load_state_dict({"weight": weight})
        exact = reference.norm(x, None, weight, None, 1e-6, 0.5, casting, False)[0]
        found.append(module(x))
        torch.testing.assert_close(found[-1], exact, rtol=2**-5, atol=0)  # the interpreter cuts
    assert not torch.equal(*found)  # what the options make of it is seen


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (lambda: nn.RMSNorm(4, casting="gemma"), DtypeError, "RMSNorm: got casting 'gemma'"),
        (lambda: nn.GroupNorm("2", 6), DtypeError, "GroupNorm: got groups of type str"),
        (lambda: nn.GroupNorm(4, 6), ShapeError, "6 channels in 4 groups"),
        (lambda: nn.GeGLU("erf"), DtypeError, "GeGLU: got approximate 'erf'"),
        (lambda: nn.Linear(4, 4, activation="tanh"), DtypeError, "Linear: got activation 'tanh'"),
        (lambda: nn.Linear(4, 4, precision="fast"), DtypeError, "Linear: got precision 'fast'"),
        (lambda: nn.LoRALinear(torch.ones(4, 4), 0, 8), ShapeError, "LoRALinear: got rank 0"),
        (lambda: nn.LoRALinear(torch.ones(4, 4), 2.0), DtypeError, "rank of type float"),
        (lambda: nn.LoRALinear(torch.ones(4, 4), 2, p=2), ShapeError, "LoRALinear: got p 2"),
        (lambda: nn.LoRALinear(torch.ones(4), 2), ShapeError, "weight of shape (4,)"),
        (lambda: nn.LoRALinear(torch.ones(4, 4), 2, bias=1.0), DtypeError, "bias of type float"),
        (lambda: nn.LoRALinear(torch.ones(4, 4), 2, bias=torch.ones(3)), ShapeError, "(3,)"),
        (lambda: nn.LoRALinear(torch.ones(4, 4), 2, nf4="no"), DtypeError, "nf4 of type str"),
        (lambda: nn.LayerNorm(4, eps=-1.0), ShapeError, "LayerNorm: got eps -1.0"),
        (lambda: nn.LayerNorm(4, eps="0"), DtypeError, "LayerNorm: got eps of type str"),
    ],
)
def test_options_are_checked_when_a_module_is_made(make, error, says):
    with pytest.raises(error) as caught:
        make()
    assert says in str(caught.value)


@pytest.mark.parametrize("cast", ["bfloat16", "half", "double"])
def test_a_cast_module_keeps_the_scales_of_its_codes(cast):
    module = nn.LoRALinear(torch.randn(8, 64), 2, nf4=True)
    scale = module.scale.clone()
    module = getattr(module, cast)()
    assert module.scale.dtype is torch.float32
    assert torch.equal(module.scale, scale)
    x = torch.randn(3, 64).to(module.lora_a.dtype)
    assert module(x).dtype is x.dtype
    assert module.to("meta").scale.device.type == "meta"


def test_a_whole_graph_of_lora_draws_another_seed_at_every_call():
    module = nn.LoRALinear(torch.randn(8, 16), 2, p=0.5)
    torch.nn.init.normal_(module.lora_b)
    x = torch.randn(3, 16)
    torch._dynamo.reset()
    with torch._dynamo.config.patch(capture_scalar_outputs=True):
        compiled = torch.compile(module, fullgraph=True, backend="aot_eager")
        runs = []
        for call in (compiled, module):
            torch.manual_seed(1)
            runs.append((call(x), call(x)))
    for actual, expected in zip(*runs, strict=True):
        torch.testing.assert_close(actual, expected)
    assert not torch.equal(*runs[0])
