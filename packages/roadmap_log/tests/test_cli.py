"""The command as a whole: quick, steady exit codes, errors that say what to do, any terminal."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from roadmap_log import cli, terminal
from roadmap_log.cli import COMMANDS
from roadmap_log.errors import EXIT_CODES, RoadmapError
from roadmap_log.journey import Journey
from sample import Command

SLOW = {
    "rich",
    "pytest",
    "_pytest",
    "jinja2",
    "markdown_it",
    "pygments",
    "nh3",
    "yaml",
    "numpy",
    "torch",
    "importlib.metadata",
    "asyncio",
    "hashlib",
    "sqlite3",
    "subprocess",
    "tempfile",
    "roadmap_log.dayfile",
    "roadmap_log.runner",
    "roadmap_log.site",
    "roadmap_log.tracks",
}


def process(journey: Journey, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "roadmap_log", *arguments],
        cwd=journey.root,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=60,
    )


def imported(journey: Journey, *arguments: str) -> set[str]:
    """The modules that a command imports."""
    program = (
        "import sys\nfrom roadmap_log.cli import main\n"
        "try: main(sys.argv[1:])\nexcept SystemExit: pass\n"
        "print('\\nMODULES', *sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=journey.root,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return set(done.stdout.rpartition("MODULES ")[2].split())


@pytest.mark.parametrize("arguments", [[], ["status"], ["next"], ["log", "-m", "text"]])
def test_the_fast_path_imports_nothing_slow(journey: Journey, arguments: list[str]) -> None:
    imported(journey, "status")  # the first call finds the tracks and remembers them
    bare = subprocess.run(
        [sys.executable, "-c", "import sys; print(*sys.modules)"], capture_output=True, text=True
    )
    found = imported(journey, *arguments) - set(bare.stdout.split())
    assert "roadmap_log.journey" in found
    assert found & SLOW == set()


def test_each_command_imports_only_its_own_module(journey: Journey) -> None:
    found = imported(journey, "status")
    others = {f"roadmap_log.commands.{name}_" for name in COMMANDS} - {
        "roadmap_log.commands.status_",
        "roadmap_log.commands.next_",
    }
    assert found & others == set()


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_has_help_and_json(name: str, roadmap: Command) -> None:
    shown = roadmap(name, "--help")
    assert shown.code == 0
    command = cli.cli.get_command(click.Context(cli.cli), name)
    inner = list(command.commands) if isinstance(command, click.Group) else [None]
    screens = [roadmap(name, each, "--help").out if each else shown.out for each in inner]
    assert any("--json" in screen for screen in screens)


@pytest.mark.parametrize(
    "arguments",
    [
        ("status",),
        ("next",),
        ("tracks",),
        ("start", "1"),
        ("hint", "1"),
        ("solution", "1", "--give-up"),
        ("test", "1"),
        ("reset", "1"),
        ("tick", "reading/paper"),
        ("log", "-m", "x"),
        ("site", "build"),
    ],
)
def test_json_is_json_and_nothing_else(
    journey: Journey, roadmap: Command, arguments: tuple[str, ...]
) -> None:
    roadmap("start", "1")
    assert roadmap(*arguments, "--json").json


def test_roadmap_alone_says_where_you_are_and_what_comes_next(
    journey: Journey, roadmap: Command
) -> None:
    shown = roadmap()
    assert shown.code == 0
    assert "0 of 5 done" in shown.out
    assert "roadmap start sample/1" in shown.out


def test_the_version_is_the_distribution_s(roadmap: Command) -> None:
    from importlib.metadata import version

    assert roadmap("--version").out == f"roadmap-log {version('roadmap-log')}\n"


def test_errors_are_three_short_lines(
    tmp_path: Path, roadmap: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = roadmap("status")
    assert result.code == 3
    assert result.out == ""
    labels = [line[:8].strip() for line in result.err.splitlines()]
    assert labels == ["problem", "expected", "do next"]
    assert "roadmap init journey" in result.err
    as_json = roadmap("status", "--json")
    error = json.loads(as_json.err)["error"]
    assert error["exit_code"] == as_json.code == 3
    assert error["fix"] == "begin one: roadmap init journey"


def test_every_error_class_has_its_place_in_the_table() -> None:
    import roadmap_log.check
    import roadmap_log.dayfile
    import roadmap_log.runner  # noqa: F401

    classes = [RoadmapError]
    for each in classes:
        classes += each.__subclasses__()
    assert len(classes) > 5
    assert {each.exit_code for each in classes} <= set(EXIT_CODES)
    told = str(RoadmapError("p", expected="e", fix="f"))
    assert told == "p\nexpected: e\nwhat to do: f"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("status", "--nonsense"), 2),
        (("nonsense",), 2),
        (("--journey", "nowhere", "status"), 3),
        (("start", "sample/77"), 4),
        (("tick", "nothing"), 4),
        (("site", "build", "--out", "."), 5),
        (("test", "1"), 4),
    ],
)
def test_exit_codes(
    journey: Journey, roadmap: Command, arguments: tuple[str, ...], code: int
) -> None:
    result = roadmap(*arguments)
    assert result.code == code
    assert result.err


def test_a_misspelt_command_is_answered_with_the_nearest(roadmap: Command) -> None:
    assert "did you mean: roadmap status" in roadmap("statuss").err


@pytest.mark.parametrize("kind", [KeyboardInterrupt, click.exceptions.Abort, EOFError])
def test_interrupted(
    journey: Journey, roadmap: Command, monkeypatch: pytest.MonkeyPatch, kind: type[BaseException]
) -> None:
    def interrupt(*arguments: object, **named: object) -> None:
        raise kind

    monkeypatch.setattr("roadmap_log.commands.status_.screen", interrupt)
    result = roadmap("status")
    assert (result.code, result.err.strip()) == (130, "interrupted")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_can_complete(shell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None
    offered = kind(cli.cli, {}, "roadmap", "_ROADMAP_COMPLETE").get_completions([], "st")
    assert {each.value for each in offered} == {"start", "stats", "status"}


def test_the_shell_completes_items_days_and_roadmaps(journey: Journey, roadmap: Command) -> None:
    from click.shell_completion import ShellComplete

    roadmap("start", "2")

    def offered(*arguments: str, begun: str) -> list[str]:
        complete = ShellComplete(cli.cli, {}, "roadmap", "_ROADMAP_COMPLETE")
        return [each.value for each in complete.get_completions(list(arguments), begun)]

    assert offered("tick", begun="re") == ["reading/paper"]
    assert offered("start", begun="sample") == ["sample/1", "sample/2", "sample/3"]
    assert offered("test", begun="") == ["sample/2"]
    assert offered("roadmaps", "add", begun="s") == ["sample", "six-months", "sprint"]
    assert offered("--journey", "nowhere", "tick", begun="") == []


def test_colour_only_where_it_is_wanted(journey: Journey) -> None:
    assert "\x1b[" not in process(journey, "status").stdout
    assert "\x1b[" in process(journey, "status", FORCE_COLOR="1").stdout
    assert "\x1b[" not in process(journey, "status", FORCE_COLOR="1", NO_COLOR="1").stdout
    assert "\x1b[" not in process(journey, "status", FORCE_COLOR="1", TERM="dumb").stdout


def test_a_terminal_without_unicode(journey: Journey) -> None:
    shown = process(journey, "status", PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.isascii()
    assert "o" in shown.stdout


@pytest.mark.parametrize("columns", ["20", "40", "80", "200"])
@pytest.mark.parametrize("command", ["status", "next"])
def test_lines_fit_the_terminal(
    journey: Journey, roadmap: Command, monkeypatch: pytest.MonkeyPatch, columns: str, command: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    lines = roadmap(command).out.splitlines()
    room = min(100, max(40, int(columns)))
    commands = ("edit ", "when it is done: ")  # what one copies stays on one line
    prose = [line for line in lines if not line.strip().startswith(commands)]
    assert len(prose) > 3
    assert [line for line in prose if terminal.width(line) > room] == []


def test_a_run_a_hint_and_a_hit_fit_the_terminal(
    journey: Journey, roadmap: Command, track: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    day = track / "day01.py"
    long = "call answer() and remember that a double is twice as much as what it is the double of"
    renamed = day.read_text().replace("test_double", "test_the_double_is_twice_the_number")
    day.write_text(renamed.replace("call answer()", long))
    roadmap("start", "1")
    file = journey.work_file("sample", 1)
    file.write_text(journey.library.day(("sample", 1)).solution().replace("= 2 *", "= 3 *"))
    failed, hint = roadmap("test"), roadmap("hint", "-e", "2")
    roadmap("log", "-m", f"A double is what one gets.\n\n{long}")
    found = roadmap("search", "twice as much")
    for result in (failed, hint, found):
        lines = (result.out + result.err).splitlines()
        lines = [line for line in lines if "roadmap test sample/1 --seed" not in line]  # is copied
        assert [line for line in lines if terminal.width(line) > 60 or line != line.rstrip()] == []
    assert "test_the_double_is_twice_the_number" in failed.out
    assert " ".join(hint.out.split()).count(long) == 1
    assert "twice as much" in found.out


def test_a_pipe_that_closes_early_is_no_error(journey: Journey) -> None:
    command = [sys.executable, "-m", "roadmap_log", "status", "--json"]
    reader = subprocess.Popen(
        command, cwd=journey.root, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert reader.stdout
    assert reader.stderr
    reader.stdout.close()
    assert reader.stderr.read() == b""
    reader.stderr.close()
    assert reader.wait(60) == 0


def test_text_of_others_cannot_take_over_the_terminal(journey: Journey, roadmap: Command) -> None:
    roadmaps = journey.root / "roadmaps" / "sample.md"
    evil = "\x1b]0;owned\x07\x1b[2J"
    roadmaps.write_text(roadmaps.read_text().replace("One", f"One{evil}").replace("first n", evil))
    for command in (["status"], ["status", "--all"], ["next"], []):
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", roadmap(*command).out)


def test_commands_are_shown_as_they_are_typed_under_uv(
    journey: Journey, roadmap: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_RUN_RECURSION_DEPTH", "1")
    assert "uv run roadmap start sample/1" in roadmap("next").out
    assert "uv run roadmap start sample/2" in roadmap("test", "2").err
    assert "uv run uv run" not in roadmap("status").out
    assert "--group learn roadmap" in terminal.as_typed("uv run --group learn roadmap …")


def test_widths_and_durations() -> None:
    assert [terminal.width(text) for text in ("abc", "日本", "e\u0301", "")] == [3, 4, 1, 0]
    assert terminal.width(terminal.fit("日本語のとても長い題名", 9)) == 9
    assert terminal.fit("a\nb", 5) == "a b  "
    assert terminal.fit("e\u0301" * 100_000, 4) == "e\u0301" * 3 + "…"
    assert [terminal.duration(n) for n in (0, 59, 60, 61, 600)] == [
        "0 min",
        "59 min",
        "1 h",
        "1 h 01",
        "10 h",
    ]


def test_a_small_step_shows_in_the_bar_and_the_bar_keeps_its_length() -> None:
    bars = [terminal.bar([(done, ""), (1, "")], 102, 20) for done in range(102)]
    assert {len(bar) for bar in bars} == {20}
    assert bars[0] != terminal.bar([], 102, 20)
    assert terminal.bar([], 0, 5) in ("─" * 5, "-" * 5)


def test_click_s_own_runner_agrees(journey: Journey) -> None:
    assert CliRunner().invoke(cli.cli, ["next"]).exit_code == 0
