"""Roadmaps: Markdown checklists whose items and headings carry stable ids in comments.

    ---
    name: programme
    version: 1
    title: …
    summary: …
    order: parallel
    tracks: autodiff=tinygrad-autodiff
    ---
    ## A part <!-- id: autodiff -->
    ### A week <!-- id: autodiff/week-1 -->
    - [ ] Day 01: Derivatives <!-- id: autodiff/01 day: autodiff/1 minutes: 60-120 -->
          one line on what it is about
      - Objectives: one; another
      - Goals: what there is to show
      - See: `package.module`, [arXiv 1502.05767](https://arxiv.org/abs/1502.05767)

`day:` ties an item to a day of a track, `with:` names days whose passing verifies it too,
`minutes:` is the estimated time, `due:` a date, `tracks:` says which distribution each track comes
with. Parts are walked side by side (`order: parallel`) or one after the other (`sequence`), apart
from those marked `beside: yes`. Headings and boxes are understood here, line by line, in
milliseconds; all else is prose for the reader. The built-in roadmaps lie beside this module; a file
of the same name in a journey's `roadmaps/` replaces them.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from roadmap_log.errors import UnknownItemError

BUILT_IN = Path(__file__).parent
"""Where the roadmaps of the distribution lie."""

_HEADING = re.compile(r"(#{1,6}) +(.*?)(?:\s*<!--(.*?)-->)?\s*$")
_BOX = re.compile(r"\s*[-*+] +\[[ xX]\] +(.*?)(?:\s*<!--(.*?)-->)?\s*$")
_FENCE = re.compile(r" {0,3}(?:```+|~~~+)")
_PAIR = re.compile(r"(\w+):\s*(\S+)")
_DETAIL = re.compile(r"\s+[-*+] +(.*)")
_ID = re.compile(r"[a-z0-9][a-z0-9._/-]*")
_DAY = re.compile(r"([a-z0-9_-]+)/([1-9]\d{0,3})")
_TRACK = re.compile(r"([a-z0-9_-]+)=([A-Za-z0-9._-]+)")
_MINUTES = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_HINTS = frozenset("#-*+`~")
ORDERS = ("parallel", "sequence")


@dataclass(frozen=True, slots=True)
class Item:
    """One box of a checklist.

    Attributes:
        id: stable name, by which events speak of it.
        title: the text of the box.
        topic: the line below it, or "".
        day: track and number of the day that proves it, or None if it is ticked by hand.
        minutes: estimated time, least and most.
        line: its line in the file, from 1.
        practice: days of tracks; once all of them are verified, so is the item.
        due: the date it is planned for, as 2026-11-21, or "".
        source: for an imported roadmap, the line and kind of its tick in the original, or "".
        details: the list below the box, each "Label: text" on a line.
    """

    id: str
    title: str
    topic: str = ""
    day: tuple[str, int] | None = None
    minutes: tuple[int, int] | None = None
    line: int = 0
    practice: tuple[tuple[str, int], ...] = ()
    due: str = ""
    source: str = ""
    details: tuple[str, ...] = ()

    def detail(self, label: str) -> tuple[str, ...]:
        """What the list below the box says under "Label:", in its parts."""
        for line in self.details:
            head, colon, text = line.partition(":")
            if colon and head == label:
                return tuple(part.strip() for part in text.split("; "))
        return ()


@dataclass(slots=True)
class Section:
    """A heading with the boxes and headings under it; `id` may be "" for prose.

    `beside` says that it is walked beside the others where the order is a sequence.
    """

    id: str
    title: str
    level: int
    items: list[Item] = field(default_factory=list)
    sections: list["Section"] = field(default_factory=list)
    beside: bool = False

    def all_items(self) -> Iterator[Item]:
        """The boxes of this section and of those within it, in the order of the file."""
        yield from self.items
        for section in self.sections:
            yield from section.all_items()


@dataclass(slots=True)
class Roadmap:
    """A whole checklist; `parts` are its outermost headings that hold boxes.

    `order` is "parallel" or "sequence"; `header` all that the front matter says.
    """

    name: str
    version: int
    title: str
    summary: str
    tracks: dict[str, str]
    path: Path
    root: Section
    order: str = "parallel"
    header: dict[str, str] = field(default_factory=dict)

    @property
    def parts(self) -> list[Section]:
        """Sections of the highest level that has boxes anywhere below it."""
        top = self.root
        while not top.items and len(filled := _filled(top)) == 1:
            top = filled[0]
        return _filled(top) or [top]

    def items(self) -> Iterator[Item]:
        """Every box in the order of the file."""
        return self.root.all_items()


def _filled(section: Section) -> list[Section]:
    return [child for child in section.sections if next(child.all_items(), None)]


def names(folder: Path | None = None) -> list[str]:
    """Names of the roadmaps there are: the built-in ones and those in `folder`."""
    folders = [BUILT_IN] if folder is None else [BUILT_IN, folder]
    return sorted({path.stem for place in folders for path in place.glob("*.md")})


def load(name: str, folder: Path | None = None) -> Roadmap:
    """Read the roadmap `name`, from `folder` if it is there, else from the built-in ones.

    Raises:
        UnknownItemError: there is none of that name, or its file is broken (says file and line).
    """
    for place in [BUILT_IN] if folder is None else [folder, BUILT_IN]:
        path = place / f"{name}.md"
        if _ID.fullmatch(name) and "/" not in name and path.is_file():
            return parse(path)
    raise UnknownItemError(
        f"there is no roadmap {name!r}",
        expected="one of " + ", ".join(names(folder)),
        fix="give one of these, or a Markdown file of your own (its path ends in .md)"
        if folder is None
        else "correct the name in journey.toml, or put the file into the journey's roadmaps/",
    )


def parse(path: Path) -> Roadmap:
    """Read one roadmap file.

    Raises:
        UnknownItemError: broken; the message names file, line and what was expected.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UnknownItemError(
            f"{path} cannot be read: {error}",
            expected="a UTF-8 Markdown file",
            fix="see whether the file is there and saved as UTF-8",
        ) from error
    return parse_text(text, path)


def parse_text(text: str, path: Path) -> Roadmap:
    """Read the text of a roadmap that lies, or will lie, at `path`.

    Raises:
        UnknownItemError: broken; the message names file, line and what was expected.
    """
    lines = text.splitlines()
    header, start = _front_matter(path, lines)
    version = header.get("version", "1")
    if not version.isdigit():
        raise _broken(path, 1, f"version: {version!r}", "a whole number")
    order = header.get("order", "parallel")
    if order not in ORDERS:
        raise _broken(path, 1, f"order: {order!r}", " or ".join(ORDERS))
    root = _Reader(path).read(lines, start)
    name = header.get("name", path.stem)
    title, summary = header.get("title", name), header.get("summary", "")
    tracks = dict(_TRACK.findall(header.get("tracks", "")))
    return Roadmap(name, int(version), title, summary, tracks, path, root, order, header)


def parse_own(path: Path) -> Roadmap:
    """Read a learner's file that is to become a roadmap of a new journey.

    Raises:
        UnknownItemError: its name cannot be a roadmap's, it has no box, or it is broken.
    """
    if path.suffix != ".md" or not _ID.fullmatch(path.stem):
        raise UnknownItemError(
            f"{path} cannot be a roadmap by its name",
            expected="a Markdown file as my-roadmap.md: lower-case letters, digits, . _ -",
            fix="give another file, or the name of a built-in roadmap: " + ", ".join(names()),
        )
    roadmap = parse(path)
    if next(roadmap.items(), None) is None:
        raise _broken(path, 1, "a roadmap without a box", "- [ ] Text <!-- id: name -->")
    return roadmap


def refuse_shared_ids(several: Sequence[Roadmap]) -> None:
    """See that the roadmaps of one journey have no id in common.

    Raises:
        UnknownItemError: two have; events could not tell their boxes apart.
    """
    owner: dict[str, Roadmap] = {}
    for roadmap in several:
        for item in roadmap.items():
            other = owner.setdefault(item.id, roadmap)
            if other is not roadmap:
                raise UnknownItemError(
                    f"{roadmap.path}:{item.line}: id {item.id!r} is also one of {other.path}",
                    expected="ids that no other roadmap of the journey has",
                    fix=f"write {roadmap.name}/… before the ids of one of them",
                )


def _broken(path: Path, line: int, problem: str, expected: str) -> UnknownItemError:
    return UnknownItemError(
        f"{path}:{line}: {problem}", expected=expected, fix="correct that line of the roadmap"
    )


def _front_matter(path: Path, lines: list[str]) -> tuple[dict[str, str], int]:
    if not lines or lines[0].strip() != "---":
        return {}, 0
    header: dict[str, str] = {}
    for number, line in enumerate(lines[1:], 2):
        if line.strip() == "---":
            return header, number
        key, colon, value = line.partition(":")
        if line.strip() and not colon:
            raise _broken(path, number, f"{line!r} in the header", "key: value")
        header[key.strip()] = value.strip()
    raise _broken(path, 1, "the header has no end", "a second line of ---")


class _Reader:
    """Turns lines into nested sections, and holds what must be unique on the way."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ids: dict[str, int] = {}

    def read(self, lines: list[str], start: int) -> Section:
        root = Section("", "", 0)
        stack, fence = [root], ""
        for number, line in enumerate(lines[start:], start + 1):
            if line.lstrip()[:1] not in _HINTS:
                continue  # prose, most often
            if found := _FENCE.match(line):
                mark = found[0].strip()
                fence = "" if fence and mark.startswith(fence) else fence or mark
            elif fence:
                continue
            elif found := _HEADING.match(line):
                pairs = dict(_PAIR.findall(found[3] or ""))
                section = Section(pairs.get("id", ""), found[2], len(found[1]))
                section.beside = pairs.get("beside") == "yes"
                if section.id:
                    self._claim(section.id, number)
                while stack[-1].level >= section.level:
                    stack.pop()
                stack[-1].sections.append(section)
                stack.append(section)
            elif found := _BOX.match(line):
                below = _below(lines, number)
                stack[-1].items.append(self._item(number, found[1], found[2] or "", below))
        return root

    def _claim(self, name: str, line: int) -> None:
        if not _ID.fullmatch(name) or any(not part.strip(".") for part in name.split("/")):
            raise _broken(self.path, line, f"id {name!r}", "lower-case letters, digits, . _ - /")
        if name in self.ids:
            problem = f"id {name!r} stands at line {self.ids[name]} already"
            raise _broken(self.path, line, problem, "each id once")
        self.ids[name] = line

    def _item(self, line: int, title: str, comment: str, below: list[str]) -> Item:
        pairs = dict(_PAIR.findall(comment))
        if "id" not in pairs:
            raise UnknownItemError(
                f"{self.path}:{line}: a box without an id",
                expected="- [ ] Text <!-- id: name -->",
                fix="give it one; or, inside a journey, take the file as it is: roadmap import "
                + self.path.name,
            )
        self._claim(pairs["id"], line)
        days = self._days(line, "day", pairs)
        practice = self._days(line, "with", pairs)
        if len(days) > 1:
            raise _broken(self.path, line, f"day: {pairs['day']!r}", "one day; more behind with:")
        minutes = None
        if "minutes" in pairs:
            if not (found := _MINUTES.fullmatch(pairs["minutes"])):
                raise _broken(self.path, line, f"minutes: {pairs['minutes']!r}", "60 or 60-120")
            minutes = (int(found[1]), int(found[2] or found[1]))
        due = pairs.get("due", "")
        if due and not _DATE.fullmatch(due):
            raise _broken(self.path, line, f"due: {due!r}", "a date as 2026-11-21")
        details = [match[1] for match in map(_DETAIL.fullmatch, below) if match]
        topic = below[0].strip() if below and not _DETAIL.fullmatch(below[0]) else ""
        return Item(
            pairs["id"],
            title,
            topic,
            days[0] if days else None,
            minutes,
            line,
            practice,
            due,
            pairs.get("source", ""),
            tuple(details),
        )

    def _days(self, line: int, key: str, pairs: dict[str, str]) -> tuple[tuple[str, int], ...]:
        if key not in pairs:
            return ()
        found = [_DAY.fullmatch(part) for part in pairs[key].split(",")]
        if not all(found):
            raise _broken(self.path, line, f"{key}: {pairs[key]!r}", "track/number")
        return tuple((match[1], int(match[2])) for match in found if match)


def _below(lines: list[str], number: int) -> list[str]:
    """The lines that belong to the box on line `number`: up to a blank, a box or a heading."""
    below = []
    for line in lines[number:]:
        if not line.strip() or line[0] == "#" or _BOX.match(line):
            break
        below.append(line)
    return below
