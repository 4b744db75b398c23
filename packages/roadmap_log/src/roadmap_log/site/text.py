"""Markdown of the log as safe HTML: the text is treated as hostile, whoever wrote it.

markdown-it renders, pygments colours the code, nh3 lets through a fixed list of elements and
attributes. Nothing that reaches a page can run, frame, submit or fetch anything: images are shown
only if they are raster files of the log folder, all others become links to what they are.
"""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import nh3
from markdown_it import MarkdownIt
from markdown_it.token import Token
from mdit_py_plugins.footnote import footnote_plugin
from pygments import highlight
from pygments.formatters.html import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

LONGEST_HIGHLIGHT = 100_000
"""Characters of a code block beyond which it stays in one colour."""

_TAGS = (
    "a abbr b blockquote br caption code dd del details dfn div dl dt em h2 h3 h4 h5 h6 hr i img "
    "ins kbd li mark ol p pre q s samp section small span strong sub summary sup table tbody td "
    "th thead tr ul var"
)
_ATTRIBUTES = {
    "a": {"href", "title", "id", "class"},
    "abbr": {"title"},
    "code": {"class"},
    "div": {"class"},
    "img": {"src", "alt", "title"},
    "li": {"id", "class"},
    "ol": {"start", "class"},
    "pre": {"tabindex"},
    "section": {"class"},
    "span": {"class"},
    "sup": {"class"},
    "td": {"colspan", "rowspan", "class"},
    "th": {"colspan", "rowspan", "scope", "class"},
}
_ID = re.compile(r"fn(?:ref)?[\w:-]*")
_ALIGN = re.compile(r"text-align:(left|right|center)")
_TASK = re.compile(r"\[([ xX])\]\s")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufdd0-\ufdef\ufffe\uffff]")

Image = Callable[[str], str | None]
"""Gives the address under which an image of the log is shown, or None if it may not be."""


def to_html(text: str, image: Image = lambda _: None) -> str:
    """Safe HTML of a Markdown text; its headings begin at h2."""
    parser = _parser()
    env: dict[str, Any] = {}
    tokens = parser.parse(strip_controls(text), env)
    shown: set[str] = set()
    _adapt(tokens, image, shown)
    dirty = parser.renderer.render(tokens, parser.options, env)
    return nh3.clean(
        dirty,
        tags=set(_TAGS.split()),
        attributes=_ATTRIBUTES,
        attribute_filter=lambda tag, name, value: _filter(tag, name, value, shown),
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
    )


@lru_cache(maxsize=1)
def _parser() -> MarkdownIt:
    options = {"html": True, "highlight": _highlight, "linkify": False}
    return MarkdownIt("commonmark", options).enable(["table", "strikethrough"]).use(footnote_plugin)


def _highlight(code: str, language: str, _attributes: str) -> str:
    """Coloured code in the frame that markdown-it expects; unknown languages stay plain."""
    if not language or len(code) > LONGEST_HIGHLIGHT:
        return ""
    try:
        lexer = get_lexer_by_name(language)
    except ClassNotFound:
        return ""
    coloured = highlight(code, lexer, HtmlFormatter(nowrap=True))
    return f'<pre tabindex="0"><code class="highlight">{coloured}</code></pre>'


def _adapt(tokens: Sequence[Token], image: Image, shown: set[str]) -> None:
    """Lower headings by one level, turn task boxes into signs and images into what may be shown."""
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(6, int(token.tag[1]) + 1)}"
        elif token.type in ("td_open", "th_open") and (style := token.attrs.pop("style", None)):
            if found := _ALIGN.match(str(style)):
                token.attrs["class"] = found[1]
        elif token.type == "inline" and token.children:
            _adapt_inline(token.children, image, shown)
    for opening, _, inline in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if opening.type == "list_item_open" and inline.type == "inline" and inline.children:
            first = inline.children[0]
            if found := _TASK.match(first.content):
                sign = "☐" if found[1] == " " else "☑"
                first.content = f"{sign} {first.content[found.end() :]}"
                opening.attrSet("class", "task")


def _adapt_inline(children: list[Token], image: Image, shown: set[str]) -> None:
    for token in children:
        if token.type != "image":
            continue
        source = str(token.attrs.get("src", ""))
        if (address := image(source)) is not None:
            token.attrs["src"] = address
            shown.add(address)
        else:
            label = token.content or source
            token.type, token.tag, token.children = "text", "", None
            token.content = f"[image: {label}]"


def _filter(tag: str, name: str, value: str, shown: set[str]) -> str | None:
    """The last word on every attribute that is let through by name."""
    if name == "src":
        return value if value in shown else None
    if name == "id":
        return value if _ID.fullmatch(value) else None
    if name == "href" and re.match(r"\s*(//|\\)", value):
        return None
    return value


def strip_controls(text: str) -> str:
    """`text` without the characters that neither HTML nor XML allows."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)
