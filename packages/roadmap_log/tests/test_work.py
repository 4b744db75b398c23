"""Work in a learner's hands: watched, verified again, reset and brought back, as a notebook."""

import json
import os
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from roadmap_log import watching
from roadmap_log.journey import Journey
from roadmap_log.watching import Watch
from sample import Command, day_source


def solve(journey: Journey, number: int) -> Path:
    file = journey.work_file("sample", number)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(journey.library.day(("sample", number)).solution())
    return file


def status(roadmap: Command, name: str) -> str:
    items = roadmap("status", "--json").json["items"]
    return str(next(item["status"] for item in items if item["id"] == name))


def test_verify_runs_again_what_passed_and_shows_what_no_longer_does(
    journey: Journey, roadmap: Command
) -> None:
    assert "Nothing has passed yet" in roadmap("verify").out
    for number in ("1", "2"):
        roadmap("start", number)
        solve(journey, int(number))
        assert roadmap("test").code == 0
    assert roadmap("verify", "-j", "2").code == 0
    file = journey.work_file("sample", 2)
    file.write_text(file.read_text().replace("result = 2\n", "result = 9\n"))
    lost = roadmap("verify", "--json")
    assert lost.code == 1
    assert [(row["day"], row["status"]) for row in lost.json] == [
        ("sample/1", "verified"),
        ("sample/2", "regressed"),
    ]
    assert [status(roadmap, f"sample/0{n}") for n in (1, 2)] == ["verified", "regressed"]
    assert "roadmap test sample/2" in roadmap("verify", "sample").out
    file.unlink()
    gone = roadmap("verify", "sample/2")
    assert gone.code == 1
    assert "missing: its file is gone" in gone.out
    assert roadmap("verify", "sample/1").code == 0


def test_verify_says_what_cannot_be_checked_here(
    journey: Journey, roadmap: Command, track: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    roadmap("start", "1")
    solve(journey, 1)
    assert roadmap("test").code == 0
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    day, settings = track / "day01.py", track / "track.toml"
    day.write_text(day.read_text().replace("\nLearning", "Requires: gpu\n\nLearning"))
    settings.write_text(settings.read_text() + 'device = "gpu|interpreter"\n')
    row = roadmap("verify", "--json").json[0]
    assert (row["status"], row["why"]) == (
        "blocked",
        "sample/1 needs a GPU, and this machine shows none",
    )
    assert status(roadmap, "sample/01") == "verified", "what cannot be checked is not lost"


def test_a_day_for_a_gpu_is_blocked_unless_the_interpreter_counts(
    journey: Journey, roadmap: Command, track: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    day, settings = track / "day01.py", track / "track.toml"
    settings.write_text(settings.read_text() + 'device = "gpu|interpreter"\n')
    source = day.read_text()
    day.write_text(source.replace("\nLearning", "Requires: gpu | interpreter\n\nLearning"))
    assert status(roadmap, "sample/01") == "todo"
    day.write_text(source.replace("\nLearning", "Requires: gpu\n\nLearning"))
    assert status(roadmap, "sample/01") == "blocked"
    refused = roadmap("start", "sample/1")
    assert refused.code == 4
    assert "needs a GPU" in refused.err
    assert status(roadmap, "sample/02") == "todo"


def test_a_reset_is_undone_and_redone(journey: Journey, roadmap: Command) -> None:
    roadmap("start", "1")
    assert "never reset" in roadmap("reset", "--undo").err
    file = journey.work_file("sample", 1)
    file.write_text("mine")
    assert "roadmap reset --undo" in roadmap("reset").out
    skeleton = file.read_text()
    assert roadmap("reset", "--undo").code == 0
    assert file.read_text() == "mine"
    assert roadmap("reset", "--undo").code == 0
    assert file.read_text() == skeleton, "undone twice, it is redone"
    file.unlink()
    assert roadmap("reset", "1", "--undo").code == 0
    assert file.read_text() == "mine"
    for path in (file.parent / "before-reset").iterdir():
        path.unlink()
    assert "is gone" in roadmap("reset", "--undo").err


def test_an_event_cannot_make_undo_read_outside_the_journey(
    journey: Journey, roadmap: Command, tmp_path: Path
) -> None:
    (tmp_path / "secret.py").write_text("secret")
    roadmap("start", "1")
    journey.record("day.reset", day="sample/1", backup="../secret.py")
    assert roadmap("reset", "--undo").code == 4
    assert "secret" not in journey.work_file("sample", 1).read_text()


def test_a_notebook_is_handed_out_judged_and_reset(journey: Journey, roadmap: Command) -> None:
    pytest.importorskip("jupytext")
    begun = roadmap("start", "1", "--notebook", "--json").json
    file = Path(begun["file"])
    assert file.suffix == ".ipynb"
    assert not journey.work_file("sample", 1).exists()
    cells = json.loads(file.read_text())["cells"]
    kinds = [cell["cell_type"] for cell in cells]
    assert kinds[0] == "markdown"
    assert [text for text in kinds if text == "code"] == ["code"] * (len(cells) - 1)
    assert "".join(cells[0]["source"]).startswith("# Day 01: One")
    failed = roadmap("test")
    assert failed.code == 1
    assert "cell 2" in failed.out
    assert roadmap("hint", "--json").json["exercise"] == 1
    for cell in cells:
        text = "".join(cell["source"])
        text = text.replace('raise NotImplementedError("Exercise 1: the number")', "return 1")
        text = text.replace('raise NotImplementedError("Exercise 2: its double")', "return 2")
        cell["source"] = "%timeit 1\n!ls\n" + text if text.startswith("# Exercise 1") else text
    notebook = json.loads(file.read_text()) | {"cells": cells}
    file.write_text(json.dumps(notebook))
    assert roadmap("test").code == 0
    assert "day01.ipynb" in roadmap("start", "1").out
    assert roadmap("hint", "--json").json["exercise"] == 1
    roadmap("reset")
    assert "NotImplementedError" in file.read_text()
    assert roadmap("reset", "--undo").code == 0
    assert json.loads(file.read_text()) == notebook
    file.write_text("{")
    broken = roadmap("test")
    assert broken.code == 4
    assert "is no notebook" in broken.err


def test_without_jupytext_it_is_said_what_to_install(
    journey: Journey, roadmap: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "jupytext", None)
    refused = roadmap("start", "1", "--notebook")
    assert refused.code == 6
    assert "roadmap-log[notebook]" in refused.err
    assert not list((journey.root / "work").rglob("*.ipynb"))


def test_of_two_forms_the_one_saved_last_is_judged(journey: Journey) -> None:
    from roadmap_log.work import work_in_hand

    file = solve(journey, 1)
    notebook = file.with_suffix(".ipynb")
    notebook.write_text("{}")
    os.utime(file, ns=(1, 1))
    assert work_in_hand(journey, ("sample", 1)) == notebook
    os.utime(notebook, ns=(0, 0))
    assert work_in_hand(journey, ("sample", 1)) == file


@pytest.mark.parametrize("poll", [True, False])
def test_changes_are_noticed_also_where_the_file_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, poll: bool
) -> None:
    if not poll:
        pytest.importorskip("watchfiles")
    monkeypatch.setattr(watching, "SECONDS", 0.01)
    path = tmp_path / "day.py"
    path.write_text("one")
    watch = Watch(path, poll=poll)
    assert ("as asked" in watch.announced) == poll
    changes = watch.changes(lambda text: None)

    def edit() -> None:
        for number in range(500):
            time.sleep(0.02)
            other = tmp_path / "other"
            other.write_text("x" * number)
            path.unlink(missing_ok=True)
            other.replace(path)
            if done.is_set():
                return

    done = threading.Event()
    editor = threading.Thread(target=edit)
    editor.start()
    try:
        next(changes)
        next(changes)
    finally:
        done.set()
        editor.join()


def test_a_file_that_is_away_is_no_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "day.py"
    path.write_text("one")
    doings = [path.unlink, lambda: None, lambda: path.write_text("two"), lambda: None]
    slept: list[int] = []

    def sleep(seconds: float) -> None:
        doings[len(slept)]()
        slept.append(1)

    monkeypatch.setattr(watching.time, "sleep", sleep)
    next(Watch(path, poll=True).changes(lambda text: None))
    assert len(slept) == 3


def test_what_cannot_be_judged_here_leaves_no_event(
    journey: Journey, roadmap: Command, track: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    roadmap("start", "1")
    day = track / "day01.py"
    day.write_text(day.read_text().replace("\nLearning", "Requires: gpu\n\nLearning"))
    for command in ("test", "watch"):
        blocked = roadmap(command, "1", *["--poll"] * (command == "watch"))
        assert blocked.code == 6
        assert "needs a GPU" in blocked.out
    assert all(event.kind != "day.tested" for event in journey.store.read().events)


def test_polling_takes_the_place_of_what_is_missing_or_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "SECONDS", 0.01)
    path = tmp_path / "day.py"
    path.write_text("one")

    def refuse(folder: Path, **options: object) -> None:
        path.write_text("another")
        raise OSError(28, "inotify watch limit reached")

    monkeypatch.setitem(sys.modules, "watchfiles", SimpleNamespace(watch=refuse))
    said: list[str] = []
    next(Watch(path).changes(said.append))
    assert "inotify watch limit reached" in said[0]
    monkeypatch.setitem(sys.modules, "watchfiles", None)
    assert "roadmap-log[watch]" in Watch(path).announced


def test_watch_checks_each_save_until_it_passes(
    journey: Journey, roadmap: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    roadmap("start", "1")
    file = journey.work_file("sample", 1)
    saves = [lambda: None, lambda: file.write_text("x = 1\n"), lambda: solve(journey, 1)]

    def changes(self: Watch, announce: object) -> object:
        for save in saves:
            save()
            yield

    monkeypatch.setattr(Watch, "changes", changes)
    shown = roadmap("watch", "--poll")
    assert shown.code == 0
    assert shown.out.count("Waiting for the next save") == 3
    assert "Verified: sample/1" in shown.out
    assert "looking 2 times a second, as asked" in shown.err
    tested = [event for event in journey.store.read().events if event.kind == "day.tested"]
    assert len(tested) == 3, "a save without a change is no attempt"


def test_a_new_day_is_sound_as_it_stands(
    journey: Journey, roadmap: Command, track: Path, tmp_path: Path
) -> None:
    made = roadmap("dev", "new", "sample/3", "--title", "Three", "--json").json
    assert Path(made["file"]) == track / "day03.py"
    assert not made["track_begun"]
    assert roadmap("dev", "check", "sample/3").code == 0
    assert roadmap("dev", "new", "sample/3").code == 4
    assert roadmap("dev", "new", "nowhere/1").code == 4
    assert roadmap("dev", "new", "../1").code == 4
    begun = roadmap("dev", "new", "mine/1", "--folder", str(tmp_path / "mine"))
    assert 'mine = "package.track"' in begun.out
    assert (tmp_path / "mine" / "day01.py").read_text() != day_source(1, "One")
    from roadmap_log.tracks import load

    assert load(tmp_path / "mine", name="mine", distribution="d", version="1").days == (1,)
