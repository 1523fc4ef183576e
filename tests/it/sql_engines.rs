//! A random lake with every edge, counted by polars, by the SQL in DuckDB and in Spark, and plainly in Python: all tell
//! the same.

use std::process::Command;

use support::{files, program, stack};

#[test]
fn polars_duckdb_spark_and_a_plain_count_tell_the_same() {
    let stack = stack();
    let libraries = std::env::join_paths([&stack.duckdb, &stack.pyspark]).expect("paths without a colon");
    let mut command = Command::new("python3");
    command
        .args(["-m", "unittest", "test_sql"])
        .current_dir(files::checkout().join("analytics/sql"))
        .env("PYTHONPATH", libraries)
        .env("ENTREPOT_ANALYTICS", program::path("analytics"))
        .env("PYTHONDONTWRITEBYTECODE", "1");
    if let Some(home) = &stack.java_home {
        command.env("JAVA_HOME", home);
    }
    let done = command.output().expect("python3 runs");
    let told = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{told}");
    // Without the library the comparison is left out, and nothing would fail.
    for engine in ["polars", "Spark"] {
        assert!(told.contains(&format!("rows equal between {engine} and DuckDB")), "{told}");
    }
    print!("{told}");
}
