//! For tests: what must open no door.

use std::sync::Arc;

use axum::http::header::SET_COOKIE;
use axum::response::IntoResponse;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono::{TimeDelta, Utc};
use domain::id::{AccountId, RefreshId, SessionId};
use serde_json::json;
use utoipa::openapi::OpenApi;
use uuid::Uuid;

use crate::description;
use crate::session::{Session, Settings, Web};
use crate::tokens::TokenKeys;

/// A header that says who one is, and what is wrong with it.
#[derive(Clone, Debug)]
pub struct Credential {
    pub name: &'static str,
    pub header: &'static str,
    pub value: String,
}

/// Tokens and cookies that look like those of a session that is open, and are not.
///
/// # Panics
/// When a token cannot be made.
#[must_use]
#[expect(clippy::unwrap_used, reason = "a test that cannot go on fails on the spot")]
pub fn bad_credentials(web: &Web, account: AccountId, session: SessionId) -> Vec<Credential> {
    let now = Utc::now();
    let ending = |expires_at| Session { account, session, expires_at };
    let open = ending(now + TimeDelta::hours(1));
    let over = ending(now - TimeDelta::seconds(1));
    let stranger = stranger(web);
    let good = web.access_token(&open, now).unwrap();
    let theirs = stranger.access_token(&open, now).unwrap();
    let expired = web.access_token(&over, now - TimeDelta::minutes(20)).unwrap();
    let other_audience = web.refresh_token(&open, RefreshId(Uuid::now_v7()), now).unwrap();

    let parts: Vec<&str> = good.split('.').collect();
    let [head, claims, signature] = parts.as_slice() else { panic!("{good}") };
    let (_, signed_by_them) = theirs.split_once('.').unwrap();
    let kid = web.public_keys().keys[0].common.key_id.clone().unwrap();
    let named = |alg: &str| encoded(&json!({"alg": alg, "typ": "at+jwt", "kid": kid}));
    let (none, hmac) = (named("none"), named("HS256"));
    let longer = encoded(&json!({
        "iss": "ticketing", "aud": "ticketing", "sub": account, "sid": session,
        "jti": Uuid::now_v7(), "iat": 1, "exp": 99_999_999_999_u64,
    }));
    let mut forged = cookie(web, &open);
    let last = if forged.ends_with('0') { "1" } else { "0" };
    forged.replace_range(forged.len() - 1.., last);

    let token = |name, token: String| Credential {
        name,
        header: "authorization",
        value: format!("Bearer {token}"),
    };
    let in_cookie = |name, value| Credential { name, header: "cookie", value };
    vec![
        token("expired token", expired),
        token("token of another key", theirs.clone()),
        token("another key under our name", format!("{head}.{signed_by_them}")),
        token("token with other claims", format!("{head}.{longer}.{signature}")),
        token("token without algorithm", format!("{none}.{claims}.")),
        token("token without algorithm, signed", format!("{none}.{claims}.{signature}")),
        token("token of another algorithm", format!("{hmac}.{claims}.{signature}")),
        token("token for another audience", other_audience),
        token("no token", String::new()),
        token("garbage", "a.b.c".to_owned()),
        in_cookie("expired cookie", cookie(web, &over)),
        in_cookie("forged cookie", forged),
        in_cookie("cookie of another key", cookie(&stranger, &open)),
        in_cookie("token in the cookie", format!("session={good}")),
    ]
}

/// What can be asked, as `GET /path`, and whether one must be signed in to ask it.
#[must_use]
pub fn asked(mut document: OpenApi) -> Vec<(String, bool)> {
    let mut asked = Vec::new();
    for (path, item) in &mut document.paths.paths {
        for (method, operation) in description::operations(item) {
            let closed = operation.security.is_some() && !description::may_be_anonymous(operation);
            asked.push((format!("{method} {path}"), closed));
        }
    }
    asked
}

/// A cookie pair.
#[expect(clippy::unwrap_used, reason = "a test that cannot go on fails on the spot")]
fn cookie(web: &Web, session: &Session) -> String {
    let response = (web.session_cookie(session), ()).into_response();
    let set = response.headers()[SET_COOKIE].to_str().unwrap();
    set.split(';').next().unwrap().to_owned()
}

/// The same, but for the keys.
#[expect(clippy::unwrap_used, reason = "a test that cannot go on fails on the spot")]
fn stranger(web: &Web) -> Web {
    let settings = Settings {
        session_key: [66; 32],
        token_keys: TokenKeys::new(&[[66; 32]]).unwrap(),
        secure_cookies: web.secure_cookies(),
        limits: false,
        proxies: 0,
        origins: Vec::new(),
    };
    Web::new(settings, Arc::clone(web.accounts()))
}

fn encoded(json: &serde_json::Value) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(json.to_string())
}
