//! Other people's clicks through the platform: the funnel that is published is the one that a plain reading of the file
//! counts.

use std::collections::BTreeMap;
use std::io::Read;

use analytics::lake::Lake;
use analytics::run::{self, Scope as Reach};
use domain::money::Currency;
use flate2::read::GzDecoder;
use ingest::clicks::{self, ClickFormat, ImportOptions};
use jiff::civil::date;
use rust_decimal::{Decimal, RoundingStrategy};
use store::pg::reports::{self, Cell, ReportQuery};
use support::{Scope, files};

use crate::published;

const CHANNEL: &str = "clickstream-sample";
const SESSION_LENGTH: usize = 36;

/// What a session did: the times of each kind, and the products of each.
#[derive(Default)]
struct Session<'a> {
    times: BTreeMap<&'a str, Vec<&'a str>>,
    products: BTreeMap<&'a str, Vec<&'a str>>,
}

impl Session<'_> {
    fn did(&self, kind: &str) -> bool {
        self.times.contains_key(kind)
    }

    fn bought(&self, kind: &str, product: &str) -> bool {
        self.products.get(kind).is_some_and(|products| products.contains(&product))
    }

    /// The first cart that is not before the first view.
    fn strict_cart(&self) -> Option<&str> {
        let view = *self.times.get("view")?.iter().min()?;
        self.times.get("cart")?.iter().copied().filter(|cart| *cart >= view).min()
    }

    fn strictly_bought(&self) -> bool {
        let purchases = self.times.get("purchase").into_iter().flatten();
        self.strict_cart().is_some_and(|cart| purchases.clone().any(|purchase| *purchase >= cart))
    }
}

/// The sessions of the file; a row that is cut short is none.
fn sessions(text: &str) -> BTreeMap<&str, Session<'_>> {
    let mut sessions: BTreeMap<&str, Session<'_>> = BTreeMap::new();
    for row in text.split("\r\n").skip(1) {
        let fields: Vec<_> = row.split(',').collect();
        let [at, kind, product, .., session] = fields[..] else { continue };
        if fields.len() == 9 && session.len() == SESSION_LENGTH {
            let session = sessions.entry(session).or_default();
            session.times.entry(kind).or_default().push(at);
            session.products.entry(kind).or_default().push(product);
        }
    }
    sessions
}

/// How many sessions did each thing, by the column that tells it.
fn funnel(sessions: &BTreeMap<&str, Session<'_>>) -> BTreeMap<&'static str, i64> {
    let count = |did: &dyn Fn(&Session<'_>) -> bool| -> i64 {
        sessions.values().filter(|session| did(session)).count().try_into().expect("few")
    };
    let viewed_carted = |session: &Session<'_>| session.did("view") && session.did("cart");
    BTreeMap::from([
        ("visits", count(&|_| true)),
        ("viewed", count(&|session| session.did("view"))),
        ("carted", count(&|session| session.did("cart"))),
        ("purchased", count(&|session| session.did("purchase"))),
        ("abandoned", count(&|session| session.did("cart") && !session.did("purchase"))),
        ("viewed_carted", count(&viewed_carted)),
        ("viewed_carted_purchased", count(&|session| viewed_carted(session) && session.did("purchase"))),
        ("strict_carted", count(&|session| session.strict_cart().is_some())),
        ("strict_purchased", count(&|session| session.strictly_bought())),
    ])
}

/// Of the sessions that viewed a product: all, those with it in the cart, those that bought it. Sorted, one for each
/// product.
fn conversions(sessions: &BTreeMap<&str, Session<'_>>) -> Vec<[i64; 3]> {
    let mut by_product: BTreeMap<&str, [i64; 3]> = BTreeMap::new();
    for session in sessions.values() {
        let mut viewed = session.products.get("view").cloned().unwrap_or_default();
        viewed.sort_unstable();
        viewed.dedup();
        for product in viewed {
            let counts = by_product.entry(product).or_default();
            counts[0] += 1;
            counts[1] += i64::from(session.bought("cart", product));
            counts[2] += i64::from(session.bought("purchase", product));
        }
    }
    let mut counts: Vec<_> = by_product.into_values().collect();
    counts.sort_unstable();
    counts
}

async fn import(scope: &Scope, file: std::path::PathBuf) {
    let folder = files::folder("click-funnel");
    let options = ImportOptions {
        format: ClickFormat::EcommerceClicks,
        channel: CHANNEL.to_owned(),
        currency: Currency::USD,
        refused: folder.join("refused.csv"),
        report: folder.join("report.ndjson"),
        is_dry: false,
        file,
    };
    clicks::import(&scope.postgres, &scope.lake, &options, |_| {}).await.expect("imports");
    scope.older_transactions_ended().await;
    let (stores, lake) = (published::stores(scope), Lake::new(&scope.lake));
    run::run(&stores, &lake, CHANNEL, Reach::Changed, &|_| {}).await.expect("counts");
}

/// The rows of a report of that autumn, by the names of its columns.
async fn rows(scope: &Scope, name: &str) -> Vec<BTreeMap<&'static str, Cell>> {
    let report = reports::find(name).expect("a report");
    let days = (date(2019, 9, 1), date(2019, 12, 31));
    let query =
        ReportQuery { channel: CHANNEL, time_zone: "UTC", days, currency: None, limit: reports::LIMIT_MAX };
    let read = reports::read(&scope.primary().await, report, &query).await.expect("reads");
    let names: Vec<_> = report.columns().map(|column| column.name).collect();
    read.rows.into_iter().map(|cells| names.iter().copied().zip(cells).collect()).collect()
}

fn count(row: &BTreeMap<&str, Cell>, name: &str) -> i64 {
    if let Cell::Count(count) = row[name] { count } else { panic!("{name} is no count") }
}

#[tokio::test]
async fn the_funnel_of_a_real_click_history_is_what_its_definitions_say() {
    let Some(file) = files::data("clickstream_sample/events.csv.gz") else {
        println!("the real clicks are not here: not checked");
        return;
    };
    let mut text = String::new();
    GzDecoder::new(std::fs::File::open(&file).expect("there")).read_to_string(&mut text).expect("text");
    let sessions = sessions(&text);
    let scope = Scope::new().await;
    import(&scope, file).await;

    let expected = funnel(&sessions);
    let published = rows(&scope, "funnel").await;
    assert_eq!(published.len(), 1, "all of it is of one day");
    let found: BTreeMap<_, _> = expected.keys().map(|name| (*name, count(&published[0], name))).collect();
    println!("{expected:?}");
    assert_eq!(found, expected);
    let rate = |over: &str, under: &str| {
        let rate = Decimal::from(expected[over]) / Decimal::from(expected[under]);
        Cell::Number(rate.round_dp_with_strategy(6, RoundingStrategy::MidpointAwayFromZero))
    };
    assert_eq!(rows(&scope, "conversion").await[0]["conversion_rate"], rate("purchased", "viewed"));
    assert_eq!(rows(&scope, "cart-abandonment").await[0]["abandonment_rate"], rate("abandoned", "carted"));

    let products = rows(&scope, "product-conversion").await;
    let mut found: Vec<_> =
        products.iter().map(|row| ["viewed", "carted", "purchased"].map(|name| count(row, name))).collect();
    found.sort_unstable();
    let expected = conversions(&sessions);
    println!("{} products", expected.len());
    assert_eq!(found, expected);
}
