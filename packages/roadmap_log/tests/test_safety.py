"""Nothing acknowledged is lost: killed at any step, many writers, no space, nothing writable."""

import builtins
import errno
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from roadmap_log import clock, files, following
from roadmap_log.journey import Journey
from roadmap_log.roadmaps import importing
from roadmap_log.work import hand_out, reset, undo_reset
from sample import ROADMAP, Command

STEPS = ("open", "write", "fsync", "ftruncate", "replace", "rename", "link", "unlink", "mkdir")
"""The calls that change something on the disk."""


def forks(test: Callable[..., None]) -> Callable[..., None]:
    """Marks a test that forks; from 3.12 on Python warns of it where threads run (xdist's)."""
    warned = pytest.mark.filterwarnings("ignore:This process .*fork:DeprecationWarning")
    return pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")(warned(test))


def killed_at(step: int, action: Callable[[], object]) -> bool:
    """Run `action` in a forked process that is killed before its `step`th change on the disk.

    Whether it was killed; False says that it came to its end.
    """
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    code = 70
    try:
        seen = 0

        def counted(call: Callable[..., object]) -> Callable[..., object]:
            def wrapped(*arguments: object, **named: object) -> object:
                nonlocal seen
                seen += 1
                if seen == step:
                    if call is write and isinstance(arguments[1], bytes):
                        write(arguments[0], arguments[1][: len(arguments[1]) // 2])
                    os.kill(os.getpid(), signal.SIGKILL)
                return call(*arguments, **named)

            return wrapped

        write = os.write
        for name in STEPS:
            setattr(os, name, counted(getattr(os, name)))
        opened = builtins.open

        def half(*arguments: object, **named: object) -> object:
            stream = counted(opened)(*arguments, **named)
            if "b" in str(arguments[1:2]) and "r" not in str(arguments[1:2]):
                whole = stream.write

                def torn(data: bytes) -> int:
                    whole(data[: len(data) // 2])
                    stream.flush()
                    counted(len)(data)
                    return int(whole(data[len(data) // 2 :]))

                return Torn(stream, torn)
            return stream

        builtins.open = half
        action()
        code = 0
    finally:
        os._exit(code)
    return False


class Torn:
    """A file whose writes come in two halves, so that a process can die between them."""

    def __init__(self, stream: object, write: Callable[[bytes], int]) -> None:
        self._stream, self.write = stream, write

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)

    def __enter__(self) -> "Torn":
        return self

    def __exit__(self, *raised: object) -> None:
        self._stream.close()


def every_step(action: Callable[[int], None], least: int) -> None:
    """Call `action` with 1, 2, … until it raises StopIteration; there must be `least` steps."""
    for step in range(1, 400):
        try:
            action(step)
        except StopIteration:
            assert step > least, "the steps were counted"
            return
    raise AssertionError("it never came to an end")


@forks
@pytest.mark.parametrize("write", [files.write_whole, files.write_new])
def test_a_file_is_whole_or_not_at_all(tmp_path: Path, write: Callable[..., None]) -> None:
    def once(step: int) -> None:
        folder = tmp_path / str(step)
        folder.mkdir()
        path = folder / "file"
        if write is files.write_whole:
            path.write_text("old")
        killed = killed_at(step, lambda: write(path, "new, and longer"))
        held = path.read_text() if path.exists() else None
        assert held in (["old", "new, and longer"] if write is files.write_whole else [None, held])
        assert held in ("old", "new, and longer", None)
        if not killed:
            assert held == "new, and longer"
            raise StopIteration

    every_step(once, 4)


@pytest.mark.skipif(os.name == "nt", reason="folders cannot be synced there")
def test_what_is_acknowledged_is_on_the_disk(
    journey: Journey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A loss of power takes what was not synced: the file in its whole size, then its name."""
    synced: list[tuple[int, int]] = []
    real = os.fsync

    def noted(handle: int) -> None:
        real(handle)
        synced.append((os.fstat(handle).st_ino, os.fstat(handle).st_size))

    monkeypatch.setattr(os, "fsync", noted)
    for write in (files.write_new, files.write_whole):
        synced.clear()
        write(tmp_path / "file", "some text")
        assert synced[0] == ((tmp_path / "file").stat().st_ino, len("some text"))
        assert synced[-1][0] == tmp_path.stat().st_ino
    synced.clear()
    journey.record("item.ticked", item="reading/paper")
    (events,) = (journey.root / "events").glob("*.jsonl")
    assert (events.stat().st_ino, events.stat().st_size) in synced


@forks
def test_an_import_killed_anywhere_leaves_a_journey_that_a_second_one_completes(
    tmp_path: Path,
) -> None:
    plan = tmp_path / "plan.md"
    plan.write_text("- [x] One\n- [ ] Two\n")
    found = importing.read(plan)

    def once(step: int) -> None:
        made = Journey.create(tmp_path / str(step), follow=("sprint",))
        made.record("item.ticked", item="sprint/dsa-trees")

        def take_in() -> None:
            following.take_in(made, found, "plan.md", replace=False)

        killed = killed_at(step, take_in)
        after = Journey(made.root)
        assert after.settings.roadmaps in (("sprint",), ("sprint", "plan"))
        assert after.state.items["sprint/dsa-trees"].status == "claimed"
        assert len(after.history.damage) <= 1
        following.take_in(after, found, "plan.md", replace=True)
        again = Journey(made.root)
        assert again.state.items["plan/one"].status == "claimed"
        assert again.state.items["plan/two"].status == "todo"
        assert again.history.damage == ()
        assert importing.exported(again.roadmaps[1], ["plan/one"]) == plan.read_text()
        if not killed:
            raise StopIteration

    every_step(once, 20)


@forks
def test_a_reset_and_its_undo_killed_anywhere_lose_no_work(journey: Journey) -> None:
    file = hand_out(journey, ("sample", 1)).file
    backups = file.parent / "before-reset"
    for action in (reset, undo_reset):

        def once(step: int, action: Callable[..., object] = action) -> None:
            shutil.rmtree(backups, ignore_errors=True)
            file.write_text("hours of work")
            if action is undo_reset:
                reset(Journey(journey.root), ("sample", 1))
            killed = killed_at(step, lambda: action(Journey(journey.root), ("sample", 1)))
            kept = [file, *backups.glob("*.py")]
            assert "hours of work" in [path.read_text() for path in kept]
            if not killed:
                raise StopIteration

        every_step(once, 8)


def test_roadmaps_taken_up_by_many_at_once_are_all_followed(tmp_path: Path) -> None:
    made = Journey.create(tmp_path / "journey", follow=("sprint",))
    names = [f"plan-{n}" for n in range(8)]
    folder = made.root / "roadmaps"
    folder.mkdir()
    for name in names:
        (folder / f"{name}.md").write_text(f"- [ ] A <!-- id: {name}/a -->\n")
    ready = threading.Barrier(len(names))

    def take_up(name: str) -> None:
        own = Journey(made.root)
        ready.wait()
        following.follow(own, name)

    threads = [threading.Thread(target=take_up, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(Journey(made.root).settings.roadmaps) == [*names, "sprint"]
    kinds = [event.kind for event in Journey(made.root).history.events]
    assert kinds.count("roadmap.added") == 8


def refusing(code: int) -> Callable[..., object]:
    def refuse(*arguments: object, **named: object) -> object:
        raise OSError(code, os.strerror(code))

    return refuse


def closed(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """Refuse every change on the disk, as a read-only or full one does."""
    opened, open_low = builtins.open, os.open

    def look_only(path: object, mode: str = "r", *arguments: object, **named: object) -> object:
        if set(mode) & set("wax+"):
            raise OSError(code, os.strerror(code))
        return opened(path, mode, *arguments, **named)

    def low(path: object, flags: int, *arguments: object, **named: object) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            raise OSError(code, os.strerror(code))
        return open_low(path, flags, *arguments, **named)

    monkeypatch.setattr(builtins, "open", look_only)
    monkeypatch.setattr(os, "open", low)
    for name in ("mkdir", "replace", "rename", "link", "unlink"):
        monkeypatch.setattr(os, name, refusing(code))


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (errno.EROFS, "choose a folder on a disk that can be written"),
        (errno.EACCES, "make the folder writable for you"),
        (errno.ENOSPC, "free some space"),
    ],
)
def test_where_nothing_can_be_written_one_can_still_look(
    journey: Journey, roadmap: Command, monkeypatch: pytest.MonkeyPatch, code: int, told: str
) -> None:
    roadmap("start", "1")
    plan = journey.root.parent / "plan.md"
    plan.write_text("- [ ] a\n")
    before = {path: path.stat().st_mtime_ns for path in journey.root.rglob("*")}
    with monkeypatch.context() as patched:
        closed(patched, code)
        for looked in (["status"], ["next"], [], ["stats"], ["plan"], ["roadmaps"]):
            assert roadmap(*looked).code == 0, looked
        for done in (
            ["tick", "reading/paper"],
            ["start", "2"],
            ["reset", "1"],
            ["import", str(plan)],
            ["roadmaps", "add", "sprint"],
        ):
            refused = roadmap(*done)
            assert refused.code == 5, done
            assert told in refused.err
    assert {path: path.stat().st_mtime_ns for path in journey.root.rglob("*")} == before


def test_a_file_of_zeros_after_a_crash_of_the_system(journey: Journey, roadmap: Command) -> None:
    roadmap("tick", "reading/paper")
    (path,) = (journey.root / "events").glob("*.jsonl")
    path.write_bytes(path.read_bytes() + b"\0" * 300)
    shown = roadmap("status")
    assert "its checksum does not fit its content" in shown.out
    roadmap("tick", "sample/01")
    after = roadmap("status", "--json").json
    assert after["damage"] == []
    assert len(after["quarantine"]) == 1
    assert after["counts"]["claimed"] == 2


@pytest.mark.parametrize("name", ["journey.toml", "roadmaps/sample.md"])
def test_a_damaged_file_of_the_plan_is_named_and_never_replaced(
    journey: Journey, roadmap: Command, name: str
) -> None:
    path = journey.root / name
    path.write_bytes(b"\xff\0" + path.read_bytes())
    damaged = path.read_bytes()
    for command in (["status"], ["tick", "reading/paper"], ["roadmaps", "add", "sprint"]):
        refused = roadmap(*command)
        assert refused.code in (3, 4)
        assert path.name in refused.err
    assert path.read_bytes() == damaged


def test_the_day_is_that_of_the_journey_s_own_zone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tzdata" if sys.platform == "win32" else "zoneinfo")
    monkeypatch.setenv("ROADMAP_NOW", "2026-10-25T00:30:00+00:00")
    berlin, los_angeles = (clock.now(zone) for zone in ("Europe/Berlin", "America/Los_Angeles"))
    assert (berlin.date(), berlin.hour) == (date(2026, 10, 25), 2)
    assert los_angeles.date() == date(2026, 10, 24)
    own = tmp_path / "own.md"
    own.write_text(ROADMAP)
    made = Journey.create(tmp_path / "j", time_zone="America/Los_Angeles", follow=(own,))
    made.record("item.ticked", item="reading/paper")
    monkeypatch.setenv("ROADMAP_NOW", "2026-10-25T06:59:00+00:00")
    assert Journey(made.root).state.streak.today
    monkeypatch.setenv("ROADMAP_NOW", "2026-10-25T07:01:00+00:00")
    assert Journey(made.root).state.streak.current == 1
    assert not Journey(made.root).state.streak.today


@pytest.mark.parametrize("hour", ["02:30:00+02:00", "02:30:00+01:00"])
def test_the_hour_that_comes_twice_keeps_its_order(
    journey: Journey, roadmap: Command, monkeypatch: pytest.MonkeyPatch, hour: str
) -> None:
    monkeypatch.setenv("ROADMAP_NOW", f"2026-10-25T{hour}")
    roadmap("tick", "reading/paper")
    monkeypatch.setenv("ROADMAP_NOW", "2026-10-25T02:10:00+02:00")
    roadmap("tick", "reading/paper", "--undo")
    assert Journey(journey.root).state.items["reading/paper"].status == "todo"
