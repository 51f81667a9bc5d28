//! Where one is signed in, and ending that.

use axum::Json;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use chrono::Utc;
use domain::account::{Access, AccountCommand};
use domain::id::SessionId;
use domain::{Account, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;
use web::{ApiError, IfMatch, PathId, RequestCause, SignedIn};

use crate::refusal::{not_executed, not_logged};
use crate::state::Extract;
use crate::step::{first_answer, step};

#[derive(Serialize, ToSchema)]
pub(super) struct Sessions {
    sessions: Vec<Shown>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Session)]
struct Shown {
    #[schema(value_type = Uuid)]
    id: SessionId,
    /// `browser` or `program`.
    #[schema(example = "browser")]
    holder: &'static str,
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
    /// Whether it is the one that asks.
    current: bool,
}

/// Where one is signed in
#[utoipa::path(
    get, path = "/api/users/sessions", tag = "accounts",
    responses(
        (status = 200, description = "One's own open sessions", body = Sessions,
            headers(("ETag" = String))),
    ),
    security(("session" = []), ("token" = []))
)]
pub(super) async fn list(
    Extract(state): Extract,
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
    let sessions = Json(Sessions { sessions: sessions.collect() });
    Ok((state.web.written(None, known.revision), sessions))
}

/// End a session
///
/// One that is over already, or was never there, is over.
#[utoipa::path(
    delete, path = "/api/users/sessions/{id}", tag = "accounts",
    params(("id" = Uuid, Path, description = "One of one's own sessions")),
    responses((status = 204, description = "It is over", headers(("ETag" = String)))),
    security(("session" = []), ("token" = []))
)]
pub(super) async fn revoke(
    Extract(state): Extract,
    SignedIn(own): SignedIn,
    PathId(session): PathId<SessionId>,
    IfMatch(expected): IfMatch,
    cause: RequestCause,
) -> Result<impl IntoResponse, ApiError> {
    let cause = step(&cause.by(Some(own.account)), "revoke");
    let revoke = AccountCommand::RevokeSession { session };
    let revoked = state.log.execute_if::<Account>(&own.account, revoke, &cause, expected).await;
    let revoked = first_answer(&state.log, &own.account, revoked.map_err(not_executed)?).await?;
    Ok((StatusCode::NO_CONTENT, state.web.written(revoked.position, revoked.revision), ()))
}
