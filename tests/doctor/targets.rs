//! A Prometheus of the test's own, whose targets are not there and then are.

use std::collections::BTreeMap;

use devstack::doctor;
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

/// Jobs and ports of what Prometheus asks, beside itself.
async fn targets(trial: &Trial) -> BTreeMap<u16, String> {
    let own = trial.stack.ports.prometheus;
    let url = format!("http://127.0.0.1:{own}/api/v1/targets?state=active");
    let answer: Value = reqwest::get(url).await.expect("an answer").json().await.expect("JSON");
    let active = answer["data"]["activeTargets"].as_array().expect("targets").clone();
    let port = |target: &Value| {
        let url = reqwest::Url::parse(target["scrapeUrl"].as_str()?).ok()?;
        Some((url.port()?, target["labels"]["job"].as_str()?.to_owned()))
    };
    active.iter().filter_map(port).filter(|(port, _)| *port != own).collect()
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
    let deadline = std::time::Duration::from_secs(20);
    let targets = wait::until("Prometheus knows its targets", deadline, async || {
        let targets = targets(trial).await;
        (targets.len() >= trial.stack.ports.metrics.len()).then_some(targets)
    })
    .await;
    trial.state.servers.extend(ours::NAMES.map(started));
    found(|| trial.context(), "target-down").await;
    let mut servers = BTreeMap::new();
    for (port, job) in &targets {
        servers.insert(job.clone(), serve(*port).await);
    }
    gone(|| trial.context(), "target-down").await;
    servers["worker"].abort();
    let trouble = found(|| trial.context(), "target-down").await;
    assert!(trouble.seen.contains("worker ("), "{trouble:?}");
    assert_eq!(trouble.mend, doctor::Mend::command("./dev logs worker"));
    trial.state.servers.retain(|server| server.name != "worker");
    gone(|| trial.context(), "target-down").await;
    trial.state.servers.push(started("worker"));
    found(|| trial.context(), "target-down").await;
    let port = trial.stack.ports.metrics[2];
    let _back = serve(port).await;
    gone(|| trial.context(), "target-down").await;
}
