//! Forgetting a person who asks for it.

use axum::extract::State as Extract;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use domain::Account;
use domain::account::AccountRejection;
use domain::email::Email;
use domain::id::{AccountId, EmailClaimId};
use eventlog::erasure::{self, ErasureError};
use web::{ApiError, Presented, RequestCause};

use crate::refusal::{Refusal, not_executed, not_logged, not_sealed};
use crate::state::State;

/// Ends every session of the person who asks and erases the person. A request that stopped on the
/// way is made again to go on; the session that asked is over by then, so what it takes is only
/// that we once signed it.
pub(super) async fn erase(
    Extract(state): Extract<State>,
    Presented { session, .. }: Presented,
    cause: RequestCause,
) -> Result<impl IntoResponse, ApiError> {
    let account = session.account;
    let cause = cause.by(Some(account));
    let known = state.log.load::<Account>(&account).await.map_err(|error| not_logged(&error))?;
    let signed_in = known.state.has_session(session.session, cause.now);
    if matches!(known.state, Account::Registered { .. }) && !signed_in {
        return Err(ApiError::unauthorized());
    }
    let erased = erasure::erase(&state.log, &state.vault, account, &cause).await;
    let position = erased.map_err(not_erased)?;
    let headers = (state.web.clear_session(), state.web.written(position, None));
    Ok((StatusCode::NO_CONTENT, headers, ()))
}

pub(super) fn not_erased(error: ErasureError) -> ApiError {
    match error {
        ErasureError::NotFound => ApiError::unauthorized(),
        ErasureError::Account(error) => not_executed(error),
        ErasureError::Claim(error) => not_executed(error),
        ErasureError::Vault(error) => not_sealed(&error),
        ErasureError::Log(error) => not_logged(&error),
    }
}

/// The claim of a registered person's address.
pub(super) async fn claim_of(state: &State, account: AccountId) -> Result<EmailClaimId, ApiError> {
    let email = state.web.accounts().email(account).await?;
    let email = email.ok_or_else(|| AccountRejection::Erased.answer())?;
    let email = Email::parse(&email).map_err(|error| ApiError::internal(&error))?;
    Ok(state.vault.email_claim_id(&email))
}
