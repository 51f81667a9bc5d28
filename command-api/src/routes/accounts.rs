//! Signing up, in and out, and who is signed in.

use axum::Json;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use chrono::TimeDelta;
use domain::account::{AccountCommand, AccountRejection, Sealed};
use domain::email::Email;
use domain::email_claim::{EmailClaimCommand, EmailClaimRejection};
use domain::id::{AccountId, EmailClaimId, SessionId};
use domain::password::{InvalidPassword, Password};
use domain::{Account, Cause, EmailClaim, Timestamp};
use eventlog::{ExecuteError, VaultError, erasure};
use serde::Serialize;
use utoipa::ToSchema;
use web::{
    ApiError, ClientAddress, Command, Fields, IfMatch, MaybeSignedIn, NoVersion, RequestCause,
    SameOrigin, Session, Written,
};

use super::erasure::not_erased;
use crate::bodies::Credentials;
use crate::refusal::{Refusal, not_executed, not_logged, not_sealed};
use crate::state::{Extract, State};
use crate::step::{derived, first_answer, step};

/// Of a browser and of a program alike.
pub(super) const SESSION_LASTS: TimeDelta = TimeDelta::days(30);

#[derive(Serialize, ToSchema)]
pub(super) struct User {
    #[schema(value_type = Uuid)]
    id: AccountId,
    #[schema(example = "ann@example.com")]
    email: String,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct CurrentUser {
    current_user: Option<User>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Nothing {}

/// Sign up
///
/// Who signs up is signed in.
//
// Claims the address, registers the account, signs it in. Each step may be the last one before a
// crash: the same request goes on from there, and so does another one with that address as long
// as nobody is registered for it.
#[utoipa::path(
    post, path = "/api/users/signup", tag = "accounts",
    request_body = Credentials,
    responses(
        (status = 201, description = "Signed up and in", body = User,
            headers(("ETag" = String), ("Set-Cookie" = String))),
    )
)]
pub(super) async fn sign_up(
    Extract(state): Extract,
    _: SameOrigin,
    _: NoVersion,
    Command { mut fields, cause }: Command,
) -> Result<impl IntoResponse, ApiError> {
    let email = fields.text("email", Email::parse);
    let password = fields.text("password", Password::parse);
    let (Some(email), Some(password)) = (email, password) else { return Err(fields.refused()) };
    let cause = cause.by(None);
    let hash = state.passwords.hash(password).await?;

    let claim = state.vault.email_claim_id(&email).await.map_err(|error| not_sealed(&error))?;
    let Claimed { account, just_now } = claim_address(&state, &claim, &cause).await?;
    let seal = async |field, text| {
        let sealed = state.vault.seal(account, field, text).await;
        sealed.map_err(|error| not_sealed(&error))
    };
    let register = AccountCommand::Register {
        email: seal("email", email.as_str()).await?,
        password: seal("password", &hash).await?,
    };
    let registering = step(&cause, "register");
    let registered = state.log.execute::<Account>(&account, register, &registering).await;
    let registered = match registered {
        // With the password of then: one that was changed since is not shown by this request.
        Ok(registered) => first_answer(&state.log, &account, registered).await?.state,
        Err(error) => {
            if just_now && matches!(error, ExecuteError::KeyReused) {
                give_back_address(&state, &claim, account, &cause).await?;
            }
            return Err(not_executed(error));
        }
    };
    let Account::Registered { password: verified, .. } = registered else {
        return Err(AccountRejection::Erased.answer());
    };
    let (session, written) = open_session(&state, account, verified, &cause).await?;
    let user = User { id: account, email: email.as_str().to_owned() };
    let headers = (state.web.session_cookie(&session), written);
    Ok((StatusCode::CREATED, headers, Json(user)))
}

/// Sign in
///
/// Whoever knows the password is signed in. A wrong address and a wrong password are told apart
/// neither by the answer nor by its time.
#[utoipa::path(
    post, path = "/api/users/signin", tag = "accounts",
    request_body = Credentials,
    responses(
        (status = 200, description = "Signed in", body = User,
            headers(("ETag" = String), ("Set-Cookie" = String))),
    )
)]
pub(super) async fn sign_in(
    Extract(state): Extract,
    _: SameOrigin,
    _: NoVersion,
    client: ClientAddress,
    Command { fields, cause }: Command,
) -> Result<impl IntoResponse, ApiError> {
    let cause = cause.by(None);
    let Known { account, email, verified } = authenticate(&state, &client, fields, &cause).await?;
    let (session, written) = open_session(&state, account, verified, &cause).await?;
    let user = User { id: account, email: email.as_str().to_owned() };
    let headers = (state.web.session_cookie(&session), written);
    Ok((headers, Json(user)))
}

/// Somebody whose password was right.
pub(super) struct Known {
    pub(super) account: AccountId,
    pub(super) email: Email,
    /// What the password was verified against.
    pub(super) verified: Sealed,
}

/// Who knows that password of that address.
pub(super) async fn authenticate(
    state: &State,
    client: &ClientAddress,
    mut fields: Fields,
    cause: &Cause,
) -> Result<Known, ApiError> {
    let email = fields.text("email", Email::parse);
    let password = fields.text("password", |text| match text {
        "" => Err("You must supply a password"),
        text => Ok(Password::parse(text)),
    });
    let (Some(email), Some(password)) = (email, password) else { return Err(fields.refused()) };
    let claim = state.vault.email_claim_id(&email).await.map_err(|error| not_sealed(&error))?;
    client.shows_password(&claim)?;
    let password = password.map_err(|InvalidPassword| invalid_credentials())?;

    let claim = state.log.load::<EmailClaim>(&claim).await;
    let account = match claim.map_err(|error| not_logged(&error))?.state {
        EmailClaim::Taken { account } => account,
        // Nobody: looked up all the same, which takes the same time.
        EmailClaim::Free => AccountId(derived(cause, "nobody")),
    };
    let (hash, verified) = stored_hash(state, account).await?.unzip();
    let right = state.passwords.verify(password, hash).await?;
    let verified = verified.filter(|_| right).ok_or_else(invalid_credentials)?;
    Ok(Known { account, email, verified })
}

fn invalid_credentials() -> ApiError {
    ApiError::bad_request("Invalid credentials")
}

/// A password that was changed while it was being verified is as wrong as any other.
pub(super) fn not_opened(error: ExecuteError<AccountRejection>) -> ApiError {
    let over = AccountRejection::PasswordChangedMeanwhile;
    let over = matches!(&error, ExecuteError::Rejected(refusal) if *refusal == over);
    if over { invalid_credentials() } else { not_executed(error) }
}

/// Sign out
///
/// The session is over, of a browser or of a program. Whoever is not signed in is signed out.
#[utoipa::path(
    post, path = "/api/users/signout", tag = "accounts",
    responses(
        (status = 200, description = "Signed out", body = Nothing, headers(("Set-Cookie" = String))),
    ),
    security((), ("session" = []), ("token" = []))
)]
pub(super) async fn sign_out(
    Extract(state): Extract,
    _: SameOrigin,
    MaybeSignedIn(session): MaybeSignedIn,
    IfMatch(expected): IfMatch,
    cause: RequestCause,
) -> Result<impl IntoResponse, ApiError> {
    let mut written = state.web.written(None, None);
    if let Some(Session { account, session, .. }) = session {
        let cause = step(&cause.by(Some(account)), "revoke");
        let revoke = AccountCommand::RevokeSession { session };
        let revoked = state.log.execute_if::<Account>(&account, revoke, &cause, expected).await;
        let revoked = first_answer(&state.log, &account, revoked.map_err(not_executed)?).await?;
        written = state.web.written(revoked.position, revoked.revision);
    }
    let headers = (state.web.clear_session(), written);
    Ok((headers, Json(Nothing {})))
}

/// Who is signed in
#[utoipa::path(
    get, path = "/api/users/currentuser", tag = "accounts",
    responses((status = 200, description = "Whoever it is, or nobody", body = CurrentUser)),
    security((), ("session" = []), ("token" = []))
)]
pub(super) async fn current_user(
    Extract(state): Extract,
    MaybeSignedIn(session): MaybeSignedIn,
) -> Result<impl IntoResponse, ApiError> {
    let Some(session) = session else { return Ok(Json(CurrentUser { current_user: None })) };
    let email = state.web.accounts().email(session.account).await?;
    let current_user = email.map(|email| User { id: session.account, email });
    Ok(Json(CurrentUser { current_user }))
}

/// Who has an address, and whether it is this request that has just claimed it.
struct Claimed {
    account: AccountId,
    just_now: bool,
}

/// Claims the address for a new account. When it has been claimed, the account it was claimed for
/// may not be registered yet: registering that one will tell.
async fn claim_address(
    state: &State,
    claim: &EmailClaimId,
    cause: &Cause,
) -> Result<Claimed, ApiError> {
    let account = AccountId(derived(cause, "account"));
    let claiming = step(cause, "claim");
    for last_attempt in [false, true] {
        let command = EmailClaimCommand::Claim { account };
        let owner = match state.log.execute::<EmailClaim>(claim, command, &claiming).await {
            Ok(executed) => {
                return Ok(Claimed { account, just_now: !executed.events.is_empty() });
            }
            Err(ExecuteError::Rejected(EmailClaimRejection::Taken { account })) => account,
            Err(error) => return Err(not_executed(error)),
        };
        let known = state.log.load::<Account>(&owner).await.map_err(|error| not_logged(&error))?;
        match known.state {
            // The erasure of its owner stopped before it gave the address back.
            Account::Erasing { .. } if !last_attempt => {
                let (log, vault) = (&state.log, &state.vault);
                let finished = erasure::finish(log, vault, owner, claim, cause).await;
                finished.map_err(not_erased)?;
            }
            Account::Unregistered
            | Account::Registered { .. }
            | Account::Erasing { .. }
            | Account::Erased => return Ok(Claimed { account: owner, just_now: false }),
        }
    }
    Err(ApiError::contended())
}

/// The account was registered with another address before, by another request with the same key.
async fn give_back_address(
    state: &State,
    claim: &EmailClaimId,
    account: AccountId,
    cause: &Cause,
) -> Result<(), ApiError> {
    let command = EmailClaimCommand::Release { account };
    let cause = step(cause, "release");
    let released = state.log.execute::<EmailClaim>(claim, command, &cause).await;
    released.map_err(not_executed)?;
    Ok(())
}

/// The hash of the password, clear and sealed. None: nobody can sign in with that account.
async fn stored_hash(
    state: &State,
    account: AccountId,
) -> Result<Option<(String, Sealed)>, ApiError> {
    let loaded = state.log.load::<Account>(&account).await.map_err(|error| not_logged(&error))?;
    let Account::Registered { password, .. } = loaded.state else { return Ok(None) };
    match state.vault.open(account, "password", &password).await {
        Ok(hash) => Ok(Some((hash, password))),
        Err(VaultError::Erased) => Ok(None),
        Err(error) => Err(not_sealed(&error)),
    }
}

async fn open_session(
    state: &State,
    account: AccountId,
    verified: Sealed,
    cause: &Cause,
) -> Result<(Session, Written), ApiError> {
    let session = SessionId(derived(cause, "session"));
    let expires_at = cause.now + SESSION_LASTS;
    let command = AccountCommand::OpenSession { verified, session, now: cause.now, expires_at };
    let opened = state.log.execute::<Account>(&account, command, &step(cause, "session")).await;
    let opened = first_answer(&state.log, &account, opened.map_err(not_opened)?).await?;
    let written = state.web.written(opened.position, opened.revision);
    // Made again with its key: it ends when it was to end the first time.
    let expires_at = end_of(&opened.state, session).unwrap_or(expires_at);
    Ok((Session { account, session, expires_at }, written))
}

fn end_of(account: &Account, session: SessionId) -> Option<Timestamp> {
    let Account::Registered { sessions, .. } = account else { return None };
    sessions.get(&session).map(|known| known.expires_at)
}
