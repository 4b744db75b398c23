"""A look through a built site: is it closed in itself, does anything run, is anything fetched?"""

from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from roadmap_log.errors import UnknownItemError

VOID = frozenset(
    [
        "area",
        "base",
        "br",
        "col",
        "embed",
        "hr",
        "img",
        "input",
        "link",
        "meta",
        "source",
        "track",
        "wbr",
    ]
)
FETCHED = {
    "script": "src",
    "img": "src",
    "iframe": "src",
    "link": "href",
    "object": "data",
    "embed": "src",
    "video": "src",
    "audio": "src",
    "source": "src",
    "form": "action",
    "use": "href",
}
"""Elements that make a browser fetch something, and the attribute that says what."""

NEVER = frozenset({"iframe", "object", "embed", "base", "style", "frame", "applet"})
SCRIPTS = frozenset({"search.js"})
"""The only scripts that a page of ours may load; none may stand in a page."""


class Page(HTMLParser):
    """What a browser would see of a page: its elements, its words, and whether its tags match."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.unmatched: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        self.unmatched += self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.elements.append((tag, {key: value or "" for key, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element that ends at once."""
        self.elements.append((tag, {key: value or "" for key, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        """Note an end; it must be that of the element begun last."""
        if self.open and self.open[-1] == tag:
            self.open.pop()
        else:
            self.unmatched.append(f"/{tag}")

    def handle_data(self, data: str) -> None:
        """Note a text."""
        self.words.append(data)

    @property
    def text(self) -> str:
        """All words of the page."""
        return "".join(self.words)

    @property
    def ids(self) -> list[str]:
        """The ids of its elements."""
        return [attributes["id"] for _, attributes in self.elements if "id" in attributes]

    def all(self, tag: str, attribute: str) -> Iterator[str]:
        """The values of an attribute in all elements of a kind."""
        return (
            attributes[attribute]
            for name, attributes in self.elements
            if name == tag and attribute in attributes
        )


def check(folder: Path) -> tuple[int, list[str]]:
    """How many pages a built site has, and everything that is wrong with them.

    Raises:
        UnknownItemError: there is no site.
    """
    if not (folder / "index.html").is_file():
        raise UnknownItemError(
            f"there is no site in {folder}", expected="index.html", fix="roadmap site build"
        )
    folder = folder.resolve()
    ids: dict[Path, frozenset[str]] = {}
    wanted: list[tuple[str, Path, str]] = []
    problems: list[str] = []
    for path in sorted(folder.rglob("*.html")):
        name = path.relative_to(folder).as_posix()
        page = Page(path.read_text(encoding="utf-8", errors="replace"))
        ids[path] = frozenset(page.ids)
        problems += [f"{name}: {told}" for told in _faults(page)]
        for address in _leads(page):
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.is_relative_to(folder):
                problems.append(f"{name}: {address} leads out of the site")
            elif not target.is_file():
                problems.append(f"{name}: {address} leads nowhere")
            elif parts.fragment:
                wanted.append((name, target, unquote(parts.fragment)))
    for name, target, fragment in wanted:
        if fragment not in ids.get(target, frozenset()):
            problems.append(f"{name}: no element {fragment!r} in {target.name}")
    return len(ids), problems


def _leads(page: Page) -> Iterator[str]:
    yield from page.all("a", "href")
    for tag, attribute in FETCHED.items():
        yield from page.all(tag, attribute)


def _faults(page: Page) -> Iterator[str]:
    """What is wrong with a page by itself."""
    for tag in page.unmatched:
        yield f"<{tag}> has no partner"
    for name, number in Counter(page.ids).items():
        if number > 1:
            yield f"the id {name!r} stands {number} times"
    for tag, attributes in page.elements:
        if tag in NEVER:
            yield f"<{tag}> has no place here"
        if tag == "script" and Path(attributes.get("src", "")).name not in SCRIPTS:
            yield "a script that is not ours"
        for attribute in attributes:
            if attribute.startswith("on") or attribute in ("style", "srcset", "ping"):
                yield f"<{tag}> has the attribute {attribute}"
        address = attributes.get(FETCHED.get(tag, ""))
        if address is not None and urlsplit(address)[:2] != ("", ""):
            yield f"<{tag}> fetches {address}"
        if tag == "a" and urlsplit(attributes.get("href", "")).scheme not in (
            "",
            "http",
            "https",
            "mailto",
        ):
            yield f"a link to {attributes['href']}"
        if tag == "a" and attributes.get("href", "").lstrip().replace("\\", "/").startswith("//"):
            yield f"a link elsewhere that hides it: {attributes['href']}"
        refresh = attributes.get("http-equiv", "").lower() == "refresh"
        if tag == "meta" and refresh:
            yield "the page sends its reader away"
