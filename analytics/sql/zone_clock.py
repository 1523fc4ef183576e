"""The clock of a time zone as an SQL expression: both engines count the same days, with plain additions."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

from lake_files import LakeError

# Narrower than any two changes of a clock lie apart.
STEP_SECONDS = 6 * 3600
DAY_SECONDS = 24 * 3600


def zone_of(name: str) -> ZoneInfo:
    """The IANA time zone of that name."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise LakeError(f"no time zone {name!r}") from error


def local_micros(zone: ZoneInfo, days: tuple[date, date] | None) -> str:
    """`micros`, in microseconds since 1970 in UTC, moved to the clock of the zone, for times of those UTC days."""
    if days is None:
        return "micros"
    start = _start_of(days[0])
    changes = _changes(zone, start, _start_of(days[1]) + DAY_SECONDS)
    ends = [at for at, _ in changes] + [None]
    offsets = [_offset(zone, start)] + [offset for _, offset in changes]
    cases = "".join(
        f" WHEN micros < {end * 1_000_000} THEN {_micros(offset)}"
        for end, offset in zip(ends, offsets, strict=True)
        if end is not None
    )
    last = _micros(offsets[-1])
    return f"(micros + CASE{cases} ELSE {last} END)" if cases else f"(micros + {last})"


def _changes(zone: ZoneInfo, start: int, end: int) -> list[tuple[int, int]]:
    """When the clock is put forward or back, and the offset from then on, in seconds."""
    changes = []
    for before in range(start, end, STEP_SECONDS):
        after = before + STEP_SECONDS
        offset = _offset(zone, after)
        if offset != _offset(zone, before):
            changes.append((_first_with(zone, offset, before, after), offset))
    return changes


def _first_with(zone: ZoneInfo, offset: int, before: int, after: int) -> int:
    while after - before > 1:
        middle = (before + after) // 2
        before, after = (before, middle) if _offset(zone, middle) == offset else (middle, after)
    return after


def _offset(zone: ZoneInfo, seconds: int) -> int:
    utc = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=seconds)
    offset = utc.astimezone(zone).utcoffset() or timedelta()
    return offset // timedelta(seconds=1)


def _start_of(day: date) -> int:
    return int(datetime.combine(day, time(), timezone.utc).timestamp())


def _micros(seconds: int) -> str:
    return f"CAST({seconds * 1_000_000} AS BIGINT)"
