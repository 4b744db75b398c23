"""Journeys: made whole or not at all, found from where one stands, refused when broken."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from roadmap_log import files, roadmaps
from roadmap_log.errors import EventError, JourneyError, StorageError, UnknownItemError
from roadmap_log.journey import Journey
from sample import ROADMAP, Command

NOBODY = 65534


def test_a_new_journey_has_everything_and_its_settings(tmp_path: Path) -> None:
    made = Journey.create(
        tmp_path / "deep" / "er", title='With "quotes" \\ and ü', cadence="mon,wed", time_zone="UTC"
    )
    settings = Journey(made.root).settings
    assert settings.title == 'With "quotes" \\ and ü'
    assert settings.cadence == {0, 2}
    assert settings.started == date(2026, 11, 20)
    assert [event.kind for event in made.history.events] == ["journey.created"]
    assert {path.name for path in made.root.iterdir()} == {
        "journey.toml",
        "work",
        "log",
        "events",
        ".local",
        ".gitignore",
        ".gitattributes",
    }
    assert len(list(made.roadmaps[0].items())) == 102


def test_an_empty_folder_is_taken_a_full_one_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    Journey.create(tmp_path / "empty")
    with pytest.raises(StorageError, match="is a journey already"):
        Journey.create(tmp_path / "empty")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("years")
    with pytest.raises(StorageError, match="is not empty"):
        Journey.create(tmp_path / "full")
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="is not empty"):
        Journey.create(tmp_path / "file")
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize(
    "bad",
    [
        {"title": "two\nlines"},
        {"title": "  "},
        {"title": "\x1b[31mred"},
        {"cadence": "sometimes"},
        {"cadence": ""},
        {"time_zone": "Mars/Olympus"},
        {"time_zone": "../../etc/passwd"},
        {"follow": ("no-such-roadmap",)},
        {"follow": ("../programme",)},
        {"follow": (Path("missing.md"),)},
    ],
)
def test_a_bad_setting_leaves_nothing_behind(
    tmp_path: Path, bad: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ROADMAP_NOW")
    with pytest.raises((JourneyError, UnknownItemError)) as caught:
        Journey.create(tmp_path / "journey", **bad)
    assert caught.value.expected
    assert caught.value.fix
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_at_any_step_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, step = os.fsync, 0

    def full(handle: int) -> None:
        nonlocal step
        step -= 1
        if step == 0:
            raise OSError(28, "No space left on device")
        real(handle)

    monkeypatch.setattr(os, "fsync", full)
    for fails_at in range(1, 100):
        step = fails_at
        with contextlib.suppress(StorageError):
            Journey.create(tmp_path / "journey")
            break
        assert list(tmp_path.iterdir()) == []
    assert fails_at > 5
    assert Journey(tmp_path / "journey").history.damage == ()


@pytest.fixture
def closed() -> Iterator[Path]:
    """A folder that cannot be written to; root, who may write everywhere, is nobody for a while."""
    with tempfile.TemporaryDirectory() as place:
        folder, root = Path(place, "closed"), os.geteuid() == 0
        folder.mkdir()
        if root:
            os.chown(place, NOBODY, -1)
            os.chown(folder, NOBODY, -1)
            os.seteuid(NOBODY)
        try:
            if not os.access(roadmaps.BUILT_IN, os.R_OK, effective_ids=True):
                pytest.skip("nobody may not read this checkout")
            folder.chmod(0o500)
            yield folder
        finally:
            if root:
                os.seteuid(0)
            folder.chmod(0o700)


@pytest.mark.skipif(os.name == "nt", reason="permissions are others there")
def test_a_folder_without_permission(closed: Path) -> None:
    with pytest.raises(StorageError, match=r"closed.*Permission denied"):
        Journey.create(closed / "journey")
    assert list(closed.iterdir()) == []


def test_a_file_where_a_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot"):
        Journey.create(tmp_path / "file" / "journey")


def test_the_journey_is_found_from_inside_from_above_and_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Journey.create(tmp_path / "one")
    deep = made.root / "work" / "autodiff"
    deep.mkdir()
    for place in (deep, made.root, tmp_path):
        assert Journey.find(start=place).root == made.root
    with pytest.raises(JourneyError, match="no journey"):
        Journey.find(start=tmp_path / "elsewhere")
    Journey.create(tmp_path / "two")
    with pytest.raises(JourneyError, match="one, two"):
        Journey.find(start=tmp_path)
    assert Journey.find(tmp_path / "two", start=tmp_path).root == tmp_path / "two"
    with pytest.raises(JourneyError, match="no journey at"):
        Journey.find(tmp_path / "three")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("title =", "not valid TOML"),
        ("\xff", "not valid TOML"),
        ("title = 3", "title = 3"),
        ("cadence = 'x'", "cadence"),
        ("cadence = ['mon']", "cadence"),
        ("roadmaps = []", "roadmaps"),
        ("roadmaps = 'programme'", "roadmaps"),
        ("started = 'today'", "started"),
        ("started = 2026-11-20T09:00:00", "started"),
        ("format = 2", "newer"),
        ("format = 'one'", "newer"),
    ],
)
def test_a_broken_journey_file_names_itself(tmp_path: Path, text: str, told: str) -> None:
    made = Journey.create(tmp_path / "journey")
    (made.root / "journey.toml").write_bytes(text.encode("latin-1"))
    with pytest.raises(JourneyError) as caught:
        Journey(made.root)
    assert told in str(caught.value)
    assert "journey.toml" in str(caught.value) or told == "cadence"


def test_a_copy_gets_a_device_of_its_own_and_a_damaged_name_is_renewed(tmp_path: Path) -> None:
    made = Journey.create(tmp_path / "one")
    assert Journey(made.root).device == made.device
    shutil.copytree(made.root, tmp_path / "copy")
    copied = Journey(tmp_path / "copy")
    assert copied.device != made.device
    assert Journey(copied.root).device == copied.device
    for damage in (b"", b"[]", b"\xff", b'{"device": "a"}'):
        (made.local / "device.json").write_bytes(damage)
        assert Journey(made.root).device.startswith("device-")


def test_a_roadmap_that_vanished_is_named(journey: Journey, roadmap: Command) -> None:
    (journey.root / "roadmaps" / "sample.md").unlink()
    result = roadmap("status")
    assert result.code == 4
    assert "no roadmap 'sample'" in result.err


def test_a_roadmap_of_ones_own_goes_before_the_built_in_one(tmp_path: Path) -> None:
    made = Journey.create(tmp_path / "journey")
    own = made.root / "roadmaps" / "programme.md"
    own.parent.mkdir()
    own.write_text(ROADMAP)
    assert made.roadmaps[0].title == "A sample"


def test_write_whole_leaves_the_old_file_when_it_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    files.write_whole(path, "old")

    def refuse(handle: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(StorageError, match="Input/output error"):
        files.write_whole(path, "new")
    assert path.read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("links", [True, False])
def test_write_new_never_writes_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    def refuse(source: str, target: Path) -> None:
        raise OSError(1, "Operation not permitted")

    if not links:
        monkeypatch.setattr(os, "link", refuse)
    path = tmp_path / "file"
    files.write_new(path, "first")
    with pytest.raises(FileExistsError):
        files.write_new(path, "second")
    assert path.read_text() == "first"
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_create_takes_a_path_as_text(tmp_path: Path) -> None:
    assert Journey.create(str(tmp_path / "journey")).root == tmp_path / "journey"


@pytest.mark.parametrize(
    ("kind", "data", "error"),
    [
        (3, {}, EventError),
        ("foo bar", {}, EventError),
        ("day.reset", {"day": object()}, EventError),
        ("day.tested", {"seconds": float("nan")}, EventError),
        ("item.ticked", {"item": object()}, UnknownItemError),
        ("item.ticked", {"item": "no/such"}, UnknownItemError),
        ("item.unticked", {}, UnknownItemError),
    ],
)
def test_what_is_no_event_is_never_recorded(
    journey: Journey, kind: str, data: dict[str, object], error: type[Exception]
) -> None:
    before = journey.store.read()
    with pytest.raises(error):
        journey.record(kind, **data)
    assert journey.store.read() == before


@pytest.mark.parametrize(
    ("given", "text", "told"),
    [
        ("/etc/passwd", None, "/etc/passwd cannot be a roadmap"),
        ("no-such", None, "no roadmap 'no-such'"),
        ("no-such.md", None, "no-such.md cannot be read"),
        ("My Map.md", "- [ ] A <!-- id: a -->", "cannot be a roadmap by its name"),
        ("empty.md", "# Nothing", "empty.md:1: a roadmap without a box"),
        ("broken.md", "- [ ] A", "broken.md:1: a box without an id"),
    ],
)
def test_init_says_what_is_wrong_with_the_roadmap_given(
    tmp_path: Path,
    roadmap: Command,
    monkeypatch: pytest.MonkeyPatch,
    given: str,
    text: str | None,
    told: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    if text is not None:
        (tmp_path / given).write_text(text)
    result = roadmap("init", "journey", "--roadmap", given)
    assert result.code == 4
    assert told in result.err
    assert "journey.toml" not in result.err
    assert not (tmp_path / "journey").exists()
