"""The larger rooms' Triton kernels compile to machine code for sm_80 and sm_90, without a GPU.

The ops run on CPU tensors with a driver that only names a target: each launch is compiled with the
arguments and the configuration that a GPU would get, and not executed.
"""

import pytest
import torch
from compiling import TargetOnly
from triton.runtime.driver import driver
from triton.runtime.jit import JITFunction
from triton_kernels import _compat, registry
from triton_kernels.ops import vector_add
from triton_kernels.ops.attention import launching
from triton_kernels.ops.gemm import portable as gemm_portable
from triton_kernels.ops.gemm import tma
from triton_kernels.ops.norms import backward as norms_backward
from triton_kernels.ops.norms import forward as norms_forward
from triton_kernels.ops.quantised import digits, integer, pairs, row, single, table
from triton_kernels.ops.quantised.codes import levels
from triton_kernels.ops.softmax import portable as softmax_portable

SHARED_MEMORY = {80: 163 * 1024, 90: 227 * 1024}
F32, BF16 = torch.float32, torch.bfloat16


hopper_only = pytest.mark.parametrize("compiled", [90], indirect=True)


@pytest.fixture(params=[80, 90])
def compiled(request, monkeypatch):
    """The kernels compiled while the test runs, in order; ``arch`` is their target."""
    run = JITFunction.run

    class Compiled(list):
        arch = request.param

    kernels = Compiled()

    def compile_only(self, *args, grid, warmup, **kwargs):
        kernels.append(run(self, *args, grid=grid, warmup=True, **kwargs))

    device = _compat.Device(divmod(request.param, 10), 132)
    monkeypatch.setattr(JITFunction, "run", compile_only)
    monkeypatch.setattr(_compat, "device_of", lambda _: device)
    monkeypatch.setattr(_compat, "interpreting", lambda: True)  # so that CPU tensors are let in
    monkeypatch.setattr(_compat, "interpreter_fault", lambda: None)
    monkeypatch.setattr(driver, "_active", TargetOnly(request.param))
    rooms = (vector_add, softmax_portable, gemm_portable, tma, norms_forward, norms_backward)
    rooms = (*rooms, launching, digits, integer, pairs, row, single)
    for plan in (*(room._plan for room in rooms), norms_backward._sum_plan):
        plan.cache_clear()  # of launches made for another target
    return kernels


def fits(kernels) -> None:
    for kernel in kernels:
        assert kernel.asm["cubin"]
        assert f".target sm_{kernels.arch}" in kernel.asm["ptx"]
        assert kernel.metadata.shared <= SHARED_MEMORY[kernels.arch], kernel.metadata


def names(kernels) -> set[str]:
    return {kernel.metadata.name for kernel in kernels}


def test_vector_add(compiled):
    x = torch.zeros(100)
    registry.get("vector_add").function(x, x, backend="portable")
    assert names(compiled) == {"_add"}
    fits(compiled)


@pytest.mark.parametrize(
    ("shape", "dim", "passes"),
    [
        ((8, 4096), -1, 1),
        ((1, 32768), -1, 1),
        ((1, 65537), -1, 2),
        ((1, 9, 64), 1, 1),
        ((600, 64), 0, 2),
    ],
)
def test_softmax(compiled, shape, dim, passes):
    x = torch.zeros(shape, dtype=BF16, requires_grad=True)
    registry.get("softmax").function(x, dim, backend="portable").sum().backward()
    expected = {
        1: {"_forward_one_pass", "_backward_one_pass"},
        2: {"_forward_online", "_backward_two_passes"},
    }
    if compiled.arch == 90 and dim == -1 and shape[-1] > 16384:  # where programs can share a row
        expected = {
            1: {"forward_shared", "_backward_one_pass"},
            2: {"forward_shared", "backward_shared"},
        }
    assert names(compiled) == expected[passes]
    fits(compiled)


@pytest.mark.parametrize(
    ("dtype", "precision"), [(BF16, "ieee"), (F32, "ieee"), (F32, "tf32"), (F32, "tf32x3")]
)
def test_matmul_portable(compiled, dtype, precision):
    a, b = torch.empty(2, 2048, 256, dtype=dtype), torch.empty(2, 2048, 256, dtype=dtype).mT
    registry.get("matmul").function(a, b, precision=precision, backend="portable")
    fits(compiled)
    instruction = {80: "mma.sync", 90: "wgmma"}[compiled.arch]
    tensor_cores = dtype is BF16 or precision != "ieee"
    assert (instruction in compiled[0].asm["ptx"]) == tensor_cores


@pytest.mark.parametrize(("columns", "passes"), [(4096, 1), (16384, 2)])
def test_layer_norm(compiled, columns, passes):
    x = torch.zeros((8, columns), dtype=BF16, requires_grad=True)
    weight = torch.zeros(columns, dtype=BF16, requires_grad=True)
    op = registry.get("layer_norm")
    op.function(x, weight, weight, backend="portable").sum().backward()
    apart = {"_backward_two_passes", "_parameter_sums"}
    rows_fit = passes == 1 or compiled.arch == 90  # where programs can share a row
    shared = {"_backward_shared_rows" if passes == 2 else "backward_rows"}
    backward = shared if rows_fit else apart
    assert names(compiled) == {"_forward_one_pass", "_sum_lines"} | backward
    fits(compiled)


@pytest.mark.parametrize("shape", [(2, 6, 5, 7), (2, 64, 64, 64)])
def test_group_norm(compiled, shape):
    x = torch.zeros(shape, dtype=BF16, requires_grad=True)
    weight = torch.zeros(shape[1], dtype=BF16, requires_grad=True)
    op = registry.get("group_norm")
    op.function(x, 2, weight, weight, backend="portable").sum().backward()
    assert names(compiled) == {"_forward", "_backward", "_sum_lines"}
    fits(compiled)


@hopper_only
@pytest.mark.parametrize("transposed", ["", "a", "b", "ab"])
def test_matmul_tma(compiled, transposed):
    a = torch.empty(2048, 2048, dtype=BF16)
    a, b = (a.t() if name in transposed else a for name in "ab")
    registry.get("matmul").function(a, b, backend="tma")
    fits(compiled)
    assert "wgmma" in compiled[0].asm["ptx"]
    assert "cp.async.bulk.tensor" in compiled[0].asm["ptx"]


def test_attention(compiled):
    q = torch.zeros(1, 2, 300, 64, dtype=BF16, requires_grad=True)
    op = registry.get("flash_attention")
    output = op.function(q, q, q, causal=True, backend="portable")
    output.backward(output.detach())
    assert names(compiled) == {"_forward", "_delta", "_keys_backward", "_rows_backward"}
    fits(compiled)
    instruction = {80: "mma.sync", 90: "wgmma"}[compiled.arch]
    assert all(instruction in k.asm["ptx"] for k in compiled if k.metadata.name != "_delta")


def test_wide_attention_with_a_bias(compiled):
    q = torch.zeros(1, 2, 300, 256, dtype=BF16, requires_grad=True)
    bias = torch.zeros(1, 2, 1, 300, dtype=BF16, requires_grad=True)
    op = registry.get("flash_attention")
    output = op.function(q, q, q, bias, window=(60, 40), backend="portable")
    output.backward(output.detach())
    assert "_bias_backward" in names(compiled)
    fits(compiled)


@hopper_only
def test_latent_decode_attention(compiled):
    query = torch.zeros(2, 128, 1, 576, dtype=BF16)
    latents = torch.zeros(2, 4096, 576, dtype=BF16)
    op = registry.get("mla_decode_attention")
    op.function(query, latents, 512, scale=0.1, backend="portable")
    assert names(compiled) == {"_share", "_merge"}
    fits(compiled)


@pytest.mark.parametrize("rows", [1, 8])
def test_matvec_in_whole_numbers(compiled, rows):
    x, codes = torch.zeros(rows, 1024, dtype=BF16), torch.zeros(40, 1024, dtype=torch.int8)
    integer.matvec_int8(x, codes, torch.zeros(40))
    fits(compiled)
    assert names(compiled) == {"_digits", "_matvec_int8"}
    text = compiled[1].asm["ptx"]
    assert "mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32" in text
    assert ("griddepcontrol.wait" in text) == (compiled.arch == 90)


@pytest.mark.parametrize("rows", [1, 8])
def test_matvec_by_pairs(compiled, rows):
    x, codes = torch.zeros(rows, 1088, dtype=BF16), torch.zeros(40, 544, dtype=torch.uint8)
    pairs.matvec_nf4(x, codes, torch.zeros(40, 17))
    fits(compiled)
    assert "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32" in compiled[0].asm["ptx"]


@pytest.mark.parametrize("rows", [1, 2])
def test_matvec_of_few_rows(compiled, rows):
    x, codes = torch.zeros(rows, 2048, dtype=BF16), torch.zeros(48, 1024, dtype=torch.uint8)
    pairs.matvec_nf4(x, codes, torch.zeros(48, 32))
    fits(compiled)
    assert names(compiled) == {"_matvec_single"}


@pytest.mark.parametrize("columns", [4096, 16384])
def test_matvec_of_a_row(compiled, columns):
    x, codes = torch.zeros(1, columns, dtype=BF16), torch.zeros(40, columns // 2, dtype=torch.uint8)
    pairs.matvec_nf4(x, codes, torch.zeros(40, columns // 64))
    fits(compiled)
    assert names(compiled) == {"_matvec_row"}
    assert ("griddepcontrol.wait" in compiled[0].asm["ptx"]) == (compiled.arch == 90)


@pytest.mark.parametrize("dtype", [torch.float16, BF16])
def test_a_byte_of_codes_is_the_number_of_its_pair_of_levels(dtype):
    pair = table.table_of(torch.device("cpu"), dtype).view(dtype).view(256, 2)
    byte = torch.arange(256)
    exact = levels(torch.device("cpu"))[torch.stack((byte & 15, byte >> 4), 1)]
    error = (pair.float() / table.UNITS[dtype] - exact).square().mean().sqrt()
    assert error < 0.7 * (exact.to(dtype).float() - exact).square().mean().sqrt()
