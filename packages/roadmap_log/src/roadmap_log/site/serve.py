"""The site on a local address, built again whenever the journey's files change."""

import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

from roadmap_log import terminal
from roadmap_log.errors import MachineError, RoadmapError
from roadmap_log.search.index import changes
from roadmap_log.site.build import build

if TYPE_CHECKING:
    from roadmap_log.journey import Journey

PAUSE = 1.0
"""Seconds between two looks at the journey's files."""


class _Handler(SimpleHTTPRequestHandler):
    """Files of the site, never kept by the browser, never a list of a folder."""

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        super().end_headers()

    def list_directory(self, path: Any) -> None:
        self.send_error(404)

    def log_message(self, format: str, *values: Any) -> None:
        """Say nothing: the terminal belongs to the builds."""


def server(folder: Path, port: int) -> ThreadingHTTPServer:
    """A server of `folder` on this machine alone; port 0 takes any that is free.

    Raises:
        MachineError: the port is taken.
    """
    try:
        return ThreadingHTTPServer(("127.0.0.1", port), partial(_Handler, directory=str(folder)))
    except OSError as error:
        raise MachineError(
            f"port {port} cannot be used: {error.strerror or error}",
            expected="a port that is free",
            fix="choose another one: roadmap site serve --port 0",
        ) from error


def serve(journey: "Journey", port: int) -> None:
    """Build, serve and watch until interrupted."""
    built = build(journey)
    listening = server(built.folder, port)
    address = f"http://127.0.0.1:{listening.server_address[1]}/"
    terminal.say(f"{built.pages} pages at {terminal.paint(address, 'bold')}   Ctrl-C ends it")
    thread = threading.Thread(target=listening.serve_forever, daemon=True)
    thread.start()
    try:
        watch(journey, threading.Event())
    finally:
        listening.shutdown()


def watch(journey: "Journey", ended: threading.Event, pause: float = PAUSE) -> None:
    """Build again after every change, until `ended` is set; what cannot be built is only told."""
    from roadmap_log.journey import Journey

    before = changes(journey)
    while not ended.wait(pause):
        now = changes(journey)
        if now == before:
            continue
        before = now
        try:
            built = build(Journey(journey.root))
            terminal.say(f"built again, {built.written} of {built.pages} pages new")
        except RoadmapError as error:
            terminal.say(terminal.paint(f"not built: {terminal.clean(error.problem)}", "yellow"))
        before = changes(journey)
