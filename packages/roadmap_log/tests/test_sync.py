"""Two machines through git: nothing conflicts, nothing is lost, nothing is left half merged."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from roadmap_log.entries import LogEntry, read_log, write_entry
from roadmap_log.errors import JourneyError, StorageError
from roadmap_log.journey import Journey
from roadmap_log.sync import init, sync
from sample import Command

Pair = tuple[Journey, Journey]


@pytest.fixture
def pair(journey: Journey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pair:
    """One journey on two machines with a remote between them."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    remote = tmp_path / "remote.git"
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(remote)], check=True)
    init(journey)
    subprocess.run(["git", "remote", "add", "origin", str(remote)], cwd=journey.root, check=True)
    assert sync(journey).sent
    other = tmp_path / "other"
    subprocess.run(["git", "clone", "-q", str(remote), str(other)], check=True)
    return journey, Journey(other)


def write(journey: Journey, text: str, title: str = "Same") -> None:
    write_entry(journey, LogEntry(title, text, journey.now()))


def again(journey: Journey) -> Journey:
    return Journey(journey.root)


def test_both_machines_end_with_everything(pair: Pair) -> None:
    here, there = pair
    write(here, "from here")
    here.record("item.ticked", item="reading/paper")
    write(there, "from there")
    there.record("item.ticked", item="sample/01")
    assert sync(here).received == 0
    merged = sync(there)
    assert merged.received == 1
    assert merged.both == (("log/2026-11-20-same.md", "2026-11-20-same-2.md"),)
    assert sync(here).received == 2
    for journey in map(again, pair):
        texts = {entry.text.strip() for entry in read_log(journey)[0]}
        assert texts == {"from here", "from there"}
        assert again(journey).state.counts["claimed"] == 2
        assert not again(journey).history.damage
        status = subprocess.run(
            ["git", "status", "--porcelain"], cwd=journey.root, capture_output=True, text=True
        )
        assert "U" not in status.stdout
    for _ in range(2):
        sync(again(there))
        sync(again(here))
    assert sync(again(there)).received == 0, "it comes to rest"


def test_an_edit_against_a_removal_keeps_the_edit(pair: Pair) -> None:
    here, there = pair
    write(here, "old", "Old")
    sync(here)
    sync(there)
    file = Path("log/2026-11-20-old.md")
    (here.root / file).unlink()
    (there.root / file).write_text((there.root / file).read_text().replace("old", "new"))
    sync(here)
    sync(there)
    sync(here)
    assert "new" in (here.root / file).read_text()


def test_what_cannot_be_reached_leaves_the_work_committed(pair: Pair, tmp_path: Path) -> None:
    here, _ = pair
    write(here, "offline")
    shutil.rmtree(tmp_path / "remote.git")
    with pytest.raises(StorageError, match="git fetch failed") as caught:
        sync(here)
    assert "safe on this machine" in str(caught.value.fix)
    log = subprocess.run(["git", "log", "--oneline"], cwd=here.root, capture_output=True, text=True)
    assert len(log.stdout.splitlines()) == 2


def test_without_a_repository_or_a_remote(journey: Journey, roadmap: Command) -> None:
    with pytest.raises(JourneyError, match="no git repository"):
        sync(journey)
    begun = roadmap("sync", "--init")
    assert "No remote yet" in begun.out
    assert roadmap("sync", "--json").json["committed"] == 0


def grades(roadmap: Command) -> dict[str, str]:
    return {
        f"{each['what']}: {each['told']}": each["grade"]
        for each in roadmap("doctor", "--json").json
    }


def test_the_doctor_finds_each_ailment(
    journey: Journey, roadmap: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    roadmap("log", "-m", "One")
    healthy = roadmap("doctor", "--json")
    assert healthy.code == 0
    assert {each["grade"] for each in healthy.json} == {"fine", "odd"}, "other-track is missing"
    ailments: dict[str, Callable[[], object]] = {
        "checksum": lambda: _file(journey.root / "events" / "other.jsonl", "{}\n"),
        "crash": lambda: _file(journey.root / "events" / "quarantine" / "x.txt", "half"),
        "not YAML": lambda: _file(journey.log_folder / "bad.md", "---\na: [\n---\n"),
        "papers/bad.md: its front": lambda: _file(journey.root / "papers" / "bad.md", "---\n"),
        "capitals": lambda: _file(journey.log_folder / "2026-11-20-ONE.md", "x"),
        "draft.md": lambda: _file(journey.local / "draft.md", "x"),
        "cannot be found": lambda: monkeypatch.setenv("EDITOR", "no-such-editor"),
        "made again": lambda: _file(journey.local / "search.db", "garbage" * 1000),
    }
    for told, inflict in ailments.items():
        assert told not in " ".join(grades(roadmap)), told
        inflict()
        assert told in " ".join(grades(roadmap)), told
    assert roadmap("doctor").code == 3
    assert "do next" in roadmap("doctor").out


def _file(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
