"""The journey in other programs' formats: each a text made from the same state as all else."""

from roadmap_log.export.formats import FORMATS, Format, export

__all__ = ["FORMATS", "Format", "export"]
