"""The shelf: ids as the web writes them, BibTeX both ways, a meter that counts what was read."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from roadmap_log import bibtex, papers
from roadmap_log.bibtex import Reference
from roadmap_log.errors import UnknownItemError
from roadmap_log.journey import Journey
from sample import Command

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2205.14135", "2205.14135"),
        ("arXiv:2205.14135v2", "2205.14135"),
        ("https://arxiv.org/abs/2205.14135v2", "2205.14135"),
        ("https://arxiv.org/pdf/1706.03762.pdf", "1706.03762"),
        ("https://doi.org/10.48550/arXiv.1706.03762", "1706.03762"),
        ("hep-th/9901001", "hep-th/9901001"),
        ("math.gt/0309136", "math.GT/0309136"),
        ("0704.0001", "0704.0001"),
        ("2213.14135", None),
        ("2205.1413", None),
        ("1401.12345", None),
        ("10.1145/3458817.3476209", None),
        ("", None),
    ],
)
def test_arxiv_ids(text: str, expected: str | None) -> None:
    assert papers.arxiv_id(text) == expected


def test_dois_and_years() -> None:
    assert papers.doi_of("https://doi.org/10.1145/3458817.3476209") == "10.1145/3458817.3476209"
    assert papers.doi_of("doi: 10.1000/182.") == "10.1000/182"
    assert papers.doi_of("10.12/x") is None
    assert papers.paper_of("hep-th/9901001", NOW).year == 1999
    assert papers.paper_of("2205.14135", NOW).year == 2022
    with pytest.raises(UnknownItemError, match="neither"):
        papers.paper_of("attention", NOW)


BIB = r"""
A comment with someone@example.org in it. @comment{ignored, title = {no}}
@string{nips = "Advances in " # {Neural Information}}
@preamble{"\newcommand{\x}{y}"}
@InProceedings{Vaswani2017,
  author = {Vaswani, Ashish and {\L}ukasz Kaiser and G{\"o}del, Kurt and O'Neil, Jr., Se{\'a}n},
  title = "{Attention} Is {A}ll You {{Need}}: 50\% of {\ss}\o re---or so",
  booktitle = nips # { } # 2017, year = 2017, month = jun,
  url = {https://arxiv.org/abs/1706.03762}, keywords = {attention, Sequence Models}
}
@misc(second, title = {Na\"ive caf\'{e} \v{C}apek \c{c}a \& \_x \~n},)
"""


def test_bibtex_is_read() -> None:
    first, second = bibtex.parse(BIB)
    assert first.key == "Vaswani2017"
    assert first.kind == "inproceedings"
    assert first.fields["title"] == "Attention Is All You Need: 50% of ßøre—or so"
    assert first.fields["booktitle"] == "Advances in Neural Information 2017"
    assert first.fields["month"] == "June"
    assert first.authors == ("Ashish Vaswani", "Łukasz Kaiser", "Kurt Gödel", "Seán O'Neil Jr.")
    assert second.fields["title"] == "Naïve café Čapek ça & _x ñ"
    paper = papers.from_reference(first, NOW)
    assert (paper.arxiv, paper.year) == ("1706.03762", 2017)
    assert paper.tags == ("attention", "sequence-models")


@pytest.mark.parametrize(
    "text",
    [
        "@article{key, title = {never closed}",
        "@article{key, title = {a} year = 1}",
        "@article{, title = {a}}",
        "@article{key, title = }",
        "@article{key, = {a}}",
        '@article{key, title = "a}',
        "@string{a = {b}",
    ],
)
def test_broken_bibtex_names_the_line(text: str) -> None:
    with pytest.raises(UnknownItemError, match="BibTeX, line 3"):
        bibtex.parse(f"\n\n{text}")


def test_what_is_written_is_read_back() -> None:
    signs = "a {b} 50% & $x_1$ #3 ~/x ^2 \\alpha é ß — – Ω 注意"
    fields = {"title": f"GPT-3 {signs}", "author": "A B and C D", "url": "https://e.org/a_b%20~c"}
    again = bibtex.parse(bibtex.write([Reference("article", "k:1", fields)]))
    assert again == [Reference("article", "k:1", fields)]
    hostile = Reference("misc", "k", {"url": "x}, title = {stolen", "note": "}}\n@misc{y,"})
    (only,) = bibtex.parse(bibtex.write([hostile]))
    assert "title" not in only.fields


def test_a_shelf_from_the_first_paper_to_the_meter(
    journey: Journey, roadmap: Command, tmp_path: Path
) -> None:
    added = roadmap("paper", "add", "1706.03762v7", "--title", "Attention: <b>all", "--json").json
    assert added[0]["key"] == "arxiv:1706.03762"
    file = tmp_path / "more.bib"
    file.write_text(BIB)
    both = roadmap("paper", "add", "--bibtex", str(file))
    assert "on the shelf already" in both.err, "the same arXiv id under another key"
    assert "0 of 50 read" in both.out
    assert [each["key"] for each in roadmap("paper", "list", "--json").json] == [
        "arxiv:1706.03762",
        "second",
    ]
    twice = "".join(f"@misc{{{key}, title={{T}}, doi={{10.1000/X}}}}\n" for key in ("one", "two"))
    file.write_text(twice)
    assert "T is on the shelf already, as one" in roadmap("paper", "add", "--bibtex", str(file)).err
    (journey.root / "papers" / "one.md").unlink()
    assert roadmap("paper", "--json").json == roadmap("paper", "list", "--json").json
    assert roadmap("paper").out == roadmap("paper", "list").out
    roadmap("paper", "note", "1706.03762", "-m", "Scaled by the root of d")
    assert "1 of 50 read" in roadmap("paper", "read", "attention", "-m", "No recurrence").out
    shown = roadmap("paper", "show", "arxiv:1706.03762", "--json").json
    assert shown["notes"] == "Scaled by the root of d\n\nNo recurrence"
    assert (shown["status"], shown["read"]) == ("read", "2026-11-20T09:00:00+01:00")
    assert Journey(journey.root).state.streak.today, "reading is work"
    roadmap("paper", "read", "attention", "--undo")
    assert "0 of 50" in roadmap("paper", "list").out
    out = roadmap("paper", "bibtex").out
    assert [each.key for each in bibtex.parse(out)] == ["arxiv:1706.03762", "second"]


def test_a_paper_edited_by_hand_and_one_that_cannot_be_read(
    journey: Journey, roadmap: Command
) -> None:
    folder = journey.root / "papers"
    folder.mkdir()
    (folder / "mine.md").write_text("---\ntitle: By hand\nauthors: A B\nyear: then\n---\nnote\n")
    (folder / "bad.md").write_text("---\ntitle: [\n---\n")
    listed = roadmap("paper", "list")
    assert "By hand" in listed.out
    assert "bad.md" in listed.err
    assert roadmap("paper", "show", "mine", "--json").json["authors"] == ["A B"]
    assert roadmap("paper", "show", "nothing").code == 4
    assert roadmap("paper", "add").code == 2
