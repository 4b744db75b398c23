import argparse
import signal
import statistics
import textwrap
import typing
from collections.abc import Iterator
from pathlib import Path

import pytest


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("gpu"):
        import torch

        if not torch.cuda.is_available():
            # A skip would look like a pass.
            pytest.exit("the gpu tests need a CUDA device, and torch sees none here", returncode=1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest examples start first: no core waits at the end for one of them."""
    seconds = {
        item: sum(marker.kwargs.get("seconds", 0) for marker in item.iter_markers("examples"))
        for item in items
    }
    items.sort(key=seconds.__getitem__, reverse=True)


@pytest.fixture(autouse=True, scope="session")
def ctrl_c() -> Iterator[None]:
    """SIGINT interrupts, also where the tests run in the background of a shell that ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def real_texts() -> list[str]:
    """English prose and code that every Python brings along."""
    modules = (argparse, statistics, textwrap, typing)
    return [Path(module.__file__).read_text(encoding="utf-8") for module in modules]
