//! A Prometheus of the test's own, whose targets are not there and then are.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use devstack::doctor::{self, Finding};
use devstack::servers::ours;
use devstack::state::ServerState;
use futures_util::FutureExt;
use serde_json::Value;
use support::wait;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::trial::{Seed, Trial, found, gone};

pub const SEEDS: &[Seed] = &[("target-down", |trial| target_down(trial).boxed_local())];

#[tokio::test]
async fn faults_of_metrics_are_named_and_mended() {
    let mut trial = Trial::new();
    trial.start(&["prometheus"]).await;
    trial.plant(SEEDS).await;
    trial.end().await;
}

/// Ports of what Prometheus asks, beside itself.
async fn targets(trial: &Trial) -> BTreeSet<u16> {
    let own = trial.stack.ports.prometheus;
    let url = format!("http://127.0.0.1:{own}/api/v1/targets?state=active");
    let answer: Value = reqwest::get(url).await.expect("an answer").json().await.expect("JSON");
    let active = answer["data"]["activeTargets"].as_array().expect("targets").clone();
    let port = |target: &Value| reqwest::Url::parse(target["scrapeUrl"].as_str()?).ok()?.port();
    active.iter().filter_map(port).filter(|port| *port != own).collect()
}

/// Answers every request with one metric.
async fn serve(port: u16) -> JoinHandle<()> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await.expect("a free port");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4_096];
            let _read = stream.read(&mut request).await;
            const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain; version=0.0.4\r\n\
                                    content-length: 8\r\nconnection: close\r\n\r\nalive 1\n";
            let _written = stream.write_all(ANSWER).await;
        }
    })
}

/// A program of the shop, as a supervisor would write that it started it.
fn started(name: &str) -> ServerState {
    ServerState {
        name: name.to_owned(),
        address: String::new(),
        process: None,
        ready: true,
        restarts: 0,
        started_at: None,
        doing: "ready".to_owned(),
    }
}

async fn target_down(trial: &mut Trial) {
    let deadline = std::time::Duration::from_secs(60);
    let worker = trial.stack.ports.metrics[2];
    trial.state.servers.extend(ours::NAMES.map(started));
    found(|| trial.context(), "target-down").await;
    let mut servers = BTreeMap::new();
    // Prometheus learns of its jobs one after the other.
    wait::until("every target is there", deadline, async || {
        for port in targets(trial).await {
            if let Entry::Vacant(vacant) = servers.entry(port) {
                vacant.insert(serve(port).await);
            }
        }
        let finding = doctor::ask(&trial.context(), "target-down").await.expect("a known code");
        (servers.contains_key(&worker) && matches!(finding, Finding::Well(_))).then_some(())
    })
    .await;
    servers[&worker].abort();
    let trouble = found(|| trial.context(), "target-down").await;
    assert!(trouble.seen.contains("worker ("), "{trouble:?}");
    assert_eq!(trouble.mend, doctor::Mend::command("./dev logs worker"));
    trial.state.servers.retain(|server| server.name != "worker");
    gone(|| trial.context(), "target-down").await;
    trial.state.servers.push(started("worker"));
    found(|| trial.context(), "target-down").await;
    let _back = serve(worker).await;
    gone(|| trial.context(), "target-down").await;
}
