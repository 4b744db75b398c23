"""The README's pictures: they are there, and drawn from what the command prints."""

import importlib.util
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from roadmap_log.journey import Journey
from sample import Command

HERE = Path(__file__).parents[1]


def test_a_picture_holds_every_line_in_its_colours(
    journey: Journey, roadmap: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = importlib.util.spec_from_file_location("pictures", HERE / "examples" / "screenshots.py")
    assert spec is not None
    assert spec.loader is not None
    pictures = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(pictures)
    monkeypatch.setenv("FORCE_COLOR", "1")
    printed = roadmap("status").out
    texts = list(ElementTree.fromstring(pictures.svg(printed, "roadmap status")).iter())
    shown = "".join("".join((each.text or "").split()) for each in texts if "y" in each.attrib)
    plain = re.sub(r"\x1b\[[\d;]*m", "", printed)
    assert shown == "$roadmapstatus" + "".join(plain.split())
    assert any(pictures.COLOURS["36"] in each.get("style", "") for each in texts)


def test_every_picture_of_the_readme_is_there_and_told_in_words() -> None:
    links = re.findall(r"\[([^\]]*)\]\((assets/[^)]+)\)", (HERE / "README.md").read_text())
    assert len(links) > 3
    for words, name in links:
        assert (HERE / name).stat().st_size > 1000
        assert len(words.split()) > 3, name
