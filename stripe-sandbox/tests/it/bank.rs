//! The page where a person is the bank.

use crate::{Running, json};

#[tokio::test]
async fn the_page_shows_payments_and_lets_nothing_through_unescaped() {
    let it = Running::new().await;
    let page = || async { it.get("/").send().await.unwrap().text().await.unwrap() };
    assert!(page().await.contains("No payments yet"));
    let form = [
        ("amount", "2000"),
        ("currency", "usd"),
        ("confirm", "true"),
        ("payment_method", "pm_card_threeDSecure2Required"),
        ("metadata[order]", "<script>alert('x')</script>"),
    ];
    let (_, payment) = json(it.post("/v1/payment_intents", &form).send().await.unwrap()).await;
    let shown = page().await;
    let id = payment["id"].as_str().unwrap();
    assert!(shown.contains(&format!("action=\"/sandbox/payments/{id}/approve\"")), "{shown}");
    assert!(!shown.contains("<script>"));
}

#[tokio::test]
async fn the_bank_answers_only_what_it_was_asked() {
    let it = Running::new().await;
    let form = [("amount", "2000"), ("currency", "usd")];
    let (_, payment) = json(it.post("/v1/payment_intents", &form).send().await.unwrap()).await;
    let bank = async |id: &str| {
        let url = format!("{}/sandbox/payments/{id}/approve", it.base);
        it.http.post(url).send().await.unwrap().status().as_u16()
    };
    assert_eq!(bank(payment["id"].as_str().unwrap()).await, 409);
    assert_eq!(bank("pi_none").await, 404);
    assert_eq!(it.payments().await[0].status, "requires_payment_method");
}
