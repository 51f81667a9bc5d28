use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::app::{App, bad_fields, concert, header, ok, refused};
use crate::bank::{count, everything};

#[tokio::test]
async fn a_listed_ticket_is_answered_whole() {
    let app = App::start().await;
    let seller = app.person().await;
    let response = seller.post("/api/tickets", &concert()).await;
    let headers = response.headers().clone();
    let ticket = ok(response, StatusCode::CREATED).await;
    let id = ticket["id"].as_str().unwrap();
    let whole = json!({
        "id": id, "title": "Concert", "price": 19.99, "currency": "usd", "quantity": 1,
        "available": 1, "userId": seller.id.to_string(), "version": 0,
    });
    assert_eq!(ticket, whole);
    assert_eq!(header(&headers, "location"), format!("/api/tickets/{id}"));
    assert_eq!(header(&headers, "etag"), "\"0\"");
    let position = header(&headers, "ticketing-position");
    assert!(header(&headers, "set-cookie").starts_with(&format!("ticketing_position={position};")));
}

#[tokio::test]
async fn a_price_is_taken_as_number_or_text_without_rounding() {
    let app = App::start().await;
    let seller = app.person().await;
    let body = |price: &str, currency: &str| {
        format!("{{\"title\":\"T\",\"price\":{price},\"currency\":\"{currency}\",\"quantity\":3}}")
    };
    let post = async |body: String| {
        let request = seller.request(Method::POST, "/api/tickets");
        request.header("content-type", "application/json").body(body).send().await.unwrap()
    };
    for (sent, currency, shown) in [
        ("20", "usd", "\"price\":20,"),
        ("\"19.99\"", "USD", "\"price\":19.99,"),
        ("20.50", "eur", "\"price\":20.5,"),
        ("0.07", "usd", "\"price\":0.07,"),
        ("200", "jpy", "\"price\":200,"),
    ] {
        let response = post(body(sent, currency)).await;
        assert_eq!(response.status(), StatusCode::CREATED, "{sent}");
        let text = response.text().await.unwrap();
        assert!(text.contains(shown), "{sent}: {text}");
    }
    for (sent, currency) in [
        ("19.999", "usd"),
        ("19.990000000000000001", "usd"),
        ("1.5", "jpy"),
        ("0", "usd"),
        ("-1", "usd"),
        ("1e3", "usd"),
        ("\"abc\"", "usd"),
        ("null", "usd"),
        ("true", "usd"),
        ("[1]", "usd"),
        ("99999999999999999999", "usd"),
    ] {
        assert_eq!(bad_fields(post(body(sent, currency)).await).await, ["price"], "{sent}");
    }
}

#[tokio::test]
async fn listing_names_every_bad_field() {
    let app = App::start().await;
    let seller = app.person().await;
    let body = json!({
        "title": "  ", "price": -10, "currency": "gold", "quantity": 0, "maxPerOrder": "many"
    });
    let problem = ok(seller.post("/api/tickets", &body).await, StatusCode::BAD_REQUEST).await;
    let errors = problem["errors"].as_array().unwrap();
    let find = |field: &str| {
        errors.iter().find(|error| error["field"] == field).unwrap()["message"].clone()
    };
    assert_eq!(find("title"), "Title is required");
    assert_eq!(find("price"), "Price must be greater than 0");
    assert_eq!(errors.len(), 5, "{problem}");
    let missing = seller.post("/api/tickets", &json!({})).await;
    assert_eq!(bad_fields(missing).await, ["title", "price"]);
}

#[tokio::test]
async fn only_who_is_signed_in_lists_and_edits() {
    let app = App::start().await;
    let visitor = app.visitor();
    ok(visitor.post("/api/tickets", &concert()).await, StatusCode::UNAUTHORIZED).await;
    let path = format!("/api/tickets/{}", Uuid::now_v7());
    ok(visitor.put(&path, &concert()).await, StatusCode::UNAUTHORIZED).await;
    // Even garbage is not looked at before.
    ok(visitor.post("/api/tickets", &json!({})).await, StatusCode::UNAUTHORIZED).await;
}

#[tokio::test]
async fn the_seller_edits_title_price_and_quantity() {
    let app = App::start().await;
    let seller = app.person().await;
    let path = format!("/api/tickets/{}", seller.lists(&concert()).await);
    let response = seller.put(&path, &json!({"title": "Opera", "price": "30"})).await;
    assert_eq!(header(response.headers(), "etag"), "\"1\"");
    let ticket = ok(response, StatusCode::OK).await;
    assert_eq!((&ticket["title"], &ticket["price"]), (&json!("Opera"), &json!(30)));
    assert_eq!(ticket["version"], 1);

    let body = json!({"title": "Opera", "price": 31, "quantity": 5});
    let ticket = ok(seller.put(&path, &body).await, StatusCode::OK).await;
    assert_eq!((&ticket["price"], &ticket["quantity"]), (&json!(31), &json!(5)));
    assert_eq!((&ticket["available"], &ticket["version"]), (&json!(5), &json!(3)));

    // Already so: nothing happens.
    let ticket = ok(seller.put(&path, &body).await, StatusCode::OK).await;
    assert_eq!(ticket["version"], 3);
}

#[tokio::test]
async fn an_edit_is_refused_for_what_is_missing_not_yours_or_bad() {
    let app = App::start().await;
    let seller = app.person().await;
    let path = format!("/api/tickets/{}", seller.lists(&concert()).await);
    let other = app.person().await;
    ok(other.put(&path, &concert()).await, StatusCode::FORBIDDEN).await;
    let nowhere = format!("/api/tickets/{}", Uuid::now_v7());
    assert_eq!(
        refused(seller.put(&nowhere, &concert()).await, StatusCode::NOT_FOUND).await,
        "Ticket not found"
    );
    ok(seller.put("/api/tickets/no-id", &concert()).await, StatusCode::NOT_FOUND).await;
    let bad = json!({"title": "", "price": 0, "quantity": -1});
    assert_eq!(bad_fields(seller.put(&path, &bad).await).await, ["title", "price", "quantity"]);
    let wrong = seller.request(Method::PATCH, &path).json(&concert()).send().await.unwrap();
    ok(wrong, StatusCode::METHOD_NOT_ALLOWED).await;
}

#[tokio::test]
async fn a_reserved_single_ticket_cannot_be_edited() {
    let app = App::start().await;
    let seller = app.person().await;
    let ticket = seller.lists(&concert()).await;
    app.person().await.orders(&ticket).await;
    let path = format!("/api/tickets/{ticket}");
    for body in [concert(), json!({"title": "Concert", "price": 1, "quantity": 2})] {
        let response = seller.put(&path, &body).await;
        assert_eq!(
            refused(response, StatusCode::BAD_REQUEST).await,
            "Cannot edit a reserved ticket"
        );
    }
    assert_eq!(count(&app.log, "TicketQuantityChanged").await, 0);
}

#[tokio::test]
async fn a_refused_quantity_leaves_title_and_price_as_they_were() {
    let app = App::start().await;
    let seller = app.person().await;
    let ticket = seller.lists(&json!({"title": "Concert", "price": 20, "quantity": 5})).await;
    let buyer = app.person().await;
    let body = json!({"ticketId": ticket, "quantity": 3});
    ok(buyer.post("/api/orders", &body).await, StatusCode::CREATED).await;
    let path = format!("/api/tickets/{ticket}");
    let body = json!({"title": "Opera", "price": 30, "quantity": 2});
    assert_eq!(bad_fields(seller.put(&path, &body).await).await, ["quantity"]);
    assert_eq!(count(&app.log, "TicketEdited").await, 0);
    let body = json!({"title": "Opera", "price": 30, "quantity": 3});
    let ticket = ok(seller.put(&path, &body).await, StatusCode::OK).await;
    assert_eq!((&ticket["quantity"], &ticket["available"]), (&json!(3), &json!(0)));
}

#[tokio::test]
async fn a_withdrawn_ticket_sells_no_more_and_honours_what_is_reserved() {
    let app = App::start().await;
    let (seller, buyer) = (app.person().await, app.person().await);
    let ticket = seller.lists(&json!({"title": "Concert", "price": 5, "quantity": 3})).await;
    let order = buyer.orders(&ticket).await;
    let path = format!("/api/tickets/{ticket}");
    ok(app.visitor().delete(&path).await, StatusCode::UNAUTHORIZED).await;
    ok(buyer.delete(&path).await, StatusCode::FORBIDDEN).await;
    let nowhere = format!("/api/tickets/{}", Uuid::now_v7());
    ok(seller.delete(&nowhere).await, StatusCode::NOT_FOUND).await;
    let request = seller.request(Method::DELETE, &path).header("if-match", "\"0\"");
    ok(request.send().await.unwrap(), StatusCode::PRECONDITION_FAILED).await;

    // Once more there is nothing left to do.
    for _ in 0..2 {
        let response = seller.delete(&path).await;
        assert_eq!(response.status(), StatusCode::NO_CONTENT);
        assert_eq!(header(response.headers(), "etag"), "\"2\"");
    }
    let more = buyer.post("/api/orders", &json!({"ticketId": ticket})).await;
    ok(more, StatusCode::BAD_REQUEST).await;
    ok(seller.put(&path, &concert()).await, StatusCode::BAD_REQUEST).await;
    let cancelled = buyer.delete(&format!("/api/orders/{order}")).await;
    assert_eq!(cancelled.status(), StatusCode::NO_CONTENT);
    assert_eq!(count(&app.log, "TicketWithdrawn").await, 1);
}

#[tokio::test]
async fn an_edit_meant_for_another_version_is_refused() {
    let app = App::start().await;
    let seller = app.person().await;
    let path = format!("/api/tickets/{}", seller.lists(&concert()).await);
    let put = async |tag: &str, title: &str| {
        let request = seller.request(Method::PUT, &path).header("if-match", tag);
        request.json(&json!({"title": title, "price": 5, "quantity": 2})).send().await.unwrap()
    };
    ok(put("\"0\"", "One").await, StatusCode::OK).await;
    ok(put("\"0\"", "Two").await, StatusCode::PRECONDITION_FAILED).await;
    ok(put("\"x\"", "Two").await, StatusCode::PRECONDITION_FAILED).await;
    ok(put("*", "Three").await, StatusCode::OK).await;
    ok(put("\"3\"", "Four").await, StatusCode::OK).await;
}

#[tokio::test]
async fn the_same_key_lists_once_however_often_and_at_once_it_is_sent() {
    let app = App::start().await;
    let seller = app.person().await;
    let mut requests = Vec::new();
    for _ in 0..8 {
        let seller = seller.clone();
        requests.push(tokio::spawn(async move {
            ok(seller.post_as("k", "/api/tickets", &concert()).await, StatusCode::CREATED).await
        }));
    }
    let mut answers: Vec<Value> = Vec::new();
    for request in requests {
        answers.push(request.await.unwrap());
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    assert_eq!(count(&app.log, "TicketListed").await, 1);

    // The answer stays what it was when the ticket has changed since.
    let path = format!("/api/tickets/{}", answers[0]["id"].as_str().unwrap());
    ok(seller.put(&path, &json!({"title": "Other", "price": 1})).await, StatusCode::OK).await;
    let again = seller.post_as("k", "/api/tickets", &concert()).await;
    assert_eq!(ok(again, StatusCode::CREATED).await, answers[0]);

    let other = json!({"title": "Concert", "price": 20});
    let reused = seller.post_as("k", "/api/tickets", &other).await;
    ok(reused, StatusCode::UNPROCESSABLE_ENTITY).await;
    // Another person's key is another key.
    let neighbour = app.person().await;
    let theirs =
        ok(neighbour.post_as("k", "/api/tickets", &other).await, StatusCode::CREATED).await;
    assert_ne!(theirs["id"], answers[0]["id"]);
}

#[tokio::test]
async fn an_edit_with_the_same_key_takes_effect_once() {
    let app = App::start().await;
    let seller = app.person().await;
    let ticket = seller.lists(&json!({"title": "Concert", "price": 20})).await;
    let path = format!("/api/tickets/{ticket}");
    let put = async |body: Value| {
        let request = seller.request(Method::PUT, &path).header("idempotency-key", "edit");
        request.header("if-match", "\"0\"").json(&body).send().await.unwrap()
    };
    let body = json!({"title": "Opera", "price": 30, "quantity": 2});
    let first = ok(put(body.clone()).await, StatusCode::OK).await;
    assert_eq!(ok(put(body.clone()).await, StatusCode::OK).await, first);

    // Even when it would be refused by now.
    let buyer = app.person().await;
    let order = json!({"ticketId": ticket, "quantity": 2});
    ok(buyer.post("/api/orders", &order).await, StatusCode::CREATED).await;
    ok(put(body).await, StatusCode::OK).await;
    assert_eq!(count(&app.log, "TicketEdited").await, 1);
    assert_eq!(count(&app.log, "TicketQuantityChanged").await, 1);
    let other = put(json!({"title": "Play", "price": 30, "quantity": 2})).await;
    ok(other, StatusCode::UNPROCESSABLE_ENTITY).await;
}

#[tokio::test]
async fn the_name_and_the_trace_of_a_request_go_with_its_events() {
    let app = App::start().await;
    let seller = app.person().await;
    let (name, trace) =
        (Uuid::now_v7().to_string(), "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    let request = seller.request(Method::POST, "/api/tickets").header("traceparent", trace);
    let request = request.header("x-request-id", &name).json(&concert());
    let response = request.send().await.unwrap();
    assert_eq!(header(response.headers(), "x-request-id"), name);
    ok(response, StatusCode::CREATED).await;
    let log = everything(&app.log).await;
    let listed = log.lines().find(|line| line.contains("TicketListed")).unwrap();
    assert!(listed.contains(trace) && listed.contains(&name), "{listed}");
}
