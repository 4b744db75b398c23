"""A Markdown file of others as a roadmap, and back: the same file, unchanged but for its ticks.

The text (repaired, if it was damaged) is kept as it is in `roadmaps/sources/`; beside it a roadmap
in our own form is written, whose boxes carry ids and the line of the original they stand for.
"""

import re
import unicodedata
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from roadmap_log.errors import UnknownItemError
from roadmap_log.files import DEVICE_NAME
from roadmap_log.roadmaps import Roadmap
from roadmap_log.roadmaps.outline import BOX, DONE, KINDS, OPEN, Found, Heading, Kind, outline
from roadmap_log.roadmaps.repair import CODECS, Repaired, decode, repair

SOURCES = "sources"
"""The folder beside the roadmaps in which the originals are kept."""

LONGEST_SLUG = 48
LONGEST_TITLE = 200
_MARK = re.compile(rf"([{DONE}{OPEN}])(\ufe0f?)")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
_LINE_END = re.compile(r"(\r\n?|\n)")


@dataclass(frozen=True, slots=True)
class Import:
    """A file read, not yet written anywhere.

    Attributes:
        name: what the roadmap will be called.
        title: its title.
        repaired: the text, and what was mended in it.
        headings: what was found in it.
        ids: the id of each thing found, by its line.
        take: the kinds that were asked for, or None.
        mark: the byte order mark that the file began with, or "".
    """

    name: str
    title: str
    repaired: Repaired
    headings: list[Heading]
    ids: Mapping[int, str]
    take: frozenset[Kind] | None = None
    mark: str = ""

    @property
    def source(self) -> bytes:
        """The original as it is kept: what was given, in UTF-8, with what was mended in it."""
        return (self.mark + self.repaired.text).encode()

    @property
    def found(self) -> list[Found]:
        """Everything that can be ticked, in the order of the file."""
        return [each for heading in self.headings for each in heading.found]

    @property
    def done(self) -> list[str]:
        """Ids of what is ticked in the file."""
        return [self.ids[each.line] for each in self.found if each.done]

    def render(self, origin: str) -> str:
        """The roadmap in our own form; `origin` is the name of the file it came from."""
        lines = [
            "---",
            f"name: {self.name}",
            "version: 1",
            f"title: {self.title}",
            f"summary: imported from {_flat(origin)}",
            "order: sequence",
            f"source: {SOURCES}/{self.name}.md",
            *([f"take: {','.join(sorted(self.take))}"] if self.take else []),
            "---",
            "",
        ]
        used = Counter(self.ids.values())
        for heading in self.headings:
            if heading.level and (heading.found or _leads(self.headings, heading)):
                name = _free(f"{self.name}/{_slug(heading.title)}", used)
                lines += ["", f"{'#' * heading.level} {_flat(heading.title)} <!-- id: {name} -->"]
            lines += [""] * bool(heading.found)
            for each in heading.found:
                lines += self._item(each)
        return "\n".join(lines) + "\n"

    def _item(self, found: Found) -> Iterator[str]:
        pairs = [f"id: {self.ids[found.line]}", f"source: {found.line}"]
        if found.minutes:
            pairs.append(f"minutes: {found.minutes[0]}-{found.minutes[1]}")
        if found.due:
            pairs.append(f"due: {found.due}")
        yield f"- [ ] {_short(_flat(found.title))} <!-- {' '.join(pairs)} -->"
        details = [text for text in map(_flat, found.details) if text]
        if details:
            yield f"      {_short('; '.join(details))}"
            for text in details if len(details) > 1 else []:
                yield f"  - {text}"
        if links := [link for link in dict.fromkeys(found.links) if not re.search(r"\s", link)]:
            yield "  - See: " + ", ".join(f"<{link}>" for link in links)


def read(
    path: Path,
    name: str | None = None,
    *,
    encoding: str | None = None,
    misread: str | None = None,
    take: frozenset[Kind] | None = None,
) -> Import:
    """Read a Markdown checklist, table or list of days.

    Args:
        path: the file.
        name: what to call the roadmap; None takes the file's name.
        encoding: what the file is written in; None for UTF-8.
        misread: what its UTF-8 was once mistaken for; None finds out, where that is certain.
        take: the kinds of things to take; None chooses by what the file holds.

    Raises:
        UnknownItemError: it cannot be read, or holds nothing that could be ticked.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UnknownItemError(
            f"{path} cannot be read: {error.strerror}",
            expected="a Markdown file",
            fix="see whether the file is there",
        ) from error
    if misread is not None and misread not in CODECS:
        raise UnknownItemError(
            f"{misread!r} is not an encoding that can be undone",
            expected="one of " + ", ".join(CODECS),
            fix="correct --misread, or leave it out",
        )
    mark = "\ufeff" if content.startswith(b"\xef\xbb\xbf") and encoding is None else ""
    repaired = repair(
        decode(content, str(path), encoding), (misread,) if misread is not None else CODECS
    )
    headings = outline(repaired.text, take)
    chosen = name or _slug(path.stem)
    if not _NAME.fullmatch(chosen):
        raise UnknownItemError(
            f"{chosen!r} cannot be the name of a roadmap",
            expected="lower-case letters, digits, . _ -",
            fix="choose another one: roadmap import FILE --name my-plan",
        )
    if not any(heading.found for heading in headings):
        raise UnknownItemError(
            f"{path} holds nothing that could be ticked",
            expected='boxes as "- [ ] text", a table with days, or headings as "Day 1: text"',
            fix="say what to take from it: roadmap import FILE --take bullets",
        )
    title = next((h.title for h in headings if h.level == 1 and h.title), chosen)
    return Import(chosen, _flat(title), repaired, headings, _ids(chosen, headings), take, mark)


def export(text: str, done: Mapping[int, bool], take: frozenset[Kind] | None = None) -> str:
    """The original text with the ticks of today; all else stays to the last byte.

    Args:
        text: the original.
        done: for the line of each thing found, whether it is done.
        take: the kinds that were taken when it was imported.
    """
    mark, text = ("\ufeff", text[1:]) if text.startswith("\ufeff") else ("", text)
    found = {each.line: each for heading in outline(text, take) for each in heading.found}
    parts = _LINE_END.split(text)  # lines and their ends take turns
    for line, wanted in done.items():
        each = found.get(line)
        if each is not None and each.done != wanted:
            parts[2 * line - 2] = _ticked(parts[2 * line - 2], each, wanted)
    return mark + "".join(parts)


def export_own(roadmap: Roadmap, done: Iterable[str]) -> str:
    """The text of a roadmap in our own form with the boxes of what is done ticked."""
    with open(roadmap.path, encoding="utf-8", newline="") as stream:
        parts = _LINE_END.split(stream.read())
    finished = set(done)
    for item in roadmap.items():
        place = 2 * item.line - 2
        mark = "x" if item.id in finished else " "
        parts[place] = re.sub(r"\[[ xX]\]", f"[{mark}]", parts[place], count=1)
    return "".join(parts)


def _ticked(line: str, found: Found, wanted: bool) -> str:
    if found.kind == "box" and (match := BOX.match(line)):
        return f"{match[1]}{'x' if wanted else ' '}{match[3]}{line[match.end() :]}"
    if found.kind == "row" and found.column >= 0:
        return _ticked_cell(line, found.column, wanted)
    if found.signed and (match := _sign_in(line)):
        return line[: match.start()] + ("✅" if wanted else "⬜") + line[match.end() :]
    if found.kind == "bullet":
        return re.sub(r"^((?:[>\s]*)(?:[-*+]|\d{1,9}[.)])\s+)", r"\1[x] ", line, count=1)
    if found.kind == "row":
        return _cells(line, 0, lambda text: f"{text} ✅" if text else "✅")
    closing = re.search(r"(\s+#+)?\s*$", line) if found.kind == "heading" else None
    cut = closing.start() if closing else len(line.rstrip())
    return f"{line[:cut]} ✅{line[cut:]}"


def _sign_in(line: str) -> "re.Match[str] | None":
    """The sign that says a line's state: before its first word, or the last one in it."""
    signs = list(_MARK.finditer(line))
    if not signs:
        return None
    early = re.fullmatch(r"[>\s]*(?:[-*+]|\d{1,9}[.)]|#{1,6})?[\s*_`~|]*", line[: signs[0].start()])
    return signs[0] if early else signs[-1]


def _ticked_cell(line: str, column: int, wanted: bool) -> str:
    def changed(text: str) -> str:
        if re.fullmatch(r"\[[ xX]?\]", text):
            return "[x]" if wanted else "[ ]"
        words = bool(re.search(r"\w", _MARK.sub("", text)))
        return ("✅ Done" if words else "✅") if wanted else "⬜"

    return _cells(line, column, changed)


def _cells(line: str, column: int, change: Callable[[str], str]) -> str:
    """`line` of a table with one of its cells changed and its padding kept."""
    parts = re.split(r"((?<!\\)\|)", line)  # texts and bars take turns
    place = 2 * column + (2 if not parts[0].strip() else 0)
    if place >= len(parts) or (place == len(parts) - 1 and not parts[place].strip() and place):
        return _longer(line, column, change(""))
    text = parts[place]
    inner = text.strip()
    start = text.index(inner) if inner else min(1, len(text))
    parts[place] = text[:start] + change(inner) + text[start + len(inner) :]
    return "".join(parts)


def _longer(line: str, column: int, text: str) -> str:
    """`line` of a table that ends too early, with cells up to the given one."""
    bare = line.rstrip()
    closed = bare.endswith("|") and not bare.endswith("\\|")
    there = len(re.split(r"(?<!\\)\|", bare.strip().strip("|")))
    added = [""] * (column - there) + [text]
    return f"{bare}{'' if closed else ' |'} {' | '.join(added)}{' |' if closed else ''}"


def _ids(name: str, headings: list[Heading]) -> dict[int, str]:
    """An id for each thing found, from its text, so that it outlives changes around it."""
    slugs = Counter(_slug(each.title) for heading in headings for each in heading.found)
    ids: dict[int, str] = {}
    used: Counter[str] = Counter()
    for heading in headings:
        for each in heading.found:
            slug = _slug(each.title)
            if slugs[slug] > 1 and heading.title:
                slug = f"{_slug(heading.title)}/{slug}"
            ids[each.line] = _free(f"{name}/{slug}", used)
    return ids


def _slug(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
    if sum(char.isalnum() for char in text) > 2 * len(slug) + 2:  # of another script: no names
        slug = f"{zlib.crc32(text.encode()):08x}"
    if len(slug) > LONGEST_SLUG:
        slug = slug[: LONGEST_SLUG + 1].rpartition("-")[0] or slug[:LONGEST_SLUG]
    if DEVICE_NAME.fullmatch(slug):
        slug += "-name"
    return slug or f"{zlib.crc32(text.encode()):08x}"


def _free(name: str, used: Counter[str]) -> str:
    """`name`, or with the next number where it is taken; `used` counts what was given."""
    chosen = name
    while used[chosen]:
        used[name] += 1
        chosen = f"{name}-{used[name]}"
    used[chosen] += 1
    return chosen


def _leads(headings: list[Heading], own: Heading) -> bool:
    """Whether something is found under a deeper heading of this one."""
    after = headings[headings.index(own) + 1 :]
    for heading in after:
        if heading.level <= own.level:
            return False
        if heading.found:
            return True
    return False


def _flat(text: str) -> str:
    """`text` on one line, without what would end a comment or begin a box."""
    text = "".join(char if char.isprintable() else " " for char in text)
    text = " ".join(text.replace("<!--", " ").replace("-->", " ").split())
    return re.sub(r"^\[([ xX])\]", r"(\1)", re.sub(r"^(?:[-*+] +)+", "", text))


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_TITLE else text[: LONGEST_TITLE - 1].rstrip() + "…"


def source_of(roadmap: Roadmap) -> Path | None:
    """The original of an imported roadmap, or None if it is one of our own form."""
    given = roadmap.header.get("source", "")
    return roadmap.path.parent / given if given else None


def exported(roadmap: Roadmap, done: Iterable[str]) -> str:
    """The text of any roadmap with its ticks: of an imported one the original.

    Raises:
        UnknownItemError: the original is gone or no longer text.
    """
    path = source_of(roadmap)
    if path is None:
        return export_own(roadmap, done)
    try:
        text = path.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        raise UnknownItemError(
            f"{path}, the original of {roadmap.name}, cannot be read: {error}",
            expected="the file that the import kept there",
            fix="bring it back from git, or import the roadmap again with --replace",
        ) from error
    finished = set(done)
    asked = roadmap.header.get("take", "").split(",")
    ticks = {int(i.source): i.id in finished for i in roadmap.items() if i.source.isdigit()}
    return export(text, ticks, frozenset(kind for kind in KINDS if kind in asked) or None)
