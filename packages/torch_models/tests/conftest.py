import argparse
import statistics
import textwrap
import typing
from pathlib import Path

import pytest


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("gpu"):
        import torch

        if not torch.cuda.is_available():
            # A skip would look like a pass.
            pytest.exit("the gpu tests need a CUDA device, and torch sees none here", returncode=1)


@pytest.fixture(scope="session")
def real_texts() -> list[str]:
    """English prose and code that every Python brings along."""
    modules = (argparse, statistics, textwrap, typing)
    return [Path(module.__file__).read_text(encoding="utf-8") for module in modules]
