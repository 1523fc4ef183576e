//! An import of orders whose connection is lost at the commit asks what became of it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use domain::money::Currency;
use ingest::orders::{ImportError, ImportOptions, OrderFormat};
use store::pg::direct;
use store::settings::PostgresSettings;
use support::{Scope, files};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const FILE: &str = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n\
                    1,A,THING,2,2011-01-04 10:00:00,1.25,,France\n";
/// The first one is that of the months.
const LOST_COMMIT: usize = 2;
const SERVER_TIME: Duration = Duration::from_secs(2);

fn options() -> ImportOptions {
    let folder = files::folder("lost-commit");
    let file: PathBuf = folder.join("orders.csv");
    std::fs::write(&file, FILE).expect("written");
    ImportOptions {
        file,
        format: OrderFormat::OnlineRetail,
        map: None,
        channel: "lost".to_owned(),
        currency: Currency::GBP,
        refused: folder.join("refused.csv"),
        report: folder.join("report.ndjson"),
        is_dry: false,
    }
}

async fn primary_address(postgres: &PostgresSettings) -> String {
    for node in &postgres.nodes {
        let alone = PostgresSettings { nodes: vec![node.clone()], ..postgres.clone() };
        if direct::primary(&alone).await.is_ok() {
            return node.clone();
        }
    }
    panic!("no primary");
}

/// Stands before the primary and loses its first connection at a commit: after the server has it, or before.
async fn lose_first(primary: String, server_gets_it: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address").to_string();
    tokio::spawn(async move {
        let mut is_first = true;
        while let Ok((mut client, _)) = listener.accept().await {
            let mut server = TcpStream::connect(&primary).await.expect("the primary answers");
            if std::mem::take(&mut is_first) {
                tokio::spawn(lose(client, server, server_gets_it));
            } else {
                tokio::spawn(async move { tokio::io::copy_bidirectional(&mut client, &mut server).await });
            }
        }
    });
    address
}

async fn lose(client: TcpStream, server: TcpStream, server_gets_it: bool) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let is_mute = Arc::new(AtomicBool::new(false));
    let muted = Arc::clone(&is_mute);
    let answers = tokio::spawn(async move {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(length @ 1..) = from_server.read(&mut buffer).await {
            if !muted.load(Ordering::SeqCst) {
                to_client.write_all(&buffer[..length]).await.expect("the client listens");
            }
        }
    });
    let mut commits = 0;
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from_client.read(&mut buffer).await {
        let sent = &buffer[..length];
        commits += usize::from(sent.windows(7).any(|part| part == b"COMMIT\0"));
        if commits == LOST_COMMIT {
            is_mute.store(true, Ordering::SeqCst);
            if server_gets_it {
                to_server.write_all(sent).await.expect("the server listens");
                tokio::time::sleep(SERVER_TIME).await;
            }
            answers.abort();
            return;
        }
        to_server.write_all(sent).await.expect("the server listens");
    }
}

async fn import_and_lose(scope: &Scope, server_gets_it: bool) -> Result<u64, ImportError> {
    let address = lose_first(primary_address(&scope.postgres).await, server_gets_it).await;
    let postgres = PostgresSettings { nodes: vec![address], ..scope.postgres.clone() };
    let report = ingest::orders::import(&postgres, &options(), |_| {}).await?;
    Ok(report.merged.lines_added)
}

async fn lines(scope: &Scope) -> i64 {
    const SQL: &str = "SELECT count(*) FROM order_lines";
    scope.primary().await.query_one(SQL, &[]).await.expect("counts").get(0)
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_found_done() {
    let scope = Scope::new().await;
    assert_eq!(import_and_lose(&scope, true).await.expect("it is done"), 1);
    assert_eq!(lines(&scope).await, 1);
}

#[tokio::test]
async fn a_commit_that_never_came_is_found_undone() {
    let scope = Scope::new().await;
    let undone = import_and_lose(&scope, false).await.expect_err("it is not done");
    assert!(matches!(undone, ImportError::Undone(_)), "{undone}");
    assert_eq!(lines(&scope).await, 0);
    let again = ingest::orders::import(&scope.postgres, &options(), |_| {}).await.expect("imports");
    assert_eq!(again.merged.lines_added, 1);
    assert!(again.cut_short.is_some());
}
