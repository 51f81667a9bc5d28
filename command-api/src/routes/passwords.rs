//! Changing one's password.

use axum::http::StatusCode;
use axum::response::IntoResponse;
use domain::Account;
use domain::account::{AccountCommand, AccountRejection};
use domain::password::{InvalidPassword, Password};
use web::{ApiError, ClientAddress, Command, IfMatch, SignedIn};

use super::erasure::claim_of;
use crate::bodies::PasswordChange;
use crate::refusal::{Refusal, not_executed, not_logged, not_sealed};
use crate::state::Extract;
use crate::step::{first_answer, step};

/// Change the password
///
/// Whoever knows the present password gives a new one; all other sessions end.
//
// Made again after it took effect, even without a key, the new password is the present one and
// nothing is left to do.
#[utoipa::path(
    put, path = "/api/users/me/password", tag = "accounts",
    request_body = PasswordChange,
    responses((status = 204, description = "Changed", headers(("ETag" = String)))),
    security(("session" = []), ("token" = []))
)]
pub(super) async fn change(
    Extract(state): Extract,
    SignedIn(session): SignedIn,
    IfMatch(expected): IfMatch,
    client: ClientAddress,
    Command { mut fields, cause }: Command,
) -> Result<impl IntoResponse, ApiError> {
    let present = fields.text("password", |text| match text {
        "" => Err("You must supply your present password"),
        text => Ok(Password::parse(text)),
    });
    let new = fields.text("newPassword", Password::parse);
    let (Some(present), Some(new)) = (present, new) else { return Err(fields.refused()) };
    let account = session.account;
    let cause = cause.by(Some(account));
    client.shows_password(&claim_of(&state, account).await?)?;

    let changing = step(&cause, "change-password");
    let before = state.log.recall::<Account>(&account, &changing).await.map_err(not_executed)?;
    if let Some(before) = before {
        let changed = first_answer(&state.log, &account, before).await?;
        let written = state.web.written(changed.position, changed.revision);
        return Ok((StatusCode::NO_CONTENT, written, ()));
    }
    let known = state.log.load::<Account>(&account).await.map_err(|error| not_logged(&error))?;
    let Account::Registered { password: verified, .. } = known.state else {
        return Err(AccountRejection::Erased.answer());
    };
    let hash = state.vault.open(account, "password", &verified).await;
    let hash = hash.map_err(|error| not_sealed(&error))?;
    let right = match present {
        Ok(present) => state.passwords.verify(present, Some(hash.clone())).await?,
        Err(InvalidPassword) => false,
    };
    if !right {
        let already_so = state.passwords.verify(new, Some(hash)).await?;
        let wrong = || ApiError::invalid("password", "Invalid credentials");
        let done = (StatusCode::NO_CONTENT, state.web.written(known.position, known.revision), ());
        return already_so.then_some(done).ok_or_else(wrong);
    }
    let hash = state.passwords.hash(new).await?;
    let password = state.vault.seal(account, "password", &hash).await;
    let password = password.map_err(|error| not_sealed(&error))?;
    let now = cause.now;
    let command =
        AccountCommand::ChangePassword { verified, password, session: session.session, now };
    let changed = state.log.execute_if::<Account>(&account, command, &changing, expected).await;
    let changed = changed.map_err(not_executed)?;
    Ok((StatusCode::NO_CONTENT, state.web.written(changed.position, changed.revision), ()))
}
