"""HTML within Markdown: a few elements are kept, always well-formed; of all others the words.

A stray `<b>` would otherwise reach into the paragraphs after it, and the page would no longer be
valid HTML. Words of scripts and styles are dropped. What comes out is cleaned once more with the
whole text (see text.py): this room is about form, that one about safety.
"""

import re
from collections.abc import Sequence
from html import escape, unescape
from html.parser import HTMLParser
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markdown_it.token import Token

_PHRASES = "abbr b code del dfn em i ins kbd mark q s samp small strong sub sup var"
PHRASES = frozenset(_PHRASES.split())
"""Elements within a line."""

BLOCKS = frozenset({"p", "div", "details", "summary"})
_SILENT = frozenset({"script", "style", "title", "template", "noscript", "textarea", "svg", "math"})
_OPENING = re.compile(r"<details(?:\s+open)?\s*>\s*(?:<summary>([^<]*)</summary>)?\s*", re.I)
_CLOSING = re.compile(r"</details\s*>\s*", re.I)
_ANY_TAG = re.compile(r"<[^<>]*>")
_LONGEST = 20_000
"""Characters of a block that the parser is given: what it cannot end, it tries again and again."""

_TAG = re.compile(r"<(/?)([a-zA-Z]+)(?:\s[^>]*)?>")


class _Builder(HTMLParser):
    """Writes the elements it knows, each ended before the one around it ends."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self.open: list[str] = []
        self.silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Begin an element, after ending those that it may not stand in."""
        if tag in _SILENT:
            self.silent += 1
        elif self.silent:
            return
        elif tag == "br":
            self.parts.append("<br>")
        elif tag == "summary":
            if self.open and self.open[-1] == "details" and self.parts[-1] == "<details>":
                self._begin(tag)
        elif tag in BLOCKS:
            while self.open and (self.open[-1] in PHRASES or self.open[-1] in ("p", "summary")):
                self.end()
            self._begin(tag)
        elif tag in PHRASES:
            self._begin(tag)

    def handle_endtag(self, tag: str) -> None:
        """End an element and all that was begun in it."""
        if tag in _SILENT:
            self.silent = max(0, self.silent - 1)
        elif tag in self.open and not self.silent:
            while self.end() != tag:
                pass

    def handle_data(self, data: str) -> None:
        """Write a text."""
        if not self.silent:
            self.parts.append(escape(data, quote=False))

    def _begin(self, tag: str) -> None:
        self.parts.append(f"<{tag}>")
        self.open.append(tag)

    def end(self) -> str:
        """End the element begun last; returns its name."""
        tag = self.open.pop()
        if tag == "details" and self.parts[-1] == "<details>":
            self.parts.append("<summary>…</summary>")
        self.parts.append(f"</{tag}>")
        return tag


def block(text: str) -> str:
    """A block of HTML as well-formed elements; of a very long one the words alone."""
    text = _uncommented(text)
    if len(text) > _LONGEST:
        return f"<p>{escape(unescape(_ANY_TAG.sub('', text)), quote=False)}</p>"
    builder = _Builder()
    builder.feed(text)
    builder.close()
    while builder.open:
        builder.end()
    return "".join(builder.parts)


def _uncommented(text: str) -> str:
    """`text` without comments; one that is not ended takes the rest, as in a browser."""
    parts: list[str] = []
    at = 0
    while (begin := text.find("<!--", at)) >= 0:
        parts.append(text[at:begin])
        end = text.find("-->", begin + 4)
        if end < 0:
            return "".join(parts)
        at = end + 3
    return "".join([*parts, text[at:]])


def tidy(tokens: Sequence["Token"]) -> None:
    """Replace the HTML in a parsed text by what may stand there, in place."""
    details = [at for at, token in enumerate(tokens) if token.type == "html_block"]
    paired = _paired(tokens, details)
    for at in details:
        token = tokens[at]
        if at in paired:
            token.content = paired[at]
        else:
            token.content = block(token.content) + "\n"
    for token in tokens:
        if token.type == "inline" and token.children:
            _within_a_line(token.children)


def _paired(tokens: Sequence["Token"], places: list[int]) -> dict[int, str]:
    """`<details>` in one block and its end in a later one, with Markdown between them."""
    paired: dict[int, str] = {}
    waiting: list[tuple[int, str]] = []
    for at in places:
        token = tokens[at]
        if token.level:  # within a list or a quotation it would have to end there
            continue
        if found := _OPENING.fullmatch(token.content):
            waiting.append((at, found[1] or "…"))
        elif waiting and _CLOSING.fullmatch(token.content):
            begin, summary = waiting.pop()
            paired[begin] = f"<details><summary>{escape(summary)}</summary>\n"
            paired[at] = "</details>\n"
    return paired


def _within_a_line(children: Sequence["Token"]) -> None:
    """Keep the tags of a line that have a partner in it, with nothing crossing between them."""
    waiting: list[tuple[int, str]] = []
    kept: set[int] = set()
    for at, token in enumerate(children):
        if token.nesting:  # emphasis and links are elements, too
            if token.nesting > 0:
                waiting.append((at, token.type))
            else:
                while waiting and waiting.pop()[1] != token.type.replace("_close", "_open"):
                    pass
        elif token.type == "html_inline" and (found := _TAG.fullmatch(token.content)):
            tag = found[2].lower()
            if tag == "br" and not found[1]:
                token.content = "<br>"
                kept.add(at)
            elif tag in PHRASES and not found[1]:
                waiting.append((at, tag))
            elif tag in PHRASES and waiting and waiting[-1][1] == tag:
                begin = waiting.pop()[0]
                children[begin].content, token.content = f"<{tag}>", f"</{tag}>"
                kept |= {begin, at}
    for at, token in enumerate(children):
        if token.type == "html_inline" and at not in kept:
            token.content = ""
