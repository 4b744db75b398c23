"""Which roadmaps a journey follows: taking one up, leaving one, importing a file of others."""

import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from roadmap_log import roadmaps
from roadmap_log.errors import JourneyError, UnknownItemError
from roadmap_log.files import locked, storage_error, write_whole
from roadmap_log.journey import MARKER, Journey
from roadmap_log.roadmaps import Roadmap

if TYPE_CHECKING:
    from roadmap_log.roadmaps.importing import Import

_LIST = re.compile(r"^roadmaps[ \t]*=[ \t]*\[[^\]]*\]", re.MULTILINE)


def follow(journey: Journey, name: str) -> Roadmap:
    """Take up a roadmap beside the others: a built-in one, or one in the journey's `roadmaps/`.

    Raises:
        UnknownItemError: there is none of that name, it is followed already, or its ids clash.
        JourneyError: journey.toml cannot be edited.
        StorageError: it cannot be written.
    """
    if name in journey.settings.roadmaps:
        raise UnknownItemError(
            f"the journey follows {name} already",
            expected="another roadmap: " + ", ".join(unfollowed(journey)),
            fix="see where you are on it: roadmap status",
        )
    chosen = roadmaps.load(name, journey.root / "roadmaps")
    roadmaps.refuse_shared_ids((*journey.roadmaps, chosen))
    _write(journey, lambda names: [*(each for each in names if each != name), name])
    journey.record("roadmap.added", roadmap=name, version=chosen.version)
    return chosen


def copy_own(journey: Journey, path: Path) -> str:
    """Copy a file in our own form into the journey's `roadmaps/`; its name is returned.

    Raises:
        UnknownItemError: it is broken, or a roadmap of that name is there already.
        StorageError: it cannot be written.
    """
    own = roadmaps.parse_own(path)
    _refuse_taken(journey, path.stem)
    roadmaps.refuse_shared_ids((*journey.roadmaps, own))
    write_whole(journey.root / "roadmaps" / path.name, path.read_bytes())
    return path.stem


def leave(journey: Journey, name: str) -> None:
    """No longer follow a roadmap; its file and all that was done on it stay.

    Raises:
        UnknownItemError: it is not followed, or the only one.
        JourneyError: journey.toml cannot be edited.
    """
    names = journey.settings.roadmaps
    if name not in names or len(names) == 1:
        only = len(names) == 1 and name in names
        raise UnknownItemError(
            f"{name!r} is the only roadmap" if only else f"the journey does not follow {name!r}",
            expected="one of several" if only else "one of " + ", ".join(names),
            fix="first take up another one: roadmap roadmaps add NAME",
        )
    _write(journey, lambda names: [each for each in names if each != name] or names)
    journey.record("roadmap.removed", roadmap=name)


def take_in(journey: Journey, found: "Import", origin: str, *, replace: bool) -> list[str]:
    """Write an imported roadmap into the journey and follow it; ids that got their tick.

    The original goes to the disk first and the ticks last, so that a crash on the way leaves
    nothing that a second import with `replace` would not complete.

    Raises:
        UnknownItemError: a roadmap of that name is there, or its ids clash with others.
        JourneyError: journey.toml cannot be edited.
        StorageError: a file cannot be written.
    """
    folder = journey.root / "roadmaps"
    path = folder / f"{found.name}.md"
    if not replace:
        _refuse_taken(journey, found.name)
    text = found.render(origin)
    made = roadmaps.parse_text(text, path)
    others = [each for each in journey.roadmaps if each.name != found.name]
    roadmaps.refuse_shared_ids((*others, made))
    write_whole(folder / "sources" / path.name, found.source)
    write_whole(path, text)
    journey.forget()
    if found.name not in journey.settings.roadmaps:
        follow(journey, found.name)
    ticked = [name for name in found.done if not journey.state.items[name].done]
    for name in ticked:
        journey.record("item.ticked", item=name, imported=True)
    return ticked


def unfollowed(journey: Journey) -> list[str]:
    """Names of the roadmaps that there are and that the journey does not follow."""
    there = roadmaps.names(journey.root / "roadmaps")
    return [name for name in there if name not in journey.settings.roadmaps]


def _refuse_taken(journey: Journey, name: str) -> None:
    if name in roadmaps.names():
        problem = f"{name!r} is the name of a built-in roadmap"
    elif (journey.root / "roadmaps" / f"{name}.md").exists():
        problem = f"there is a roadmap {name!r} in the journey already"
    else:
        return
    raise UnknownItemError(
        problem,
        expected="a name that is free",
        fix="roadmap import FILE --name NAME, or --replace for a new version of the same plan",
    )


def _write(journey: Journey, change: Callable[[list[str]], list[str]]) -> None:
    """Change the list of roadmaps in journey.toml, as it stands there now, and nothing else."""
    path = journey.root / MARKER
    with locked(journey.local / "settings.lock"):
        try:
            text = path.read_bytes().decode()
        except OSError as error:
            raise storage_error("read", path, error) from error
        before = tomllib.loads(text)
        names = change([str(name) for name in before.get("roadmaps", [])])
        listed = "roadmaps = [" + ", ".join(f'"{name}"' for name in names) + "]"
        changed = _LIST.sub(lambda _: listed, text, count=1) if _LIST.search(text) else ""
        try:
            after = tomllib.loads(changed)
        except tomllib.TOMLDecodeError:
            after = {}
        if after != {**before, "roadmaps": names}:
            raise JourneyError(
                f"{path}: the line of the roadmaps cannot be changed safely",
                expected='a line roadmaps = ["…"], as roadmap init writes it',
                fix=f"edit the file by hand: {listed}",
            )
        write_whole(path, changed)
    journey.forget()
