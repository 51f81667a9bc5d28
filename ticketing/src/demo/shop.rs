//! The shop as a customer's program sees it: HTTP, and patience.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use reqwest::{Method, StatusCode};
use serde_json::Value;
use uuid::Uuid;

use super::tally::Count;

/// How long a request is repeated: long enough for the shop to be killed and started again.
const PATIENCE: Duration = Duration::from_secs(90);
const PAUSE: Duration = Duration::from_millis(250);
const ANSWER_WITHIN: Duration = Duration::from_secs(35);

/// A shop and one customer's cookies.
#[derive(Clone, Debug)]
pub(crate) struct Shop {
    url: String,
    client: reqwest::Client,
    /// Requests of all customers, each repetition counted.
    asked: Arc<Count>,
}

/// What it answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Value,
}

impl Shop {
    pub(crate) fn new(url: &str) -> anyhow::Result<Self> {
        let url = url.trim_end_matches('/').to_owned();
        Ok(Self { url, client: client()?, asked: Arc::default() })
    }

    /// The same shop for another customer.
    pub(crate) fn enter(&self) -> anyhow::Result<Self> {
        Ok(Self { client: client()?, ..self.clone() })
    }

    /// How many requests all customers have made, each repetition counted.
    pub(crate) fn asked(&self) -> u64 {
        self.asked.get()
    }

    /// Whether anybody serves.
    pub(crate) async fn check(&self) -> anyhow::Result<()> {
        let answer = self.client.get(format!("{}/readyz", self.url)).send().await;
        let answer = answer.with_context(|| {
            format!("nobody answers at {}; start the shop with `ticketing up`", self.url)
        })?;
        if !answer.status().is_success() {
            bail!("the shop at {} is not ready: {}", self.url, answer.text().await?);
        }
        Ok(())
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Answer> {
        self.ask(Method::POST, path, Some(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> anyhow::Result<Answer> {
        self.ask(Method::DELETE, path, None).await
    }

    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<Answer> {
        self.ask(Method::GET, path, None).await
    }

    /// Asks until there is an answer. All tries carry one Idempotency-Key: if an answer was lost,
    /// the next try gets it again and has no second effect.
    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Answer> {
        let key = Uuid::new_v4().to_string();
        let started = Instant::now();
        loop {
            let mut request = self
                .client
                .request(method.clone(), format!("{}{path}", self.url))
                .header("Idempotency-Key", &key);
            if let Some(body) = body {
                request = request.json(body);
            }
            self.asked.add(1);
            let trouble = match answered(request).await {
                Ok(answer) if !come_again(answer.status) => return Ok(answer),
                Ok(answer) => format!("{} {}", answer.status, answer.body),
                Err(error) => format!("{error:#}"),
            };
            if started.elapsed() > PATIENCE {
                bail!("{method} {path} had no answer for {} s: {trouble}", PATIENCE.as_secs());
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

fn client() -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder().cookie_store(true).timeout(ANSWER_WITHIN).build()
}

async fn answered(request: reqwest::RequestBuilder) -> anyhow::Result<Answer> {
    let response = request.send().await?;
    let status = response.status();
    let bytes = response.bytes().await?;
    let body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes)? };
    Ok(Answer { status, body })
}

/// Contended, slowed down, or a part of the shop is away: the same request may be answered later.
fn come_again(status: StatusCode) -> bool {
    status.is_server_error()
        || matches!(status, StatusCode::CONFLICT | StatusCode::TOO_MANY_REQUESTS)
}
