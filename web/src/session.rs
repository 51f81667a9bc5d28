//! Sessions: a signed cookie or token that says who somebody is and until when.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use axum::http::HeaderMap;
use chrono::{DateTime, Utc};
use domain::Timestamp;
use domain::id::{AccountId, SessionId};

use crate::accounts::Accounts;
use crate::cookie::{self, SetCookie};
use crate::limits::Limits;
use crate::signed_in::Presented;
use crate::tokens::{self, TokenKeys};

/// Where nothing but the address decides who gets a cookie, the browser itself must keep it from
/// being set by others: that is what the prefix asks of it. It does so only over https.
const NAME_SECURE: &str = "__Host-session";
const NAME_PLAIN: &str = "session";

/// What both APIs share: the keys, the accounts, and how cookies are set. Cheap to clone; the
/// state of each router holds it and gives it out by `FromRef`.
#[derive(Clone)]
pub struct Web(Arc<Inner>);

struct Inner {
    session_key: hmac::Key,
    fingerprint_key: hmac::Key,
    token_keys: TokenKeys,
    accounts: Arc<dyn Accounts>,
    secure_cookies: bool,
    limits: Option<Limits>,
    proxies: u8,
    origins: Vec<String>,
}

/// What [`Web`] is made from.
#[derive(Debug)]
pub struct Settings {
    /// Signs the cookies, so it must be random, secret and the same in every process.
    pub session_key: [u8; 32],
    /// Sign the tokens of programs; the same in every process.
    pub token_keys: TokenKeys,
    /// False only on plain http at this machine.
    pub secure_cookies: bool,
    /// Whether requests are counted, and refused when one address or account makes too many.
    pub limits: bool,
    /// How many proxies of ours stand in front and tell in `X-Forwarded-For` who asks.
    pub proxies: u8,
    /// Other sites whose pages may do what our own may, such as `https://shop.example`.
    pub origins: Vec<String>,
}

impl fmt::Debug for Web {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Web")
            .field("secure_cookies", &self.0.secure_cookies)
            .finish_non_exhaustive()
    }
}

/// Somebody who is signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    pub account: AccountId,
    pub session: SessionId,
    pub expires_at: Timestamp,
}

impl Web {
    #[must_use]
    pub fn new(settings: Settings, accounts: Arc<dyn Accounts>) -> Self {
        let Settings { session_key, token_keys, secure_cookies, limits, proxies, origins } =
            settings;
        let master = hmac::Key::new(hmac::HMAC_SHA256, &session_key);
        let derived = |purpose: &str| {
            let key = hmac::sign(&master, purpose.as_bytes());
            hmac::Key::new(hmac::HMAC_SHA256, key.as_ref())
        };
        Self(Arc::new(Inner {
            session_key: derived("session cookie"),
            fingerprint_key: derived("request fingerprint"),
            token_keys,
            accounts,
            secure_cookies,
            limits: limits.then(Limits::new),
            proxies,
            origins,
        }))
    }

    #[must_use]
    pub fn accounts(&self) -> &Arc<dyn Accounts> {
        &self.0.accounts
    }

    /// Signs somebody in, for as long as the session lasts.
    #[must_use]
    pub fn session_cookie(&self, session: &Session) -> SetCookie {
        let lives = (session.expires_at - Utc::now()).to_std().unwrap_or_default();
        SetCookie::new(self.session_name(), &self.seal(session), lives, self.0.secure_cookies)
    }

    /// Signs out whoever is signed in.
    #[must_use]
    pub fn clear_session(&self) -> SetCookie {
        SetCookie::new(self.session_name(), "", Duration::ZERO, self.0.secure_cookies)
    }

    /// The session that a request presents, if we have signed it and it is not over. Whoever
    /// sends a token is who the token says, whatever cookies come along.
    pub(crate) fn presented(&self, headers: &HeaderMap) -> Option<Presented> {
        if let Some(token) = tokens::bearer(headers) {
            let session = self.read_access_token(token)?;
            return Some(Presented { session, by_cookie: false });
        }
        let now = Utc::now();
        let session = cookie::values(headers, self.session_name())
            .filter_map(|value| self.open(value))
            .find(|session| now < session.expires_at)?;
        Some(Presented { session, by_cookie: true })
    }

    pub(crate) fn token_keys(&self) -> &TokenKeys {
        &self.0.token_keys
    }

    /// None: nothing is limited.
    pub(crate) fn limits(&self) -> Option<&Limits> {
        self.0.limits.as_ref()
    }

    pub(crate) fn proxies(&self) -> u8 {
        self.0.proxies
    }

    pub(crate) fn origins(&self) -> &[String] {
        &self.0.origins
    }

    pub(crate) fn fingerprint(&self, request: &[&[u8]]) -> String {
        let mut context = hmac::Context::with_key(&self.0.fingerprint_key);
        for part in request {
            // The length before each part: no two different requests read the same.
            context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            context.update(part);
        }
        hex::encode(context.sign())
    }

    pub(crate) fn secure_cookies(&self) -> bool {
        self.0.secure_cookies
    }

    fn session_name(&self) -> &'static str {
        if self.0.secure_cookies { NAME_SECURE } else { NAME_PLAIN }
    }

    /// `<account>.<session>.<end, seconds since 1970>.<signature over what is before it>`.
    fn seal(&self, session: &Session) -> String {
        let Session { account, session, expires_at } = session;
        let text = format!("{account}.{session}.{}", expires_at.timestamp());
        let signature = hmac::sign(&self.0.session_key, text.as_bytes());
        format!("{text}.{}", hex::encode(signature))
    }

    fn open(&self, value: &str) -> Option<Session> {
        let (text, signature) = value.rsplit_once('.')?;
        let signature = hex::decode(signature).ok()?;
        hmac::verify(&self.0.session_key, text.as_bytes(), &signature).ok()?;
        let mut parts = text.split('.');
        let account = parts.next()?.parse().ok()?;
        let session = parts.next()?.parse().ok()?;
        let expires_at = DateTime::from_timestamp(parts.next()?.parse().ok()?, 0)?;
        parts.next().is_none().then_some(Session { account, session, expires_at })
    }
}
