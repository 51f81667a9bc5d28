//! What happens to payments without the shop: banks that take their time, refunds that fail later,
//! refunds made in the dashboard, disputes.

use serde_json::Value;

use crate::{Running, SALE, eventually, json};

impl Running {
    async fn sale(&self, card: &str) -> Value {
        let mut form = SALE.to_vec();
        form[2] = ("payment_method", card);
        json(self.post("/v1/payment_intents", &form).send().await.unwrap()).await.1
    }

    async fn do_to(&self, id: &str, deed: &str, form: &[(&str, &str)]) -> u16 {
        let url = format!("{}/sandbox/payments/{id}/{deed}", self.base);
        self.http.post(url).form(form).send().await.unwrap().status().as_u16()
    }

    async fn refund(&self, id: &str) -> (u16, Value) {
        json(self.post("/v1/refunds", &[("payment_intent", id)]).send().await.unwrap()).await
    }

    async fn read(&self, path: &str) -> Value {
        json(self.get(path).send().await.unwrap()).await.1
    }
}

fn id(it: &Value) -> &str {
    it["id"].as_str().unwrap()
}

#[tokio::test]
async fn a_bank_that_takes_its_time_decides_by_itself_and_cannot_be_called_off() {
    let it = Running::new().await;
    let (good, bad) = (it.sale("pm_card_delayed").await, it.sale("pm_card_delayedDeclined").await);
    assert_eq!((&good["status"], &bad["status"]), (&"processing".into(), &"processing".into()));
    let path = format!("/v1/payment_intents/{}/cancel", id(&good));
    let (status, body) = json(it.post(&path, &[]).send().await.unwrap()).await;
    let code = body["error"]["code"].as_str();
    assert_eq!((status, code), (400, Some("payment_intent_unexpected_state")));
    let status = async |it: &Running, of: &Value| {
        it.read(&format!("/v1/payment_intents/{}", id(of))).await["status"].clone()
    };
    eventually("decided", async || status(&it, &good).await == "succeeded").await;
    eventually("decided", async || status(&it, &bad).await == "requires_payment_method").await;
    let (faster, page) = (it.sale("pm_card_delayed").await, it.get("/").send().await.unwrap());
    assert!(page.text().await.unwrap().contains("Bank approves"));
    assert_eq!(it.do_to(id(&faster), "approve", &[]).await, 200);
    assert_eq!(status(&it, &faster).await, "succeeded");
}

#[tokio::test]
async fn a_refund_is_pending_first_or_fails_afterwards_and_the_money_can_be_given_back_again() {
    let it = Running::new().await;
    let (slow, lost) =
        (it.sale("pm_card_pendingRefund").await, it.sale("pm_card_refundFail").await);
    let (_, pending) = it.refund(id(&slow)).await;
    let (_, failing) = it.refund(id(&lost)).await;
    assert_eq!((&pending["status"], &failing["status"]), (&"pending".into(), &"succeeded".into()));
    let status = async |it: &Running, of: &Value| {
        it.read(&format!("/v1/refunds/{}", id(of))).await["status"].clone()
    };
    eventually("given back", async || status(&it, &pending).await == "succeeded").await;
    eventually("not taken", async || status(&it, &failing).await == "failed").await;
    let back = it.payments().await.into_iter().map(|payment| payment.refunded);
    assert_eq!(back.collect::<Vec<_>>(), [2000, 0]);
    assert_eq!(it.refund(id(&lost)).await.0, 200);
}

#[tokio::test]
async fn a_refund_in_the_dashboard_is_seen_by_the_shop_and_counts() {
    let it = Running::new().await;
    let sold = it.sale("pm_card_visa").await;
    assert_eq!(it.do_to(id(&sold), "refund", &[("amount", "1500")]).await, 200);
    assert_eq!(it.do_to(id(&sold), "refund", &[("amount", "501")]).await, 409);
    assert_eq!(it.do_to(id(&sold), "refund", &[("amount", "9223372036854775807")]).await, 409);
    let listed = it.read("/v1/refunds").await;
    assert_eq!(
        (&listed["data"][0]["amount"], listed["data"].as_array().unwrap().len()),
        (&1500.into(), 1)
    );
    let (_, rest) = it.refund(id(&sold)).await;
    assert_eq!(rest["amount"], 500);
}

#[tokio::test]
async fn disputed_money_is_gone_until_the_dispute_is_won() {
    let it = Running::new().await;
    let (won, lost) = (it.sale("pm_card_visa").await, it.sale("pm_card_createDispute").await);
    assert_eq!(it.do_to(id(&won), "dispute", &[("reason", "duplicate")]).await, 200);
    assert_eq!(it.do_to(id(&won), "dispute", &[]).await, 409);
    for sold in [&won, &lost] {
        let (status, body) = it.refund(id(sold)).await;
        assert_eq!((status, body["error"]["code"].as_str()), (400, Some("charge_disputed")));
    }
    assert_eq!(it.payments().await.iter().map(|it| it.disputed).sum::<i64>(), 4000);
    assert_eq!(it.do_to(id(&won), "win", &[]).await, 200);
    assert_eq!(it.do_to(id(&lost), "lose", &[]).await, 200);
    assert_eq!(it.do_to(id(&lost), "lose", &[]).await, 409);
    assert_eq!(it.refund(id(&won)).await.0, 200);
    assert_eq!(it.refund(id(&lost)).await.0, 400);
    let kinds = it.read("/v1/events?types[]=charge.dispute.*&limit=100").await;
    let kinds = kinds["data"].as_array().unwrap().iter();
    let mut kinds: Vec<_> = kinds.map(|it| it["type"].as_str().unwrap()).collect();
    kinds.sort_unstable();
    let expected = ["closed", "closed", "created", "created", "funds_reinstated"];
    let expected = expected.iter().chain(&["funds_withdrawn", "funds_withdrawn"]);
    assert_eq!(kinds, expected.map(|it| format!("charge.dispute.{it}")).collect::<Vec<_>>());
    assert_eq!(it.do_to(id(&won), "explode", &[]).await, 404);
}
