//! Forgetting a person who asks for it.

use axum::http::StatusCode;
use axum::response::IntoResponse;
use domain::Account;
use domain::account::AccountRejection;
use domain::email::Email;
use domain::id::{AccountId, EmailClaimId};
use eventlog::erasure::{self, ErasureError};
use web::{ApiError, IfMatch, Presented, RequestCause};

use crate::refusal::{Refusal, not_executed, not_logged, not_sealed};
use crate::state::{Extract, State};

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
    Extract(state): Extract,
    Presented { session, .. }: Presented,
    IfMatch(expected): IfMatch,
    cause: RequestCause,
) -> Result<impl IntoResponse, ApiError> {
    let account = session.account;
    let cause = cause.by(Some(account));
    let known = state.log.load::<Account>(&account).await.map_err(|error| not_logged(&error))?;
    let signed_in = known.state.has_session(session.session, cause.now);
    if matches!(known.state, Account::Registered { .. }) && !signed_in {
        return Err(ApiError::unauthorized());
    }
    // Being forgotten is the same of every version, so it is enough that it was the one.
    let other = expected.is_some() && expected != known.revision;
    if matches!(known.state, Account::Registered { .. }) && other {
        return Err(ApiError::precondition_failed());
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
    state.vault.email_claim_id(&email).await.map_err(|error| not_sealed(&error))
}
