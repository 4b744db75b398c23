"""Three ways to run the same tests: CPU reference, triton's interpreter, GPU.

- ``pytest``: CPU tensors, which take the reference.
- ``pytest --interpret``: CPU tensors, which take the Triton code in triton's interpreter.
- ``pytest -m gpu``: CUDA tensors. Without a GPU this fails: nothing is skipped in silence.
"""

from __future__ import annotations

import functools
import os
import random
import time
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

import pytest

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

# Those that compile kernels, and those for which it makes no difference.
_COMPILED_ONLY = (
    "test_barriers.py", "test_compilation.py", "test_documents.py", "test_package.py",
    "test_replicas.py", "test_settled.py",
)  # fmt: skip
_INTERPRETED_ONLY = ("test_interpreter.py",)
_MOST_WAITING, _OTHERS = 300, 24
"""Seconds that a test waits for memory; GiB that it leaves to tests of other processes."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--interpret", action="store_true", help="run Triton code in the interpreter")
    parser.addoption("--seed", type=int, help="seed of all random inputs; fresh if not given")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--interpret"):
        os.environ["TRITON_INTERPRET"] = "1"  # before anything imports triton
    if config.option.seed is None:
        config.option.seed = random.SystemRandom().randrange(2**31)


def pytest_report_header(config: pytest.Config) -> str:
    # By the metadata: pytest-xdist's controller, which prints this, needs neither of them itself.
    found = {d.name: d.version for d in metadata.distributions() if d.name in ("torch", "triton")}
    run = "interpreter" if os.environ.get("TRITON_INTERPRET") == "1" else "compiled"
    torch, triton = (f"{name} {found.get(name, 'not installed')}" for name in ("torch", "triton"))
    return f"{torch}, {triton} ({run}), --seed {config.option.seed}"


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    interpreting = os.environ.get("TRITON_INTERPRET") == "1"
    unfit = _COMPILED_ONLY if interpreting else _INTERPRETED_ONLY
    return True if collection_path.name in unfit else None


def pytest_collection_finish(session: pytest.Session) -> None:
    wants_gpu = [item for item in session.items if item.get_closest_marker("gpu")]
    if not wants_gpu or session.config.option.collectonly:
        return
    import torch

    if not torch.cuda.is_available():
        pytest.exit(
            f"{len(wants_gpu)} tests with the marker gpu were chosen, but torch sees no CUDA "
            "device: run them on a machine with a GPU, or leave out `-m gpu`",
            returncode=pytest.ExitCode.TESTS_FAILED,
        )


@pytest.fixture(autouse=True, scope="session")
def _language_changed_once_a_launch() -> Iterator[None]:
    """The interpreter changes triton.language for a launch, and anew at each call of a function
    within it: a third of its time, to the same effect."""
    if os.environ.get("TRITON_INTERPRET") != "1":
        yield
        return
    import triton.language as tl
    from triton.runtime import interpreter

    change, execute = interpreter._patch_lang, interpreter.GridExecutor.__call__
    changed: set[str] = set()

    @functools.cache
    def seen_by(function: Callable[..., object]) -> frozenset[str]:
        known = {id(tl), id(tl.core)}
        return frozenset(x.__name__ for x in function.__globals__.values() if id(x) in known)

    def change_once(function: Callable[..., object]) -> object:
        if seen_by(function) <= changed:
            return None
        changed.update(seen_by(function))
        return change(function)

    def launch(self, *args, **kwargs):
        changed.clear()
        return execute(self, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(interpreter, "_patch_lang", change_once)
        patch.setattr(interpreter.GridExecutor, "__call__", launch)
        yield


@pytest.fixture(autouse=True)
def _seeded(request: pytest.FixtureRequest) -> None:
    import torch

    torch.manual_seed(request.config.option.seed)


@pytest.fixture(autouse=True)
def _memory_is_left_to_others() -> Iterator[None]:
    """What the allocator keeps for the next test would be missing in other processes' tests."""
    yield
    import torch

    if torch.cuda.is_initialized() and torch.cuda.memory_reserved() > 1 << 30:
        torch.cuda.empty_cache()


@pytest.fixture
def room_for() -> Callable[[int], None]:
    """Takes so many GiB of the GPU for this test, when other processes' tests have left them."""
    import torch

    def free() -> int:
        return torch.cuda.mem_get_info()[0] >> 30

    def taken(gigabytes: int) -> bool:
        """The allocator keeps it. Not if too little is left: two may have taken it at once."""
        torch.cuda.empty_cache()
        try:
            torch.empty(gigabytes << 30, dtype=torch.uint8, device="cuda")
        except torch.OutOfMemoryError:
            return False
        return free() >= _OTHERS

    def take(gigabytes: int) -> None:
        until = time.monotonic() + _MOST_WAITING
        while not taken(gigabytes):
            torch.cuda.empty_cache()
            if time.monotonic() > until:
                pytest.fail(f"needs {gigabytes} + {_OTHERS} GiB of GPU memory, {free()} are free")
            time.sleep(random.uniform(0.5, 1.5))

    return take


@pytest.fixture
def poisoned():
    """New memory is filled with NaN, by torch's own switch, so that nothing unwritten passes."""
    import torch

    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = True
    assert torch.empty(3).isnan().all()
    yield
    torch.use_deterministic_algorithms(False)
