//! What the shop is told.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use serde_json::{Value, json};
use stripe_sandbox::{Options, Webhook};
use tokio::net::TcpListener;

use crate::{Running, SALE, eventually};

const SECRET: &str = "whsec_test";

/// A shop that keeps what it is told, and refuses as often as it is asked to.
#[derive(Clone, Default)]
struct Shop {
    told: Arc<Mutex<Vec<Value>>>,
    refuse: Arc<Mutex<u32>>,
}

impl Shop {
    async fn open(&self) -> Webhook {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let router = Router::new().route("/hook", post(take)).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Webhook { url, secret: SECRET.to_owned() }
    }

    /// The kinds of what it was told, in the order in which it came.
    fn kinds(&self) -> Vec<String> {
        let told = self.told.lock().unwrap();
        told.iter().map(|event| event["type"].as_str().unwrap().to_owned()).collect()
    }
}

async fn take(State(shop): State<Shop>, headers: HeaderMap, body: String) -> StatusCode {
    let signature = headers["stripe-signature"].to_str().unwrap();
    let (time, tag) = signature.split_once(",v1=").unwrap();
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, SECRET.as_bytes());
    let signed = format!("{}.{body}", time.strip_prefix("t=").unwrap());
    aws_lc_rs::hmac::verify(&key, signed.as_bytes(), &hex::decode(tag).unwrap()).unwrap();
    let mut refuse = shop.refuse.lock().unwrap();
    if *refuse > 0 {
        *refuse -= 1;
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    shop.told.lock().unwrap().push(serde_json::from_str(&body).unwrap());
    StatusCode::OK
}

async fn start(shop: &Shop) -> Running {
    Running::start(Options { webhook: Some(shop.open().await), ..Options::default() }).await
}

async fn sell(it: &Running) {
    it.post("/v1/payment_intents", SALE).send().await.unwrap();
}

#[tokio::test]
async fn events_are_signed_and_repeated_until_they_are_taken() {
    let shop = Shop::default();
    *shop.refuse.lock().unwrap() = 4;
    let it = start(&shop).await;
    sell(&it).await;
    eventually("told", async || shop.kinds().len() == 3).await;
    let mut kinds = shop.kinds();
    kinds.sort();
    assert_eq!(kinds, ["charge.succeeded", "payment_intent.created", "payment_intent.succeeded"]);
    let undelivered = async || {
        let list = it.get("/v1/events?delivery_success=false").send().await.unwrap();
        let list: Value = list.json().await.unwrap();
        list["data"].as_array().unwrap().len()
    };
    eventually("all are marked as taken", async || undelivered().await == 0).await;
}

#[tokio::test]
async fn events_come_twice_and_in_disorder_when_that_is_asked_for() {
    let shop = Shop::default();
    let it = start(&shop).await;
    let manner = json!({ "duplicate_percent": 100, "hold_back_ms": 400 });
    let answer = it.http.put(format!("{}/sandbox/webhook", it.base)).json(&manner).send().await;
    assert_eq!(answer.unwrap().status(), 204);
    for _ in 0..10 {
        sell(&it).await;
    }
    eventually("told", async || shop.kinds().len() == 60).await;
    let mut times: BTreeMap<String, u32> = BTreeMap::new();
    for event in shop.told.lock().unwrap().iter() {
        *times.entry(event["id"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    assert!(times.len() == 30 && times.values().all(|times| *times == 2), "{times:?}");
    let kinds = shop.kinds();
    let report = it.http.get(format!("{}/sandbox/faults", it.base)).send().await.unwrap();
    let report: Value = report.json().await.unwrap();
    assert_eq!(report["hit"], json!({ "webhook_held_back": 30, "webhook_twice": 30 }));
    let in_order = kinds.iter().take(10).all(|kind| kind == "payment_intent.created");
    assert!(!in_order, "{kinds:?}");
    for senseless in
        [json!({ "duplicate_percent": 101 }), json!({ "to": { "url": "x", "secret": "" } })]
    {
        let url = format!("{}/sandbox/webhook", it.base);
        let answer = it.http.put(url).json(&senseless).send().await.unwrap();
        assert_eq!(answer.status(), 422);
    }
}

#[tokio::test]
async fn an_event_is_lost_on_demand_and_sent_again_by_the_button() {
    let shop = Shop::default();
    let it = start(&shop).await;
    let put = async |manner: Value| {
        let url = format!("{}/sandbox/webhook", it.base);
        it.http.put(url).json(&manner).send().await.unwrap();
    };
    put(json!({ "lose_percent": 100 })).await;
    sell(&it).await;
    put(json!({})).await;
    // What comes later arrives, and so the earlier would have, had it been sent.
    it.post("/v1/payment_intents", &SALE[..2]).send().await.unwrap();
    eventually("told", async || !shop.kinds().is_empty()).await;
    assert_eq!(shop.kinds(), ["payment_intent.created"]);
    let events: Value =
        it.get("/v1/events?type=charge.succeeded").send().await.unwrap().json().await.unwrap();
    let id = events["data"][0]["id"].as_str().unwrap();
    let url = format!("{}/sandbox/events/{id}/send", it.base);
    assert!(it.http.post(url).send().await.unwrap().status().is_success());
    assert_eq!(shop.kinds(), ["payment_intent.created", "charge.succeeded"]);
}

#[tokio::test]
async fn after_a_restart_the_latest_events_come_again_and_are_the_same() {
    let (shop, dir) = (Shop::default(), tempfile::tempdir().unwrap());
    let journal = Some(dir.path().to_owned());
    let it = Running::start(Options { journal: journal.clone(), webhook: None }).await;
    sell(&it).await;
    let events = async |it: &Running| -> Value {
        it.get("/v1/events").send().await.unwrap().json().await.unwrap()
    };
    let before = events(&it).await;
    it.stop().await;
    let it = Running::start(Options { journal, webhook: Some(shop.open().await) }).await;
    eventually("told", async || shop.kinds().len() == 3).await;
    let ids = |list: &Value| -> Vec<String> {
        list["data"].as_array().unwrap().iter().map(|event| event["id"].to_string()).collect()
    };
    assert_eq!(ids(&events(&it).await), ids(&before));
}
