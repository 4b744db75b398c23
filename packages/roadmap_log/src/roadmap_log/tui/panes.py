"""The tabs: today, the plan, the log, the papers, the search."""

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Horizontal, VerticalScroll
from textual.widgets import DataTable, Input, Markdown, Static, Tree

from roadmap_log import terminal
from roadmap_log.errors import RoadmapError
from roadmap_log.journey import Journey
from roadmap_log.state import ItemState, next_items

if TYPE_CHECKING:
    from roadmap_log.search import Hit
    from roadmap_log.tui.app import RoadmapApp

STYLES = {"dim": "dim", "": ""}


def _mark(each: ItemState) -> Text:
    nice, _, style = terminal.MARKS[each.mark]
    return Text(nice, style=STYLES.get(style, style))


def _escaped(line: str) -> str:
    """A line whose signs mean nothing in Markdown."""
    return re.sub(r"([^\w\s])", r"\\\1", line)


class TodayPane(VerticalScroll):
    """Where one stands and what comes next."""

    def __init__(self, journey: Journey) -> None:
        super().__init__()
        self.journey = journey

    def compose(self) -> ComposeResult:
        """One text, renewed as a whole."""
        yield Static(self._text(), classes="figures")

    def show(self, journey: Journey) -> None:
        """Show the present state."""
        self.journey = journey
        self.query_one(Static).update(self._text())

    def _text(self) -> Text:
        state, text = self.journey.state, Text()
        done = sum(each.done for each in state.items.values())
        text.append(f"{done} of {len(state.items)} done", "bold")
        text.append(f"   streak {state.streak.current}, best {state.streak.longest}")
        text.append(f"   {len(state.entries)} entries, {terminal.duration(state.minutes)}\n\n")
        for roadmap in self.journey.roadmaps:
            text.append(f"{terminal.clean(roadmap.title)}\n", "bold cyan")
            for part in roadmap.parts:
                states = state.of(part)
                reached = sum(each.done for each in states)
                full = round(24 * reached / len(states)) if states else 0
                text.append(f"  {terminal.fit(part.title, 44)} ")
                text.append("━" * full, "green")
                text.append("─" * (24 - full), "dim")
                text.append(f" {reached:3d}/{len(states)}\n")
        text.append("\nNext\n", "bold")
        for each in next_items(state):
            text.append("  ").append(_mark(each))
            text.append(f" {each.item.id}", "cyan").append(f"  {terminal.clean(each.item.title)}\n")
            if each.why:
                text.append(f"      {terminal.clean(each.why)}\n", "dim")
        return text


_COUNT = len("30/30")


class PlanPane(Horizontal):
    """The roadmaps as a tree, the item under the cursor beside it."""

    def __init__(self, journey: Journey) -> None:
        super().__init__()
        self.journey = journey

    def compose(self) -> ComposeResult:
        """Tree and text."""
        yield Tree[ItemState]("Roadmaps", classes="list")
        with VerticalScroll(classes="beside"):
            yield Static(Text("Enter opens a part; an item is told of here.", "dim"))

    def on_mount(self) -> None:
        """Fill the tree."""
        self.show(self.journey)

    def show(self, journey: Journey) -> None:
        """Show the present state; what was open is open again."""
        self.journey = journey
        tree = self._tree
        tree.clear()
        tree.show_root = False
        for roadmap in journey.roadmaps:
            top = tree.root.add(Text(roadmap.title, "bold"), expand=True)
            for part in roadmap.parts:
                self._section(top, part)

    @property
    def _tree(self) -> Tree[ItemState]:
        return cast("Tree[ItemState]", self.query_one(Tree))

    def _section(self, node: Any, section: Any) -> None:
        states = self.journey.state.of(section)
        done = sum(each.done for each in states)
        count = f"{done}/{len(states)}".rjust(_COUNT)  # before what may be cut off
        here = node.add(Text.assemble((count, "dim"), f" {terminal.clean(section.title)}"))
        for item in section.items:
            each = self.journey.state.items[item.id]
            here.add_leaf(self._label(each), data=each)
        for below in section.sections:
            self._section(here, below)

    def _label(self, each: ItemState) -> Text:
        return _mark(each).append(f" {terminal.clean(each.item.title)}", "")

    def on_tree_node_highlighted(self, event: Tree.NodeHighlighted[ItemState]) -> None:
        """Tell of the item under the cursor."""
        each = event.node.data
        if each is None:
            return
        text = Text(f"{terminal.clean(each.item.title)}\n", "bold")
        text.append(f"{each.item.id}   {each.mark}\n", "cyan")
        if each.item.topic:
            text.append(f"\n{terminal.clean(each.item.topic)}\n")
        if each.why:
            text.append(f"\n{terminal.clean(each.why)}\n", "dim")
        command = "roadmap start " if each.item.day else "roadmap tick "
        text.append(f"\n{command}{each.item.id}", "bold")
        text.append("   t ticks it by hand", "dim")
        self.query_one(Static).update(text)

    def tick(self) -> str:
        """Claim the item under the cursor, or take the claim back; says what it is now."""
        node = self._tree.cursor_node
        if node is None or node.data is None:
            return ""
        item = node.data.item.id
        kind = "item.unticked" if node.data.work.ticked else "item.ticked"
        self.journey.record(kind, item=item)
        node.data = self.journey.state.items[item]
        node.set_label(self._label(node.data))
        return f"{item} is now {node.data.status}"

    def choose(self, name: str) -> None:
        """Put the cursor on an item."""

        def search(node: Any) -> Any:
            if node.data is not None and node.data.item.id == name:
                return node
            return next(filter(None, map(search, node.children)), None)

        if found := search(self._tree.root):
            parent = found.parent
            while parent is not None:
                parent.expand()
                parent = parent.parent
            self.call_after_refresh(self._tree.move_cursor, found)
            self._tree.focus()


class _ListPane(Horizontal):
    """A table on the left, what it stands for in Markdown on the right."""

    COLUMNS: tuple[str, ...] = ()

    def __init__(self, journey: Journey) -> None:
        super().__init__()
        self.journey = journey

    def compose(self) -> ComposeResult:
        """Table and text."""
        yield DataTable[Text](cursor_type="row", classes="list")
        with VerticalScroll(classes="beside"):
            yield Markdown("", open_links=False)

    def on_mount(self) -> None:
        """Name the columns and fill them."""
        self.table.add_columns(*self.COLUMNS)
        self.show(self.journey)

    @property
    def table(self) -> DataTable[Text]:
        """The table."""
        return cast("DataTable[Text]", self.query_one(DataTable))

    def show(self, journey: Journey) -> None:
        """Show the present state."""
        self.journey = journey
        self.table.clear()
        for key, cells in self.rows():
            texts = (Text(terminal.clean(cell)) for cell in cells)
            self.table.add_row(*texts, key=key)

    def rows(self) -> list[tuple[str, tuple[str, ...]]]:
        """The rows: a key and the cells."""
        raise NotImplementedError

    def text_of(self, key: str) -> str:
        """The Markdown that a row stands for."""
        raise NotImplementedError

    def on_data_table_row_highlighted(self, event: DataTable.RowHighlighted) -> None:
        """Show what the row stands for."""
        if event.row_key.value is None:
            return
        try:
            text = self.text_of(event.row_key.value)
        except RoadmapError as error:
            text = f"**{error.problem}**"
        self.query_one(Markdown).update(text)

    def choose(self, key: Any) -> None:
        """Put the cursor on a row."""
        self.table.move_cursor(row=self.table.get_row_index(str(key)))
        self.table.focus()  # the tab that holds the focus is the one that is shown


class LogPane(_ListPane):
    """The entries, newest first."""

    COLUMNS = ("Date", "Title")

    def rows(self) -> list[tuple[str, tuple[str, ...]]]:
        """The entries that events tell of."""
        return [
            (str(self.journey.root / each.file), (f"{each.when:%d %b %Y}", each.title))
            for each in self.journey.state.entries[::-1]
        ]

    def text_of(self, key: str) -> str:
        """The entry's own text."""
        from roadmap_log.entries import read_entry

        entry = read_entry(Path(key))
        words = " ".join(f"`{tag}`" for tag in (*entry.topics, *entry.tags))
        words += f" {terminal.duration(entry.minutes)}" if entry.minutes else ""
        return f"# {_escaped(entry.title)}\n\n{words}\n\n{entry.text}"


class PapersPane(_ListPane):
    """The shelf of papers; r marks one as read."""

    COLUMNS = ("Status", "Year", "Title")

    def rows(self) -> list[tuple[str, tuple[str, ...]]]:
        """The papers by status."""
        from roadmap_log.papers import STATUSES, shelf

        papers = sorted(shelf(self.journey)[0], key=lambda each: STATUSES.index(each.status))
        return [(each.key, (each.status, str(each.year or ""), each.title[:70])) for each in papers]

    def text_of(self, key: str) -> str:
        """What is known of the paper, and the notes."""
        from roadmap_log.papers import find

        paper = find(self.journey, key)
        people = ", ".join(paper.authors)
        return f"# {_escaped(paper.title)}\n\n{people}\n\n{paper.address}\n\n{paper.notes}"

    def read(self) -> None:
        """Mark the paper under the cursor as read."""
        from roadmap_log.papers import find, update

        if not self.table.row_count:
            return
        key = self.table.coordinate_to_cell_key(self.table.cursor_coordinate).row_key.value
        paper = find(self.journey, str(key))
        when = paper.read or self.journey.now().replace(microsecond=0)
        update(self.journey, paper, replace(paper, status="read", read=when))
        self.show(self.journey)
        self.choose(key)
        self.app.notify(f"Read: {paper.title}")


class SearchPane(VerticalScroll):
    """A line to type in, and what fits it."""

    def __init__(self, journey: Journey) -> None:
        super().__init__()
        self.journey = journey
        self.hits: list[Hit] = []

    def compose(self) -> ComposeResult:
        """Input and table."""
        yield Input(placeholder='Words, "a phrase", tag:attention, kind:paper', id="query")
        yield DataTable[Text](cursor_type="row")

    def on_mount(self) -> None:
        """Name the columns."""
        self.query_one(DataTable).add_columns("Kind", "Title", "Words around")

    def show(self, journey: Journey) -> None:
        """Take over the journey as it is now."""
        self.journey = journey

    def begin(self) -> None:
        """Let the learner type."""
        self.query_one(Input).focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Search with every letter: it takes a few milliseconds."""
        from roadmap_log.search import Index, find

        table = self.query_one(DataTable)
        table.clear()
        index = Index(self.journey)
        try:
            self.hits = find(index, event.value, 50)
        except RoadmapError:  # nothing to look for yet
            self.hits = []
        finally:
            index.close()
        for number, hit in enumerate(self.hits):
            excerpt = terminal.clean(hit.excerpt.replace("\x01", "").replace("\x02", ""))
            cells = (hit.kind, terminal.clean(hit.title)[:50], excerpt[:80])
            table.add_row(*map(Text, cells), key=str(number))

    def on_input_submitted(self) -> None:
        """Go to what was found."""
        if self.hits:
            self.query_one(DataTable).focus()

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Open what was chosen."""
        app = cast("RoadmapApp", self.app)
        app.open_hit(self.hits[int(str(event.row_key.value))])
