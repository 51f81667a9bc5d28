use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::app::{App, concert, header, ok};
use crate::bank::count;

#[tokio::test]
async fn while_the_log_is_away_writes_are_told_to_come_back_and_then_succeed() {
    let mut app = App::start().await;
    let seller = app.person().await;
    let ticket = seller.lists(&concert()).await;
    app.test_log.stop().await;

    let edit = format!("/api/tickets/{ticket}");
    let credentials = json!({"email": seller.email, "password": crate::app::PASSWORD});
    let requests = [
        (Method::POST, "/api/tickets", concert()),
        (Method::PUT, &edit, concert()),
        (Method::POST, "/api/orders", json!({"ticketId": ticket})),
        (Method::POST, "/api/users/signin", credentials),
        (Method::POST, "/api/users/signout", json!({})),
    ];
    for (method, path, body) in requests {
        let began = Instant::now();
        let request = seller.request(method, path).header("idempotency-key", "k").json(&body);
        let response = request.send().await.unwrap();
        assert!(
            began.elapsed() < Duration::from_millis(1_500),
            "{path} took {:?}",
            began.elapsed()
        );
        assert_eq!(header(response.headers(), "retry-after"), "1", "{path}");
        ok(response, StatusCode::SERVICE_UNAVAILABLE).await;
    }

    app.test_log.restart().await;
    let deadline = Instant::now() + Duration::from_secs(2);
    loop {
        let body = json!({"ticketId": ticket});
        let response = seller.post_as("k", "/api/orders", &body).await;
        if response.status() != StatusCode::SERVICE_UNAVAILABLE {
            ok(response, StatusCode::CREATED).await;
            break;
        }
        assert!(Instant::now() < deadline, "the log is back and writes are still refused");
    }
    assert_eq!(count(&app.log, "OrderPlaced").await, 1);
}
