"""A package that imports what it does not declare fails its own session."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import PACKAGES, clean_environment

# For each package a module that another one declares and its own tests do not bring along.
UNDECLARED = {
    "tinygrad_autodiff": ("autodiff", "click"),
    "triton_kernels": ("kernels", "nh3"),
    "torch_models": ("models", "nh3"),
    "roadmap_log": ("log", "numpy"),
}


def test_every_package_is_tried() -> None:
    assert set(UNDECLARED) == {package.folder for package in PACKAGES}


@pytest.mark.parametrize("folder", UNDECLARED)
def test_undeclared_import_fails_the_session(folder: str, checkout: Path, tmp_path: Path) -> None:
    session, module = UNDECLARED[folder]
    command = [sys.executable, "-m", "nox", "-s", session, "--", "--collect-only", "-q"]
    init = checkout / "packages" / folder / "src" / folder / "__init__.py"
    init.write_text(f"{init.read_text()}\nimport {module}\n")
    broken = subprocess.run(
        command,
        cwd=checkout,
        env=clean_environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert broken.returncode != 0
    assert f"No module named '{module}'" in broken.stdout + broken.stderr
