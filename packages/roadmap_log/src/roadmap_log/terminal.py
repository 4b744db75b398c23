"""What the screen looks like: colour, marks, bars and columns, without any import that is slow.

Colour is left out when NO_COLOR is set, TERM is dumb, or the output is not a terminal (unless
FORCE_COLOR is set); marks fall back to ASCII where the encoding has no others.
"""

import os
import re
import shutil
import sys
import unicodedata

_CODES = {
    "bold": "1",
    "dim": "2",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "blue": "34",
    "magenta": "35",
    "cyan": "36",
}

_COMMAND = re.compile(
    r"(?<![\w/.-])(?<!run )(?<!learn )roadmap "
    r"(?=init|next|start|test|hint|solution|reset|tick|log|status|tracks|site|dev|paper|experiment|search"
    r"|export|sync|doctor|tui|roadmaps|import|watch|verify|stats|plan|--|…)"
)

_PAINT = re.compile(r"\x1b\[[0-9;]*m")

MARKS = {
    "verified": ("✔", "x", "green"),
    "given up": ("◇", "g", "cyan"),
    "claimed": ("✓", "c", "cyan"),
    "stale": ("↻", "~", "yellow"),
    "regressed": ("✘", "!", "red"),
    "attempted": ("◐", "/", "yellow"),
    "todo": ("○", "o", ""),
    "planned": ("·", ".", "dim"),
    "blocked": ("▪", "#", "dim"),
}
"""For every status and "given up" its mark, the mark in ASCII, and its colour."""


def coloured() -> bool:
    """Whether colour may be written to the standard output."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return bool(os.environ.get("FORCE_COLOR")) or sys.stdout.isatty()


def unicode_marks() -> bool:
    """Whether the output's encoding has the marks and bars."""
    stream = sys.stdout if hasattr(sys.stdout, "encoding") else sys.__stdout__  # textual's has none
    try:
        "✔━○·".encode(getattr(stream, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def paint(text: str, style: str) -> str:
    """`text` in a style such as "bold green", or as it is where colour is not wanted."""
    if not style or not coloured():
        return text
    codes = ";".join(_CODES[word] for word in style.split())
    return f"\x1b[{codes}m{text}\x1b[0m"


def green(text: str, level: int) -> str:
    """`text` in one of four greens (1 to 4), for terminals with 256 colours."""
    return f"\x1b[38;5;{(22, 28, 34, 40)[level - 1]}m{text}\x1b[0m" if coloured() else text


def clean(text: str) -> str:
    """`text` on one line without control characters, which could take over the terminal."""
    return "".join(c if c.isprintable() else " " for c in text)


def as_typed(text: str) -> str:
    """`text` with its commands as they are typed here: `uv run roadmap …` under uv run."""
    if "UV_RUN_RECURSION_DEPTH" not in os.environ:
        return text
    return _COMMAND.sub("uv run roadmap ", text)


def say(text: str, *, err: bool = False) -> None:
    """Print `text`; colour reaches pipes and files only when FORCE_COLOR is set."""
    stream = sys.stderr if err else sys.stdout
    stream.write(as_typed(text) + "\n")


def columns() -> int:
    """Width to write in: the terminal's, between 40 and 100 columns."""
    return max(40, min(100, shutil.get_terminal_size((80, 24)).columns))


def width(text: str) -> int:
    """Columns that `text` takes; wide characters take two, combining ones none."""
    if text.isascii():
        return len(text)
    total = 0
    for character in text:
        if not unicodedata.combining(character):
            total += 2 if unicodedata.east_asian_width(character) in "WF" else 1
    return total


def fit(text: str, room: int) -> str:
    """`text` cut or padded to exactly `room` columns."""
    text = clean(text)
    if width(text) > room:
        kept, taken = [], 0
        for character in text:
            taken += width(character)
            if taken > room - 1:
                break
            kept.append(character)
        text = "".join(kept) + ("…" if unicode_marks() else ".")
    return text + " " * (room - width(text))


def wrap(text: str, indent: int) -> list[str]:
    """`text` in lines that fit the terminal, each behind `indent` spaces."""
    lines, room = [""], columns() - indent
    for word in clean(text).split():
        if lines[-1] and width(lines[-1]) + 1 + width(word) > room:
            lines.append(word)
        else:
            lines[-1] += f" {word}" if lines[-1] else word
    return [" " * indent + line for line in lines]


def dotted(words: list[str]) -> list[str]:
    """Short facts with a dot between them, in lines that fit; none is broken."""
    dot, lines = " · " if unicode_marks() else " | ", [""]
    for word in words:
        longer = f"{lines[-1]}{dot}{word}" if lines[-1] else word
        if lines[-1] and width(longer) > columns():
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def folded(text: str, indent: int) -> list[str]:
    """One line of a program's output in lines that fit; what goes on is set in by two more."""
    from textwrap import TextWrapper

    fold = TextWrapper(
        columns() - indent,
        subsequent_indent="  ",
        break_on_hyphens=False,
        break_long_words=False,  # a path that one copies stays whole
    )
    return [" " * indent + line for line in fold.wrap(clean(text))] or [""]


def beside(left: str, right: str, indent: int) -> list[str]:
    """Two short texts on one line behind `indent`, or where they do not fit, on two."""
    bare = _PAINT.sub("", left + right)
    if indent + width(bare) + 4 <= columns():
        return [f"{left}    {right}"]
    return [left, right]


def mark(status: str) -> str:
    """The coloured mark of a status."""
    nice, plain, style = MARKS[status]
    return paint(nice if unicode_marks() else plain, style)


def bar(parts: list[tuple[int, str]], total: int, room: int) -> str:
    """A bar `room` columns wide: coloured parts of `total`, the rest dim.

    Args:
        parts: amounts with their style, in order.
        total: what the whole bar stands for.
        room: columns.
    """
    full, empty = ("━", "─") if unicode_marks() else ("#", "-")
    text, used, amount = "", 0, 0
    for part, style in parts:
        amount += part
        end = max(used, round(amount * room / total)) if total else 0
        if part and end == used and end < room:
            end += 1  # the first small step shows, too
        text += paint(full * (end - used), style)
        used = end
    return text + paint(empty * (room - used), "dim")


def duration(minutes: int) -> str:
    """Minutes as "45 min" or "3 h 20"."""
    if minutes < 60:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest:02d}" if rest else f"{hours} h"


def span(minutes: tuple[int, int]) -> str:
    """An estimated time, least and most, as "45–60 min" or "2–3 h"."""
    least, most = minutes
    unit, word = (60, "h") if least >= 120 else (1, "min")
    ends = dict.fromkeys(f"{number / unit:.1f}".removesuffix(".0") for number in (least, most))
    return f"{'–'.join(ends)} {word}"
