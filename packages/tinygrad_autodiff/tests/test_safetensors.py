"""safetensors: golden bytes built by hand, every way a file can be wrong, lazy and atomic."""

import json
import os
import random
import resource
import sys

import numpy as np
import pytest
from tinygrad_autodiff import nn
from tinygrad_autodiff import safetensors as st
from tinygrad_autodiff.errors import ArgumentError, ArgumentTypeError, AutodiffError
from tinygrad_autodiff.tensor import Tensor


def pack(header, data=b""):
    """A file from its parts; `header` is a dict, or text or bytes to be taken as they are."""
    text = json.dumps(header) if isinstance(header, dict) else header
    encoded = text if isinstance(text, bytes) else text.encode()
    return len(encoded).to_bytes(8, "little") + encoded + data


def record(dtype="F32", shape=(2,), offsets=(0, 8)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


GOLDEN = (
    b"\x90\0\0\0\0\0\0\0"
    b'{"__metadata__":{"a":"1","b":"\xc3\xa9"},'
    b'"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},'
    b'"n":{"dtype":"I8","shape":[],"data_offsets":[8,9]}}'
    b"     "  # 144 bytes of header
    b"\x00\x00\x80\x3f\x00\x00\x00\xc0"  # 1.0, -2.0
    b"\xff"
)


def test_golden_bytes_are_written():
    tensors = {"n": np.int8(-1), "w": np.array([1, -2], np.float32)}
    assert st.save(tensors, {"b": "é", "a": "1"}) == GOLDEN


def test_golden_bytes_are_read(tmp_path):
    (tmp_path / "golden").write_bytes(GOLDEN)
    for loaded in (st.load(GOLDEN), st.load_file(tmp_path / "golden")):
        assert list(loaded) == ["w", "n"]
        np.testing.assert_array_equal(loaded["w"], np.array([1, -2], np.float32), strict=True)
        np.testing.assert_array_equal(loaded["n"], np.array(-1, np.int8), strict=True)


DTYPES = ["?", "u1", "i1", "i2", "u2", "f2", "i4", "u4", "f4", "f8", "i8", "u8", "c8"]


@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (5,), (2, 3, 4)])
def test_round_trip_of_every_dtype(shape, tmp_path):
    rng = np.random.default_rng(0)
    tensors = {name: rng.integers(0, 2, shape).astype(name) for name in DTYPES}
    st.save_file(tensors, tmp_path / "all")
    loaded = st.load_file(tmp_path / "all")
    assert loaded.keys() == tensors.keys()
    for name, array in tensors.items():
        np.testing.assert_array_equal(loaded[name], array, strict=True)
        assert loaded[name].flags.aligned


def test_any_layout_in_memory():
    array = np.arange(24.0, dtype=np.float32).reshape(2, 3, 4)
    layouts = {"t": array.T, "s": array[::-1, :, ::2], "big": array.astype(">f4"), "b": array[:1]}
    layouts["wide"] = np.broadcast_to(np.float32(7), (3, 3))
    loaded = st.load(st.save(layouts))
    for name, expected in layouts.items():
        np.testing.assert_array_equal(loaded[name], expected)


def test_tensors_in_and_out():
    weight = Tensor([[1.0, 2.0]], requires_grad=True)
    loaded = st.load(st.save({"w": weight}), framework="tensor")["w"]
    assert isinstance(loaded, Tensor)
    assert not loaded.requires_grad
    np.testing.assert_array_equal(loaded.numpy(), np.array([[1, 2]], np.float32), strict=True)


def test_a_module_travels_through_a_file(tmp_path):
    first, second = nn.Linear(3, 2), nn.Linear(3, 2)
    st.save_file(first.state_dict(), tmp_path / "linear.safetensors")
    second.load_state_dict(st.load_file(tmp_path / "linear.safetensors", framework="tensor"))
    np.testing.assert_array_equal(second.weight.detach().numpy(), first.weight.detach().numpy())
    np.testing.assert_array_equal(second.bias.detach().numpy(), first.bias.detach().numpy())


def test_wide_dtypes_come_first_then_names():
    tensors = {n: np.zeros(1, t) for n, t in (("b", "f4"), ("c", "u1"), ("a", "f4"), ("d", "i8"))}
    header = json.loads(st.save(tensors)[8:].split(b" ")[0].split(b"\0")[0])
    assert list(header) == ["d", "a", "b", "c"]


def test_values_start_at_a_multiple_of_eight():
    for length in range(20):
        content = st.save({"x" * length: np.zeros(1)})
        assert int.from_bytes(content[:8], "little") % 8 == 0


# ---- bfloat16 ------------------------------------------------------------------------------------

# value → its BF16 pattern; the midpoints round to the even neighbour
BF16 = {
    1.0: 0x3F80,
    -2.0: 0xC000,
    1.0 + 2**-8: 0x3F80,
    1.0 + 3 * 2**-8: 0x3F82,
    1.0 + 2**-8 + 2**-20: 0x3F81,
    3.4e38: 0x7F80,
    -np.inf: 0xFF80,
    0.0: 0,
    1e-45: 0,
}


def test_bfloat16_is_rounded_to_nearest_even():
    values = np.array(list(BF16), np.float32)
    content = st.save({"w": values}, bfloat16=["w"])
    assert b'"BF16"' in content
    stored = np.frombuffer(content[-2 * len(values) :], "<u2")
    assert [hex(bits) for bits in stored] == [hex(bits) for bits in BF16.values()]


def test_bfloat16_is_read_exactly_as_float32():
    bits = np.arange(2**16, dtype="<u2")
    content = pack({"w": record("BF16", bits.shape, (0, bits.nbytes))}, bits.tobytes())
    read = st.load(content)["w"]
    assert read.dtype == np.float32
    finite = ~np.isnan(read)
    np.testing.assert_array_equal(read.view(np.uint32) >> 16, bits)
    again = np.frombuffer(st.save({"w": read}, bfloat16={"w"})[-bits.nbytes :], "<u2")
    np.testing.assert_array_equal(again[finite], bits[finite])
    assert np.isnan(st.load(st.save({"w": read}, bfloat16={"w"}))["w"][~finite]).all()


def test_every_nan_stays_nan_in_bfloat16():
    """Rounding must neither carry into the sign nor cut the payload down to infinity."""
    nans = np.array([0x7FFFFFFF, 0xFFFFFFFF, 0x7F800001, 0xFF800001], np.uint32).view(np.float32)
    assert np.isnan(st.load(st.save({"w": nans}, bfloat16=["w"]))["w"]).all()


def test_bfloat16_of_what_is_not_float32():
    with pytest.raises(st.SafetensorError, match="'n' is I64, not F32"):
        st.save({"n": np.arange(3)}, bfloat16=["n"])
    with pytest.raises(st.SafetensorError, match="'m' is not among the tensors"):
        st.save({}, bfloat16=["m"])


# ---- lazy access ---------------------------------------------------------------------------------


@pytest.fixture
def path(tmp_path):
    tensors = {"a": np.arange(20, dtype=np.float32).reshape(4, 5), "b": np.arange(3)}
    st.save_file(tensors, tmp_path / "two.safetensors", {"origin": "test"})
    return tmp_path / "two.safetensors"


def test_safe_open(path):
    with st.safe_open(path, framework="np") as file:
        assert file.keys() == ["a", "b"]
        assert file.offset_keys() == ["b", "a"]
        assert file.metadata() == {"origin": "test"}
        part = file.get_slice("a")
        assert (part.get_shape(), part.get_dtype()) == ([4, 5], "F32")
        np.testing.assert_array_equal(part[1:3, ::2], [[5, 7, 9], [10, 12, 14]])
        assert part[2, 3] == 13
        whole = file.get_tensor("b")
        with pytest.raises(st.SafetensorError, match=r"no tensor 'c'.*'a', 'b'"):
            file.get_tensor("c")
        with pytest.raises(st.SafetensorError, match="no tensor 'c'"):
            file.get_slice("c")
        with pytest.raises(IndexError):
            part[9]
    np.testing.assert_array_equal(whole, [0, 1, 2])
    np.testing.assert_array_equal(part[0], np.arange(5))
    with pytest.raises(st.SafetensorError, match="the file is closed"):
        file.keys()


def test_metadata_may_be_missing(tmp_path):
    st.save_file({}, tmp_path / "empty")
    with st.safe_open(tmp_path / "empty") as file:
        assert file.metadata() is None
        assert file.get_tensors() == {}


def test_a_slice_of_bfloat16_and_of_bool(tmp_path):
    tensors = {"w": np.arange(8, dtype=np.float32), "m": np.arange(8) % 3 == 0}
    st.save_file(tensors, tmp_path / "f", bfloat16=["w"])
    with st.safe_open(tmp_path / "f") as file:
        np.testing.assert_array_equal(file.get_slice("w")[3:5], np.float32([3, 4]), strict=True)
        np.testing.assert_array_equal(file.get_slice("m")[2:4], [False, True])


def test_bytes_of_a_bool_other_than_one_are_true():
    mask = st.load(pack({"m": record("BOOL", (3,), (0, 3))}, b"\x00\x02\x01"))["m"]
    assert mask.view(np.uint8).tolist() == [0, 1, 1]


def test_writing_into_a_loaded_array_leaves_the_file_alone(path):
    before = path.read_bytes()
    first, second = st.load_file(path), st.load_file(path)
    first["a"] += 1
    assert path.read_bytes() == before
    assert second["a"][0, 0] == 0
    assert st.load(before)["a"].flags.writeable


def test_a_loaded_file_may_be_replaced(path):
    loaded = st.load_file(path)
    st.save_file(loaded | {"b": np.zeros(9)}, path)
    np.testing.assert_array_equal(loaded["b"], [0, 1, 2])
    np.testing.assert_array_equal(st.load_file(path)["b"], np.zeros(9))


def test_unaligned_values():
    header = '{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}} '
    assert len(header) % 4
    array = st.load(pack(header, np.float32([1, 2]).tobytes()))["w"]
    assert array.flags.aligned
    np.testing.assert_array_equal(array, [1, 2])


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in kilobytes on Linux alone")
def test_only_what_is_touched_is_read(tmp_path):
    size = 2**32
    head = pack({"w": record("F32", (2**15, 2**15), (0, size))})
    with open(tmp_path / "sparse", "wb") as file:
        file.write(head)
        file.truncate(len(head) + size)  # a hole: takes no room on the disk
        file.seek(len(head) + 2**31)
        file.write(np.float32(7).tobytes())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with st.safe_open(tmp_path / "sparse") as opened:
        part = opened.get_slice("w")[2**14 : 2**14 + 2, :3]
    np.testing.assert_array_equal(part, [[7, 0, 0], [0, 0, 0]])
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


# ---- files that are wrong ------------------------------------------------------------------------

PLAIN = '"dtype":"F32","shape":[2],"data_offsets":[0,8]'
EIGHT = b"\0" * 8
WRONG = {
    "empty": (b"", "truncated: a file begins with 8 bytes"),
    "seven bytes": (b"\0" * 7, "truncated: a file begins with 8 bytes"),
    "no header": (b"\0" * 8, r"must begin with '\{' at byte 8"),
    "header cut": (pack("{}")[:-1], "header should end at byte 10, the file has 9"),
    "header beyond the limit": (b"\x01\xe1\xf5\x05" + b"\0" * 4 + b"{}", "100000001 bytes"),
    "header of 2**64 - 1": (b"\xff" * 8 + b"{}", "18446744073709551615 bytes"),
    "list": (pack("[]"), r"must begin with '\{'"),
    "space first": (pack(" {}"), r"must begin with '\{'"),
    "byte order mark": (pack("\ufeff{}"), r"must begin with '\{'"),
    "utf-16": (pack("{}".encode("utf-16-le")), "not valid JSON"),
    "not utf-8": (pack(b'{"\xff":1}'), "not UTF-8 at byte 10"),
    "not json": (pack('{"w":}'), "not valid JSON"),
    "two objects": (pack("{}{}"), "not valid JSON"),
    "NaN": (pack('{"w":NaN}'), "NaN, which is not JSON"),
    "deep": (pack('{"w":' + "[" * 100_000), "not valid JSON"),
    "long number": (pack('{"w":' + "9" * 10_000 + "}"), "not valid JSON"),
    "name twice": (pack(f'{{"w":{{{PLAIN}}},"w":{{{PLAIN}}}}}', EIGHT), "key 'w' twice"),
    "key twice": (pack(f'{{"w":{{{PLAIN},"dtype":"F32"}}}}', EIGHT), "key 'dtype' twice"),
    "lone surrogate": (pack(r'{"\ud800":{' + PLAIN + "}}", EIGHT), "lone surrogate"),
    "lone surrogate in metadata": (pack(r'{"__metadata__":{"a":"\udfff"}}'), "lone surrogate"),
    "metadata no object": (pack({"__metadata__": ["a"]}), "__metadata__: expected an object"),
    "metadata no text": (pack({"__metadata__": {"a": 1}}), r"__metadata__\['a'\]: expected text"),
    "no record": (pack({"w": 3}), "tensor 'w': expected an object, got 3"),
    "key missing": (pack({"w": {"dtype": "F32"}}), r"expected the keys .* got \['dtype'\]"),
    "key too many": (pack({"w": record() | {"x": 1}}, EIGHT), "expected the keys"),
    "dtype unknown": (pack({"w": record("F12")}, EIGHT), "dtype 'F12' is not one"),
    "dtype without NumPy": (pack({"w": record("F8_E4M3")}, EIGHT), "dtype 'F8_E4M3' is not one"),
    "dtype lower case": (pack({"w": record("f32")}, EIGHT), "dtype 'f32'"),
    "dtype no text": (pack({"w": record(["F32"])}, EIGHT), r"dtype \['F32'\]"),
    "size negative": (pack({"w": record(shape=[-2])}, EIGHT), r"sizes >= 0, got \[-2\]"),
    "sizes negative": (pack({"w": record(shape=[-1, -2])}, EIGHT), "sizes >= 0"),
    "size a float": (pack({"w": record(shape=[2.0])}, EIGHT), "sizes >= 0"),
    "size a bool": (pack({"w": record(shape=[True, 2])}, EIGHT), "sizes >= 0"),
    "shape a number": (pack({"w": record() | {"shape": 2}}, EIGHT), "list of sizes"),
    "size huge": (pack({"w": record(shape=[2**63, 0], offsets=[0, 0])}), "beyond what NumPy"),
    "sizes huge": (pack({"w": record(shape=[2**62, 2**62], offsets=[0, 0])}), "beyond"),
    "dimensions": (pack({"w": record(shape=[1] * 65, offsets=[0, 4])}, b"0000"), "beyond"),
    "shape and offsets": (pack({"w": record(shape=[3])}, EIGHT), r"takes 12 bytes.*hold 8"),
    "offsets reversed": (pack({"w": record(offsets=[8, 0])}, EIGHT), r"\[begin, end\], got \[8, 0"),
    "offsets negative": (pack({"w": record(offsets=[-8, 0])}, EIGHT), "begin, end"),
    "three offsets": (pack({"w": record(offsets=[0, 8, 8])}, EIGHT), "begin, end"),
    "no offsets": (pack({"w": record() | {"data_offsets": None}}, EIGHT), "begin, end"),
    "offsets beyond": (pack({"w": record(offsets=[2**70, 2**70 + 8])}, EIGHT), "leaves a gap"),
    "data cut": (pack({"w": record()}, EIGHT[1:]), "truncated: the tensors take 8 .* there are 7"),
    "data left": (pack({"w": record()}, EIGHT + b"x"), "belong to no tensor.* 8 .* there are 9"),
    "gap first": (pack({"w": record(offsets=[1, 9])}, EIGHT + b"x"), "gap behind the header"),
    "gap": (
        pack({"v": record(), "w": record(offsets=[12, 20])}, bytes(20)),
        "'w' begins at data offset 12 and leaves a gap behind tensor 'v', which ends at 8",
    ),
    "overlap": (
        pack({"v": record(), "w": record(offsets=[4, 12])}, bytes(12)),
        "'w' begins at data offset 4 and overlaps tensor 'v', which ends at 8",
    ),
    "same bytes twice": (pack({"v": record(), "w": record()}, EIGHT), "overlaps tensor 'v'"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_file(case, tmp_path):
    content, message = WRONG[case]
    with pytest.raises(st.SafetensorError, match=f"^<{len(content)} bytes>: .*{message}") as found:
        st.load(content)
    assert isinstance(found.value, (AutodiffError, ValueError))
    (tmp_path / "wrong.safetensors").write_bytes(content)
    with pytest.raises(st.SafetensorError, match=f"wrong.safetensors: .*{message}"):
        st.load_file(tmp_path / "wrong.safetensors")


def test_empty_tensors_may_share_an_offset():
    header = {"v": record(), "x": record("U8", (0,), (8, 8)), "y": record("F64", (2, 0), (8, 8))}
    assert st.load(pack(header, EIGHT))["y"].shape == (2, 0)


def test_a_damaged_file_is_read_as_valid_or_refused():
    """Flip, cut and insert: whatever happens, no other error and no array beyond the file."""
    rng = random.Random(0)
    content = st.save({"a": np.arange(4), "b": np.ones((2, 2), np.float32)}, {"k": "v"})
    refused = 0
    for _ in range(3000):
        damaged = bytearray(content)
        for _ in range(rng.randint(1, 3)):
            place = rng.randrange(len(damaged))
            match rng.randrange(3):
                case 0:
                    damaged[place] ^= 1 << rng.randrange(8)
                case 1:
                    del damaged[place:]
                    damaged += b"{"
                case _:
                    damaged[place:place] = rng.choice((b"9", b"-", b'"', b"[", b"}", b","))
        try:
            loaded = st.load(bytes(damaged))
        except st.SafetensorError:
            refused += 1
        else:
            assert sum(array.nbytes for array in loaded.values()) < len(damaged)
    assert 2000 < refused < 3000


def test_what_is_no_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        st.load_file(tmp_path / "none")
    with pytest.raises(OSError, match="directory"):
        st.load_file(tmp_path)
    with pytest.raises(ArgumentTypeError, match="expected bytes, got str"):
        st.load("model.safetensors")
    with pytest.raises(ArgumentError, match=r"framework: .* got 'jax'"):
        st.load(GOLDEN, framework="jax")


# ---- what cannot be written ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tensors", "metadata", "error", "message"),
    [
        ({1: np.zeros(2)}, None, ArgumentTypeError, "names must be str, got 1"),
        ({"w": [1.0, 2.0]}, None, ArgumentTypeError, "'w': expected an array .* got list"),
        ({"w": None}, None, ArgumentTypeError, "got NoneType"),
        ({"__metadata__": np.zeros(2)}, None, st.SafetensorError, "reserved"),
        ({"\ud800": np.zeros(2)}, None, st.SafetensorError, "lone surrogate"),
        ({"w": np.zeros(2, "c16")}, None, st.SafetensorError, "'w': .* no dtype for complex128"),
        ({"w": np.array(["a"])}, None, st.SafetensorError, "no dtype for <U1"),
        ({"w": np.array([{}])}, None, st.SafetensorError, "no dtype for object"),
        ({"w": np.zeros(2, "M8[s]")}, None, st.SafetensorError, "no dtype for datetime"),
        ({}, {"a": 1}, ArgumentTypeError, "metadata: expected text by name, got 'a': 1"),
        ({}, {1: "a"}, ArgumentTypeError, "metadata: expected text"),
        ({}, {"a": "\ud800"}, st.SafetensorError, "lone surrogate"),
    ],
)
def test_refused_before_anything_is_written(tensors, metadata, error, message, tmp_path):
    with pytest.raises(error, match=message):
        st.save(tensors, metadata)
    with pytest.raises(error, match=message):
        st.save_file(tensors, tmp_path / "file", metadata)
    assert os.listdir(tmp_path) == []


def test_a_header_beyond_the_limit_is_not_written(monkeypatch):
    monkeypatch.setattr(st, "MAX_HEADER_BYTES", 100)
    with pytest.raises(st.SafetensorError, match="100 are allowed"):
        st.save({"x" * 100: np.zeros(1)})


@pytest.mark.parametrize("failing", ["fsync", "replace"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_an_interrupted_write_leaves_the_old_file(path, monkeypatch, failing, error):
    before = path.read_bytes()

    def fail(*args):
        raise error

    monkeypatch.setattr(os, failing, fail)
    with pytest.raises(type(error)):
        st.save_file({"a": np.zeros(1000)}, path)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_a_disk_that_fills_up(path):
    """A real write that the system cuts off half-way."""
    before = path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            st.save_file({"a": np.zeros(100_000)}, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_a_link_is_written_through(path, tmp_path):
    (tmp_path / "link").symlink_to(path)
    st.save_file({"z": np.zeros(2)}, tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert list(st.load_file(path)) == ["z"]
