//! Where one is signed in, and ending that.

use axum::Json;
use axum::extract::State as Extract;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use chrono::Utc;
use domain::account::{Access, AccountCommand};
use domain::id::SessionId;
use domain::{Account, Timestamp};
use serde::Serialize;
use web::{ApiError, PathId, RequestCause, SignedIn};

use crate::refusal::{not_executed, not_logged};
use crate::state::State;
use crate::step::step;

#[derive(Serialize)]
struct Sessions {
    sessions: Vec<Shown>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    id: SessionId,
    /// `browser` or `program`.
    holder: &'static str,
    expires_at: Timestamp,
    /// Whether it is the one that asks.
    current: bool,
}

pub(super) async fn list(
    Extract(state): Extract<State>,
    SignedIn(own): SignedIn,
) -> Result<impl IntoResponse, ApiError> {
    let known = state.log.load::<Account>(&own.account).await;
    let known = known.map_err(|error| not_logged(&error))?;
    let Account::Registered { sessions, .. } = known.state else {
        return Err(ApiError::unauthorized());
    };
    let now = Utc::now();
    let open = sessions.into_iter().filter(|(_, session)| now < session.expires_at);
    let sessions = open.map(|(id, session)| Shown {
        id,
        holder: match session.access {
            Access::Cookie => "browser",
            Access::Tokens { .. } => "program",
        },
        expires_at: session.expires_at,
        current: id == own.session,
    });
    Ok(Json(Sessions { sessions: sessions.collect() }))
}

/// One that is over already, or was never there, is over.
pub(super) async fn revoke(
    Extract(state): Extract<State>,
    SignedIn(own): SignedIn,
    PathId(session): PathId<SessionId>,
    cause: RequestCause,
) -> Result<impl IntoResponse, ApiError> {
    let cause = step(&cause.by(Some(own.account)), "revoke");
    let revoke = AccountCommand::RevokeSession { session };
    let revoked = state.log.execute::<Account>(&own.account, revoke, &cause).await;
    let position = revoked.map_err(not_executed)?.position;
    Ok((StatusCode::NO_CONTENT, state.web.written(position, None), ()))
}
