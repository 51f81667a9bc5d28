//! Requests that change something, and why: the [`Cause`] of what they lead to.

use axum::body::to_bytes;
use axum::extract::{FromRef, FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use chrono::{SubsecRound, Utc};
use domain::id::{AccountId, CommandId};
use domain::{Actor, Cause, Timestamp};
use uuid::Uuid;

use crate::body;
use crate::fields::Fields;
use crate::problem::ApiError;
use crate::request_id::RequestId;
use crate::session::Web;

const KEY_HEADER: &str = "idempotency-key";
/// The longest `Idempotency-Key`, in bytes.
const KEY_BYTES_MAX: usize = 255;
/// Command ids derived from keys.
const NAMESPACE: Uuid = Uuid::from_u128(0x8a0e_7d37_7c0e_4b57_9f35_6d2f_5f1f_0b4e);
/// Times are kept as finely as the read models keep them, so both sides tell the same.
const SECOND_DECIMALS: u16 = 6;

/// A request with a JSON object as its body. No body at all is an object without members.
#[derive(Debug)]
pub struct Command {
    pub fields: Fields,
    pub cause: RequestCause,
}

/// What a request says about itself: its key, its name, its content. A route that takes no body
/// extracts it alone.
#[derive(Clone, Debug)]
pub struct RequestCause {
    key: Option<String>,
    route: String,
    fingerprint: String,
    request: RequestId,
    trace: Option<String>,
    now: Timestamp,
}

impl RequestCause {
    /// The cause of what this request does in the name of that person. With an `Idempotency-Key`
    /// the command's id is derived from person, method, address and key, so that the same request
    /// takes effect once; else each request is a new one.
    #[must_use]
    pub fn by(&self, account: Option<AccountId>) -> Cause {
        let person = account.map(|account| account.to_string()).unwrap_or_default();
        let command = match &self.key {
            Some(key) => {
                let name = format!("{person}\n{}\n{key}", self.route);
                Uuid::new_v5(&NAMESPACE, name.as_bytes())
            }
            None => Uuid::now_v7(),
        };
        Cause {
            command: CommandId(command),
            fingerprint: Some(self.fingerprint.clone()),
            correlation: self.request.id(),
            causation: self.request.id(),
            actor: account.map_or(Actor::Anonymous, Actor::Person),
            trace: self.trace.clone(),
            now: self.now,
        }
    }

    /// Whether the same request may be made again: it names itself by a key. Without one, whatever
    /// it makes has a name that nobody can have used before.
    #[must_use]
    pub fn is_repeatable(&self) -> bool {
        self.key.is_some()
    }

    fn new(web: &Web, parts: &Parts, body: &[u8]) -> Result<Self, ApiError> {
        let route = format!("{} {}", parts.method, parts.uri.path());
        let known = parts.extensions.get::<RequestId>().cloned();
        Ok(Self {
            key: key(&parts.headers)?,
            // Keyed: a body may hold a password, and an unkeyed hash of it could be guessed.
            fingerprint: web.fingerprint(&[route.as_bytes(), body]),
            route,
            request: known.unwrap_or_else(|| RequestId::of(&parts.headers)),
            trace: trace_context::current().or_else(|| trace(&parts.headers)),
            now: Utc::now().trunc_subsecs(SECOND_DECIMALS),
        })
    }
}

impl<S> FromRequestParts<S> for RequestCause
where
    S: Send + Sync,
    Web: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        Self::new(&Web::from_ref(state), parts, &[])
    }
}

impl<S> FromRequest<S> for Command
where
    S: Send + Sync,
    Web: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        // Read already, and within its limits.
        let body = to_bytes(body, body::BYTES_MAX).await;
        let body = body.map_err(|_| ApiError::bad_request("The body could not be read"))?;
        let fields = if is_json(&parts.headers) {
            Fields::parse(&body)?
        } else if body.is_empty() && !parts.headers.contains_key(header::CONTENT_TYPE) {
            Fields::none()
        } else {
            return Err(ApiError::unsupported_media_type());
        };
        let cause = RequestCause::new(&Web::from_ref(state), &parts, &fields.canonical())?;
        Ok(Self { fields, cause })
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default().trim();
    let (kind, subtype) = kind.split_once('/').unwrap_or_default();
    let subtype = subtype.to_ascii_lowercase();
    kind.eq_ignore_ascii_case("application") && (subtype == "json" || subtype.ends_with("+json"))
}

fn key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let Some(value) = headers.get(KEY_HEADER) else { return Ok(None) };
    let text = value.to_str().ok().map(str::trim);
    match text.filter(|text| (1..=KEY_BYTES_MAX).contains(&text.len())) {
        Some(text) => Ok(Some(text.to_owned())),
        None => Err(ApiError::bad_request(format!(
            "Idempotency-Key must be 1 to {KEY_BYTES_MAX} plain characters"
        ))),
    }
}

/// The W3C `traceparent`, if it has its form: `00-<32 hex>-<16 hex>-<2 hex>`.
pub(crate) fn trace(headers: &HeaderMap) -> Option<String> {
    let text = headers.get("traceparent")?.to_str().ok()?;
    let parts: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    let hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let formed = lengths == [2, 32, 16, 2] && parts.iter().all(|part| part.bytes().all(hex));
    let named = |part: &str| part.bytes().any(|byte| byte != b'0');
    let good = formed && parts[0] != "ff" && named(parts[1]) && named(parts[2]);
    good.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use async_trait::async_trait;
    use axum::body::Body;
    use domain::id::SessionId;

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

    const ANN: Option<AccountId> = Some(AccountId(Uuid::from_u128(1)));
    const BOB: Option<AccountId> = Some(AccountId(Uuid::from_u128(2)));

    async fn request(
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<Command, ApiError> {
        let mut request = Request::post(path).header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let settings = Settings {
            session_key: [1; 32],
            token_keys: TokenKeys::new(&[[2; 32]]).unwrap(),
            secure_cookies: false,
            limits: false,
            proxies: 0,
            origins: Vec::new(),
        };
        let web = Web::new(settings, Arc::new(Nobody));
        Command::from_request(request.body(Body::from(body.to_owned())).unwrap(), &web).await
    }

    async fn cause(path: &str, key: &str, body: &str) -> RequestCause {
        request(path, &[("idempotency-key", key)], body).await.unwrap().cause
    }

    #[tokio::test]
    async fn a_key_names_one_command_of_one_person_at_one_address() {
        let first = cause("/a", "k", "{\"x\":1}").await.by(ANN);
        let again = cause("/a", "k", "{ \"x\" : 1 }").await.by(ANN);
        assert_eq!(first.command, again.command);
        assert_eq!(first.fingerprint, again.fingerprint);
        assert_ne!(first.command, cause("/a", "k", "{\"x\":1}").await.by(BOB).command);
        assert_ne!(first.command, cause("/a", "other", "{\"x\":1}").await.by(ANN).command);
        assert_ne!(first.command, cause("/b", "k", "{\"x\":1}").await.by(ANN).command);
        let changed = cause("/a", "k", "{\"x\":2}").await.by(ANN);
        assert_eq!(first.command, changed.command);
        assert_ne!(first.fingerprint, changed.fingerprint);
    }

    #[tokio::test]
    async fn without_a_key_each_request_is_a_new_command() {
        let one = request("/a", &[], "{}").await.unwrap().cause;
        let other = request("/a", &[], "{}").await.unwrap().cause;
        assert_ne!(one.by(ANN).command, other.by(ANN).command);
    }

    #[tokio::test]
    async fn a_key_that_is_empty_or_too_long_is_refused() {
        for key in ["", &"k".repeat(KEY_BYTES_MAX + 1)] {
            assert!(request("/a", &[("idempotency-key", key)], "{}").await.is_err(), "{key}");
        }
    }

    #[tokio::test]
    async fn a_trace_is_passed_on_only_in_its_form() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let none = "00-00000000000000000000000000000000-00f067aa0ba902b7-01";
        for (sent, kept) in [(good, true), (none, false), ("x", false), (&good[1..], false)] {
            let cause = request("/a", &[("traceparent", sent)], "{}").await.unwrap().cause.by(ANN);
            assert_eq!(cause.trace.as_deref(), kept.then_some(sent));
        }
    }
}
