//! The other engine, with the SQL of `analytics/sql`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;
use domain::order::SHOP_CHANNEL;
use jiff::civil::Date;

/// Seconds by table.
pub type Seconds = BTreeMap<String, f64>;

/// DuckDB's library and our SQL.
pub struct DuckDb {
    sql: PathBuf,
    library: PathBuf,
}

impl DuckDb {
    /// Installs the library into a folder that has it not.
    pub fn installed(checkout: &Path, folder: &Path) -> anyhow::Result<Self> {
        let sql = checkout.join("analytics/sql");
        let library = folder.join(version(&sql)?);
        if !library.is_dir() {
            let unfinished = folder.join("duckdb.unfinished");
            if unfinished.exists() {
                fs::remove_dir_all(&unfinished).with_context(|| unfinished.display().to_string())?;
            }
            let mut pip = Command::new("python3");
            pip.args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--no-deps",
                "--only-binary=:all:",
                "--require-hashes",
            ]);
            pip.arg("--target").arg(&unfinished).arg("-r").arg(sql.join("requirements-duckdb.txt"));
            run(&mut pip)?;
            fs::rename(&unfinished, &library).with_context(|| library.display().to_string())?;
        }
        Ok(Self { sql, library })
    }

    /// Computes every table, and writes a CSV file for each.
    pub fn count(&self, lake: &Path, out: &Path, until: Date, memory_gb: u16) -> anyhow::Result<Seconds> {
        let timings = out.with_extension("timings.csv");
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let mut command = Command::new("python3");
        command
            .arg(self.sql.join("run.py"))
            .args(["--engine", "duckdb", "--report", "all", "--channel", SHOP_CHANNEL])
            .args(["--time-zone", super::TIME_ZONE, "--until", &until.to_string()])
            .args(["--memory", &memory_gb.to_string(), "--threads", &threads.to_string()])
            .arg("--lake")
            .arg(lake)
            .arg("--out")
            .arg(out)
            .arg("--timings")
            .arg(&timings)
            .env("PYTHONPATH", &self.library)
            .env("PYTHONDONTWRITEBYTECODE", "1");
        run(&mut command)?;
        let text = fs::read_to_string(&timings).with_context(|| timings.display().to_string())?;
        text.lines().skip(1).map(seconds).collect()
    }
}

/// The library with its version, such as `duckdb==1.0.0`.
fn version(sql: &Path) -> anyhow::Result<String> {
    let file = sql.join("requirements-duckdb.txt");
    let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    let line = text.lines().find_map(|line| line.trim_end_matches(" \\").strip_prefix("duckdb=="));
    Ok(format!("duckdb-{}", line.context("no version of duckdb")?))
}

/// `engine,report,rows,seconds`
fn seconds(line: &str) -> anyhow::Result<(String, f64)> {
    let mut fields = line.split(',').skip(1);
    let (name, seconds) = (fields.next().context("no report")?, fields.nth(1).context("no seconds")?);
    Ok((name.to_owned(), seconds.parse()?))
}

/// The quicker of two runs, table by table.
pub fn quicker(before: Option<Seconds>, mut now: Seconds) -> Seconds {
    for (name, seconds) in before.into_iter().flatten() {
        now.entry(name).and_modify(|known| *known = known.min(seconds)).or_insert(seconds);
    }
    now
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let output = command.output().context("python3 is needed")?;
    anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
