"""The reports and their SQL, the same text for both engines."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from string import Template

from lake_files import LakeError

FOLDER = Path(__file__).resolve().parent

REPORTS = (
    "daily_sales",
    "monthly_sales",
    "product_sales",
    "country_sales",
    "category_sales",
    "payment_success",
    "funnel",
    "cart_abandonment",
    "product_conversion",
    "search_to_sale",
    "cohorts",
    "lifetime_value",
    "rfm",
    "users",
    "inventory_turnover",
    "promotion_cost",
    "bought_together",
    "hourly_orders",
)


@dataclass(frozen=True)
class Basis:
    """What every report of a run is counted by."""

    local_micros: str
    until: date


def named(names: str) -> list[str]:
    """The reports that a comma-separated list names; `all` is every one."""
    wanted = list(REPORTS) if names == "all" else names.split(",")
    for name in wanted:
        if name not in REPORTS:
            raise LakeError(f"no report {name!r}: one of {', '.join(REPORTS)}, or all")
    return wanted


def text(report: str) -> str:
    """The report's SQL."""
    return (FOLDER / f"{report}.sql").read_text(encoding="utf-8")


def prelude(engine: str, basis: Basis) -> list[str]:
    """The statements that make an engine's views of the lake's files."""
    prelude = Template((FOLDER / "prelude" / f"{engine}.sql").read_text(encoding="utf-8"))
    minor_units = (FOLDER / "prelude" / "minor_units.sql").read_text(encoding="utf-8").strip()
    statements = prelude.substitute(
        local_micros=basis.local_micros, until=basis.until.isoformat(), minor_unit_micros=minor_units
    )
    return [statement for statement in statements.split(";\n") if statement.strip()]
