"""Manners that no linter knows: changelogs, licences, paths of machines, one test command."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from conftest import PACKAGES, ROOT, Package, git

HOME_PATH = re.compile(r"(?<![\w.$~{}])(?:/(?:home|Users|root|work|opt|mnt)/\w|[A-Z]:\\\\?Users)")

TEXTS = [
    path
    for name in git("ls-files", "--cached", "--others", "--exclude-standard").splitlines()
    if (path := ROOT / name).is_file() and path.suffix not in {".png", ".lock"}
]


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.folder)
def test_changelog_begins_with_the_version(package: Package) -> None:
    text = (ROOT / package.path / "CHANGELOG.md").read_text()
    entry = re.search(r"^## (\S+)", text, re.MULTILINE)
    assert entry is not None
    assert entry[1] == package.version


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.folder)
def test_package_carries_what_it_needs_alone(package: Package) -> None:
    folder = ROOT / package.path
    assert (folder / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()
    assert (folder / "README.md").read_text().startswith("# ")
    assert (folder / "src" / package.folder / "py.typed").is_file()


def test_no_path_of_one_machine() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}"
        for path in TEXTS
        if path != Path(__file__)
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        if HOME_PATH.search(line)
    ]
    assert not found, "write relative paths:\n" + "\n".join(found)


def test_registries_are_named_in_the_lock_alone() -> None:
    lock = (ROOT / "uv.lock").read_text()
    hosts = set(re.findall(r"https?://([\w.-]+)/", lock))
    assert hosts
    found = [
        str(path.relative_to(ROOT))
        for path in TEXTS
        if any(host in path.read_text(errors="replace") for host in hosts)
    ]
    assert not found


def test_lock_has_one_registry() -> None:
    packages = tomllib.loads((ROOT / "uv.lock").read_text())["package"]
    sources = {kind: value for p in packages for kind, value in p["source"].items()}
    assert set(sources) <= {"registry", "editable", "virtual"}
    assert len({p["source"]["registry"] for p in packages if "registry" in p["source"]}) == 1


def test_gate_runs_what_the_readme_says() -> None:
    block = re.search(r"^```bash ci\n(.*?)^```", (ROOT / "README.md").read_text(), re.M | re.S)
    assert block is not None, "README.md needs its test command in a block marked ```bash ci"
    assert (ROOT / ".ci/run").read_text().endswith("\n" + block[1])


@pytest.mark.parametrize(
    ("lacking", "calls", "status"),
    [("", 2, 0), ("chromium", 6, 1), ("update", 2, 0), ("all", 0, 0)],
)
def test_each_tool_of_the_site_is_installed_where_it_can_be(
    tmp_path: Path, lacking: str, calls: int, status: int
) -> None:
    """A machine that has none of the tools (or all): apt-get is a stub that lacks one package."""
    stubs, told = tmp_path / "bin", tmp_path / "calls"
    stubs.mkdir()
    for name in ("bash", "env", "grep", "id"):
        (stubs / name).symlink_to(shutil.which(name) or "")
    fails = f'case " $* " in *" {lacking} "*) exit 100;; esac' if lacking else ""
    scripts = {"apt-get": f'echo "$@" >>"{told}"\n{fails}', "sudo": 'shift\nexec "$@"'}
    here = ("java", "chromium", "node", "npm") if lacking == "all" else ()
    installed = "echo installed" if lacking == "all" else "exit 1"
    for name, script in {**scripts, "dpkg-query": installed, **dict.fromkeys(here, "")}.items():
        (stubs / name).write_text(f"#!{stubs / 'bash'}\n{script}\n")
        (stubs / name).chmod(0o755)
    environment = {"PATH": str(stubs)}
    done = subprocess.run(
        [ROOT / ".ci/site-tools"], env=environment, capture_output=True, text=True
    )
    lines = told.read_text().splitlines() if told.exists() else []
    assert (done.returncode, len(lines)) == (status, calls), done.stdout + done.stderr
    if status:
        assert "not installed: chromium" in done.stdout
        assert any("jekyll-theme-minima" in line and "chromium" not in line for line in lines)
