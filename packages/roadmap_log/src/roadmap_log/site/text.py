"""Markdown of the log as safe HTML: the text is treated as hostile, whoever wrote it.

markdown-it renders, pygments colours the code, nh3 lets through a fixed list of elements and
attributes. Nothing that reaches a page can run, frame, submit or fetch anything: images are shown
only if they are raster files of the log folder, of all others only the words are left.
"""

import os
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from html import escape
from typing import TYPE_CHECKING, Any

from roadmap_log.site.raw import tidy

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

LONGEST_HIGHLIGHT = 100_000
"""Characters of a code block beyond which it stays in one colour."""

_TAGS = (
    "a abbr b blockquote br caption code dd del details dfn div dl dt em h2 h3 h4 h5 h6 hr i "
    "ins kbd li mark ol p pre q s samp small span strong sub summary sup table tbody td "
    "th thead tr ul var"
)
_ATTRIBUTES = {
    "a": {"href", "title", "id", "class"},
    "abbr": {"title"},
    "code": {"class"},
    "div": {"class"},
    "li": {"id", "class"},
    "ol": {"start", "class"},
    "pre": {"tabindex"},
    "span": {"class"},
    "sup": {"class"},
    "td": {"class"},
    "th": {"class"},
}
_REL = "noopener noreferrer nofollow"
_ID = re.compile(r"fn(?:ref)?[\w:-]*")
_ALIGN = re.compile(r"text-align:(left|right|center)")
_TASK = re.compile(r"\[([ xX])\]\s")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufdd0-\ufdef\ufffe\uffff]")

Image = Callable[[str], str | None]
"""Gives the address under which an image of the log is shown, or None if it may not be."""


def to_html(text: str, image: Image = lambda _: None) -> str:
    """Safe HTML of a Markdown text; its headings begin at h2."""
    import nh3

    parser = _parser()
    env: dict[str, Any] = {}
    tokens = parser.parse(strip_controls(text), env)
    tidy(tokens)
    pictures = _Pictures(image)
    _adapt(tokens, pictures)
    clean = nh3.clean(
        parser.renderer.render(tokens, parser.options, env),
        tags=set(_TAGS.split()),
        attributes=_ATTRIBUTES,
        attribute_filter=_filter,
        url_schemes={"http", "https", "mailto"},
        link_rel=_REL,
    )
    clean = clean.replace(f'<a rel="{_REL}">', "<a>")  # what was a harmful link
    return pictures.put_in(clean)


class _Pictures:
    """Images pass the cleaning as marks that no text can contain, and are put in afterwards."""

    def __init__(self, image: Image) -> None:
        self.image = image
        self.secret = os.urandom(8).hex()
        self.html: list[str] = []

    def mark(self, source: str, label: str) -> str:
        """What stands for an image: its mark, or words if it may not be shown."""
        if (address := self.image(source)) is None:
            return f"[image: {label or source}]"
        self.html.append(f'<img src="{escape(address)}" alt="{escape(label)}">')
        return f"\ufdd0{self.secret}-{len(self.html) - 1}\ufdd1"

    def put_in(self, clean: str) -> str:
        """The text with its images in the places of their marks."""
        mark = re.compile(f"\ufdd0{self.secret}-(\\d+)\ufdd1")
        return mark.sub(lambda found: self.html[int(found[1])], clean)


@lru_cache(maxsize=1)
def _parser() -> "MarkdownIt":
    from markdown_it import MarkdownIt
    from mdit_py_plugins.footnote import footnote_plugin

    options = {"html": True, "highlight": _highlight, "linkify": False}
    parser = MarkdownIt("commonmark", options).enable(["table", "strikethrough"])
    parser.use(footnote_plugin)
    # A section would need a heading of its own.
    parser.add_render_rule("footnote_block_open", lambda *_: '<hr><div class="footnotes"><ol>')
    parser.add_render_rule("footnote_block_close", lambda *_: "</ol></div>")
    return parser


@lru_cache(maxsize=32)
def _lexer(language: str) -> Any:
    from pygments.lexers import get_lexer_by_name
    from pygments.util import ClassNotFound

    try:
        return get_lexer_by_name(language)
    except ClassNotFound:
        return None


@lru_cache(maxsize=1)
def _formatter() -> Any:
    from pygments.formatters.html import HtmlFormatter

    return HtmlFormatter(nowrap=True)


def _highlight(code: str, language: str, _attributes: str) -> str:
    """Coloured code in the frame that markdown-it expects; unknown languages stay plain."""
    if not language or len(code) > LONGEST_HIGHLIGHT or (lexer := _lexer(language)) is None:
        return ""
    from pygments import highlight

    coloured = highlight(code, lexer, _formatter())
    return f'<pre tabindex="0"><code class="highlight">{coloured}</code></pre>'


def _adapt(tokens: Sequence["Token"], pictures: _Pictures) -> None:
    """Lower headings by one level, turn task boxes into signs and images into what may be shown."""
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(6, int(token.tag[1]) + 1)}"
        elif token.type in ("td_open", "th_open") and (style := token.attrs.pop("style", None)):
            if found := _ALIGN.match(str(style)):
                token.attrs["class"] = found[1]
        elif token.type == "inline" and token.children:
            for child in token.children:
                if child.type == "image":
                    child.type, child.children = "text", None
                    child.content = pictures.mark(str(child.attrs["src"]), child.content)
    for opening, _, inline in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if opening.type == "list_item_open" and inline.type == "inline" and inline.children:
            first = inline.children[0]
            if found := _TASK.match(first.content):
                sign = "☐" if found[1] == " " else "☑"
                first.content = f"{sign} {first.content[found.end() :]}"
                opening.attrSet("class", "task")


def _filter(tag: str, name: str, value: str) -> str | None:
    """The last word on every attribute that is let through by name."""
    allowed = {
        "id": _ID.fullmatch(value),
        "href": not re.match(r"\s*[/\\]{2}|\s*\\", value),
        "start": re.fullmatch(r"\d{1,9}", value),
        "tabindex": value == "0",
    }
    return value if allowed.get(name, True) else None


def strip_controls(text: str) -> str:
    """`text` without the characters that neither HTML nor XML allows."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)
