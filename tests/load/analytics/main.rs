//! `./dev bench analytics`: the reports of a large lake, counted by polars and by DuckDB in one run, and compared.

mod duckdb;
mod equality;
mod made_lake;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use analytics::lake::{Lake, Table};
use analytics::measure::{self, Measured, Part};
use analytics::reports;
use anyhow::Context;
use clap::Parser;
use demo::shop::Size;
use domain::order::SHOP_CHANNEL;
use jiff::Timestamp;
use jiff::civil::{Date, date};

use crate::duckdb::DuckDb;
use crate::equality::Equality;

/// The same as the job's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const END: &str = "2026-01-01T00:00:00Z";
const UNTIL: Date = date(2025, 12, 31);
const TIME_ZONE: &str = "UTC";
const SEED: u64 = 1;
/// An order of the demonstration shop has 2.75 lines, those of its refunds included.
const ORDERS: u32 = 3_650_000;
const EVENTS: u32 = 100_000_000;
const PRODUCTS: u32 = 20_000;
/// Most that counting a changed day may take.
const CHANGED_DAY_GOAL: Duration = Duration::from_secs(5);
/// How often a changed day is counted: the quickest time counts.
const CHANGED_DAY_ROUNDS: usize = 3;
/// No slower than the other engine.
const RATIO_MAX: f64 = 1.0;
/// What polars has as columns of the funnel is no work that DuckDB is charged with.
const OF_THE_FUNNEL: &str = "cart_abandonment";

#[derive(Parser)]
#[command(name = "bench analytics", about = "Counts a large lake with polars and with DuckDB")]
struct Arguments {
    /// Orders of the shop; 3.65 million of them have ten million lines
    #[arg(long, default_value_t = ORDERS, value_parser = clap::value_parser!(u32).range(1_000..=20_000_000))]
    orders: u32,
    /// Behaviour events, about
    #[arg(long, default_value_t = EVENTS, value_parser = clap::value_parser!(u32).range(1_000..=1_000_000_000))]
    events: u32,
    /// Folder of the lake; made when there is none [default: target/bench/lake-ORDERS-EVENTS]
    #[arg(long)]
    lake: Option<PathBuf>,
    /// Memory of DuckDB, in GB
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=1_024))]
    memory: u16,
    /// How often each engine counts; the quicker run counts: of DuckDB for each table, of polars for each part. With
    /// 0 only a changed day is counted
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(0..=20))]
    rounds: u16,
    /// What cargo says to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let checkout = std::env::var_os("ENTREPOT_CHECKOUT").map_or_else(|| PathBuf::from("."), PathBuf::from);
    let folder = checkout.join("target/bench");
    // cargo runs a benchmark in the folder of its package.
    let root = match &arguments.lake {
        Some(lake) => checkout.join(lake),
        None => folder.join(format!("lake-{}-{}", arguments.orders, arguments.events)),
    };
    make_lake(&root, &arguments)?;
    // From here on counts what the peak of memory is.
    fs::write("/proc/self/clear_refs", "5").context("reset the peak of memory")?;
    let lake = Lake::new(&root);
    let measured =
        |out| Measured { lake: &lake, channel: SHOP_CHANNEL, time_zone: TIME_ZONE, until: UNTIL, out };
    if arguments.rounds == 0 {
        return count_changed_day(&measured(None));
    }
    let out = folder.join("analytics");
    let duckdb = DuckDb::installed(&checkout, &folder)?;
    let mut polars: Option<Vec<Part>> = None;
    let mut others: Option<duckdb::Seconds> = None;
    for round in 1..=arguments.rounds {
        println!("round {round} of {}: polars, then DuckDB", arguments.rounds);
        // What polars kept would spare it work that DuckDB does.
        lake.forget(SHOP_CHANNEL)?;
        let parts = measure::measure(&measured(Some(out.join("polars"))))?;
        polars = Some(quicker(polars, parts));
        let seconds = duckdb.count(&root, &out.join("duckdb"), UNTIL, arguments.memory)?;
        others = Some(duckdb::quicker(others, seconds));
    }
    let peak_mib = peak_mib()?;
    let (polars, others) = (polars.unwrap_or_default(), others.unwrap_or_default());
    let equality = equality::compare(&out.join("polars"), &out.join("duckdb"))?;
    let ratio = print(&polars, &others, &equality);
    println!("peak memory of polars: {peak_mib} MiB");
    count_changed_day(&measured(None))?;
    anyhow::ensure!(equality.different() == 0, "{} rows differ", equality.different());
    anyhow::ensure!(equality.empty().is_empty(), "nothing to compare in {:?}", equality.empty());
    anyhow::ensure!(ratio <= RATIO_MAX, "{ratio:.2} times DuckDB, where {RATIO_MAX} is the goal");
    Ok(())
}

/// A lake that was made whole says so.
fn make_lake(root: &Path, arguments: &Arguments) -> anyhow::Result<()> {
    let marker = root.join("made");
    if let Ok(what) = fs::read_to_string(&marker) {
        println!("the lake is there: {}", what.trim());
        return Ok(());
    }
    // A shop's lake has the only copy of its behaviour.
    anyhow::ensure!(!root.exists(), "{} is there, and was not made here", root.display());
    let unfinished = root.with_extension("unfinished");
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished).with_context(|| unfinished.display().to_string())?;
    }
    let end: Timestamp = END.parse()?;
    let size = Size {
        events: arguments.events,
        products: PRODUCTS.min(Size::of_orders(arguments.orders, SEED, end).products),
        ..Size::of_orders(arguments.orders, SEED, end)
    };
    let started = Instant::now();
    let mut month = None;
    let made = made_lake::make(&unfinished, &size, |day| {
        if month.replace(day.first_of_month()) != Some(day.first_of_month()) {
            println!("makes {} ({:.0} s)", day.strftime("%Y-%m"), started.elapsed().as_secs_f64());
        }
    })?;
    let what = format!(
        "{} lines and {} events, made in {:.0} s",
        made.lines,
        made.events,
        started.elapsed().as_secs_f64()
    );
    fs::write(unfinished.join("made"), &what).with_context(|| unfinished.display().to_string())?;
    fs::rename(&unfinished, root).with_context(|| root.display().to_string())?;
    println!("made a lake: {what}");
    Ok(())
}

fn quicker(before: Option<Vec<Part>>, mut now: Vec<Part>) -> Vec<Part> {
    for (part, old) in now.iter_mut().zip(before.into_iter().flatten()) {
        if old.elapsed < part.elapsed {
            *part = old;
        }
    }
    now
}

/// The parts and the tables of a group, by their name in SQL. Which customers came first is counted for the sales as
/// well, and is of the customers here. A table's ratio is of its own time, a group's of all that
/// was done for it.
const GROUPS: [(&str, &[&str], &[&str]); 4] = [
    (
        "sales",
        &["orders"],
        &[
            "daily_sales",
            "monthly_sales",
            "product_sales",
            "country_sales",
            "category_sales",
            "payment_success",
            "hourly_orders",
        ],
    ),
    (
        "behaviour",
        &["behaviour"],
        &["funnel", "cart_abandonment", "search_to_sale", "product_conversion", "users"],
    ),
    (
        "customers and stock",
        &["first sales", "customers and stock"],
        &["cohorts", "lifetime_value", "rfm", "inventory_turnover"],
    ),
    ("together", &["together"], &["bought_together", "promotion_cost"]),
];

/// Prints the tables, and returns how long all took against DuckDB.
fn print(polars: &[Part], others: &duckdb::Seconds, equality: &Equality) -> f64 {
    println!(
        "{:<22} {:>9} {:>10} {:>10} {:>7} {:>9}",
        "table", "rows", "polars s", "DuckDB s", "ratio", "different"
    );
    let mut sums = (0.0, 0.0);
    for (group, parts, tables) in GROUPS {
        let of_group = || polars.iter().filter(|part| parts.contains(&part.name));
        for table in tables {
            let own = of_group().find_map(|part| part.tables.get(table.replace('_', "-").as_str()));
            let own = own.map_or(0.0, |counts| counts.elapsed.as_secs_f64());
            let other = others.get(*table).copied().unwrap_or_default();
            let found = equality.of(table);
            let different = found.map_or_else(|| "-".to_owned(), |found| found.different.to_string());
            let rows = found.map_or(0, |found| found.rows);
            let ratio = own / other;
            println!("{table:<22} {rows:>9} {own:>10.3} {other:>10.3} {ratio:>7.2} {different:>9}");
        }
        let shared: Duration = of_group().map(Part::shared).sum();
        println!("{:<22} {:>9} {:>10.3}", "(read for all of them)", "", shared.as_secs_f64());
        let ours: Duration = of_group().map(|part| part.elapsed).sum();
        let counted = tables.iter().filter(|table| **table != OF_THE_FUNNEL);
        let other: f64 = counted.filter_map(|table| others.get(*table)).sum();
        line(group, ours.as_secs_f64(), other);
        sums = (sums.0 + ours.as_secs_f64(), sums.1 + other);
    }
    line("all", sums.0, sums.1);
    println!("{} rows compared, {} different", equality.rows(), equality.different());
    sums.0 / sums.1
}

/// Counts what a run counts when its last day changed, the quickest of three times.
fn count_changed_day(measured: &Measured<'_>) -> anyhow::Result<()> {
    let mut quickest: Option<Vec<Part>> = None;
    for _ in 0..CHANGED_DAY_ROUNDS {
        write_anew(measured.lake, UNTIL)?;
        let parts = measure::incremental(measured, UNTIL)?;
        if quickest.as_deref().is_none_or(|quickest| elapsed(&parts) < elapsed(quickest)) {
            quickest = Some(parts);
        }
    }
    let quickest = quickest.unwrap_or_default();
    print_changed_day(&quickest);
    let elapsed = elapsed(&quickest);
    anyhow::ensure!(elapsed <= CHANGED_DAY_GOAL, "{elapsed:.1?}, where {CHANGED_DAY_GOAL:?} is the goal");
    Ok(())
}

/// Writes the orders and the stock of a day anew, as an extract does.
fn write_anew(lake: &Lake, day: Date) -> anyhow::Result<()> {
    for table in [Table::Lines, Table::Movements] {
        let mut rows = reports::collect(lake.scan(table, SHOP_CHANNEL, &[day])?)?;
        lake.write_day(table, SHOP_CHANNEL, day, &mut rows)?;
    }
    Ok(())
}

fn elapsed(parts: &[Part]) -> Duration {
    parts.iter().map(|part| part.elapsed).sum()
}

fn print_changed_day(parts: &[Part]) {
    let elapsed = elapsed(parts);
    let rows: usize = parts.iter().map(Part::rows).sum();
    println!("one changed day, counted: {rows} rows in {:.2} s", elapsed.as_secs_f64());
    for part in parts {
        let read = part.shared().as_secs_f64();
        println!("  {:<22} {:>6.2} s, {read:.2} s of it for all of", part.name, part.elapsed.as_secs_f64());
        for (table, counts) in &part.tables {
            println!("    {table:<20} {:>6.2} s", counts.elapsed.as_secs_f64());
        }
    }
}

fn line(name: &str, ours: f64, other: f64) {
    println!("{name:<22} {:>9} {ours:>10.3} {other:>10.3} {:>7.2}", "", ours / other);
}

fn peak_mib() -> anyhow::Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no peak of memory")?;
    let kib: u64 = line.trim().trim_end_matches(" kB").trim().parse()?;
    Ok(kib / 1_024)
}
