//! Paying at the door, as the buyer and the seller do it.

use std::time::Duration;

use chrono::Utc;
use domain::id::OrderId;
use domain::order::{OrderCommand, Status};
use domain::payment::{Outcome, PaymentCommand, ProviderResult};
use domain::{Actor, Cause, Order, Payment};
use reqwest::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::app::{App, Person, concert, header, ok, refused};
use crate::bank::{count, everything};

struct Door {
    app: App,
    seller: Person,
    buyer: Person,
    order: String,
}

impl Door {
    /// An order that the buyer has begun to pay with this token.
    async fn with(token: &str) -> Self {
        let app = App::with(|state| state.with_payment_wait(Duration::ZERO)).await;
        let seller = app.person().await;
        let ticket = seller.lists(&concert()).await;
        let buyer = app.person().await;
        let order = buyer.orders(&ticket).await;
        let body = json!({"token": token, "orderId": order});
        let answer = ok(buyer.post("/api/payments", &body).await, StatusCode::ACCEPTED).await;
        assert_eq!(answer["status"], "initiated");
        Self { app, seller, buyer, order }
    }

    fn path(&self, what: &str) -> String {
        format!("/api/orders/{}/{what}", self.order)
    }

    async fn state(&self) -> Order {
        let id: OrderId = self.order.parse().unwrap();
        self.app.log.load::<Order>(&id).await.unwrap().state
    }

    /// What the processes do with an order whose payment has come to something.
    async fn execute(&self, command: OrderCommand) {
        let id: OrderId = self.order.parse().unwrap();
        self.app.log.execute::<Order>(&id, command, &cause()).await.unwrap();
    }
}

fn cause() -> Cause {
    Cause {
        command: domain::id::CommandId(Uuid::new_v4()),
        fingerprint: None,
        correlation: Uuid::new_v4(),
        causation: Uuid::new_v4(),
        actor: Actor::Process("test".to_owned()),
        trace: None,
        now: Utc::now(),
    }
}

#[tokio::test]
async fn the_seller_says_that_it_was_paid_once_and_nobody_else_does() {
    let door = Door::with("door").await;
    let path = door.path("door-payment");
    let stranger = door.app.person().await;
    ok(stranger.post(&path, &json!({})).await, StatusCode::NOT_FOUND).await;
    let why = refused(door.buyer.post(&path, &json!({})).await, StatusCode::FORBIDDEN).await;
    assert!(why.contains("seller"), "{why}");
    assert_eq!(count(&door.app.log, "PaymentCaptured").await, 0);

    let first = door.seller.post_as("k", &path, &json!({})).await;
    assert!(!header(first.headers(), "ticketing-position").is_empty());
    let first = ok(first, StatusCode::OK).await;
    assert_eq!(first["orderId"], json!(door.order));
    assert_eq!((&first["amount"], &first["currency"]), (&json!(19.99), &json!("usd")));
    let written = everything(&door.app.log).await;
    assert!(written.contains(&door.seller.id.to_string()), "the log tells who said so");
    let again = ok(door.seller.post_as("k", &path, &json!({})).await, StatusCode::OK).await;
    assert_eq!(again, first);
    ok(door.seller.post(&path, &json!({})).await, StatusCode::OK).await;
    assert_eq!(everything(&door.app.log).await, written);
}

#[tokio::test]
async fn what_is_not_paid_at_the_door_is_not_the_seller_s_to_say() {
    let door = Door::with("tok_nobody").await;
    for what in ["door-payment", "door-refund"] {
        let answer = door.seller.post(&door.path(what), &json!({})).await;
        refused(answer, StatusCode::BAD_REQUEST).await;
    }
    assert_eq!(count(&door.app.log, "PaymentCaptured").await, 0);
}

#[tokio::test]
async fn what_was_called_off_is_not_paid_any_more() {
    let door = Door::with("door").await;
    let Some(Status::AwaitingPayment { payment }) = door.state().await.status().cloned() else {
        panic!("the order waits for its payment");
    };
    let void = PaymentCommand::RecordResult(ProviderResult::Voided);
    door.app.log.execute::<Payment>(&payment, void, &cause()).await.unwrap();
    let path = door.path("door-payment");
    let why = refused(door.seller.post(&path, &json!({})).await, StatusCode::BAD_REQUEST).await;
    assert!(why.contains("expired"), "{why}");
    door.execute(OrderCommand::FailPayment { payment }).await;
    refused(door.seller.post(&path, &json!({})).await, StatusCode::BAD_REQUEST).await;
    let payment = door.app.log.load::<Payment>(&payment).await.unwrap().state;
    assert_eq!(payment.outcome(), Some(&Outcome::Voided));
}

#[tokio::test]
async fn the_seller_gives_the_money_back_at_the_door_after_asking_for_the_refund() {
    let door = Door::with("door").await;
    ok(door.seller.post(&door.path("door-payment"), &json!({})).await, StatusCode::OK).await;
    let Some(Status::AwaitingPayment { payment }) = door.state().await.status().cloned() else {
        panic!("nobody lets the order follow here");
    };
    door.execute(OrderCommand::Complete { payment }).await;
    let returned = door.path("door-refund");
    refused(door.seller.post(&returned, &json!({})).await, StatusCode::BAD_REQUEST).await;
    let asked: Value =
        ok(door.seller.post(&door.path("refund"), &json!({})).await, StatusCode::ACCEPTED).await;
    // Nobody has begun it here.
    refused(door.seller.post(&returned, &json!({})).await, StatusCode::CONFLICT).await;
    let refund = asked["id"].as_str().unwrap().parse().unwrap();
    let amount = door.state().await.terms().unwrap().total;
    let begin = PaymentCommand::Refund { refund, amount, provider_key: refund.to_string() };
    door.app.log.execute::<Payment>(&payment, begin, &cause()).await.unwrap();
    ok(door.buyer.post(&returned, &json!({})).await, StatusCode::FORBIDDEN).await;
    let first = ok(door.seller.post_as("k", &returned, &json!({})).await, StatusCode::OK).await;
    let again = ok(door.seller.post_as("k", &returned, &json!({})).await, StatusCode::OK).await;
    assert_eq!(first, again);
    assert_eq!(count(&door.app.log, "RefundSucceeded").await, 1);
}
