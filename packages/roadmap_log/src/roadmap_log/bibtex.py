"""BibTeX, read and written without a library: entries, @string, nested braces, accents.

The grammar is that of Patashnik, "BibTeXing" (1988). TeX's accents become Unicode on reading;
on writing only the signs that TeX would take as commands are escaped, since every engine of
today reads UTF-8.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from roadmap_log.errors import UnknownItemError

_ACCENTS = {
    "`": "\u0300",
    "'": "\u0301",
    "^": "\u0302",
    "~": "\u0303",
    "=": "\u0304",
    "u": "\u0306",
    ".": "\u0307",
    '"': "\u0308",
    "r": "\u030a",
    "H": "\u030b",
    "v": "\u030c",
    "d": "\u0323",
    "c": "\u0327",
    "k": "\u0328",
}
_LETTERS = {
    "ss": "ß",
    "o": "ø",
    "O": "Ø",
    "l": "ł",
    "L": "Ł",
    "ae": "æ",
    "AE": "Æ",
    "oe": "œ",
    "OE": "Œ",
    "aa": "å",
    "AA": "Å",
    "i": "ı",
    "j": "ȷ",
    "textendash": "–",
    "textemdash": "—",
    "textasciitilde": "~",
    "textasciicircum": "^",
    "textbackslash": "\\",
    "textbraceleft": "{",
    "textbraceright": "}",
}
_ACCENT = re.compile(r"""\\([`'^~=."]|[uvHrckd](?![A-Za-z]))\s*(?:\{\s*(\\?\w?)\s*\}|(\\?\w))""")
_LETTER = re.compile(
    r"\\(" + "|".join(sorted(_LETTERS, key=len, reverse=True)) + r")(?![A-Za-z])\s*(?:\{\})?"
)
_CAPITALS = re.compile(r"\w[A-Z]")
_SIGN = re.compile(r"\\([&%$#_{} ])")
_ESCAPED = {
    "\\": r"\textbackslash{}",
    "{": r"\textbraceleft{}",
    "}": r"\textbraceright{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
}
VERBATIM = frozenset({"url", "doi", "eprint", "file"})
"""Fields that are addresses, not text: nothing in them is TeX."""

MONTHS = dict(
    jan="January",
    feb="February",
    mar="March",
    apr="April",
    may="May",
    jun="June",
    jul="July",
    aug="August",
    sep="September",
    oct="October",
    nov="November",
    dec="December",
)


@dataclass(frozen=True, slots=True)
class Reference:
    """One entry of a bibliography.

    Attributes:
        kind: "article", "inproceedings", …; lower case.
        key: what one cites it by.
        fields: names in lower case with their texts in Unicode, in the order given.
    """

    kind: str
    key: str
    fields: Mapping[str, str] = field(default_factory=dict)

    @property
    def authors(self) -> tuple[str, ...]:
        """The authors one by one, as "Given Family"."""
        names = re.split(r"\s+and\s+", self.fields.get("author", "").strip())
        return tuple(_natural(name) for name in names if name)


def _natural(name: str) -> str:
    family, comma, given = name.partition(",")
    if not comma:
        return name
    suffix, again, rest = given.partition(",")
    return f"{rest.strip()} {family} {suffix.strip()}" if again else f"{given.strip()} {family}"


def parse(text: str) -> list[Reference]:
    """All references of a BibTeX text, in order; what stands between entries is a comment.

    Raises:
        UnknownItemError: an entry has no end or is not of the form `@kind{key, name = value}`.
    """
    reader = _Reader(text)
    return list(reader.references())


class _Reader:
    """A position in the text, and the @string abbreviations met so far."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.strings: dict[str, str] = dict(MONTHS)

    def references(self) -> Iterator[Reference]:
        while (begin := self.text.find("@", self.at)) >= 0:
            self.at = begin + 1
            kind = self._match(r"\s*([A-Za-z]+)\s*").lower()
            if not kind or kind == "comment":
                continue
            opening = self._match(r"([{(])\s*")
            if not opening:
                continue  # an address in a comment: someone@example
            self.closing = "}" if opening == "{" else ")"
            if kind == "preamble":
                self._value()
                self._expect(self.closing)
            elif kind == "string":
                self.strings.update(self._fields())
            else:
                yield self._reference(kind)

    def _reference(self, kind: str) -> Reference:
        key = self._match(r"([^\s,{}()=\"#%~\\]+)\s*")
        if not key:
            raise self._refuse("an entry without a key", f"@{kind}{{key, title = {{…}}}}")
        self._match(r"(,)\s*")
        fields = dict(self._fields())
        return Reference(
            kind,
            key,
            {
                name: " ".join(value.split()) if name in VERBATIM else to_unicode(value)
                for name, value in fields.items()
            },
        )

    def _fields(self) -> Iterator[tuple[str, str]]:
        while not self._match(rf"([{self.closing}])"):
            name = self._match(r"([A-Za-z][\w:.+/-]*)\s*")
            if not name or not self._match(r"(=)\s*"):
                raise self._refuse("no `name = value` where one should be", "title = {…},")
            yield name.lower(), self._value()
            if not self._match(r"(,)\s*") and self.text[self.at : self.at + 1] != self.closing:
                raise self._refuse(f"no comma behind the field {name}", "name = value, …")

    def _value(self) -> str:
        parts = [self._piece()]
        while self._match(r"(#)\s*"):
            parts.append(self._piece())
        return "".join(parts)

    def _piece(self) -> str:
        mark = self.text[self.at : self.at + 1]
        if mark in ("{", '"'):
            return self._delimited("}" if mark == "{" else '"')
        word = self._match(r"([\w.:+/-]+)\s*")
        if not word:
            raise self._refuse("no value where one should be", '{text}, "text", 2026 or a name')
        return word if word.isdigit() else self.strings.get(word.lower(), word)

    def _delimited(self, end: str) -> str:
        begin, depth = self.at + 1, 0
        for found in re.compile(r"\\.|[{}\"]", re.DOTALL).finditer(self.text, begin):
            sign = found[0]
            if depth == 0 and sign == end:
                self.at = found.end()
                self._match(r"(\s*)")
                return self.text[begin : found.start()]
            depth += {"{": 1, "}": -1}.get(sign, 0)
            if depth < 0:
                break
        raise self._refuse("a value without an end", "as many closing braces as opening ones")

    def _match(self, pattern: str) -> str:
        found = re.compile(pattern).match(self.text, self.at)
        if not found:
            return ""
        self.at = found.end()
        return found[1]

    def _expect(self, sign: str) -> None:
        if not self._match(rf"([{sign}])"):
            raise self._refuse("an entry without an end", f"a closing {sign}")

    def _refuse(self, problem: str, expected: str) -> UnknownItemError:
        line = self.text.count("\n", 0, self.at) + 1
        near = " ".join(self.text[self.at : self.at + 30].split())
        return UnknownItemError(
            f"BibTeX, line {line}: {problem}" + (f", at {near!r}" if near else ""),
            expected=expected,
            fix="correct the entry; nothing was added",
        )


def to_unicode(text: str) -> str:
    """A field's text without TeX's accents, escapes, ties and protecting braces."""
    text = _ACCENT.sub(_accented, text)
    text = re.sub(r"\{(\w)\}", r"\1", text)
    text = _SIGN.sub(lambda found: chr(0xE000 + ord(found[1])), text)  # private until the end
    text = _LETTER.sub(_letter, text)
    text = text.replace("---", "—").replace("--", "–").replace("~", "\u00a0")
    text = re.sub(r"[{}]", "", text)
    text = "".join(chr(ord(c) - 0xE000) if 0xE000 <= ord(c) < 0xE0FF else c for c in text)
    return unicodedata.normalize("NFC", re.sub(r"[ \t\r\n]+", " ", text).strip())


def _accented(found: re.Match[str]) -> str:
    letter = found[2] or found[3] or ""
    letter = {"\\i": "i", "\\j": "j"}.get(letter, letter.lstrip("\\"))
    return unicodedata.normalize("NFC", letter + _ACCENTS[found[1]]) if letter else found[0]


def _letter(found: re.Match[str]) -> str:
    sign = _LETTERS[found[1]]
    return chr(0xE000 + ord(sign)) if sign in "~^\\{}" else sign


def write(references: Iterable[Reference]) -> str:
    """BibTeX of these references, one after the other; `parse` reads the same back."""
    return "\n".join(_written(each) for each in references)


def _written(reference: Reference) -> str:
    width = max(map(len, reference.fields), default=0)
    lines = [
        f"  {name:<{width}} = {{{_field(name, value)}}},"
        for name, value in reference.fields.items()
    ]
    return "\n".join([f"@{reference.kind}{{{reference.key},", *lines, "}", ""])


def _field(name: str, value: str) -> str:
    if name in VERBATIM:
        return value.replace("{", "%7B").replace("}", "%7D").replace("\\", "%5C")
    if name in ("title", "booktitle"):  # styles make titles lower-case but for what is in braces
        return " ".join(
            f"{{{_to_tex(word)}}}" if _CAPITALS.search(word) else _to_tex(word)
            for word in value.split(" ")
        )
    return _to_tex(value)


def _to_tex(text: str) -> str:
    plain = "".join(_ESCAPED.get(sign, sign) for sign in text)
    return plain.replace("\u00a0", "~").replace("—", "---").replace("–", "--")
