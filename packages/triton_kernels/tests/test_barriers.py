"""Hopper kernels, compiled without a GPU: no memory of an mbarrier is given to anything else.

The hardware may hold a barrier apart from shared memory, and writes it back when another process is
given the GPU. Whatever lies there by then is lost, unless the barrier was invalidated.
"""

import re

import torch
from compiling import ptx_of_launches


def barriers(ptx):
    """Where barriers are made, in order, and what else is stored or loaded at a constant address.

    Both in bytes from the beginning of shared memory.
    """
    at = {register: 0 for register in re.findall(r"mov\.\w+\s+(%r\d+), global_smem;", ptx)}
    for to, register, more in re.findall(r"add\.s32\s+(%r\d+), (%r\d+), (\d+);", ptx):
        if register in at:
            at[to] = at[register] + int(more)

    def address(text):
        register, _, more = text.partition("+")
        base = 0 if register == "global_smem" else at.get(register)
        return None if base is None else base + int(more or 0)

    made = re.findall(r"mbarrier\.init\.shared::cta\.b64 \[([^\]]+)\]", ptx)
    used = re.findall(r"\b(?:st|ld)\.shared\.\S+\s+(?:\S+,\s*)?\[([^\]]+)\]", ptx)
    return [address(x) for x in made], {address(x) for x in used} - {None}


def test_attention_barriers_keep_their_memory(monkeypatch):
    """Of packed sequences, whose programs are handed what they read before they part."""
    from triton_kernels.ops.attention import hopper_forward
    from triton_kernels.ops.attention.features import Features

    ends = torch.tensor([0, 8192, 16384], dtype=torch.int32)
    features = Features(scale=0.1, right=0, cu_q=ends, cu_k=ends, max_q=8192, max_k=8192)
    inputs = torch.empty(3, 1, 16, 16384, 64, dtype=torch.bfloat16).unbind()
    compiled = ptx_of_launches(lambda: hopper_forward.attend(*inputs, features), monkeypatch)
    waiting = [ptx for ptx in compiled if "mbarrier" in ptx]
    assert len(waiting) == 2  # the second mends what the first has noted
    for ptx in waiting:
        made, used = barriers(ptx)
        assert None not in made
        assert len(set(made)) == len(made)
        assert not used & {first + byte for first in made for byte in range(8)}
