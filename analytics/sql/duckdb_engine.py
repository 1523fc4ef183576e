"""The reports by DuckDB."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from types import TracebackType

import duckdb

from lake_files import EVENTS, ID, NUMBER, TABLES, TEXT, TIME, Files, Lake, Table
from reports import Basis, prelude, text

TYPES = {ID: "BLOB", TEXT: "VARCHAR", TIME: "TIMESTAMPTZ", NUMBER: "BIGINT"}


class DuckDb:
    """A database in memory, with the lake's files as views; what does not fit spills into a folder of its own."""

    def __init__(self, lake: Lake, basis: Basis, memory_gb: int | None, threads: int | None) -> None:
        self._spill = tempfile.TemporaryDirectory(prefix="report-spill-")
        self._database = duckdb.connect()
        self._database.execute(f"SET temp_directory = {_quoted(self._spill.name)}")
        self._database.execute("SET TimeZone = 'UTC'")
        if memory_gb:
            self._database.execute(f"SET memory_limit = '{memory_gb}GB'")
        if threads:
            self._database.execute(f"SET threads = {threads}")
        for name, table in TABLES.items():
            self._database.execute(f"CREATE VIEW {table.view} AS {_select(name, table, lake.files(name))}")
        for statement in prelude("duckdb", basis):
            self._database.execute(statement)

    def __enter__(self) -> DuckDb:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._database.close()
        self._spill.cleanup()

    def compute(self, report: str) -> tuple[int, float]:
        """Computes a report into memory: its rows and seconds."""
        begun = time.perf_counter()
        self._database.execute(f"CREATE OR REPLACE TEMP TABLE result AS {text(report)}")
        seconds = time.perf_counter() - begun
        found = self._database.execute("SELECT count(*) FROM result").fetchone()
        return (int(found[0]) if found else 0), seconds

    def write(self, path: Path) -> None:
        """Writes what was computed last."""
        self._database.execute(f"COPY result TO {_quoted(str(path))} (FORMAT csv, HEADER, NULLSTR '\\N')")


def _select(name: str, table: Table, files: Files) -> str:
    columns = ", ".join(table.columns)
    parts = []
    if files.whole:
        parts.append(f"SELECT {columns} FROM {_parquet(files.whole)}")
    if files.repeated:
        once = "DISTINCT ON (id) " if name == EVENTS else ""
        parts.append(f"SELECT {once}{columns} FROM {_parquet(files.repeated)}")
    nothing = ", ".join(f"CAST(NULL AS {TYPES[kind]}) AS {column}" for column, kind in table.columns.items())
    return " UNION ALL ".join(parts) or f"SELECT {nothing} WHERE false"


def _parquet(files: list[Path]) -> str:
    names = ", ".join(_quoted(str(file)) for file in files)
    return f"read_parquet([{names}], hive_partitioning = false)"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
