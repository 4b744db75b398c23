"""The application: five tabs over one journey, and what its keys do."""

from typing import TYPE_CHECKING, ClassVar

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.events import Key
from textual.widgets import Footer, Header, Input, TabbedContent, TabPane, TextArea

from roadmap_log import terminal
from roadmap_log.errors import RoadmapError
from roadmap_log.journey import Journey
from roadmap_log.tui.panes import LogPane, PapersPane, PlanPane, SearchPane, TodayPane
from roadmap_log.tui.writing import Writing, Written

if TYPE_CHECKING:
    from roadmap_log.search import Hit


class RoadmapApp(App[None]):
    """The journey in tabs. Everything it changes goes through the same calls as the commands.

    Args:
        journey: what is shown.
    """

    CSS = """
    TodayPane, .beside { padding: 1 2; }
    .figures { height: auto; margin-bottom: 1; }
    .list { width: 45%; height: 100%; overflow-x: hidden; }
    .list { border-right: solid $panel; }
    .beside { width: 1fr; }
    #query { margin: 1 2; }
    Writing { align: center middle; }
    #form { width: 80%; max-width: 100; height: 80%; padding: 1 2; }
    #form { border: round $primary; background: $surface; }
    #text { height: 1fr; margin-top: 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "Quit"),
        Binding("n", "write", "New entry"),
        Binding("slash", "search", "Search"),
        Binding("t", "tick", "Tick"),
        Binding("r", "read", "Read", show=False),
        Binding("f5", "reload", "Reload", show=False),
    ]
    TABS: ClassVar[tuple[str, ...]] = ("today", "plan", "log", "papers", "search")

    def __init__(self, journey: Journey) -> None:
        super().__init__()
        self.journey = journey
        self.title = terminal.clean(journey.settings.title)

    def compose(self) -> ComposeResult:
        """The tabs between header and footer."""
        yield Header(icon=" ")
        with TabbedContent(initial="today"):
            for name, pane in (
                ("today", TodayPane(self.journey)),
                ("plan", PlanPane(self.journey)),
                ("log", LogPane(self.journey)),
                ("papers", PapersPane(self.journey)),
                ("search", SearchPane(self.journey)),
            ):
                with TabPane(name.capitalize(), id=name):
                    yield pane
        yield Footer()

    def on_key(self, event: Key) -> None:
        """1 to 5 lead to the tabs."""
        if event.key in set("12345") and not self._typing():
            self.query_one(TabbedContent).active = self.TABS[int(event.key) - 1]

    def _typing(self) -> bool:
        return isinstance(self.focused, Input | TextArea)

    def action_reload(self) -> None:
        """Read everything again, as another program may have changed it."""
        self.journey = Journey(self.journey.root)
        self.query_one(TodayPane).show(self.journey)
        self.query_one(PlanPane).show(self.journey)
        self.query_one(LogPane).show(self.journey)
        self.query_one(PapersPane).show(self.journey)
        self.query_one(SearchPane).show(self.journey)

    def action_write(self) -> None:
        """Write a new entry."""
        self.push_screen(Writing(), self._written)

    def _written(self, written: Written | None) -> None:
        if written is None:
            return
        from roadmap_log.entries import LogEntry, write_entry

        title = written.title or written.text.strip().split("\n")[0][:72]
        entry = LogEntry(title, written.text, self.journey.now(), written.tags, written.minutes)
        try:
            path = write_entry(self.journey, entry).path
        except RoadmapError as error:
            self.notify(error.problem, severity="error")
            return
        assert path is not None
        self.notify(f"Written {self.journey.short(path)}")
        self.action_reload()
        self.query_one(TabbedContent).active = "log"

    def action_search(self) -> None:
        """Go to the search."""
        self.query_one(TabbedContent).active = "search"
        self.query_one(SearchPane).begin()

    def action_tick(self) -> None:
        """Claim the item under the cursor, or take the claim back."""
        if self.query_one(TabbedContent).active != "plan":
            return
        try:
            told = self.query_one(PlanPane).tick()
        except RoadmapError as error:
            self.notify(error.problem, severity="error")
            return
        if told:
            self.notify(told)
            self.query_one(TodayPane).show(self.journey)

    def action_read(self) -> None:
        """Mark the paper under the cursor as read."""
        if self.query_one(TabbedContent).active == "papers":
            self.query_one(PapersPane).read()

    def open_hit(self, hit: "Hit") -> None:
        """Show what a search has found, where it lives."""
        tabs = self.query_one(TabbedContent)
        if hit.kind == "entry" and hit.file is not None:
            tabs.active = "log"
            self.query_one(LogPane).choose(hit.file)
        elif hit.kind == "paper":
            tabs.active = "papers"
            self.query_one(PapersPane).choose(hit.name)
        elif hit.kind == "box":
            tabs.active = "plan"
            self.query_one(PlanPane).choose(hit.name)


def run(journey: Journey) -> None:
    """Show the journey until the learner quits."""
    RoadmapApp(journey).run()
