"""Exchanging a journey with one's other machines through git.

Event files merge by union (.gitattributes), so the standing never conflicts. Where two machines
wrote a file of the same name, both texts stay: ours under its name, theirs beside it. Nothing is
ever left half merged, and nothing is lost.
"""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from roadmap_log.errors import JourneyError, MachineError, StorageError

if TYPE_CHECKING:
    from roadmap_log.journey import Journey

SECONDS = 120
"""How long a remote may take to answer."""

_NAMED = ("-c", "user.name=roadmap", "-c", "user.email=roadmap@localhost")
_UNION = "events/*.jsonl merge=union -text\n"


@dataclass(frozen=True, slots=True)
class Synced:
    """What a sync did.

    Attributes:
        committed: files that were committed here.
        received: commits that came from elsewhere.
        sent: whether ours were sent.
        remote: the remote's name, "" if there is none.
        both: files that two machines had written, with the name their text got here.
    """

    committed: int
    received: int
    sent: bool
    remote: str
    both: tuple[tuple[str, str], ...]


class Repository:
    """Git in the folder of a journey.

    Raises:
        MachineError: git is missing.
        JourneyError: the journey is in no repository.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        if self._run("rev-parse", "--is-inside-work-tree", check=False).returncode:
            raise JourneyError(
                f"{root} is in no git repository",
                expected="a repository, with a remote that your other machines reach",
                fix="roadmap sync --init, then: git remote add origin ADDRESS",
            )

    def _run(self, *arguments: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        return run(self.root, *arguments, check=check)

    def commit(self, message: str) -> int:
        """Commit what has changed within the journey; returns the number of files."""
        self._run("add", "--all", "--", ".")
        changed = self._run("diff", "--cached", "--name-only", "-z", "--", ".").stdout
        files = [name for name in changed.split("\0") if name]
        if files:
            self._run(*self._name(), "commit", "--quiet", "-m", message, "--", ".")
        return len(files)

    def _name(self) -> tuple[str, ...]:
        """A name for commits where the machine has none."""
        known = self._run("config", "user.email", check=False).returncode == 0
        return () if known or os.environ.get("GIT_AUTHOR_EMAIL") else _NAMED

    def remote(self) -> str:
        """The remote to exchange with: the branch's, else the only one, else "origin", else ""."""
        branch = self._run("rev-parse", "--abbrev-ref", "HEAD").stdout.strip()
        named = self._run("config", f"branch.{branch}.remote", check=False).stdout.strip()
        every = self._run("remote").stdout.split()
        return named or (every[0] if len(every) == 1 else "origin" if "origin" in every else "")

    def receive(self, remote: str) -> tuple[int, list[tuple[str, str]]]:
        """Fetch and merge; returns the commits that came, and what both had written."""
        branch = self._run("rev-parse", "--abbrev-ref", "HEAD").stdout.strip()
        self._run("fetch", "--quiet", remote)
        theirs = f"{remote}/{branch}"
        if self._run("rev-parse", "--verify", "--quiet", theirs, check=False).returncode:
            return 0, []
        number = int(self._run("rev-list", "--count", f"HEAD..{theirs}").stdout)
        if not number:
            return 0, []
        merge = ("merge", "--no-edit", "--quiet", "--allow-unrelated-histories", theirs)
        done = self._run(*self._name(), *merge, check=False)
        if done.returncode == 0:
            return number, []
        both = self._settle(done)
        self._run(*self._name(), "commit", "--quiet", "--no-edit")
        return number, both

    def _settle(self, done: "subprocess.CompletedProcess[str]") -> list[tuple[str, str]]:
        """Keep both texts of every file in conflict."""
        listed = self._run("ls-files", "--unmerged", "-z", "--full-name").stdout
        stages: dict[str, dict[int, str]] = {}
        for row in filter(None, listed.split("\0")):
            told, _, name = row.partition("\t")
            _, number, stage = told.split()
            stages.setdefault(name, {})[int(stage)] = number
        top = Path(self._run("rev-parse", "--show-toplevel").stdout.rstrip("\n"))
        if not stages:  # the merge failed for another reason, and has changed nothing
            raise _refusal("merge", done.stderr or done.stdout)
        both = []
        for name, versions in stages.items():
            ours, theirs = versions.get(2), versions.get(3)
            path = top / name
            kept = ours or theirs
            assert kept is not None
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self._blob(kept))
            self._run("add", "--", str(path))
            if ours and theirs:
                beside = _free(path)
                beside.write_bytes(self._blob(theirs))
                self._run("add", "--", str(beside))
                both.append((name, beside.name))
        return both

    def _blob(self, number: str) -> bytes:
        command = ["git", "cat-file", "blob", number]
        return subprocess.run(command, cwd=self.root, capture_output=True, check=True).stdout

    def send(self, remote: str) -> None:
        """Push the branch."""
        branch = self._run("rev-parse", "--abbrev-ref", "HEAD").stdout.strip()
        self._run("push", "--quiet", "--set-upstream", remote, branch)


def _free(path: Path) -> Path:
    """A name beside `path` that is free."""
    number = 2
    while (beside := path.with_name(f"{path.stem}-{number}{path.suffix}")).exists():
        number += 1
    return beside


def run(root: Path, *arguments: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
    """Run git without ever asking for anything.

    Raises:
        MachineError: git is missing.
        StorageError: it did not do what it was asked, in its own words.
    """
    environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C", "GIT_EDITOR": "true"}
    environment.setdefault("GIT_SSH_COMMAND", "ssh -o BatchMode=yes")
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=root,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=SECONDS,
        )
    except FileNotFoundError as error:
        raise MachineError("git is not installed", expected="git", fix="install git") from error
    except subprocess.TimeoutExpired as error:
        raise _refusal(arguments[0], f"no answer within {SECONDS} s") from error
    if check and done.returncode:
        word = next((word for word in arguments if word in _VERBS), arguments[0])
        raise _refusal(word, done.stderr or done.stdout)
    return done


_VERBS = frozenset({"add", "commit", "fetch", "merge", "push", "init", "diff"})


def _refusal(verb: str, told: str) -> StorageError:
    lines = [line for line in told.strip().splitlines() if line.strip()][-3:]
    return StorageError(
        f"git {verb} failed: " + (" / ".join(lines) or "it did not say why"),
        expected="a repository in order, and a remote that answers",
        fix="your work is safe on this machine; mend that, then: roadmap sync",
    )


def init(journey: "Journey") -> None:
    """Make the journey's folder a repository of its own.

    Raises:
        StorageError: git refused.
    """
    run(journey.root, "init", "--quiet", "--initial-branch=main")


def sync(journey: "Journey", *, send: bool = True) -> Synced:
    """Commit, receive, merge and send.

    Raises:
        MachineError: git is missing.
        JourneyError: the journey is in no repository.
        StorageError: git refused; what was committed here stays committed.
    """
    repository = Repository(journey.root)
    attributes = journey.root / ".gitattributes"
    known = attributes.read_text("utf-8") if attributes.is_file() else ""
    if "merge=union" not in known:
        attributes.write_text(known + _UNION, "utf-8")
    committed = repository.commit(f"Journey on {journey.now():%Y-%m-%d}, {journey.device}")
    remote = repository.remote()
    if not remote:
        return Synced(committed, 0, False, "", ())
    received, both = repository.receive(remote)
    if send:
        repository.send(remote)
    return Synced(committed, received, send, remote, tuple(both))
