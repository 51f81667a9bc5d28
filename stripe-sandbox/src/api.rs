//! Stripe's endpoints over HTTP: who may call, the idempotency key, the fault of the day.

use std::io;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};

use crate::Sandbox;
use crate::book::{Book, Kept, Reply};
use crate::error::ApiError;
use crate::faults::Trouble;
use crate::intent::{Intent, new_id};
use crate::journal;
use crate::lists;
use crate::operation::{self, Verb, Write, WriteVerb};
use crate::params::Params;
use crate::render;

/// The largest request body in bytes.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// Stripe's own bound.
const KEY_CHARS_MAX: usize = 255;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");

pub(crate) fn router() -> Router<Sandbox> {
    Router::new()
        .route("/v1/payment_intents", post(create).get(payments))
        .route("/v1/payment_intents/search", get(search))
        .route("/v1/payment_intents/{id}", get(retrieve))
        .route("/v1/payment_intents/{id}/confirm", post(confirm))
        .route("/v1/payment_intents/{id}/cancel", post(cancel))
        .route("/v1/refunds", post(refund).get(refunds))
        .route("/v1/refunds/{id}", get(retrieve_refund))
        .route("/v1/charges", get(charges))
        .route("/v1/charges/{id}", get(retrieve_charge))
        .route("/v1/disputes", get(disputes))
        .route("/v1/disputes/{id}", get(retrieve_dispute))
        .route("/v1/balance_transactions", get(movements))
        .route("/v1/balance_transactions/{id}", get(retrieve_movement))
        .route("/v1/events", get(events))
        .route("/v1/events/{id}", get(retrieve_event))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
}

async fn create(State(sandbox): State<Sandbox>, headers: HeaderMap, body: Bytes) -> Response {
    sandbox.write(WriteVerb::Create, &headers, &body).await
}

async fn confirm(
    State(sandbox): State<Sandbox>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    sandbox.write(WriteVerb::Confirm(id), &headers, &body).await
}

async fn cancel(
    State(sandbox): State<Sandbox>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    sandbox.write(WriteVerb::Cancel(id), &headers, &body).await
}

async fn refund(State(sandbox): State<Sandbox>, headers: HeaderMap, body: Bytes) -> Response {
    sandbox.write(WriteVerb::Refund, &headers, &body).await
}

async fn search(
    State(sandbox): State<Sandbox>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let params = Params::parse(query.unwrap_or_default().as_bytes());
    let find = |book: &Book| {
        let found = operation::search(book, &params)?;
        Ok(render::search(found.into_iter().map(AsRef::as_ref)))
    };
    sandbox.read(Verb::Search, &headers, find).await
}

/// The endpoints that list things and give one of them differ only in what the things are.
macro_rules! readers {
    ($($list:ident, $one:ident;)*) => {$(
        async fn $list(
            State(sandbox): State<Sandbox>,
            RawQuery(query): RawQuery,
            headers: HeaderMap,
        ) -> Response {
            let params = Params::parse(query.unwrap_or_default().as_bytes());
            sandbox.read(Verb::List, &headers, |book| lists::$list(book, &params)).await
        }

        async fn $one(
            State(sandbox): State<Sandbox>,
            Path(id): Path<String>,
            headers: HeaderMap,
        ) -> Response {
            sandbox.read(Verb::Retrieve, &headers, |book| lists::$one(book, &id)).await
        }
    )*};
}

readers! {
    payments, retrieve;
    refunds, retrieve_refund;
    charges, retrieve_charge;
    disputes, retrieve_dispute;
    movements, retrieve_movement;
    events, retrieve_event;
}

/// What goes back, before it is bytes.
struct Answer {
    status: u16,
    body: Value,
    replayed: bool,
}

impl Answer {
    fn ok(body: Value) -> Self {
        Self { status: 200, body, replayed: false }
    }

    fn error(error: &ApiError) -> Self {
        Self { status: error.status, body: render::error(error, None), replayed: false }
    }

    fn of(reply: &Reply, intent: &Intent, replayed: bool) -> Self {
        let (status, body) = match reply {
            Reply::Intent => (200, render::intent(intent)),
            Reply::Refund(id) => {
                let refund = intent.refunds.iter().find(|refund| refund.id == *id);
                (200, json!(refund.map(|refund| render::refund(intent, refund))))
            }
            Reply::Failed(error) => (error.status, render::error(error, Some(intent))),
        };
        Self { status, body, replayed }
    }
}

impl From<journal::Failed> for Answer {
    fn from(failed: journal::Failed) -> Self {
        Self::error(&ApiError::internal(&failed.to_string()))
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, axum::Json(self.body)).into_response();
        let headers = response.headers_mut();
        if let Ok(id) = HeaderValue::from_str(&new_id("req")) {
            headers.insert(REQUEST_ID, id);
        }
        if self.replayed {
            headers.insert(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"));
        }
        response
    }
}

impl Sandbox {
    async fn read(
        &self,
        verb: Verb,
        headers: &HeaderMap,
        find: impl Fn(&Book) -> Result<Value, ApiError>,
    ) -> Response {
        let trouble = match self.admit(verb, headers).await {
            Ok(trouble) => trouble,
            Err(error) => return Answer::error(&error).into_response(),
        };
        let (found, receipt) = {
            let state = self.state();
            (find(&state.book), state.barrier())
        };
        let answer = match receipt.wait().await {
            Ok(()) => found.map_or_else(|error| Answer::error(&error), Answer::ok),
            Err(failed) => failed.into(),
        };
        deliver(answer, trouble)
    }

    async fn write(&self, verb: WriteVerb, headers: &HeaderMap, body: &[u8]) -> Response {
        let trouble = match self.admit(verb.verb(), headers).await {
            Ok(trouble) => trouble,
            Err(error) => return Answer::error(&error).into_response(),
        };
        let answer = match key(headers) {
            Ok(key) => {
                self.perform(&Write { verb, params: Params::parse(body), key }, trouble).await
            }
            Err(error) => Answer::error(&error),
        };
        deliver(answer, trouble)
    }

    /// Lets a call in, late if need be, unless it has no key or is to fail; what else is to happen
    /// to it comes back.
    async fn admit(&self, verb: Verb, headers: &HeaderMap) -> Result<Option<Trouble>, ApiError> {
        if !authorized(headers) {
            return Err(ApiError::unauthorized());
        }
        let trouble = self.faults().take(verb);
        match trouble {
            Some(Trouble::Error500) => return Err(ApiError::internal("it failed (injected)")),
            Some(Trouble::RateLimit) => return Err(ApiError::rate_limit()),
            Some(Trouble::Slow(delay)) => tokio::time::sleep(delay).await,
            Some(Trouble::LostAnswer | Trouble::Error500After) | None => {}
        }
        Ok(trouble)
    }

    /// Works a call out, keeps the answer under its key, and gives it once it would survive.
    async fn perform(&self, write: &Write, trouble: Option<Trouble>) -> Answer {
        let now = chrono::Utc::now().timestamp();
        let (answer, receipt) = {
            let mut state = self.state();
            match replay(&state.book, write, now) {
                Some(answer) => (answer, state.barrier()),
                None => match write.work_out(&state.book, now) {
                    Err(error) => (Answer::error(&error), state.barrier()),
                    Ok(mut change) => {
                        if trouble == Some(Trouble::Error500After) {
                            let error = ApiError::internal("it failed afterwards (injected)");
                            change.reply = Reply::Failed(error);
                        }
                        let answer = Answer::of(&change.reply, &change.intent, false);
                        let kept = write.key.clone().map(|key| Kept {
                            key,
                            fingerprint: fingerprint(write),
                            reply: change.reply,
                            at: now,
                        });
                        (answer, state.commit(Arc::new(change.intent), kept, now))
                    }
                },
            }
        };
        receipt.wait().await.map_or_else(Answer::from, |()| answer)
    }
}

fn deliver(answer: Answer, trouble: Option<Trouble>) -> Response {
    if trouble == Some(Trouble::LostAnswer) { lost() } else { answer.into_response() }
}

/// What the key was answered before, if it was.
fn replay(book: &Book, write: &Write, now: i64) -> Option<Answer> {
    let (kept, intent) = book.kept(write.key.as_deref()?, now)?;
    if kept.fingerprint != fingerprint(write) {
        return Some(Answer::error(&ApiError::key_reused()));
    }
    Some(Answer::of(&kept.reply, intent, true))
}

fn fingerprint(write: &Write) -> String {
    let asked = format!("POST {} {}", write.verb.path(), write.params.canonical());
    hex::encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, asked.as_bytes()))
}

fn key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    match value.to_str() {
        Ok(key) if !key.is_empty() && key.len() <= KEY_CHARS_MAX => Ok(Some(key.to_owned())),
        Ok(_) | Err(_) => {
            let message = "an idempotency key has 1 to 255 printable characters";
            Err(ApiError::refused("idempotency_key_invalid", message))
        }
    }
}

/// Any secret test key will do: the sandbox guards nothing, it only catches a key left out.
fn authorized(headers: &HeaderMap) -> bool {
    let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    value.is_some_and(|value| match value.split_once(' ') {
        Some((scheme, key)) if scheme.eq_ignore_ascii_case("bearer") => {
            key.trim().starts_with("sk_test_")
        }
        // The base64 of every text that begins with `sk_test_`, as far as those eight decide it.
        Some((scheme, key)) if scheme.eq_ignore_ascii_case("basic") => {
            key.trim().starts_with("c2tfdGVzdF")
        }
        Some(_) | None => false,
    })
}

/// An answer of which only the head gets through: the caller cannot tell what became of the call.
fn lost() -> Response {
    let cut = io::Error::other("the answer is lost (injected)");
    let body = Body::from_stream(tokio_stream::once(Err::<Bytes, _>(cut)));
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}
