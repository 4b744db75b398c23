"""Saving and loading: exact, without pickle, and never half a file."""

import io
import json
import os
import random
import stat
import zipfile

import numpy as np
import pytest
import tinygrad_autodiff as tg
from tinygrad_autodiff import nn
from tinygrad_autodiff.errors import ArgumentError


def test_a_run_goes_on_from_a_checkpoint(tmp_path):
    def run():
        tg.manual_seed(0)
        model = nn.Linear(3, 2)
        optimizer = tg.optim.Adam(model.parameters(), lr=0.1)
        return model, optimizer, tg.optim.lr_scheduler.StepLR(optimizer, 2)

    def advance(model, optimizer, scheduler, x):
        optimizer.zero_grad()
        model(x).square().sum().backward()
        optimizer.step()
        scheduler.step()

    inputs = tg.rand(6, 4, 3)
    first, second = run(), run()
    for x in inputs[:3]:
        advance(*first, x)
    parts = {name: part.state_dict() for name, part in zip("mos", first, strict=True)}
    tg.save({"parts": parts, "epoch": 3, "note": None, "sizes": (3, 2)}, tmp_path / "a.npz")
    loaded = tg.load(tmp_path / "a.npz")
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]
    assert (loaded["epoch"], loaded["note"], loaded["sizes"]) == (3, None, (3, 2))
    assert loaded["parts"]["o"]["param_groups"] == parts["o"]["param_groups"]
    for part, name in zip(second, "mos", strict=True):
        part.load_state_dict(loaded["parts"][name])
    for x in inputs[3:]:
        advance(*first, x)
        advance(*second, x)
    assert tg.equal(first[0].weight, second[0].weight)
    assert first[2].get_last_lr() == second[2].get_last_lr()
    with np.load(tmp_path / "a.npz") as plain:
        assert plain["parts.m.weight"].shape == (2, 3)


def test_structures_come_back_as_they_were():
    state = {
        "a.b": tg.ones(1),
        "a": {"b": tg.zeros(1), 7: [True, 0.1, float("inf"), (), {}]},
        "__structure__": tg.ones(2),
    }
    file = io.BytesIO()
    tg.save(state, file)
    found = tg.load(file)
    assert list(found) == list(state)
    assert (found["a.b"].item(), found["a"]["b"].item()) == (1, 0)
    assert found["a"][7] == state["a"][7]
    assert found["__structure__"].tolist() == [1, 1]
    for node in ([1], {"dict": [[1.5, {"value": 1}]]}, {"array": "none"}, {"code": "x"}, {}):
        text = np.frombuffer(json.dumps(node).encode(), np.uint8)
        file = io.BytesIO()
        np.savez(file, __structure__=text)
        with pytest.raises(ArgumentError, match="a structure"):
            tg.load(file)


def test_any_name_will_do(tmp_path):
    names = ["file", "allow_pickle", "layers.0.weight", "größe"]
    tg.save({name: tg.ones(1) for name in names}, tmp_path / "a.npz")
    assert list(tg.load(tmp_path / "a.npz")) == names
    assert sorted(np.load(tmp_path / "a.npz").files) == sorted(names)


def test_nothing_is_pickled(tmp_path):
    tg.save({"x": tg.ones(2)}, tmp_path / "a.npz")
    with zipfile.ZipFile(tmp_path / "a.npz") as archive:
        assert archive.namelist() == ["x.npy"]
        assert np.lib.format.read_array(io.BytesIO(archive.read("x.npy"))).tolist() == [1, 1]
    np.savez(tmp_path / "bad.npz", x=np.array([{}], object))
    with pytest.raises(ValueError, match=r"bad\.npz"):
        tg.load(tmp_path / "bad.npz")


def test_an_interrupted_save_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.npz"
    tg.save({"x": tg.ones(2)}, path)

    def broken(*args, **kwargs):
        raise OSError("no space left on device")

    monkeypatch.setattr(np.lib.format, "write_array", broken)
    with pytest.raises(OSError, match="no space"):
        tg.save({"x": tg.zeros(2)}, path)
    assert tg.load(path)["x"].tolist() == [1, 1]
    assert [p.name for p in tmp_path.iterdir()] == ["a.npz"]


def test_file_and_folder_are_flushed_and_links_written_through(tmp_path, monkeypatch):
    flushed = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (flushed.append(os.fstat(fd).st_mode), real(fd)))
    (tmp_path / "link").symlink_to(tmp_path / "a.npz")
    tg.save({"x": tg.ones(2)}, tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert tg.load(tmp_path / "a.npz")["x"].tolist() == [1, 1]
    assert [stat.S_ISDIR(kind) for kind in flushed] == [False, True]


def test_bad_files_and_values(tmp_path):
    with pytest.raises(FileNotFoundError):
        tg.load(tmp_path / "none.npz")
    tg.save({"x": tg.rand(1000)}, tmp_path / "a.npz")
    whole = (tmp_path / "a.npz").read_bytes()
    for i, content in enumerate((b"", b"text", whole[: len(whole) // 2], whole[:-30])):
        cut = tmp_path / f"cut{i}.npz"
        cut.write_bytes(content)
        with pytest.raises(ValueError, match=f"cut{i}"):
            tg.load(cut)
    np.save(tmp_path / "single.npy", np.ones(2))
    with pytest.raises(ValueError, match="single array"):
        tg.load(tmp_path / "single.npy")
    for wrong in ({"x": object()}, {"x": [{1.5: 0}]}, 1j, {(1, 2): 0}):
        with pytest.raises(TypeError, match="save"):
            tg.save(wrong, tmp_path / "b.npz")
    assert not (tmp_path / "b.npz").exists()


def test_a_flipped_bit_is_noticed(tmp_path):
    path = tmp_path / "a.npz"
    tg.save({"x": tg.zeros(1000)}, path)
    content = bytearray(path.read_bytes())
    content[2000] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.npz"):
        tg.load(path)


def test_a_damaged_file_is_read_as_valid_or_refused():
    file = io.BytesIO()
    np.savez_compressed(file, a=np.arange(12.0), b=np.ones((2, 2), np.int8))
    draw = random.Random(0)
    outcomes = set()
    for _ in range(1000):
        content = bytearray(file.getvalue())
        content[draw.randrange(len(content))] = draw.randrange(256)
        if draw.random() < 0.3:
            del content[draw.randrange(len(content)) :]
        try:
            tg.load(io.BytesIO(content))
            outcomes.add("valid")
        except ArgumentError:
            outcomes.add("refused")
    assert outcomes == {"valid", "refused"}


@pytest.mark.parametrize(
    ("descr", "shape", "message"),
    [
        ("<f8", "(10000000000000,)", "takes 80000000000000 bytes, there are 8"),
        ("<f8", "(99999999999999999999999,)", "x.npy"),
        ("<f8", "(-1,)", "x.npy"),
        ("<f8", "(2, 1", "not a complete"),
        ("<U2", "(1,)", "not numbers"),
        ("<M8[s]", "(1,)", "not numbers"),
        ("|O", "(1,)", "pickles are never read"),
    ],
)
def test_an_entry_that_is_no_array_of_numbers(descr, shape, message):
    head = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}}}".encode()
    body = b"\x93NUMPY\1\0" + len(head).to_bytes(2, "little") + head + bytes(8)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("x.npy", body)
    with pytest.raises(ArgumentError, match=message):
        tg.load(file)


def test_what_numpy_wrote():
    file = io.BytesIO()
    columns = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    np.savez(file, columns=columns, big=np.arange(3, dtype=">i4"))
    found = tg.load(file)
    assert found["columns"].tolist() == columns.tolist()
    assert found["big"].dtype == tg.int32
    assert found["big"].add_(1).tolist() == [1, 2, 3]
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("notes.txt", "text")
    with pytest.raises(ArgumentError, match=r"'notes\.txt' is no array"):
        tg.load(file)


def test_open_files_are_written_and_read():
    file = io.BytesIO()
    tg.save({"a": tg.arange(3)}, file)
    file.seek(0)
    assert tg.load(file, map_location="cpu", weights_only=True)["a"].tolist() == [0, 1, 2]
    with pytest.raises(RuntimeError, match="live on the CPU"):
        tg.load(file, "cuda")
    with pytest.raises(ValueError, match=r"not a complete \.npz"):
        tg.load(io.BytesIO(b"nothing"))
