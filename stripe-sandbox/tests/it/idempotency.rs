//! Keys, lost answers and restarts.

use serde_json::{Value, json};
use stripe_sandbox::{OpenError, Options, Sandbox};

use crate::{Running, SALE, json};

const PATH: &str = "/v1/payment_intents";

async fn sell(it: &Running, key: &str, form: &[(&str, &str)]) -> (u16, bool, Value) {
    let answer = it.post(PATH, form).header("Idempotency-Key", key).send().await.unwrap();
    let replayed = answer.headers().get("Idempotent-Replayed").is_some_and(|it| it == "true");
    let (status, body) = json(answer).await;
    (status, replayed, body)
}

#[tokio::test]
async fn the_same_key_and_body_give_the_same_answer_and_no_second_payment() {
    let it = Running::new().await;
    let (status, replayed, first) = sell(&it, "k1", SALE).await;
    assert_eq!((status, replayed), (200, false));
    let mut turned = SALE.to_vec();
    turned.reverse();
    let (status, replayed, second) = sell(&it, "k1", &turned).await;
    assert_eq!((status, replayed), (200, true));
    assert_eq!(first, second);
    let payments = it.payments().await;
    assert_eq!(payments.len(), 1);
    assert_eq!(payments[0].idempotency_key.as_deref(), Some("k1"));
}

#[tokio::test]
async fn the_same_key_at_once_makes_one_payment() {
    let it = Running::new().await;
    let sell = || sell(&it, "k1", SALE);
    let (a, b, c, d) = tokio::join!(sell(), sell(), sell(), sell());
    assert_eq!(a.2["id"], b.2["id"]);
    assert_eq!(c.2["id"], d.2["id"]);
    assert_eq!(it.payments().await.len(), 1);
}

#[tokio::test]
async fn a_key_used_for_something_else_is_refused() {
    let it = Running::new().await;
    sell(&it, "k1", SALE).await;
    let mut dearer = SALE.to_vec();
    dearer[0] = ("amount", "2001");
    let (status, _, body) = sell(&it, "k1", &dearer).await;
    assert_eq!((status, body["error"]["type"].as_str()), (400, Some("idempotency_error")));
    assert_eq!(it.payments().await.len(), 1);
}

#[tokio::test]
async fn a_decline_is_kept_and_a_bad_parameter_is_not() {
    let it = Running::new().await;
    let mut declined = SALE.to_vec();
    declined[2] = ("payment_method", "pm_card_chargeDeclined");
    let (status, replayed, first) = sell(&it, "k1", &declined).await;
    assert_eq!((status, replayed), (402, false));
    let (status, replayed, second) = sell(&it, "k1", &declined).await;
    assert_eq!((status, replayed), (402, true));
    assert_eq!(first, second);
    let (status, ..) = sell(&it, "k2", &[("amount", "x")]).await;
    assert_eq!(status, 400);
    let (status, replayed, _) = sell(&it, "k2", SALE).await;
    assert_eq!((status, replayed), (200, false));
}

#[tokio::test]
async fn a_lost_answer_is_given_again_to_who_asks_again() {
    let it = Running::new().await;
    it.fault(json!({ "next": 1, "kind": "lost_answer" })).await;
    let cut = it.post(PATH, SALE).header("Idempotency-Key", "k1").send().await;
    let lost = match cut {
        Err(_) => true,
        Ok(answer) => answer.bytes().await.is_err(),
    };
    assert!(lost);
    let (status, replayed, _) = sell(&it, "k1", SALE).await;
    assert_eq!((status, replayed), (200, true));
    assert_eq!(it.payments().await.len(), 1);
}

#[tokio::test]
async fn faults_hit_the_calls_they_are_meant_for_and_then_end() {
    let it = Running::new().await;
    it.fault(json!({ "next": 2, "on": "create", "kind": "error_500" })).await;
    it.fault(json!({ "next": 1, "on": "create", "kind": "rate_limit" })).await;
    it.fault(json!({ "next": 1, "on": "create", "kind": "error_500_after" })).await;
    let status = async |key: &str| {
        let (status, replayed, _) = sell(&it, key, SALE).await;
        (status, replayed)
    };
    assert_eq!(status("k1").await, (500, false));
    assert_eq!(status("k1").await, (500, false));
    assert_eq!(status("k1").await, (429, false));
    assert!(it.payments().await.is_empty());
    assert_eq!(status("k1").await, (500, false));
    assert_eq!(status("k1").await, (500, true));
    assert_eq!(it.payments().await[0].status, "succeeded", "done, though the answer was 500");
    assert_eq!(status("k2").await, (200, false));
    let report = it.http.get(format!("{}/sandbox/faults", it.base)).send().await.unwrap();
    let hit = &json(report).await.1["hit"];
    assert_eq!(*hit, json!({ "error_500": 2, "error_500_after": 1, "rate_limit": 1 }));
    for senseless in [
        json!({ "next": 0, "kind": "error_500" }),
        json!({ "next": 1 }),
        json!({ "percent": 101, "kind": "error_500" }),
        json!({ "kind": "error_500" }),
    ] {
        let url = format!("{}/sandbox/faults", it.base);
        assert!(
            it.http.post(url).json(&senseless).send().await.unwrap().status().is_client_error()
        );
    }
}

#[tokio::test]
async fn a_part_of_all_calls_fails_until_it_is_cleared() {
    let it = Running::new().await;
    it.fault(json!({ "percent": 100, "on": "create", "kind": "rate_limit" })).await;
    for _ in 0..3 {
        assert_eq!(sell(&it, "k1", SALE).await.0, 429);
    }
    it.http.delete(format!("{}/sandbox/faults", it.base)).send().await.unwrap();
    assert_eq!(sell(&it, "k1", SALE).await.0, 200);
}

#[tokio::test]
async fn after_a_restart_payments_and_keys_are_known() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { journal: Some(dir.path().join("stripe")), webhook: None };
    let it = Running::start(options.clone()).await;
    let (_, _, first) = sell(&it, "k1", SALE).await;
    it.post("/v1/refunds", &[("payment_intent", first["id"].as_str().unwrap()), ("amount", "1")])
        .send()
        .await
        .unwrap();
    let before = it.payments().await;
    assert!(matches!(Sandbox::open(options.clone()), Err(OpenError::InUse(_))));
    drop(it.sandbox.clone());
    it.stop().await;
    let it = Running::start(options).await;
    assert_eq!(it.payments().await, before);
    assert_eq!(it.sandbox.payments(), before);
    let (status, replayed, again) = sell(&it, "k1", SALE).await;
    assert_eq!((status, replayed), (200, true));
    assert_eq!(again, first);
}
