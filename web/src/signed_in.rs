//! Who made a request.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use chrono::Utc;
use tokio::time::timeout;

use crate::accounts::Unavailable;
use crate::origin;
use crate::problem::ApiError;
use crate::session::{Session, Web};

/// The longest that a read waits to know whether its session is still open.
const READ_CHECK_TIMEOUT: Duration = Duration::from_millis(300);

/// Somebody signed in; else the answer is 401. To change something, the request must come from
/// our own pages (403) and the session must be known to be open (503 when that cannot be known);
/// to read, signature and end of the cookie suffice while the accounts are away.
#[derive(Clone, Copy, Debug)]
pub struct SignedIn(pub Session);

/// A session that we have signed and that is not past its end; whether it is still open has not been
/// asked. Else the answer is 401, and 403 to another site's page.
#[derive(Clone, Copy, Debug)]
pub struct Presented {
    pub session: Session,
    /// A browser adds its cookie to every request, even to one that another site has made; a token
    /// comes only from a program that has it.
    pub by_cookie: bool,
}

/// What a request presents, once that has been checked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Checked(pub(crate) Option<Presented>);

/// Whoever it is. A session that is forged, over or revoked is nobody; so is one used by another
/// site to change something.
#[derive(Clone, Copy, Debug)]
pub struct MaybeSignedIn(pub Option<Session>);

impl<S> FromRequestParts<S> for SignedIn
where
    S: Send + Sync,
    Web: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Presented { session, .. } = Presented::from_request_parts(parts, state).await?;
        let web = Web::from_ref(state);
        let open = if parts.method.is_safe() {
            open_for_reading(&web, &session).await
        } else {
            web.accounts().session_is_open(session.account, session.session).await?
        };
        if open { Ok(Self(session)) } else { Err(ApiError::unauthorized()) }
    }
}

impl<S> FromRequestParts<S> for Presented
where
    S: Send + Sync,
    Web: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let web = Web::from_ref(state);
        let presented = presented(&web, parts);
        let presented = presented.ok_or_else(ApiError::unauthorized)?;
        presented.check_origin(parts, &web).map(|()| presented)
    }
}

impl Presented {
    fn check_origin(&self, parts: &Parts, web: &Web) -> Result<(), ApiError> {
        if self.by_cookie && !parts.method.is_safe() { origin::check(parts, web) } else { Ok(()) }
    }
}

impl<S> FromRequestParts<S> for MaybeSignedIn
where
    S: Send + Sync,
    Web: FromRef<S>,
{
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let web = Web::from_ref(state);
        let Some(presented) = presented(&web, parts) else { return Ok(Self(None)) };
        if presented.check_origin(parts, &web).is_err() {
            return Ok(Self(None));
        }
        let session = presented.session;
        Ok(Self(open_for_reading(&web, &session).await.then_some(session)))
    }
}

impl Web {
    /// Whoever an access token says, while the session is open. For what is no request of its own,
    /// such as the first message on a WebSocket.
    pub async fn signed_in_by(&self, token: &str) -> Option<Session> {
        let session = self.read_access_token(token)?;
        self.is_open(&session).await.then_some(session)
    }

    /// Whether somebody who reads may go on; while the accounts are away, until the session's end.
    pub async fn is_open(&self, session: &Session) -> bool {
        Utc::now() < session.expires_at && open_for_reading(self, session).await
    }
}

fn presented(web: &Web, parts: &Parts) -> Option<Presented> {
    match parts.extensions.get() {
        Some(Checked(presented)) => *presented,
        None => web.presented(&parts.headers),
    }
}

async fn open_for_reading(web: &Web, session: &Session) -> bool {
    let open = web.accounts().session_is_open(session.account, session.session);
    match timeout(READ_CHECK_TIMEOUT, open).await {
        Ok(Ok(open)) => open,
        Ok(Err(Unavailable)) | Err(_) => true,
    }
}
