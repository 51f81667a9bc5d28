//! What the payment provider tells by itself.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State as Extract;
use axum::http::HeaderMap;
use chrono::{SubsecRound, Utc};
use domain::notice::{NoticeId, ProviderNoticeReceived, Receive, Told};
use domain::{Actor, Cause, Notice};
use eventlog::ExecuteError;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use web::ApiError;

use crate::bodies::ProviderEvent;
use crate::refusal::not_logged;
use crate::state::State;

const SIGNATURE: &str = "stripe-signature";
/// In whose name it is noted.
const ACTOR: &str = "stripe-webhook";
/// Times are kept as finely as everywhere.
const SECOND_DECIMALS: u16 = 6;

#[derive(Serialize, ToSchema)]
#[schema(as = WebhookAnswer)]
pub(super) struct Answer {
    received: bool,
}

/// As much of an event as is looked at; what it says beyond that is asked for anew.
#[derive(Deserialize)]
struct Event<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    created: i64,
    #[serde(borrow)]
    data: Data<'a>,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow)]
    object: Object<'a>,
}

#[derive(Deserialize)]
struct Object<'a> {
    object: &'a str,
    #[serde(default)]
    id: &'a str,
    payment_intent: Option<&'a str>,
    charge: Option<&'a str>,
}

/// Hear of an event from Stripe
///
/// For Stripe alone: an endpoint for `payment_intent.*`, `charge.*`, `charge.dispute.*` and
/// `refund.*`, with its signing secret in `STRIPE_WEBHOOK_SECRET`. 200 when the event is noted, also
/// when it was before. It is proven by `Stripe-Signature` over the body as it is, at most 300
/// seconds old.
#[utoipa::path(
    post, path = "/webhooks/stripe", tag = "payments",
    params(("Stripe-Signature" = String, Header, description = "`t=<seconds>,v1=<hex>`; several `v1` while secrets change")),
    request_body = ProviderEvent,
    responses((status = 200, description = "Noted", body = Answer), (status = 404)),
)]
pub(super) async fn stripe(
    Extract(state): Extract<State>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Answer>, ApiError> {
    if state.webhook_secrets.is_empty() {
        return Err(ApiError::not_found("No secret for webhooks is set: STRIPE_WEBHOOK_SECRET"));
    }
    let header = headers.get(SIGNATURE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if let Err(why) = state.webhook_secrets.check(header, &body, Utc::now()) {
        tracing::warn!("a webhook is not believed: {why}");
        return Err(ApiError::bad_request(why.to_string()));
    }
    if let Some((id, notice)) = read(&body)? {
        note(&state, &id, notice).await?;
    }
    Ok(Json(Answer { received: true }))
}

/// None: about nothing that we have to do with.
fn read(body: &[u8]) -> Result<Option<(NoticeId, ProviderNoticeReceived)>, ApiError> {
    let event: Event<'_> = serde_json::from_slice(body)
        .map_err(|error| ApiError::bad_request(format!("The body is no event: {error}")))?;
    let object = event.data.object;
    let told = Told {
        event: event.id,
        kind: event.kind,
        created: event.created,
        object: object.object,
        id: object.id,
        payment: object.payment_intent,
        charge: object.charge,
    };
    told.read().map_err(|error| ApiError::bad_request(error.to_string()))
}

/// In the log after this, once.
async fn note(
    state: &State,
    id: &NoticeId,
    notice: ProviderNoticeReceived,
) -> Result<(), ApiError> {
    let request = Uuid::now_v7();
    let cause = Cause {
        command: id.command(),
        fingerprint: None,
        correlation: request,
        causation: request,
        actor: Actor::Process(ACTOR.to_owned()),
        trace: None,
        now: Utc::now().trunc_subsecs(SECOND_DECIMALS),
    };
    match state.log.execute::<Notice>(id, Receive(notice), &cause).await {
        Ok(_) => Ok(()),
        Err(ExecuteError::Rejected(never)) => match never {},
        Err(ExecuteError::Log(error)) => Err(not_logged(&error)),
        // Somebody else notes just the same at the moment; the provider comes again.
        Err(
            ExecuteError::Contended { .. }
            | ExecuteError::RevisionMismatch { .. }
            | ExecuteError::KeyReused,
        ) => Err(ApiError::contended()),
    }
}
