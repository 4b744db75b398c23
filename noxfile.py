"""Sessions of the workspace: `uv run nox` runs what a change must pass, `uv run nox -l` lists all.

Every session has an environment of its own, made from uv.lock for one package alone, so that a
package which imports what it does not declare fails here and not at its users'.
"""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import nox

nox.needs_version = ">=2025.5.1"
nox.options.default_venv_backend = "uv"
nox.options.reuse_venv = "yes"
nox.options.error_on_missing_interpreters = True
nox.options.sessions = [
    "lint",
    "types",
    "autodiff",
    "kernels",
    "models",
    "log",
    "tracks",
    "docs",
    "build",
    "lowest",
    "workspace",
    "site",
]

ROOT = Path(__file__).parent

# Dozens of processes import torch: they keep its bytecode, in the sessions' own environments, also
# where a container's settings say that none is to be written.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# What depends on versions: of the largest grids every op once and every kernel in one precision, of
# compiled functions those of any size; no learner's program that misbehaves.
ON_LOWEST = {
    "tinygrad_autodiff": ("-k", "not test_ops or (dtype_of and float32)"),
    "triton_kernels": (
        "-k",
        "not (test_agreement or test_documents or (test_compiled_equals_eager and False)) "
        "or (test_backward and float32)",
        *("--seed", "1"),
    ),
    "roadmap_log": ("-k", "not (test_runner_hostile or test_roofline or test_events)"),
}


class Package(NamedTuple):
    """One member of the workspace: its folder (and import name) and its distribution."""

    folder: str
    distribution: str

    @property
    def path(self) -> Path:
        """Folder of the package, relative to the root."""
        return Path("packages", self.folder)


PACKAGES = {
    "autodiff": Package("tinygrad_autodiff", "tinygrad-autodiff"),
    "kernels": Package("triton_kernels", "roadmap-triton-kernels"),
    "models": Package("torch_models", "roadmap-torch-models"),
    "log": Package("roadmap_log", "roadmap-log"),
}

PACKAGES_BY_TORCH = (("autodiff", "log"), ("kernels", "models"))
"""Those that read its types, and those that do not: about as long for mypy."""


def once(*folders: str) -> Callable[..., Callable[..., None]]:
    """Do not run a session again that has passed here on exactly the same files.

    They are those of `folders` (which may name the session's `{parameters}`), the lock, the
    projects and this file, as git lists them. Arguments behind `--` run the session in any case, as
    do a fresh checkout and a new environment.
    """

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(function)
        def session_once(session: nox.Session, **parameters: object) -> None:
            files = contents(*(folder.format(**parameters) for folder in folders))
            passed = Path(session.virtualenv.location, "passed")
            if files and not session.posargs and passed.exists() and passed.read_text() == files:
                session.log("passed before, on exactly these files")
                return
            passed.unlink(missing_ok=True)
            function(session, **parameters)
            if files and not session.posargs:
                passed.write_text(files)

        return session_once

    return decorate


def contents(*folders: str) -> str | None:
    """One hash of all files in `folders` that git knows or would add; None without git."""
    ours = ("uv.lock", "noxfile.py", "pyproject.toml", *folders)
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *ours]
    try:
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    whole = hashlib.sha256()
    for name in sorted(set(listed.decode().split("\0")) - {""}):
        path = ROOT / name
        whole.update(f"{name}\0{path.stat().st_size if path.is_file() else None}\0".encode())
        whole.update(path.read_bytes() if path.is_file() else b"")
    return whole.hexdigest()


def sync(session: nox.Session, *arguments: str) -> None:
    """Make the session's environment exactly what uv.lock says for these arguments."""
    session.run_install(
        "uv",
        "sync",
        "--locked",
        "--quiet",
        "--no-default-groups",
        *arguments,
        env={"UV_PROJECT_ENVIRONMENT": session.virtualenv.location},
    )


def sync_package(session: nox.Session, package: Package, *arguments: str) -> None:
    """Install one package alone, with its tests' tools; move into its folder."""
    session.chdir(ROOT)
    sync(session, "--package", package.distribution, "--group", "test", *arguments)
    session.chdir(ROOT / package.path)


def pytest(session: nox.Session, *arguments: str, **env: str) -> None:
    """Run pytest in the folder where we are."""
    session.run("python", "-m", "pytest", *arguments, *session.posargs, env=env)


def pytest_on_every_core(session: nox.Session, *arguments: str, **env: str) -> None:
    """The same, one process a core; threads within them would only wait for each other."""
    pytest(session, "-n", "auto", "--dist", "worksteal", *arguments, OMP_NUM_THREADS="1", **env)


@nox.session
@once("packages/tinygrad_autodiff")
def autodiff(session: nox.Session) -> None:
    """tinygrad_autodiff, with its examples on real data. On NumPy alone: lowest(autodiff)."""
    sync_package(session, PACKAGES["autodiff"], "--extra", "examples")
    pytest_on_every_core(session, "-m", "examples or not examples")


@nox.session
def parity(session: nox.Session) -> None:
    """tinygrad_autodiff against PyTorch on the same inputs (not by default)."""
    sync_package(session, PACKAGES["autodiff"], "--group", "parity")
    pytest_on_every_core(session, "parity")


@nox.session
@once("packages/triton_kernels")
def kernels(session: nox.Session) -> None:
    """triton_kernels on a CPU: the references, then the Triton code under the interpreter."""
    sync_package(session, PACKAGES["kernels"])
    seed = ("--seed", "1")  # the gate draws the same inputs each time; by hand they are fresh
    # Definitions right in bfloat16 and float32 are so in float16, which kernels have below.
    pytest_on_every_core(session, *seed, "-k", "not (test_agreement and float16 and not bfloat16)")
    # The interpreter rounds bfloat16 toward zero: what that is worth shows on a GPU. But cumsum has
    # kernels of its own for 16 bits. Solutions of days are processes of their own, the same as
    # before, as documents are; compiling knows no backend.
    same = "test_solutions_pass or test_documents or test_compiled_equals_eager"
    some = f"not ((test_agreement and bfloat16 and not cumsum) or {same})"
    pytest_on_every_core(session, *seed, "--interpret", "-k", some)


@nox.session
@once("packages/torch_models", "packages/triton_kernels")
def models(session: nox.Session) -> None:
    """torch_models with its extras: examples on real data, kernels. lowest(models) is plain."""
    sync_package(session, PACKAGES["models"], "--extra", "examples", "--extra", "kernels")
    pytest_on_every_core(session, "-m", "not gpu")


@nox.session
@once("packages/roadmap_log", "packages/tinygrad_autodiff")
def log(session: nox.Session) -> None:
    """roadmap_log: alone, then with the tracks it hands out."""
    package = PACKAGES["log"]
    sync_package(session, package)
    pytest_on_every_core(session)
    sync_package(session, package, "--group", "tracks")
    pytest(session, "-m", "tracks")


@nox.session
@once("packages/roadmap_log")
def site(session: nox.Session) -> None:
    """roadmap_log's pages under the eyes of Jekyll, vnu, axe and feed readers, where they are."""
    package = PACKAGES["log"]
    sync_package(session, package, "--group", "site")
    wait_for_site_tools(session)
    modules = npm_packages(session, package.path / "tests" / "browser")
    lacking = lacking_site_tools(session, modules)
    pytest(session, "-m", "site", "-n", "2", NODE_MODULES=str(modules))
    if lacking:
        session.skip("not run: " + "; ".join(lacking))


def wait_for_site_tools(session: nox.Session) -> None:
    """Let .ci/run finish installing them, for five minutes; what is missing then is told."""
    lock = ROOT / ".tools" / "site.lock"
    if lock.exists():
        wait = ("flock", "--timeout", "300", str(lock), "true")
        session.run(*wait, external=True, success_codes=[0, 1])


def npm_packages(session: nox.Session, folder: Path) -> Path:
    """The packages of a lock of npm's, installed into the session's environment where npm is."""
    place = Path(session.virtualenv.location, "npm")
    if shutil.which("npm"):
        place.mkdir(exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copyfile(ROOT / folder / name, place / name)
        quiet = ("--ignore-scripts", "--no-audit", "--no-fund", "--silent", "--fetch-retries=0")
        npm = ["npm", "ci", "--prefix", str(place), *quiet]
        subprocess.run(npm, check=False, stdin=subprocess.DEVNULL)  # what it lacks is told below
    return place / "node_modules"


def lacking_site_tools(session: nox.Session, modules: Path) -> list[str]:
    """What the machine lacks of the tools that the session `site` looks at pages with."""
    tools = {
        "vnu (Debian: default-jre-headless)": ("java",),
        "axe (Debian: chromium)": ("chromium", "chromium-browser", "google-chrome"),
        "axe (node, npm)": ("node",),
    }
    lacking = [told for told, names in tools.items() if not any(map(shutil.which, names))]
    gems = "%w[jekyll minima jekyll-feed jekyll-seo-tag jekyll-sitemap].each { |name| gem name }"
    if (
        not shutil.which("ruby")
        or subprocess.run(["ruby", "-e", gems], capture_output=True).returncode
    ):
        lacking.append("Jekyll (Debian: those that .ci/site-tools names)")
    packages = ("axe-core", "playwright-core", "vnu-jar")
    return lacking + [f"npm's {name}" for name in packages if not (modules / name).is_dir()]


@nox.session
def tracks(session: nox.Session) -> None:
    """Every day from both sides: solutions pass, skeletons fail, wrong answers are caught."""
    sync(session, "--all-packages", "--all-extras")
    proofs = str(Path(session.virtualenv.location, "proofs"))  # a day is proven once per change
    # A wrong answer that never ends is caught by its time alone: where nothing imports torch, soon.
    limits = {"10": ["autodiff"], "30": ["triton", "torch"]}
    one = {"OMP_NUM_THREADS": "1"}  # there is a run on every core already
    for seconds, days in ({"30": session.posargs} if session.posargs else limits).items():
        limit = ("--seconds", seconds, "--proofs", proofs)
        session.run("roadmap", "dev", "check", *limit, *days, env=one)


@nox.session
def lint(session: nox.Session) -> None:
    """Style, a lock that uv would write again, changelogs, no path of a machine."""
    sync(session, "--only-group", "lint")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    for name in ("UV_INDEX", "UV_DEFAULT_INDEX", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS"):
        session.env[name] = None
    session.run("uv", "lock", "--check", "--quiet", external=True)
    session.run("pytest", "-q", "tests/test_house.py")


@nox.session
def types(session: nox.Session) -> None:
    """Mypy, strict, over the sources of all packages."""
    sync(session, "--all-packages", "--extra", "tui", "--extra", "watch", "--group", "types")
    with ThreadPoolExecutor() as both:
        list(both.map(functools.partial(mypy, session), PACKAGES_BY_TORCH))


def mypy(session: nox.Session, packages: tuple[str, ...]) -> None:
    """Check some packages in one process; where two run, each has a cache of its own."""
    cache = f"--cache-dir=.mypy_cache/{'-'.join(packages)}"
    session.run("mypy", cache, *(str(PACKAGES[name].path / "src") for name in packages))


@nox.session
def docs(session: nox.Session) -> None:
    """Build the site; a warning is an error."""
    sync(session, "--only-group", "docs")
    output = session.run("zensical", "build", "--clean", "--strict", silent=True)
    # What docstrings lack is only printed: zensical does not count it as a warning.
    if "griffe:" in str(output):
        session.error(f"docstrings and signatures differ:\n{output}")
    session.log("site/index.html")


@nox.session
@once("packages", "tests")
def build(session: nox.Session) -> None:
    """Each wheel and sdist; each wheel alone in an empty environment; each package from git."""
    sync(session, "--only-group", "workspace")
    pytest_on_every_core(session, "tests/test_distributions.py")


@nox.session(python="3.11")
@nox.parametrize("package", list(PACKAGES.values()), ids=list(PACKAGES))
@once("{package.path}")
def lowest(session: nox.Session, package: Package) -> None:
    """The tests on the oldest versions that a package admits: lowest(autodiff) and so on."""
    session.run_install(
        "uv",
        "pip",
        "install",
        "--quiet",
        "--exact",
        "--resolution=lowest-direct",
        f"--group={package.path}/pyproject.toml:test",
        f"--editable={package.path}",
    )
    session.chdir(ROOT / package.path)
    pytest_on_every_core(session, *ON_LOWEST.get(package.folder, ()))


@nox.session
@once(".")
def workspace(session: nox.Session) -> None:
    """What holds for the whole: isolation of the sessions, every command of every README."""
    sync(session, "--only-group", "workspace")
    tests = ("tests/test_isolation.py", "tests/test_documents.py")
    pytest_on_every_core(session, "-n", "3", *tests)  # they wait for disks as much as for cores


@nox.session(name="gpu-kernels", default=False)
def gpu_kernels(session: nox.Session) -> None:
    """triton_kernels on a CUDA device; without one it fails and says so."""
    sync_package(session, PACKAGES["kernels"])
    pytest_on_every_core(session, "-m", "gpu")  # compiling takes longer than running


@nox.session(name="gpu-models", default=False)
def gpu_models(session: nox.Session) -> None:
    """torch_models with the kernels on a CUDA device; without one it fails and says so."""
    sync_package(session, PACKAGES["models"], "--extra", "kernels")
    pytest(session, "-m", "gpu")


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """`nox -s bench -- autodiff|kernels|models|log`: peers in the same run, table, JSON lines."""
    if not session.posargs or session.posargs[0] not in PACKAGES:
        session.error(f"say which: nox -s bench -- {'|'.join(PACKAGES)} [program ...]")
    package = PACKAGES[session.posargs[0]]
    sync_package(session, package, "--group", "bench")
    wanted = session.posargs[1:]
    for program in sorted(Path("benchmarks").glob("bench*.py")):
        if not wanted or program.stem.removeprefix("bench_") in wanted:
            session.run("python", str(program))


@nox.session(default=False)
def clean(session: nox.Session) -> None:
    """Delete what can be made again: dist, site and the tools' caches."""
    for name in ("dist", "site", ".mypy_cache", ".ruff_cache", ".pytest_cache"):
        shutil.rmtree(ROOT / name, ignore_errors=True)
