//! Every request made again under its key is answered as it was the first time, whatever has
//! happened in between.

use std::time::Duration;

use domain::id::{OrderId, RefundId};
use domain::order::OrderCommand;
use domain::payment::PaymentCommand;
use domain::{Order, Payment};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::app::{App, PASSWORD, Person, cause, concert, ok};
use crate::bank::{Bank, count};

/// What an answer is compared by.
#[derive(Debug, PartialEq)]
struct Answer {
    status: StatusCode,
    etag: Option<String>,
    /// Where one reads what the request wrote.
    position: Option<String>,
    body: String,
}

async fn sent(request: RequestBuilder) -> Answer {
    let response = request.header("idempotency-key", "again").send().await.unwrap();
    let header = |name: &str| {
        let value = response.headers().get(name)?;
        Some(value.to_str().unwrap().to_owned())
    };
    let (etag, position) = (header("etag"), header("ticketing-position"));
    Answer { status: response.status(), etag, position, body: response.text().await.unwrap() }
}

fn put(person: &Person, path: &str, body: &Value) -> RequestBuilder {
    person.request(Method::PUT, path).json(body)
}

fn post(person: &Person, path: &str, body: &Value) -> RequestBuilder {
    person.request(Method::POST, path).json(body)
}

#[tokio::test]
async fn a_ticket_listed_edited_and_withdrawn_again_is_answered_as_it_was() {
    let app = App::start().await;
    let (seller, buyer) = (app.person().await, app.person().await);
    let listing = json!({"title": "Concert", "price": 20, "quantity": 5});
    let list = || post(&seller, "/api/tickets", &listing);
    let listed = sent(list()).await;
    let ticket: Value = serde_json::from_str(&listed.body).unwrap();
    let ticket = ticket["id"].as_str().unwrap();
    let path = format!("/api/tickets/{ticket}");

    let edit = || put(&seller, &path, &json!({"title": "Opera", "price": 30, "quantity": 7}));
    let edited = sent(edit()).await;
    assert_eq!((edited.status, edited.etag.as_deref()), (StatusCode::OK, Some("\"2\"")));
    buyer.orders(ticket).await;
    ok(seller.put(&path, &json!({"title": "Play", "price": 1})).await, StatusCode::OK).await;
    assert_eq!(sent(list()).await, listed);
    assert_eq!(sent(edit()).await, edited);

    let withdraw = || seller.request(Method::DELETE, &path);
    let withdrawn = sent(withdraw()).await;
    assert_eq!(withdrawn.status, StatusCode::NO_CONTENT);
    buyer.delete(&format!("/api/orders/{}", first_order(&buyer, &app).await)).await;
    assert_eq!(sent(withdraw()).await, withdrawn);
    assert_eq!(sent(edit()).await, edited, "even of a ticket that is withdrawn by now");
    assert_eq!(sent(list()).await, listed);
    assert_eq!(count(&app.log, "TicketEdited").await, 2);
}

/// An order of a buyer, as the log has it.
async fn first_order(buyer: &Person, app: &App) -> OrderId {
    let text = crate::bank::everything(&app.log).await;
    let placed = text
        .lines()
        .find(|line| line.contains("OrderPlaced") && line.contains(&buyer.id.to_string()));
    let stream = placed.unwrap().split(' ').next().unwrap();
    stream.strip_prefix("order-").unwrap().parse().unwrap()
}

#[tokio::test]
async fn an_edit_of_which_one_half_had_nothing_to_do_does_not_do_it_later() {
    let app = App::start().await;
    let seller = app.person().await;
    let ticket = seller.lists(&json!({"title": "Concert", "price": 20, "quantity": 5})).await;
    let path = format!("/api/tickets/{ticket}");
    for (body, meanwhile) in [
        // The number of units was so already, and then changed.
        (
            json!({"title": "Opera", "price": 30, "quantity": 5}),
            json!({"title": "Opera", "price": 30, "quantity": 9}),
        ),
        // Title and price were.
        (
            json!({"title": "Opera", "price": 30, "quantity": 4}),
            json!({"title": "Play", "price": 30, "quantity": 4}),
        ),
    ] {
        let key = format!("key of {body}");
        let edit = async || {
            let request = put(&seller, &path, &body).header("idempotency-key", &key);
            ok(request.send().await.unwrap(), StatusCode::OK).await
        };
        let first = edit().await;
        let now = ok(seller.put(&path, &meanwhile).await, StatusCode::OK).await;
        assert_eq!(edit().await, first);
        let nothing = ok(seller.put(&path, &meanwhile).await, StatusCode::OK).await;
        assert_eq!(nothing["version"], now["version"], "the repeated edit changed something");
    }
}

#[tokio::test]
async fn an_order_placed_and_cancelled_again_is_answered_as_it_was() {
    let app = App::start().await;
    let ticket = app.person().await.lists(&json!({"title": "T", "price": 2, "quantity": 9})).await;
    let buyer = app.person().await;
    let body = json!({"ticketId": ticket, "quantity": 2});
    let place = || post(&buyer, "/api/orders", &body);
    let placed = sent(place()).await;
    assert_eq!((placed.status, placed.etag.as_deref()), (StatusCode::CREATED, Some("\"0\"")));
    let order = first_order(&buyer, &app).await;
    let path = format!("/api/orders/{order}");
    let cancel = || buyer.request(Method::DELETE, &path);
    let cancelled = sent(cancel()).await;
    assert_eq!(cancelled.etag.as_deref(), Some("\"1\""));
    assert_eq!(sent(place()).await, placed);

    // Its payment was captured all the same, and it came back.
    let reinstate = OrderCommand::Reinstate { payment: domain::id::PaymentId(Uuid::now_v7()) };
    let _refused_or_not = app.log.execute::<Order>(&order, reinstate, &cause()).await;
    assert_eq!(sent(cancel()).await, cancelled);
    assert_eq!(sent(place()).await, placed);
}

#[tokio::test]
async fn a_payment_and_a_refund_asked_for_again_are_answered_as_they_were() {
    let app = App::with(|state| state.with_payment_wait(Duration::from_secs(10))).await;
    let _bank = Bank::open(&app.log, &app.vault);
    let (seller, buyer) = (app.person().await, app.person().await);
    let order = buyer.orders(&seller.lists(&concert()).await).await;
    let body = json!({"token": "tok_visa", "orderId": order});
    let pay = || post(&buyer, "/api/payments", &body);
    let mut paid = sent(pay()).await;
    assert_eq!(paid.status, StatusCode::CREATED);
    let path = format!("/api/orders/{order}/refund");
    let refund = || post(&seller, &path, &json!({"reason": "called off"}));
    let asked = sent(refund()).await;
    assert_eq!(asked.status, StatusCode::ACCEPTED);
    let bare = seller.request(Method::POST, &path).send().await.unwrap();
    assert_eq!(bare.headers()["etag"], asked.etag.as_deref().unwrap());

    // The money goes back, as the refund process does it.
    let id: OrderId = order.parse().unwrap();
    let answer: Value = serde_json::from_str(&asked.body).unwrap();
    let refund_id: RefundId = answer["id"].as_str().unwrap().parse().unwrap();
    let paid_by: Value = serde_json::from_str(&paid.body).unwrap();
    let payment = paid_by["id"].as_str().unwrap().parse().unwrap();
    let amount = app.log.load::<Order>(&id).await.unwrap().state.terms().unwrap().total;
    let initiate =
        PaymentCommand::Refund { refund: refund_id, amount, provider_key: refund_id.to_string() };
    app.log.execute::<Payment>(&payment, initiate, &cause()).await.unwrap();
    let record = OrderCommand::RecordRefund { refund: refund_id };
    app.log.execute::<Order>(&id, record, &cause()).await.unwrap();

    assert_eq!(sent(refund()).await, asked);
    // Who reads at a later position reads it too.
    let mut again = sent(pay()).await;
    assert!(again.position.take().is_some() && paid.position.take().is_some());
    assert_eq!(again, paid);
}

#[tokio::test]
async fn what_one_does_to_ones_account_again_is_answered_as_it_was() {
    let app = App::start().await;
    let email = format!("{}@example.com", Uuid::new_v4());
    let credentials = json!({"email": email, "password": PASSWORD});
    let visitor = app.visitor();
    let sign_up = || post(&visitor, "/api/users/signup", &credentials);
    let sign_in = || post(&visitor, "/api/users/signin", &credentials);
    let issue = || post(&visitor, "/api/users/token", &credentials);
    let up = sent(sign_up()).await;
    assert_eq!((up.status, up.etag.as_deref()), (StatusCode::CREATED, Some("\"1\"")));
    let signed_in = sent(sign_in()).await;
    assert_eq!(signed_in.etag.as_deref(), Some("\"2\""));
    let issued = sent(issue()).await;
    assert_eq!(issued.etag.as_deref(), Some("\"3\""));
    let tokens: Value = serde_json::from_str(&issued.body).unwrap();
    let trade = || {
        let body = json!({"refreshToken": tokens["refreshToken"]});
        post(&visitor, "/api/users/token/refresh", &body)
    };
    let other = app.visitor();
    assert_eq!(sent(sign_up()).await, up);
    assert_eq!(sent(sign_in()).await, signed_in);
    let again = sent(issue()).await;
    assert_eq!((again.status, again.etag), (issued.status, issued.etag));

    let traded = sent(trade()).await;
    assert_eq!(traded.etag.as_deref(), Some("\"4\""));
    ok(other.post("/api/users/signin", &credentials).await, StatusCode::OK).await;
    let again = sent(trade()).await;
    assert_eq!((again.status, again.etag), (traded.status, traded.etag));

    let change = || {
        let body = json!({"password": PASSWORD, "newPassword": "a better password"});
        put(&visitor, "/api/users/me/password", &body)
    };
    let changed = sent(change()).await;
    assert_eq!(changed.status, StatusCode::NO_CONTENT);
    let back = json!({"password": "a better password", "newPassword": "the third password"});
    let back = visitor.put("/api/users/me/password", &back).await;
    assert_eq!(back.status(), StatusCode::NO_CONTENT);
    assert_eq!(sent(change()).await, changed);
    assert_eq!(count(&app.log, "PasswordChanged").await, 2);

    let path = format!("/api/users/sessions/{}", Uuid::now_v7());
    let revoke = || visitor.request(Method::DELETE, &path);
    assert_eq!(sent(revoke()).await.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn a_sign_up_again_does_not_open_a_session_by_a_password_that_was_changed() {
    let app = App::start().await;
    let visitor = app.visitor();
    let email = format!("{}@example.com", Uuid::new_v4());
    let old = json!({"email": email, "password": PASSWORD});
    let up = sent(post(&visitor, "/api/users/signup", &old)).await;
    assert_eq!(up.status, StatusCode::CREATED);
    let change = json!({"password": PASSWORD, "newPassword": "a better password"});
    let changed = visitor.put("/api/users/me/password", &change).await;
    assert_eq!(changed.status(), StatusCode::NO_CONTENT);
    let new = json!({"email": email, "password": "a better password"});
    ok(app.visitor().post("/api/users/signin", &new).await, StatusCode::OK).await;
    let opened = count(&app.log, "SessionOpened").await;

    let thief = app.visitor();
    assert_eq!(sent(post(&thief, "/api/users/signup", &old)).await, up);
    assert_eq!(count(&app.log, "SessionOpened").await, opened);
}
