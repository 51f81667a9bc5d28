use chrono::{DateTime, TimeDelta, Utc};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::app::{App, bad_fields, concert, header, ok, refused};
use crate::bank::count;

#[tokio::test]
async fn a_placed_order_is_answered_whole() {
    let app = App::start().await;
    let seller = app.person().await;
    let ticket = seller.lists(&json!({"title": "Concert", "price": "19.99", "quantity": 5})).await;
    let buyer = app.person().await;
    let body = json!({"ticketId": ticket, "quantity": 3});
    let response = buyer.post("/api/orders", &body).await;
    let headers = response.headers().clone();
    let order = ok(response, StatusCode::CREATED).await;
    let (id, expires_at) = (order["id"].as_str().unwrap(), order["expiresAt"].as_str().unwrap());
    let whole = json!({
        "id": id, "status": "created", "expiresAt": expires_at,
        "ticket": {"id": ticket, "title": "Concert", "price": 19.99, "currency": "usd"},
        "quantity": 3, "total": 59.97, "currency": "usd", "userId": buyer.id.to_string(),
        "version": 0,
    });
    assert_eq!(order, whole);
    let left = expires_at.parse::<DateTime<Utc>>().unwrap() - Utc::now();
    assert!(left > TimeDelta::seconds(840) && left <= TimeDelta::seconds(900), "{left}");
    assert_eq!(header(&headers, "location"), format!("/api/orders/{id}"));
    assert_eq!(header(&headers, "etag"), "\"0\"");
    assert!(!header(&headers, "ticketing-position").is_empty());
}

#[tokio::test]
async fn an_order_is_refused_for_what_is_missing_or_bad() {
    let app = App::start().await;
    let buyer = app.person().await;
    ok(app.visitor().post("/api/orders", &json!({})).await, StatusCode::UNAUTHORIZED).await;
    for body in [json!({}), json!({"ticketId": 5}), json!({"ticketId": "abc"})] {
        let response = buyer.post("/api/orders", &body).await;
        assert_eq!(refused(response, StatusCode::BAD_REQUEST).await, "TicketId must be provided");
    }
    let nowhere = json!({"ticketId": Uuid::now_v7()});
    let response = buyer.post("/api/orders", &nowhere).await;
    assert_eq!(refused(response, StatusCode::NOT_FOUND).await, "Ticket not found");

    let ticket =
        buyer.lists(&json!({"title": "T", "price": 1, "quantity": 9, "maxPerOrder": 2})).await;
    for quantity in
        [json!(0), json!(-1), json!(1.5), json!("x"), json!(3), json!(4_294_967_296_u64)]
    {
        let body = json!({"ticketId": ticket, "quantity": quantity});
        assert_eq!(bad_fields(buyer.post("/api/orders", &body).await).await, ["quantity"]);
    }
}

#[tokio::test]
async fn a_seller_who_names_no_limit_lets_take_at_most_ten_at_once() {
    let app = App::start().await;
    let seller = app.person().await;
    let ticket = seller.lists(&json!({"title": "T", "price": 1, "quantity": 50})).await;
    let eleven = json!({"ticketId": ticket, "quantity": 11});
    assert_eq!(bad_fields(seller.post("/api/orders", &eleven).await).await, ["quantity"]);
    let ten = json!({"ticketId": ticket, "quantity": 10});
    ok(seller.post("/api/orders", &ten).await, StatusCode::CREATED).await;
}

#[tokio::test]
async fn of_many_buyers_of_one_ticket_one_gets_it() {
    let app = App::start().await;
    let ticket = app.person().await.lists(&concert()).await;
    let mut requests = Vec::new();
    for _ in 0..6 {
        let (buyer, body) = (app.person().await, json!({"ticketId": ticket}));
        requests.push(tokio::spawn(async move { buyer.post("/api/orders", &body).await }));
    }
    let mut placed = 0;
    for request in requests {
        let response = request.await.unwrap();
        if response.status() == StatusCode::CREATED {
            placed += 1;
        } else {
            assert_eq!(
                refused(response, StatusCode::BAD_REQUEST).await,
                "Ticket is already reserved."
            );
        }
    }
    assert_eq!(placed, 1);
    assert_eq!(count(&app.log, "TicketReserved").await, 1);
    assert_eq!(count(&app.log, "OrderPlaced").await, 1);
}

#[tokio::test]
async fn the_same_key_orders_once_however_often_and_at_once_it_is_sent() {
    let app = App::start().await;
    let ticket = app.person().await.lists(&json!({"title": "T", "price": 2, "quantity": 9})).await;
    let buyer = app.person().await;
    let body = json!({"ticketId": ticket, "quantity": 2});
    let mut requests = Vec::new();
    for _ in 0..8 {
        let (buyer, body) = (buyer.clone(), body.clone());
        requests.push(tokio::spawn(async move {
            ok(buyer.post_as("k", "/api/orders", &body).await, StatusCode::CREATED).await
        }));
    }
    let mut answers: Vec<Value> = Vec::new();
    for request in requests {
        answers.push(request.await.unwrap());
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    assert_eq!(count(&app.log, "TicketReserved").await, 1);
    assert_eq!(count(&app.log, "OrderPlaced").await, 1);

    let other = json!({"ticketId": ticket, "quantity": 1});
    let reused = buyer.post_as("k", "/api/orders", &other).await;
    ok(reused, StatusCode::UNPROCESSABLE_ENTITY).await;

    // The answer stays what it was when the order has been cancelled since.
    let path = format!("/api/orders/{}", answers[0]["id"].as_str().unwrap());
    assert_eq!(buyer.delete(&path).await.status(), StatusCode::NO_CONTENT);
    let again = buyer.post_as("k", "/api/orders", &body).await;
    assert_eq!(ok(again, StatusCode::CREATED).await, answers[0]);
    assert_eq!(count(&app.log, "TicketReserved").await, 1);
}

#[tokio::test]
async fn the_buyer_cancels_and_nobody_else() {
    let app = App::start().await;
    let ticket = app.person().await.lists(&concert()).await;
    let buyer = app.person().await;
    let path = format!("/api/orders/{}", buyer.orders(&ticket).await);
    ok(app.visitor().delete(&path).await, StatusCode::UNAUTHORIZED).await;
    // To others there is no such order.
    let theirs = ok(app.person().await.delete(&path).await, StatusCode::NOT_FOUND).await;
    let nowhere = format!("/api/orders/{}", Uuid::now_v7());
    let missing = ok(buyer.delete(&nowhere).await, StatusCode::NOT_FOUND).await;
    assert_eq!(theirs["errors"], missing["errors"]);

    let delete = async |tag: &str| {
        let request = buyer.request(Method::DELETE, &path).header("if-match", tag);
        request.header("idempotency-key", "cancel").send().await.unwrap()
    };
    ok(delete("\"7\"").await, StatusCode::PRECONDITION_FAILED).await;
    let response = delete("\"0\"").await;
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
    assert_eq!(header(response.headers(), "etag"), "\"1\"");
    assert!(!header(response.headers(), "ticketing-position").is_empty());
    assert_eq!(delete("\"0\"").await.status(), StatusCode::NO_CONTENT);
    // It is cancelled already: nothing happens.
    assert_eq!(buyer.delete(&path).await.status(), StatusCode::NO_CONTENT);
    assert_eq!(count(&app.log, "OrderCancelled").await, 1);
}
