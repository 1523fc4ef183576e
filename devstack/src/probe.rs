//! One question to a server: does it answer in its own language?

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::error::{Result, StackError};

/// How long one probe may take.
pub const PROBE_DEADLINE: Duration = Duration::from_secs(2);

/// Sends one line and asks whether the answer begins as expected.
///
/// # Errors
/// When nobody listens or nothing is answered in time.
pub async fn line(port: u16, request: &str, expected: &str) -> Result<bool> {
    let exchange = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.write_all(format!("{request}\r\n").as_bytes()).await?;
        let mut answer = vec![0; expected.len()];
        stream.read_exact(&mut answer).await?;
        Ok(answer == expected.as_bytes())
    };
    match timeout(PROBE_DEADLINE, exchange).await {
        Ok(outcome) => outcome.map_err(StackError::io(format!("ask port {port}"))),
        Err(_) => Err(StackError::refused(format!("port {port} does not answer"))),
    }
}

/// Asks whether somebody listens on a port.
///
/// # Errors
/// When nobody does.
pub async fn listens(port: u16) -> Result<bool> {
    match timeout(PROBE_DEADLINE, TcpStream::connect(("127.0.0.1", port))).await {
        Ok(outcome) => outcome.map(|_| true).map_err(StackError::io(format!("connect to port {port}"))),
        Err(_) => Err(StackError::refused(format!("port {port} does not answer"))),
    }
}

/// Asks whether a GET is answered with 200.
///
/// # Errors
/// When nobody answers in time.
pub async fn http(client: &reqwest::Client, url: &str) -> Result<bool> {
    Ok(client.get(url).timeout(PROBE_DEADLINE).send().await?.status().is_success())
}
