"""Tracks are found from entry points, imported never; a broken one is named and harms no other."""

import subprocess
import sys
from pathlib import Path

import pytest
from roadmap_log.dayfile import DayFileError
from roadmap_log.tracks import BrokenTrack, Track, TrackError, discover, track
from sample import day_source

GOOD = 'name = "good"\ntitle = "Good"\nsummary = "Numbers."\nplanned = 4\n'


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of installed packages, with the one track "good" in it."""
    folder = tmp_path / "installed"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    install(folder, "good", GOOD)
    return folder


def install(
    site: Path, name: str, toml: str | bytes | None, *, entry: str = "", package: str = ""
) -> Path:
    """Put a distribution into `site` that offers the track `name`; the track's folder."""
    package = package or f"{name}_days"
    folder = site / package / "track"
    (site / package).mkdir()
    (site / package / "__init__.py").write_text("raise RuntimeError('imported')\n")
    if toml is not None:
        folder.mkdir()
        (folder / "track.toml").write_bytes(toml.encode() if isinstance(toml, str) else toml)
    info = site / f"{package}-2.1.dist-info"
    info.mkdir()
    title = package.replace("_", "-")
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {title}\nVersion: 2.1\n")
    entry = entry or f"{package}.track"
    (info / "entry_points.txt").write_text(f"[roadmap_log.tracks]\n{name} = {entry}\n")
    return folder


def problem(name: str) -> str:
    """Why the track is broken; the good one beside it is still found."""
    found = discover()
    assert isinstance(found["good"], Track)
    broken = found[name]
    assert isinstance(broken, BrokenTrack)
    assert broken.name == name
    with pytest.raises(TrackError, match=f"track '{name}' is broken: ") as caught:
        track(name)
    assert broken.problem in str(caught.value)
    assert caught.value.fix
    return broken.problem


def test_a_good_track(site: Path) -> None:
    folder = site / "good_days" / "track"
    good = track("good")
    assert good == discover()["good"]
    assert good == Track(
        name="good",
        title="Good",
        summary="Numbers.",
        distribution="good-days",
        version="2.1",
        folder=folder,
        planned=4,
        extra="",
        device="cpu",
    )


@pytest.mark.parametrize("device", ["cpu", "gpu", "gpu|interpreter"])
def test_extra_and_device(site: Path, device: str) -> None:
    toml = GOOD.replace("good", "other") + f'extra = "track"\ndevice = "{device}"\n'
    install(site, "other", toml)
    assert (track("other").extra, track("other").device) == ("track", device)


def test_tracks_come_in_alphabetical_order(site: Path) -> None:
    for name in ("zebra", "ape"):
        install(site, name, GOOD.replace("good", name))
    names = [name for name in discover() if name in ("ape", "good", "zebra")]
    assert names == ["ape", "good", "zebra"]


def test_a_track_deeper_down_and_in_a_namespace(site: Path) -> None:
    folder = install(site, "deep", None, entry="deep_days.a.b")
    (site / "deep_days" / "__init__.py").unlink()  # a namespace package has none
    inner = folder.parent / "a" / "b"
    inner.mkdir(parents=True)
    (inner / "track.toml").write_text(GOOD.replace("good", "deep"))
    assert track("deep").folder == inner


def test_finding_tracks_imports_none_of_them(site: Path) -> None:
    (site / "good_days" / "track" / "day01.py").write_text("raise RuntimeError('imported')\n")
    program = (
        f"import sys; sys.path.insert(0, {str(site)!r})\n"
        "from roadmap_log.tracks import discover\n"
        "print(*discover()['good'].days)\n"
        "print([m for m in sys.modules if m.startswith(('good_days', 'roadmap_log.dayfile'))])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("1\n[]\n", "")


def test_days_are_listed_by_file_name_alone(site: Path) -> None:
    folder = site / "good_days" / "track"
    for name in ("day02.py", "day10.py", "day01.py", "day100.py"):
        (folder / name).write_bytes(b"\xff not Python")
    for name in ("day3.py", "day04.txt", "xday05.py", "day06.py.bak", "__init__.py"):
        (folder / name).write_text("")
    assert track("good").days == (1, 2, 10, 100)
    assert track("good").day_path(100) == folder / "day100.py"
    with pytest.raises(DayFileError, match=r"day02\.py:1: "):
        track("good").day(2)


def test_a_day_is_parsed_when_asked_for(site: Path) -> None:
    folder = site / "good_days" / "track"
    assert track("good").days == ()
    for number in (1, 2, 3):
        (folder / f"day{number:02d}.py").write_text(day_source(number, "One"))
    day = track("good").day(2)
    assert (day.number, day.title, day.path) == (2, "One", folder / "day02.py")


@pytest.mark.parametrize(
    ("number", "problem"),
    [(4, "has no day 4 yet"), (5, "has no day 5"), (0, "has no day 0"), (-1, "has no day -1")],
)
def test_a_day_that_is_not_there(site: Path, number: int, problem: str) -> None:
    for there in (1, 2, 7):
        (site / "good_days" / "track" / f"day{there:02d}.py").write_text("")
    with pytest.raises(TrackError) as caught:
        track("good").day_path(number)
    assert caught.value.problem == f"track 'good' {problem}"
    assert caught.value.expected == "one of its days: 1-2, 7 (of 4 planned)"


def test_a_track_without_days_has_none_to_offer(site: Path) -> None:
    with pytest.raises(TrackError) as caught:
        track("good").day(1)
    assert caught.value.expected == "one of its days: none (of 4 planned)"


def test_a_track_that_is_not_installed(site: Path) -> None:
    with pytest.raises(TrackError, match="no track 'absent' is installed") as caught:
        track("absent")
    assert "good" in (caught.value.expected or "")
    assert caught.value.exit_code == 4


BROKEN = GOOD.replace("good", "broken")


@pytest.mark.parametrize(
    ("toml", "expected"),
    [
        pytest.param("title = ", "track.toml is not TOML: ", id="no TOML"),
        pytest.param(b'title = "\xff"', "track.toml is not TOML: ", id="not UTF-8"),
        pytest.param("", "track.toml: the key 'name' is missing", id="empty"),
        *(
            pytest.param(
                "".join(f"{line}\n" for line in BROKEN.splitlines() if not line.startswith(key)),
                f"track.toml: the key '{key}' is missing",
                id=f"no {key}",
            )
            for key in ("name", "title", "summary", "planned")
        ),
        pytest.param(BROKEN + "days = 3\n", "unknown key 'days'", id="unknown key"),
        pytest.param(BROKEN.replace('"broken"', "3"), "name = 3", id="name is a number"),
        pytest.param(BROKEN.replace('"Good"', "[]"), "title = []", id="title is a list"),
        pytest.param(BROKEN.replace("4", '"4"'), "planned = '4'", id="planned is text"),
        pytest.param(BROKEN.replace("4", "4.0"), "planned = 4.0", id="planned is a float"),
        pytest.param(BROKEN.replace("4", "true"), "planned = True", id="planned is a boolean"),
        pytest.param(BROKEN.replace("4", "0"), "planned = 0", id="nothing planned"),
        pytest.param(BROKEN + "extra = false\n", "extra = False", id="extra is a boolean"),
        pytest.param(BROKEN + 'device = "tpu"\n', "device = 'tpu'", id="unknown device"),
        pytest.param(GOOD, "name = 'good'", id="another's name"),
    ],
)
def test_a_broken_description(site: Path, toml: str | bytes, expected: str) -> None:
    folder = install(site, "broken", toml)
    found = problem("broken")
    assert expected in found
    assert str(folder / "track.toml") in found


def test_a_folder_that_is_missing(site: Path) -> None:
    folder = install(site, "broken", None)
    assert f"there is no folder {folder}" in problem("broken")


def test_a_description_that_is_missing(site: Path) -> None:
    folder = install(site, "broken", BROKEN)
    (folder / "track.toml").unlink()
    assert f"{folder / 'track.toml'} cannot be read: " in problem("broken")


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("absent_days.track", "package 'absent_days' is not installed"),
        ("lonely.track", "package 'lonely' is not installed"),
        ("broken_days.elsewhere", "there is no folder"),
        (".track", "the entry point says '.track'"),
        ("a b", "the entry point says 'a b'"),
        ("good_days:x", "the entry point says 'good_days:x'"),
        ("broken_days...track", "the entry point says"),
    ],
)
def test_an_entry_point_that_leads_nowhere(site: Path, entry: str, expected: str) -> None:
    install(site, "broken", BROKEN, entry=entry)
    (site / "lonely.py").write_text("raise RuntimeError('imported')\n")
    assert expected in problem("broken")


@pytest.mark.parametrize(
    ("packages", "toml"),
    [
        (("a_days", "b_days"), "title ="),
        (("a_days", "b_days"), GOOD.replace("good", "twin")),
        (("a_days", "b_days", "c_days"), GOOD.replace("good", "twin")),
    ],
    ids=["one of them broken", "two", "three"],
)
def test_packages_that_offer_one_name(site: Path, packages: tuple[str, ...], toml: str) -> None:
    install(site, "twin", toml, package=packages[0])
    for package in packages[1:]:
        install(site, "twin", GOOD.replace("good", "twin"), package=package)
    names = " and ".join(package.replace("_", "-") for package in packages)
    assert problem("twin") == f"{names} offer a track of this name"
