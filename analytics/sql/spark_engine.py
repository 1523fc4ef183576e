"""The reports by Spark SQL, on one machine or, started by `spark-submit`, on a cluster."""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path
from types import TracebackType

from pyspark import SparkConf, StorageLevel
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.functions import lit
from pyspark.sql.types import BinaryType, DataType, LongType, StringType, StructField, StructType, TimestampType

from lake_files import EVENTS, ID, NUMBER, TABLES, TEXT, TIME, Files, Lake, Table
from reports import Basis, prelude, text

TYPES: dict[str, DataType] = {ID: BinaryType(), TEXT: StringType(), TIME: TimestampType(), NUMBER: LongType()}


class Spark:
    """A session with the lake's files as views."""

    def __init__(self, lake: Lake, basis: Basis, memory_gb: int | None, threads: int | None) -> None:
        self._spill = tempfile.TemporaryDirectory(prefix="report-spill-")
        self._session = _session(self._spill.name, memory_gb, threads)
        self._result: DataFrame | None = None
        for name, table in TABLES.items():
            self._frame(name, table, lake.files(name)).createOrReplaceTempView(table.view)
        for statement in prelude("spark", basis):
            self._session.sql(statement)

    def __enter__(self) -> Spark:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._session.stop()
        self._spill.cleanup()

    def compute(self, report: str) -> tuple[int, float]:
        """Computes a report into memory, or onto disk what does not fit: its rows and seconds."""
        if self._result is not None:
            self._result.unpersist()
        begun = time.perf_counter()
        self._result = self._session.sql(text(report)).persist(StorageLevel.MEMORY_AND_DISK)
        rows = self._result.count()
        return rows, time.perf_counter() - begun

    def write(self, path: Path) -> None:
        """Writes what was computed last, its parts one after the other."""
        if self._result is None:
            return
        parts = path.with_name(f"{path.name}.parts")
        # Values as they are: no trimmed spaces, a quote doubled, an empty text as nothing.
        options = {
            "header": "false",
            "escape": '"',
            "emptyValue": "",
            "ignoreLeadingWhiteSpace": "false",
            "ignoreTrailingWhiteSpace": "false",
        }
        self._result.write.mode("overwrite").options(**options).csv(_address(parts))
        with path.open("wb") as whole:
            whole.write((",".join(self._result.columns) + "\n").encode())
            for part in sorted(parts.glob("part-*.csv")):
                with part.open("rb") as rows:
                    shutil.copyfileobj(rows, whole)
        shutil.rmtree(parts)

    def _frame(self, name: str, table: Table, files: Files) -> DataFrame:
        schema = StructType([StructField(column, TYPES[kind]) for column, kind in table.columns.items()])
        reader = self._session.read.schema(schema)
        frames = []
        if files.whole:
            frames.append(reader.parquet(*map(_address, files.whole)))
        if files.repeated:
            repeated = reader.parquet(*map(_address, files.repeated))
            frames.append(repeated.dropDuplicates(["id"]) if name == EVENTS else repeated)
        if not frames:
            nothing = [lit(None).cast(field.dataType).alias(field.name) for field in schema]
            return self._session.range(0).select(*nothing)
        return frames[0] if len(frames) == 1 else frames[0].unionByName(frames[1])


def _address(path: Path) -> str:
    # A cluster's default file system may be another one.
    return f"file://{path.resolve()}"


def _session(spill: str, memory_gb: int | None, threads: int | None) -> SparkSession:
    builder = (
        SparkSession.builder.appName("reports")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.ansi.enabled", "true")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.sql.warehouse.dir", f"{spill}/warehouse")
    )
    if not SparkConf().contains("spark.master"):
        cores = str(threads) if threads else "*"
        builder = builder.master(f"local[{cores}]").config("spark.local.dir", spill)
        # One machine needs no more pieces than keep each of them in memory.
        builder = builder.config("spark.sql.shuffle.partitions", 16)
        builder = builder.config("spark.driver.host", "127.0.0.1").config("spark.driver.bindAddress", "127.0.0.1")
        if memory_gb:
            builder = builder.config("spark.driver.memory", f"{memory_gb}g")
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    return session
