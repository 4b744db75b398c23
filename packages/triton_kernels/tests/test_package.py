"""The package's surface, seen from processes of its own: imports, environment, self-test.

Not collected with --interpret: nothing here depends on how kernels run.
"""

import dataclasses
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch
import triton_kernels
from triton_kernels import registry
from triton_kernels.errors import BackendError

# Submodules of triton-lang's package of the same import name.
THEIRS = ["matmul", "matmul_ogs", "tensor", "routing", "swiglu", "topk", "reduce", "numerics"]


def process(*arguments, **environment):
    return subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def run(code, **environment):
    result = process("-c", code, **environment)
    assert result.returncode == 0, result.stderr[-2000:]
    return result.stdout


def test_importing_imports_neither_torch_nor_triton():
    code = (
        "import sys, triton_kernels; "
        "print([m for m in ('torch', 'triton', 'numpy') if m in sys.modules], "
        "'softmax' in dir(triton_kernels))"
    )
    assert run(code) == "[] True\n"


@pytest.mark.parametrize("name", triton_kernels.__all__)
def test_every_name_is_there_and_stays_a_thing_of_its_own(name):
    value = getattr(triton_kernels, name)
    assert getattr(triton_kernels, name) is value
    assert name == "errors" or callable(value)


def test_rooms_offer_what_the_registry_says():
    import importlib

    for module, names in registry.ROOMS.items():
        assert tuple(op.name for op in importlib.import_module(module).OPS) == names
        for name in names:
            op = registry.get(name)
            assert getattr(triton_kernels, name) is op.function
            assert op.kernel.op == name
            assert op.cases
            assert op.source


def test_implementations_exist():
    for op in map(registry.get, registry.op_names()):
        for kernel in (op.kernel, *op.gradients):
            assert all(callable(backend.run) for backend in kernel.backends)


@pytest.mark.parametrize("name", THEIRS)
def test_no_submodule_is_named_as_one_of_theirs(name):
    import importlib.util

    assert importlib.util.find_spec(f"triton_kernels.{name}") is None


def test_an_op_is_registered_by_its_first_use_in_a_compiled_function_or_before():
    code = (
        "import torch, triton_kernels as t; ops = torch.ops.roadmap_kernels\n"
        "f = torch.compile(lambda x: t.softmax(x), fullgraph=True, backend='eager')\n"
        "print(f(torch.zeros(2)).tolist(), hasattr(ops, 'matmul')); t.register_ops()\n"
        "print(all(hasattr(ops, name) for name in t.op_names()))"
    )
    assert run(code) == "[0.5, 0.5] False\nTrue\n"


def test_an_unknown_attribute_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'attention'"):
        triton_kernels.attention  # noqa: B018


def test_version():
    assert triton_kernels.__version__[0].isdigit()


def test_without_triton_the_reference_runs():
    code = (
        "import sys; sys.modules['triton'] = None\n"
        "import torch, triton_kernels as t\n"
        "print(t.vector_add(torch.ones(2), torch.ones(2)).tolist(), t.explain('matmul', "
        "torch.ones(2, 2), torch.ones(2, 2)))"
    )
    output = run(code)
    assert output.startswith("[2.0, 2.0]")
    assert "portable: refuses: triton is not installed" in output


def test_self_test_runs():
    result = process("-m", "triton_kernels")
    assert result.returncode == 0, result.stderr
    assert "softmax" in result.stdout
    assert "reference" in result.stdout
    covered = "covered the references only" in result.stdout
    assert covered == ("portable   ok" not in result.stdout)


@pytest.mark.parametrize("factor", [1.0, 1.1])
def test_the_self_test_takes_each_backend_at_its_word(monkeypatch, capsys, factor):
    from triton_kernels import __main__ as program
    from triton_kernels import registry
    from triton_kernels.backends import Backend

    op = registry.get("vector_add")
    asked = []

    def add(x, y, backend):
        asked.append((backend, x.dtype))
        return (x + y) * factor

    def narrow(x, *others):
        return None if x.dtype is torch.bfloat16 else "it takes bfloat16 only"

    backends = (
        Backend("narrow", "", narrow), Backend("never", "", lambda *inputs: "no such device"),
    )  # fmt: skip
    fake = dataclasses.replace(op, kernel=SimpleNamespace(backends=backends), function=add)
    monkeypatch.setattr(registry, "op_names", lambda: ("vector_add",))
    monkeypatch.setattr(registry, "get", lambda name: fake)
    assert program.main([]) == int(factor != 1)
    told = capsys.readouterr().out
    assert asked == [("narrow", torch.bfloat16)]
    assert ("ok (bfloat16)" in told) == (factor == 1)
    assert ("WRONG RESULT (bfloat16)" in told) == (factor != 1)
    assert "never      not here: no such device" in told


@pytest.mark.parametrize(
    ("argument", "status", "said"),
    [
        ("--help", 0, "usage: python -m triton_kernels"),
        ("--fast", 2, "unrecognized arguments: --fast"),
    ],
)
def test_the_command_line_knows_its_arguments(capsys, argument, status, said):
    from triton_kernels import __main__ as program

    with pytest.raises(SystemExit) as ended:
        program.main([argument])
    told = "".join(capsys.readouterr())
    assert ended.value.code == status
    assert said in told
    assert "self-test" not in told


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGPIPE")
def test_a_reader_that_leaves_early_gets_no_traceback():
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as gone:
        result = subprocess.run(
            [sys.executable, "-u", "-m", "triton_kernels"],
            stdout=gone,
            stderr=subprocess.PIPE,
            text=True,
            timeout=120,
            check=False,
        )
    assert result.returncode != 0
    assert result.stderr == ""


def test_a_backend_that_cannot_is_an_error_not_a_fallback():
    with pytest.raises(BackendError, match="TRITON_INTERPRET=1"):
        triton_kernels.softmax(torch.zeros(3), backend="portable")


def test_the_environment_asks():
    code = (
        "import torch, triton_kernels as t; e = t.explain('softmax', torch.zeros(3)); "
        "print(e.reasons['reference'])"
    )
    setting = " matmul=tma, softmax=reference"
    assert run(code, TRITON_KERNELS_BACKEND=setting) == "taken: asked for\n"


def test_what_the_environment_may_say(monkeypatch):
    from triton_kernels import backends

    read = backends._from_environment
    with pytest.raises(BackendError, match="BACKEND: got the op name 'sofmax'; expected one of"):
        read("sofmax=reference")
    assert read(" matmul=tma, softmax=reference") == {"matmul": "tma", "softmax": "reference"}
    monkeypatch.setattr(backends, "_asked", read("reference"))
    explanation = triton_kernels.explain("softmax", torch.zeros(3))
    assert explanation.reasons["reference"] == "taken: asked for"
    monkeypatch.setattr(backends, "_asked", read("best"))
    with pytest.raises(BackendError, match="backend 'best'; expected one of hopper, portable, ref"):
        triton_kernels.softmax(torch.zeros(3))
