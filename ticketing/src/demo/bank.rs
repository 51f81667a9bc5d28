//! The buyers' bank: the Stripe sandbox, where there is one.

use std::collections::BTreeMap;

use serde::Deserialize;
use stripe_sandbox::PaymentView;

/// Reached by its own endpoints, those that Stripe does not have.
#[derive(Clone, Debug)]
pub(crate) struct Bank {
    /// None when real Stripe takes the payments.
    sandbox: Option<String>,
    client: reqwest::Client,
}

/// How many calls were hit by which injected fault.
#[derive(Deserialize)]
struct Faults {
    hit: BTreeMap<String, u64>,
}

impl Bank {
    pub(crate) fn at(sandbox: Option<String>) -> Self {
        Self { sandbox, client: reqwest::Client::new() }
    }

    /// Whether it can be asked to play along.
    pub(crate) fn is_ours(&self) -> bool {
        self.sandbox.is_some()
    }

    /// Has it approve or refuse a payment that it asks the buyer about. It may be too late.
    pub(crate) async fn decide(&self, payment: &str, approved: bool) {
        let Some(sandbox) = &self.sandbox else { return };
        let word = if approved { "approve" } else { "refuse" };
        let url = format!("{sandbox}/sandbox/payments/{payment}/{word}");
        // Refused when the payment was called off meanwhile, and that is well.
        let _answer = self.client.post(url).send().await;
    }

    /// Every payment it knows; none when real Stripe took them: its books are elsewhere.
    pub(crate) async fn payments(&self) -> reqwest::Result<Option<Vec<PaymentView>>> {
        let Some(sandbox) = &self.sandbox else { return Ok(None) };
        let answer = self.client.get(format!("{sandbox}/sandbox/payments")).send().await?;
        answer.error_for_status()?.json().await.map(Some)
    }

    /// The trouble it made, by kind.
    pub(crate) async fn faults(&self) -> reqwest::Result<BTreeMap<String, u64>> {
        let Some(sandbox) = &self.sandbox else { return Ok(BTreeMap::new()) };
        let answer = self.client.get(format!("{sandbox}/sandbox/faults")).send().await?;
        Ok(answer.error_for_status()?.json::<Faults>().await?.hit)
    }
}
