use std::future::pending;
use std::time::Duration;

use async_trait::async_trait;
use axum::body::Body;
use axum::http::Request;
use axum::routing::get;
use domain::id::{AccountId, SessionId};
use tower::ServiceExt;

use super::*;
use crate::accounts::{Accounts, Unavailable};
use crate::session::Settings;
use crate::tokens::TokenKeys;

struct Nobody;

#[async_trait]
impl Accounts for Nobody {
    async fn session_is_open(&self, _: AccountId, _: SessionId) -> Result<bool, Unavailable> {
        Ok(false)
    }

    async fn email(&self, _: AccountId) -> Result<Option<String>, Unavailable> {
        Ok(None)
    }
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_answered_with_503() {
    let router = Router::new().route("/", get(|| async { pending::<()>().await }));
    let request = Request::get("/").body(Body::empty()).unwrap();
    let settings = Settings {
        session_key: [1; 32],
        token_keys: TokenKeys::new(&[[2; 32]]).unwrap(),
        secure_cookies: false,
        limits: false,
        proxies: 0,
        origins: Vec::new(),
    };
    let web = Web::new(settings, Arc::new(Nobody));
    let bounds = Bounds { request_within: Duration::from_millis(10), ..Bounds::default() };
    let response = layered(router, &web, &bounds).oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    assert_eq!(response.headers()["retry-after"], "1");
}
