"""What the workspace's tests share: the packages, and a copy of the checkout to change."""

from __future__ import annotations

import os
import subprocess
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What installs torch starts first, whole READMEs before all: no core waits for one at the end.

    Each of pytest-xdist's workers begins with a run of neighbours, so they are dealt out by turns.
    """

    def late(item: pytest.Item) -> tuple[bool, bool]:
        torch = any(name in item.name for name in ("torch_models", "triton_kernels"))
        return not torch, "test_every_command_runs" not in item.name

    items.sort(key=late)
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    items[:] = [item for first in range(workers) for item in items[first::workers]]


class Package(NamedTuple):
    """One member of the workspace, as its pyproject.toml describes it."""

    folder: str
    distribution: str
    version: str
    scripts: Mapping[str, str]
    entry_points: Mapping[str, Mapping[str, str]]

    @property
    def path(self) -> Path:
        return Path("packages", self.folder)


def _read(path: Path) -> Package:
    project = tomllib.loads(path.read_text())["project"]
    return Package(
        path.parent.name,
        project["name"],
        project["version"],
        project.get("scripts", {}),
        project.get("entry-points", {}),
    )


PACKAGES = [_read(path) for path in sorted(ROOT.glob("packages/*/pyproject.toml"))]


def git(*arguments: str, cwd: Path = ROOT) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=cwd, check=True, capture_output=True, text=True
    ).stdout


def clean_environment(home: Path) -> dict[str, str]:
    """Environment of a person who has uv and nothing else: no active one, an empty home."""
    cache = subprocess.run(["uv", "cache", "dir"], check=True, capture_output=True, text=True)
    dropped = ("VIRTUAL_ENV", "UV_PROJECT_ENVIRONMENT", "PYTHONPATH", "NOX_CURRENT_SESSION")
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in dropped and not name.startswith(("ROADMAP_", "XDG_", "PYTEST_"))
    }
    nox_bin = os.environ.get("VIRTUAL_ENV", "-") + "/bin"
    path = os.pathsep.join(p for p in kept["PATH"].split(os.pathsep) if p != nox_bin)
    return kept | {
        "HOME": str(home),
        "PATH": path,
        "UV_CACHE_DIR": cache.stdout.strip(),
        "UV_PYTHON_DOWNLOADS": "never",
        "NO_COLOR": "1",
    }


def copy_checkout(target: Path) -> Path:
    """Copy the working tree (tracked, and new but not ignored) and commit it there, once."""
    names = git("ls-files", "--cached", "--others", "--exclude-standard").splitlines()
    for name in names:
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            (target / name).write_bytes((ROOT / name).read_bytes())
            (target / name).chmod((ROOT / name).stat().st_mode)
    git("init", "--quiet", "--initial-branch=main", cwd=target)
    git("add", "--all", cwd=target)
    identity = ("-c", "user.name=test", "-c", "user.email=test@example.invalid")
    git(*identity, "commit", "--quiet", "--message=copy", cwd=target)
    return target


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A committed copy of the working tree that a test may change."""
    return copy_checkout(tmp_path / "checkout")
