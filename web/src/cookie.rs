//! Cookies: reading them, and the header that sets one.

use std::convert::Infallible;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponseParts, ResponseParts};

/// Every value that came under this name: a neighbour on the same host may have set one as well.
pub(crate) fn values<'a>(headers: &'a HeaderMap, name: &str) -> impl Iterator<Item = &'a str> {
    headers
        .get_all(header::COOKIE)
        .into_iter()
        .filter_map(|header| header.to_str().ok())
        .flat_map(|header| header.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter_map(move |(key, value)| (key == name).then_some(value))
}

/// A `Set-Cookie` header, as a part of an answer.
#[derive(Clone, Debug)]
pub struct SetCookie(Option<HeaderValue>);

impl SetCookie {
    /// A cookie for the whole host that scripts cannot read and other sites cannot make use of.
    pub(crate) fn new(name: &str, value: &str, lives: Duration, secure: bool) -> Self {
        let seconds = lives.as_secs();
        let secure = if secure { "; Secure" } else { "" };
        let text =
            format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}");
        Self(HeaderValue::from_str(&text).ok())
    }
}

impl IntoResponseParts for SetCookie {
    type Error = Infallible;

    fn into_response_parts(self, mut parts: ResponseParts) -> Result<ResponseParts, Infallible> {
        if let Some(value) = self.0 {
            parts.headers_mut().append(header::SET_COOKIE, value);
        }
        Ok(parts)
    }
}
