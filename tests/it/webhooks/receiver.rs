//! A real receiver of webhooks: it keeps what it was sent, and answers as the test wants.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A request that was received.
#[derive(Debug, Clone)]
pub struct Received {
    /// Where it went.
    pub path: String,
    /// Its headers by their names in lower case.
    pub headers: BTreeMap<String, String>,
    /// Its body.
    pub body: String,
}

impl Received {
    /// The event in it.
    pub fn event(&self) -> Value {
        serde_json::from_str(&self.body).expect("JSON")
    }

    /// The version of what the event is about.
    pub fn version(&self) -> i64 {
        self.event()["aggregateversion"].as_i64().expect("a number")
    }

    /// Whether the event is about that.
    pub fn is_about(&self, subject: &str) -> bool {
        self.event()["subject"] == subject
    }
}

type Answer = dyn Fn(&Received, usize) -> String + Send + Sync;

/// A server that listens until it is dropped.
pub struct Receiver {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Received>>>,
    task: JoinHandle<()>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Receiver {
    /// Starts one. `answer` is told how many requests with the same `webhook-id` came before.
    pub async fn start(answer: impl Fn(&Received, usize) -> String + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let seen = Arc::<Mutex<Vec<Received>>>::default();
        let (kept, answer) = (Arc::clone(&seen), Arc::<Answer>::from(Box::new(answer) as Box<Answer>));
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.expect("a connection");
                tokio::spawn(serve(stream, Arc::clone(&kept), Arc::clone(&answer)));
            }
        });
        Self { address, seen, task }
    }

    /// A URL of it.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// A URL of it by a name.
    pub fn url_by_name(&self, path: &str) -> String {
        format!("http://localhost:{}{path}", self.address.port())
    }

    /// What came so far.
    pub fn seen(&self) -> Vec<Received> {
        self.seen.lock().expect("no holder panics").clone()
    }
}

/// An answer with that status; `header` is a whole line, or empty.
pub fn reply(status: u16, header: &str) -> String {
    let header = if header.is_empty() { String::new() } else { format!("{header}\r\n") };
    format!("HTTP/1.1 {status} Answered\r\n{header}content-length: 0\r\nconnection: close\r\n\r\n")
}

async fn serve(mut stream: TcpStream, seen: Arc<Mutex<Vec<Received>>>, answer: Arc<Answer>) {
    // One that is cut was not received.
    let Some(received) = read(&mut stream).await else { return };
    let id = received.headers.get("webhook-id");
    let before = {
        let mut seen = seen.lock().expect("no holder panics");
        let before = seen.iter().filter(|earlier| earlier.headers.get("webhook-id") == id).count();
        seen.push(received.clone());
        before
    };
    let text = answer(&received, before);
    // The sender may be gone.
    let _ = stream.write_all(text.as_bytes()).await;
}

async fn read(stream: &mut TcpStream) -> Option<Received> {
    let mut bytes: Vec<u8> = Vec::new();
    loop {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
        if let Some((head_length, mut received)) = head(&bytes) {
            let length: usize = received.headers.get("content-length")?.parse().ok()?;
            while bytes.len() < head_length + length {
                if stream.read_buf(&mut bytes).await.ok()? == 0 {
                    return None;
                }
            }
            received.body = String::from_utf8(bytes[head_length..head_length + length].to_vec()).ok()?;
            return Some(received);
        }
    }
}

/// The head of a request with its length, once it is whole.
fn head(bytes: &[u8]) -> Option<(usize, Received)> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut request = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(length) = request.parse(bytes).ok()? else { return None };
    let headers = request
        .headers
        .iter()
        .map(|header| (header.name.to_ascii_lowercase(), String::from_utf8_lossy(header.value).into_owned()));
    let received =
        Received { path: request.path?.to_owned(), headers: headers.collect(), body: String::new() };
    Some((length, received))
}
