use std::time::Duration;

use axum::extract::FromRequest;
use domain::id::{CommandId, OrderId, PaymentId};
use domain::order::{OrderCommand, Status};
use domain::payment::{PaymentCommand, ProviderResult};
use domain::{Cause, Order, Payment};
use reqwest::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::app::{App, Person, bad_fields, cause, concert, ok, refused};
use crate::bank::{Bank, count};

struct Shop {
    app: App,
    buyer: Person,
    order: String,
    _bank: Bank,
}

impl Shop {
    async fn open() -> Self {
        Self::with_wait(Duration::from_secs(10)).await
    }

    async fn with_wait(payment_wait: Duration) -> Self {
        let app = App::with(|state| state.with_payment_wait(payment_wait)).await;
        let bank = Bank::open(&app.log, &app.vault);
        let ticket = app.person().await.lists(&concert()).await;
        let buyer = app.person().await;
        let order = buyer.orders(&ticket).await;
        Self { app, buyer, order, _bank: bank }
    }

    fn paying(&self, token: &str) -> Value {
        json!({"token": token, "orderId": self.order})
    }

    async fn status(&self) -> Status {
        let id: OrderId = self.order.parse().unwrap();
        let order = self.app.log.load::<Order>(&id).await.unwrap().state;
        order.status().unwrap().clone()
    }
}

#[tokio::test]
async fn a_captured_payment_completes_the_order() {
    let shop = Shop::open().await;
    let response = shop.buyer.post("/api/payments", &shop.paying("tok_visa")).await;
    assert!(response.headers().contains_key("ticketing-position"));
    let answer = ok(response, StatusCode::CREATED).await;
    let payment: PaymentId = answer["id"].as_str().unwrap().parse().unwrap();
    assert_eq!(answer, json!({"id": payment.to_string()}));
    assert_eq!(shop.status().await, Status::Complete { payment });
    let intent = shop.app.log.load::<Payment>(&payment).await.unwrap().state;
    let intent = intent.intent().unwrap();
    assert_eq!((intent.amount.minor, intent.provider_key.as_str()), (1999, &*payment.to_string()));

    let again = shop.buyer.post("/api/payments", &shop.paying("tok_visa")).await;
    let message = refused(again, StatusCode::BAD_REQUEST).await;
    assert_eq!(message, "this order has been paid already");
    let cancel = shop.buyer.delete(&format!("/api/orders/{}", shop.order)).await;
    ok(cancel, StatusCode::BAD_REQUEST).await;
}

#[tokio::test]
async fn a_declined_payment_leaves_the_order_payable() {
    let shop = Shop::open().await;
    let body = shop.paying("tok_chargeDeclined");
    for _ in 0..2 {
        let response = shop.buyer.post_as("k", "/api/payments", &body).await;
        let problem = ok(response, StatusCode::PAYMENT_REQUIRED).await;
        assert_eq!(problem["code"], "card_declined");
    }
    assert_eq!(count(&shop.app.log, "PaymentInitiated").await, 1);
    assert_eq!(shop.status().await, Status::Created);
    let response = shop.buyer.post("/api/payments", &shop.paying("tok_visa")).await;
    ok(response, StatusCode::CREATED).await;
}

#[tokio::test]
async fn a_bank_that_wants_more_is_answered_with_the_secret_for_the_browser() {
    let shop = Shop::open().await;
    let response = shop.buyer.post_as("k", "/api/payments", &shop.paying("pm_3ds")).await;
    let answer = ok(response, StatusCode::ACCEPTED).await;
    let payment = answer["id"].as_str().unwrap().to_owned();
    let whole = json!({"id": payment, "status": "action_required", "clientSecret": "pi_1_secret"});
    assert_eq!(answer, whole);

    // The buyer has proved himself to the bank; the same request now says so.
    let payment: PaymentId = payment.parse().unwrap();
    let result = ProviderResult::Captured { provider_ref: "pi_1".to_owned() };
    let record = PaymentCommand::RecordResult(result);
    shop.app.log.execute::<Payment>(&payment, record, &cause()).await.unwrap();
    let order: OrderId = shop.order.parse().unwrap();
    let complete = OrderCommand::Complete { payment };
    shop.app.log.execute::<Order>(&order, complete, &cause()).await.unwrap();
    let response = shop.buyer.post_as("k", "/api/payments", &shop.paying("pm_3ds")).await;
    assert_eq!(ok(response, StatusCode::CREATED).await, json!({"id": payment.to_string()}));
}

#[tokio::test]
async fn while_a_payment_is_undecided_there_is_no_other_and_no_cancelling() {
    let shop = Shop::with_wait(Duration::from_millis(50)).await;
    let slow = shop.paying("pm_slow");
    let response = shop.buyer.post_as("slow", "/api/payments", &slow).await;
    let answer = ok(response, StatusCode::ACCEPTED).await;
    assert_eq!(answer, json!({"id": answer["id"], "status": "initiated"}));
    let other = shop.buyer.post("/api/payments", &shop.paying("tok_visa")).await;
    let message = refused(other, StatusCode::CONFLICT).await;
    assert_eq!(message, "a payment of this order is under way");
    let cancel = shop.buyer.delete(&format!("/api/orders/{}", shop.order)).await;
    ok(cancel, StatusCode::CONFLICT).await;

    // Called off because the order was about to expire.
    let payment: PaymentId = answer["id"].as_str().unwrap().parse().unwrap();
    let record = PaymentCommand::RecordResult(ProviderResult::Voided);
    shop.app.log.execute::<Payment>(&payment, record, &cause()).await.unwrap();
    let response = shop.buyer.post_as("slow", "/api/payments", &slow).await;
    let message = refused(response, StatusCode::BAD_REQUEST).await;
    assert_eq!(message, "Cannot pay for an expired order");
}

/// What the payment request with the key `k` does first, and what the payment process does when
/// nothing more comes of it.
async fn stop_after_start(shop: &Shop, body: &Value) -> PaymentId {
    let request = axum::http::Request::post("/api/payments")
        .header("content-type", "application/json")
        .header("idempotency-key", "k")
        .body(body.to_string().into())
        .unwrap();
    let request = web::Command::from_request(request, &shop.app.web).await.unwrap();
    let whole = request.cause.by(Some(shop.buyer.id));
    let derived = |name: &str| Uuid::new_v5(&whole.command.0, name.as_bytes());
    let payment = PaymentId(derived("payment"));
    let order: OrderId = shop.order.parse().unwrap();
    let start = OrderCommand::StartPayment { payment, by: shop.buyer.id, now: whole.now };
    let starting = Cause { command: CommandId(derived("start")), ..whole };
    shop.app.log.execute::<Order>(&order, start, &starting).await.unwrap();
    payment
}

#[tokio::test]
async fn a_payment_that_stopped_before_its_intent_goes_on_when_asked_again() {
    let shop = Shop::open().await;
    let body = shop.paying("tok_visa");
    let payment = stop_after_start(&shop, &body).await;
    let response = shop.buyer.post_as("k", "/api/payments", &body).await;
    assert_eq!(ok(response, StatusCode::CREATED).await, json!({"id": payment.to_string()}));
    assert_eq!(count(&shop.app.log, "OrderPaymentStarted").await, 1);
}

#[tokio::test]
async fn a_payment_that_was_given_up_before_its_intent_charges_nothing() {
    let shop = Shop::open().await;
    let body = shop.paying("tok_visa");
    let payment = stop_after_start(&shop, &body).await;
    let order: OrderId = shop.order.parse().unwrap();
    let give_up = OrderCommand::FailPayment { payment };
    shop.app.log.execute::<Order>(&order, give_up, &cause()).await.unwrap();
    let response = shop.buyer.post_as("k", "/api/payments", &body).await;
    ok(response, StatusCode::CONFLICT).await;
    assert_eq!(count(&shop.app.log, "PaymentInitiated").await, 0);
    let response = shop.buyer.post_as("k2", "/api/payments", &body).await;
    ok(response, StatusCode::CREATED).await;
}

#[tokio::test]
async fn the_same_key_pays_once_however_often_and_at_once_it_is_sent() {
    let shop = Shop::open().await;
    let mut requests = Vec::new();
    for _ in 0..6 {
        let (buyer, body) = (shop.buyer.clone(), shop.paying("tok_visa"));
        requests.push(tokio::spawn(async move {
            ok(buyer.post_as("k", "/api/payments", &body).await, StatusCode::CREATED).await
        }));
    }
    let mut answers = Vec::new();
    for request in requests {
        answers.push(request.await.unwrap());
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    assert_eq!(count(&shop.app.log, "PaymentInitiated").await, 1);
    assert_eq!(count(&shop.app.log, "OrderPaymentStarted").await, 1);
    let reused = shop.buyer.post_as("k", "/api/payments", &shop.paying("pm_3ds")).await;
    ok(reused, StatusCode::UNPROCESSABLE_ENTITY).await;
}

#[tokio::test]
async fn of_several_payments_at_once_one_is_made() {
    let shop = Shop::open().await;
    let mut requests = Vec::new();
    for _ in 0..6 {
        let (buyer, body) = (shop.buyer.clone(), shop.paying("tok_visa"));
        requests.push(tokio::spawn(async move { buyer.post("/api/payments", &body).await }));
    }
    let mut paid = 0;
    for request in requests {
        match request.await.unwrap().status() {
            StatusCode::CREATED => paid += 1,
            status => assert!(
                matches!(status, StatusCode::CONFLICT | StatusCode::BAD_REQUEST),
                "{status}"
            ),
        }
    }
    assert_eq!(paid, 1);
    assert_eq!(count(&shop.app.log, "PaymentInitiated").await, 1);
}

#[tokio::test]
async fn paying_is_refused_for_what_is_missing_bad_or_not_yours() {
    let shop = Shop::open().await;
    let visitor = shop.app.visitor();
    ok(visitor.post("/api/payments", &json!({})).await, StatusCode::UNAUTHORIZED).await;
    let response = shop.buyer.post("/api/payments", &json!({})).await;
    assert_eq!(bad_fields(response).await, ["token", "orderId"]);
    for token in ["visa", "tok_a b", "tok_é", &format!("tok_{}", "x".repeat(300))] {
        let response = shop.buyer.post("/api/payments", &shop.paying(token)).await;
        assert_eq!(bad_fields(response).await, ["token"], "{token}");
    }
    let stranger = shop.app.person().await;
    let response = stranger.post("/api/payments", &shop.paying("tok_visa")).await;
    assert_eq!(refused(response, StatusCode::NOT_FOUND).await, "Order not found");
    let nowhere = json!({"token": "tok_visa", "orderId": Uuid::now_v7()});
    ok(shop.buyer.post("/api/payments", &nowhere).await, StatusCode::NOT_FOUND).await;
    assert_eq!(count(&shop.app.log, "OrderPaymentStarted").await, 0);
}

#[tokio::test]
async fn a_cancelled_or_expired_order_cannot_be_paid() {
    let shop = Shop::open().await;
    let path = format!("/api/orders/{}", shop.order);
    assert_eq!(shop.buyer.delete(&path).await.status(), StatusCode::NO_CONTENT);
    let response = shop.buyer.post("/api/payments", &shop.paying("tok_visa")).await;
    let message = refused(response, StatusCode::BAD_REQUEST).await;
    assert_eq!(message, "Cannot pay for a cancelled order");

    let app = App::with(|state| state.with_reservation(Duration::ZERO)).await;
    let buyer = app.person().await;
    let order = buyer.orders(&buyer.lists(&concert()).await).await;
    let body = json!({"token": "tok_visa", "orderId": order});
    let message = refused(buyer.post("/api/payments", &body).await, StatusCode::BAD_REQUEST).await;
    assert_eq!(message, "Cannot pay for an expired order");
}
