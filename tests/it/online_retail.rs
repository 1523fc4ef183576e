//! An order history comes in as it was written, and its daily sales add up to the last digit.

use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use analytics::lake::{Lake, Table};
use analytics::run::{self, Remedy, RunReport, Scope as Reach};
use domain::money::Currency;
use domain::order::OrderKind;
use flate2::Compression;
use flate2::write::GzEncoder;
use ingest::channel::ChannelError;
use ingest::orders::{ImportError, ImportOptions, ImportReport, OrderFormat};
use jiff::civil::{Date, date};
use rust_decimal::Decimal;
use store::pg::advisory_lock::{self, Right};
use store::pg::orders::OrderFilter;
use store::pg::{direct, orders};
use support::{Scope, files, wait};

use crate::published::{self, DailySales};

const WAIT: Duration = Duration::from_secs(20);
const CHANNEL: &str = "history";
const HEADER: &str = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n";

/// One of each quirk; lines 9 to 11 are broken.
const QUIRKS: &str = "\
536365,85123A,HEART,6,2010-12-01 08:26:00,2.55,17850.0,United Kingdom
536365,85123A,HEART,6,2010-12-01 08:26:00,2.55,17850.0,United Kingdom
536366,22633,\"WARMER, \"\"UNION\"\" JACK\",6,2010-12-01 08:28:00,1.855,,United Kingdom
C536379,D,Discount,-1,2010-12-01 09:41:00,27.50,14527.0,United Kingdom
A563185,B,Adjust bad debt,1,2010-12-01 14:50:00,11062.06,,United Kingdom
536589,21777,,-10,2010-12-01 16:50:00,0.0,,United Kingdom
536414,22139,,56,2010-12-01 11:52:00,0.0,,United Kingdom
536370,22728,\"BAKELIKE,24,2010-12-01 08:45:00,3.75,12583.0,France
536371,22086,CHAIN,eighty,2010-12-01 09:00:00,2.55,13748.0,United Kingdom
536372,22632,WARMER,6,2010-12-02 09:01:00,1.85,17850.0
536373,85123a,heart,2,2010-12-02 10:00:00,1.00,17850.0,United Kingdom
";

/// The same, repaired, with the first line a third time.
const REPAIRED: &str = "\
536370,22728,BAKELIKE,24,2010-12-01 08:45:00,3.75,12583.0,France
536371,22086,CHAIN,80,2010-12-01 09:00:00,2.55,13748.0,United Kingdom
536372,22632,WARMER,6,2010-12-02 09:01:00,1.85,17850.0,United Kingdom
536365,85123A,HEART,6,2010-12-01 08:26:00,2.55,17850.0,United Kingdom
";

fn options(folder: &Path, name: &str, bytes: &[u8]) -> ImportOptions {
    let file = folder.join(name);
    std::fs::write(&file, bytes).expect("written");
    ImportOptions {
        format: OrderFormat::OnlineRetail,
        channel: CHANNEL.to_owned(),
        currency: Currency::GBP,
        refused: folder.join(format!("{name}.refused.csv")),
        report: folder.join(format!("{name}.report.ndjson")),
        map: None,
        is_dry: false,
        file,
    }
}

async fn import(scope: &Scope, options: &ImportOptions) -> Result<ImportReport, ImportError> {
    ingest::orders::import(&scope.postgres, options, |_| {}).await
}

async fn count(scope: &Scope, reach: Reach) -> RunReport {
    scope.older_transactions_ended().await;
    let lake = Lake::new(&scope.lake);
    run::run(&published::stores(scope), &lake, CHANNEL, reach, &|_| {}).await.expect("computes")
}

async fn report(scope: &Scope) -> Vec<DailySales> {
    let (from, to) = (date(2010, 1, 1), date(2012, 12, 31));
    let (rows, as_of) = published::read(&scope.primary().await, CHANNEL, (from, to), Some("GBP")).await;
    assert!(as_of.is_some());
    rows
}

/// A row as `reference/` writes it.
fn text(row: &DailySales) -> String {
    let DailySales { date, orders, cancelled_orders, customers, units, .. } = row;
    let amounts =
        [row.gross_revenue, row.refunds, row.net_revenue, row.raw_sum, row.aov, row.cancellation_rate];
    let amounts = amounts.map(|amount| amount.to_string()).join(",");
    format!("{date},{orders},{cancelled_orders},{customers},{units},{amounts}")
}

/// What a second import must not touch.
async fn fingerprint(scope: &Scope) -> (i64, Option<String>, i64, i64) {
    const SQL: &str = "SELECT coalesce(sum(version), 0)::bigint, max(changed_xid::text), \
                       (SELECT count(*) FROM order_lines), (SELECT count(*) FROM outbox) FROM orders";
    let row = scope.primary().await.query_one(SQL, &[]).await.expect("counts");
    (row.get(0), row.get(1), row.get(2), row.get(3))
}

#[tokio::test]
async fn each_quirk_is_kept_refused_or_counted() {
    let scope = Scope::new().await;
    let folder = files::folder("quirks");
    let file = options(&folder, "quirks.csv", format!("{HEADER}{QUIRKS}").as_bytes());
    let first = import(&scope, &file).await.expect("imports");
    assert_eq!((first.rows_read, first.rows_refused()), (11, 3));
    assert_eq!((first.merged.documents_added, first.merged.lines_added), (7, 8));
    let refused = std::fs::read_to_string(&file.refused).expect("refused rows");
    let reasons: Vec<_> = refused.lines().map(|row| row.split(",\"5").next().unwrap_or_default()).collect();
    let quantity = "10,\"quantity is not a whole number: \"\"eighty\"\"\"";
    assert_eq!(reasons, ["line,reason,row", "9,broken quoting", quantity, "11,7 fields instead of 8"]);
    assert!(refused.contains("\"536370,22728,\"\"BAKELIKE,24,2010-12-01 08:45:00,3.75,12583.0,France\""));

    let filter = OrderFilter { channel: Some(CHANNEL.to_owned()), user_id: None };
    let listed = orders::list(&scope.primary().await, &filter, None, 100).await.expect("lists");
    let kind = |number: &str| listed.iter().find(|order| order.number == number).expect("there").kind;
    assert_eq!(kind("536365"), OrderKind::Sale);
    assert_eq!(kind("C536379"), OrderKind::Credit);
    assert_eq!([kind("A563185"), kind("536589")], [OrderKind::Adjustment; 2]);

    assert_eq!(count(&scope, Reach::Changed).await.figures.days_extracted, 2);
    let rows: Vec<_> = report(&scope).await.iter().map(text).collect();
    let expected = [
        "2010-12-01,2,1,1,18,41.730,-27.500,14.230,11076.290,20.87,0.333333",
        "2010-12-02,1,0,1,2,2.000,0.000,2.000,2.000,2.00,0.000000",
    ];
    assert_eq!(rows, expected);
}

#[tokio::test]
async fn a_second_import_changes_nothing_and_a_repaired_file_adds_what_was_missing() {
    let scope = Scope::new().await;
    let folder = files::folder("again");
    let file = options(&folder, "quirks.csv", format!("{HEADER}{QUIRKS}").as_bytes());
    import(&scope, &file).await.expect("imports");
    count(&scope, Reach::Changed).await;
    let before = fingerprint(&scope).await;
    let again = import(&scope, &file).await.expect("imports").merged;
    assert_eq!((again.documents_added, again.documents_changed, again.lines_added), (0, 0, 0));
    assert_eq!((again.lines_known, fingerprint(&scope).await), (8, before));
    let unchanged = count(&scope, Reach::Changed).await;
    assert_eq!(
        (unchanged.figures.was_full, unchanged.figures.days_extracted, unchanged.figures.rows_published),
        (false, 0, 0)
    );

    let good: String = QUIRKS
        .lines()
        .enumerate()
        .filter(|(place, _)| !(7..10).contains(place))
        .fold(String::new(), |text, (_, line)| text + line + "\n");
    let repaired = options(&folder, "repaired.csv", format!("{HEADER}{good}{REPAIRED}").as_bytes());
    let merged = import(&scope, &repaired).await.expect("imports").merged;
    assert_eq!((merged.documents_added, merged.documents_changed), (3, 1));
    assert_eq!((merged.lines_added, merged.lines_known), (4, 8));
    assert!(!count(&scope, Reach::Changed).await.figures.was_full);
    let changed: Vec<_> = report(&scope).await.iter().map(text).collect();
    // 41.73 + 24 x 3.75 + 80 x 2.55 + 6 x 2.55 on the first day, 2.00 + 6 x 1.85 on the second.
    assert!(changed[0].starts_with("2010-12-01,4,1,3,128,351.030,"), "{changed:?}");
    assert!(changed[1].starts_with("2010-12-02,2,0,1,8,13.100,"), "{changed:?}");
    count(&scope, Reach::Full).await;
    assert_eq!(report(&scope).await.iter().map(text).collect::<Vec<_>>(), changed);
}

#[tokio::test]
async fn a_cut_gzip_keeps_what_was_before_the_cut() {
    let scope = Scope::new().await;
    let folder = files::folder("cut");
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(HEADER.as_bytes()).expect("in memory");
    for number in 0..3_000 {
        let (sku, quantity) = (number * 7_919 % 10_007, number % 17 + 1);
        writeln!(encoder, "{number},{sku},THING,{quantity},2011-01-04 10:00:00,1.25,,France")
            .expect("in memory");
    }
    let whole = encoder.finish().expect("in memory");
    let cut = options(&folder, "cut.csv.gz", &whole[..whole.len() / 2]);
    let first = import(&scope, &cut).await.expect("imports");
    assert_eq!(first.refused.get("cut gzip"), Some(&1));
    let damage = first.damage.as_deref().expect("it was not read to its end");
    assert!(damage.contains("the gzip file is cut off here"), "{damage}");
    assert!(first.merged.lines_added > 500, "{first:?}");
    assert_eq!(first.merged.lines_added, first.rows_read - 1);
    let refused = std::fs::read_to_string(&cut.refused).expect("refused rows");
    assert!(
        refused.contains(&format!("\n{},the gzip file is cut off here", first.rows_read + 1)),
        "{refused}"
    );
    let rest = import(&scope, &options(&folder, "whole.csv.gz", &whole)).await.expect("imports");
    assert_eq!(rest.damage, None);
    assert_eq!(rest.merged.lines_added + first.merged.lines_added, 3_000);
}

#[tokio::test]
async fn what_cannot_be_an_import_loads_nothing() {
    let scope = Scope::new().await;
    let folder = files::folder("refused");
    let header = options(&folder, "header.csv", b"Invoice,StockCode\n1,2\n");
    assert!(matches!(import(&scope, &header).await, Err(ImportError::Header(_))));
    let good = options(&folder, "good.csv", format!("{HEADER}{QUIRKS}").as_bytes());
    let shop = ImportOptions { channel: "shop".to_owned(), ..good.clone() };
    assert!(matches!(import(&scope, &shop).await, Err(ImportError::Channel(ChannelError::Shop))));
    let missing = ImportOptions { file: PathBuf::from("no-such-file.csv"), ..good.clone() };
    assert!(matches!(import(&scope, &missing).await, Err(ImportError::Input(_))));
    assert_eq!(fingerprint(&scope).await.2, 0);
    import(&scope, &good).await.expect("imports");
    let euro = ImportOptions { currency: Currency::EUR, ..good };
    assert!(matches!(import(&scope, &euro).await, Err(ImportError::OtherCurrency { .. })));
}

#[tokio::test]
async fn days_are_those_of_the_channels_zone() {
    let scope = Scope::new().await;
    let folder = files::folder("zone");
    let line = |number: u32, at: &str| format!("{number},1,THING,1,{at},1.00,,UK\n");
    let first = format!("{HEADER}{}{}", line(1, "2011-03-26 23:59:59"), line(2, "2011-03-27 22:59:59"));
    import(&scope, &options(&folder, "first.csv", first.as_bytes())).await.expect("imports");
    let zone = "UPDATE channels SET time_zone = 'Europe/London' WHERE code = $1";
    scope.primary().await.execute(zone, &[&CHANNEL]).await.expect("set");
    count(&scope, Reach::Changed).await;
    let days = async || -> Vec<(Date, i64)> {
        report(&scope).await.iter().map(|row| (row.date, row.orders)).collect()
    };
    assert_eq!(days().await, [(date(2011, 3, 26), 1), (date(2011, 3, 27), 1)]);
    // Written to the UTC day of the 27th, counted on the 28th: the neighbouring day is counted anew.
    let second = format!("{HEADER}{}", line(3, "2011-03-27 23:00:00"));
    import(&scope, &options(&folder, "second.csv", second.as_bytes())).await.expect("imports");
    assert_eq!(count(&scope, Reach::Changed).await.figures.days_extracted, 1);
    assert_eq!(days().await, [(date(2011, 3, 26), 1), (date(2011, 3, 27), 1), (date(2011, 3, 28), 1)]);
}

#[tokio::test]
async fn two_runs_of_a_channel_do_not_meet() {
    let scope = Scope::new().await;
    let holder = scope.primary().await;
    assert!(advisory_lock::take(&holder, Right::CountDailySales("shop")).await.expect("asked"));
    let lake = Lake::new(&scope.lake);
    let busy = run::run(&published::stores(&scope), &lake, "shop", Reach::Changed, &|_| {}).await;
    assert_eq!(busy.expect_err("busy").remedy(), Remedy::Wait);
    drop(holder);
    let unknown = run::run(&published::stores(&scope), &lake, "nowhere", Reach::Changed, &|_| {}).await;
    assert_eq!(unknown.expect_err("unknown").remedy(), Remedy::GiveUp);
}

#[tokio::test]
async fn a_frozen_server_is_passed_over() {
    let scope = Scope::new().await;
    // The system accepts for it; nobody ever answers.
    let frozen = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let mut postgres = scope.postgres.clone();
    postgres.nodes.insert(0, frozen.local_addr().expect("an address").to_string());
    let (primary, standby) = tokio::join!(direct::primary(&postgres), direct::standby(&postgres));
    for (client, is_standby) in [(primary, false), (standby, true)] {
        let client = client.expect("another server answers");
        let row = client.query_one("SELECT pg_is_in_recovery()", &[]).await.expect("answers");
        assert_eq!(row.get::<_, bool>(0), is_standby);
    }
}

#[tokio::test]
async fn a_killed_import_leaves_its_beginning_and_nothing_else() {
    const RUNS: &str = "SELECT count(*), count(finished_at), min(file_name) FROM import_runs";
    let scope = Scope::new().await;
    let folder = files::folder("killed");
    let file = options(&folder, "killed.csv", format!("{HEADER}{QUIRKS}").as_bytes());
    let holder = scope.primary().await;
    holder.batch_execute("BEGIN; LOCK TABLE order_numbers").await.expect("locked");
    let (settings, killed) = (scope.postgres.clone(), file.clone());
    let importing = tokio::spawn(async move { ingest::orders::import(&settings, &killed, |_| {}).await });
    let begun = async || {
        let row = scope.primary().await.query_one(RUNS, &[]).await.expect("counts");
        (row.get::<_, i64>(0), row.get::<_, i64>(1), row.get::<_, Option<String>>(2))
    };
    wait::until("the import has begun", WAIT, async || (begun().await.0 == 1).then_some(())).await;
    importing.abort();
    holder.batch_execute("ROLLBACK").await.expect("given up");
    assert_eq!(begun().await, (1, 0, Some("killed.csv".to_owned())));
    assert_eq!(fingerprint(&scope).await.2, 0);
    // The server sees the killed connection's end when its statement ends.
    let imported = wait::until("the channel is free", WAIT, async || match import(&scope, &file).await {
        Err(ImportError::Busy(_)) => None,
        ended => Some(ended.expect("imports").merged),
    })
    .await;
    assert_eq!(imported.lines_added, 8);
    assert_eq!(begun().await.1, 1);
}

#[tokio::test]
async fn the_lines_of_a_day_are_found_by_their_time() {
    const HISTORY: &str = "
        INSERT INTO channels (code) VALUES ('history');
        SELECT ensure_order_partitions('2020-01-01', '2022-01-31');
        CREATE TEMP TABLE made AS
            SELECT uuid_v7_named(at, at::text) AS id, at
            FROM generate_series(timestamptz '2020-01-01 12:00Z', '2022-01-31 12:00Z', '1 day') AS at;
        INSERT INTO orders (id, created_at, channel, number, kind, status, currency, total_minor, line_count)
            SELECT id, at, 'history', at::text, 'sale', 'completed', 'GBP', 4000, 40 FROM made;
        INSERT INTO order_lines (order_id, created_at, line_number, occurred_at, sku, quantity, unit_price,
                                 amount_minor)
            SELECT id, at, line, at + line * interval '1 minute', 'sku', 1, 1, 100
            FROM made, generate_series(1, 40) AS line;
        ANALYZE orders; ANALYZE order_lines";
    let scope = Scope::new().await;
    let client = scope.primary().await;
    client.batch_execute(HISTORY).await.expect("25 months of lines");
    let explain =
        format!("EXPLAIN {}", include_str!("../../store/src/pg/sales_extract/lines.sql").trim_end());
    let (first, last) = (date(2021, 3, 4), date(2021, 3, 5));
    let plan = client.query(&explain, &[&CHANNEL, &first, &last]).await.expect("explains");
    let plan: Vec<String> = plan.iter().map(|row| row.get(0)).collect();
    // Months ahead have partitions too; an empty one has nothing to search.
    let scans = |kind: &str| -> usize {
        let of_lines = plan.iter().filter(|line| line.contains(kind) && line.contains(" on order_lines_"));
        of_lines.filter(|line| (2020..=2022).any(|year| line.contains(&format!("lines_{year}_")))).count()
    };
    assert_eq!((scans("_occurred_at_idx"), scans("Seq Scan")), (25, 0), "{plan:#?}");

    let lake = Lake::new(&scope.lake);
    count(&scope, Reach::Changed).await;
    assert_eq!(lake.days(Table::Lines, CHANNEL).expect("a lake").len(), 762);
    client
        .batch_execute("UPDATE orders SET changed_xid = pg_current_xact_id() WHERE number LIKE '2021-03-04%'")
        .await
        .expect("changed");
    let changed = count(&scope, Reach::Changed).await;
    assert_eq!(
        (changed.figures.was_full, changed.figures.days_extracted, changed.figures.lines_extracted),
        (false, 1, 40)
    );
}

/// Needs the real data beside the checkout; where it is missing the other tests stand for it.
#[tokio::test]
async fn the_real_history_equals_the_reference() {
    let Some(file) = files::data("online_retail/online_retail.csv.gz") else {
        return;
    };
    let Some(reference) = files::data("reference/online_retail_daily.csv") else {
        return;
    };
    let scope = Scope::new().await;
    let folder = files::folder("real");
    let real = ImportOptions { file, ..options(&folder, "unused.csv", b"") };
    let first = import(&scope, &real).await.expect("imports");
    println!("{} lines per second", first.rows_per_second());
    assert_eq!((first.rows_read, first.rows_refused()), (541_909, 0));
    assert_eq!((first.merged.documents_added, first.merged.lines_added), (25_900, 541_909));
    count(&scope, Reach::Changed).await;
    let rows = report(&scope).await;

    let reference = std::fs::read_to_string(reference).expect("reads");
    let expected: Vec<&str> = reference.lines().skip(1).collect();
    assert_eq!(expected.len(), 167);
    for line in expected {
        let day = line.split(',').next().unwrap_or_default();
        let row = rows.iter().find(|row| row.date.to_string() == day).map(text).unwrap_or_default();
        // The reference leaves out zeros at the end of averages and rates; amounts have the same digits.
        let numbers = |line: &str| -> Vec<Decimal> {
            line.split(',').skip(1).map(|number| number.parse().expect("a number")).collect()
        };
        let digits =
            |line: &str| -> Vec<String> { line.split(',').skip(1).take(8).map(str::to_owned).collect() };
        assert_eq!((numbers(&row), digits(&row)), (numbers(line), digits(line)), "{day}");
    }
    let before = fingerprint(&scope).await;
    let again = import(&scope, &real).await.expect("imports").merged;
    assert_eq!((again.lines_added, again.lines_known), (0, 541_909));
    assert_eq!(fingerprint(&scope).await, before);
}
