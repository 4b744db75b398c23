"""Bad input: the error's type and words, raised before anything runs."""

import pickle

import pytest
import torch
from triton_kernels import explain, record_backends, registry, vector_add
from triton_kernels.errors import DtypeError, KernelError, ShapeError

DEVICES = [pytest.param("cpu"), pytest.param("cuda", marks=pytest.mark.gpu)]
CASES = [
    pytest.param(op, index, id=f"{op.name}-{error.sample.name}")
    for op in map(registry.get, registry.op_names())
    for index, error in enumerate(op.errors(torch.device("cpu")))
]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("op", "index"), CASES)
def test_bad_input(op, index, device):
    bad = list(op.errors(torch.device(device)))[index]
    with record_backends() as record, pytest.raises(bad.error) as caught:
        op.function(*bad.sample.args, **bad.sample.kwargs)
    assert bad.says in str(caught.value)
    assert str(caught.value).startswith(f"{op.name}: got ")
    assert record == []


@pytest.mark.parametrize("op", map(registry.get, registry.op_names()), ids=lambda op: op.name)
def test_every_op_has_errors_of_shape_and_dtype(op):
    kinds = {bad.error.__name__ for bad in op.errors(torch.device("cpu"))}
    one_input_of_any_shape = op.name in ("relu", "gelu", "silu", "strided_copy")
    assert kinds >= ({"DtypeError"} if one_input_of_any_shape else {"ShapeError", "DtypeError"})


@pytest.mark.parametrize("layout", ["sparse_coo", "sparse_csr"])
def test_sparse_tensors_are_told_from_dense_ones(layout):
    dense = torch.eye(3)
    sparse = dense.to_sparse(layout=getattr(torch, layout))
    for x, y, name in ((sparse, dense, "x"), (dense, sparse, "y")):
        with pytest.raises(DtypeError) as caught:
            vector_add(x, y)
        assert f"got {name} of layout {layout}; expected dense strided" in str(caught.value)
        assert f"{name}.to_dense()" in str(caught.value)


@pytest.mark.parametrize("op", registry.op_names())
def test_explain_without_the_arguments_of_the_op(op):
    with pytest.raises(DtypeError, match=rf"^{op}: got .*missing.*; expected explain\('{op}', \w+"):
        explain(op)
    sample = next(registry.get(op).samples(torch.device("cpu"), torch.float32))
    with pytest.raises(DtypeError, match="unexpected keyword argument 'axis'"):
        explain(op, *sample.args, **sample.kwargs, axis=1)


def test_errors_survive_pickling():
    error = ShapeError("op", "this", "that", "do so")
    copy = pickle.loads(pickle.dumps(error))
    assert isinstance(copy, ShapeError | ValueError | KernelError)
    assert (str(copy), copy.advice) == (str(error), "do so")
