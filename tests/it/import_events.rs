//! A click history comes into the lake: each event once, however often and in however many pieces its file comes.

use std::collections::{BTreeMap, HashMap};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use analytics::lake::{Lake, event};
use domain::behaviour::BehaviourEvent;
use domain::money::Currency;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use ingest::channel::ChannelError;
use ingest::clicks::{ClickFormat, ImportError, ImportOptions, ImportReport};
use store::pg::advisory_lock::{self, Right};
use store::pg::{channels, direct};
use support::{Scope, files};

const CHANNEL: &str = "clicks";
const HEADER: &str =
    "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session";
const VISIT: &str = "72d76fde-8bb3-4e00-8c23-a032dfed738c";

/// One of each quirk, with `VISIT` where a row says `visit`; lines 7 to 13 are refused, and the last one is cut short.
const QUIRKS: &str = "\
2019-10-01 23:59:58 UTC,view,101,7,,acme,35.79,5,visit
2019-10-01 23:59:59 UTC,cart,101,7,shoes.boots,acme,35.79,5,visit
2019-10-01 23:59:59 UTC,cart,101,7,shoes.boots,acme,35.79,5,visit
2019-10-02 00:00:00 UTC,remove_from_cart,101,7,,\"acme, inc\",35.79,5,visit
2019-10-02 00:00:01 UTC,purchase,102,7,,,0.00,6,visit 9
2019-10-02 00:00:02 UTC,wish,101,7,,acme,35.79,5,visit
2019-10-02 00:00:03,view,101,7,,acme,35.79,5,visit
2019-10-02 00:00:04 UTC,view,101,7,,acme,1.005,5,visit
2019-10-02 00:00:05 UTC,view,101,7,,acme,35.79,5,
2019-10-02 00:00:06 UTC,view,,7,,acme,35.79,5,visit
2019-10-02 00:00:07 UTC,view,101,7,,acme,35.79,5
2019-10-02 00:00:08 UTC,view,101,7,,\"acme,35.79,5,visit
2019-10-01 23:59:59 UTC,cart,101,7,shoes.boots,acme,35.79,5,visit
2019-10-02 00:00:09 UTC,view,103,7,,acme,35.79,,visit
2019-10-02 00:00:10 UTC,view,104,7,,acme,35";

fn quirks() -> String {
    format!("{HEADER}\n{QUIRKS}").replace(",visit\n", &format!(",{VISIT}\n")).replace('\n', "\r\n")
}

fn options(folder: &Path, name: &str, bytes: &[u8]) -> ImportOptions {
    let file = folder.join(name);
    std::fs::write(&file, bytes).expect("written");
    ImportOptions {
        format: ClickFormat::EcommerceClicks,
        channel: CHANNEL.to_owned(),
        currency: Currency::USD,
        refused: folder.join(format!("{name}.refused.csv")),
        report: folder.join(format!("{name}.report.ndjson")),
        is_dry: false,
        file,
    }
}

async fn import(scope: &Scope, options: &ImportOptions) -> Result<ImportReport, ImportError> {
    ingest::clicks::import(&scope.postgres, &scope.lake, options, |_| {}).await
}

/// Added, known and refused.
fn counts(report: &ImportReport) -> (u64, u64, u64) {
    (report.events_added, report.events_known, report.rows_refused())
}

/// The events that reports read, by kind.
async fn kinds(scope: &Scope, channel: &'static str) -> BTreeMap<String, usize> {
    let root = scope.lake.clone();
    let read = move || {
        let lake = Lake::new(&root);
        let days = lake.event_days(channel).expect("a lake");
        let mut kinds = BTreeMap::new();
        if let Some(events) = lake.scan_events(channel, &days).expect("a lake") {
            let frame = events.collect().expect("read");
            for kind in frame.column(event::KIND).expect("there").str().expect("text").iter().flatten() {
                *kinds.entry(kind.to_owned()).or_default() += 1;
            }
        }
        kinds
    };
    tokio::task::spawn_blocking(read).await.expect("read")
}

/// The events of merged days, oldest first.
fn merged(root: &Path, channel: &str) -> Vec<BehaviourEvent> {
    let days = lake::behaviour::days(root, channel).expect("listed");
    days.into_iter().flat_map(|day| lake::behaviour::read_day(root, channel, day).expect("read")).collect()
}

/// Every file of a lake with its length and time of change.
fn disk(folder: &Path) -> Vec<(PathBuf, u64, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let entry = entry.expect("an entry");
        let metadata = entry.metadata().expect("there");
        if metadata.is_dir() {
            found.extend(disk(&entry.path()));
        } else if entry.file_name() != ".merging" {
            found.push((entry.path(), metadata.len(), format!("{:?}", metadata.modified().expect("a time"))));
        }
    }
    found.sort();
    found
}

fn of(counts: &[(&str, usize)]) -> BTreeMap<String, usize> {
    counts.iter().map(|(kind, count)| ((*kind).to_owned(), *count)).collect()
}

#[tokio::test]
async fn each_quirk_of_clicks_is_kept_or_refused() {
    let scope = Scope::new().await;
    let folder = files::folder("clicks");
    let file = options(&folder, "clicks.csv", quirks().as_bytes());
    let dry = import(&scope, &ImportOptions { is_dry: true, ..file.clone() }).await.expect("tells");
    assert_eq!((dry.rows_read, counts(&dry)), (15, (7, 0, 8)));
    assert_eq!(kinds(&scope, CHANNEL).await, of(&[]));
    let client = scope.primary().await;
    assert_eq!(channels::find(&client, CHANNEL).await.expect("asked"), None, "a dry run writes nothing");

    let first = import(&scope, &file).await.expect("imports");
    assert_eq!((first.rows_read, counts(&first)), (15, (7, 0, 8)));
    let kept = of(&[("cart_add", 3), ("cart_remove", 1), ("purchase", 1), ("view", 2)]);
    assert_eq!(kinds(&scope, CHANNEL).await, kept);
    let refused = std::fs::read_to_string(&file.refused).expect("refused rows");
    let lines: Vec<_> = refused.lines().skip(1).filter_map(|row| row.split(',').next()).collect();
    assert_eq!(lines, ["7", "8", "9", "10", "11", "12", "13", "16"]);
    for reason in ["12,8 fields instead of 9", "13,broken quoting", "16,7 fields instead of 9"] {
        assert!(refused.contains(reason), "{reason}: {refused}");
    }
    let report = std::fs::read_to_string(&file.report).expect("a report");
    assert_eq!(report.lines().count(), 8);
    assert!(
        report.contains("\"line\":10,\"outcome\":\"refused\",\"code\":\"needed field empty\""),
        "{report}"
    );

    let events = merged(&scope.lake, CHANNEL);
    assert_eq!(events.len(), 7, "what has landed was merged");
    assert!(events.iter().all(|event| event.product_id.is_some() && event.amount.is_some()));
    assert_eq!(events[0].session_id.to_string(), VISIT);
    let prices: Vec<_> = events.iter().map(|event| event.amount.expect("there").amount_minor).collect();
    assert_eq!(prices, [3579, 3579, 3579, 3579, 3579, 0, 3579]);
    assert_eq!(events.iter().filter(|event| event.user_id.is_none()).count(), 1);
    let run = client
        .query_one("SELECT kind, channel, rows_read, rows_refused, documents_added FROM import_runs", &[])
        .await
        .expect("one run");
    let (kind, channel): (String, String) = (run.get(0), run.get(1));
    assert_eq!((kind.as_str(), channel.as_str()), ("events", CHANNEL));
    assert_eq!((run.get::<_, i64>(2), run.get::<_, i64>(3), run.get::<_, i64>(4)), (15, 8, 7));
    assert!(channels::find(&client, CHANNEL).await.expect("asked").is_some());
}

#[tokio::test]
async fn a_second_import_of_clicks_changes_nothing() {
    let scope = Scope::new().await;
    let folder = files::folder("clicks-twice");
    let file = options(&folder, "clicks.csv", quirks().as_bytes());
    import(&scope, &file).await.expect("imports");
    let (before, on_disk) = (kinds(&scope, CHANNEL).await, disk(&scope.lake));
    let again = import(&scope, &file).await.expect("imports again");
    assert_eq!(counts(&again), (0, 7, 8));
    assert_eq!((again.cut_short, kinds(&scope, CHANNEL).await), (None, before));
    assert_eq!(disk(&scope.lake), on_disk);
    let other = ImportOptions { channel: "other-clicks".to_owned(), ..file };
    assert_eq!(counts(&import(&scope, &other).await.expect("imports")), (7, 0, 8));
    assert_eq!(kinds(&scope, "other-clicks").await.values().sum::<usize>(), 7);
}

#[tokio::test]
async fn a_file_of_clicks_in_pieces_gives_each_event_once() {
    let scope = Scope::new().await;
    let folder = files::folder("clicks-cut");
    let rows: String = (0..30_000)
        .map(|number| {
            let (day, hour, second) = (1 + number / 12_000, number / 500 % 24, number / 10 % 50);
            // Every third row is written twice.
            let product = number - usize::from(number % 3 == 1);
            let time = format!("2019-10-{day:02} {hour:02}:00:{second:02} UTC");
            format!("{time},view,{product},7,,acme,1.00,{},{VISIT}\r\n", number % 7 / 7)
        })
        .collect();
    let whole = format!("{HEADER}\r\n{rows}");
    let mut seen = HashMap::<&str, usize>::new();
    whole.lines().skip(1).for_each(|row| *seen.entry(row).or_default() += 1);
    assert!(seen.values().any(|count| *count > 1), "repeats are among them");

    let cut = &whole.as_bytes()[..whole.len() / 2];
    let before = import(&scope, &options(&folder, "cut.csv", cut)).await.expect("imports");
    assert!(before.damage.is_none() && before.rows_refused() <= 1);
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(whole.as_bytes()).expect("in memory");
    let packed = packed.finish().expect("in memory");
    let torn = options(&folder, "torn.csv.gz", &packed[..packed.len() * 3 / 4]);
    let torn = import(&scope, &torn).await.expect("imports");
    assert!(torn.damage.as_deref().is_some_and(|damage| damage.contains("gzip file is cut")));
    assert_eq!((torn.events_known, torn.rows_refused()), (before.events_added, 1));
    let rest = import(&scope, &options(&folder, "whole.csv.gz", &packed)).await.expect("imports");
    assert_eq!(counts(&rest), (30_000 - torn.events_known - torn.events_added, rest.events_known, 0));
    assert_eq!(kinds(&scope, CHANNEL).await, of(&[("view", 30_000)]));
}

#[tokio::test]
async fn what_cannot_be_an_import_of_clicks_lands_nothing() {
    let scope = Scope::new().await;
    let folder = files::folder("clicks-refused");
    let good = options(&folder, "good.csv", quirks().as_bytes());
    let shop = ImportOptions { channel: "shop".to_owned(), ..good.clone() };
    assert!(matches!(import(&scope, &shop).await, Err(ImportError::Channel(ChannelError::Shop))));
    let header = options(&folder, "header.csv", b"event_time,event_type\r\n");
    assert!(matches!(import(&scope, &header).await, Err(ImportError::Header { .. })));
    let missing = ImportOptions { file: PathBuf::from("no-such-file.csv"), ..good.clone() };
    assert!(matches!(import(&scope, &missing).await, Err(ImportError::Input(_))));
    let over_input = ImportOptions { report: good.file.clone(), ..good.clone() };
    assert!(matches!(import(&scope, &over_input).await, Err(ImportError::ReportFile(_))));
    let holder = direct::primary(&scope.postgres).await.expect("connects");
    assert!(advisory_lock::take(&holder, Right::ImportEvents(CHANNEL)).await.expect("asked"));
    assert!(matches!(import(&scope, &good).await, Err(ImportError::Busy(_))));
    assert_eq!(kinds(&scope, CHANNEL).await, of(&[]));

    // One that began and was killed.
    drop(holder);
    let blocked = scope.lake.join("behaviour");
    std::fs::write(&blocked, "no folder").expect("written");
    assert!(matches!(import(&scope, &good).await, Err(ImportError::Lake(_))));
    std::fs::remove_file(&blocked).expect("removed");
    let again = import(&scope, &good).await.expect("imports");
    assert!(again.cut_short.is_some());
    assert_eq!(counts(&again), (7, 0, 8));
}

/// What another reading of the real file counts: events by kind as the lake names them, and the lines of rows that are
/// none.
fn counted(text: &str) -> (BTreeMap<String, usize>, Vec<u64>) {
    let (mut kinds, mut broken) = (BTreeMap::new(), Vec::new());
    for (place, row) in text.split("\r\n").enumerate().skip(1).filter(|(_, row)| !row.is_empty()) {
        let fields: Vec<_> = row.split(',').collect();
        let kind = match fields.get(1) {
            _ if fields.len() != 9 || fields[8].len() != VISIT.len() => None,
            Some(&"cart") => Some("cart_add"),
            Some(&"remove_from_cart") => Some("cart_remove"),
            kind => kind.copied(),
        };
        match kind {
            Some(kind) => *kinds.entry(kind.to_owned()).or_default() += 1,
            None => broken.push(place as u64 + 1),
        }
    }
    (kinds, broken)
}

/// Other people's clicks, where they are at hand.
#[tokio::test]
async fn a_real_click_history_is_imported_to_the_last_event() {
    const SAMPLE: &str = "clickstream-sample";
    let Some(file) = files::data("clickstream_sample/events.csv.gz") else {
        println!("the real clicks are not here: not checked");
        return;
    };
    let mut text = String::new();
    let packed = std::fs::File::open(&file).expect("there");
    GzDecoder::new(packed).read_to_string(&mut text).expect("text");
    let (expected, broken) = counted(&text);
    let scope = Scope::new().await;
    let folder = files::folder("clicks-real");
    // Its path is not ours to write a report beside.
    let options = ImportOptions { file, channel: SAMPLE.to_owned(), ..options(&folder, "sample.csv", b"") };
    let first = import(&scope, &options).await.expect("imports");
    println!("{expected:?}, refused {broken:?}, {} rows per second", first.rows_per_second());
    assert_eq!(kinds(&scope, SAMPLE).await, expected);
    let events = expected.values().sum::<usize>() as u64;
    assert_eq!((counts(&first), first.rows_read), ((events, 0, 1), events + 1));
    assert_eq!(first.first.iter().map(|entry| entry.line).collect::<Vec<_>>(), broken);
    let free = merged(&scope.lake, SAMPLE)
        .iter()
        .filter(|it| it.amount.is_some_and(|it| it.amount_minor == 0))
        .count();
    let zero = text.lines().filter(|row| row.split(',').nth(6) == Some("0.00")).count();
    assert_eq!(free, zero, "zero prices are kept");
    assert_eq!(counts(&import(&scope, &options).await.expect("imports again")), (0, events, 1));
    assert_eq!(kinds(&scope, SAMPLE).await, expected);
}
