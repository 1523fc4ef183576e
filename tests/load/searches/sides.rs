//! Both sides: the API and the engine, asked one request after the other by the same client.

use std::net::SocketAddr;
use std::time::Instant;

use anyhow::{Context, ensure};
use serde::Serialize;
use serde_json::Value;

use super::asked::Asked;

/// Where both are.
pub struct Sides {
    http: reqwest::Client,
    api: String,
    engine: String,
}

/// Milliseconds of each request, in the order asked.
#[derive(Debug, Default)]
pub struct Measured {
    /// The API.
    pub api: Vec<f64>,
    /// The engine, all requests of a search together.
    pub engine: Vec<f64>,
    /// What the engine says that they took.
    pub took: Vec<f64>,
}

/// Percentiles in milliseconds, by nearest rank.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Latencies {
    pub p50: f64,
    pub p95: f64,
    pub p99: f64,
}

impl Latencies {
    /// Of at least one.
    pub fn of(milliseconds: &[f64]) -> Self {
        let mut sorted = milliseconds.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |percent: usize| {
            let rank = (sorted.len() * percent).div_ceil(100).max(1) - 1;
            sorted.get(rank).copied().unwrap_or(f64::NAN)
        };
        Self { p50: at(50), p95: at(95), p99: at(99) }
    }
}

impl Sides {
    pub fn new(api: SocketAddr, engine: &str) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder().no_proxy().build()?;
        Ok(Self { http, api: format!("http://{api}"), engine: engine.trim_end_matches('/').to_owned() })
    }

    /// Documents behind an alias.
    pub async fn product_count(&self, alias: &str) -> anyhow::Result<u64> {
        let answered = self.http.get(format!("{}/{alias}/_count", self.engine)).send().await?;
        let body: Value = answered.error_for_status()?.json().await?;
        body["count"].as_u64().context("a count")
    }

    /// Asks everything of both, in so many turns; who comes first changes, so that nobody always finds the engine warm.
    pub async fn measure(&self, asked: &[Asked], rounds: usize) -> anyhow::Result<Measured> {
        ensure!(!asked.is_empty(), "nothing to ask for");
        let mut measured = Measured::default();
        for (round, asked) in asked.chunks(asked.len().div_ceil(rounds)).enumerate() {
            if round % 2 == 0 {
                self.ask_api(asked, &mut measured).await?;
                self.ask_engine(asked, &mut measured).await?;
            } else {
                self.ask_engine(asked, &mut measured).await?;
                self.ask_api(asked, &mut measured).await?;
            }
        }
        Ok(measured)
    }

    async fn ask_api(&self, asked: &[Asked], measured: &mut Measured) -> anyhow::Result<()> {
        for Asked { path, .. } in asked {
            let began = Instant::now();
            let answered = self.http.get(format!("{}{path}", self.api)).send().await?;
            let status = answered.status();
            answered.bytes().await?;
            measured.api.push(milliseconds(began));
            ensure!(status.is_success(), "{path}: {status}");
        }
        Ok(())
    }

    async fn ask_engine(&self, asked: &[Asked], measured: &mut Measured) -> anyhow::Result<()> {
        for Asked { bodies, .. } in asked {
            let (mut all, mut took) = (0.0, 0.0);
            for request in bodies {
                let body = request.body.to_string();
                let began = Instant::now();
                let sent = self.http.post(format!("{}{}", self.engine, request.path));
                let answered = sent.header("content-type", "application/json").body(body).send().await?;
                let status = answered.status();
                let bytes = answered.bytes().await?;
                all += milliseconds(began);
                ensure!(status.is_success(), "the engine: {status}");
                let body: Value = serde_json::from_slice(&bytes)?;
                took += body["took"].as_f64().context("how long it took")?;
            }
            measured.engine.push(all);
            measured.took.push(took);
        }
        Ok(())
    }
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        let milliseconds: Vec<_> = (1..=200).rev().map(f64::from).collect();
        let Latencies { p50, p95, p99 } = Latencies::of(&milliseconds);
        assert_eq!([p50, p95, p99].map(|value| value.round() as i64), [100, 190, 198]);
        assert!((Latencies::of(&[3.0]).p99 - 3.0).abs() < 1e-9);
    }
}
