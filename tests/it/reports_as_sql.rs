//! What is published equals the same definitions as SQL, computed by DuckDB from the same lake.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use analytics::lake::Lake;
use analytics::run::{self, RunReport, Scope as Reach};
use domain::money::Currency;
use domain::order::SHOP_CHANNEL;
use ingest::orders::{ImportOptions, OrderFormat};
use jiff::ToSpan;
use jiff::civil::{Date, date};
use rust_decimal::Decimal;
use store::pg::reports::{self, Cell, Grain, Kind, Report, ReportQuery};
use store::pg::{channels, direct, report_runs, transaction};
use support::{Scope, files, stack};

use crate::{published, seed};

/// The SQL and what is published of it. Recency is published as scores, and what SQL has of conversion is in the
/// funnel.
const REPORTS: [(&str, &str); 17] = [
    ("daily_sales", "daily-sales"),
    ("monthly_sales", "monthly-sales"),
    ("product_sales", "product-sales"),
    ("country_sales", "country-sales"),
    ("category_sales", "category-sales"),
    ("payment_success", "payment-success"),
    ("funnel", "funnel"),
    ("cart_abandonment", "cart-abandonment"),
    ("product_conversion", "product-conversion"),
    ("search_to_sale", "search-to-sale"),
    ("cohorts", "cohorts"),
    ("lifetime_value", "lifetime-value"),
    ("users", "users"),
    ("inventory_turnover", "inventory-turnover"),
    ("promotion_cost", "promotion-cost"),
    ("bought_together", "bought-together"),
    ("hourly_orders", "hourly-orders"),
];
const ALWAYS: (Date, Date) = (date(1970, 1, 1), date(9999, 12, 31));

/// A table of texts with the names of its columns, in any order of rows.
#[derive(Debug, PartialEq)]
struct Table {
    names: Vec<String>,
    rows: Vec<Vec<String>>,
}

/// What DuckDB computes, by the SQL's name.
fn computed(lake: &Path, channel: &str, zone: &str, until: Date) -> BTreeMap<String, Table> {
    let folder = files::checkout().join("analytics/sql");
    let out = files::folder("sql");
    let done = Command::new("python3")
        .arg(folder.join("run.py"))
        .args(["--engine", "duckdb", "--report", "all", "--channel", channel, "--time-zone", zone])
        .args(["--until", &until.to_string(), "--memory", "2", "--threads", "2"])
        .arg("--lake")
        .arg(lake)
        .arg("--out")
        .arg(&out)
        .env("PYTHONPATH", &stack().duckdb)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .expect("python3 runs");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let names = REPORTS.iter().map(|(name, _)| *name).chain(["rfm"]);
    names.map(|name| (name.to_owned(), read_csv(&out.join(format!("{name}.csv"))))).collect()
}

/// No text of ours has a quote, a comma or a line end in it.
fn read_csv(path: &Path) -> Table {
    let text = std::fs::read_to_string(path).expect("a file");
    let mut lines = text.lines().map(|line| line.split(',').map(str::to_owned).collect::<Vec<_>>());
    Table { names: lines.next().expect("a header"), rows: lines.collect() }
}

/// What is published, with those columns; amounts in millionths.
async fn shown(
    scope: &Scope,
    channel: &str,
    zone: &str,
    report: &Report,
    names: &[String],
) -> Vec<Vec<String>> {
    let client = scope.primary().await;
    let mut rows = Vec::new();
    // Quarter by quarter: a report has a limit.
    for quarter in 0..4 * 20 {
        let (year, month) = (2010 + quarter / 4, 1 + quarter % 4 * 3);
        let first = date(year, i8::try_from(month).expect("a month"), 1);
        let days = match report.grain {
            Grain::Whole => ALWAYS,
            _ => (first, first.saturating_add(3.months()).saturating_sub(1.day())),
        };
        let query = ReportQuery { channel, time_zone: zone, days, currency: None, limit: reports::LIMIT_MAX };
        let found = reports::read(&client, report, &query).await.expect("reads");
        assert!(!found.has_more, "{} of {first}", report.name);
        rows.extend(found.rows);
        if report.grain == Grain::Whole {
            break;
        }
    }
    let place = |name: &String| report.columns().position(|column| column.name == *name).expect("a column");
    let places: Vec<_> = names.iter().map(place).collect();
    let columns: Vec<_> = report.columns().collect();
    rows.iter()
        .map(|row| places.iter().map(|place| text(columns[*place].kind, &row[*place])).collect())
        .collect()
}

fn text(kind: Kind, cell: &Cell) -> String {
    match (kind, cell) {
        (Kind::Amount, Cell::Number(amount)) => (amount * Decimal::from(1_000_000)).normalize().to_string(),
        (_, Cell::Date(day)) => day.to_string(),
        (_, Cell::Text(text)) => text.clone(),
        (_, Cell::Count(count)) => count.to_string(),
        (_, Cell::Number(number)) => number.to_string(),
    }
}

/// How many rows are equal; panics with the first that are not.
async fn compare(scope: &Scope, channel: &str, zone: &str, until: Date) -> usize {
    let computed = computed(&scope.lake, channel, zone, until);
    let mut equal = 0;
    for (sql, name) in REPORTS {
        let mut expected = computed[sql].rows.clone();
        let report = reports::find(name).expect("a report");
        let mut found = shown(scope, channel, zone, report, &computed[sql].names).await;
        if name == "cart-abandonment" {
            // Every day with a visit is shown.
            found.retain(|row| row[1] != "0");
        }
        expected.sort();
        found.sort();
        equal += expected.len();
        let different = expected.iter().zip(&found).find(|(expected, found)| expected != found);
        assert_eq!(different, None, "{name} in {zone}: {:?}", computed[sql].names);
        assert_eq!(expected.len(), found.len(), "{name} in {zone}");
    }
    equal + compare_scores(scope, channel, zone, &computed["rfm"]).await
}

/// How recently (the larger the better), how often and for how much a customer bought, and who that is.
type Figures<'a> = (i64, i64, i128, &'a str);

/// Fifths of the customers of each currency, from the figures that DuckDB has of each.
async fn compare_scores(scope: &Scope, channel: &str, zone: &str, recency: &Table) -> usize {
    let mut currencies: BTreeMap<&str, Vec<Figures<'_>>> = BTreeMap::new();
    for row in &recency.rows {
        let [currency, customer, days, frequency, monetary] = &row[..] else { panic!("{row:?}") };
        let number = |text: &String| text.parse::<i64>().expect("a number");
        let figures = (
            -number(days),
            number(frequency),
            monetary.parse::<i128>().expect("a number"),
            customer.as_str(),
        );
        currencies.entry(currency).or_default().push(figures);
    }
    let mut cells: BTreeMap<Vec<String>, (i64, i64, i128)> = BTreeMap::new();
    for (currency, customers) in currencies {
        let score = |by: &dyn Fn(&Figures<'_>) -> i128| -> BTreeMap<String, usize> {
            let mut sorted: Vec<_> = customers.iter().map(|one| (by(one), one.3)).collect();
            sorted.sort_unstable();
            let fifth = |place: usize| 1 + 5 * place / sorted.len();
            sorted.iter().enumerate().map(|(place, one)| (one.1.to_owned(), fifth(place))).collect()
        };
        let scores = [score(&|one| one.0.into()), score(&|one| one.1.into()), score(&|one| one.2)];
        for (_, frequency, monetary, customer) in &customers {
            let mut key = vec![currency.to_owned()];
            key.extend(scores.iter().map(|of| of[*customer].to_string()));
            let cell = cells.entry(key).or_default();
            *cell = (cell.0 + 1, cell.1 + frequency, cell.2 + monetary);
        }
    }
    let expected: Vec<Vec<String>> = cells
        .into_iter()
        .map(|(key, (customers, orders, revenue))| {
            key.into_iter().chain([customers.to_string(), orders.to_string(), revenue.to_string()]).collect()
        })
        .collect();
    let report = reports::find("rfm").expect("a report");
    let names: Vec<_> = report.columns().map(|column| column.name.to_owned()).collect();
    let mut found = shown(scope, channel, zone, report, &names).await;
    found.sort();
    assert_eq!(found, expected, "rfm in {zone}");
    recency.rows.len()
}

async fn count(scope: &Scope, channel: &str, reach: Reach) -> RunReport {
    scope.older_transactions_ended().await;
    let lake = Lake::new(&scope.lake);
    run::run(&published::stores(scope), &lake, channel, reach, &|_| {}).await.expect("counts")
}

async fn in_zones(scope: &Scope, channel: &str, zones: &[&str]) {
    let mut primary = direct::primary(&scope.postgres).await.expect("the primary");
    let zones: Vec<_> = zones.iter().map(|zone| (*zone).to_owned()).collect();
    transaction::run_direct(&mut primary, "zones", async |transaction| {
        channels::set_report_time_zones(transaction, channel, &zones).await
    })
    .await
    .expect("set");
}

fn last_whole_day(report: &RunReport, zone: &str) -> Date {
    report.as_of.in_tz(zone).expect("a zone").date().saturating_sub(1.day())
}

#[tokio::test]
async fn the_demonstration_shop_is_counted_as_duckdb_counts_it() {
    let scope = Scope::new().await;
    seed::make(&scope, seed::wanted(1_500)).await.expect("seeded");
    let zones = ["America/New_York", "Pacific/Auckland"];
    in_zones(&scope, SHOP_CHANNEL, &zones).await;
    let first = count(&scope, SHOP_CHANNEL, Reach::Changed).await;
    assert!(first.figures.was_full);
    assert_eq!((first.figures.differences, first.left_out.len()), (0, 0));
    let own =
        channels::find(&scope.primary().await, SHOP_CHANNEL).await.expect("asked").expect("there").time_zone;
    for zone in zones.into_iter().chain([own.as_str()]) {
        let equal = compare(&scope, SHOP_CHANNEL, zone, last_whole_day(&first, zone)).await;
        println!("{zone}: {equal} rows compared, 0 different");
        assert!(equal > 5_000, "{equal} rows");
    }
    let standings = reports::standings(&scope.primary().await).await.expect("asked");
    let standing = standings.iter().find(|standing| standing.channel == SHOP_CHANNEL).expect("counted");
    assert!(standing.days > 700 * 3 && standing.different == 0, "{standing:?}");
    let runs = report_runs::newest(&scope.primary().await, 1).await.expect("asked");
    assert_eq!((runs[0].done, runs[0].error.as_deref()), (first.figures, None));
}

/// Needs the real data beside the checkout; where it is missing the other test stands for it.
#[tokio::test]
async fn the_real_history_is_counted_as_duckdb_counts_it() {
    const CHANNEL: &str = "online-retail";
    let Some(file) = files::data("online_retail/online_retail.csv.gz") else {
        return;
    };
    let scope = Scope::new().await;
    let folder = files::folder("real-sql");
    let options = ImportOptions {
        format: OrderFormat::OnlineRetail,
        channel: CHANNEL.to_owned(),
        currency: Currency::GBP,
        refused: folder.join("refused.csv"),
        report: folder.join("report.ndjson"),
        map: None,
        is_dry: false,
        file,
    };
    ingest::orders::import(&scope.postgres, &options, |_| {}).await.expect("imports");
    let counted = count(&scope, CHANNEL, Reach::Changed).await;
    assert_eq!(counted.figures.differences, 0);
    let equal = compare(&scope, CHANNEL, "UTC", last_whole_day(&counted, "UTC")).await;
    println!("{equal} rows compared, 0 different");
    assert!(equal > 100_000, "{equal} rows");
    compare_months(&scope, CHANNEL).await;
}

/// The months of the reference, to the last digit.
async fn compare_months(scope: &Scope, channel: &str) {
    let Some(reference) = files::data("reference/online_retail_monthly.csv") else {
        return;
    };
    let expected = read_csv(&reference);
    let report = reports::find("monthly-sales").expect("a report");
    let mut names = expected.names.clone();
    names[0] = "month".to_owned();
    let query = ReportQuery { channel, time_zone: "UTC", days: ALWAYS, currency: None, limit: 100 };
    let found = reports::read(&scope.primary().await, report, &query).await.expect("reads").rows;
    let place = |name: &String| report.columns().position(|column| column.name == *name).expect("a column");
    let found: Vec<Vec<String>> = found
        .iter()
        .map(|row| names.iter().map(|name| text(Kind::Text, &row[place(name)])).collect())
        .collect();
    for row in &expected.rows {
        let month = format!("{}-01", row[0]);
        let found = found.iter().find(|found| found[0] == month).unwrap_or_else(|| panic!("{month}"));
        let numbers = |row: &[String]| -> Vec<Decimal> {
            row[1..].iter().map(|number| number.parse().expect("a number")).collect()
        };
        assert_eq!(numbers(found), numbers(row), "{month}");
    }
    assert_eq!(expected.rows.len(), 7);
}
