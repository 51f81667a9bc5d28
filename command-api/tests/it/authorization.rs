//! Every route, asked by everybody.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use domain::Account;
use domain::account::Access;
use domain::id::SessionId;
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;
use web::testing::{Credential, bad_credentials};

use crate::app::{App, PASSWORD, Person};
use crate::bank::everything;

/// A route that only people who are signed in may use, and what the others are told.
struct Route {
    /// Keeps no cookies.
    client: Client,
    method: Method,
    url: String,
    body: Value,
    /// Somebody else who is signed in.
    other: StatusCode,
    owner: StatusCode,
}

/// All of them; what the owner may do comes in an order that leaves something to do for the next.
async fn routes(app: &App, owner: &Person, session: SessionId) -> Vec<Route> {
    let ticket = owner.lists(&json!({"title": "T", "price": 5, "quantity": 9})).await;
    let order = owner.orders(&ticket).await;
    let listing = json!({"title": "T", "price": 6});
    let password = json!({"password": PASSWORD, "newPassword": "another password"});
    let pay = json!({"orderId": order, "token": "tok_nobody"});
    let buy = json!({"ticketId": ticket});
    let (ticket, order) = (format!("/api/tickets/{ticket}"), format!("/api/orders/{order}"));
    let refund = format!("{order}/refund");
    let (received, returned) = (format!("{order}/door-payment"), format!("{order}/door-refund"));
    let session = format!("/api/users/sessions/{session}");
    let client = Client::new();
    let routes = [
        (Method::POST, "/api/tickets", listing.clone(), 201, 201),
        (Method::PUT, &ticket, listing, 403, 200),
        (Method::POST, "/api/orders", buy, 201, 201),
        // The seller's own order, which is not paid.
        (Method::POST, &refund, json!({}), 404, 400),
        (Method::POST, &received, Value::Null, 404, 400),
        (Method::POST, &returned, Value::Null, 404, 400),
        // Nobody decides about the payment here, so the order cannot be cancelled after it.
        (Method::POST, "/api/payments", pay, 404, 202),
        (Method::DELETE, &order, Value::Null, 404, 409),
        (Method::DELETE, &ticket, Value::Null, 403, 204),
        (Method::GET, "/api/users/sessions", Value::Null, 200, 200),
        // What ends is never somebody else's session.
        (Method::DELETE, &session, Value::Null, 204, 204),
        (Method::PUT, "/api/users/me/password", password, 204, 204),
        (Method::DELETE, "/api/users/me", Value::Null, 204, 204),
    ];
    let routes = routes.map(|(method, path, body, other, owner)| Route {
        client: client.clone(),
        method,
        url: app.url(path),
        body,
        other: StatusCode::from_u16(other).unwrap(),
        owner: StatusCode::from_u16(owner).unwrap(),
    });
    routes.into()
}

/// The session of the person's browser.
async fn session_of(app: &App, person: &Person) -> SessionId {
    let known = app.log.load::<Account>(&person.id).await.unwrap().state;
    let Account::Registered { sessions, .. } = known else { panic!("{known:?}") };
    *sessions.iter().find(|(_, session)| session.access == Access::Cookie).unwrap().0
}

async fn ask(route: &Route, header: Option<(&str, &str)>) -> StatusCode {
    let mut request = route.client.request(route.method.clone(), &route.url);
    if let Some((name, value)) = header {
        request = request.header(name, value);
    }
    if route.body != Value::Null {
        request = request.json(&route.body);
    }
    let response = request.send().await.unwrap();
    let status = response.status();
    if status == StatusCode::UNAUTHORIZED {
        assert_eq!(response.headers()["www-authenticate"], "Bearer");
        assert_eq!(response.headers()["content-type"], "application/problem+json");
    }
    status
}

#[tokio::test]
async fn every_route_does_for_everybody_just_what_it_should() {
    let app = App::with(|state| state.with_payment_wait(std::time::Duration::ZERO)).await;
    let (owner, other) = (app.person().await, app.person().await);
    let (owner_token, _) = owner.tokens().await;
    let (other_token, _) = other.tokens().await;
    // Its browser's session, not the one whose token asks.
    let session = session_of(&app, &owner).await;
    let mut bad = bad_credentials(&app.web, owner.id, session);
    let unopened = app.cookie(owner.id, SessionId(Uuid::now_v7()), TimeDelta::days(1));
    bad.push(Credential { name: "a session never opened", header: "cookie", value: unopened });
    let routes = routes(&app, &owner, session).await;
    assert_eq!(named(&app, &routes), closed(), "a route is missing in this test");
    for route in &routes {
        let name = format!("{} {}", route.method, route.url);
        assert_eq!(ask(route, None).await, StatusCode::UNAUTHORIZED, "{name}: anonymous");
        for Credential { name: who, header, value } in &bad {
            let status = ask(route, Some((header, value))).await;
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{name}: {who}");
        }
    }
    let asked = async |route: &Route, token: &str| {
        ask(route, Some(("authorization", &format!("Bearer {token}")))).await
    };
    for route in &routes {
        let name = format!("{} {}", route.method, route.url);
        assert_eq!(asked(route, &other_token).await, route.other, "{name}: somebody else");
        assert_eq!(asked(route, &owner_token).await, route.owner, "{name}: the owner");
    }
}

#[tokio::test]
async fn every_change_is_made_once_and_only_to_the_version_it_is_meant_for() {
    let app = App::with(|state| state.with_payment_wait(std::time::Duration::ZERO)).await;
    let owner = app.person().await;
    let (token, _) = owner.tokens().await;
    let session = session_of(&app, &owner).await;
    let routes = routes(&app, &owner, session).await;
    let changes = routes.iter().filter(|route| route.method != Method::GET);
    let before = everything(&app.log).await;
    let asked = async |route: &Route, header: (&str, &str)| {
        let request = route.client.request(route.method.clone(), &route.url);
        let request = request.bearer_auth(&token).header(header.0, header.1);
        let bare = route.body == Value::Null;
        let request = if bare { request } else { request.json(&route.body) };
        request.send().await.unwrap()
    };
    for route in changes.clone() {
        let name = format!("{} {}", route.method, route.url);
        let response = asked(route, ("if-match", "\"999\"")).await;
        assert_eq!(response.status(), StatusCode::PRECONDITION_FAILED, "{name}");
    }
    assert_eq!(everything(&app.log).await, before, "a change was made to another version");

    for route in changes {
        let name = format!("{} {}", route.method, route.url);
        let first = asked(route, ("idempotency-key", "k")).await;
        assert_eq!(first.status(), route.owner, "{name}");
        if first.status().is_success() {
            assert!(first.headers().contains_key("ticketing-position"), "{name}");
            let gone = route.url.ends_with("/users/me");
            assert_eq!(first.headers().contains_key("etag"), !gone, "{name}");
        }
        let (status, first) = (first.status(), first.text().await.unwrap());
        let written = everything(&app.log).await;
        let again = asked(route, ("idempotency-key", "k")).await;
        assert_eq!(again.status(), status, "{name}");
        assert_eq!(again.text().await.unwrap(), first, "{name}");
        assert_eq!(everything(&app.log).await, written, "{name} was done twice");
    }
}

/// The routes that this test asks, as they are described.
fn named(app: &App, routes: &[Route]) -> BTreeSet<String> {
    let base = app.url("");
    let pattern = |part: &str| if part.parse::<Uuid>().is_ok() { "{id}" } else { part }.to_owned();
    let named = routes.iter().map(|Route { method, url, .. }| {
        let path = url.strip_prefix(&base).unwrap().split('/').map(pattern).collect::<Vec<_>>();
        format!("{method} {}", path.join("/"))
    });
    named.collect()
}

/// The routes that there are, but for those that anybody may ask.
fn closed() -> BTreeSet<String> {
    let asked = web::testing::asked(command_api::api().into_openapi()).into_iter();
    asked.filter_map(|(route, closed)| closed.then_some(route)).collect()
}

#[test]
fn what_anybody_may_ask_is_known() {
    let asked = web::testing::asked(command_api::api().into_openapi()).into_iter();
    let open: BTreeSet<_> =
        asked.filter_map(|(route, closed)| (!closed).then_some(route)).collect();
    let known = [
        "GET /.well-known/jwks.json",
        "GET /api/users/currentuser",
        "POST /api/users/signin",
        "POST /api/users/signout",
        "POST /api/users/signup",
        "POST /api/users/token",
        "POST /api/users/token/refresh",
        "POST /webhooks/stripe",
    ];
    assert_eq!(open, known.map(str::to_owned).into());
}
