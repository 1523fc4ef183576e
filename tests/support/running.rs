//! The running shop of `./dev up`, for commands that measure it or break it.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};
use reqwest::header::{ETAG, HeaderMap, HeaderValue};
use serde::Deserialize;
use serde_json::Value;

/// What `./dev status --json` says.
#[derive(Debug, Clone, Deserialize)]
pub struct Running {
    /// Address of the API.
    pub api: String,
    sign_ins: BTreeMap<String, SignIn>,
    /// Every server by name.
    pub servers: BTreeMap<String, Server>,
}

#[derive(Debug, Clone, Deserialize)]
struct SignIn {
    token: String,
}

/// A server of the stack.
#[derive(Debug, Clone, Deserialize)]
pub struct Server {
    /// `host:port`
    pub address: String,
    /// Its process, while it has one.
    pub pid: Option<i32>,
    /// Whether it answers.
    pub ready: bool,
}

impl Running {
    /// Asks the stack of this checkout.
    pub fn find() -> anyhow::Result<Self> {
        let checkout = std::env::var_os("ENTREPOT_CHECKOUT").context("run it by ./dev")?;
        let output =
            Command::new(std::path::Path::new(&checkout).join("dev")).args(["status", "--json"]).output()?;
        ensure!(output.status.success(), "nothing is running: ./dev up");
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// A client that is signed in as a role.
    pub fn client(&self, role: &str) -> anyhow::Result<Client> {
        let token = &self.sign_ins.get(role).context("a role")?.token;
        Client::new(&self.api, token)
    }
}

/// A signed-in client of one API process.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
}

/// A product as the API shows it, with its entity tag.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The body.
    pub product: Value,
    /// Its `ETag`.
    pub etag: HeaderValue,
}

impl Client {
    /// A client of the API at that address.
    pub fn new(base: &str, token: &str) -> anyhow::Result<Self> {
        let mut headers = HeaderMap::new();
        headers.insert("authorization", HeaderValue::from_str(&format!("Bearer {token}"))?);
        let http =
            reqwest::Client::builder().default_headers(headers).timeout(Duration::from_secs(6)).build()?;
        Ok(Self { http, base: format!("{base}/api/v1") })
    }

    /// Another process' client with the same sign-in.
    pub fn at(&self, base: &str) -> Self {
        Self { http: self.http.clone(), base: format!("{base}/api/v1") }
    }

    /// `GET`, a JSON body.
    pub async fn get(&self, path: &str) -> anyhow::Result<Value> {
        Ok(self.http.get(format!("{}{path}", self.base)).send().await?.error_for_status()?.json().await?)
    }

    /// `POST` under an idempotency key; the status with its body.
    pub async fn post(&self, path: &str, key: &str, body: &Value) -> anyhow::Result<(u16, Value)> {
        let request =
            self.http.post(format!("{}{path}", self.base)).header("idempotency-key", key).json(body);
        let response = request.send().await?;
        Ok((response.status().as_u16(), response.json().await?))
    }

    /// Makes a product under an idempotency key; the status with its body.
    pub async fn create(&self, key: &str, draft: &Value) -> anyhow::Result<(u16, Value)> {
        self.post("/products", key, draft).await
    }

    /// One product.
    pub async fn product(&self, id: &str) -> anyhow::Result<Seen> {
        seen(self.http.get(format!("{}/products/{id}", self.base)).send().await?).await
    }

    /// Changes a product that was seen.
    pub async fn change(&self, before: &Seen, patch: &Value) -> anyhow::Result<Seen> {
        let id = before.product["id"].as_str().context("an id")?;
        let request =
            self.http.patch(format!("{}/products/{id}", self.base)).header("if-match", &before.etag);
        seen(request.json(patch).send().await?).await
    }

    /// Deletes a product that was seen.
    pub async fn delete(&self, before: &Seen) -> anyhow::Result<()> {
        let id = before.product["id"].as_str().context("an id")?;
        let request =
            self.http.delete(format!("{}/products/{id}", self.base)).header("if-match", &before.etag);
        request.send().await?.error_for_status()?;
        Ok(())
    }
}

async fn seen(response: reqwest::Response) -> anyhow::Result<Seen> {
    let response = response.error_for_status()?;
    let etag = response.headers().get(ETAG).context("an ETag")?.clone();
    Ok(Seen { product: response.json().await?, etag })
}
