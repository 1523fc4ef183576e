//! One HTTP/1.1 connection that stays open: a request that is ready to be sent, its answer read to the end.
//!
//! By hand on `httparse`, because a general client costs as much as the handler that is measured, which would
//! bring every ratio nearer to 1.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const HEADER_COUNT_MAX: usize = 64;
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;
const READ_BYTES: usize = 16 * 1024;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The connection broke, or could not be made.
    #[error("the connection broke")]
    Io(#[from] io::Error),
    /// What came is not HTTP/1.1.
    #[error("not HTTP/1.1")]
    Malformed(#[from] httparse::Error),
    /// The answer has no `Content-Length`, or too great a one.
    #[error("the length of the answer is not known, or above {ANSWER_BYTES_MAX} bytes")]
    Length,
}

/// What came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Bytes of the body.
    pub body_bytes: usize,
}

/// An open connection.
#[derive(Debug)]
pub struct Connection {
    address: SocketAddr,
    stream: TcpStream,
    buffer: Vec<u8>,
    filled: usize,
}

impl Connection {
    /// Connects.
    pub async fn open(address: SocketAddr) -> Result<Self, AskError> {
        let stream = connect(address).await?;
        Ok(Self { address, stream, buffer: vec![0; READ_BYTES], filled: 0 })
    }

    /// Sends a whole request and reads the whole answer. After an error the connection is made anew.
    pub async fn ask(&mut self, request: &[u8]) -> Result<Answer, AskError> {
        let answered = self.exchange(request).await;
        if answered.is_err() {
            self.filled = 0;
            self.stream = connect(self.address).await?;
        }
        answered
    }

    async fn exchange(&mut self, request: &[u8]) -> Result<Answer, AskError> {
        self.stream.write_all(request).await?;
        self.filled = 0;
        let (answer, head_bytes) = loop {
            self.read().await?;
            if let Some(head) = head(&self.buffer[..self.filled])? {
                break head;
            }
        };
        while self.filled < head_bytes + answer.body_bytes {
            self.read().await?;
        }
        Ok(answer)
    }

    async fn read(&mut self) -> Result<(), AskError> {
        if self.filled == self.buffer.len() {
            if self.filled >= ANSWER_BYTES_MAX {
                return Err(AskError::Length);
            }
            self.buffer.resize(self.filled * 2, 0);
        }
        match self.stream.read(&mut self.buffer[self.filled..]).await? {
            0 => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            count => {
                self.filled += count;
                Ok(())
            }
        }
    }
}

async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Status, length of the body, and the length of the head; `None` while the head is not complete.
fn head(bytes: &[u8]) -> Result<Option<(Answer, usize)>, AskError> {
    let mut headers = [httparse::EMPTY_HEADER; HEADER_COUNT_MAX];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head_bytes) = response.parse(bytes)? else {
        return Ok(None);
    };
    let status = response.code.unwrap_or_default();
    let length = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let body_bytes = match length {
        Some(header) => std::str::from_utf8(header.value).ok().and_then(|text| text.parse().ok()),
        None => matches!(status, 204 | 304).then_some(0),
    };
    let body_bytes = body_bytes.filter(|length| *length <= ANSWER_BYTES_MAX).ok_or(AskError::Length)?;
    // A 304 may say how long the body would have been.
    let body_bytes = if status == 304 { 0 } else { body_bytes };
    Ok(Some((Answer { status, body_bytes }, head_bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_when_it_is_complete() {
        let text = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
        assert!(head(&text[..20]).expect("no error yet").is_none());
        let (answer, head_bytes) = head(text).expect("valid").expect("complete");
        assert_eq!((answer, head_bytes), (Answer { status: 200, body_bytes: 5 }, text.len() - 5));
    }

    #[test]
    fn an_answer_without_a_known_end_is_an_error() {
        let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert!(matches!(head(chunked), Err(AskError::Length)));
        assert!(matches!(
            head(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n"),
            Err(AskError::Length)
        ));
        let known = b"HTTP/1.1 304 Not Modified\r\nContent-Length: 100\r\n\r\n";
        assert_eq!(head(known).expect("valid").expect("complete").0, Answer { status: 304, body_bytes: 0 });
    }
}
