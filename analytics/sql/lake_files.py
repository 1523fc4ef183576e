"""The files of a lake, and the columns that the reports read of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

ID = "id"
TEXT = "text"
TIME = "time"
NUMBER = "number"

EVENTS = "behaviour"


class LakeError(Exception):
    """What is wrong with what was asked for, in a line."""


@dataclass(frozen=True)
class Table:
    """A table of the lake: one file a day, or one of all days."""

    view: str
    file: str
    columns: dict[str, str]
    is_by_day: bool = True


TABLES: dict[str, Table] = {
    "orders": Table(
        "line_files",
        "lines.parquet",
        {
            "order_id": ID,
            "refund_id": ID,
            "kind": TEXT,
            "status": TEXT,
            "customer": TEXT,
            "country": TEXT,
            "currency": TEXT,
            "occurred_at": TIME,
            "sku": TEXT,
            "product_id": TEXT,
            "quantity": NUMBER,
            "unit_price_micros": NUMBER,
            "discount_micros": NUMBER,
            "amount_micros": NUMBER,
        },
    ),
    "documents": Table(
        "document_files",
        "documents.parquet",
        {
            "order_id": ID,
            "kind": TEXT,
            "status": TEXT,
            "currency": TEXT,
            "occurred_at": TIME,
            "promotion_code": TEXT,
            "shipping_minor": NUMBER,
            "tax_minor": NUMBER,
        },
    ),
    "payments": Table(
        "payment_files",
        "payments.parquet",
        {"occurred_at": TIME, "provider": TEXT, "status": TEXT, "currency": TEXT, "amount_minor": NUMBER},
    ),
    "stock": Table(
        "movement_files",
        "movements.parquet",
        {"occurred_at": TIME, "sku": TEXT, "delta": NUMBER, "cause": TEXT},
    ),
    "users": Table("user_files", "users.parquet", {"registered_at": TIME}),
    "products": Table("product_files", "products.parquet", {"product_id": TEXT, "category": TEXT}, is_by_day=False),
    EVENTS: Table(
        "event_files",
        "events.parquet",
        {
            "id": ID,
            "occurred_at": TIME,
            "session_id": ID,
            "user_id": ID,
            "kind": TEXT,
            "product_id": ID,
            "order_id": ID,
        },
    ),
}


@dataclass(frozen=True)
class Files:
    """The files of a table. Those in which an event may be twice are apart: most days need no look at ids."""

    whole: list[Path]
    repeated: list[Path]


@dataclass(frozen=True)
class Lake:
    """A channel's part of a lake."""

    root: Path
    channel: str
    days: tuple[date, date] | None = None

    def check(self) -> None:
        """Fails when there is no such channel."""
        if not self.root.is_dir():
            raise LakeError(f"no lake in {self.root}")
        if not any(self._folder(table).is_dir() for table in TABLES):
            raise LakeError(f"no channel {self.channel!r} in {self.root}")

    def files(self, table: str) -> Files:
        """The files of a table, oldest first."""
        known = TABLES[table]
        if not known.is_by_day:
            return Files(_existing([self._folder(table) / known.file]), [])
        whole: list[Path] = []
        repeated: list[Path] = []
        for folder in self._day_folders(table):
            landed = unmerged(folder) if table == EVENTS else []
            # What has landed may be merged meanwhile: the day's file is looked for last.
            (repeated if landed else whole).extend(landed + _existing([folder / known.file]))
        return Files(whole, repeated)

    def first_and_last_day(self) -> tuple[date, date] | None:
        """The first and the last UTC day of any table."""
        days = [_day_of(folder) for table in TABLES for folder in self._day_folders(table)]
        known = [day for day in days if day]
        return (min(known), max(known)) if known else None

    def _folder(self, table: str) -> Path:
        return self.root / table / f"channel={self.channel}"

    def _day_folders(self, table: str) -> list[Path]:
        folder = self._folder(table)
        if not folder.is_dir() or not TABLES[table].is_by_day:
            return []
        return sorted(path for path in folder.iterdir() if self._is_wanted(_day_of(path)))

    def _is_wanted(self, day: date | None) -> bool:
        return day is not None and (self.days is None or self.days[0] <= day <= self.days[1])


def unmerged(folder: Path) -> list[Path]:
    """Files of events that have landed in a day's folder and are not in the day's file."""
    # First what was merged: what is merged meanwhile is read twice, and counts once.
    merged = _merged(folder)
    landed = sorted(path for path in folder.glob("hour=*/*") if path.name.partition(".")[2] == "parquet")
    return [path for path in landed if path not in merged]




def _merged(folder: Path) -> set[Path]:
    try:
        lines = (folder / ".merged").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return set()
    return {folder / line for line in lines[1:]}


def _existing(paths: list[Path]) -> list[Path]:
    return [path for path in paths if path.is_file()]


def _day_of(folder: Path) -> date | None:
    name, _, day = folder.name.partition("=")
    try:
        return date.fromisoformat(day) if name == "day" else None
    except ValueError:
        return None
