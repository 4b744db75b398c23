"""What a Markdown file of others holds that can be ticked: boxes, rows, days, bullets, lines.

A Markdown parser says where everything stands; each thing found keeps its line, so that a tick can
be set in the original text and nothing else in it changes (see `export`).

Without a choice these are taken: boxes, nested or not, and bullets with a tick sign; the rows of
tables that plan (a column of days, weeks, months, dates or states); headings of days, weeks and
phases that hold none of these. Where there are no boxes and no such rows, days are the tasks and
what stands below tells of them; without days it is plain bullets and lists of lines.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

Kind = Literal["box", "row", "heading", "bullet", "line"]
KINDS: tuple[Kind, ...] = ("box", "row", "heading", "bullet", "line")

DONE = "✅✔☑✓"
OPEN = "⬜☐🔲⏳⌛🔄🚧"
BOX = re.compile(r"((?:[>\s]*)(?:[-*+]|\d{1,9}[.)])\s+\[)([ xX✓✔✅]?)(\](?:\s|$))")
_SIGN = re.compile(rf"\s*([{DONE}{OPEN}])\ufe0f?\s*")
_STEP = re.compile(r"\W*(day|week|month|phase|module|lesson|session|part|sprint|step)s?\b", re.I)
_SINGLE = re.compile(r"\W*(day|lesson|session|step)\b", re.I)
_WHEN = re.compile(r"day|week|month|phase|date|when|due|module|lesson|sprint|#|no\.?", re.I)
_STATE = re.compile(r"status|state|done|progress|tick|check|[✓✔✅☑]", re.I)
_MINUTES = re.compile(
    r"[(~≈]\s*(\d{1,3}(?:\.\d)?)(?:\s*[-–]\s*(\d{1,3}(?:\.\d)?))?\s*(h|hours?|hrs?|min|minutes?)\b"
)
_NUMBER = re.compile(r"\d{1,3}(?!\d)")
_ISO = re.compile(r"\b(\d{4})-(\d\d)-(\d\d)\b")
_WORDS = re.compile(r"\b(?:(\d{1,2})\.? ([A-Z][a-z]+)|([A-Z][a-z]+) (\d{1,2})),? (\d{4})\b")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


@dataclass(slots=True)
class Found:
    """Something that can be ticked.

    Attributes:
        kind: what it is in the original.
        title: its text without marks.
        line: where it stands, from 1.
        done: whether it is ticked there.
        column: for a row, the cell that holds its state, from 0; else -1.
        details: what stands below it or in its other cells.
        links: addresses in it, of notebooks and pages.
        due: the date it names, or "".
        minutes: the time it names, least and most.
        signed: whether a sign as ✅ or ⏳ says its state.
    """

    kind: Kind
    title: str
    line: int
    done: bool = False
    column: int = -1
    details: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    due: str = ""
    minutes: tuple[int, int] | None = None
    signed: bool = False


@dataclass(slots=True)
class Heading:
    """A heading with what was found directly under it; `level` 0 is the file itself."""

    title: str
    level: int
    line: int
    found: list[Found] = field(default_factory=list)
    prose: list[str] = field(default_factory=list)
    done: bool = False
    signed: bool = False


def outline(text: str, take: frozenset[Kind] | None = None) -> list[Heading]:
    """The headings of a Markdown text in order, each with what can be ticked under it.

    Args:
        text: the whole file.
        take: the kinds to take; None chooses by what the file holds.
    """
    headings = _Reader().read(text)
    if take is None:
        take = _chosen(headings)
    for heading in headings:
        heading.found = [each for each in heading.found if each.kind in take]
    if "heading" in take:
        for place, heading in enumerate(headings):
            if _STEP.match(heading.title) and not _holds(headings, place):
                heading.found = [_as_item(heading)]
    return headings


def _chosen(headings: list[Heading]) -> frozenset[Kind]:
    there = {each.kind for heading in headings for each in heading.found}
    if there & {"box", "row"}:
        return frozenset({"box", "row", "heading"})
    steps = [heading for heading in headings if _STEP.match(heading.title)]
    singles = [heading for heading in steps if _SINGLE.match(heading.title)]
    told = sum(len(heading.found) for heading in steps)
    if singles or told < len(steps):
        return frozenset({"heading"})  # the days are the tasks; what is below tells of them
    return frozenset({"bullet", "line", "heading"})


def _holds(headings: list[Heading], place: int) -> bool:
    """Whether anything is found under a heading or under those below it."""
    own = headings[place]
    if own.found:
        return True
    for heading in headings[place + 1 :]:
        if heading.level <= own.level:
            break
        if heading.found or _STEP.match(heading.title):
            return True
    return False


def _as_item(heading: Heading) -> Found:
    found = Found("heading", heading.title, heading.line, heading.done, signed=heading.signed)
    found.details = heading.prose
    _take_time(found, " ".join((heading.title, *heading.prose)))
    return found


class _Reader:
    """Walks the syntax tree once and sorts what it meets under its heading."""

    def __init__(self) -> None:
        self.headings = [Heading("", 0, 0)]

    def read(self, text: str) -> list[Heading]:
        text = _without_front_matter(text)
        self.lines = re.split(r"\r\n?|\n", text)
        tree = SyntaxTreeNode(MarkdownIt("commonmark").enable("table").parse(text))
        for node in tree.children:
            self._block(node)
        return self.headings

    def _block(self, node: SyntaxTreeNode) -> None:
        here = self.headings[-1]
        if node.type == "heading":
            title, _, sign = _plain(node.children[0])
            heading = Heading(title, int(node.tag[1]), _line(node), done=sign is True)
            heading.signed = sign is not None
            self.headings.append(heading)
        elif node.type in ("bullet_list", "ordered_list"):
            for item in node.children:
                self._list_item(item, None)
        elif node.type == "table":
            here.found += _rows(node)
        elif node.type == "paragraph":
            self._paragraph(node)
        elif node.type == "blockquote":
            for child in node.children:
                self._block(child)

    def _list_item(self, node: SyntaxTreeNode, above: Found | None) -> None:
        """A bullet: found by itself if it has a box or a sign, else told of by the one above."""
        here = self.headings[-1]
        first = node.children[0] if node.children else None
        if first is None or first.type != "paragraph":
            return
        line = _line(node)
        box = BOX.match(self.lines[line - 1])
        rows = [_plain(*row) for row in _split(first.children[0])]
        title = " ".join(text for text, _, _ in rows if text)
        links, sign = [link for _, found, _ in rows for link in found], rows[0][2]
        if box:
            title = re.sub(r"^\[.?\]\s*", "", title)
            found = Found("box", title, line, box[2] not in ("", " "), links=links)
        else:
            kind: Kind = "bullet" if sign is None else "box"
            found = Found(kind, title, line, sign is True, links=links, signed=sign is not None)
        _take_time(found, title)
        if found.kind == "box" or above is None:
            here.found.append(found)
            below = found
        else:
            above.details.append(title)
            above.links += links
            below = above
        if found.kind == "bullet" and above is None:
            here.prose.append(title)
        for child in node.children[1:]:
            if child.type in ("bullet_list", "ordered_list"):
                for item in child.children:
                    self._list_item(item, below)
            elif child.type == "paragraph":
                below.details.append(_plain(child.children[0])[0])

    def _paragraph(self, node: SyntaxTreeNode) -> None:
        here = self.headings[-1]
        rows = list(_split(node.children[0]))
        texts = [_plain(*row) for row in rows]
        here.prose += [text for text, _, _ in texts if text]
        assert node.map is not None
        whole = len(rows) == node.map[1] - node.map[0]  # else odd blanks were taken away
        listed = whole and all(text[:1].isupper() or text[:1].isdigit() for text, _, _ in texts)
        labelled = re.match(r"[A-Z][\w /+&-]{1,40}: \S", texts[0][0]) is not None
        if listed and (len(texts) > 1 or labelled):
            for offset, (text, links, sign) in enumerate(texts):
                found = Found("line", text, _line(node) + offset, sign is True, links=links)
                found.signed = sign is not None
                _take_time(found, text)
                here.found.append(found)


def _without_front_matter(text: str) -> str:
    """`text` with a header between lines of --- blanked, so that no line moves."""
    end = r"[ \t]*(?:\r\n?|\n|\Z)"
    found = re.match(rf"---{end}(?:.*?(?:\r\n?|\n))??---{end}", text, re.DOTALL)
    return re.sub(r"[^\r\n]+", " ", found[0]) + text[found.end() :] if found else text


def _line(node: SyntaxTreeNode) -> int:
    assert node.map is not None
    return int(node.map[0]) + 1


def _split(inline: SyntaxTreeNode) -> Iterator[list[SyntaxTreeNode]]:
    """The children of an inline node, line by line."""
    row: list[SyntaxTreeNode] = []
    for child in inline.children:
        if child.type in ("softbreak", "hardbreak"):
            yield row
            row = []
        else:
            row.append(child)
    yield row


def _plain(*nodes: SyntaxTreeNode) -> tuple[str, list[str], bool | None]:
    """Plain text of inline nodes, the addresses in it, and whether a sign says done (or not)."""
    links: list[str] = []

    def text_of(node: SyntaxTreeNode) -> str:
        if node.type in ("link", "image"):
            links.append(str(node.attrs.get("href") or node.attrs.get("src")))
        if node.type == "image":
            return node.content
        if node.children:
            return "".join(text_of(child) for child in node.children)
        return " " if node.type in ("softbreak", "hardbreak") else node.content

    text = "".join(text_of(node) for node in nodes)
    sign: bool | None = None
    if found := _SIGN.match(text) or re.search(_SIGN.pattern + "$", text):
        sign = found[1] in DONE
        text = (text[: found.start()] + " " + text[found.end() :]).strip()
    return " ".join(text.split()), links, sign


def _rows(table: SyntaxTreeNode) -> Iterator[Found]:
    """The rows of a table that plans something; of another one none."""
    head = [_plain(cell.children[0])[0] for cell in table.children[0].children[0].children]
    body = table.children[1].children if len(table.children) > 1 else []
    when = {place for place, text in enumerate(head) if _WHEN.match(text)}
    column = next((place for place, text in enumerate(head) if _STATE.search(text)), -1)
    if not when and column < 0:
        return
    for row in body:
        cells = [
            _plain(cell.children[0]) if cell.children else ("", [], None) for cell in row.children
        ]
        texts = [text for text, _, _ in cells]
        if not any(texts):
            continue
        labels = [
            f"{name} {text}" if _NUMBER.match(text) else text
            for place, (name, text) in enumerate(zip(head, texts, strict=False))
            if place in when and text
        ]
        others = [
            (name, text)
            for place, (name, text) in enumerate(zip(head, texts, strict=False))
            if place not in when and place != column and text
        ]
        title = ", ".join(labels) + (": " if labels and others else "")
        found = Found("row", title + (others[0][1] if others else ""), _line(row), column=column)
        found.details = [f"{name}: {text}" for name, text in others[1:]]
        found.links = [link for _, links, _ in cells for link in links]
        state = cells[column] if column >= 0 else ("", [], None)
        found.done = state[2] is True or state[0].lower() in ("x", "[x]", "done", "yes")
        if column < 0:
            found.done = any(sign is True for _, _, sign in cells)
            found.signed = any(sign is not None for _, _, sign in cells)
        _take_time(found, " ".join(texts))
        yield found


def _take_time(found: Found, text: str) -> None:
    """The date and the time that a text names."""
    if match := _ISO.search(text):
        found.due = _date(int(match[1]), int(match[2]), int(match[3]))
    elif match := _WORDS.search(text):
        name = (match[2] or match[3]).lower()[:3]
        if name in _MONTHS:
            day = int(match[1] or match[4])
            found.due = _date(int(match[5]), _MONTHS.index(name) + 1, day)
    if match := _MINUTES.search(text):
        unit = 60 if match[3].startswith("h") else 1
        least = round(float(match[1]) * unit)
        found.minutes = (least, max(least, round(float(match[2] or match[1]) * unit)))


def _date(year: int, month: int, day: int) -> str:
    try:
        return date(year, month, day).isoformat()
    except ValueError:
        return ""
