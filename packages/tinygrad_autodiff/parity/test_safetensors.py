"""Our safetensors files against those of the safetensors library, byte by byte and both ways."""

import random

import numpy as np
import pytest
import safetensors
import safetensors.numpy
import safetensors.torch
import torch
from tinygrad_autodiff import safetensors as st

DTYPES = ["?", "u1", "i1", "i2", "u2", "f2", "i4", "u4", "f4", "f8", "i8", "u8", "c8"]


def tensors(seed):
    """Ten arrays of random dtypes and shapes, empty ones among them, under awkward names."""
    rng = random.Random(seed)
    names = [
        "a",
        "B",
        "h.0.bias",
        'quote"',
        "back\\slash",
        "\n\t\x01\x7f",
        "é",
        "𝛼",
        "漢",
        "/",
    ]
    rng.shuffle(names)
    values = np.random.default_rng(seed)
    return {
        name: values.integers(0, 100, [rng.randrange(4) for _ in range(rng.randrange(4))]).astype(
            rng.choice(DTYPES)
        )
        for name in names
    }


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("metadata", [None, {}, {'é"\n': "v/\\\x1f"}])
def test_the_same_bytes(seed, metadata, tmp_path):
    """Header, order, padding and values."""
    given = {name: np.asarray(array) for name, array in tensors(seed).items()}
    content = st.save(given, metadata)
    assert content == safetensors.numpy.save(given, metadata)
    st.save_file(given, tmp_path / "ours", metadata)
    safetensors.numpy.save_file(given, tmp_path / "theirs", metadata)
    assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes() == content


@pytest.mark.parametrize("seed", range(10))
def test_the_same_values(seed, tmp_path):
    """Their file read by both, whole and in slices."""
    path = tmp_path / "file"
    safetensors.numpy.save_file(tensors(seed), path, {"k": "v"})
    ours, theirs = st.load_file(path), safetensors.numpy.load_file(path)
    assert ours.keys() == theirs.keys()
    for name, array in theirs.items():
        np.testing.assert_array_equal(ours[name], array, strict=True)
    with st.safe_open(path) as a, safetensors.safe_open(path, framework="np") as b:
        assert a.keys() == b.keys()
        filled = [name for name in b.offset_keys() if theirs[name].size]
        assert [name for name in a.offset_keys() if theirs[name].size] == filled
        assert a.metadata() == b.metadata()
        for name in filled:
            first, second = a.get_slice(name), b.get_slice(name)
            assert first.get_shape() == second.get_shape()
            assert first.get_dtype() == second.get_dtype()
            if first.get_shape():
                np.testing.assert_array_equal(first[:1], second[:1], strict=True)


def test_bfloat16_against_torch():
    """Every kind of float32, NaN with its payload among them, rounded and widened."""
    bits = np.random.default_rng(0).integers(0, 2**32, 100_000, dtype=np.uint32)
    bits[:8] = [
        0x7F800001,
        0xFF800001,
        0x7FFFFFFF,
        0x7F7FFFFF,
        1,
        0x80000000,
        0x3F808000,
        0x3F818000,
    ]
    array = bits.view(np.float32)
    content = safetensors.torch.save({"w": torch.from_numpy(array).bfloat16()})
    rounded = safetensors.torch.load(content)["w"].float().numpy()
    np.testing.assert_array_equal(st.load(content)["w"], rounded, strict=True)
    ours = safetensors.torch.load(st.save({"w": array}, bfloat16=["w"]))["w"]
    assert ours.dtype == torch.bfloat16
    np.testing.assert_array_equal(ours.float().numpy(), rounded)


def test_what_the_library_refuses_we_refuse():
    """Damaged headers: neither reads a file that the other refuses."""
    rng = random.Random(1)
    content = safetensors.numpy.save({"a": np.arange(4), "b": np.ones((2, 2), "f4")}, {"k": "v"})
    end_of_header = 8 + int.from_bytes(content[:8], "little")
    accepted = 0
    for _ in range(20_000):
        damaged = bytearray(content)
        place = rng.randrange(8, end_of_header)
        if rng.random() < 0.5:
            damaged[place] ^= 1 << rng.randrange(8)
        else:
            damaged[place] = rng.choice(b'0123456789-+.,:"{}[]eE \\tn')
        ours = _reads(st.load, bytes(damaged))
        assert ours == _reads(safetensors.numpy.load, bytes(damaged)), bytes(damaged)
        accepted += ours
    assert 500 < accepted < 19_000


def _reads(load, content):
    try:
        load(content)
    except (st.SafetensorError, safetensors.SafetensorError):
        return False
    return True
