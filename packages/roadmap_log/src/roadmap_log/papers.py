"""Papers: a shelf of Markdown files, added by arXiv id, DOI or BibTeX without a network.

papers/<key>.md     front matter with what is known of the paper, then one's notes

The meter counts what was read toward fifty, the number that the sprint's research framework asks
for. The files are the truth; the events only say on which day a paper was added and read.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from roadmap_log import frontmatter
from roadmap_log.bibtex import Reference
from roadmap_log.entries import place, slug, tidy_tags
from roadmap_log.errors import RoadmapError, UnknownItemError
from roadmap_log.files import write_whole

if TYPE_CHECKING:
    from roadmap_log.journey import Journey

GOAL = 50
"""Papers to read on the way to one's own."""

PaperStatus = Literal["to read", "reading", "read"]
STATUSES: tuple[PaperStatus, ...] = ("reading", "to read", "read")

_ARXIV = re.compile(
    r"(?:arxiv:\s*|https?://(?:www\.|export\.)?arxiv\.org/(?:abs|pdf|html)/"
    r"|(?:https?://(?:dx\.)?doi\.org/|doi:\s*)?10\.48550/arxiv\.)?"
    r"(?P<id>(?P<year>\d\d)(?P<month>0[1-9]|1[0-2])\.\d{4,5}"
    r"|(?P<archive>[a-z][a-z-]*(?:\.[A-Z]{2})?)/(?P<old>\d\d)(?:0[1-9]|1[0-2])\d{3})"
    r"(?:v\d+)?(?:\.pdf)?/?",
    re.IGNORECASE,
)
_DOI = re.compile(
    r"(?:https?://(?:dx\.)?doi\.org/|doi:\s*)?(10\.\d{4,9}(?:\.\d+)*/\S+)", re.IGNORECASE
)
_OWN = ("title", "author", "year", "doi", "eprint", "archiveprefix", "keywords")


@dataclass(frozen=True, slots=True)
class Paper:
    """A paper on the shelf.

    Attributes:
        key: what it is cited by; unique on the shelf.
        title: as far as known, else its arXiv id or DOI.
        added: when it was put on the shelf.
        authors: one text a person, "Given Family".
        year: of publication, 0 if unknown.
        arxiv: its arXiv id without version, or "".
        doi: its DOI, or "".
        status: "to read", "reading" or "read".
        read: when it was read, else None.
        tags: lower-case words.
        notes: Markdown.
        kind: BibTeX's kind of publication.
        fields: what else BibTeX said of it.
        path: its file, or None if it has none yet.
    """

    key: str
    title: str
    added: datetime
    authors: tuple[str, ...] = ()
    year: int = 0
    arxiv: str = ""
    doi: str = ""
    status: PaperStatus = "to read"
    read: datetime | None = None
    tags: tuple[str, ...] = ()
    notes: str = ""
    kind: str = "misc"
    fields: dict[str, str] = field(default_factory=dict)
    path: Path | None = None

    @property
    def address(self) -> str:
        """Where it can be read on the web, or ""."""
        if self.arxiv:
            return f"https://arxiv.org/abs/{self.arxiv}"
        return f"https://doi.org/{self.doi}" if self.doi else ""


def arxiv_id(text: str) -> str | None:
    """The arXiv id in `text`, without its version: "2205.14135", "hep-th/9901001"; else None.

    Ids have four digits behind the point until December 2014 and five since, see
    https://info.arxiv.org/help/arxiv_identifier.html.
    """
    found = _ARXIV.fullmatch(text.strip())
    if not found:
        return None
    if found["archive"]:
        archive, point, subject = found["archive"].partition(".")
        return f"{archive.lower()}{point}{subject.upper()}/{found['id'].partition('/')[2]}"
    digits = len(found["id"]) - 5
    if found["year"] < "07" or digits != (5 if found["year"] >= "15" else 4):
        return None
    return found["id"]


def doi_of(text: str) -> str | None:
    """The DOI in `text` without resolver or prefix, else None."""
    found = _DOI.fullmatch(text.strip())
    return found[1].rstrip(".,;") if found else None


def paper_of(text: str, now: datetime) -> Paper:
    """What can be said of a paper whose arXiv id or DOI is all that is known.

    Raises:
        UnknownItemError: `text` is neither.
    """
    if identifier := arxiv_id(text):
        digits = identifier.rpartition("/")[2][:2]
        year = (1900 if digits > "90" else 2000) + int(digits)
        return Paper(f"arxiv:{identifier}", f"arXiv:{identifier}", now, year=year, arxiv=identifier)
    if doi := doi_of(text):
        return Paper(f"doi:{doi}", f"doi:{doi}", now, doi=doi)
    raise UnknownItemError(
        f"{text!r} is neither an arXiv id nor a DOI",
        expected="as 2205.14135, hep-th/9901001, 10.1145/3458817.3476209, or a file of BibTeX",
        fix="roadmap paper add 2205.14135 --title '…', or roadmap paper add --bibtex FILE",
    )


def from_reference(reference: Reference, now: datetime) -> Paper:
    """The paper that a BibTeX entry speaks of."""
    fields = dict(reference.fields)
    doi = doi_of(fields.get("doi", "")) or ""
    given = fields.get("eprint", "") or fields.get("url", "")
    arxiv = arxiv_id(given) or arxiv_id(doi) or ""
    if not arxiv and (said := re.search(r"arXiv:(\S+)", fields.get("journal", ""))):
        arxiv = arxiv_id(said[1]) or ""
    year = re.search(r"\b\d{4}\b", fields.get("year", "") or fields.get("date", ""))
    return Paper(
        key=reference.key,
        title=fields.get("title", "") or reference.key,
        added=now,
        authors=reference.authors,
        year=int(year[0]) if year else 0,
        arxiv=arxiv,
        doi=doi,
        tags=tidy_tags(re.split(r"[,;]", fields.get("keywords", ""))),
        kind=reference.kind,
        fields={key: value for key, value in fields.items() if key not in _OWN},
    )


def to_reference(paper: Paper) -> Reference:
    """The paper as a BibTeX entry."""
    fields = {"title": paper.title}
    if paper.authors:
        fields["author"] = " and ".join(paper.authors)
    if paper.year:
        fields["year"] = str(paper.year)
    if paper.arxiv:
        fields |= {"eprint": paper.arxiv, "archiveprefix": "arXiv"}
    if paper.doi:
        fields["doi"] = paper.doi
    key = re.sub(r"[^\w:./+-]", "", paper.key) or "paper"
    return Reference(paper.kind, key, fields | paper.fields)


def known(journey: "Journey") -> dict[str, str]:
    """Everything by which a paper on the shelf can be told, with the paper's key."""
    return {name: paper.key for paper in shelf(journey)[0] for name in _told_by(paper)}


def _told_by(paper: Paper) -> list[str]:
    identifiers = [("arxiv", paper.arxiv.lower()), ("doi", paper.doi.lower())]
    return [f"key {paper.key}", *(f"{kind} {given}" for kind, given in identifiers if given)]


def add(journey: "Journey", paper: Paper, there: dict[str, str] | None = None) -> Paper:
    """Put a paper on the shelf and record it; of many, `there` (see `known`) is read but once.

    Raises:
        UnknownItemError: it is there already.
        StorageError: it cannot be written.
    """
    there = known(journey) if there is None else there
    if same := next((there[name] for name in _told_by(paper) if name in there), None):
        raise UnknownItemError(
            f"{paper.title} is on the shelf already, as {same}",
            expected="a paper that is not there",
            fix=f"see it: roadmap paper show {same}",
        )
    paper = replace(paper, added=paper.added.replace(microsecond=0), tags=tidy_tags(paper.tags))
    path = place(journey.root / "papers", slug(paper.key), _rendered(paper).encode())
    paper = replace(paper, path=path)
    journey.record("paper.added", key=paper.key, title=paper.title)
    there |= dict.fromkeys(_told_by(paper), paper.key)
    return paper


def update(journey: "Journey", before: Paper, after: Paper) -> Paper:
    """Write a changed paper to its file; that it was read now is recorded.

    Raises:
        StorageError: it cannot be written.
    """
    assert before.path is not None
    after = replace(after, path=before.path, tags=tidy_tags(after.tags))
    write_whole(before.path, _rendered(after).encode("utf-8", "replace"))
    if after.status == "read" and before.status != "read":
        journey.record("paper.read", key=after.key, title=after.title)
    return after


def _rendered(paper: Paper) -> str:
    known: dict[str, Any] = {
        "key": paper.key,
        "title": paper.title,
        "authors": paper.authors,
        "year": paper.year,
        "arxiv": paper.arxiv,
        "doi": paper.doi,
        "status": paper.status,
        "added": paper.added,
        "read": paper.read,
        "tags": paper.tags,
        "kind": paper.kind,
        "bibtex": paper.fields,
    }
    text = paper.notes.strip("\n")
    header = frontmatter.dump({key: value for key, value in known.items() if value})
    return f"{header}\n{text}\n" if text else header


def read_paper(path: Path) -> Paper:
    """Read a paper's file.

    Raises:
        UnknownItemError: it is not UTF-8 or its front matter is broken; names the file.
    """
    header, text = frontmatter.split(path, frontmatter.read_text(path))
    return paper_from(header, text, path)


def paper_from(header: dict[str, Any], text: str, path: Path) -> Paper:
    """The paper that a header and a text make; what is missing is left empty."""
    status, year, fields = header.get("status"), header.get("year"), header.get("bibtex")
    added = frontmatter.moment_of(header.get("added"))
    return Paper(
        key=frontmatter.line_of(header.get("key"), path.stem),
        title=frontmatter.line_of(header.get("title"), path.stem),
        added=added or datetime.fromtimestamp(path.stat().st_mtime).astimezone(),
        authors=tuple(frontmatter.line_of(name) for name in _names(header.get("authors"))),
        year=year if isinstance(year, int) and 0 < year < 10_000 else 0,
        arxiv=arxiv_id(str(header.get("arxiv") or "")) or "",
        doi=doi_of(str(header.get("doi") or "")) or "",
        status=next((each for each in STATUSES if each == status), "to read"),
        read=frontmatter.moment_of(header.get("read")),
        tags=tidy_tags(frontmatter.words_of(header.get("tags"))),
        notes=text.strip("\n"),
        kind=re.sub(r"[^a-z]", "", str(header.get("kind") or "misc").lower()) or "misc",
        fields={str(name): frontmatter.line_of(value) for name, value in fields.items()}
        if isinstance(fields, dict)
        else {},
        path=path,
    )


def _names(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else frontmatter.words_of(value)


def shelf(journey: "Journey") -> tuple[list[Paper], list[RoadmapError]]:
    """All papers, in the order they were added, and the files that cannot be read."""
    papers: list[Paper] = []
    broken: list[RoadmapError] = []
    for path in sorted((journey.root / "papers").glob("*.md")):
        try:
            papers.append(read_paper(path))
        except UnknownItemError as error:
            broken.append(error)
    return sorted(papers, key=lambda paper: (paper.added, paper.key)), broken


def find(journey: "Journey", name: str) -> Paper:
    """The paper meant by its key, arXiv id, DOI, file name, or the beginning of its title.

    Raises:
        UnknownItemError: none or several are meant.
    """
    papers = shelf(journey)[0]
    wanted = name.strip().lower()
    identifier, doi = arxiv_id(name), (doi_of(name) or "").lower()
    exact = [
        paper
        for paper in papers
        if wanted in (paper.key.lower(), paper.path.stem if paper.path else "")
        or (identifier and paper.arxiv == identifier)
        or (doi and paper.doi.lower() == doi)
    ]
    meant = exact or [paper for paper in papers if wanted and wanted in paper.title.lower()]
    if len(meant) == 1:
        return meant[0]
    found = ", ".join(paper.key for paper in meant[:5])
    raise UnknownItemError(
        f"{name!r} may be {found}" if meant else f"there is no paper {name!r} on the shelf",
        expected="a key, an arXiv id, a DOI, or a part of one title",
        fix="see them all: roadmap paper list",
    )


def counts(papers: Iterable[Paper]) -> dict[PaperStatus, int]:
    """How many papers have each status."""
    totals = dict.fromkeys(STATUSES, 0)
    for paper in papers:
        totals[paper.status] += 1
    return totals
