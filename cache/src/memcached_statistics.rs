//! What Memcached says about itself, for metrics: the driver's own question for it blocks, so it is asked here.

use std::collections::HashMap;
use std::io;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::settings::MemcachedSettings;

/// A server's answer has about 80 lines.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;

/// Counters since the server started, and its memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemcachedStatistics {
    /// Answers with an entry.
    pub hits: u64,
    /// Answers without one.
    pub misses: u64,
    /// Entries thrown out while they were still good, for want of memory.
    pub evictions: u64,
    /// Entries now.
    pub entries: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Bytes that entries may take.
    pub bytes_max: u64,
    /// Open connections.
    pub connections: u64,
}

/// Asks the server. The caller has the deadline.
pub async fn statistics(settings: &MemcachedSettings) -> io::Result<MemcachedStatistics> {
    let mut stream = TcpStream::connect(&settings.address).await?;
    stream.write_all(b"stats\r\n").await?;
    let mut lines = BufReader::new(stream.take(ANSWER_BYTES_MAX)).lines();
    let mut answer = HashMap::new();
    while let Some(line) = lines.next_line().await? {
        if line == "END" {
            return Ok(read(&answer));
        }
        if let Some((name, value)) = line.strip_prefix("STAT ").and_then(|line| line.split_once(' ')) {
            answer.insert(name.to_owned(), value.parse().unwrap_or(0));
        }
    }
    Err(io::Error::from(io::ErrorKind::UnexpectedEof))
}

fn read(answer: &HashMap<String, u64>) -> MemcachedStatistics {
    let number = |name: &str| answer.get(name).copied().unwrap_or(0);
    MemcachedStatistics {
        hits: number("get_hits"),
        misses: number("get_misses"),
        evictions: number("evictions"),
        entries: number("curr_items"),
        bytes: number("bytes"),
        bytes_max: number("limit_maxbytes"),
        connections: number("curr_connections"),
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    async fn answered(text: &'static str) -> io::Result<MemcachedStatistics> {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address").to_string();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a client");
            let mut request = [0; 7];
            stream.read_exact(&mut request).await.expect("the request");
            assert_eq!(&request, b"stats\r\n");
            stream.write_all(text.as_bytes()).await.expect("written");
        });
        statistics(&MemcachedSettings { address }).await
    }

    #[tokio::test]
    async fn an_answer_ends_with_its_last_line() {
        let seen =
            answered("STAT version 1.6.18\r\nSTAT get_hits 7\r\nSTAT limit_maxbytes 9\r\nEND\r\n").await;
        let seen = seen.expect("an answer");
        assert_eq!((seen.hits, seen.misses, seen.bytes_max), (7, 0, 9));
        let cut = answered("STAT get_hits 7\r\n").await.expect_err("cut off");
        assert_eq!(cut.kind(), io::ErrorKind::UnexpectedEof);
    }
}
