//! The buyers' bank: the Stripe sandbox, where there is one.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Context;
use domain::id::OrderId;
use serde::Deserialize;
use stripe_sandbox::PaymentView;

use crate::data_directory;

/// Reached by its own endpoints, those that Stripe does not have.
#[derive(Clone, Debug)]
pub(crate) struct Bank {
    sandbox: Sandbox,
    client: reqwest::Client,
}

#[derive(Clone, Debug)]
enum Sandbox {
    /// Real Stripe takes the payments.
    None,
    At(String),
    /// Run by the `ticketing up` of that directory. A restart may move it.
    RunIn(PathBuf),
}

/// How many calls were hit by which injected fault.
#[derive(Deserialize)]
struct Faults {
    hit: BTreeMap<String, u64>,
}

impl Bank {
    pub(crate) fn at(url: String) -> Self {
        Self::new(Sandbox::At(url))
    }

    pub(crate) fn run_in(data: PathBuf) -> Self {
        Self::new(Sandbox::RunIn(data))
    }

    pub(crate) fn real() -> Self {
        Self::new(Sandbox::None)
    }

    fn new(sandbox: Sandbox) -> Self {
        Self { sandbox, client: reqwest::Client::new() }
    }

    /// Whether it can be asked to play along.
    pub(crate) fn is_ours(&self) -> bool {
        !matches!(self.sandbox, Sandbox::None)
    }

    /// Where the sandbox is now; none when there is none.
    fn url(&self) -> anyhow::Result<Option<String>> {
        match &self.sandbox {
            Sandbox::None => Ok(None),
            Sandbox::At(url) => Ok(Some(url.clone())),
            Sandbox::RunIn(data) => {
                let running = data_directory::running(data);
                let url = running.and_then(|running| running.stripe_sandbox);
                url.context("the Stripe sandbox does not run").map(Some)
            }
        }
    }

    /// Has it approve or refuse a payment that it asks the buyer about. It may be too late.
    pub(crate) async fn decide(&self, payment: &str, approved: bool) {
        let Ok(Some(sandbox)) = self.url() else { return };
        let word = if approved { "approve" } else { "refuse" };
        let url = format!("{sandbox}/sandbox/payments/{payment}/{word}");
        // Refused when the payment was called off meanwhile, and that is well.
        let _answer = self.client.post(url).send().await;
    }

    /// Does to the payment of an order what somebody else than the shop does: `refund`, `dispute`,
    /// `win` or `lose`. False: nobody can, or not any more.
    pub(crate) async fn act(&self, order: OrderId, deed: &str, form: &[(&str, &str)]) -> bool {
        let Ok(Some(sandbox)) = self.url() else { return false };
        let query = format!("metadata['order']:'{order}'");
        let found = self.client.get(format!("{sandbox}/v1/payment_intents/search"));
        let found = found.bearer_auth("sk_test_demo").query(&[("query", query)]).send().await;
        let Ok(found) = found else { return false };
        let found: serde_json::Value = found.json().await.unwrap_or_default();
        let taken = found["data"].as_array().into_iter().flatten();
        let taken = taken.filter(|payment| payment["status"] == "succeeded");
        let Some(id) = taken.filter_map(|payment| payment["id"].as_str()).next() else {
            return false;
        };
        let deed = self.client.post(format!("{sandbox}/sandbox/payments/{id}/{deed}"));
        deed.form(form).send().await.is_ok_and(|answer| answer.status().is_success())
    }

    /// Every payment it knows; none when real Stripe took them: its books are elsewhere.
    pub(crate) async fn payments(&self) -> anyhow::Result<Option<Vec<PaymentView>>> {
        let Some(sandbox) = self.url()? else { return Ok(None) };
        let answer = self.client.get(format!("{sandbox}/sandbox/payments")).send().await?;
        Ok(Some(answer.error_for_status()?.json().await?))
    }

    /// The trouble it made, by kind.
    pub(crate) async fn faults(&self) -> anyhow::Result<BTreeMap<String, u64>> {
        let Some(sandbox) = self.url()? else { return Ok(BTreeMap::new()) };
        let answer = self.client.get(format!("{sandbox}/sandbox/faults")).send().await?;
        Ok(answer.error_for_status()?.json::<Faults>().await?.hit)
    }
}
