"""DuckDB, Spark and a plain count must tell the same numbers: `python -m unittest test_sql`.

Spark is left out, and says so, where it is not installed. With ENTREPOT_DATA, the folder of the outside data, the
reports of Online Retail are compared with its reference.
"""

from __future__ import annotations

import csv
import importlib.util
import io
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from contextlib import redirect_stderr, redirect_stdout
from datetime import date
from decimal import Decimal
from itertools import zip_longest
from pathlib import Path

import duckdb
import run
from plain_reports import Plain
from random_lake import RandomLake, history, shop, write
from reports import FOLDER, REPORTS
from zone_clock import local_micros, zone_of

SEED = 20240310
# The 28 days begin amid movements, and others come after them.
UNTIL = date(2024, 4, 8)
# Whole months of movements are before the 28 days.
LATER = date(2024, 11, 1)
PLAIN = (
    "daily_sales",
    "monthly_sales",
    "product_sales",
    "country_sales",
    "category_sales",
    "funnel",
    "product_conversion",
    "search_to_sale",
    "cohorts",
    "lifetime_value",
    "rfm",
    "inventory_turnover",
    "promotion_cost",
    "bought_together",
    "hourly_orders",
)
BASES = (
    (shop, "Europe/London"),
    (shop, "America/New_York"),
    (shop, "Australia/Lord_Howe"),
    (history, "Europe/London"),
    (history, "Asia/Kathmandu"),
)
# Recency is published as scores: what is published is compared elsewhere.
POLARS = tuple(report for report in REPORTS if report != "rfm")
# Spark takes a minute for each.
SPARK_BASES = ((shop, "America/New_York"), (history, "Asia/Kathmandu"))


def compute(engine: str, lake: Path, channel: str, zone: str, *more: str) -> dict[str, list[list[str]]]:
    """Every report by the command line, in a process of its own; without its header."""
    with tempfile.TemporaryDirectory() as out:
        what = ("--engine", engine, "--lake", str(lake), "--channel", channel, "--time-zone", zone, "--out", out)
        command = [sys.executable, str(FOLDER / "run.py"), *what, "--report", "all", "--until", str(UNTIL), *more]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise AssertionError(done.stderr)
        return {report: read(Path(out) / f"{report}.csv") for report in REPORTS}


def read(path: Path) -> list[list[str]]:
    """The rows of a CSV file after its header."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))[1:]


def named_rows(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    """The names of a CSV file's columns, and its rows by them."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        return list(rows.fieldnames or ()), list(rows)


def first_difference(found: list[list[str]], expected: list[list[str]]) -> object:
    """The first rows that differ: a whole comparison of thousands of them would take minutes to print."""
    return next((pair for pair in zip_longest(found, expected) if pair[0] != pair[1]), None)


def kept_months(root: Path) -> set[Path]:
    """The files of what polars keeps of months."""
    return set((root / "kept").rglob("*.parquet"))


class Engines(unittest.TestCase):
    """The random lake."""

    root: Path
    lakes: dict[str, RandomLake]

    @classmethod
    def setUpClass(cls) -> None:
        folder = tempfile.TemporaryDirectory(prefix="random-lake-")
        cls.addClassCleanup(folder.cleanup)
        cls.root = Path(folder.name)
        cls.lakes = {make.__name__: make(SEED) for make in (shop, history)}
        for lake in cls.lakes.values():
            write(lake, cls.root)

    def test_duckdb_counts_as_a_plain_count_does(self) -> None:
        rows = 0
        for make, zone in BASES:
            found = compute("duckdb", self.root, make.__name__, zone)
            plain = Plain(self.lakes[make.__name__], zone, UNTIL)
            for report in PLAIN:
                expected = [list(map(str, row)) for row in getattr(plain, report)()]
                with self.subTest(report=report, channel=make.__name__, zone=zone):
                    self.assertIsNone(first_difference(found[report], expected))
                rows += len(expected)
            if make is shop:
                empty = [report for report in REPORTS if not found[report]]
                self.assertEqual(empty, [], "a report that has nothing proves nothing")
        print(f"{rows} rows equal between DuckDB and the plain count", file=sys.stderr)

    @unittest.skipUnless(importlib.util.find_spec("pyspark"), "pyspark is not installed")
    def test_spark_counts_as_duckdb_does(self) -> None:
        rows = 0
        for make, zone in SPARK_BASES:
            expected = compute("duckdb", self.root, make.__name__, zone)
            found = compute("spark", self.root, make.__name__, zone, "--threads", "2", "--memory", "2")
            for report in REPORTS:
                with self.subTest(report=report, channel=make.__name__, zone=zone):
                    self.assertIsNone(first_difference(found[report], expected[report]))
                rows += len(expected[report])
        print(f"{rows} rows equal between Spark and DuckDB", file=sys.stderr)

    @unittest.skipUnless(os.environ.get("ENTREPOT_ANALYTICS"), "ENTREPOT_ANALYTICS names no program")
    def test_polars_counts_as_duckdb_does(self) -> None:
        rows = sum(self._compare(self.root, make.__name__, zone) for make, zone in BASES)
        print(f"{rows} rows equal between polars and DuckDB", file=sys.stderr)

    @unittest.skipUnless(os.environ.get("ENTREPOT_ANALYTICS"), "ENTREPOT_ANALYTICS names no program")
    def test_polars_counts_a_month_anew_when_a_day_of_it_changes(self) -> None:
        with tempfile.TemporaryDirectory(prefix="random-lake-") as folder:
            root = Path(folder) / "lake"
            shutil.copytree(self.root, root)
            self._compare(root, "shop", "UTC", LATER)
            for table in ("orders", "stock"):
                before = kept_months(root)
                days = sorted((root / table / "channel=shop").iterdir())
                (lines,) = days[0].glob("*.parquet")
                one_less = lines.with_suffix(".new")
                rows = f"FROM read_parquet('{lines}', hive_partitioning = false) OFFSET 1"
                duckdb.execute(f"COPY ({rows}) TO '{one_less}' (FORMAT parquet)")
                one_less.rename(lines)
                self._compare(root, "shop", "UTC", LATER)
                shutil.rmtree(days[1])
                self._compare(root, "shop", "UTC", LATER)
                self.assertEqual(len(kept_months(root)), len(before))
                self.assertEqual(len(kept_months(root) - before), 1, "a month was counted anew")

    def _compare(self, root: Path, channel: str, zone: str, until: date = UNTIL) -> int:
        """How many rows polars and DuckDB tell alike."""
        rows = 0
        with tempfile.TemporaryDirectory() as ours, tempfile.TemporaryDirectory() as theirs:
            what = ("--lake", str(root), "--channel", channel, "--time-zone", zone, "--until", str(until))
            self._measure(*what, "--out", ours)
            with redirect_stdout(io.StringIO()):
                run.main(["--engine", "duckdb", "--report", "all", "--out", theirs, *what])
            for report in POLARS:
                names, expected = named_rows(Path(theirs) / f"{report}.csv")
                found = self._polars(Path(ours), report)
                told = sorted([row[name] for name in names] for row in found)
                with self.subTest(report=report, channel=channel, zone=zone):
                    self.assertIsNone(first_difference(told, sorted(list(row.values()) for row in expected)))
                rows += len(expected)
        return rows

    def _measure(self, *what: str) -> None:
        command = [os.environ["ENTREPOT_ANALYTICS"], "measure", "--keep", *what]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise AssertionError(done.stderr)

    def _polars(self, out: Path, report: str) -> list[dict[str, str]]:
        if report == "cart_abandonment":
            # Columns of the funnel, which has days without a cart too.
            return [row for row in named_rows(out / "funnel.csv")[1] if row["carted"] != "0"]
        path = out / f"{report}.csv"
        return named_rows(path)[1] if path.is_file() else []

    def test_days_bound_what_is_read(self) -> None:
        found = compute("duckdb", self.root, "history", "UTC", "--days", "2024-03-10..2024-03-12")
        days = sorted({row[0] for row in found["daily_sales"]})
        self.assertEqual(days, ["2024-03-10", "2024-03-11", "2024-03-12"])

    def test_what_cannot_be_run_is_told_in_a_line(self) -> None:
        cases = {
            "no channel 'nowhere' in": {"--channel": "nowhere"},
            "no time zone 'Europe/Londn'": {"--time-zone": "Europe/Londn"},
            "no report 'sales'": {"--report": "sales"},
            "no lake in": {"--lake": "/nowhere"},
        }
        usual = {"--lake": str(self.root), "--channel": "shop", "--time-zone": "UTC", "--report": "rfm"}
        for message, changed in cases.items():
            options = {"--engine": "duckdb", **usual, **changed}
            errors, out = io.StringIO(), io.StringIO()
            with redirect_stderr(errors), redirect_stdout(out):
                code = run.main([word for option in options.items() for word in option])
            self.assertEqual((code, len(errors.getvalue().splitlines())), (2, 1))
            self.assertIn(message, errors.getvalue())


class Clock(unittest.TestCase):
    """The expression for the clock of a zone."""

    def test_clocks_change_to_the_second(self) -> None:
        days = (date(2024, 1, 1), date(2024, 12, 31))
        found = local_micros(zone_of("Europe/London"), days)
        # 2024-03-31 and 2024-10-27, both 01:00 UTC.
        self.assertEqual([int(word) // 10**6 for word in found.split() if len(word) == 16], [1711846800, 1729990800])
        self.assertNotIn("CASE", local_micros(zone_of("Asia/Kathmandu"), days))
        self.assertEqual(local_micros(zone_of("UTC"), None), "micros")


class OnlineRetail(unittest.TestCase):
    """A real history, as far as its reference goes."""

    def test_the_reference_is_met(self) -> None:
        data = Path(os.environ.get("ENTREPOT_DATA", "/nonexistent"))
        source = data / "online_retail" / "online_retail.csv.gz"
        if not source.is_file():
            print("Online Retail: not compared, ENTREPOT_DATA names no folder with it", file=sys.stderr)
            self.skipTest("no outside data")
        with tempfile.TemporaryDirectory() as folder:
            make_online_retail(source, Path(folder))
            found = compute("duckdb", Path(folder), "online-retail", "UTC")
        daily = self._compare(found["daily_sales"], data / "reference" / "online_retail_daily.csv")
        monthly = self._compare(found["monthly_sales"], data / "reference" / "online_retail_monthly.csv")
        print(f"Online Retail: {daily} days and {monthly} months equal to the reference", file=sys.stderr)

    def _compare(self, rows: list[list[str]], reference: Path) -> int:
        known = {row[0]: row[2:] for row in rows}
        with reference.open(newline="", encoding="utf-8") as file:
            expected = list(csv.DictReader(file))
        for row in expected:
            key = row.get("day") or f"{row['month']}-01"
            counts = [row[name] for name in ("orders", "cancelled_orders", "customers")]
            orders, cancelled, customers, new, units, gross, _, refunds, _, _, raw, _ = known[key]
            with self.subTest(period=key):
                self.assertEqual([orders, cancelled, customers, units], [*counts, row["units"]])
                sums = [Decimal(micros).scaleb(-6) for micros in (gross, refunds, raw)]
                self.assertEqual(sums, [Decimal(row[name]) for name in ("gross_revenue", "refunds", "raw_sum")])
                self.assertEqual(row.get("new_customers", new), new)
        return len(expected)


def make_online_retail(source: Path, root: Path) -> None:
    """The lines of Online Retail as the import makes them: times are UTC as written, numbers tell the kind."""
    folder = root / "orders" / "channel=online-retail"
    folder.mkdir(parents=True)
    price = "CAST(CAST(UnitPrice AS DECIMAL(18, 6)) * 1000000 AS BIGINT)"
    lines = f"""
        SELECT
            unhex(md5(InvoiceNo)) AS order_id, CAST(NULL AS BLOB) AS refund_id, InvoiceNo AS number,
            CASE WHEN InvoiceNo LIKE 'C%' THEN 'credit' WHEN regexp_matches(InvoiceNo, '^[0-9]') THEN 'sale'
                ELSE 'adjustment' END AS kind,
            'completed' AS status, regexp_replace(nullif(trim(CustomerID), ''), '[.]0$', '') AS customer,
            Country AS country, 'GBP' AS currency, 1 AS line_number,
            CAST(InvoiceDate || '+00' AS TIMESTAMPTZ) AS occurred_at, StockCode AS sku,
            CAST(NULL AS VARCHAR) AS product_id, CAST(trim(Quantity) AS BIGINT) AS quantity,
            {price} AS unit_price_micros, CAST(0 AS BIGINT) AS discount_micros,
            CAST(trim(Quantity) AS BIGINT) * {price} AS amount_micros, left(InvoiceDate, 10) AS day
        FROM read_csv('{source}', all_varchar = true, header = true)"""
    with duckdb.connect() as database:
        database.execute("SET TimeZone = 'UTC'")
        database.execute(f"COPY ({lines}) TO '{folder}' (FORMAT parquet, PARTITION_BY (day), OVERWRITE_OR_IGNORE)")
    for part in sorted(folder.glob("day=*/*.parquet")):
        part.rename(part.with_name("lines.parquet"))


if __name__ == "__main__":
    unittest.main()
