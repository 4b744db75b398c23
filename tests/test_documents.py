"""Every command block of every README runs, in order, in a fresh copy of the repository.

The words behind a fence's language say how: `gpu` blocks are only parsed, the `ci` block is what
the gate itself runs, `package=DIST` names the package whose environment a Python block needs (in a
package's own README it is that package). `text` blocks are not run. The Python blocks of a page
in docs/PACKAGE/ are one program.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from conftest import PACKAGES, ROOT, clean_environment, copy_checkout
from markdown_it import MarkdownIt

READMES = [Path("README.md"), *(package.path / "README.md" for package in PACKAGES)]
PAGES = [
    path.relative_to(ROOT)
    for package in PACKAGES
    for path in sorted((ROOT / "docs" / package.folder).glob("*.md"))
]
LANGUAGES = {"bash", "python", "text", "toml"}


class Block(NamedTuple):
    """A fenced block: where it stands, what it holds, how to run it."""

    readme: Path
    line: int
    language: str
    flags: frozenset[str]
    text: str

    @property
    def where(self) -> str:
        return f"{self.readme}:{self.line}"

    @property
    def distribution(self) -> str:
        named = [flag.removeprefix("package=") for flag in self.flags if "=" in flag]
        return named[0] if named else _distribution_of(self.readme)


def _distribution_of(document: Path) -> str:
    return next(p.distribution for p in PACKAGES if p.folder == document.parent.name)


def blocks(readme: Path) -> Iterator[Block]:
    for token in MarkdownIt().parse((ROOT / readme).read_text()):
        if token.type == "fence" and token.map:
            language, *flags = token.info.split() or [""]
            yield Block(readme, token.map[0] + 1, language, frozenset(flags), token.content)


def command_of(block: Block, script: Path) -> list[str]:
    """The command that runs a block from the repository's root."""
    script.write_text(block.text)
    if block.language == "bash":
        return ["bash", "-euo", "pipefail", str(script)]
    project = tomllib.loads((ROOT / _folder(block.distribution) / "pyproject.toml").read_text())
    extras = project["project"].get("optional-dependencies", {})
    extra = ["--extra", "examples"] if "examples" in extras else []
    alone = ["--exact", "--locked", "--no-default-groups", "--package", block.distribution]
    return ["uv", "run", "--quiet", *alone, *extra, "python", str(script)]


def _folder(distribution: str) -> Path:
    return next(p.path for p in PACKAGES if p.distribution == distribution)


@pytest.mark.parametrize("readme", READMES, ids=str)
def test_every_block_is_understood(readme: Path) -> None:
    found = list(blocks(readme))
    assert any(block.language == "bash" for block in found)
    for block in found:
        assert block.language in LANGUAGES, f"{block.where}: which language?"
        assert block.flags <= {"gpu", "ci"} or "package=" in "".join(block.flags), block.where
        if block.language == "python":
            ast.parse(block.text, block.where)
        if block.language == "bash":
            subprocess.run(["bash", "-n"], input=block.text, text=True, check=True)


@pytest.fixture(scope="session")
def environments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where environments of one package each stay, for the next block of that package."""
    return tmp_path_factory.mktemp("environments")


@pytest.mark.parametrize("readme", READMES, ids=str)
def test_every_command_runs(readme: Path, environments: Path, tmp_path: Path) -> None:
    checkout = copy_checkout(tmp_path / "checkout")
    (tmp_path / "home").mkdir()
    environment = clean_environment(tmp_path / "home")
    for block in blocks(readme):
        if block.language not in {"bash", "python"} or block.flags & {"gpu", "ci"}:
            continue
        script = tmp_path / f"line_{block.line}.{block.language}"
        alone = {}
        if block.language == "python":
            alone = {"UV_PROJECT_ENVIRONMENT": str(environments / block.distribution)}
        done = subprocess.run(
            command_of(block, script),
            cwd=checkout,
            env=environment | alone,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, f"{block.where}\n{done.stdout[-4000:]}{done.stderr[-4000:]}"


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_page_is_a_program(page: Path, environments: Path, tmp_path: Path) -> None:
    parts = [block for block in blocks(page) if block.language == "python"]
    text = "\n".join(block.text for block in parts)
    if parts:
        command = command_of(parts[0]._replace(text=text), tmp_path / "page.py")
        alone = {"UV_PROJECT_ENVIRONMENT": str(environments / parts[0].distribution)}
        environment = os.environ | alone
        subprocess.run(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, check=True)


def test_sessions_named_in_documents_exist() -> None:
    sessions = set(re.findall(r"^def (\w+)\(session", (ROOT / "noxfile.py").read_text(), re.M))
    sessions |= {name.replace("_", "-") for name in sessions}
    for document in [*READMES, Path("CONTRIBUTING.md")]:
        for named in re.findall(r"nox -s ([\w-]+)", (ROOT / document).read_text()):
            assert named in sessions, f"{document} names the session {named}"
