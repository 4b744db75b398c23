"""Each wheel and sdist, each wheel alone in an empty environment, each package from git."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from conftest import PACKAGES, ROOT, Package, clean_environment, copy_checkout

each_package = pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.folder)

# Imports every module but the days (their upper half is a lesson, their lower half needs pytest);
# one that is there for an extra may lack what that extra brings.
IMPORT_ALL = """
import importlib, importlib.metadata as metadata, pkgutil, re, sys
folder, distribution = sys.argv[1:]
needed = metadata.requires(distribution) or ()
of_extras = {re.match("[a-z0-9-]+", line)[0] for line in needed if "extra ==" in line}
package = importlib.import_module(folder)
assert package.__version__ == metadata.version(distribution)
for module in pkgutil.walk_packages(package.__path__, folder + "."):
    if ".day" not in module.name and not module.name.endswith("__main__"):
        try:
            importlib.import_module(module.name)
        except ModuleNotFoundError as error:
            if error.name.partition(".")[0] not in of_extras:
                raise
for point in metadata.distribution(distribution).entry_points:
    assert point.load() is not None
    print(point.group, point.name)
print(package.__version__)
"""


def run(*command: str | Path, home: Path) -> str:
    result = subprocess.run(
        [str(part) for part in command],
        cwd=home,
        env=clean_environment(home),
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def python_of(environment: Path) -> Path:
    return environment / ("Scripts" if os.name == "nt" else "bin") / "python"


def imports_and_shows_its_version(python: Path, package: Package, home: Path) -> None:
    shown = run(python, "-c", IMPORT_ALL, package.folder, package.distribution, home=home)
    *points, version = shown.splitlines()
    declared = {f"console_scripts {name}" for name in package.scripts}
    declared |= {f"{group} {name}" for group, e in package.entry_points.items() for name in e}
    assert set(points) == declared
    assert version == package.version


@pytest.fixture(scope="session")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with every wheel and sdist, built as a release would."""
    home = tmp_path_factory.mktemp("build")
    checkout = copy_checkout(home / "checkout")
    for package in PACKAGES:
        options = ("--quiet", "--no-sources", "--out-dir", home / "dist", "--directory", checkout)
        run("uv", "build", *options, "--package", package.distribution, home=home)
    return home / "dist"


@each_package
def test_archives_hold_the_package_and_nothing_else(package: Package, dist: Path) -> None:
    stem = f"{package.distribution.replace('-', '_')}-{package.version}"
    with zipfile.ZipFile(dist / f"{stem}-py3-none-any.whl") as wheel:
        names = wheel.namelist()
    assert f"{package.folder}/py.typed" in names
    assert f"{stem}.dist-info/licenses/LICENSE" in names
    assert {name.split("/")[0] for name in names} == {package.folder, f"{stem}.dist-info"}
    sources = {
        str(path.relative_to(ROOT / package.path / "src"))
        for path in (ROOT / package.path / "src").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert sources <= set(names)
    with tarfile.open(dist / f"{stem}.tar.gz") as archive:
        assert f"{stem}/pyproject.toml" in archive.getnames()


@each_package
def test_wheel_alone(package: Package, dist: Path, tmp_path: Path) -> None:
    run("uv", "venv", "--quiet", "--python", sys.executable, "alone", home=tmp_path)
    python = python_of(tmp_path / "alone")
    stem = f"{package.distribution.replace('-', '_')}-{package.version}"
    wheel = dist / f"{stem}-py3-none-any.whl"
    run("uv", "pip", "install", "--quiet", "--python", python, wheel, home=tmp_path)
    imports_and_shows_its_version(python, package, tmp_path)


@each_package
def test_from_git(package: Package, checkout: Path, tmp_path: Path) -> None:
    run("uv", "venv", "--quiet", "--seed", "--python", sys.executable, "from-git", home=tmp_path)
    python = python_of(tmp_path / "from-git")
    source = f"{package.distribution} @ git+file://{checkout}#subdirectory={package.path}"
    run("uv", "pip", "install", "--quiet", "--python", python, source, home=tmp_path)
    imports_and_shows_its_version(python, package, tmp_path)
    # pip again, over the dependencies that uv took from its cache.
    options = ("--quiet", "--no-deps", "--force-reinstall", "--disable-pip-version-check")
    run(python, "-m", "pip", "install", *options, source, home=tmp_path)
    imports_and_shows_its_version(python, package, tmp_path)
