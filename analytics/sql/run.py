#!/usr/bin/env python3
"""Computes reports from the lake with DuckDB or Spark SQL: a CSV for each. METRICS.md, a folder up, defines them."""

from __future__ import annotations

import argparse
import csv
import sys
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from lake_files import Lake, LakeError
from reports import Basis, named
from zone_clock import local_micros, zone_of

if TYPE_CHECKING:
    from duckdb_engine import DuckDb
    from spark_engine import Spark


def main(arguments: list[str]) -> int:
    """Runs what the command line asks for: 0, or 2 when it cannot be run."""
    options = _parser().parse_args(arguments)
    try:
        return _run(options)
    except LakeError as error:
        print(f"run.py: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", choices=("duckdb", "spark"), required=True)
    parser.add_argument("--lake", type=Path, required=True, help="folder of the lake")
    parser.add_argument("--channel", required=True, help="shop, or the name of an imported history")
    parser.add_argument("--time-zone", required=True, help="IANA name of the zone whose days are counted")
    parser.add_argument("--report", required=True, help="names with commas between, or all")
    parser.add_argument("--until", type=_date, help="last whole day, of inventory_turnover; yesterday without it")
    parser.add_argument("--out", type=Path, help="folder of the CSV files; without it nothing is written")
    parser.add_argument("--days", type=_days, metavar="FROM..TO", help="read only these UTC days of the lake")
    parser.add_argument("--memory", type=_positive, metavar="GB", help="what the engine may hold")
    parser.add_argument("--threads", type=_positive, help="cores to use; all of them without it")
    parser.add_argument("--timings", type=Path, help="CSV of engine, report, rows and seconds")
    return parser


def _run(options: argparse.Namespace) -> int:
    wanted = named(options.report)
    zone = zone_of(options.time_zone)
    lake = Lake(options.lake, options.channel, options.days)
    lake.check()
    until = options.until or datetime.now(zone).date() - timedelta(days=1)
    basis = Basis(local_micros(zone, lake.first_and_last_day()), until)
    timings: list[tuple[str, str, int, str]] = []
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
    with _engine(options, lake, basis) as engine:
        for report in wanted:
            rows, seconds = engine.compute(report)
            print(f"{report}: {rows} rows in {seconds:.3f} s", flush=True)
            timings.append((options.engine, report, rows, f"{seconds:.3f}"))
            if options.out:
                engine.write(options.out / f"{report}.csv")
    if options.timings:
        _write_timings(options.timings, timings)
    return 0


def _engine(options: argparse.Namespace, lake: Lake, basis: Basis) -> DuckDb | Spark:
    # Only the engine that runs must be installed.
    try:
        if options.engine == "duckdb":
            from duckdb_engine import DuckDb

            return DuckDb(lake, basis, options.memory, options.threads)
        from spark_engine import Spark

        return Spark(lake, basis, options.memory, options.threads)
    except ModuleNotFoundError as error:
        raise LakeError(f"{error.name} is not installed: see requirements-{options.engine}.txt") from error


def _write_timings(path: Path, timings: list[tuple[str, str, int, str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("engine", "report", "rows", "seconds"))
        writer.writerows(timings)


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"no date: {text!r}") from error


def _days(text: str) -> tuple[date, date]:
    first, separator, last = text.partition("..")
    if not separator:
        raise argparse.ArgumentTypeError(f"not FROM..TO: {text!r}")
    return _date(first), _date(last)


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"not a positive whole number: {text!r}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
