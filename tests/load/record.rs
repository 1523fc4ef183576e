//! Records the shop's answer to each request once, for the bare handler.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, ensure};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::bare::Recorded;
use crate::scenario::{Request, Requests};

/// What every server writes by itself.
const OF_THE_SERVER: [&str; 4] = ["content-length", "date", "connection", "transfer-encoding"];

/// The answers to every request of a scenario. The second ones are taken: the first fill the caches.
pub async fn answers(address: SocketAddr, requests: &Requests) -> anyhow::Result<Vec<Recorded>> {
    let http = reqwest::Client::builder().no_gzip().build()?;
    let mut recorded = Vec::with_capacity(requests.different.len());
    for request in &requests.different {
        answer(&http, address, request).await?;
        recorded.push(answer(&http, address, request).await?);
    }
    Ok(recorded)
}

async fn answer(http: &reqwest::Client, address: SocketAddr, request: &Request) -> anyhow::Result<Recorded> {
    let mut asked = http.get(format!("http://{address}{}", request.path));
    if let Some(tag) = &request.known_tag {
        asked = asked.header("if-none-match", tag);
    }
    if let Some(token) = &request.token {
        asked = asked.bearer_auth(token);
    }
    let response = asked.send().await?;
    let status = response.status();
    ensure!(status.is_success() || status == 304, "{}: {status}", request.path);
    let headers = response
        .headers()
        .iter()
        .filter(|(name, _)| !OF_THE_SERVER.contains(&name.as_str()))
        .map(|(name, value)| Ok((name.to_string(), value.to_str()?.to_owned())))
        .collect::<anyhow::Result<_>>()?;
    let body = response.text().await?;
    Ok(Recorded { path: request.path.clone(), status: status.as_u16(), headers, body })
}

/// The development token of a vendor, who may add products.
pub fn vendor_token(settings: &Path) -> anyhow::Result<String> {
    token(settings, "vendor")
}

/// The development token of a role.
pub fn token(settings: &Path, role: &str) -> anyhow::Result<String> {
    #[derive(Deserialize)]
    struct Settings {
        development_tokens: BTreeMap<String, SecretString>,
    }
    let settings: Settings = process::settings::load(settings).context("the stack's settings")?;
    let token = settings.development_tokens.get(role).with_context(|| format!("no {role} signs in"))?;
    Ok(token.expose_secret().to_owned())
}
