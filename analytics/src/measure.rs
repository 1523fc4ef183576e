//! Counts a lake without any store, and says how long each part took: what a benchmark is made of.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use jiff::civil::Date;
use rust_decimal::Decimal;
use store::pg::reports::Values;

use crate::count::{Counted, Counting, by_month};
use crate::lake::{Lake, Table};

/// Millionths in one.
const MICROS: i64 = 1_000_000;

/// What is counted.
#[derive(Debug)]
pub struct Measured<'a> {
    /// The lake.
    pub lake: &'a Lake,
    /// A channel of it.
    pub channel: &'a str,
    /// Whose days are counted.
    pub time_zone: &'a str,
    /// The last whole day, for the report on stock.
    pub until: Date,
    /// Folder that the rows are written to, a CSV file for each report.
    pub out: Option<PathBuf>,
}

/// A part of the work: what is counted together because it reads the same.
#[derive(Debug, Clone)]
pub struct Part {
    /// Its name.
    pub name: &'static str,
    /// How long it took, the tables with what they are counted of.
    pub elapsed: Duration,
    /// What came of it.
    pub tables: BTreeMap<&'static str, Counts>,
}

/// What came of a table.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counts {
    /// Its rows.
    pub rows: usize,
    /// How long it took, without what other tables are counted of as well.
    pub elapsed: Duration,
}

/// Counts every report of every day. Blocks.
pub fn measure(measured: &Measured<'_>) -> anyhow::Result<Vec<Part>> {
    let mut files = Files { out: measured.out.as_deref(), open: BTreeMap::new() };
    let (counting, mut parts) = count(measured, &days(measured)?, &mut files)?;
    let mut together = Part::new("together");
    together.time(&mut files, || Ok(counting.together()?))?;
    parts.push(together);
    files.flush()?;
    Ok(parts)
}

/// Counts what a run counts when one UTC day changed: its month's reports on orders and behaviour, and those on
/// customers and stock. Blocks.
pub fn incremental(measured: &Measured<'_>, changed: Date) -> anyhow::Result<Vec<Part>> {
    let mut nowhere = Files { out: None, open: BTreeMap::new() };
    count(measured, &[changed], &mut nowhere).map(|(_, parts)| parts)
}

fn count(
    measured: &Measured<'_>,
    days: &[Date],
    files: &mut Files<'_>,
) -> anyhow::Result<(Counting, Vec<Part>)> {
    let mut parts = ["first sales", "orders", "behaviour", "customers and stock"].map(Part::new);
    let started = Instant::now();
    let counting = Counting::new(measured.lake, measured.channel, measured.time_zone)?;
    parts[0].elapsed = started.elapsed();
    for month in by_month(&counting.dates_of(days)) {
        parts[1].time(files, || Ok(counting.orders(month)?))?;
        parts[2].time(files, || Ok(counting.behaviour(month)?))?;
    }
    parts[3].time(files, || Ok(counting.history(measured.until)?))?;
    Ok((counting, parts.into()))
}

fn days(measured: &Measured<'_>) -> anyhow::Result<Vec<Date>> {
    let mut days: Vec<Date> = measured.lake.event_days(measured.channel)?;
    for table in Table::BY_DAY {
        days.extend(measured.lake.days(table, measured.channel)?);
    }
    days.sort_unstable();
    days.dedup();
    Ok(days)
}

impl Part {
    fn new(name: &'static str) -> Self {
        Self { name, elapsed: Duration::ZERO, tables: BTreeMap::new() }
    }

    /// How long what its tables are counted of took.
    pub fn shared(&self) -> Duration {
        let own = self.tables.values().map(|table| table.elapsed).sum();
        self.elapsed.saturating_sub(own)
    }

    /// Rows of its tables.
    pub fn rows(&self) -> usize {
        self.tables.values().map(|table| table.rows).sum()
    }

    /// The writing of files is not counted.
    fn time(
        &mut self,
        files: &mut Files<'_>,
        work: impl FnOnce() -> anyhow::Result<Vec<Counted>>,
    ) -> anyhow::Result<()> {
        let started = Instant::now();
        let counted = work()?;
        self.elapsed += started.elapsed();
        for counted in &counted {
            let table = self.tables.entry(counted.report.name).or_default();
            table.rows += counted.frame.height();
            table.elapsed += counted.elapsed;
            files.add(counted)?;
        }
        Ok(())
    }
}

/// CSV files: keys and sums, amounts in millionths, with a header.
struct Files<'a> {
    out: Option<&'a Path>,
    open: BTreeMap<&'static str, csv::Writer<File>>,
}

impl Files<'_> {
    fn add(&mut self, counted: &Counted) -> anyhow::Result<()> {
        let Some(out) = self.out else { return Ok(()) };
        let report = counted.report;
        let file = match self.open.entry(report.name) {
            Entry::Occupied(open) => open.into_mut(),
            Entry::Vacant(new) => {
                fs::create_dir_all(out).with_context(|| out.display().to_string())?;
                let path = out.join(format!("{}.csv", report.name.replace('-', "_")));
                let mut file = csv::Writer::from_path(&path).with_context(|| path.display().to_string())?;
                file.write_record(report.keys.iter().chain(report.sums).map(|column| column.name))?;
                new.insert(file)
            }
        };
        let rows = counted.rows(0)?;
        for row in 0..rows.count {
            file.write_record(rows.columns.iter().map(|values| text(values, row)))?;
        }
        Ok(())
    }

    fn flush(&mut self) -> anyhow::Result<()> {
        for file in self.open.values_mut() {
            file.flush()?;
        }
        Ok(())
    }
}

fn text(values: &Values, row: usize) -> String {
    match values {
        Values::Dates(values) => values[row].to_string(),
        Values::Texts(values) => values[row].clone(),
        Values::Counts(values) => values[row].to_string(),
        Values::Amounts(values) => (values[row] * Decimal::from(MICROS)).normalize().to_string(),
    }
}
