//! What only a sandbox has: to be the bank, the buyer who complains, or somebody at Stripe's
//! dashboard; the list to reckon by; trouble on demand.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};

use crate::Sandbox;
use crate::error::ApiError;
use crate::faults::{Fault, Report};
use crate::intent::Intent;
use crate::params::Params;
use crate::webhooks::{self, Manner};

const DISPUTE_REASON: &str = "fraudulent";

pub(crate) fn router() -> Router<Sandbox> {
    Router::new()
        .route("/sandbox/payments", get(payments))
        .route("/sandbox/payments/{id}/{deed}", post(change))
        .route("/sandbox/faults", get(faults).post(add_fault).delete(clear_faults))
        .route("/sandbox/webhook", axum::routing::put(set_webhook))
        .route("/sandbox/events/{id}/send", post(resend))
}

async fn payments(State(sandbox): State<Sandbox>) -> Response {
    match sandbox.payments_kept().await {
        Ok(payments) => Json(payments).into_response(),
        Err(failed) => (StatusCode::INTERNAL_SERVER_ERROR, failed.to_string()).into_response(),
    }
}

/// What somebody other than the shop does to a payment.
#[derive(Clone, Copy)]
enum Deed {
    Approve,
    Refuse,
    Refund,
    Dispute,
    Win,
    Lose,
}

impl Deed {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "approve" => Self::Approve,
            "refuse" => Self::Refuse,
            "refund" => Self::Refund,
            "dispute" => Self::Dispute,
            "win" => Self::Win,
            "lose" => Self::Lose,
            _ => return None,
        })
    }

    fn act(self, intent: &mut Intent, params: &Params, now: i64) -> Result<(), ApiError> {
        let amount = params.integer("amount")?;
        match self {
            Self::Approve => intent.decide(true, now),
            Self::Refuse => intent.decide(false, now),
            Self::Refund => intent.refund(amount, None, BTreeMap::new(), now).map(drop),
            Self::Dispute => {
                let reason = params.get("reason").unwrap_or(DISPUTE_REASON);
                intent.open_dispute(reason, amount, now)
            }
            Self::Win => intent.close_dispute(true),
            Self::Lose => intent.close_dispute(false),
        }
    }
}

/// Does it and goes back to the page.
async fn change(
    State(sandbox): State<Sandbox>,
    Path((id, deed)): Path<(String, String)>,
    body: Bytes,
) -> Response {
    let Some(deed) = Deed::named(&deed) else {
        let deeds = "one can approve, refuse, refund, dispute, win or lose";
        return (StatusCode::NOT_FOUND, deeds).into_response();
    };
    let receipt = {
        let now = chrono::Utc::now().timestamp();
        let mut state = sandbox.state();
        let Some(intent) = state.book.intent(&id) else {
            return (StatusCode::NOT_FOUND, "no such payment").into_response();
        };
        let mut intent = Intent::clone(intent);
        if let Err(error) = deed.act(&mut intent, &Params::parse(&body), now) {
            return (StatusCode::CONFLICT, error.message).into_response();
        }
        state.commit(Arc::new(intent), None, now)
    };
    match receipt.wait().await {
        Ok(()) => Redirect::to("/").into_response(),
        Err(failed) => (StatusCode::INTERNAL_SERVER_ERROR, failed.to_string()).into_response(),
    }
}

async fn faults(State(sandbox): State<Sandbox>) -> Json<Report> {
    Json(sandbox.faults().report())
}

async fn add_fault(State(sandbox): State<Sandbox>, Json(fault): Json<Fault>) -> StatusCode {
    if sandbox.faults().add(fault) {
        StatusCode::NO_CONTENT
    } else {
        StatusCode::UNPROCESSABLE_ENTITY
    }
}

async fn clear_faults(State(sandbox): State<Sandbox>) -> StatusCode {
    sandbox.faults().clear();
    StatusCode::NO_CONTENT
}

/// Where events go, and how badly. Without `to` they keep going where they went.
async fn set_webhook(State(sandbox): State<Sandbox>, Json(mut manner): Json<Manner>) -> StatusCode {
    if !manner.is_possible() {
        return StatusCode::UNPROCESSABLE_ENTITY;
    }
    let mut current = sandbox.manner();
    manner.to = manner.to.or_else(|| current.to.take());
    *current = manner;
    StatusCode::NO_CONTENT
}

/// Sends an event again; 502 when the shop does not take it.
async fn resend(State(sandbox): State<Sandbox>, Path(id): Path<String>) -> Response {
    let event = sandbox.state().book.events().find(|event| event.news.id == id).cloned();
    let Some(event) = event else {
        return (StatusCode::NOT_FOUND, "no such event").into_response();
    };
    if webhooks::resend(&sandbox, &event).await {
        Redirect::to("/").into_response()
    } else {
        (StatusCode::BAD_GATEWAY, "the shop did not take it").into_response()
    }
}
