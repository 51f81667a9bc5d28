//! What happens at the provider of payments.

use chrono::Utc;
use domain::Notice;
use domain::notice::{Receive, Told};

use super::World;

impl World {
    pub(crate) async fn fault(&self, fault: serde_json::Value) {
        let url = format!("{}/sandbox/faults", self.sandbox_url);
        let answer = self.http.post(url).json(&fault).send().await.unwrap();
        assert!(answer.status().is_success(), "{fault}");
    }

    /// In the provider's dashboard, of the only payment.
    pub(crate) async fn refund_by_hand(&self, minor: i64) {
        self.refund_payment_by_hand(&self.captured()[0].id, minor).await;
    }

    pub(crate) async fn refund_payment_by_hand(&self, id: &str, minor: i64) {
        let form = [("payment_intent", id.to_owned()), ("amount", minor.to_string())];
        let url = format!("{}/v1/refunds", self.sandbox_url);
        let answer = self.http.post(url).bearer_auth("sk_test_hand").form(&form).send().await;
        assert!(answer.unwrap().status().is_success());
    }

    pub(crate) async fn bank_approves(&self, id: &str) {
        self.at_the_bank(id, "approve").await;
    }

    /// What somebody else than the shop does to a payment.
    pub(crate) async fn at_the_bank(&self, id: &str, verb: &str) {
        let url = format!("{}/sandbox/payments/{id}/{verb}", self.sandbox_url);
        assert!(self.http.post(url).send().await.unwrap().status().is_success(), "{verb}");
    }

    /// A payment that somebody makes at the provider without us; gives its name there.
    pub(crate) async fn charge_past_us(&self, form: &[(&str, &str)]) -> String {
        let mut all = vec![
            ("confirm", "true"),
            ("payment_method", "pm_card_visa"),
            ("payment_method_types[]", "card"),
        ];
        all.extend(form);
        let url = format!("{}/v1/payment_intents", self.sandbox_url);
        let answer = self.http.post(url).bearer_auth("sk_test_other").form(&all).send().await;
        let answer: serde_json::Value = answer.unwrap().json().await.unwrap();
        assert_eq!(answer["status"], "succeeded", "{answer}");
        answer["id"].as_str().unwrap().to_owned()
    }

    /// As a webhook tells it.
    pub(crate) async fn told(&self, event: &str, kind: &str, payment: &str) {
        let told = Told {
            event,
            kind,
            created: Utc::now().timestamp(),
            object: "payment_intent",
            id: payment,
            payment: None,
            charge: None,
        };
        let (id, notice) = told.read().unwrap().unwrap();
        self.execute::<Notice>(&id, Receive(notice)).await;
    }
}
