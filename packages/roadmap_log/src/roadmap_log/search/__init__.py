"""Search over everything written: entries, papers, experiments, and the boxes of the roadmaps.

The index is an SQLite file in `.local/`. It is disposable: kept in step with the files by their
times and sizes, and made again when it is missing, damaged or of another version.
"""

from roadmap_log.search.index import Index
from roadmap_log.search.query import Hit, find

__all__ = ["Hit", "Index", "find"]
