"""The package as a whole: what it imports, what it exports, its stubs and its version."""

import ast
import operator
import subprocess
import sys
from pathlib import Path

import pytest
import tinygrad_autodiff as tg
from tinygrad_autodiff import api, stubs
from tinygrad_autodiff.registry import OPS

FOLDER = Path(tg.__file__).parent


def test_importing_it_imports_numpy_and_the_standard_library_alone():
    program = (
        "import sys, tinygrad_autodiff\n"
        "names = {name.partition('.')[0] for name in sys.modules}\n"
        "print(sorted(names - set(sys.stdlib_module_names) - {'__main__', '__mp_main__'}))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path[:0] = {sys.path!r}\n{program}"],
        capture_output=True,
        text=True,
        check=True,
    )
    found = [name for name in ast.literal_eval(done.stdout) if "cython" not in name]
    assert found == ["numpy", "tinygrad_autodiff"]  # NumPy's compiled parts register cython_…


def test_the_stubs_are_what_the_registry_says():
    for name, text in stubs.render().items():
        assert (FOLDER / name).read_text(encoding="utf-8") == text, (
            f"{name} is old; run python -m tinygrad_autodiff.stubs"
        )
        ast.parse(text)


def test_every_op_is_where_it_says():
    for cls in OPS.values():
        for space in cls.spaces:
            for name in (cls.name, *(a for a in cls.aliases if "." not in a)):
                place = operator.attrgetter(space)(tg) if space else tg
                found = getattr(place, name)
                assert found is cls.call, (space, name)
    assert set(api.names_in("")) <= set(dir(tg))


def test_names_are_only_where_torch_has_them():
    assert tg.special.expit is tg.sigmoid
    for name in ("expit", "vector_norm", "inner_product"):
        for place in (tg, tg.Tensor, tg.nn.functional):
            assert not hasattr(place, name), (place, name)
    assert not hasattr(tg.special, "sigmoid")


def public(owner, name):
    """(name, value) of what a module defines or exports, and of the methods of its classes."""
    exported = getattr(owner, "__all__", None) or vars(owner)
    for key in exported:
        value = getattr(owner, key, None)
        ours = str(getattr(value, "__module__", "")).startswith("tinygrad_autodiff")
        if key.startswith("_") or not callable(value) or not ours:
            continue
        yield f"{name}.{key}", value
        if isinstance(value, type):
            for method, function in vars(value).items():
                if not method.startswith("_") and callable(function):
                    yield f"{name}.{key}.{method}", function


def test_everything_public_says_what_it_does():
    places = [tg, tg.nn, tg.nn.functional, tg.nn.init, tg.nn.utils, tg.nn.utils.rnn, tg.optim]
    places += [tg.optim.lr_scheduler, tg.optim.swa_utils, tg.linalg, tg.fft, tg.special, tg.func]
    places += [tg.masked, tg.signal.windows, tg.autograd, tg.autograd.functional, tg.data]
    places += [tg.safetensors, tg.graph, tg.profiler, tg.scalar, tg.utils.checkpoint]
    named = [pair for place in places for pair in public(place, place.__name__)]
    assert len(named) > 1400
    assert [name for name, value in named if not value.__doc__] == []


def test_dtypes_with_the_names_of_builtins():
    assert (tg.bool, tg.float, tg.int) == (tg.bool_, tg.float32, tg.int32)
    assert tg.zeros(2, dtype=tg.bool).dtype == tg.bool_
    assert not {"bool", "float", "int"} & set(vars(tg))


def test_version_is_read_when_asked_for():
    assert tg.__version__.count(".") == 2
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = tg.no_such_name


def test_all_is_true():
    assert all(hasattr(tg, name) for name in tg.__all__)


def test_names_that_programs_for_torch_begin_with():
    assert tg.utils.data.DataLoader is tg.data.DataLoader
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = tg.utils.no_such_name
    device = tg.device("cuda" if tg.cuda.is_available() else "cpu")
    assert tg.zeros(2, device=device).device == device
    assert tg.cuda.device_count() == 0
    for moved in (tg.ones(1), tg.nn.Linear(1, 1)):
        with pytest.raises(RuntimeError, match="live on the CPU"):
            moved.cuda()
    assert tg.finfo(tg.float32).eps == 2**-23
    assert tg.iinfo(tg.int8).max == 127
    assert isinstance(tg.float32, tg.dtype)
    assert isinstance(tg.ones(2).shape, tg.Size)
    assert tg.zeros(2)[tg.newaxis].shape == (1, 2)
    assert (round(tg.pi, 2), round(tg.e, 2), tg.inf > 1e308, tg.nan != tg.nan) == (3.14, 2.72, 1, 1)
