"""The header of a Markdown file: read without YAML where we wrote it ourselves, by YAML elsewhere.

Loading a YAML parser takes longer than all else that `roadmap log` does, and reading a thousand
headers with it a second; a header of our own form is a JSON value a line, which is YAML, too.
"""

import json
import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any

from roadmap_log.errors import UnknownItemError

_LINE = re.compile(r"([a-z][a-z_]*): ?(.*)")
_WORD = re.compile(r"[a-z][a-z-]*")
_SPOKEN = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}  # words with a meaning
_DEEPEST = 50
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d) ([+-]\d\d)(\d\d)")


def dump(fields: Mapping[str, Any]) -> str:
    """The header of these fields between its two lines of ---; each value is JSON, hence YAML.

    Args:
        fields: texts, whole numbers, moments with an offset, lists and dicts of such.
    """
    return "---\n" + "".join(f"{key}: {_value(value)}\n" for key, value in fields.items()) + "---\n"


def _value(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat(" ", "seconds")[:19] + value.strftime(" %z")[:6]
    return json.dumps(_printable(value), ensure_ascii=False)


def _printable(value: Any) -> Any:
    if isinstance(value, str):
        return "".join(c for c in value if c.isprintable())
    if isinstance(value, list | tuple):
        return [_printable(each) for each in value]
    if isinstance(value, dict):
        return {_printable(key): _printable(each) for key, each in value.items()}
    return value


def split(path: Path, content: str) -> tuple[dict[str, Any], str]:
    """The fields and the text of a file.

    Raises:
        UnknownItemError: the header has no end or is not YAML; names the file.
    """
    if not content.startswith("---\n"):
        return {}, content
    head, mark, text = content[4:].partition("\n---\n")
    if not mark and head.endswith("\n---"):
        head, mark = head[:-4], "---"
    if not mark:
        raise broken(path, "its front matter has no end", "a second line of ---")
    fields = plain(head)
    return _by_yaml(path, head) if fields is None else fields, text.removeprefix("\n")


def plain(head: str) -> dict[str, Any] | None:
    """The fields of a header in our own form; None if a line has another."""
    fields: dict[str, Any] = {}
    for line in head.split("\n"):
        found = _LINE.fullmatch(line)
        if not found or found[1] in fields:
            return None
        key, value = found[1], found[2]
        if _WORD.fullmatch(value) and value not in _SPOKEN:
            fields[key] = value
        elif moment := _MOMENT.fullmatch(value):
            try:
                text = f"{moment[1]}T{moment[2]}{moment[3]}:{moment[4]}"
                fields[key] = datetime.fromisoformat(text)
            except ValueError:
                return None
        else:
            try:
                fields[key] = json.loads(value)
            except (ValueError, RecursionError):
                return None
            if isinstance(fields[key], float):  # NaN, 1e5: JSON and YAML differ
                return None
    return fields


def _by_yaml(path: Path, head: str) -> dict[str, Any]:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        _harmless(path, yaml.parse(head, loader))
        fields = yaml.load(head, Loader=loader)  # a safe loader in both cases
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        problem = " ".join(str(error).split())
        raise broken(path, f"its front matter is not YAML ({problem})", "key: value") from error
    if not isinstance(fields, dict):
        raise broken(path, "its front matter is not a table", "lines of key: value")
    return fields


def _harmless(path: Path, events: Iterable[Any]) -> None:
    """Refuse what would fill the memory, written out, or the stack, before it is loaded."""
    depth = 0
    for event in events:
        kind = type(event).__name__
        if kind == "AliasEvent":
            raise broken(path, "its front matter has an alias (*name)", "every value written out")
        depth += kind.endswith("StartEvent") - kind.endswith("EndEvent")
        if depth > _DEEPEST:
            raise broken(path, "its front matter is nested too deeply", "lines of key: value")


def broken(path: Path, problem: str, expected: str) -> UnknownItemError:
    """The error that says what is wrong with the file at `path`."""
    return UnknownItemError(f"{path}: {problem}", expected=expected, fix="correct the file")


def read_text(path: Path) -> str:
    """The file's text with line feeds alone.

    Raises:
        UnknownItemError: it cannot be read or is not UTF-8; names the file.
    """
    try:
        return path.read_text(encoding="utf-8").replace("\r\n", "\n")
    except (OSError, UnicodeDecodeError) as error:
        raise broken(path, f"cannot be read ({error})", "a UTF-8 text") from error


def line_of(value: Any, default: str = "") -> str:
    """A field as one line of text."""
    return " ".join(str(value if value not in (None, "") else default).split())


def words_of(value: Any) -> list[str]:
    """A field as a list of texts: a list, or words in one text."""
    if isinstance(value, str):
        return value.split()
    return [str(each) for each in value] if isinstance(value, list) else []


def moment_of(value: Any, zone: Any = None) -> datetime | None:
    """A field as a moment with an offset; a date is its midnight, in `zone` or the machine's."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.replace(" +", "+").replace(" -", "-"))
        except ValueError:
            return None
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    if not isinstance(value, datetime):
        return None
    if value.tzinfo:
        return value
    try:
        return value.replace(tzinfo=zone) if zone else value.astimezone()
    except (OverflowError, ValueError, OSError):  # the years 1 and 9999
        from datetime import UTC

        return value.replace(tzinfo=UTC)
