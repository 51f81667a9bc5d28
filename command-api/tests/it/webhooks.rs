//! What the provider tells: believed when it is signed, and noted once.

use std::time::{Duration, Instant};

use aws_lc_rs::hmac;
use chrono::Utc;
use command_api::WebhookSecrets;
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};

use crate::app::{App, ok, refused};
use crate::bank::{count, everything};

const SECRET: &str = "whsec_one";

async fn app() -> App {
    App::with(|state| state.with_webhook_secrets(WebhookSecrets::new([SECRET, "whsec_two"]))).await
}

fn event(id: &str, object: &Value) -> String {
    json!({
        "id": id, "object": "event", "type": "refund.created", "created": Utc::now().timestamp(),
        "livemode": false, "data": {"object": object},
    })
    .to_string()
}

fn refund() -> Value {
    json!({"object": "refund", "id": "re_1", "payment_intent": "pi_1", "charge": "ch_1",
           "metadata": {"email": "somebody@example.com"}, "amount": 100})
}

fn sign(secret: &str, at: i64, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, format!("{at}.{body}").as_bytes());
    format!("t={at},v1={}", hex::encode(tag))
}

async fn send(app: &App, signature: &str, body: String) -> Response {
    let request = Client::new().post(app.url("/webhooks/stripe"));
    let request = request.header("stripe-signature", signature);
    request.header("content-type", "application/json").body(body).send().await.unwrap()
}

async fn send_signed(app: &App, body: String) -> Response {
    let signature = sign(SECRET, Utc::now().timestamp(), &body);
    send(app, &signature, body).await
}

#[tokio::test]
async fn what_the_provider_signed_is_noted_before_it_is_answered_and_only_once() {
    let app = app().await;
    let body = event("evt_1", &refund());
    let answer = ok(send_signed(&app, body.clone()).await, StatusCode::OK).await;
    assert_eq!(answer, json!({"received": true}));
    let written = everything(&app.log).await;
    assert!(written.starts_with("webhook-evt_1 "), "{written}");
    for name in ["\"re_1\"", "\"pi_1\"", "\"ch_1\"", "refund.created"] {
        assert!(written.contains(name), "{written}");
    }
    assert!(!written.contains("somebody"), "more is kept than names: {written}");

    // Again, and as it is repeated later under the other secret, all at once.
    let later = sign("whsec_two", Utc::now().timestamp() - 200, &body);
    let again = (0..8).map(|_| send(&app, &later, body.clone()));
    for answer in futures::future::join_all(again).await {
        ok(answer, StatusCode::OK).await;
    }
    assert_eq!(everything(&app.log).await, written);
    // Several at once of one that is new.
    let body = event("evt_2", &refund());
    let first = (0..8).map(|_| send_signed(&app, body.clone()));
    for answer in futures::future::join_all(first).await {
        ok(answer, StatusCode::OK).await;
    }
    assert_eq!(count(&app.log, "ProviderNoticeReceived").await, 2);
}

#[tokio::test]
async fn what_is_forged_replayed_cut_off_or_huge_is_refused_and_nothing_written() {
    let app = app().await;
    let (body, now) = (event("evt_1", &refund()), Utc::now().timestamp());
    let good = sign(SECRET, now, &body);
    let huge = event("evt_1", &json!({"object": "refund", "id": "re_1", "x": "x".repeat(70_000)}));
    let cut = body[..body.len() - 3].to_owned();
    let cases: Vec<(&str, String, String, StatusCode)> = vec![
        ("no signature", String::new(), body.clone(), StatusCode::BAD_REQUEST),
        ("another secret", sign("whsec_x", now, &body), body.clone(), StatusCode::BAD_REQUEST),
        ("replayed", sign(SECRET, now - 301, &body), body.clone(), StatusCode::BAD_REQUEST),
        ("of tomorrow", sign(SECRET, now + 400, &body), body.clone(), StatusCode::BAD_REQUEST),
        ("changed", good.clone(), body.replace("pi_1", "pi_2"), StatusCode::BAD_REQUEST),
        ("cut off on the way", good.clone(), cut.clone(), StatusCode::BAD_REQUEST),
        ("cut off and signed", sign(SECRET, now, &cut), cut, StatusCode::BAD_REQUEST),
        ("empty", sign(SECRET, now, ""), String::new(), StatusCode::BAD_REQUEST),
        ("no JSON", sign(SECRET, now, "<a>"), "<a>".to_owned(), StatusCode::BAD_REQUEST),
        ("no event", sign(SECRET, now, "{}"), "{}".to_owned(), StatusCode::BAD_REQUEST),
        ("a list", sign(SECRET, now, "[1]"), "[1]".to_owned(), StatusCode::BAD_REQUEST),
        ("huge", sign(SECRET, now, &huge), huge, StatusCode::PAYLOAD_TOO_LARGE),
    ];
    for (what, signature, body, status) in cases {
        let answer = send(&app, &signature, body).await;
        assert_eq!(answer.status(), status, "{what}");
        refused(answer, status).await;
    }
    for (id, object) in [
        ("evt 1", refund()),
        ("", refund()),
        ("evt_1", json!({"object": "refund", "id": "../../x"})),
        ("evt_1", json!({"object": "refund"})),
        ("evt_1", json!({"object": "refund", "id": 7})),
    ] {
        let answer = send_signed(&app, event(id, &object)).await;
        refused(answer, StatusCode::BAD_REQUEST).await;
    }
    assert_eq!(everything(&app.log).await, "");
}

#[tokio::test]
async fn what_is_about_nothing_of_ours_is_answered_and_left() {
    let app = app().await;
    let customer = json!({"object": "customer", "id": "cus_1", "email": "ann@example.com"});
    ok(send_signed(&app, event("evt_1", &customer)).await, StatusCode::OK).await;
    assert_eq!(everything(&app.log).await, "");
}

#[tokio::test]
async fn without_a_secret_nothing_is_believed() {
    let app = App::start().await;
    let answer = send_signed(&app, event("evt_1", &refund())).await;
    assert!(refused(answer, StatusCode::NOT_FOUND).await.contains("STRIPE_WEBHOOK_SECRET"));
}

#[tokio::test]
async fn with_the_log_away_the_provider_is_told_to_come_again() {
    let mut app = app().await;
    let body = event("evt_1", &refund());
    app.test_log.stop().await;
    let answer = send_signed(&app, body.clone()).await;
    assert_eq!(answer.headers()["retry-after"], "1");
    refused(answer, StatusCode::SERVICE_UNAVAILABLE).await;
    app.test_log.restart().await;
    let deadline = Instant::now() + Duration::from_secs(10);
    while send_signed(&app, body.clone()).await.status() != StatusCode::OK {
        assert!(Instant::now() < deadline, "the log is back and webhooks are still refused");
    }
    assert_eq!(count(&app.log, "ProviderNoticeReceived").await, 1);
}
