//! Tokens for programs.

use axum::Json;
use axum::http::header;
use axum::response::IntoResponse;
use domain::account::{Access, AccountCommand, AccountEvent};
use domain::id::{RefreshId, SessionId};
use domain::{Account, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;
use web::{
    ACCESS_TOKEN_LASTS, ApiError, ClientAddress, Command, NoVersion, RefreshToken, SameOrigin,
    Session, Written,
};

use super::accounts::{Known, SESSION_LASTS, authenticate, not_opened};
use crate::bodies::{Credentials, Refresh};
use crate::refusal::not_executed;
use crate::state::{Extract, State};
use crate::step::{derived, first_answer, step};

/// Long enough to spare us requests, short enough that a new key is known before it is needed.
const KEYS_CACHED: &str = "public, max-age=300";

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Tokens {
    access_token: String,
    #[schema(example = "Bearer")]
    token_type: &'static str,
    /// Seconds until the access token is over.
    #[schema(example = 600)]
    expires_in: i64,
    refresh_token: String,
}

/// Get tokens for a program
///
/// Whoever knows the password gets a session for a program.
#[utoipa::path(
    post, path = "/api/users/token", tag = "accounts",
    request_body = Credentials,
    responses((status = 200, description = "Two tokens", body = Tokens, headers(("ETag" = String))))
)]
pub(super) async fn issue(
    Extract(state): Extract,
    _: SameOrigin,
    _: NoVersion,
    client: ClientAddress,
    Command { fields, cause }: Command,
) -> Result<impl IntoResponse, ApiError> {
    let cause = cause.by(None);
    let Known { account, verified, .. } = authenticate(&state, &client, fields, &cause).await?;
    let session = SessionId(derived(&cause, "session"));
    let refresh = RefreshId(derived(&cause, "refresh"));
    let (now, expires_at) = (cause.now, cause.now + SESSION_LASTS);
    let open = AccountCommand::OpenProgramSession { verified, session, refresh, now, expires_at };
    let opened = state.log.execute::<Account>(&account, open, &step(&cause, "session")).await;
    let opened = opened.map_err(not_opened)?;
    // Made again with its key when the program has got other tokens since: those are lost.
    let expires_at = end_of(&opened.state, session, refresh)
        .ok_or_else(|| ApiError::conflict("These tokens have been used up, please ask anew"))?;
    let session = Session { account, session, expires_at };
    let opened = first_answer(&state.log, &account, opened).await?;
    let written = state.web.written(opened.position, opened.revision);
    answer(&state, &session, refresh, now, written)
}

/// Trade a refresh token for the next two tokens
///
/// One that was traded before has been copied, so whoever holds any of its session has lost it.
#[utoipa::path(
    post, path = "/api/users/token/refresh", tag = "accounts",
    request_body = Refresh,
    responses(
        (status = 200, description = "The next two tokens", body = Tokens,
            headers(("ETag" = String))),
        (status = 401),
    )
)]
pub(super) async fn refresh(
    Extract(state): Extract,
    _: SameOrigin,
    _: NoVersion,
    Command { mut fields, cause }: Command,
) -> Result<impl IntoResponse, ApiError> {
    let token = fields.text("refreshToken", |text| match text {
        "" => Err("RefreshToken must be provided"),
        text => Ok(state.web.read_refresh_token(text)),
    });
    let Some(token) = token else { return Err(fields.refused()) };
    let RefreshToken { account, session, refresh: presented } =
        token.ok_or_else(ApiError::unauthorized)?;
    let cause = cause.by(Some(account));
    let now = cause.now;
    let next = RefreshId(derived(&cause, "refresh"));
    let trade = AccountCommand::RefreshToken { session, presented, next, now };
    let traded = state.log.execute::<Account>(&account, trade, &step(&cause, "refresh")).await;
    let traded = traded.map_err(not_executed)?;
    if traded.events.iter().any(|event| matches!(event, AccountEvent::RefreshReused(_))) {
        tracing::warn!(account.id = %account, "a refresh token came twice; its session is over");
    }
    let expires_at = end_of(&traded.state, session, next).ok_or_else(ApiError::unauthorized)?;
    let session = Session { account, session, expires_at };
    let traded = first_answer(&state.log, &account, traded).await?;
    let written = state.web.written(traded.position, traded.revision);
    answer(&state, &session, next, now, written)
}

/// The keys by which everybody can tell that a token is ours
#[utoipa::path(
    get, path = "/.well-known/jwks.json", tag = "accounts",
    responses((status = 200, description = "A JWK set (RFC 7517)", body = Value))
)]
pub(super) async fn public_keys(Extract(state): Extract) -> impl IntoResponse {
    ([(header::CACHE_CONTROL, KEYS_CACHED)], Json(state.web.public_keys().clone()))
}

/// When a session ends whose good refresh token is that one.
fn end_of(account: &Account, session: SessionId, refresh: RefreshId) -> Option<Timestamp> {
    let Account::Registered { sessions, .. } = account else { return None };
    let session = sessions.get(&session)?;
    match session.access {
        Access::Tokens { current, .. } if current == refresh => Some(session.expires_at),
        Access::Tokens { .. } | Access::Cookie => None,
    }
}

fn answer(
    state: &State,
    session: &Session,
    refresh: RefreshId,
    now: Timestamp,
    written: Written,
) -> Result<impl IntoResponse + use<>, ApiError> {
    let lasts = ACCESS_TOKEN_LASTS.min(session.expires_at - now);
    let tokens = Tokens {
        access_token: state.web.access_token(session, now)?,
        token_type: "Bearer",
        expires_in: lasts.num_seconds(),
        refresh_token: state.web.refresh_token(session, refresh, now)?,
    };
    Ok((written, Json(tokens)))
}
