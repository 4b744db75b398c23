"""Saving and loading: exact, without pickle, and never half a file."""

import io
import os
import stat
import zipfile

import numpy as np
import pytest
import tinygrad_autodiff as tg
from tinygrad_autodiff import nn


def test_round_trip_of_a_model_and_an_optimizer(tmp_path):
    model = nn.Linear(3, 2)
    optimizer = tg.optim.Adam(model.parameters())
    model(tg.rand(4, 3)).sum().backward()
    optimizer.step()
    tg.save({"model": model.state_dict(), "step": 3, "lr": 0.1}, tmp_path / "a.npz")
    loaded = tg.load(tmp_path / "a.npz")
    assert list(loaded) == ["model.weight", "model.bias", "step", "lr"]
    assert loaded["step"].item() == 3
    assert loaded["lr"].item() == 0.1
    assert loaded["model.weight"].dtype == tg.float32
    assert tg.equal(loaded["model.weight"], model.weight)
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]


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
    for wrong in ({"x": "text"}, {"x": None}, [tg.ones(1)]):
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


def test_open_files_are_written_and_read():
    file = io.BytesIO()
    tg.save({"a": tg.arange(3)}, file)
    file.seek(0)
    assert tg.load(file)["a"].tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match=r"not a complete \.npz"):
        tg.load(io.BytesIO(b"nothing"))
