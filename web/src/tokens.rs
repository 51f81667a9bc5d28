//! Tokens for programs: JWTs signed with Ed25519. An access token says who somebody is, for ten
//! minutes at most; a refresh token is traded for the next two.

use std::fmt;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use chrono::{DateTime, TimeDelta, Utc};
use domain::Timestamp;
use domain::id::{AccountId, RefreshId, SessionId};
use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::problem::ApiError;
use crate::session::{Session, Web};

/// How long an access token is good.
pub const ACCESS_TOKEN_LASTS: TimeDelta = TimeDelta::minutes(10);
const ISSUER: &str = "ticketing";
/// For whom an access token is: the two APIs.
const ACCESS_AUDIENCE: &str = "ticketing";
/// A refresh token is for the one route that trades it, and opens nothing else.
const REFRESH_AUDIENCE: &str = "ticketing/refresh";
const ACCESS_KIND: &str = "at+jwt";
const REFRESH_KIND: &str = "refresh+jwt";
/// What stands before the 32 bytes of an Ed25519 key in its PKCS #8 form (RFC 8410, 7).
const PKCS8_HEAD: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

/// The keys of tokens, newest first. The newest signs; the others are still believed, until the
/// tokens they have signed are over.
pub struct TokenKeys {
    newest: EncodingKey,
    newest_id: String,
    believed: Vec<(String, DecodingKey)>,
    public: JwkSet,
}

/// The keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InvalidTokenKeys {
    #[error("at least one key is needed")]
    None,
    #[error("a key cannot be used")]
    Unusable(#[from] jsonwebtoken::errors::Error),
}

/// What a refresh token that we have signed says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefreshToken {
    pub account: AccountId,
    pub session: SessionId,
    pub refresh: RefreshId,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: AccountId,
    /// The session in whose name the token is.
    sid: SessionId,
    /// Of a refresh token: which one of the session's it is.
    jti: Uuid,
    iat: i64,
    exp: i64,
}

impl TokenKeys {
    /// From the 32 random bytes of each, newest first.
    ///
    /// # Errors
    /// [`InvalidTokenKeys`].
    pub fn new(seeds: &[[u8; 32]]) -> Result<Self, InvalidTokenKeys> {
        let mut signing = None;
        let mut believed = Vec::new();
        let mut public = JwkSet { keys: Vec::new() };
        for seed in seeds {
            let key = EncodingKey::from_ed_der(&[PKCS8_HEAD.as_slice(), seed].concat());
            let mut known = Jwk::from_encoding_key(&key, Algorithm::EdDSA)?;
            let id = known.thumbprint(ThumbprintHash::SHA256)?;
            known.common.key_id = Some(id.clone());
            known.common.public_key_use = Some(PublicKeyUse::Signature);
            believed.push((id.clone(), DecodingKey::from_jwk(&known)?));
            public.keys.push(known);
            signing = signing.or(Some((key, id)));
        }
        let (newest, newest_id) = signing.ok_or(InvalidTokenKeys::None)?;
        Ok(Self { newest, newest_id, believed, public })
    }

    fn sign(&self, kind: &str, claims: &Claims) -> Result<String, ApiError> {
        let header = Header {
            typ: Some(kind.to_owned()),
            kid: Some(self.newest_id.clone()),
            ..Header::new(Algorithm::EdDSA)
        };
        encode(&header, claims, &self.newest).map_err(|error| ApiError::internal(&error))
    }

    /// None: not signed by us, over, or for something else.
    fn read(&self, token: &str, kind: &str, audience: &str) -> Option<Claims> {
        let header = decode_header(token).ok()?;
        let id = header.kid.filter(|_| header.typ.as_deref() == Some(kind))?;
        let (_, key) = self.believed.iter().find(|(known, _)| *known == id)?;
        // Never the algorithm that the token itself names.
        let mut rules = Validation::new(Algorithm::EdDSA);
        rules.leeway = 0;
        rules.set_audience(&[audience]);
        rules.set_issuer(&[ISSUER]);
        rules.set_required_spec_claims(&["exp", "aud", "iss", "sub"]);
        decode::<Claims>(token, key, &rules).ok().map(|data| data.claims)
    }
}

impl fmt::Debug for TokenKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenKeys").field("newest", &self.newest_id).finish_non_exhaustive()
    }
}

impl Web {
    /// The public halves of the keys, for `/.well-known/jwks.json`.
    #[must_use]
    pub fn public_keys(&self) -> &JwkSet {
        &self.token_keys().public
    }

    /// A token for a session, good for [`ACCESS_TOKEN_LASTS`] and no longer than the session.
    ///
    /// # Errors
    /// 500 when it cannot be signed.
    pub fn access_token(&self, session: &Session, now: Timestamp) -> Result<String, ApiError> {
        let ends = session.expires_at.min(now + ACCESS_TOKEN_LASTS);
        let claims = claims(ACCESS_AUDIENCE, session, Uuid::now_v7(), now, ends);
        self.token_keys().sign(ACCESS_KIND, &claims)
    }

    /// The refresh token of that name; it is over when the session is.
    ///
    /// # Errors
    /// 500 when it cannot be signed.
    pub fn refresh_token(
        &self,
        session: &Session,
        refresh: RefreshId,
        now: Timestamp,
    ) -> Result<String, ApiError> {
        let claims = claims(REFRESH_AUDIENCE, session, refresh.0, now, session.expires_at);
        self.token_keys().sign(REFRESH_KIND, &claims)
    }

    /// What a refresh token says; none when we have not signed it or it is over.
    #[must_use]
    pub fn read_refresh_token(&self, token: &str) -> Option<RefreshToken> {
        let claims = self.token_keys().read(token, REFRESH_KIND, REFRESH_AUDIENCE)?;
        let Claims { sub: account, sid: session, jti, .. } = claims;
        Some(RefreshToken { account, session, refresh: RefreshId(jti) })
    }

    /// The session that an access token is for; `expires_at` is the end of the token.
    pub(crate) fn read_access_token(&self, token: &str) -> Option<Session> {
        let claims = self.token_keys().read(token, ACCESS_KIND, ACCESS_AUDIENCE)?;
        let expires_at = DateTime::from_timestamp(claims.exp, 0)?;
        // The library ends a token a second late.
        let open = Utc::now() < expires_at;
        open.then_some(Session { account: claims.sub, session: claims.sid, expires_at })
    }
}

/// What stands in `Authorization: Bearer …`; none when the request names no such thing.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?.to_str().unwrap_or_default();
    let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

fn claims(audience: &str, session: &Session, id: Uuid, now: Timestamp, ends: Timestamp) -> Claims {
    Claims {
        iss: ISSUER.to_owned(),
        aud: audience.to_owned(),
        sub: session.account,
        sid: session.session,
        jti: id,
        iat: now.timestamp(),
        exp: ends.timestamp(),
    }
}
