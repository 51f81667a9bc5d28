//! Asking for a refund. That the money really goes back is for the process that does it.

use domain::Order;
use domain::id::{OrderId, RefundId};
use domain::order::Status;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::app::{App, Person, bad_fields, concert, header, ok, refused};
use crate::bank::{Bank, count, everything};

struct Sold {
    app: App,
    seller: Person,
    buyer: Person,
    order: String,
    _bank: Bank,
}

impl Sold {
    /// A ticket that has been ordered; paid too unless said otherwise.
    async fn new(paid: bool) -> Self {
        let app = App::start().await;
        let bank = Bank::open(&app.log, &app.vault);
        let seller = app.person().await;
        let ticket = seller.lists(&concert()).await;
        let buyer = app.person().await;
        let order = buyer.orders(&ticket).await;
        if paid {
            let body = json!({"token": "tok_visa", "orderId": order});
            ok(buyer.post("/api/payments", &body).await, StatusCode::CREATED).await;
        }
        Self { app, seller, buyer, order, _bank: bank }
    }

    fn path(&self) -> String {
        format!("/api/orders/{}/refund", self.order)
    }

    async fn status(&self) -> Status {
        let id: OrderId = self.order.parse().unwrap();
        self.app.log.load::<Order>(&id).await.unwrap().state.status().unwrap().clone()
    }
}

#[tokio::test]
async fn the_seller_gives_the_money_back_once_however_often_asked() {
    let sold = Sold::new(true).await;
    let body = json!({"reason": "called off"});
    let first = sold.seller.post_as("k", &sold.path(), &body).await;
    assert!(!header(first.headers(), "ticketing-position").is_empty());
    assert_eq!(header(first.headers(), "etag"), "\"3\"");
    let first = ok(first, StatusCode::ACCEPTED).await;
    let refund: RefundId = first["id"].as_str().unwrap().parse().unwrap();
    let whole = json!({
        "id": refund.to_string(), "orderId": sold.order, "amount": 19.99, "currency": "usd",
    });
    assert_eq!(first, whole);
    assert!(matches!(sold.status().await, Status::Refunding { refund: now, .. } if now == refund));

    let again = sold.seller.post_as("k", &sold.path(), &body).await;
    assert_eq!(ok(again, StatusCode::ACCEPTED).await, first);
    let other = sold.seller.post_as("k", &sold.path(), &json!({"reason": "other"})).await;
    ok(other, StatusCode::UNPROCESSABLE_ENTITY).await;
    // Without the key and without a body too: what was asked for first is under way.
    let bare = sold.seller.request(Method::POST, &sold.path()).send().await.unwrap();
    assert_eq!(ok(bare, StatusCode::ACCEPTED).await, first);
    assert_eq!(count(&sold.app.log, "OrderRefundRequested").await, 1);
    assert!(everything(&sold.app.log).await.contains("\"reason\":\"called off\""));
}

#[tokio::test]
async fn nobody_but_the_seller_can_give_the_money_back() {
    let sold = Sold::new(true).await;
    let none = json!({});
    let path = sold.path();
    ok(sold.app.visitor().post(&path, &none).await, StatusCode::UNAUTHORIZED).await;
    ok(sold.buyer.post(&path, &none).await, StatusCode::FORBIDDEN).await;
    let stranger = sold.app.person().await;
    let theirs = ok(stranger.post(&path, &none).await, StatusCode::NOT_FOUND).await;
    let nowhere = format!("/api/orders/{}/refund", Uuid::now_v7());
    let missing = ok(sold.seller.post(&nowhere, &none).await, StatusCode::NOT_FOUND).await;
    assert_eq!(theirs["errors"], missing["errors"]);
    assert!(matches!(sold.status().await, Status::Complete { .. }));
}

#[tokio::test]
async fn a_refund_is_refused_for_what_is_not_paid_bad_or_another_version() {
    let unpaid = Sold::new(false).await;
    let response = unpaid.seller.post(&unpaid.path(), &Value::Object(Default::default())).await;
    assert_eq!(refused(response, StatusCode::BAD_REQUEST).await, "this order has not been paid");

    let sold = Sold::new(true).await;
    for reason in [json!("x".repeat(501)), json!("a\u{0}b")] {
        let response = sold.seller.post(&sold.path(), &json!({"reason": reason})).await;
        assert_eq!(bad_fields(response).await, ["reason"]);
    }
    let request = sold.seller.request(Method::POST, &sold.path()).header("if-match", "\"1\"");
    ok(request.send().await.unwrap(), StatusCode::PRECONDITION_FAILED).await;
    assert!(matches!(sold.status().await, Status::Complete { .. }));
    let request = sold.seller.request(Method::POST, &sold.path()).header("if-match", "\"2\"");
    ok(request.send().await.unwrap(), StatusCode::ACCEPTED).await;
}
