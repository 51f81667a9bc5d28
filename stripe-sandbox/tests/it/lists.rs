//! What a reconciler reads: lists with pages, through the real client's types.

use std::collections::BTreeSet;

use serde_json::Value;
use stripe::StripeRequest;
use stripe_core::payment_intent::RetrievePaymentIntent;
use stripe_core::{BalanceTransaction, Charge, Dispute, Event, PaymentIntent, Refund};
use stripe_types::List;

use crate::{Running, SALE, json};

impl Running {
    /// A page of a list, by hand.
    async fn page(&self, path: &str) -> (Vec<String>, bool) {
        let (status, body) = json(self.get(path).send().await.unwrap()).await;
        assert_eq!((status, &body["object"]), (200, &Value::from("list")), "{body}");
        let ids = body["data"].as_array().unwrap().iter();
        let ids = ids.map(|it| it["id"].as_str().unwrap().to_owned()).collect();
        (ids, body["has_more"].as_bool().unwrap())
    }

    async fn sell(&self, card: &str) -> String {
        let mut form = SALE.to_vec();
        form[2] = ("payment_method", card);
        let (_, body) = json(self.post("/v1/payment_intents", &form).send().await.unwrap()).await;
        let intent = if body["error"].is_null() { &body } else { &body["error"]["payment_intent"] };
        intent["id"].as_str().unwrap().to_owned()
    }
}

/// The client's own lists are behind features that only this would need; what they read is the same.
macro_rules! list {
    ($it:expr, $thing:ty, $path:expr) => {{
        let mut request = RetrievePaymentIntent::new("pi_none").build();
        request.path = $path.to_owned();
        request.query = Some("limit=100".to_owned());
        request.customize::<List<$thing>>().send(&$it.stripe).await.unwrap().data
    }};
}

#[tokio::test]
async fn every_list_and_thing_is_readable_by_the_real_client() {
    let it = Running::new().await;
    let sold = it.sell("pm_card_visa").await;
    it.sell("pm_card_chargeDeclined").await;
    it.sell("pm_card_createDispute").await;
    it.post("/v1/refunds", &[("payment_intent", &sold), ("amount", "500")]).send().await.unwrap();

    assert_eq!(list!(it, PaymentIntent, "/payment_intents").len(), 3);
    let charges = list!(it, Charge, "/charges");
    let seen: Vec<_> =
        charges.iter().map(|it| (it.paid, it.amount_refunded, it.disputed)).collect();
    assert_eq!(seen, [(true, 0, true), (false, 0, false), (true, 500, false)]);
    let refunds = list!(it, Refund, "/refunds");
    assert_eq!(refunds[0].amount, 500);
    let disputes = list!(it, Dispute, "/disputes");
    assert_eq!(disputes[0].reason, "fraudulent");
    let events = list!(it, Event, "/events");
    let kinds: BTreeSet<_> = events.iter().map(|event| event.type_.as_str()).collect();
    for kind in [
        "payment_intent.created",
        "payment_intent.succeeded",
        "payment_intent.payment_failed",
        "charge.succeeded",
        "charge.failed",
        "charge.refunded",
        "refund.created",
        "charge.dispute.created",
    ] {
        assert!(kinds.contains(kind), "no {kind} in {kinds:?}");
    }
    for (path, id) in [
        ("/charges", charges[0].id.to_string()),
        ("/refunds", refunds[0].id.to_string()),
        ("/disputes", disputes[0].id.to_string()),
        ("/events", events[0].id.to_string()),
    ] {
        let (status, body) = json(it.get(&format!("/v1{path}/{id}")).send().await.unwrap()).await;
        assert_eq!((status, body["id"].as_str()), (200, Some(id.as_str())));
        let none = it.get(&format!("/v1{path}/none")).send().await.unwrap();
        assert_eq!(none.status(), 404);
    }
}

#[tokio::test]
async fn pages_give_everything_once_the_newest_first_while_more_is_added() {
    let it = Running::new().await;
    let mut sold = Vec::new();
    for _ in 0..7 {
        sold.push(it.sell("pm_card_visa").await);
    }
    let (first, more) = it.page("/v1/payment_intents?limit=3").await;
    assert!(more);
    it.sell("pm_card_visa").await;
    let next = format!("/v1/payment_intents?limit=3&starting_after={}", first[2]);
    let (second, more) = it.page(&next).await;
    assert!(more);
    let next = format!("/v1/payment_intents?limit=3&starting_after={}", second[2]);
    let (third, more) = it.page(&next).await;
    assert!(!more);
    let mut read = [first, second.clone(), third].concat();
    read.reverse();
    assert_eq!(read, sold);
    let back = format!("/v1/payment_intents?limit=2&ending_before={}", second[0]);
    let (back, more) = it.page(&back).await;
    assert_eq!((back, more), (vec![sold[5].clone(), sold[4].clone()], true));
}

#[tokio::test]
async fn lists_are_narrowed_and_nonsense_is_refused() {
    let it = Running::new().await;
    let (one, other) = (it.sell("pm_card_visa").await, it.sell("pm_card_visa").await);
    for id in [&one, &other] {
        it.post("/v1/refunds", &[("payment_intent", id)]).send().await.unwrap();
    }
    let of_one = it.page(&format!("/v1/refunds?payment_intent={one}")).await;
    assert_eq!(of_one.0.len(), 1);
    let future = now() + 60;
    assert!(it.page(&format!("/v1/refunds?created[gte]={future}")).await.0.is_empty());
    assert_eq!(it.page(&format!("/v1/refunds?created[lt]={future}")).await.0.len(), 2);
    let path = "/v1/events?types[]=refund.created&types[]=charge.dispute.*";
    assert_eq!(it.page(path).await.0.len(), 2);
    for (query, param) in [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=x", "limit"),
        ("limit=9999999999999999999999", "limit"),
        ("starting_after=re_none", "starting_after"),
        ("created[gte]=yesterday", "created[gte]"),
        ("colour=red", "colour"),
    ] {
        let answer = it.get(&format!("/v1/refunds?{query}")).send().await.unwrap();
        let (status, body) = json(answer).await;
        assert_eq!((status, body["error"]["param"].as_str()), (400, Some(param)), "{body}");
    }
}

fn now() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(now.as_secs()).unwrap()
}

#[tokio::test]
async fn movements_tell_what_stripe_keeps() {
    let it = Running::new().await;
    it.post("/v1/payment_intents", SALE).send().await.unwrap();
    let id = it.payments().await[0].id.clone();
    for deed in ["refund?amount=500", "dispute"] {
        let (deed, form) = deed.split_once('?').unwrap_or((deed, ""));
        let url = format!("{}/sandbox/payments/{id}/{deed}", it.base);
        it.http.post(url).body(form).send().await.unwrap();
    }
    let all = list!(it, BalanceTransaction, "/balance_transactions");
    let mut kept: Vec<_> = all.iter().map(|it| (it.amount, it.fee, it.net)).collect();
    kept.sort_unstable();
    assert_eq!(kept, [(-1_500, 1_500, -3_000), (-500, 0, -500), (2_000, 88, 1_912)]);
    let intent = it.get(&format!("/v1/payment_intents/{id}")).send().await.unwrap();
    let intent: Value = intent.json().await.unwrap();
    let charge = intent["latest_charge"].as_str().unwrap();
    let (of_charge, _) = it.page(&format!("/v1/balance_transactions?source={charge}")).await;
    let moved = all.iter().find(|moved| moved.fee == 88).unwrap().id.to_string();
    assert_eq!(of_charge, [moved.as_str()]);
    let one = it.get(&format!("/v1/balance_transactions/{moved}")).send().await.unwrap();
    assert_eq!(json(one).await.1["net"], 1_912);
    assert_eq!(it.payments().await[0].fees, 1_588);
}
