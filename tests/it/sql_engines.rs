//! The same SQL of the reports in DuckDB, in Spark, and as a plain count in Python: all tell the same.

use std::process::Command;

use support::{files, stack};

#[test]
fn duckdb_spark_and_a_plain_count_tell_the_same() {
    let stack = stack();
    let libraries = std::env::join_paths([&stack.duckdb, &stack.pyspark]).expect("paths without a colon");
    let mut command = Command::new("python3");
    command
        .args(["-m", "unittest", "test_sql"])
        .current_dir(files::checkout().join("analytics/sql"))
        .env("PYTHONPATH", libraries)
        .env("PYTHONDONTWRITEBYTECODE", "1");
    if let Some(home) = &stack.java_home {
        command.env("JAVA_HOME", home);
    }
    let done = command.output().expect("python3 runs");
    let told = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{told}");
    // Without the library the comparison is left out, and nothing would fail.
    assert!(told.contains("rows equal between Spark and DuckDB"), "{told}");
    print!("{told}");
}
