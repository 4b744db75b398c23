"""Three ways to run the same tests: CPU reference, triton's interpreter, GPU.

- ``pytest``: CPU tensors, which take the reference.
- ``pytest --interpret``: CPU tensors, which take the Triton code in triton's interpreter.
- ``pytest -m gpu``: CUDA tensors. Without a GPU this fails: nothing is skipped in silence.
"""

from __future__ import annotations

import os
import random
from importlib import metadata
from pathlib import Path

import pytest

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

# Those that compile kernels, and those for which it makes no difference.
_COMPILED_ONLY = (
    "test_compilation.py", "test_documents.py", "test_package.py", "test_settled.py",
)  # fmt: skip
_INTERPRETED_ONLY = ("test_interpreter.py",)


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


@pytest.fixture(autouse=True)
def _seeded(request: pytest.FixtureRequest) -> None:
    import torch

    torch.manual_seed(request.config.option.seed)


@pytest.fixture
def poisoned():
    """New memory is filled with NaN, by torch's own switch, so that nothing unwritten passes."""
    import torch

    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = True
    assert torch.empty(3).isnan().all()
    yield
    torch.use_deterministic_algorithms(False)
