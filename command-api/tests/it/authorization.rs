//! Every route, asked by everybody.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{TimeDelta, Utc};
use command_api::LogAccounts;
use domain::Account;
use domain::account::Access;
use domain::id::SessionId;
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;
use web::{Session, Web};

use crate::app::{App, PASSWORD, Person, settings};

/// What anybody may ask.
const OPEN: [&str; 7] = [
    "GET /.well-known/jwks.json",
    "GET /api/users/currentuser",
    "POST /api/users/signin",
    "POST /api/users/signout",
    "POST /api/users/signup",
    "POST /api/users/token",
    "POST /api/users/token/refresh",
];

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
    let session = format!("/api/users/sessions/{session}");
    let client = Client::new();
    let routes = [
        (Method::POST, "/api/tickets", listing.clone(), 201, 201),
        (Method::PUT, &ticket, listing, 403, 200),
        (Method::POST, "/api/orders", buy, 201, 201),
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

/// Credentials that must open nothing, by name.
async fn bad_credentials(
    app: &App,
    owner: &Person,
    refresh: &str,
) -> Vec<(String, &'static str, String)> {
    let session = session_of(app, owner).await;
    let now = Utc::now();
    let of = |expires_at| Session { account: owner.id, session, expires_at };
    let (open, over) = (of(now + TimeDelta::hours(1)), of(now - TimeDelta::seconds(1)));
    let good = app.web.access_token(&open, now).unwrap();
    let accounts = LogAccounts { log: app.log.clone(), vault: app.vault.clone() };
    let stranger = web::Settings { session_key: [66; 32], ..settings(vec![[66; 32]]) };
    let stranger = Web::new(stranger, Arc::new(accounts));
    let keys: Value = serde_json::to_value(app.web.public_keys()).unwrap();
    let kid = keys["keys"][0]["kid"].as_str().unwrap();
    let parts: Vec<&str> = good.split('.').collect();
    let none = base64url(&format!("{{\"alg\":\"none\",\"typ\":\"at+jwt\",\"kid\":\"{kid}\"}}"));
    let hmac = base64url(&format!("{{\"alg\":\"HS256\",\"typ\":\"at+jwt\",\"kid\":\"{kid}\"}}"));
    let claims = format!(
        "{{\"iss\":\"ticketing\",\"aud\":\"ticketing\",\"sub\":\"{}\",\"sid\":\"{session}\",\
         \"jti\":\"{}\",\"iat\":1,\"exp\":99999999999}}",
        owner.id,
        Uuid::now_v7()
    );
    let other_claims = format!("{}.{}.{}", parts[0], base64url(&claims), parts[2]);
    let by_another_key = format!("{}.{}", parts[0], {
        let token = stranger.access_token(&open, now).unwrap();
        token.split_once('.').unwrap().1.to_owned()
    });
    let bearer =
        |name: &str, token: String| (name.to_owned(), "authorization", format!("Bearer {token}"));
    let cookie = |name: &str, value: String| (name.to_owned(), "cookie", value);
    let mut forged = app.cookie(owner.id, session, TimeDelta::days(1));
    forged.replace_range(forged.len() - 1.., if forged.ends_with('0') { "1" } else { "0" });
    let expired = app.web.access_token(&over, now - TimeDelta::minutes(20)).unwrap();
    let unopened = app.cookie(owner.id, SessionId(Uuid::now_v7()), TimeDelta::days(1));
    vec![
        bearer("expired token", expired),
        bearer("token of another key", stranger.access_token(&open, now).unwrap()),
        bearer("another key under our name", by_another_key),
        bearer("token with other claims", other_claims),
        bearer("token without algorithm", format!("{none}.{}.", parts[1])),
        bearer("token without algorithm, signed", format!("{none}.{}.{}", parts[1], parts[2])),
        bearer("token of another algorithm", format!("{hmac}.{}.{}", parts[1], parts[2])),
        bearer("token for another audience", refresh.to_owned()),
        bearer("no token", String::new()),
        bearer("garbage", "a.b.c".to_owned()),
        cookie("expired cookie", app.cookie(owner.id, session, TimeDelta::seconds(-1))),
        cookie("forged cookie", forged),
        cookie("cookie of a session that is not open", unopened),
        cookie("token in the cookie", format!("session={good}")),
    ]
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
    let app = App::with(|state| state.payment_wait = std::time::Duration::ZERO).await;
    let (owner, other) = (app.person().await, app.person().await);
    let (owner_token, refresh) = owner.tokens().await;
    let (other_token, _) = other.tokens().await;
    let bad = bad_credentials(&app, &owner, &refresh).await;
    // Its browser's session, not the one whose token asks.
    let session = session_of(&app, &owner).await;
    let routes = routes(&app, &owner, session).await;
    assert_eq!(named(&app, &routes), routed(), "a route is missing in this test");
    for route in &routes {
        let name = format!("{} {}", route.method, route.url);
        assert_eq!(ask(route, None).await, StatusCode::UNAUTHORIZED, "{name}: anonymous");
        for (who, header, value) in &bad {
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

/// The routes that this test knows, as they are written where they are made.
fn named(app: &App, routes: &[Route]) -> BTreeSet<String> {
    let base = app.url("");
    let pattern = |part: &str| if part.parse::<Uuid>().is_ok() { "{id}" } else { part }.to_owned();
    let closed = routes.iter().map(|Route { method, url, .. }| {
        let path = url.strip_prefix(&base).unwrap().split('/').map(pattern).collect::<Vec<_>>();
        format!("{method} {}", path.join("/"))
    });
    closed.chain(OPEN.map(str::to_owned)).collect()
}

/// The routes that there are.
fn routed() -> BTreeSet<String> {
    let made = include_str!("../../src/routes.rs").split(".route(\"").skip(1);
    let made = made.flat_map(|route| {
        let (path, handlers) = route.split_once('"').unwrap();
        let methods = ["get", "post", "put", "patch", "delete"].into_iter();
        let methods = methods.filter(move |method| handlers.contains(&format!("{method}(")));
        methods.map(move |method| format!("{} {path}", method.to_uppercase()))
    });
    made.collect()
}

/// As JWTs have it, without padding.
fn base64url(text: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let digits = text.as_bytes().chunks(3).flat_map(|chunk| {
        let bits = (0..3).fold(0_usize, |bits, at| {
            bits << 8 | usize::from(chunk.get(at).copied().unwrap_or_default())
        });
        let digit = move |at: usize| char::from(DIGITS[bits >> (18 - 6 * at) & 63]);
        (0..=chunk.len()).map(digit)
    });
    digits.collect()
}
