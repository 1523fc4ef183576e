//! A rebuild of the search index: it ends with a whole index in use, or with the one that was.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use search_indexer::client::SearchClient;
use search_indexer::index;
use search_indexer::mapping::Analysis;
use search_indexer::projection::Projection;
use search_indexer::query::{SearchRequest, search};
use search_indexer::rebuild::{self, Progress, RebuildError, Rebuilt};
use search_indexer::settings::SearchSettings;
use store::mongo::products;
use store::pg::advisory_lock::{self, Right};
use support::{Scope, api, shop, stack};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

async fn projection(scope: &Scope, url: &str) -> Projection {
    let settings = SearchSettings { url: url.to_owned(), ..api::search_settings(scope) };
    let client = SearchClient::new(&settings).expect("valid settings");
    Projection { client, pools: scope.pools(), mongo: scope.mongo().await }
}

fn new_name(projection: &Projection, number: u8) -> String {
    let second = jiff::SignedDuration::from_secs(number.into());
    index::new_name(projection.client.alias(), jiff::Timestamp::now() + second, [number; 4])
}

async fn run(scope: &Scope, projection: &Projection, name: &str) -> Result<Rebuilt, RebuildError> {
    let stop = CancellationToken::new();
    rebuild::run(projection, &scope.postgres, name, Analysis::English, &stop, |_| {}).await
}

async fn remove_indexes(client: &SearchClient) {
    for name in index::aliases(client).await.expect("aliases").all {
        index::delete(client, &name).await.expect("deleted");
    }
}

#[tokio::test]
async fn a_stopped_rebuild_leaves_the_index_in_use_and_nothing_else() {
    let scope = Scope::new().await;
    let projection = projection(&scope, &stack().opensearch_url).await;
    let client = &projection.client;
    let first = new_name(&projection, 1);
    run(&scope, &projection, &first).await.expect("rebuilt");
    let second = new_name(&projection, 2);
    let stop = CancellationToken::new();
    let stop_after_filling = |progress: Progress| {
        assert_eq!(progress, Progress::Filled(0));
        stop.cancel();
    };
    let stopped =
        rebuild::run(&projection, &scope.postgres, &second, Analysis::English, &stop, stop_after_filling)
            .await;
    assert!(matches!(stopped, Err(RebuildError::Stopped)), "{stopped:?}");
    let aliases = index::aliases(client).await.expect("aliases");
    assert_eq!((aliases.current, aliases.next, aliases.all), (Some(first.clone()), None, vec![first]));
    remove_indexes(client).await;
}

#[tokio::test]
async fn one_rebuild_at_a_time() {
    let scope = Scope::new().await;
    let projection = projection(&scope, &stack().opensearch_url).await;
    let holder = scope.primary().await;
    let right = Right::RebuildIndex(projection.client.alias());
    assert!(advisory_lock::take(&holder, right).await.expect("asked"));
    let busy = run(&scope, &projection, &new_name(&projection, 1)).await;
    assert!(matches!(busy, Err(RebuildError::Busy(_))), "{busy:?}");
    assert_eq!(index::aliases(&projection.client).await.expect("aliases").all, Vec::<String>::new());
}

#[tokio::test]
async fn a_switch_whose_answer_was_lost_is_no_failure() {
    let scope = Scope::new().await;
    let proxy = LosingProxy::start(&stack().opensearch_url).await;
    let projection = projection(&scope, &proxy.url).await;
    let product = shop::product("Lost and found");
    products::insert(&projection.mongo, &product, &shop::changed(&product)).await.expect("inserted");
    let name = new_name(&projection, 1);
    let rebuilt = run(&scope, &projection, &name).await.expect("rebuilt");
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
