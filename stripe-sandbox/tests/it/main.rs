//! The sandbox over HTTP: through the real Stripe client where it speaks Stripe, by hand where it
//! shows what that client hides.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod aftermath;
mod bank;
mod idempotency;
mod lists;
mod payments;
mod webhooks;

use std::time::Duration;

use reqwest::{Client, RequestBuilder, Response};
use serde_json::Value;
use stripe_sandbox::{Options, PaymentView, Sandbox};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

const SECRET: &str = "sk_test_sandbox";

/// A running sandbox.
struct Running {
    sandbox: Sandbox,
    base: String,
    http: Client,
    stripe: stripe::Client,
    end: oneshot::Sender<()>,
    served: JoinHandle<std::io::Result<()>>,
}

impl Running {
    async fn start(options: Options) -> Self {
        // Another test of this process may have been first.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let sandbox = Sandbox::open(options).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let (end, ended) = oneshot::channel::<()>();
        let served = tokio::spawn(sandbox.clone().serve(listener, async { drop(ended.await) }));
        let stripe = stripe::ClientBuilder::new(SECRET).url(format!("{base}/")).build().unwrap();
        Self { sandbox, base, http: Client::new(), stripe, end, served }
    }

    async fn new() -> Self {
        Self::start(Options::default()).await
    }

    /// Ends it as a shutdown does and lets go of its journal.
    async fn stop(self) {
        drop(self.end);
        drop(self.http);
        self.served.await.unwrap().unwrap();
    }

    fn post(&self, path: &str, form: &[(&str, &str)]) -> RequestBuilder {
        self.http.post(format!("{}{path}", self.base)).bearer_auth(SECRET).form(form)
    }

    fn get(&self, path: &str) -> RequestBuilder {
        self.http.get(format!("{}{path}", self.base)).bearer_auth(SECRET)
    }

    async fn payments(&self) -> Vec<PaymentView> {
        self.get("/sandbox/payments").send().await.unwrap().json().await.unwrap()
    }

    async fn fault(&self, fault: Value) {
        let url = format!("{}/sandbox/faults", self.base);
        let answer = self.http.post(url).json(&fault).send().await.unwrap();
        assert!(answer.status().is_success(), "{fault}");
    }
}

const SALE: &[(&str, &str)] = &[
    ("amount", "2000"),
    ("currency", "usd"),
    ("payment_method", "pm_card_visa"),
    ("confirm", "true"),
];

async fn json(answer: Response) -> (u16, Value) {
    (answer.status().as_u16(), answer.json().await.unwrap())
}

/// Waits until it holds.
async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    while !holds().await {
        assert!(tokio::time::Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
