//! Whether a webhook comes from the provider: Stripe's header `Stripe-Signature`, as in
//! `t=1780000000,v1=5257a8…`, over the body just as it came.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::hmac;
use domain::Timestamp;

/// How old a webhook may be, and how far ahead the provider's clock: what was recorded on its way
/// cannot be sent again later.
const TOLERANCE_SECONDS: i64 = 300;
/// While secrets are changed a header has one signature for each; more are nobody's.
const SIGNATURES_MAX: usize = 16;

/// What the provider signs with. All are good, so that one can take the place of another.
#[derive(Clone, Default)]
pub struct WebhookSecrets(Arc<[hmac::Key]>);

impl fmt::Debug for WebhookSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WebhookSecrets({} of them)", self.0.len())
    }
}

/// Why a webhook is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unsigned {
    #[error("Stripe-Signature is missing, or is not t=…,v1=…")]
    Malformed,
    #[error("Stripe-Signature is more than {TOLERANCE_SECONDS} seconds off: is a clock wrong?")]
    TooOld,
    #[error("Stripe-Signature is not that of this body under the webhook's secret")]
    Wrong,
}

impl WebhookSecrets {
    /// The endpoint's signing secrets, as in `whsec_…`; empty ones are left out.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let secrets = secrets.into_iter().map(str::trim).filter(|secret| !secret.is_empty());
        Self(secrets.map(|secret| hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes())).collect())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn check(&self, header: &str, body: &[u8], now: Timestamp) -> Result<(), Unsigned> {
        let (mut at, mut signatures) = (None, Vec::new());
        for part in header.split(',') {
            let (name, value) = part.trim().split_once('=').ok_or(Unsigned::Malformed)?;
            match name {
                "t" if at.is_none() => at = Some(value),
                "t" => return Err(Unsigned::Malformed),
                "v1" if signatures.len() < SIGNATURES_MAX => signatures.push(value),
                // Other schemes, such as the v0 of test events, say nothing.
                _ => {}
            }
        }
        let at = at.ok_or(Unsigned::Malformed)?;
        let seconds: i64 = at.parse().map_err(|_| Unsigned::Malformed)?;
        if signatures.is_empty() {
            return Err(Unsigned::Malformed);
        }
        let signed = [at.as_bytes(), b".", body].concat();
        let good = signatures.iter().filter_map(|signature| hex::decode(signature).ok()).any(
            // Compared in a time that does not depend on where they differ.
            |signature| self.0.iter().any(|key| hmac::verify(key, &signed, &signature).is_ok()),
        );
        if !good {
            return Err(Unsigned::Wrong);
        }
        // Last, so that only who knows the secret learns anything of our clock.
        if now.timestamp().abs_diff(seconds) > TOLERANCE_SECONDS.unsigned_abs() {
            return Err(Unsigned::TooOld);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By `printf '1780000000.{}' | openssl dgst -sha256 -hmac whsec_test`.
    const GOOD: &str = "b609026af9e57aacaa80bc40f33504841d55b898bf7a94ef9c45d964ea2171a4";
    const AT: i64 = 1_780_000_000;

    fn check(secrets: &[&str], header: &str, body: &str, now: i64) -> Result<(), Unsigned> {
        let now = Timestamp::from_timestamp(now, 0).unwrap();
        WebhookSecrets::new(secrets.iter().copied()).check(header, body.as_bytes(), now)
    }

    #[test]
    fn a_signature_is_good_under_any_of_the_secrets_and_beside_any_other() {
        let alone = format!("t={AT},v1={GOOD}");
        let zeros = "0".repeat(64);
        for secrets in [&["whsec_test"][..], &["whsec_new", "whsec_test"], &[" whsec_test ", ""]] {
            assert_eq!(check(secrets, &alone, "{}", AT), Ok(()));
        }
        for header in [
            format!("t={AT},v1={zeros},v1={GOOD}"),
            format!("t={AT},v1={GOOD},v1={zeros}"),
            format!("v1={GOOD}, t={AT}"),
            format!("t={AT},v0={zeros},v1={GOOD}"),
            format!("t={AT},v1=xyz,v1={GOOD}"),
        ] {
            assert_eq!(check(&["whsec_test"], &header, "{}", AT), Ok(()), "{header}");
        }
    }

    #[test]
    fn what_is_not_signed_by_the_secret_over_just_this_is_refused() {
        let header = format!("t={AT},v1={GOOD}");
        assert_eq!(check(&["whsec_other"], &header, "{}", AT), Err(Unsigned::Wrong));
        assert_eq!(check(&[], &header, "{}", AT), Err(Unsigned::Wrong));
        assert_eq!(check(&["whsec_test"], &header, "{ }", AT), Err(Unsigned::Wrong));
        let later = format!("t={},v1={GOOD}", AT + 1);
        assert_eq!(check(&["whsec_test"], &later, "{}", AT), Err(Unsigned::Wrong));
        let short = format!("t={AT},v1={}", &GOOD[..32]);
        assert_eq!(check(&["whsec_test"], &short, "{}", AT), Err(Unsigned::Wrong));
        let other_scheme = format!("t={AT},v0={GOOD}");
        assert_eq!(check(&["whsec_test"], &other_scheme, "{}", AT), Err(Unsigned::Malformed));
    }

    #[test]
    fn what_is_older_or_newer_than_five_minutes_is_refused() {
        let header = format!("t={AT},v1={GOOD}");
        for (now, wanted) in [
            (AT + 300, Ok(())),
            (AT - 300, Ok(())),
            (AT + 301, Err(Unsigned::TooOld)),
            (AT - 301, Err(Unsigned::TooOld)),
        ] {
            assert_eq!(check(&["whsec_test"], &header, "{}", now), wanted, "{now}");
        }
    }

    #[test]
    fn what_is_no_signature_is_refused() {
        for header in ["", "t", "t=", "t=1", "v1=00", "t=x,v1=00", "t=1,t=2,v1=00", "t=1,,v1=00"] {
            let found = check(&["whsec_test"], header, "{}", AT);
            assert_eq!(found, Err(Unsigned::Malformed), "{header}");
        }
        let huge = format!("t={}9,v1=00", i64::MAX);
        assert_eq!(check(&["whsec_test"], &huge, "{}", AT), Err(Unsigned::Malformed));
    }
}
