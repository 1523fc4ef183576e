//! The analytics daemon: an import's event leads to a report, and an outage costs no event.

use std::time::Duration;

use analytics::lake::Lake;
use analytics::run::Stores;
use analytics::serve::Daemon;
use domain::money::Currency;
use ingest::orders::{ImportOptions, OrderFormat};
use jiff::civil::date;
use store::settings::PostgresSettings;
use support::{Scope, files, stack, wait};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::published::{self, DailySales};

const CHANNEL: &str = "served";
const WAIT: Duration = Duration::from_secs(60);
const HISTORY: &str = "\
InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country
1,85123A,HEART,6,2010-12-01 08:26:00,2.55,17850,United Kingdom
";

/// A daemon with its stop.
struct Serving {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Serving {
    fn start(scope: &Scope, postgres: PostgresSettings) -> Self {
        let stop = CancellationToken::new();
        let stores = Stores { postgres, ..published::stores(scope) };
        let daemon = Daemon { stores, amqp: scope.amqp.clone(), lake: Lake::new(&scope.lake) };
        let token = stop.clone();
        Self { stop, task: tokio::spawn(async move { daemon.run(&token).await }) }
    }

    async fn stop(self) {
        self.stop.cancel();
        tokio::time::timeout(WAIT, self.task).await.expect("in time").expect("no panic");
    }
}

async fn import(scope: &Scope) {
    let folder = files::folder("served");
    let file = folder.join("history.csv");
    std::fs::write(&file, HISTORY).expect("written");
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
}

/// Carries what is in the outbox to the broker until `arrived` has an answer.
async fn relay_until<T>(scope: &Scope, what: &str, arrived: impl AsyncFnMut() -> Option<T>) -> T {
    let stop = CancellationToken::new();
    let (pools, amqp, token) = (scope.pools(), scope.amqp.clone(), stop.clone());
    let relay = tokio::spawn(async move { ingest::relay::pg_outbox::run(&pools, &amqp, &token).await });
    let answer = wait::until(what, WAIT, arrived).await;
    stop.cancel();
    relay.await.expect("the relay stops");
    answer
}

async fn report(scope: &Scope, channel: &str) -> Option<Vec<DailySales>> {
    let (from, to) = (date(2010, 1, 1), date(2010, 12, 31));
    let client = scope.primary().await;
    let (rows, as_of) = published::read(&client, channel, (from, to), None).await;
    as_of.map(|_| rows)
}

/// Messages of a queue, and how many of them a consumer holds.
async fn messages(scope: &Scope, queue: &str) -> Option<(u64, u64)> {
    let rabbitmq = &stack().rabbitmq;
    let url = format!("{}/api/queues/{}/{queue}", rabbitmq.management_url, scope.prefix);
    let administrator = &rabbitmq.administrator;
    let request =
        reqwest::Client::new().get(url).basic_auth(&administrator.user, Some(&administrator.password));
    let answer: serde_json::Value = request.send().await.ok()?.json().await.ok()?;
    Some((answer["messages"].as_u64()?, answer["messages_unacknowledged"].as_u64()?))
}

#[tokio::test]
async fn an_imports_event_leads_to_a_report() {
    let scope = Scope::new().await;
    let daemon = Serving::start(&scope, scope.postgres.clone());
    // The round at the start knows our own shop only: what is counted after it an event has caused.
    wait::until("the first round", WAIT, async || report(&scope, "shop").await).await;
    import(&scope).await;
    let rows = relay_until(&scope, "the report", async || report(&scope, CHANNEL).await).await;
    assert_eq!(rows.len(), 1);
    assert_eq!((rows[0].date, rows[0].units), (date(2010, 12, 1), 6));
    assert_eq!(rows[0].net_revenue.to_string(), "15.30");
    daemon.stop().await;
    wait::until("the event is acknowledged", WAIT, async || {
        (messages(&scope, "analytics").await? == (0, 0)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_outage_holds_the_event_and_loses_nothing() {
    let scope = Scope::new().await;
    import(&scope).await;
    let nowhere = PostgresSettings { nodes: vec!["127.0.0.1:1".to_owned()], ..scope.postgres.clone() };
    let blind = Serving::start(&scope, nowhere);
    relay_until(&scope, "the event is held", async || {
        (messages(&scope, "analytics").await? == (1, 1)).then_some(())
    })
    .await;
    blind.stop().await;
    let daemon = Serving::start(&scope, scope.postgres.clone());
    wait::until("the report", WAIT, async || report(&scope, CHANNEL).await).await;
    wait::until("the event is acknowledged", WAIT, async || {
        (messages(&scope, "analytics").await? == (0, 0)).then_some(())
    })
    .await;
    assert_eq!(messages(&scope, "analytics.dead").await, Some((0, 0)));
    daemon.stop().await;
}
