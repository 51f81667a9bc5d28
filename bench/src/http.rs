//! A client's connection: HTTP/1.1, kept open, one request at a time. It reads no more of an answer
//! than it must, so that the clients cost little beside what they measure.

use std::net::SocketAddr;

use anyhow::{Context, ensure};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const HEAD_END: &[u8] = b"\r\n\r\n";
const LENGTH: &[u8] = b"\r\ncontent-length: ";
const READ_BYTES: usize = 8 * 1024;

pub struct Connection {
    stream: TcpStream,
    /// The last answer, as far as it has come.
    buffer: Vec<u8>,
}

/// An answer, whole.
pub struct Answer<'a> {
    pub status: u16,
    head: &'a [u8],
    body: &'a [u8],
}

/// A whole request that posts JSON.
#[must_use]
pub fn post(path: &str, body: &Value) -> Vec<u8> {
    let body = body.to_string();
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nhost: shop\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

impl Connection {
    pub async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(READ_BYTES) })
    }

    pub async fn ask(&mut self, request: &[u8]) -> anyhow::Result<Answer<'_>> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        let head = loop {
            self.read().await?;
            if let Some(at) = find(&self.buffer, HEAD_END) {
                break at + HEAD_END.len();
            }
        };
        let length = number_after(&self.buffer[..head], LENGTH).unwrap_or(0);
        while self.buffer.len() < head + length {
            self.read().await?;
        }
        let status = self.buffer.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok());
        let status = status.and_then(|digits| digits.parse().ok()).context("no HTTP answer")?;
        let (head, body) = self.buffer.split_at(head);
        Ok(Answer { status, head, body })
    }

    async fn read(&mut self) -> anyhow::Result<()> {
        let read = self.stream.read_buf(&mut self.buffer).await?;
        ensure!(read > 0, "the server has hung up");
        Ok(())
    }
}

impl Answer<'_> {
    /// The body, for people.
    pub fn text(&self) -> String {
        format!("{} {}", self.status, String::from_utf8_lossy(self.body))
    }

    pub fn json(&self) -> anyhow::Result<Value> {
        Ok(serde_json::from_slice(self.body)?)
    }

    /// The cookie of that name that it sets, as `name=value`.
    pub fn cookie(&self, name: &str) -> Option<String> {
        let head = std::str::from_utf8(self.head).ok()?;
        let set = head.lines().filter_map(|line| line.strip_prefix("set-cookie: "));
        let mut pairs = set.filter_map(|cookie| cookie.split(';').next());
        let start = format!("{name}=");
        pairs.find(|pair| pair.starts_with(&start)).map(str::to_owned)
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

fn number_after(head: &[u8], name: &[u8]) -> Option<usize> {
    let digits = head[find(head, name)? + name.len()..].split(|byte| *byte == b'\r').next()?;
    std::str::from_utf8(digits).ok()?.trim().parse().ok()
}
