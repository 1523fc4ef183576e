//! A lake that is damaged: the last good report stays, the run says what is wrong, and the next one heals.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use analytics::lake::{Lake, Table};
use analytics::run::{self, RunError, RunReport, Scope as Reach};
use domain::behaviour::{BehaviourEvent, BehaviourKind};
use domain::ids::{EventId, ProductId, SessionId};
use domain::order::SHOP_CHANNEL;
use jiff::civil::date;
use jiff::{SignedDuration, Timestamp};
use lake::behaviour::Writer;
use store::pg::report_runs::{self, RunFigures};
use store::pg::reports::{self, Cell, ReportQuery};
use support::{Scope, files, program, shop_orders};
use uuid::Uuid;

use crate::published;

const DAYS: [&str; 3] = ["2025-03-29", "2025-03-30", "2025-04-02"];

async fn shop() -> Scope {
    let scope = Scope::new().await;
    let client = scope.primary().await;
    for (place, day) in DAYS.iter().enumerate() {
        let at = format!("{day}T12:00:00Z");
        let mut order = shop_orders::order(&format!("S{place}"), &at, 1, &[(2, 1_000)]);
        order.status = domain::order::OrderStatus::Paid;
        shop_orders::write(&client, &order).await;
    }
    scope
}

async fn try_count(scope: &Scope) -> Result<RunReport, RunError> {
    scope.older_transactions_ended().await;
    let lake = Lake::new(&scope.lake);
    run::run(&published::stores(scope), &lake, SHOP_CHANNEL, Reach::Changed, &|_| {}).await
}

async fn count(scope: &Scope) -> RunReport {
    try_count(scope).await.expect("counts")
}

/// Dates and sums of a report.
async fn shown(scope: &Scope, name: &str) -> Vec<Vec<Cell>> {
    let report = reports::find(name).expect("a report");
    let days = (date(2025, 1, 1), date(2025, 12, 31));
    let query = ReportQuery { channel: SHOP_CHANNEL, time_zone: "UTC", days, currency: None, limit: 100 };
    reports::read(&scope.primary().await, report, &query).await.expect("reads").rows
}

fn file(scope: &Scope, table: &str, day: &str, name: &str) -> PathBuf {
    scope.lake.join(format!("{table}/channel=shop/day={day}/{name}.parquet"))
}

fn truncate(path: &Path) {
    let bytes = fs::read(path).expect("a file");
    fs::write(path, &bytes[..bytes.len() / 2]).expect("cut");
}

#[tokio::test]
async fn days_that_are_missing_cut_or_of_another_shape_are_extracted_anew() {
    let scope = shop().await;
    let first = count(&scope).await;
    assert!(first.figures.was_full);
    let before = shown(&scope, "daily-sales").await;
    assert_eq!(before.len(), DAYS.len());
    assert_eq!(count(&scope).await.figures.days_healed, 0);

    fs::remove_file(file(&scope, "orders", DAYS[0], "lines")).expect("removed");
    truncate(&file(&scope, "documents", DAYS[1], "documents"));
    fs::copy(file(&scope, "payments", DAYS[2], "payments"), file(&scope, "orders", DAYS[2], "lines"))
        .expect("another table's file");
    let healed = count(&scope).await;
    assert_eq!((healed.figures.was_full, healed.figures.days_healed), (false, 3));
    assert_eq!(shown(&scope, "daily-sales").await, before);
    assert_eq!(count(&scope).await.figures.days_healed, 0);
}

#[tokio::test]
async fn a_file_of_the_right_size_and_the_wrong_content_fails_one_run() {
    let scope = shop().await;
    count(&scope).await;
    let before = shown(&scope, "daily-sales").await;
    let path = file(&scope, "orders", DAYS[1], "lines");
    let size = fs::metadata(&path).expect("a file").len();
    fs::write(&path, vec![0; usize::try_from(size).expect("small")]).expect("written");
    // A new order asks for the days.
    let order = shop_orders::order("S9", "2025-03-31T12:00:00Z", 1, &[(1, 500)]);
    let mut order = order;
    order.status = domain::order::OrderStatus::Paid;
    shop_orders::write(&scope.primary().await, &order).await;

    try_count(&scope).await.expect_err("the file is no Parquet");
    assert_eq!(shown(&scope, "daily-sales").await, before, "the last good report stays");
    let runs = report_runs::newest(&scope.primary().await, 1).await.expect("asked");
    assert!(runs[0].error.is_some() && runs[0].done.as_of.is_none(), "{runs:?}");
    let healed = count(&scope).await;
    assert!(healed.figures.was_full, "everything is extracted again");
    assert_eq!(shown(&scope, "daily-sales").await.len(), before.len() + 1);
}

#[tokio::test]
async fn a_kill_between_extract_and_publication_is_made_good() {
    let scope = shop().await;
    count(&scope).await;
    // The manifest of another run than the one that was published last: whatever it says is not believed.
    let manifest = scope.lake.join("manifests/shop.json");
    let kept = fs::read(&manifest).expect("a manifest");
    shop_orders::write(
        &scope.primary().await,
        &shop_orders::order("S8", "2025-05-01T12:00:00Z", 1, &[(1, 1)]),
    )
    .await;
    count(&scope).await;
    let before = shown(&scope, "daily-sales").await;
    fs::write(&manifest, kept).expect("as if the run had been killed");
    let again = count(&scope).await;
    assert!(again.figures.was_full);
    fs::write(&manifest, b"{").expect("spoilt");
    assert!(count(&scope).await.figures.was_full);
    assert_eq!(shown(&scope, "daily-sales").await, before);
}

fn event(at: Timestamp, number: u8, kind: BehaviourKind) -> BehaviourEvent {
    let mut event = BehaviourEvent::new(
        EventId::new(at, [number; 10]),
        at,
        SessionId(Uuid::from_bytes([number; 16])),
        kind,
    );
    event.product_id = Some(ProductId(Uuid::from_bytes([7; 16])));
    event
}

#[tokio::test]
async fn behaviour_that_cannot_be_read_leaves_its_last_report_and_late_events_count() {
    let scope = shop().await;
    let day = date(2025, 3, 29);
    let at: Timestamp = "2025-03-29T10:00:00Z".parse().expect("a time");
    let writer = Writer::new(&scope.lake, SHOP_CHANNEL);
    let mut events = vec![event(at, 1, BehaviourKind::View), event(at, 2, BehaviourKind::View)];
    writer.write_day(day, &events).expect("written");
    count(&scope).await;
    let before = shown(&scope, "funnel").await;
    assert_eq!(before[0][..3], [Cell::Date(day), Cell::Count(2), Cell::Count(2)]);

    let path = scope.lake.join("behaviour/channel=shop/day=2025-03-29/events.parquet");
    let kept = fs::read(&path).expect("a file");
    truncate(&path);
    let report = count(&scope).await;
    assert_eq!(report.left_out.len(), 1, "{:?}", report.left_out);
    assert!(report.left_out[0].starts_with("behaviour of 2025-03"), "{:?}", report.left_out);
    assert_eq!(shown(&scope, "funnel").await, before);
    fs::write(&path, kept).expect("mended");

    // A late event is of its own day.
    events.push(event(at + SignedDuration::from_secs(60), 1, BehaviourKind::CartAdd));
    writer.write_day(day, &events).expect("written");
    let report = count(&scope).await;
    assert_eq!(report.left_out, [""; 0]);
    let after = shown(&scope, "funnel").await;
    assert_eq!(after[0][..4], [Cell::Date(day), Cell::Count(2), Cell::Count(2), Cell::Count(1)]);
    assert_eq!(Lake::new(&scope.lake).days(Table::Lines, SHOP_CHANNEL).expect("a lake").len(), DAYS.len());
}

#[tokio::test]
async fn a_full_disk_leaves_the_last_report_and_the_next_run_heals() {
    let scope = shop().await;
    count(&scope).await;
    let before = shown(&scope, "daily-sales").await;
    let mut order = shop_orders::order("S9", "2025-03-31T12:00:00Z", 1, &[(1, 500)]);
    order.status = domain::order::OrderStatus::Paid;
    shop_orders::write(&scope.primary().await, &order).await;
    scope.older_transactions_ended().await;

    let folder = files::folder("full-disk");
    let run = program::command(&scope, "analytics", &folder);
    // A disk of four blocks in the place of the lake, which only this process sees.
    let script = format!("mount -t tmpfs -o size=16k none {} && exec \"$@\"", scope.lake.display());
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--mount", "bash", "-c", &script, "bash"]);
    command.arg(run.get_program()).args(run.get_args()).args(["run", "--channel", SHOP_CHANNEL]);
    let ended = command.output().expect("unshare runs");
    let told = String::from_utf8_lossy(&ended.stderr);
    assert!(!ended.status.success() && told.contains("No space left on device"), "{told}");
    let runs = report_runs::newest(&scope.primary().await, 1).await.expect("asked");
    let error = runs[0].error.as_deref().unwrap_or_default();
    assert!(error.contains("No space left on device") && runs[0].done.as_of.is_none(), "{runs:?}");
    assert_eq!(shown(&scope, "daily-sales").await, before, "the last good report stays");

    count(&scope).await;
    assert_eq!(shown(&scope, "daily-sales").await.len(), before.len() + 1);
}

#[tokio::test]
async fn a_clock_that_was_ahead_does_not_put_off_the_next_whole_run() {
    let scope = shop().await;
    let due = async || run::due(&scope.postgres, SHOP_CHANNEL, Timestamp::now()).await.expect("asked");
    assert_eq!(due().await, Reach::Full, "never counted");
    count(&scope).await;
    assert_eq!(due().await, Reach::Changed);
    let client = scope.primary().await;
    let ahead = Timestamp::now() + SignedDuration::from_hours(24 * 365);
    let id = report_runs::begin(&client, SHOP_CHANNEL, "full", ahead).await.expect("noted");
    let figures = RunFigures { as_of: Some(ahead), was_full: true, ..RunFigures::default() };
    report_runs::end(&client, id, ahead, &figures, None).await.expect("noted");
    assert_eq!(due().await, Reach::Full);
    let lake = Lake::new(&scope.lake);
    let counted = run::run(&published::stores(&scope), &lake, SHOP_CHANNEL, Reach::Full, &|_| {}).await;
    assert!(counted.expect("counts").figures.was_full);
    assert_eq!(due().await, Reach::Changed, "and not at every round");
}

#[tokio::test]
async fn a_past_day_that_is_counted_again_has_the_same_figures() {
    let scope = shop().await;
    count(&scope).await;
    let lake = Lake::new(&scope.lake);
    let bytes = |day: &str| fs::read(file(&scope, "orders", day, "lines")).expect("a file");
    let (before, rows) = (DAYS.map(bytes), shown(&scope, "daily-sales").await);
    let days = Reach::Dates(date(2025, 3, 29), date(2025, 4, 2));
    let again =
        run::run(&published::stores(&scope), &lake, SHOP_CHANNEL, days, &|_| {}).await.expect("counts");
    assert_eq!((again.figures.was_full, again.figures.days_extracted), (false, 3));
    assert_eq!(DAYS.map(bytes), before, "the same bytes");
    assert_eq!(shown(&scope, "daily-sales").await, rows);
}
