//! A rebuild of the search index: it ends with a whole index in use, or with the one that was.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bson::{Document, doc};
use domain::ids::ProductId;
use domain::product::Product;
use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use search_indexer::bulk::ItemResult;
use search_indexer::client::SearchClient;
use search_indexer::index::{self, Aliases};
use search_indexer::mapping::{Analysis, index_body};
use search_indexer::projection::Projection;
use search_indexer::query::{SearchRequest, search};
use search_indexer::rebuild::{self, Plan, Progress, RebuildError, Rebuilt};
use search_indexer::settings::SearchSettings;
use search_indexer::{repair, rollback};
use secrecy::ExposeSecret;
use serde_json::json;
use store::mongo::products;
use store::pg::advisory_lock::{self, Right};
use support::search_index::{
    add_products, build, by_hand, hits, new_name, project, projection, remove_indexes, retitle,
};
use support::{Scope, api, shop, stack, wait};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

const DEADLINE: std::time::Duration = std::time::Duration::from_secs(60);
/// Products of a page at [`a_few`].
const PAGE: u64 = 100;

/// A plan whose pages are small.
fn a_few(name: &str) -> Plan<'_> {
    Plan { rate: NonZeroU32::new(100), ..Plan::new(name, Analysis::English) }
}

/// A rebuild that is told to stop after its first page.
async fn stopped(scope: &Scope, projection: &Projection, name: &str) {
    let stop = CancellationToken::new();
    let report = |progress| {
        if matches!(progress, Progress::Filled(_)) {
            stop.cancel();
        }
    };
    let ended = Box::pin(rebuild::run(projection, &scope.postgres, a_few(name), &stop, report)).await;
    assert!(matches!(ended, Err(RebuildError::Stopped)), "{ended:?}");
}

/// Goes on with what was stopped, or begins `name`. The first thing that it said, too.
async fn resumed(
    scope: &Scope,
    projection: &Projection,
    name: &str,
) -> (Option<Progress>, Result<Rebuilt, RebuildError>) {
    let stop = CancellationToken::new();
    let plan = Plan { resume: true, ..a_few(name) };
    let mut first = None;
    let report = |progress| {
        first.get_or_insert(progress);
    };
    let rebuilt = Box::pin(rebuild::run(projection, &scope.postgres, plan, &stop, report)).await;
    (first, rebuilt)
}

/// Whether it says first that it fills that index, which had so many products.
fn goes_on(first: Option<Progress>, name: &str, products: u64) -> bool {
    matches!(first, Some(Progress::Begun { index, filled, .. }) if index == name && filled == products)
}

async fn aliases(client: &SearchClient) -> Aliases {
    index::aliases(client).await.expect("aliases")
}

#[tokio::test]
async fn a_stopped_rebuild_is_resumed_and_misses_nothing() {
    let scope = Scope::new().await;
    let projection = projection(&scope).await;
    let client = &projection.client;
    let made = add_products(&projection, 120).await;
    let [first, second, third] = [1, 2, 3].map(|number| new_name(&projection, number));
    build(&scope, &projection, &first).await.expect("rebuilt");
    stopped(&scope, &projection, &second).await;
    let left = aliases(client).await;
    assert_eq!((left.current.as_ref(), left.next.as_ref()), (Some(&first), Some(&second)));

    // The shop goes on: the index that is not finished hears of it.
    retitle(&projection, &made[0], "Waistcoat").await;
    let new = add_products(&projection, 1).await;
    project(&projection, new[0].id).await;

    let (begun, rebuilt) = resumed(&scope, &projection, &third).await;
    assert!(goes_on(begun, &second, PAGE));
    let rebuilt = rebuilt.expect("rebuilt");
    assert_eq!((&rebuilt.index, rebuilt.replaced.as_ref()), (&second, Some(&first)));
    assert_eq!(rebuilt.products, 121);
    let verified = &rebuilt.verified;
    assert_eq!((verified.products, verified.documents, verified.different), (121, 121, 0));
    assert_eq!(hits(&projection, "waistcoat").await, 1);
    let now = aliases(client).await;
    assert_eq!((now.current, now.next, now.previous), (Some(second.clone()), None, Some(first.clone())));
    assert_eq!(now.all, [first, second]);
    remove_indexes(client).await;
}

#[tokio::test]
async fn what_was_stopped_can_be_abandoned() {
    let scope = Scope::new().await;
    let projection = projection(&scope).await;
    let client = &projection.client;
    let [first, second] = [1, 2].map(|number| new_name(&projection, number));
    build(&scope, &projection, &first).await.expect("rebuilt");
    stopped(&scope, &projection, &second).await;
    let removed = rebuild::abandon(&projection, &scope.postgres).await.expect("answered");
    assert_eq!(removed, Some(second));
    let left = aliases(client).await;
    assert_eq!((left.current, left.next, left.all), (Some(first.clone()), None, vec![first]));
    assert_eq!(rebuild::abandon(&projection, &scope.postgres).await.expect("answered"), None);
    remove_indexes(client).await;
}

#[tokio::test]
async fn what_was_left_over_goes_after_a_day() {
    let scope = Scope::new().await;
    let projection = projection(&scope).await;
    let (client, postgres) = (&projection.client, &scope.postgres);
    let [first, second] = [1, 2].map(|number| new_name(&projection, number));
    build(&scope, &projection, &first).await.expect("rebuilt");
    let [before, after] = [23, 25].map(|hours| Timestamp::now() + SignedDuration::from_hours(hours));
    assert_eq!(rebuild::abandon_old(&projection, postgres, after).await.expect("answered"), None);
    stopped(&scope, &projection, &second).await;
    assert_eq!(rebuild::abandon_old(&projection, postgres, before).await.expect("answered"), None);
    let holder = scope.primary().await;
    assert!(advisory_lock::take(&holder, Right::RebuildIndex(client.alias())).await.expect("asked"));
    let busy = rebuild::abandon_old(&projection, postgres, after).await;
    assert!(matches!(busy, Err(RebuildError::Busy(_))), "a rebuild goes on with it: {busy:?}");
    drop(holder);
    wait::until("the index that was left over is removed", DEADLINE, async || {
        rebuild::abandon_old(&projection, postgres, after)
            .await
            .is_ok_and(|left| left.is_some())
            .then_some(())
    })
    .await;
    let left = aliases(client).await;
    assert_eq!((left.current, left.next, left.all), (Some(first.clone()), None, vec![first]));
    remove_indexes(client).await;
}

#[tokio::test]
async fn an_index_that_takes_nothing_holds_no_event_back_and_is_filled_later() {
    let scope = Scope::new().await;
    let projection = projection(&scope).await;
    let client = &projection.client;
    let made = add_products(&projection, 120).await;
    let [first, second] = [1, 2].map(|number| new_name(&projection, number));
    build(&scope, &projection, &first).await.expect("rebuilt");
    stopped(&scope, &projection, &second).await;
    let settings = format!("{second}/_settings");
    by_hand(Method::PUT, &settings, &json!({"index.blocks.write": true})).await;
    // All of them: whichever the first page had, it was changed.
    for product in &made {
        let changed = Product { title: "Waistcoat".to_owned(), version: 2, ..product.clone() };
        let event = shop::changed(&changed);
        let replaced = products::replace(&projection.mongo, product, &changed, &event).await;
        assert!(replaced.expect("answered"));
    }
    let ids: Vec<ProductId> = made.iter().map(|product| product.id).collect();
    let results = Box::pin(projection.project(&ids)).await.expect("answered");
    assert!(results.iter().all(|result| *result == ItemResult::Indexed), "{results:?}");
    by_hand(Method::PUT, &settings, &json!({"index.blocks.write": null})).await;

    let (begun, rebuilt) = resumed(&scope, &projection, &new_name(&projection, 3)).await;
    assert!(goes_on(begun, &second, PAGE));
    assert_eq!(rebuilt.expect("rebuilt").index, second);
    let asked = SearchRequest { text: Some("waistcoat".to_owned()), ..SearchRequest::default() };
    index::refresh(client, client.alias()).await.expect("refreshed");
    let page = search(client, &SearchRequest { limit: 100, ..asked }).await.expect("answered");
    assert_eq!(page.facets.brand.iter().map(|brand| brand.count).sum::<u64>(), 120);
    remove_indexes(client).await;
}

#[tokio::test]
async fn a_product_that_cannot_be_read_is_left_out_and_named() {
    let scope = Scope::new().await;
    let projection = projection(&scope).await;
    let client = &projection.client;
    let made = add_products(&projection, 3).await;
    let [first, second] = [1, 2].map(|number| new_name(&projection, number));
    build(&scope, &projection, &first).await.expect("rebuilt");
    make_unreadable(&scope, made[1].id).await;
    let pass = repair::pass(&projection, std::time::Duration::ZERO).await.expect("compared");
    assert_eq!((pass.products, pass.different), (3, 0));
    assert_eq!(hits(&projection, "shirt").await, 3, "its document stays");
    retitle(&projection, &made[2], "Waistcoat").await;

    let rebuilt = build(&scope, &projection, &second).await.expect("rebuilt");
    let verified = &rebuilt.verified;
    assert_eq!((verified.products, verified.documents, verified.unreadable), (2, 2, 1));
    // The waistcoat is still among the shirts.
    assert_eq!((hits(&projection, "shirt").await, hits(&projection, "waistcoat").await), (2, 1));
    remove_indexes(client).await;
}

#[tokio::test]
async fn there_is_no_way_back_to_an_index_that_lacks_a_field() {
    let scope = Scope::new().await;
    let projection = projection(&scope).await;
    let client = &projection.client;
    let [first, second] = [1, 2].map(|number| new_name(&projection, number));
    let mut body = index_body(Analysis::English);
    body["mappings"]["properties"].as_object_mut().expect("an object").remove("popularity");
    by_hand(Method::PUT, &first, &body).await;
    index::switch(client, &first).await.expect("switched");
    build(&scope, &projection, &second).await.expect("rebuilt");
    // Nothing can be added to it.
    let settings = format!("{first}/_settings");
    by_hand(Method::PUT, &settings, &json!({"index.blocks.read_only": true})).await;
    let back = rollback::run(&projection, &scope.postgres).await;
    let Err(RebuildError::LacksFields { index: lacking, fields }) = back else { panic!("{back:?}") };
    assert_eq!((&lacking, fields), (&first, vec!["popularity".to_owned()]));
    assert_eq!(aliases(client).await.current, Some(second));

    by_hand(Method::PUT, &settings, &json!({"index.blocks.read_only": null})).await;
    let back = rollback::run(&projection, &scope.postgres).await.expect("rolled back");
    assert_eq!(back.index, first);
    remove_indexes(client).await;
}

/// Gives a product a count that cannot be.
async fn make_unreadable(scope: &Scope, product: ProductId) {
    let mongo = mongodb::Client::with_uri_str(scope.mongo.url.expose_secret()).await.expect("a client");
    let products = mongo.database(&scope.mongo.database).collection::<Document>("products");
    let change = doc! {"$set": {"rating.count": 5_000_000_000_i64}};
    let updated = products.update_one(doc! {"_id": product.to_string()}, change).await.expect("updated");
    assert_eq!(updated.modified_count, 1);
}

#[tokio::test]
async fn an_index_without_a_known_place_is_begun_anew() {
    let scope = Scope::new().await;
    let projection = projection(&scope).await;
    let client = &projection.client;
    add_products(&projection, 1).await;
    let [first, second] = [1, 2].map(|number| new_name(&projection, number));
    stopped(&scope, &projection, &first).await;
    let other = json!({"rebuild": {
        "mapping": "other", "started_at": Timestamp::now(), "phase": "fill", "after": null, "products": 1
    }});
    index::set_meta(client, &first, other).await.expect("kept");
    let (begun, rebuilt) = resumed(&scope, &projection, &second).await;
    assert!(goes_on(begun, &second, 0));
    assert_eq!(rebuilt.expect("rebuilt").index, second);
    assert_eq!(aliases(client).await.all, [second]);
    remove_indexes(client).await;
}

#[tokio::test]
async fn what_stays_different_is_named_and_not_put_in_use() {
    let scope = Scope::new().await;
    let projection = projection(&scope).await;
    let client = &projection.client;
    let made = add_products(&projection, 3).await;
    let [first, second] = [1, 2].map(|number| new_name(&projection, number));
    build(&scope, &projection, &first).await.expect("rebuilt");
    stopped(&scope, &projection, &second).await;
    // A version that no ticket reaches: nothing can be written over it.
    let id = made[1].id;
    let path = format!("{second}/_doc/{id}?version=1000000000000&version_type=external&refresh=true");
    let body = json!({"product_id": id, "title": "Damaged", "deleted": false, "content_hash": "none"});
    by_hand(Method::PUT, &path, &body).await;
    let (_, rebuilt) = resumed(&scope, &projection, &second).await;
    let Err(RebuildError::NotEqual { count: 1, first: named }) = rebuilt else { panic!("{rebuilt:?}") };
    assert_eq!(named, [id.to_string()]);
    let left = aliases(client).await;
    assert_eq!((left.current, left.next, left.all), (Some(first.clone()), None, vec![first]));
    remove_indexes(client).await;
}

#[tokio::test]
async fn a_rebuild_under_writes_loses_nothing() {
    let scope = Scope::new().await;
    let projection = projection(&scope).await;
    let client = &projection.client;
    let mut made = add_products(&projection, 250).await;
    let [first, second] = [1, 2].map(|number| new_name(&projection, number));
    build(&scope, &projection, &first).await.expect("rebuilt");
    let (stop, is_over) = (CancellationToken::new(), CancellationToken::new());
    let rebuild = async {
        let run = rebuild::run(&projection, &scope.postgres, a_few(&second), &stop, |_| {});
        let rebuilt = Box::pin(run).await;
        is_over.cancel();
        rebuilt
    };
    let write = async {
        for number in (0..made.len()).cycle() {
            if is_over.is_cancelled() {
                break;
            }
            made[number] = retitle(&projection, &made[number], &format!("Waistcoat {number}")).await;
            let new = add_products(&projection, 1).await;
            project(&projection, new[0].id).await;
        }
    };
    let (rebuilt, ()) = tokio::join!(rebuild, write);
    assert_eq!(rebuilt.expect("rebuilt").index, second);
    assert_eq!(aliases(client).await.current.as_ref(), Some(&second));
    index::refresh(client, client.alias()).await.expect("refreshed");
    let pass = repair::pass(&projection, std::time::Duration::ZERO).await.expect("compared");
    assert!(pass.products > 250, "{pass:?}");
    assert_eq!(pass.different, 0, "{pass:?}");
    remove_indexes(client).await;
}

#[tokio::test]
async fn the_shop_goes_back_and_forth_and_misses_no_change() {
    let scope = Scope::new().await;
    let projection = projection(&scope).await;
    let (client, postgres) = (&projection.client, &scope.postgres);
    let made = add_products(&projection, 2).await;
    let [first, second] = [1, 2].map(|number| new_name(&projection, number));
    build(&scope, &projection, &first).await.expect("rebuilt");
    let nothing = rollback::run(&projection, postgres).await;
    assert!(matches!(nothing, Err(RebuildError::NoPrevious(_))), "{nothing:?}");
    build(&scope, &projection, &second).await.expect("rebuilt");

    let changed = retitle(&projection, &made[0], "Waistcoat").await;
    let back = rollback::run(&projection, postgres).await.expect("rolled back");
    assert_eq!((&back.index, back.replaced.as_ref()), (&first, Some(&second)));
    assert_eq!(hits(&projection, "waistcoat").await, 1);

    retitle(&projection, &changed, "Pullover").await;
    let forth = rollback::run(&projection, postgres).await.expect("rolled forth");
    assert_eq!((&forth.index, forth.replaced.as_ref()), (&second, Some(&first)));
    assert_eq!((hits(&projection, "pullover").await, hits(&projection, "waistcoat").await), (1, 0));
    let now = aliases(client).await;
    assert_eq!((now.current.as_ref(), now.previous.as_ref()), (Some(&second), Some(&first)));

    let [before, after] = [23, 25].map(|hours| Timestamp::now() + SignedDuration::from_hours(hours));
    let kept = rollback::retire_old(&projection, postgres, before).await;
    assert_eq!(kept.expect("answered"), None);
    let retired = rollback::retire_old(&projection, postgres, after).await;
    assert_eq!(retired.expect("answered"), Some(first));
    assert_eq!(aliases(client).await.all, [second]);
    assert_eq!(rollback::retire(&projection, postgres).await.expect("answered"), None);
    remove_indexes(client).await;
}

#[tokio::test]
async fn one_rebuild_at_a_time() {
    let scope = Scope::new().await;
    let projection = projection(&scope).await;
    let holder = scope.primary().await;
    let right = Right::RebuildIndex(projection.client.alias());
    assert!(advisory_lock::take(&holder, right).await.expect("asked"));
    let busy = build(&scope, &projection, &new_name(&projection, 1)).await;
    assert!(matches!(busy, Err(RebuildError::Busy(_))), "{busy:?}");
    assert_eq!(aliases(&projection.client).await.all, Vec::<String>::new());
}

#[tokio::test]
async fn a_switch_whose_answer_was_lost_is_no_failure() {
    let scope = Scope::new().await;
    let proxy = LosingProxy::start(&stack().opensearch_url).await;
    let settings = SearchSettings { url: proxy.url.clone(), ..api::search_settings(&scope) };
    let client = SearchClient::new(&settings).expect("valid settings");
    let projection = Projection { client, pools: scope.pools(), mongo: scope.mongo().await };
    let product = shop::product("Lost and found");
    products::insert(&projection.mongo, &product, &shop::changed(&product)).await.expect("inserted");
    let name = new_name(&projection, 1);
    let rebuilt = build(&scope, &projection, &name).await.expect("rebuilt");
    assert!(proxy.has_lost.load(Ordering::Relaxed), "the answer to the switch was lost");
    assert_eq!((rebuilt.index.as_str(), rebuilt.products), (name.as_str(), 1));
    let asked = SearchRequest { limit: 10, ..SearchRequest::default() };
    assert_eq!(search(&projection.client, &asked).await.expect("answered").hits.len(), 1);
    remove_indexes(&projection.client).await;
}

/// Stands before the engine and loses one answer: that to the switch of the alias.
struct LosingProxy {
    url: String,
    has_lost: Arc<AtomicBool>,
}

impl LosingProxy {
    async fn start(engine_url: &str) -> Self {
        let engine = engine_url.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let has_lost = Arc::new(AtomicBool::new(false));
        let lost = has_lost.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(exchange(client, engine.clone(), lost.clone()));
            }
        });
        Self { url, has_lost }
    }
}

/// One request and its answer; the connection ends with it.
async fn exchange(mut client: TcpStream, engine: String, has_lost: Arc<AtomicBool>) -> std::io::Result<()> {
    let request = read_request(&mut client).await?;
    let is_switch = request.starts_with("POST /_aliases") && request.contains("is_write_index");
    let mut upstream = TcpStream::connect(engine).await?;
    upstream.write_all(&closing(request.as_bytes())).await?;
    let mut answer = Vec::new();
    upstream.read_to_end(&mut answer).await?;
    if is_switch && !has_lost.swap(true, Ordering::Relaxed) {
        return Ok(());
    }
    client.write_all(&closing(&answer)).await
}

async fn read_request(client: &mut TcpStream) -> std::io::Result<String> {
    let mut reader = BufReader::new(client);
    let mut request = String::new();
    let mut body_length = 0;
    loop {
        let start = request.len();
        reader.read_line(&mut request).await?;
        let line = request[start..].trim().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(length) = line.strip_prefix("content-length:") {
            body_length = length.trim().parse().expect("a length");
        }
    }
    let mut body = vec![0; body_length];
    reader.read_exact(&mut body).await?;
    request.push_str(&String::from_utf8_lossy(&body));
    Ok(request)
}

/// The message with a header that ends the connection, after its first line.
fn closing(message: &[u8]) -> Vec<u8> {
    let first = message.iter().position(|byte| *byte == b'\n').map_or(message.len(), |end| end + 1);
    let (line, rest) = message.split_at(first);
    [line, b"connection: close\r\n", rest].concat()
}
