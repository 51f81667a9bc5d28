//! Where a request comes from, and the limits around all routes.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};

use axum::Router;
use axum::extract::{ConnectInfo, FromRef, FromRequestParts, Request, State};
use axum::http::Extensions;
use axum::http::request::Parts;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use domain::id::EmailClaimId;

use crate::limits;
use crate::problem::ApiError;
use crate::session::Web;
use crate::signed_in::Checked;

/// Who asks, as far as the network tells.
#[derive(Clone, Debug)]
pub struct ClientAddress {
    address: Option<IpAddr>,
    web: Web,
}

impl ClientAddress {
    /// Counts one attempt to show the password of the account with that address.
    ///
    /// # Errors
    /// 429 when there were too many, from here or for that account.
    pub fn shows_password(&self, account: &EmailClaimId) -> Result<(), ApiError> {
        match self.web.limits() {
            Some(limits) => limits.password(self.address, account),
            None => Ok(()),
        }
    }
}

impl<S> FromRequestParts<S> for ClientAddress
where
    S: Send + Sync,
    Web: FromRef<S>,
{
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let web = Web::from_ref(state);
        let connection = connection(&parts.extensions);
        let address = limits::client(connection, &parts.headers, web.proxies());
        Ok(Self { address, web })
    }
}

/// The same routes, each request counted first, unless nothing is limited. Servers that share a
/// [`Web`] count together.
pub(crate) fn limited(router: Router, web: &Web) -> Router {
    match web.limits() {
        Some(_) => router.route_layer(from_fn_with_state(web.clone(), count)),
        None => router,
    }
}

async fn count(State(web): State<Web>, mut request: Request, next: Next) -> Response {
    let Some(limits) = web.limits() else { return next.run(request).await };
    let connection = connection(request.extensions());
    let address = limits::client(connection, request.headers(), web.proxies());
    let presented = web.presented(request.headers());
    let account = presented.map(|presented| presented.session.account);
    // Checking a signature costs more than all else here, so it is done once.
    request.extensions_mut().insert(Checked(presented));
    let (left, outcome) = limits.request(address, account);
    let mut response = match outcome {
        Ok(()) => next.run(request).await,
        Err(refused) => refused.into_response(),
    };
    limits::tell(&mut response, &left);
    response
}

fn connection(extensions: &Extensions) -> Option<IpAddr> {
    extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(address)| address.ip())
}
