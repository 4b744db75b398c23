"""The time of day, in one place: tests and screenshots set it by ROADMAP_NOW."""

import os
from datetime import datetime, tzinfo

from roadmap_log.errors import JourneyError


def now(zone: str = "local") -> datetime:
    """The present moment, with its offset from UTC, in `zone` ("local" or as "Europe/Berlin").

    The environment variable ROADMAP_NOW (ISO 8601 with an offset) takes its place.

    Raises:
        JourneyError: `zone` is not known, or ROADMAP_NOW is not such a time.
    """
    given = os.environ.get("ROADMAP_NOW")
    if not given:
        return datetime.now().astimezone() if zone == "local" else datetime.now(_zone(zone))
    try:
        moment = datetime.fromisoformat(given)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise JourneyError(
            f"ROADMAP_NOW={given!r} is not a time with an offset",
            expected="2026-11-21T08:30:00+01:00",
            fix="unset ROADMAP_NOW, or write it in this form",
        )
    return moment if zone == "local" else moment.astimezone(_zone(zone))


def _zone(name: str) -> tzinfo:
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise JourneyError(
            f"{name!r} is not a time zone that this machine knows",
            expected='"local", or a name as "Europe/Berlin"',
            fix="correct time_zone in journey.toml",
        ) from error
