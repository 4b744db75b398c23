"""What holds for all tests of the package."""

import gc
import signal
from collections.abc import Iterator

import pytest
import tinygrad_autodiff as tg


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The examples start first: no core waits at the end for the longest."""
    items.sort(key=lambda item: item.get_closest_marker("examples") is None)


def pytest_collection_finish() -> None:
    """Thousands of tests that stay to the end are nothing for a test's own gc.collect()."""
    gc.freeze()


@pytest.fixture(autouse=True, scope="session")
def ctrl_c() -> Iterator[None]:
    """SIGINT interrupts, also where the tests run in the background of a shell that ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(autouse=True)
def seed() -> None:
    """Every test draws the same random numbers, whatever ran before it."""
    tg.manual_seed(0)
