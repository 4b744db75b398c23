"""The journey as Jekyll's sources: a `docs/` that GitHub Pages builds as it is, with Minima.

The pages have the same addresses and the same safe HTML as our own site, in Minima's frame. No
Markdown is left to Jekyll: kramdown lets a text set attributes, so hostile text would run there.
Each page's body stands in a raw block, for Jekyll would run Liquid's `{{ }}` in it.

`docs/` lies under version control and may hold files of one's own (CNAME, a picture): only what
changed is written, and only what an earlier build wrote is ever replaced or removed.
"""

import json
import os
from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

from roadmap_log.errors import StorageError
from roadmap_log.files import write_whole
from roadmap_log.site.output import MARKER, Render

if TYPE_CHECKING:
    from roadmap_log.journey import Journey

HERE = Path(__file__).parent
PIECES = "/* Pieces: in every frame. */"
"""Where in style.css the rules begin that Minima's frame needs, too."""

_ZONES = ("zoneinfo/", "/zoneinfo.default/")


class Docs:
    """Jekyll's sources being written in place.

    Args:
        out: the folder, "docs" in the journey.

    Attributes:
        pages: pages so far.
        written: files that had changed.
    """

    def __init__(self, out: Path) -> None:
        self.out = out
        self.pages = self.written = 0
        self._before = _known(out / MARKER)
        self._now: dict[str, str] = {}

    def page(self, address: str, inputs: Any, render: Render, file: str = "") -> None:
        """Write a page under its address, or the file name given."""
        text = render()
        self.pages += 1
        self.file(file or address, text if isinstance(text, str) else "".join(text))

    def source(self, name: str, path: Path) -> None:
        """Copy a file that a page shows."""
        self.file(name, path.read_bytes())

    def awaited(self, path: Path) -> None:
        """Nothing to remember: every page is rendered at every build."""

    def file(self, name: str, content: str | bytes) -> None:
        """Write a file if it is not there as it should be.

        Raises:
            StorageError: a file of that name is there that no build has written.
        """
        data = content.encode("utf-8", "replace") if isinstance(content, str) else content
        path = self.out / name
        self._now[name] = blake2b(data, digest_size=16).hexdigest()
        try:
            there = path.read_bytes()
        except OSError:
            there = None
        if there == data:
            return
        if there is not None and name not in self._before:
            raise StorageError(
                f"{path} was not made by this program, so it is not overwritten",
                expected="a name that is free, or a file that an earlier build wrote",
                fix="move it away, or choose another folder: roadmap site build --jekyll --out DIR",
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)  # not made durable one by one: all of it can be made again
        self.written += 1

    def finish(self) -> None:
        """Remove what earlier builds wrote and this one did not, and remember what is ours."""
        lines = [f"{digest} {name}\n" for name, digest in sorted(self._now.items())]
        head = "# Files that `roadmap site build --jekyll` has written; it touches no others.\n"
        write_whole(self.out / MARKER, head + "".join(lines))
        root = self.out.resolve()
        for name in self._before.keys() - self._now.keys():
            path = self.out / name
            if path.resolve().is_relative_to(root):
                path.unlink(missing_ok=True)

    def abandon(self) -> None:
        """Nothing to take back: every file is whole, the old ones or the new ones."""


def _known(path: Path) -> dict[str, str]:
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return {}
    pairs = (line.split(" ", 1) for line in lines if not line.startswith("#") and " " in line)
    return {name: digest for digest, name in pairs}


def configuration(journey: "Journey", sections: Iterable[str]) -> str:
    """The text of _config.yml; every value is JSON, hence YAML.

    `future: true` since Jekyll would hide an entry whose moment has not come where it is built.
    """
    fields: dict[str, Any] = {
        "title": journey.settings.title,
        "description": "A learning journey: what was learnt, day by day, and how far it is.",
        "theme": "minima",
        "plugins": ["jekyll-feed", "jekyll-seo-tag", "jekyll-sitemap"],
        "header_pages": [page for page in sections if page != "index.html"] + ["about.html"],
        "timezone": time_zone(journey.settings.time_zone),
        "future": True,
        "excerpt_separator": "",
        "strict_front_matter": True,
    }
    lines = [f"{key}: {json.dumps(value, ensure_ascii=False)}\n" for key, value in fields.items()]
    return "# Made by roadmap site build --jekyll; change journey.toml instead.\n" + "".join(lines)


def time_zone(name: str) -> str:
    """The zone in which Jekyll shows dates: the journey's, else this machine's, else UTC."""
    if name != "local":
        return name
    if (given := os.environ.get("TZ", "").lstrip(":")) and not given.startswith("/"):
        return given
    try:
        target = os.readlink("/etc/localtime")
    except OSError:
        return "UTC"
    for mark in _ZONES:
        if mark in target:
            return target.partition(mark)[2]
    return "UTC"


def style() -> str:
    """The text of assets/main.scss: Minima's, then the colours and rules of our pieces."""
    ours = (HERE / "style.css").read_text(encoding="utf-8")
    colours = ours[: ours.index("@media")]
    return f'---\n---\n@import "minima";\n\n{colours}\n{ours[ours.index(PIECES) :]}'
