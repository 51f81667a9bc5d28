//! Forgetting a person. The person's key is destroyed, and with it everything that was sealed
//! under it, in the log and in every backup of the log.

use axum::extract::State as Extract;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use domain::account::{AccountCommand, AccountRejection};
use domain::email::Email;
use domain::email_claim::{EmailClaimCommand, EmailClaimRejection};
use domain::id::{AccountId, EmailClaimId};
use domain::{Account, Cause, EmailClaim, Position};
use eventlog::ExecuteError;
use web::{ApiError, IfMatch, Presented, RequestCause};

use crate::refusal::{Refusal, not_executed, not_logged, not_sealed};
use crate::state::State;
use crate::step::step;

/// Be forgotten
///
/// Ends every session, destroys the key that the person's data is sealed under, and gives the
/// address back. Tickets and orders stay, under an id that names nobody.
//
// A request that stopped on the way is made again to go on; the session that asked is over by then, so
// what it takes is only that we once signed it.
#[utoipa::path(
    delete, path = "/api/users/me", tag = "accounts",
    responses((status = 204, description = "Forgotten", headers(("Set-Cookie" = String)))),
    security(("session" = []), ("token" = []))
)]
pub(super) async fn erase(
    Extract(state): Extract<State>,
    Presented { session, .. }: Presented,
    IfMatch(expected): IfMatch,
    cause: RequestCause,
) -> Result<impl IntoResponse, ApiError> {
    let account = session.account;
    let cause = cause.by(Some(account));
    let known = state.log.load::<Account>(&account).await.map_err(|error| not_logged(&error))?;
    let position = match &known.state {
        Account::Unregistered => return Err(ApiError::unauthorized()),
        Account::Registered { .. } => {
            if !known.state.has_session(session.session, cause.now) {
                return Err(ApiError::unauthorized());
            }
            let claim = claim_of(&state, account).await?;
            let request = AccountCommand::RequestErasure { claim: claim.clone() };
            let requesting = step(&cause, "request-erasure");
            let requested =
                state.log.execute_if::<Account>(&account, request, &requesting, expected).await;
            requested.map_err(not_executed)?;
            finish(&state, account, &claim, &cause).await?
        }
        Account::Erasing { claim } => finish(&state, account, claim, &cause).await?,
        Account::Erased => known.position,
    };
    let headers = (state.web.clear_session(), state.web.written(position, None));
    Ok((StatusCode::NO_CONTENT, headers, ()))
}

/// What is left to do once the erasure has been asked for. Each step may be the last one before a
/// crash, and taking it again changes nothing.
pub(super) async fn finish(
    state: &State,
    account: AccountId,
    claim: &EmailClaimId,
    cause: &Cause,
) -> Result<Option<Position>, ApiError> {
    state.vault.erase(account).await.map_err(|error| not_sealed(&error))?;
    let release = EmailClaimCommand::Release { account };
    let releasing = step(cause, "release-erased");
    match state.log.execute::<EmailClaim>(claim, release, &releasing).await {
        // Somebody else has taken the address since it was given back.
        Ok(_) | Err(ExecuteError::Rejected(EmailClaimRejection::Taken { .. })) => {}
        Err(error) => return Err(not_executed(error)),
    }
    let confirming = step(cause, "confirm-erasure");
    let confirm = AccountCommand::ConfirmErasure;
    let confirmed = state.log.execute::<Account>(&account, confirm, &confirming).await;
    Ok(confirmed.map_err(not_executed)?.position)
}

/// The claim of a registered person's address.
pub(super) async fn claim_of(state: &State, account: AccountId) -> Result<EmailClaimId, ApiError> {
    let email = state.web.accounts().email(account).await?;
    let email = email.ok_or_else(|| AccountRejection::Erased.answer())?;
    let email = Email::parse(&email).map_err(|error| ApiError::internal(&error))?;
    Ok(state.vault.email_claim_id(&email))
}
