"""The form in which an entry is written."""

from typing import ClassVar, NamedTuple

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Label, TextArea


class Written(NamedTuple):
    """What was written: title, minutes, tags and text."""

    title: str
    minutes: int
    tags: tuple[str, ...]
    text: str


class Writing(ModalScreen[Written | None]):
    """Title, minutes and tags above the text; ctrl+s writes, escape leaves."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s", "save", "Write", priority=True),
        Binding("escape", "leave", "Leave", priority=True),
    ]

    def compose(self) -> ComposeResult:
        """The fields of the form."""
        with Vertical(id="form"):
            yield Label("[b]A new entry[/b]   ctrl+s writes it, escape leaves")
            yield Input(placeholder="Title; else the first line of the text", id="title")
            yield Input(placeholder="Minutes", id="minutes", type="integer")
            yield Input(placeholder="Tags, with spaces between", id="tags")
            yield TextArea("", id="text", language=None)

    def on_mount(self) -> None:
        """Begin with the text."""
        self.query_one(TextArea).focus()

    def action_save(self) -> None:
        """Give back what was written."""
        minutes = self.query_one("#minutes", Input).value
        text = self.query_one(TextArea).text
        title = self.query_one("#title", Input).value.strip()
        if not text.strip() and not title:
            self.notify("Nothing is written yet.", severity="warning")
            return
        spent = int(minutes) if minutes.isdigit() else 0
        if spent > 24 * 60:
            self.notify("A day has 1440 minutes.", severity="warning")
            return
        tags = tuple(self.query_one("#tags", Input).value.split())
        self.dismiss(Written(title, spent, tags, text))

    def action_leave(self) -> None:
        """Leave without writing."""
        self.dismiss(None)
