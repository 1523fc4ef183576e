//! The one request of a delivery: signed, bounded, and only to an address that was checked.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::event::CONTENT_TYPE;
use domain::webhook::schedule::{Answer, retry_after};
use domain::webhook::secret::signatures;
use domain::webhook::url_policy::{UrlPolicy, UrlRefusal};
use jiff::{SignedDuration, Timestamp};
use process::error_chain;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header;
use reqwest::redirect::Policy;
use reqwest::{Client, Response};
use store::pg::webhooks::lanes::LeasedDelivery;

const USER_AGENT: &str = "Entrepot-Webhooks/1";
/// How long a request may take, from the name to the end of what is read of the answer.
pub const TIMEOUT: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How much of an answer is read, so that its connection can serve the next request.
const ANSWER_BYTES_MAX: usize = 4 * 1024;
/// Connections to one host that are kept, and how long.
const IDLE_CONNECTIONS_MAX: usize = 4;
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest reason that is recorded, in characters.
const ERROR_LENGTH_MAX: usize = 300;

/// Sends deliveries.
#[derive(Debug, Clone)]
pub struct WebhookClient {
    http: Client,
    policy: Arc<UrlPolicy>,
}

/// What came of a request.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// What the endpoint said.
    pub answer: Answer,
    /// Why it said nothing.
    pub error: Option<String>,
    /// How long it took.
    pub elapsed: Duration,
}

#[derive(Debug, thiserror::Error)]
enum SendError {
    #[error(transparent)]
    Refused(#[from] UrlRefusal),
    #[error(transparent)]
    Http(#[from] reqwest::Error),
}

impl WebhookClient {
    /// A client that asks only where the policy allows it.
    pub fn new(policy: UrlPolicy) -> Result<Self, reqwest::Error> {
        let policy = Arc::new(policy);
        let http = Client::builder()
            .user_agent(USER_AGENT)
            .timeout(TIMEOUT)
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(Policy::none())
            .referer(false)
            .no_proxy()
            .no_gzip()
            .https_only(!policy.allow_insecure)
            .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .dns_resolver(Arc::new(CheckedNames(Arc::clone(&policy))))
            .build()?;
        Ok(Self { http, policy })
    }

    /// Sends a delivery at that time.
    pub async fn post(&self, delivery: &LeasedDelivery, at: Timestamp) -> Outcome {
        let started = Instant::now();
        let sent = Box::pin(self.send(delivery, at)).await;
        let elapsed = started.elapsed();
        match sent {
            Ok((code, retry_after)) => {
                Outcome { answer: Answer::Status { code, retry_after }, error: None, elapsed }
            }
            Err(error) => Outcome { answer: Answer::Missing, error: Some(reason(error)), elapsed },
        }
    }

    async fn send(
        &self,
        delivery: &LeasedDelivery,
        at: Timestamp,
    ) -> Result<(u16, Option<SignedDuration>), SendError> {
        // An address in the URL is connected to without asking for a name.
        let url = self.policy.check(&delivery.url)?;
        let signature = signatures(&delivery.secrets, delivery.event_id, at, &delivery.body);
        let response = self
            .http
            .post(url)
            .header(header::CONTENT_TYPE, CONTENT_TYPE)
            .header("webhook-id", delivery.event_id.to_string())
            .header("webhook-timestamp", at.as_second().to_string())
            .header("webhook-signature", signature)
            .body(delivery.body.clone())
            .send()
            .await?;
        let code = response.status().as_u16();
        let asked = response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
        let wait = asked.and_then(|text| retry_after(text, at));
        drain(response).await;
        Ok((code, wait))
    }
}

/// Reads a little of an answer. Its status has been heard, so whatever happens here changes nothing.
async fn drain(mut response: Response) {
    let mut bytes = 0;
    while let Ok(Some(chunk)) = response.chunk().await {
        bytes += chunk.len();
        if bytes > ANSWER_BYTES_MAX {
            break;
        }
    }
}

/// Why there is no answer, without the URL, which may hold a token.
fn reason(error: SendError) -> String {
    let text = match error {
        SendError::Refused(refusal) => refusal.to_string(),
        SendError::Http(error) => error_chain::text(&error.without_url()),
    };
    text.chars().filter(|letter| *letter != '\0').take(ERROR_LENGTH_MAX).collect()
}

/// Resolves a name only when every one of its addresses may be connected to; the connection is made to one of these,
/// so a name that is resolved otherwise a moment later leads nowhere else.
#[derive(Debug)]
struct CheckedNames(Arc<UrlPolicy>);

impl Resolve for CheckedNames {
    fn resolve(&self, name: Name) -> Resolving {
        let policy = Arc::clone(&self.0);
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let addresses: Vec<SocketAddr> = found.collect();
            for address in &addresses {
                policy.check_address(address.ip())?;
            }
            let addresses: Addrs = Box::new(addresses.into_iter());
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(addresses)
        })
    }
}
