"""The scoreboard itself: torch passes its own tests, a wrong library does not, the bar holds."""

import json
import os
import time
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.testing._internal.common_methods_invocations import op_db

from .__main__ import arguments, examine, main, run
from .adapter import TORCH, Call, Library, Stored, UntranslatableError
from .checks import CHECKS, SAMPLES, cases
from .compare import WrongError, WrongValueError, as_close, compare
from .page import BOTH, COLUMNS, page, passes, totals

pytestmark = pytest.mark.filterwarnings("default")  # torch's own
BAR = tomllib.loads(Path(__file__).with_name("bar.toml").read_text())
OPS = {info.formatted_name: info for info in op_db}


def checked(name, *libraries):
    """The record of one operation, made in this process."""
    results = {lib.name: {} for lib in libraries}
    examine(OPS[name], libraries, lambda sent: results[sent[0]].update({sent[1]: sent[2]}))
    return {"op": name, "family": "", "results": results}


class Changed(Library):
    """torch under another name, with one function in the place of the one asked for."""

    def __init__(self, function):
        super().__init__("torch")
        self.name = "changed"
        self.changed = function

    def function(self, info):
        return self.changed


class Detour(torch.autograd.Function):
    """The values of sin, with a derivative that is given."""

    @staticmethod
    def forward(ctx, x, derivative):
        ctx.save_for_backward(x)
        ctx.derivative = derivative
        return x.sin()

    @staticmethod
    def backward(ctx, gradient):
        return gradient * ctx.derivative(ctx.saved_tensors[0]), None


def wrong_gradient(x):
    """The derivative of something else."""
    return Detour.apply(x, lambda x: -x.cos())


def wrong_second(x):
    """A derivative of the right value that is itself a constant."""
    return Detour.apply(x, lambda x: x.detach().cos())


VARIED = (
    "add",  # two operands, alpha
    "cat",  # a list of tensors
    "einsum",  # op_db's wrapper gives the operands in another order
    "__getitem__",  # a method; slices, masks
    "max_reduction_with_dim",  # a named tuple
    "nn_functional_dropout",  # random, seeded
    "to",  # dtypes, memory formats
    "linalg_eigh",  # unique up to signs
    "nn_functional_batch_norm",  # writes to its arguments
    "as_strided",  # layouts
    "equal",  # a Python number
    "fft_fft",  # complex
)


@pytest.mark.parametrize("name", VARIED)
def test_torch_passes_against_itself(name):
    results = checked(name, TORCH)["results"]["torch"]
    offered = [check.name for check in CHECKS if check.offered(OPS[name])]
    assert set(offered) <= set(results)
    for result in results.values():
        assert 0 < result["passed"] == result["samples"]
        assert result["reason"] is None


@pytest.mark.parametrize(
    ("function", "check", "reason"),
    [
        (torch.cos, "forward", "wrong value"),
        (lambda x: x.sin() * (1 + 1e-3), "forward", "wrong value"),
        (lambda x: x.double().sin(), "forward", "wrong dtype float64, torch has float32"),
        (lambda x: x.sin()[None], "forward", "wrong shape"),
        (lambda x: (x.sin(),), "forward", "another structure"),
        (lambda x: x.sin().tolist(), "forward", "another structure"),
        (lambda x: x.no_such_method(), "forward", "missing"),
        (lambda x: 1 / 0, "forward", "raised ZeroDivisionError"),
        (lambda x: x.detach().sin(), "gradient", "does not require grad"),
        (wrong_gradient, "gradient", "wrong value"),
        (wrong_gradient, "gradgrad", "wrong value"),
        (wrong_second, "gradgrad", "wrong value"),
        (wrong_second, "forward AD", "raised"),
        (lambda x: x.detach().sin(), "forward AD", "wrong value"),
    ],
)
def test_a_wrong_library_fails(function, check, reason):
    record = checked("sin", TORCH, Changed(function))
    result = record["results"]["changed"][check]
    assert result["passed"] < result["samples"]
    assert reason in result["reason"]
    assert passes(record, "changed", check) is False
    assert passes(record, "torch", check) is True
    if reason != "another structure" and check == "gradgrad":
        assert passes(record, "changed", "forward") is True


def fails_as(error):
    """The right values of `trace`, and `error` where torch refuses."""

    def trace(x):
        if x.ndim != 2:
            raise error("bad")
        return torch.trace(x)

    return trace


@pytest.mark.parametrize(
    ("error", "right"),
    [(RuntimeError, True), (ValueError, False), (NotImplementedError, False), (KeyError, False)],
)
def test_errors_must_be_of_torchs_class(error, right):
    record = checked("trace", TORCH, Changed(fails_as(error)))
    assert passes(record, "changed", "forward") is True
    assert passes(record, "changed", "errors") is right


def test_errors_do_not_count_where_values_are_wrong():
    def refuse(x):
        raise RuntimeError("always")

    record = checked("trace", TORCH, Changed(refuse))
    assert record["results"]["changed"]["errors"]["passed"] > 0
    assert passes(record, "changed", "errors") is False


def test_a_missing_function_is_said():
    class Without(Changed):
        def function(self, info):
            return Library.function(self, info)

        def resolve(self, path):
            return Library.resolve(self, path.replace("fft", "nowhere"))

    result = checked("fft_fft", TORCH, Without(None))["results"]["changed"]["forward"]
    assert result["reason"].startswith("missing: no fft.fft (on ")


@pytest.mark.parametrize(
    "tensor",
    [
        torch.arange(12.0).reshape(3, 4),
        torch.arange(12.0).reshape(3, 4).mT,
        torch.arange(12.0).reshape(3, 4)[:, ::2],
        torch.arange(3.0).expand(4, 3),
        torch.arange(12.0).as_strided((3, 2), (1, 1), 2),
        torch.tensor(2),
        torch.zeros(0, 3),
        torch.tensor([1 + 2j]).conj(),
        torch.tensor([True]),
    ],
)
def test_tensors_keep_values_and_strides(tensor):
    made = TORCH.tensor(Stored.of(tensor).array())
    torch.testing.assert_close(made, tensor, check_stride=tensor.numel() > 0, rtol=0, atol=0)


def sample(*args, **kwargs):
    """Arguments as op_db gives them."""
    from torch.testing._internal.opinfo.core import SampleInput

    return SampleInput(args[0], args=args[1:], kwargs=kwargs)


def test_one_tensor_given_twice_stays_one_and_memory_is_fresh():
    x = torch.ones(3)
    call = Call(sample(x, [x, torch.zeros(3)], dtype=torch.float64))
    for made in (call.on(TORCH), call.originals(), call.widened()):
        assert made[0] is made[1] is not x
        assert made[2] is not made[0]
        made[0].zero_()
    assert float(call.on(TORCH)[0].sum()) == 3
    assert str(call) == "[3], [[3], [3]], dtype=torch.float64"


@pytest.mark.parametrize(
    "value",
    [
        torch.eye(2).to_sparse(),
        torch.ones(2, dtype=torch.bfloat16),
        torch.ones((1,) * 65),
        torch.nn.ReLU(),
        object(),
    ],
)
def test_what_has_no_form_outside_torch(value):
    with pytest.raises(UntranslatableError, match="no form"):
        Call(sample(value))


def test_overlapping_tensors_are_taken_but_not_differentiated():
    x = torch.arange(3.0).expand(2, 3)
    assert str(Call(sample(x))) == "[2, 3]"
    with pytest.raises(UntranslatableError, match="share memory"):
        Call(sample(x.clone().as_strided((2, 3), (1, 1)).requires_grad_()))
    assert Call(sample(torch.ones(4, 6)[:, ::2].requires_grad_())).differentiable == [0]


def test_values_are_compared_with_the_double_result_only_for_rounding():
    info, true = OPS["sum"], torch.tensor([1e8, 1.0], dtype=torch.float64)
    torchs = torch.tensor([1e8, 1.0]) + torch.tensor([8.0, 0.0])
    rounded, wrong = torch.tensor([1e8 - 16, 1.001]), torch.tensor([1e8 + 800, 1.0])
    with pytest.raises(WrongValueError):
        compare([rounded], [torchs], info, torch.float32)
    assert as_close([rounded], [torchs], [true])
    assert not as_close([wrong], [torchs], [true])
    assert not as_close([rounded * torch.nan], [torchs], [true])
    assert not as_close([rounded], [torchs], [])
    with pytest.raises(WrongError, match="wrong dtype"):
        compare([rounded.double()], [torchs], info, torch.float32)


def test_samples_are_many_bounded_and_the_same_each_time():
    first, second = (cases(OPS["sum"], CHECKS[1]) for _ in range(2))
    assert 8 <= len(first) == len(second) <= SAMPLES
    for one, other in zip(first, second, strict=True):
        assert str(one.call) == str(other.call)
        assert all(torch.equal(a, b) for a, b in zip(one.expected, other.expected, strict=True))


class Hangs(Changed):
    """A library whose functions never return."""

    def __init__(self):
        super().__init__(lambda x: time.sleep(600))


class Dies(Changed):
    """A library whose functions end the process."""

    def __init__(self):
        super().__init__(lambda x: os._exit(3))


@pytest.mark.parametrize(("kind", "reason"), [(Hangs, "timeout"), (Dies, "died (3)")])
def test_an_operation_costs_no_more_than_itself(kind, reason):
    records = list(run([OPS["sin"], OPS["cos"]], [TORCH, kind()], jobs=2, limit=15))
    assert {record["op"] for record in records} == {"sin", "cos"}
    for record in records:
        assert passes(record, "torch", BOTH) is True
        assert record["results"]["changed"]["forward"]["reason"] == reason
        assert passes(record, "changed", "gradgrad") is False


def test_the_program_writes_records_and_a_page_and_resumes(tmp_path, monkeypatch, capsys):
    file, text = tmp_path / "records.jsonl", tmp_path / "page.md"
    line = ["scoreboard", "torch", "--json", str(file), "--page", str(text), "--ops"]
    monkeypatch.setattr("sys.argv", [*line, "cos"])
    assert main() == 0
    monkeypatch.setattr("sys.argv", [*line, "cos*", "--resume"])
    assert main() == 0
    records = [json.loads(line) for line in file.read_text().splitlines()]
    assert [record["op"] for record in records] == ["cos", "cosh"]
    assert '"forward": 2, "gradient": 2' in capsys.readouterr().out
    assert "| `cosh` | ✓ | ✓ | ✓ | ✓ | – |" in text.read_text()
    monkeypatch.setattr("sys.argv", [*line, "no_such_operation"])
    assert main() == 2
    assert "no operation of op_db is named 'no_such_operation'" in capsys.readouterr().err


def test_the_page_lists_what_fails_and_what_does_not_count():
    good = {"samples": 2, "passed": 2, "reason": None}
    bad = {"samples": 2, "passed": 1, "reason": "wrong value: off by up to 1.0e+00 (on [3], *)"}
    records = [
        {"op": "a", "family": "f", "results": {"torch": {"forward": good}, "x": {"forward": bad}}},
        {"op": "b", "family": "f", "results": {"torch": {"forward": bad}, "x": {"forward": good}}},
    ]
    assert totals(records, "x") == dict.fromkeys((*COLUMNS, BOTH), 0)
    assert totals(records, "torch")[BOTH] == 1
    text = page(records, ["x"])
    assert "| `a` | ✗ | – | – | – | – |" in text
    assert text.count("`b`") == 1
    assert "Not counted, because torch does not pass: `b`." in text
    assert "- `a` (forward): wrong value: off by up to 1.0e+00 (on \\[3\\], \\*)" in text


def test_the_counts_only_rise():
    """The whole of op_db: some minutes. A count that rose is to be written into bar.toml."""
    given = arguments([])
    libraries = [TORCH, *map(Library, given.library)]
    records = list(run(op_db, libraries, given.jobs, given.limit))
    for lib in libraries:
        found = totals(records, lib.name)
        print(lib.name, found)
        fallen = {key: (found[key], bar) for key, bar in BAR[lib.name].items() if found[key] < bar}
        assert not fallen, f"{lib.name}: (found, bar) {fallen}"


def test_numpy_is_the_only_way_in():
    """A library gets arrays of its own, never torch's memory."""
    x = torch.ones(2, 3)
    array = Stored.of(x).array()
    array[:] = 0
    assert isinstance(array, np.ndarray)
    assert float(x.sum()) == 6
