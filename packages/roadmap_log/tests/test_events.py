"""Events: nothing acknowledged is lost, nothing half-read, nothing dropped in silence."""

import json
import os
import subprocess
import sys
import textwrap
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from roadmap_log import events
from roadmap_log.errors import StorageError
from roadmap_log.events import Event, EventStore, decode, encode, new_id
from roadmap_log.journey import Journey

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=timezone(timedelta(hours=1)))


@pytest.fixture
def store(tmp_path: Path) -> EventStore:
    return EventStore(tmp_path / "events", tmp_path / "lock")


def append(store: EventStore, number: int, when: datetime = NOW, device: str = "a") -> Event:
    return store.append(device, "item.ticked", {"item": f"n/{number}"}, when)


def numbers(store: EventStore) -> list[int]:
    return [int(event.data["item"].split("/")[1]) for event in store.read().events]


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A Python program in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_ids_sort_by_time_and_differ() -> None:
    ids = [new_id(moment) for moment in (1.0, 2.0, 1e9, 2e9)]
    assert ids == sorted(ids)
    assert {len(each) for each in ids} == {26}
    assert len({new_id(5.0) for _ in range(1000)}) == 1000


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"text": "line\nend\r\n\x00\x7f"},
        {"text": "שלום 👩‍💻 \ud800"},
        {"deep": [{"a": [1, None]}]},
    ],
)
def test_a_line_says_what_was_written(data: dict[str, object]) -> None:
    event = Event(new_id(), NOW, "a", "item.ticked", data)
    line = encode(event)
    assert line.count(b"\n") == 1
    assert decode(line) == event


def test_every_changed_or_lost_byte_is_noticed() -> None:
    line = encode(Event(new_id(), NOW, "a", "item.ticked", {"item": "x"})).rstrip()
    for position in range(len(line)):
        with pytest.raises(ValueError, match="checksum"):
            decode(line[:position] + bytes([line[position] ^ 1]) + line[position + 1 :])
        with pytest.raises(ValueError, match="checksum"):
            decode(line[:position])


@pytest.mark.parametrize(
    "body",
    [
        b'{"time":"2026-11-20T09:00:00+01:00","device":"a","kind":"k","data":{}',
        b'{"id":"1","time":"2026-11-20T09:00:00","device":"a","kind":"k","data":{}',
        b'{"id":"1","time":"yesterday","device":"a","kind":"k","data":{}',
        b'{"id":"1","time":"2026-11-20T09:00:00+01:00","device":"a","kind":"k","data":[]',
        b'{"id":"1","time":"2026-11-20T09:00:00+01:00","device":"a","kind":"k","data":{}}{"a":1',
        b'["id"',
        b"{",
    ],
)
def test_a_whole_line_of_the_wrong_form_is_damage(body: bytes, store: EventStore) -> None:
    line = body + b',"sum":"%08x"}' % events.zlib.crc32(body)
    append(store, 1)
    path = store.folder / "a.jsonl"
    path.write_bytes(path.read_bytes() + line + b"\n")
    append(store, 2)
    history = store.read()
    assert numbers(store) == [1, 2]
    assert [damage.line for damage in history.damage] == [2]


def test_a_damaged_line_in_the_middle_is_reported_and_the_rest_read(store: EventStore) -> None:
    for number in range(5):
        append(store, number)
    path = store.folder / "a.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    lines[2] = lines[2].replace(b"n/2", b"n/9")
    path.write_bytes(b"".join(lines))
    history = store.read()
    assert numbers(store) == [0, 1, 3, 4]
    assert str(history.damage[0]).startswith(f"{path}:3: ")
    append(store, 5)
    assert path.read_bytes().splitlines(keepends=True)[:5] == lines, "the damage stays to be seen"


def test_a_torn_last_line_goes_to_quarantine(store: EventStore) -> None:
    append(store, 1)
    append(store, 2)
    path = store.folder / "a.jsonl"
    whole = path.read_bytes()
    torn = whole[: len(whole) - 20]
    path.write_bytes(torn)
    assert numbers(store) == [1]
    assert len(store.read().damage) == 1
    append(store, 3)
    assert numbers(store) == [1, 3]
    assert store.read().damage == ()
    kept = store.quarantined()
    assert [file.read_bytes() for file in kept] == [torn.splitlines(keepends=True)[1]]


def test_a_missing_line_end_loses_nothing(store: EventStore) -> None:
    append(store, 1)
    path = store.folder / "a.jsonl"
    path.write_bytes(path.read_bytes().rstrip())
    assert numbers(store) == [1]
    append(store, 2)
    assert numbers(store) == [1, 2]
    assert store.quarantined() == []


def test_line_ends_of_another_system_are_read(store: EventStore) -> None:
    append(store, 1)
    path = store.folder / "a.jsonl"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert numbers(store) == [1]


def test_a_file_that_is_all_rubbish_is_reported(store: EventStore) -> None:
    store.folder.mkdir()
    (store.folder / "b.jsonl").write_bytes(b"\xff\xfe\x00rubbish\n" * 3)
    append(store, 1)
    assert numbers(store) == [1]
    assert len(store.read().damage) == 3


CRASH = """
    import os, sys
    from datetime import datetime, timezone
    from pathlib import Path
    from roadmap_log import events, files

    folder, step = Path(sys.argv[1]), int(sys.argv[2])
    store = events.EventStore(folder / "events", folder / "lock")
    now = datetime(2026, 11, 20, 9, tzinfo=timezone.utc)
    seen = 0

    def counted(call):
        def wrapped(*arguments, **named):
            global seen
            seen += 1
            if seen == step:
                if call is write and len(arguments[1]) > 1:
                    write(arguments[0], arguments[1][: len(arguments[1]) // 2])
                os.kill(os.getpid(), 9)
            return call(*arguments, **named)
        return wrapped

    for number in range(3):
        event = store.append("a", "item.ticked", {"item": f"n/{number}"}, now)
        os.write(1, f"{number}\\n".encode())
    with open(folder / "events" / "a.jsonl", "ab") as stream:
        stream.write(b'{"id":"half')

    write = os.write
    for name in ("open", "write", "fsync", "ftruncate", "close", "fstat"):
        setattr(os, name, counted(getattr(os, name)))
    store.append("a", "item.ticked", {"item": "n/3"}, now)
    write(1, b"3\\n")
    write(1, f"steps {seen}\\n".encode())
"""


def test_killed_at_every_step_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    whole = run(CRASH, str(tmp_path / "whole"), "0")
    assert whole.returncode == 0, whole.stderr
    steps = int(whole.stdout.split()[-1])
    assert steps > 10
    for step in range(1, steps + 1):
        folder = tmp_path / str(step)
        killed = run(CRASH, str(folder), str(step))
        assert killed.returncode == -9
        acknowledged = [int(word) for word in killed.stdout.split()]
        store = EventStore(folder / "events", folder / "lock")
        assert numbers(store)[: len(acknowledged)] == acknowledged
        append(store, 9)
        assert numbers(store)[: len(acknowledged)] == acknowledged
        assert numbers(store)[-1] == 9
        assert store.read().damage == (), "one append later every torn line is in quarantine"
        assert any(file.read_bytes() == b'{"id":"half' for file in store.quarantined())


WRITER = """
    import os, sys, time
    from datetime import datetime, timezone
    from pathlib import Path
    from roadmap_log.events import EventStore

    folder, writer = Path(sys.argv[1]), int(sys.argv[2])
    store = EventStore(folder / "events", folder / "lock")
    write = os.write
    def little(handle, data):  # a system may write less than asked, and let others come between
        time.sleep(0.0002)
        return write(handle, data[:80])
    os.write = little
    sys.stdin.read()
    for number in range(20):
        when = datetime.now(timezone.utc)
        store.append("a", "item.ticked", {"item": f"n/{writer * 100 + number}"}, when)
"""


def test_thirty_two_writers_at_once(tmp_path: Path) -> None:
    command = [sys.executable, "-c", textwrap.dedent(WRITER), str(tmp_path)]
    writers = [
        subprocess.Popen([*command, str(number)], stdin=subprocess.PIPE) for number in range(32)
    ]
    for writer in writers:
        assert writer.stdin
        writer.stdin.close()
    assert [writer.wait(60) for writer in writers] == [0] * 32
    store = EventStore(tmp_path / "events", tmp_path / "lock")
    found = numbers(store)
    assert store.read().damage == ()
    assert sorted(found) == [w * 100 + n for w in range(32) for n in range(20)]
    for writer in range(32):
        own = [number for number in found if number // 100 == writer]
        assert own == sorted(own)


@pytest.mark.parametrize("written", [0, 10])
def test_a_full_disk_leaves_the_file_as_it_was(
    store: EventStore, monkeypatch: pytest.MonkeyPatch, written: int
) -> None:
    append(store, 1)
    before = (store.folder / "a.jsonl").read_bytes()
    real, calls = os.write, 0

    def full(handle: int, data: bytes) -> int:
        nonlocal calls
        calls += 1
        if calls == 1 and written:
            return real(handle, data[:written])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(StorageError, match="No space left") as caught:
        append(store, 2)
    assert caught.value.fix
    assert "free some space" in caught.value.fix
    monkeypatch.undo()
    assert (store.folder / "a.jsonl").read_bytes() == before
    append(store, 3)
    assert numbers(store) == [1, 3]


@pytest.mark.skipif(sys.platform == "win32", reason="RLIMIT_FSIZE is of POSIX")
def test_a_real_limit_on_the_size_of_files(tmp_path: Path) -> None:
    program = """
        import resource, signal, sys
        from datetime import datetime, timezone
        from pathlib import Path
        from roadmap_log.errors import StorageError
        from roadmap_log.events import EventStore
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        store = EventStore(Path(sys.argv[1]) / "events", Path(sys.argv[1]) / "lock")
        for number in range(100):
            try:
                store.append("a", "item.ticked", {"item": f"n/{number}"},
                             datetime.now(timezone.utc))
            except StorageError as error:
                print(number, error)
                break
    """
    done = run(program, str(tmp_path))
    count = int(done.stdout.split()[0])
    assert "File too large" in done.stdout
    store = EventStore(tmp_path / "events", tmp_path / "lock")
    assert numbers(store) == list(range(count))
    assert store.read().damage == ()


def test_a_folder_in_the_place_of_the_file(store: EventStore) -> None:
    (store.folder / "a.jsonl").mkdir(parents=True)
    with pytest.raises(StorageError):
        append(store, 1)
    with pytest.raises(StorageError):
        store.read()


def test_a_clock_going_back_keeps_the_order_of_each_device(store: EventStore) -> None:
    append(store, 1, NOW)
    append(store, 2, NOW - timedelta(days=400))
    append(store, 3, NOW + timedelta(minutes=1))
    append(store, 10, NOW + timedelta(seconds=1), device="b")
    append(store, 11, NOW + timedelta(hours=1), device="b")
    assert numbers(store) == [1, 2, 10, 3, 11]


def test_events_of_a_newer_version_are_kept_and_named(store: EventStore) -> None:
    append(store, 1)
    path = store.folder / "a.jsonl"
    newer = events.Event("y", NOW, "a", "moon.landed", {"crater": 7})
    with path.open("ab") as stream:
        stream.write(events.encode(newer))
    body = json.dumps(
        {"id": "x", "time": NOW.isoformat(), "device": "a", "kind": "item.ticked"}
        | {"data": {"item": "n/2", "mood": "good"}, "colour": "blue"}
    ).encode()[:-1]
    with path.open("ab") as stream:
        stream.write(body + b',"sum":"%08x"}\n' % events.zlib.crc32(body))
    history = store.read()
    assert history.unknown_kinds == {"moon.landed": 1}
    assert history.damage == ()
    assert history.events[-1].data["mood"] == "good"


def git(folder: Path, *arguments: str) -> str:
    config = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    done = subprocess.run(
        ["git", *config, *arguments], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout


def commit(folder: Path) -> None:
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "more")


def test_two_machines_merge_through_git_without_conflict(tmp_path: Path) -> None:
    first = Journey.create(tmp_path / "first")
    git(first.root, "init", "-q", "-b", "main")
    first.record("item.ticked", item="autodiff/01")
    commit(first.root)
    git(tmp_path, "clone", "-q", str(first.root), "second")
    second = Journey(tmp_path / "second")
    assert second.device != first.device
    for number in range(2, 6):
        first.record("item.ticked", item=f"autodiff/{number:02d}")
        second.record("item.ticked", item=f"triton/{number:02d}")
    commit(first.root)
    commit(second.root)
    git(second.root, "pull", "-q", "--no-rebase", "--no-edit")
    assert git(second.root, "status", "--porcelain") == ""
    assert second.state.counts["claimed"] == 9
    git(first.root, "pull", "-q", "--no-rebase", "--no-edit", str(second.root), "main")
    assert Journey(first.root).state.counts["claimed"] == 9


def test_two_branches_of_one_machine_merge_without_conflict(tmp_path: Path) -> None:
    journey = Journey.create(tmp_path / "journey")
    git(journey.root, "init", "-q", "-b", "main")
    commit(journey.root)
    git(journey.root, "checkout", "-q", "-b", "side")
    journey.record("item.ticked", item="autodiff/01")
    commit(journey.root)
    git(journey.root, "checkout", "-q", "main")
    journey.record("item.ticked", item="autodiff/02")
    commit(journey.root)
    git(journey.root, "merge", "-q", "--no-edit", "side")
    merged = Journey(journey.root)
    assert merged.state.counts["claimed"] == 2
    assert merged.history.damage == ()


def test_the_same_device_on_two_branches_is_joined_line_by_line(tmp_path: Path) -> None:
    store = EventStore(tmp_path / "events", tmp_path / "lock")
    for number in (1, 2, 3):
        append(store, number, NOW.astimezone(UTC))
    path = tmp_path / "events" / "a.jsonl"
    path.write_bytes(path.read_bytes() * 2)
    assert numbers(store) == [1, 2, 3], "an event that stands twice counts once"
